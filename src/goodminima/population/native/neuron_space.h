// What a walk by single units and filters remembers of the examples, and what it asks of an instruction set.

#pragma once

#include <limits>

#include "caches.h"

namespace goodminima {

// One weight of the last layer: that of entry `source` in logit `output`; `source` -1 is the bias. With `output` -1 none.
struct Ask {
    Size output = -1, source = -1;
};

// Steps of an asked weight, low < step < high, after which every margin is as large as it must be. Where no weight is
// asked for, 0 < 1 if that is so as things are.
struct Interval {
    float low = 0, high = 0;
    double length() const { return low < high ? static_cast<double>(high) - static_cast<double>(low) : 0; }
};

// By example: an asked weight may go a step s further where slack + slope s > 0.
struct Lines {
    explicit Lines(Size examples) : slack(examples), slope(examples) {}
    Buffer slack, slope;
};

// Caches and scratch of one thread: `now` at the parameters, `next` at the proposed ones, from the moved link on.
struct NeuronSpace {
    NeuronSpace(const SearchPlan& plan, Size examples, Size lanes)
        : now(plan, examples, lanes),
          next(plan, examples, lanes),
          trial(plan, now, lanes),
          above(now.blocks * lanes),
          now_lines(now.blocks * lanes),
          next_lines(now.blocks * lanes),
          logits(plan.classes() * lanes) {}

    Caches now, next;
    Trial trial;
    Buffer above;  // by example, what its margin must exceed
    Lines now_lines, next_lines;
    Buffer logits;  // of one block
};

// Where the logits are, the entries that an asked weight multiplies, and what was last found of that weight.
struct View {
    Caches& logits;
    const Caches& features;
    Lines& lines;
};

// Everything that walking reads; `search.caches` are `space.now`.
struct Neurons {
    Search search;
    NeuronSpace& space;

    View present() const { return {space.now, space.now, space.now_lines}; }

    // After `propose`. It leaves in `next` no entry that does not change.
    View proposed(const Move& move, const Ask& ask) const {
        const Size level = search.plan.num_links() - 1, size = search.plan.link(move.link).shaped_plane;
        const bool fresh = move.link + 1 < level || (move.link + 1 == level && ask.source / size == move.channel);
        return {space.next, fresh && ask.source >= 0 ? space.next : space.now, space.next_lines};
    }
};

struct NeuronEngine {
    // The interval that the examples leave; keeps the lines.
    Interval (*look)(const Neurons&, const View&, const Ask&);
    // Computes `next` with other weights of one unit or filter, block by block, until no step is left; keeps the lines. The
    // interval and the number of blocks that were looked at.
    std::pair<Interval, Size> (*propose)(const Neurons&, const Move&, const Ask&);
    // Takes the asked weight a step further, if the lines of all examples allow it.
    bool (*shift)(const Neurons&, const View&, const Ask&, float step);
    // Makes what was proposed the present.
    void (*adopt)(const Neurons&, const Move&);
    // The sum of the cross entropies of the logits times `scale`, the asked weight, if there is one, a step further.
    double (*losses)(const Neurons&, const View&, const Ask&, float step, float scale);
    // By example the label's logit minus the largest other one.
    void (*margins)(const Neurons&, float* out);
};

}  // namespace goodminima
