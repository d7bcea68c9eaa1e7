// A walk through a level, one unit or filter at a time: what is tried in which order, and what is made of it.
//
// Nothing here depends on the instruction set. One walker serves one thread and one particle after another; what becomes of
// a particle is a function of its parameters, the level, the seed, its stream and the number of sweeps.

#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "moves.h"
#include "neuron_space.h"

namespace goodminima {

// {theta : margin_i > above_i for all examples i, at_least <= mean loss < below}.
struct Level {
    std::vector<float> above;
    double at_least, below;

    bool bounds_losses() const { return std::isfinite(at_least) || std::isfinite(below); }
};

// RESEARCH
struct Tuning {
    double fresh, depth, sparse;
    Size trials;
    bool slice, integrate;
    std::vector<Size> visits;
};

struct Terrain {
    std::vector<Run> runs;  // of theta
    double unit;
    std::vector<float> half_width;
    std::vector<float> images;         // [examples][input_size]
    std::vector<std::int64_t> labels;  // [examples]
};

// Of each link: proposals, and how many of them were taken.
struct Tried {
    std::vector<std::int64_t> tried, accepted;
    double evaluations = 0;
};

class NeuronWalker {
  public:
    NeuronWalker(const Engine& engine, const SearchPlan& plan, const Terrain& terrain, const Level& level, const Tuning& tuning)
        : engine_(engine), plan_(plan), terrain_(terrain), level_(level), tuning_(tuning),
          asked_(asked(level)),
          space_(plan, static_cast<Size>(asked_.size()), engine.lanes),
          theta_(static_cast<std::size_t>(plan.program.parameters)),
          normaliser_(terrain.runs, terrain.unit),
          stream_(0, 0) {
        Size widest = 0;
        for (const Link& link : plan_.links) widest = std::max(widest, link.num_taps());
        kept_.resize(static_cast<std::size_t>(widest + 1));
        direction_.resize(kept_.size());
        tally.tried.resize(plan_.links.size());
        tally.accepted.resize(plan_.links.size());
        engine_.search->load(neurons().search, terrain_.images.data(), terrain_.labels.data(), asked_, space_.trial);
        const Size places = space_.now.blocks * engine_.lanes;
        for (Size i = 0; i < places; ++i)
            space_.above.get()[i] = i < examples() ? level_.above[static_cast<std::size_t>(asked_[static_cast<std::size_t>(i)])]
                                                   : -std::numeric_limits<float>::infinity();
        exact_ = plan_.links.back().linear() && plan_.links.back().shaping.empty();
    }

    Tried tally;

    void walk(float* theta, std::uint64_t seed, std::uint64_t stream, Size sweeps) {
        stream_ = Stream(seed, stream);
        std::copy(theta, theta + theta_.size(), theta_.begin());
        refresh();
        for (Size sweep = 0; sweep < sweeps; ++sweep) {
            for (Size l = 0; l < plan_.num_links() - (exact_ ? 1 : 0); ++l)
                for (Size visit = 0; visit < tuning_.visits[static_cast<std::size_t>(l)]; ++visit)
                    for (Size channel = 0; channel < plan_.link(l).dense.out.channels; ++channel) move_channel(l, channel);
            if (exact_) move_outputs();
        }
        refresh();
        if (within()) std::copy(theta_.begin(), theta_.end(), theta);
    }

  private:
    Neurons neurons() { return {{plan_, theta_.data(), space_.now}, space_}; }
    Size examples() const { return static_cast<Size>(asked_.size()); }

    static std::vector<Size> asked(const Level& level) {
        std::vector<Size> found;
        for (std::size_t i = 0; i < level.above.size(); ++i)
            if (level.bounds_losses() || level.above[i] > -std::numeric_limits<float>::infinity())
                found.push_back(static_cast<Size>(i));
        if (found.empty()) found.push_back(0);
        return found;
    }

    // Uniform on (0, 1).
    double uniform() { return (static_cast<double>(stream_.next() >> 8) + 0.5) * 0x1p-24; }

    void refresh() {
        engine_.search->refresh(neurons().search, space_.trial);
        if (level_.bounds_losses()) normaliser_.read(theta_);
        tally.evaluations += static_cast<double>(examples());
    }

    bool loss_within(const Caches& of, float scale) {
        if (!level_.bounds_losses()) return true;
        const double loss = engine_.neurons->losses(neurons(), of, scale) / static_cast<double>(examples());
        return loss >= level_.at_least && loss < level_.below;
    }

