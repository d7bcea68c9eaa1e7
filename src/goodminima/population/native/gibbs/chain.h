// A Gibbs walk within a level, one unit or filter at a time: what is proposed in which order, and what is made of it.
//
// Nothing here depends on the instruction set. What becomes of a member is a function of its parameters, the level, the
// seed, its stream and the number of sweeps. `population/native/gibbs` says which numbers it draws, and in which order.

#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "common/stream.h"
#include "gibbs/state.h"
#include "gibbs/target.h"
#include "local_search/norm_tracker.h"

namespace goodminima {

// One chain serves one thread, and one member after another.
class GibbsChain {
  public:
    GibbsChain(const Kernels& kernels, const SearchPlan& plan, const GibbsProblem& problem, const LevelSet& level)
        : kernels_(kernels),
          plan_(plan),
          problem_(problem),
          level_(level),
          constrained_(level.constrained()),
          linear_end_(plan.layers.back().linear() && plan.layers.back().shaping.empty()),
          space_(plan, examples(), kernels.lanes),
          theta_(problem.half_width.size()),
          norm_(problem.normaliser),
          stream_(0, 0),
          counts_(plan.layers.size()) {
        Size longest = 0;
        for (const WeightedLayer& layer : plan.layers) longest = std::max(longest, layer.num_taps() + 1);
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
            for (Size l = 0; l < plan_.num_layers() - (linear_end_ ? 1 : 0); ++l)
                for (Size channel = 0; channel < plan_.layer(l).dense.out.channels; ++channel) update_block(l, channel);
            if (linear_end_) update_outputs();
        }
        refresh();
        if (within()) std::copy(theta_.begin(), theta_.end(), theta);
    }

    const ProposalCounts& counts() const { return counts_; }

  private:
    static constexpr double fresh_share = 0.3;  // of the proposals forget where they come from
    static constexpr double finest = 3.5;       // the others' scales reach down to e^-3.5
    static constexpr int most_trials = 8;       // of an output weight, where the loss is bounded

    GibbsState state() { return {{plan_, theta_.data(), space_.now}, space_}; }
    Size examples() const { return static_cast<Size>(constrained_.size()); }

    void load() {
        kernels_.local_search->load(state().search, problem_.data, constrained_, space_.trial);
        std::fill_n(space_.above.get(), space_.now.blocks * kernels_.lanes, -std::numeric_limits<float>::infinity());
        for (std::size_t i = 0; i < constrained_.size(); ++i)
            space_.above.get()[i] = level_.above[static_cast<std::size_t>(constrained_[i])];
    }

    void refresh() {
        kernels_.local_search->refresh(state().search, space_.trial);
        if (level_.bounds_losses()) norm_.read(theta_);
        counts_.multiply_adds += plan_.program.multiply_adds * examples();
    }

    bool within() {
        const View now = state().current();
        return kernels_.gibbs->feasible(state(), now, {}).length() > 0 && loss_fits(now, {}, 0, norm_.scale());
    }

    bool loss_fits(const View& view, const OutputWeight& chosen, float step, float scale) {
        if (!level_.bounds_losses()) return true;
        const double loss =
            kernels_.gibbs->losses(state(), view, chosen, step, scale) / static_cast<double>(examples());
        return loss >= level_.at_least && loss < level_.below;
    }

    // Uniform on (0, 1), and whole numbers.
    double uniform() { return (static_cast<double>(stream_.next() >> 8) + 0.5) * 0x1p-24; }
    Size below(Size end) { return end == 1 ? 0 : static_cast<Size>(stream_.below(static_cast<std::uint64_t>(end))); }

    // ------------------------------------------------------------------------------------------------ units and filters

    // An output weight that is integrated out: one that the moved block feeds, where there are such.
    OutputWeight choose_output_weight(const ParameterBlock& block) {
        if (!linear_end_ || level_.bounds_losses()) return {};
        const Size output = below(plan_.classes());
        const Size size = plan_.layer(block.move.layer).shaped_plane;
        if (block.move.layer + 2 == plan_.num_layers()) return {output, block.move.channel * size + below(size)};
        return {output, below(plan_.layers.back().in_size)};
    }

    void update_block(Size layer, Size channel) {
        const ParameterBlock block(plan_, layer, channel);
        const OutputWeight chosen = choose_output_weight(block);
        const View now = state().current();
        const Interval here = room(chosen, kernels_.gibbs->feasible(state(), now, chosen));
        block.read(theta_, before_);
        block.read(problem_.half_width, end_);
        const double least = uniform() * here.length();
        const bool moved =
            uniform() < fresh_share ? propose_fresh(block, chosen, least) : propose_near(block, chosen, least);
        if (!moved && chosen.output >= 0) draw_output(now, chosen, here);
    }

    bool propose_fresh(const ParameterBlock& block, const OutputWeight& chosen, double least) {
        for (std::size_t i = 0; i < static_cast<std::size_t>(block.size()); ++i)
            after_[i] = static_cast<float>(2 * uniform() - 1) * end_[i];
        return try_block(block, chosen, least);
    }

    bool propose_near(const ParameterBlock& block, const OutputWeight& chosen, double least) {
        const double scale = std::exp(-finest * uniform());
        for (std::size_t i = 0; i < static_cast<std::size_t>(block.size()); ++i) {
            const float step = static_cast<float>(scale * (2 * uniform() - 1)) * end_[i];
            after_[i] = reflected(before_[i] + step, end_[i]);
        }
        return try_block(block, chosen, least);
    }

