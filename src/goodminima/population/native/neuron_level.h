// What a walk by single units and filters is about, and the parameters that it moves together.
//
// Nothing here depends on the instruction set.

#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "links.h"

namespace goodminima {

// {theta in the box : margin_i > above_i for all examples i, at_least <= mean loss < below}.
struct Level {
    std::vector<float> above;  // -inf where nothing is asked
    double at_least, below;

    bool bounds_losses() const { return std::isfinite(at_least) || std::isfinite(below); }

    // The examples that matter; one at least.
    std::vector<Size> asked() const {
        std::vector<Size> found;
        for (std::size_t i = 0; i < above.size(); ++i)
            if (bounds_losses() || above[i] > -std::numeric_limits<float>::infinity())
                found.push_back(static_cast<Size>(i));
        if (found.empty()) found.push_back(0);
        return found;
    }
};

// Where members live, and what is asked of them.
struct Terrain {
    std::vector<float> half_width;  // of the box, by parameter
    std::vector<Run> runs;          // of theta
    double unit;
    std::vector<float> images;         // [examples][input_size]
    std::vector<std::int64_t> labels;  // [examples]

    Size examples() const { return static_cast<Size>(labels.size()); }
};

// The parameters of one unit or filter: `count` weights side by side, and a bias, -1 for none.
struct Block {
    Move move;
    Size weight, count, bias;

    Block(const SearchPlan& plan, Size link, Size channel) {
        const Stage& dense = plan.link(link).dense;
        count = plan.link(link).num_taps();
        weight = dense.weight + channel * count;
        bias = dense.bias < 0 ? -1 : dense.bias + channel;
        move = plan.locate(weight);
    }

    Size size() const { return count + (bias < 0 ? 0 : 1); }

    // Copies them out of theta, or back.
    void read(const std::vector<float>& theta, std::vector<float>& values) const {
        std::copy_n(theta.begin() + weight, count, values.begin());
        if (bias >= 0) values[static_cast<std::size_t>(count)] = theta[static_cast<std::size_t>(bias)];
    }
    void write(const std::vector<float>& values, std::vector<float>& theta) const {
        std::copy_n(values.begin(), count, theta.begin() + weight);
        if (bias >= 0) theta[static_cast<std::size_t>(bias)] = values[static_cast<std::size_t>(count)];
    }
};

// What became of the proposals: by link how many there were and how many were taken;
// what they cost.
struct Tried {
    explicit Tried(std::size_t links) : tried(links), accepted(links) {}

    void add(const Tried& other) {
        multiply_adds += other.multiply_adds;
        for (std::size_t l = 0; l < tried.size(); ++l) {
            tried[l] += other.tried[l];
            accepted[l] += other.accepted[l];
        }
    }

    std::vector<std::int64_t> tried, accepted;
    std::int64_t multiply_adds = 0;
};

// Multiply-adds by which a proposal for a unit or filter of `number` changes the logits of an example.
inline Size multiply_adds_of(const SearchPlan& plan, Size number) {
    const Link& link = plan.link(number);
    Size sum = link.plane * link.num_taps();
    for (Size l = number + 1; l < plan.num_links(); ++l) {
        const Link& later = plan.link(l);
        const Size all = later.out_size * later.num_taps(), one = all / later.dense.in.channels;
        if (l > number + 1) sum += all;
        else sum += later.linear() ? one * link.shaped_plane : one;
    }
    return sum;
}

}  // namespace goodminima