    bool within() {
        return engine_.neurons->look(neurons(), neurons().present(), {}).length() > 0 &&
               loss_within(space_.now, normaliser_.scale());
    }

    Interval room(const Ask& ask, Interval interval) {
        if (ask.output < 0) return interval;
        const Size p = parameter(ask);
        const float value = theta_[static_cast<std::size_t>(p)], end = terrain_.half_width[static_cast<std::size_t>(p)];
        return {std::max(interval.low, -end - value), std::min(interval.high, end - value)};
    }

    Size parameter(const Ask& ask) const {
        const Link& last = plan_.links.back();
        return ask.source < 0 ? last.dense.bias + ask.output : last.dense.weight + ask.output * last.in_size + ask.source;
    }

    // ----------------------------------------------------------------------------------------------- a unit or filter

    struct Block {
        Move move;
        Size weight, count, bias;
    };

    Block block(Size l, Size channel) {
        const Link& link = plan_.link(l);
        const Size weight = link.dense.weight + channel * link.num_taps();
        return {plan_.locate(weight), weight, link.num_taps(), link.dense.bias < 0 ? -1 : link.dense.bias + channel};
    }

    Size size(const Block& b) const { return b.count + (b.bias < 0 ? 0 : 1); }
    Size place(const Block& b, Size i) const { return i < b.count ? b.weight + i : b.bias; }

    void move_channel(Size l, Size channel) {
        const Block b = block(l, channel);
        Ask ask;
        if (tuning_.integrate && exact_ && !level_.bounds_losses()) {
            ask.output = static_cast<Size>(stream_.below(static_cast<std::uint64_t>(plan_.classes())));
            const Size features = plan_.links.back().in_size;
            if (l + 2 == plan_.num_links()) {
                const Size size = plan_.link(l).shaped_plane;
                ask.source = channel * size + (size > 1 ? static_cast<Size>(stream_.below(static_cast<std::uint64_t>(size))) : 0);
            } else ask.source = static_cast<Size>(stream_.below(static_cast<std::uint64_t>(features)));
        }
        const Interval here = room(ask, engine_.neurons->look(neurons(), neurons().present(), ask));
        for (Size i = 0; i < size(b); ++i) kept_[static_cast<std::size_t>(i)] = theta_[static_cast<std::size_t>(place(b, i))];
        if (!try_moves(b, ask, here.length()) && ask.output >= 0) {
            step(neurons().present(), ask, here);
        }
    }

    bool try_moves(const Block& b, const Ask& ask, double length) {
        if (uniform() < tuning_.fresh) {
            for (Size i = 0; i < size(b); ++i) {
                const Size p = place(b, i);
                theta_[static_cast<std::size_t>(p)] = static_cast<float>(2 * uniform() - 1) * terrain_.half_width[static_cast<std::size_t>(p)];
            }
            return attempt(b, ask, uniform() * length);
        }
        const double all = tuning_.sparse > 0 && uniform() < tuning_.sparse ? std::exp(-uniform() * std::log(static_cast<double>(size(b)))) : 1;
        const Size sure = all < 1 ? static_cast<Size>(stream_.below(static_cast<std::uint64_t>(size(b)))) : 0;
        const double scale = std::exp(-tuning_.depth * uniform());
        for (Size i = 0; i < size(b); ++i) {
            const bool in = all >= 1 || i == sure || uniform() < all;
            direction_[static_cast<std::size_t>(i)] =
                in ? static_cast<float>((2 * uniform() - 1) * scale) * terrain_.half_width[static_cast<std::size_t>(place(b, i))] : 0.0f;
        }
        const double least = uniform() * length;
        if (!tuning_.slice) {
            go(b, 1);
            return attempt(b, ask, least);
        }
        double low = -uniform(), high = low + 1;
        for (Size trial = 0; trial < tuning_.trials; ++trial) {
            const double t = low + uniform() * (high - low);
            go(b, static_cast<float>(t));
            if (attempt(b, ask, least)) return true;
            (t < 0 ? low : high) = t;
        }
        return false;
    }

    void go(const Block& b, float t) {
        for (Size i = 0; i < size(b); ++i) {
            const Size p = place(b, i);
            const float end = terrain_.half_width[static_cast<std::size_t>(p)];
            float value = kept_[static_cast<std::size_t>(i)] + t * direction_[static_cast<std::size_t>(i)];
            if (value > end) value = 2 * end - value;
            if (value < -end) value = -2 * end - value;
            theta_[static_cast<std::size_t>(p)] = value;
        }
    }