    static float reflected(float value, float end) {
        if (value > end) value = 2 * end - value;
        return value < -end ? -2 * end - value : value;
    }

    // Goes to `after_` if more than `least` of the chosen weight's interval is left there, and the loss within bounds.
    bool try_block(const ParameterBlock& block, const OutputWeight& chosen, double least) {
        const auto layer = static_cast<std::size_t>(block.move.layer);
        block.write(after_, theta_);
        const auto [interval, blocks] = kernels_.gibbs->propose(state(), block.move, chosen);
        ++counts_.proposed[layer];
        counts_.multiply_adds +=
            multiply_adds_of(plan_, block.move.layer) * std::min(blocks * kernels_.lanes, examples());
        const Interval there = room(chosen, interval);
        const View next = state().proposed(block.move, chosen);
        const bool good = there.length() > least && loss_fits(next, {}, 0, scale_after(block)) &&
                          (chosen.output < 0 || draw_output(next, chosen, there));
        if (!good) {
            block.write(before_, theta_);
            return false;
        }
        if (level_.bounds_losses()) norm_.move(block.weight, before_.data(), after_.data(), block.count);
        kernels_.gibbs->accept(state(), block.move);
        ++counts_.accepted[layer];
        return true;
    }

    float scale_after(const ParameterBlock& block) const {
        if (!level_.bounds_losses()) return 1;
        return norm_.scale_after(block.weight, before_.data(), after_.data(), block.count);
    }

    // ------------------------------------------------------------------------------------------------- output weights

    Size parameter(const OutputWeight& chosen) const {
        const WeightedLayer& last = plan_.layers.back();
        return chosen.source < 0 ? last.dense.bias + chosen.output
                                 : last.dense.weight + chosen.output * last.in_size + chosen.source;
    }

    // What the box leaves of an interval of steps.
    Interval room(const OutputWeight& chosen, const Interval& interval) const {
        if (chosen.output < 0) return interval;
        const auto p = static_cast<std::size_t>(parameter(chosen));
        return {std::max(interval.low, -problem_.half_width[p] - theta_[p]),
                std::min(interval.high, problem_.half_width[p] - theta_[p])};
    }

    float draw_value(const OutputWeight& chosen, const Interval& interval) {
        const auto p = static_cast<std::size_t>(parameter(chosen));
        const float step = static_cast<float>(interval.low + uniform() * interval.length());
        return std::clamp(theta_[p] + step, -problem_.half_width[p], problem_.half_width[p]);
    }

    // False where rounding lets no margin be as small as the draw would make it.
    bool draw_output(const View& view, const OutputWeight& chosen, const Interval& interval) {
        return interval.length() > 0 && set_output(view, chosen, draw_value(chosen, interval));
    }

    bool set_output(const View& view, const OutputWeight& chosen, float value) {
        float& now = theta_[static_cast<std::size_t>(parameter(chosen))];
        if (!kernels_.gibbs->shift(state(), view, chosen, value - now)) return false;
        now = value;
        return true;
    }

    void update_outputs() {
        const WeightedLayer& last = plan_.layers.back();
        for (Size output = 0; output < plan_.classes(); ++output)
            for (Size source = last.dense.bias < 0 ? 0 : -1; source < last.in_size; ++source)
                update_output({output, source});
        counts_.multiply_adds += last.out_size * last.num_taps() * plan_.classes() * examples();
    }

    // Exact, where the margins alone count: all of them are linear in one output weight. Else the interval shrinks to where
    // we are until the loss is within bounds.
    void update_output(const OutputWeight& chosen) {
        const View now = state().current();
        Interval interval = room(chosen, kernels_.gibbs->feasible(state(), now, chosen));
        const auto last = plan_.layers.size() - 1;
        if (!level_.bounds_losses()) {
            ++counts_.proposed[last];
            counts_.accepted[last] += draw_output(now, chosen, interval) ? 1 : 0;
            return;
        }
        const Size p = parameter(chosen);
        const float before = theta_[static_cast<std::size_t>(p)];
        for (int trial = 0; trial < most_trials && interval.length() > 0; ++trial) {
            const float value = draw_value(chosen, interval), step = value - before;
            const float scale = chosen.source < 0 ? norm_.scale() : norm_.scale_after(p, before, value);
            ++counts_.proposed[last];
            if (loss_fits(now, chosen, step, scale)) {
                if (!set_output(now, chosen, value)) return;
                if (chosen.source >= 0) norm_.move(p, before, value);
                ++counts_.accepted[last];
                return;
            }
            (step < 0 ? interval.low : interval.high) = step;
        }
    }

    const Kernels& kernels_;
    const SearchPlan& plan_;
    const GibbsProblem& problem_;
    const LevelSet& level_;
    const std::vector<Size> constrained_;
    const bool linear_end_;  // whether margins are linear in every weight of the last layer
    GibbsWorkspace space_;
    std::vector<float> theta_;
    std::vector<float> before_, after_, end_;  // of a block
    NormTracker norm_;
    Stream stream_;
    ProposalCounts counts_;
};

}  // namespace goodminima
