// What a walk by single units and filters remembers of the examples, and what it asks of an instruction set.

#pragma once

#include <limits>

#include "local_search/activation_cache.h"

namespace goodminima {

// One weight of the last layer, chosen to be drawn exactly: that of entry `source` in logit `output`; `source` -1 is the
// bias. With `output` -1 none.
struct OutputWeight {
    Size output = -1, source = -1;
};

// Steps of the chosen weight, low < step < high, after which every margin is as large as it must be. Where no weight is
// chosen, 0 < 1 if that is so as things are.
struct Interval {
    float low = 0, high = 0;
    double length() const { return low < high ? static_cast<double>(high) - static_cast<double>(low) : 0; }
};

// By example: the chosen weight may go a step s further where slack + slope s > 0.
struct MarginLines {
    explicit MarginLines(Size examples) : slack(examples), slope(examples) {}
    Buffer slack, slope;
};

// Caches and scratch of one thread: `now` at the parameters, `next` at the proposed ones, from the moved layer on.
struct GibbsWorkspace {
    GibbsWorkspace(const SearchPlan& plan, Size examples, Size lanes)
        : now(plan, examples, lanes),
          next(plan, examples, lanes),
          trial(plan, now, lanes),
          above(now.blocks * lanes),
          now_lines(now.blocks * lanes),
          next_lines(now.blocks * lanes),
          logits(plan.classes() * lanes) {}

    ActivationCache now, next;
    Trial trial;
    Buffer above;  // by example, what its margin must exceed
    MarginLines now_lines, next_lines;
    Buffer logits;  // of one block
};

// Where the logits are, the entries that the chosen weight multiplies, and what was last found of that weight.
struct View {
    ActivationCache& logits;
    const ActivationCache& features;
    MarginLines& lines;
};

// Where a member stands: all that moving it reads; `search.cache` is `space.now`.
struct GibbsState {
    SearchState search;
    GibbsWorkspace& space;

    View current() const { return {space.now, space.now, space.now_lines}; }

    // After `propose`. It leaves in `next` no entry that does not change.
    View proposed(const Move& move, const OutputWeight& chosen) const {
        const Size level = search.plan.num_layers() - 1, size = search.plan.layer(move.layer).shaped_plane;
        const bool fresh = move.layer + 1 < level || (move.layer + 1 == level && chosen.source / size == move.channel);
        return {space.next, fresh && chosen.source >= 0 ? space.next : space.now, space.next_lines};
    }
};

struct GibbsKernels {
    // The interval that the examples leave; keeps the lines.
    Interval (*feasible)(const GibbsState&, const View&, const OutputWeight&);
    // Computes `next` with other weights of one unit or filter, block by block, until no step is left; keeps the lines. The
    // interval and the number of blocks that were looked at.
    std::pair<Interval, Size> (*propose)(const GibbsState&, const Move&, const OutputWeight&);
    // Takes the chosen weight a step further, if the lines of all examples allow it.
    bool (*shift)(const GibbsState&, const View&, const OutputWeight&, float step);
    // Makes what was proposed the present.
    void (*accept)(const GibbsState&, const Move&);
    // The sum of the cross entropies of the logits times `scale`, the chosen weight, if there is one, a step further.
    double (*losses)(const GibbsState&, const View&, const OutputWeight&, float step, float scale);
    // By example the label's logit minus the largest other one.
    void (*margins)(const GibbsState&, float* out);
};

}  // namespace goodminima