    // Whether more than `least` of the asked weight's interval is left, and the loss is within bounds. If so, moves there;
    // else puts back what was.
    bool attempt(const Block& b, const Ask& ask, double least) {
        const auto l = static_cast<std::size_t>(b.move.link);
        ++tally.tried[l];
        const auto [interval, blocks] = engine_.neurons->propose(neurons(), b.move, ask);
        tally.evaluations += cost(b.move) * static_cast<double>(std::min(blocks * engine_.lanes, examples()));
        const Interval there = room(ask, interval);
        bool good = there.length() > least;
        if (good && level_.bounds_losses()) {
            const float scale = normaliser_.scale_after(b.weight, kept_.data(), theta_.data() + b.weight, b.count);
            good = loss_within(space_.next, scale);
        }
        good = good && (ask.output < 0 || step(neurons().proposed(b.move, ask), ask, there));
        if (!good) {
            for (Size i = 0; i < size(b); ++i) theta_[static_cast<std::size_t>(place(b, i))] = kept_[static_cast<std::size_t>(i)];
            return false;
        }
        if (level_.bounds_losses()) normaliser_.move(b.weight, kept_.data(), theta_.data() + b.weight, b.count);
        engine_.neurons->adopt(neurons(), b.move);
        ++tally.accepted[l];
        return true;
    }

    // Forward passes that a proposal costs an example.
    double cost(const Move& move) const {
        const Link& link = plan_.link(move.link);
        double sum = static_cast<double>(link.plane * link.num_taps());
        if (move.link + 1 < plan_.num_links()) {
            const Link& next = plan_.link(move.link + 1);
            const double all = static_cast<double>(next.out_size * next.num_taps());
            sum += all * static_cast<double>(link.shaped_plane) / static_cast<double>(next.in_size);
        }
        for (Size l = move.link + 2; l < plan_.num_links(); ++l)
            sum += static_cast<double>(plan_.link(l).out_size * plan_.link(l).num_taps());
        return sum / static_cast<double>(plan_.program.multiply_adds);
    }

    // ---------------------------------------------------------------------------------------------- the output weights

    // Draws the asked weight from an interval of steps.
    bool step(const View& view, const Ask& ask, const Interval& interval) {
        if (interval.length() <= 0) return false;
        float& value = theta_[static_cast<std::size_t>(parameter(ask))];
        const float wanted = value + static_cast<float>(interval.low + uniform() * interval.length());
        const float end = terrain_.half_width[static_cast<std::size_t>(parameter(ask))];
        const float after = std::clamp(wanted, -end, end);
        if (!engine_.neurons->shift(neurons(), view, ask, after - value)) return false;
        value = after;
        return true;
    }

    void move_outputs() {
        const Link& last = plan_.links.back();
        for (Size output = 0; output < plan_.classes(); ++output)
            for (Size source = last.dense.bias < 0 ? 0 : -1; source < last.in_size; ++source) move_output({output, source});
    }

    void move_output(const Ask& ask) {
        const View view = neurons().present();
        Interval interval = room(ask, engine_.neurons->look(neurons(), view, ask));
        if (!level_.bounds_losses()) {
            step(view, ask, interval);
            return;
        }
        const Size p = parameter(ask);
        const float before = theta_[static_cast<std::size_t>(p)];
        for (Size trial = 0; trial < tuning_.trials && interval.length() > 0; ++trial) {
            if (!step(view, ask, interval)) return;
            const float after = theta_[static_cast<std::size_t>(p)];
            if (loss_within(space_.now, ask.source < 0 ? normaliser_.scale() : normaliser_.scale_after(p, before, after))) {
                if (ask.source >= 0) normaliser_.move(p, before, after);
                return;
            }
            const float t = after - before;
            engine_.neurons->shift(neurons(), view, ask, -t);
            theta_[static_cast<std::size_t>(p)] = before;
            (t < 0 ? interval.low : interval.high) = t;
        }
    }

    const Engine& engine_;
    const SearchPlan& plan_;
    const Terrain& terrain_;
    const Level& level_;
    const Tuning& tuning_;
    std::vector<Size> asked_;
    NeuronSpace space_;
    std::vector<float> theta_, kept_, direction_;
    Normaliser normaliser_;
    Stream stream_;
    bool exact_ = false;
};

}  // namespace goodminima
