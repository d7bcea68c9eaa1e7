// A walk within a level, one unit or filter at a time: what is tried in which order, and what is made of it.
//
// Nothing here depends on the instruction set. What becomes of a member is a function of its parameters, the level, the
// seed, its stream and the number of sweeps. `population/native/neurons.py` says which numbers it draws, and in which order.

#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "moves.h"
#include "neuron_level.h"
#include "neuron_space.h"

namespace goodminima {

// One walker serves one thread, and one member after another.
class NeuronWalker {
  public:
    NeuronWalker(const Engine& engine, const SearchPlan& plan, const Terrain& terrain, const Level& level)
        : engine_(engine),
          plan_(plan),
          terrain_(terrain),
          level_(level),
          asked_(level.asked()),
          linear_end_(plan.links.back().linear() && plan.links.back().shaping.empty()),
          space_(plan, examples(), engine.lanes),
          theta_(terrain.half_width.size()),
          normaliser_(terrain.runs, terrain.unit),
          stream_(0, 0),
          tried_(plan.links.size()) {
        Size longest = 0;
        for (const Link& link : plan.links) longest = std::max(longest, link.num_taps() + 1);
        for (auto* values : {&before_, &after_, &end_}) values->resize(static_cast<std::size_t>(longest));
        load();
    }

    // Where it ends is within the level by everything computed afresh: else the last digits of sums that were carried along
    // have led it out, and it stays where it was.
    void walk(float* theta, std::uint64_t seed, std::uint64_t stream, Size sweeps) {
        stream_ = Stream(seed, stream);
        std::copy_n(theta, theta_.size(), theta_.begin());
        refresh();
        for (Size sweep = 0; sweep < sweeps; ++sweep) {
            for (Size l = 0; l < plan_.num_links() - (linear_end_ ? 1 : 0); ++l)
                for (Size channel = 0; channel < plan_.link(l).dense.out.channels; ++channel) move_block(l, channel);
            if (linear_end_) move_outputs();
        }
        refresh();
        if (within()) std::copy(theta_.begin(), theta_.end(), theta);
    }

    const Tried& tried() const { return tried_; }

  private:
    static constexpr double fresh_share = 0.3;  // of the proposals forget where they come from
    static constexpr double finest = 3.5;       // the others' scales reach down to e^-3.5
    static constexpr int most_trials = 8;       // of an output weight, where the loss is bounded

    Neurons neurons() { return {{plan_, theta_.data(), space_.now}, space_}; }
    Size examples() const { return static_cast<Size>(asked_.size()); }

    void load() {
        engine_.search->load(neurons().search, terrain_.images.data(), terrain_.labels.data(), asked_, space_.trial);
        std::fill_n(space_.above.get(), space_.now.blocks * engine_.lanes, -std::numeric_limits<float>::infinity());
        for (std::size_t i = 0; i < asked_.size(); ++i)
            space_.above.get()[i] = level_.above[static_cast<std::size_t>(asked_[i])];
    }

    void refresh() {
        engine_.search->refresh(neurons().search, space_.trial);
        if (level_.bounds_losses()) normaliser_.read(theta_);
        tried_.multiply_adds += plan_.program.multiply_adds * examples();
    }

    bool within() {
        const View now = neurons().present();
        return engine_.neurons->look(neurons(), now, {}).length() > 0 && loss_fits(now, {}, 0, normaliser_.scale());
    }

    bool loss_fits(const View& view, const Ask& ask, float step, float scale) {
        if (!level_.bounds_losses()) return true;
        const double loss = engine_.neurons->losses(neurons(), view, ask, step, scale) / static_cast<double>(examples());
        return loss >= level_.at_least && loss < level_.below;
    }

    // Uniform on (0, 1), and whole numbers.
    double uniform() { return (static_cast<double>(stream_.next() >> 8) + 0.5) * 0x1p-24; }
    Size below(Size end) { return end == 1 ? 0 : static_cast<Size>(stream_.below(static_cast<std::uint64_t>(end))); }

    // ------------------------------------------------------------------------------------------------ units and filters

    // An output weight that is integrated out: one that the moved block feeds, where there are such.
    Ask choose_ask(const Block& block) {
        if (!linear_end_ || level_.bounds_losses()) return {};
        const Size output = below(plan_.classes());
        const Size size = plan_.link(block.move.link).shaped_plane;
        if (block.move.link + 2 == plan_.num_links()) return {output, block.move.channel * size + below(size)};
        return {output, below(plan_.links.back().in_size)};
    }

    void move_block(Size link, Size channel) {
        const Block block(plan_, link, channel);
        const Ask ask = choose_ask(block);
        const View now = neurons().present();
        const Interval here = room(ask, engine_.neurons->look(neurons(), now, ask));
        block.read(theta_, before_);
        block.read(terrain_.half_width, end_);
        const double least = uniform() * here.length();
        const bool moved = uniform() < fresh_share ? try_fresh(block, ask, least) : try_near(block, ask, least);
        if (!moved && ask.output >= 0) draw_output(now, ask, here);
    }

    bool try_fresh(const Block& block, const Ask& ask, double least) {
        for (std::size_t i = 0; i < static_cast<std::size_t>(block.size()); ++i)
            after_[i] = static_cast<float>(2 * uniform() - 1) * end_[i];
        return attempt(block, ask, least);
    }

    bool try_near(const Block& block, const Ask& ask, double least) {
        const double scale = std::exp(-finest * uniform());
        for (std::size_t i = 0; i < static_cast<std::size_t>(block.size()); ++i) {
            const float step = static_cast<float>(scale * (2 * uniform() - 1)) * end_[i];
            after_[i] = reflected(before_[i] + step, end_[i]);
        }
        return attempt(block, ask, least);
    }

    static float reflected(float value, float end) {
        if (value > end) value = 2 * end - value;
        return value < -end ? -2 * end - value : value;
    }

    // Goes to `after_` if more than `least` of the asked weight's interval is left there, and the loss within bounds.
    bool attempt(const Block& block, const Ask& ask, double least) {
        const auto link = static_cast<std::size_t>(block.move.link);
        block.write(after_, theta_);
        const auto [interval, blocks] = engine_.neurons->propose(neurons(), block.move, ask);
        ++tried_.tried[link];
        tried_.multiply_adds += multiply_adds_of(plan_, block.move.link) * std::min(blocks * engine_.lanes, examples());
        const Interval there = room(ask, interval);
        const View next = neurons().proposed(block.move, ask);
        const bool good = there.length() > least && loss_fits(next, {}, 0, scale_after(block)) &&
                          (ask.output < 0 || draw_output(next, ask, there));
        if (!good) {
            block.write(before_, theta_);
            return false;
        }
        if (level_.bounds_losses()) normaliser_.move(block.weight, before_.data(), after_.data(), block.count);
        engine_.neurons->adopt(neurons(), block.move);
        ++tried_.accepted[link];
        return true;
    }

    float scale_after(const Block& block) const {
        if (!level_.bounds_losses()) return 1;
        return normaliser_.scale_after(block.weight, before_.data(), after_.data(), block.count);
    }

    // ------------------------------------------------------------------------------------------------- output weights

    Size parameter(const Ask& ask) const {
        const Link& last = plan_.links.back();
        return ask.source < 0 ? last.dense.bias + ask.output : last.dense.weight + ask.output * last.in_size + ask.source;
    }

    // What the box leaves of an interval of steps.
    Interval room(const Ask& ask, const Interval& interval) const {
        if (ask.output < 0) return interval;
        const auto p = static_cast<std::size_t>(parameter(ask));
        return {std::max(interval.low, -terrain_.half_width[p] - theta_[p]),
                std::min(interval.high, terrain_.half_width[p] - theta_[p])};
    }

    float draw_value(const Ask& ask, const Interval& interval) {
        const auto p = static_cast<std::size_t>(parameter(ask));
        const float step = static_cast<float>(interval.low + uniform() * interval.length());
        return std::clamp(theta_[p] + step, -terrain_.half_width[p], terrain_.half_width[p]);
    }

    // False where rounding lets no margin be as small as the draw would make it.
    bool draw_output(const View& view, const Ask& ask, const Interval& interval) {
        return interval.length() > 0 && set_output(view, ask, draw_value(ask, interval));
    }

    bool set_output(const View& view, const Ask& ask, float value) {
        float& now = theta_[static_cast<std::size_t>(parameter(ask))];
        if (!engine_.neurons->shift(neurons(), view, ask, value - now)) return false;
        now = value;
        return true;
    }

    void move_outputs() {
        const Link& last = plan_.links.back();
        for (Size output = 0; output < plan_.classes(); ++output)
            for (Size source = last.dense.bias < 0 ? 0 : -1; source < last.in_size; ++source) move_output({output, source});
        tried_.multiply_adds += last.out_size * last.num_taps() * plan_.classes() * examples();
    }

    // Exact, where the margins alone count: all of them are linear in one output weight. Else the interval shrinks to where
    // we are until the loss is within bounds.
    void move_output(const Ask& ask) {
        const View now = neurons().present();
        Interval interval = room(ask, engine_.neurons->look(neurons(), now, ask));
        const auto last = plan_.links.size() - 1;
        if (!level_.bounds_losses()) {
            ++tried_.tried[last];
            tried_.accepted[last] += draw_output(now, ask, interval) ? 1 : 0;
            return;
        }
        const Size p = parameter(ask);
        const float before = theta_[static_cast<std::size_t>(p)];
        for (int trial = 0; trial < most_trials && interval.length() > 0; ++trial) {
            const float value = draw_value(ask, interval), step = value - before;
            const float scale = ask.source < 0 ? normaliser_.scale() : normaliser_.scale_after(p, before, value);
            ++tried_.tried[last];
            if (loss_fits(now, ask, step, scale)) {
                if (!set_output(now, ask, value)) return;
                if (ask.source >= 0) normaliser_.move(p, before, value);
                ++tried_.accepted[last];
                return;
            }
            (step < 0 ? interval.low : interval.high) = step;
        }
    }

    const Engine& engine_;
    const SearchPlan& plan_;
    const Terrain& terrain_;
    const Level& level_;
    const std::vector<Size> asked_;
    const bool linear_end_;  // whether margins are linear in every weight of the last layer
    NeuronSpace space_;
    std::vector<float> theta_;
    std::vector<float> before_, after_, end_;  // of a block
    Normaliser normaliser_;
    Stream stream_;
    Tried tried_;
};

}  // namespace goodminima
