// What Gibbs walks are about, and the parameters that they move together.
//
// Nothing here depends on the instruction set.

#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "common/dataset.h"
#include "local_search/search_plan.h"

namespace goodminima {

// {theta in the box : margin_i > above_i for all examples i, at_least <= mean loss < below}.
struct LevelSet {
    std::vector<float> above;  // -inf where nothing is asked
    double at_least, below;

    bool bounds_losses() const { return std::isfinite(at_least) || std::isfinite(below); }

    // The examples that something is asked of; one at least.
    std::vector<Size> constrained() const {
        std::vector<Size> found;
        for (std::size_t i = 0; i < above.size(); ++i)
            if (bounds_losses() || above[i] > -std::numeric_limits<float>::infinity())
                found.push_back(static_cast<Size>(i));
        if (found.empty()) found.push_back(0);
        return found;
    }
};

// Where members live: a box of parameters, and the examples that they are asked about.
struct GibbsProblem {
    std::vector<float> half_width;  // of the box, by parameter
    Normaliser normaliser;
    Dataset data;
};

// The parameters of one unit or filter: `count` weights side by side, and a bias, -1 for none.
struct ParameterBlock {
    Move move;
    Size weight, count, bias;

    ParameterBlock(const SearchPlan& plan, Size layer, Size channel) {
        const Stage& dense = plan.layer(layer).dense;
        count = plan.layer(layer).num_taps();
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

// What became of the proposals: by layer how many there were and how many were taken; what they cost.
struct ProposalCounts {
    explicit ProposalCounts(std::size_t layers) : proposed(layers), accepted(layers) {}

    void add(const ProposalCounts& other) {
        multiply_adds += other.multiply_adds;
        for (std::size_t l = 0; l < proposed.size(); ++l) {
            proposed[l] += other.proposed[l];
            accepted[l] += other.accepted[l];
        }
    }

    std::vector<std::int64_t> proposed, accepted;
    std::int64_t multiply_adds = 0;
};

// Multiply-adds by which a proposal for a unit or filter of `number` changes the logits of an example.
inline Size multiply_adds_of(const SearchPlan& plan, Size number) {
    const WeightedLayer& layer = plan.layer(number);
    Size sum = layer.plane * layer.num_taps();
    for (Size l = number + 1; l < plan.num_layers(); ++l) {
        const WeightedLayer& later = plan.layer(l);
        const Size all = later.out_size * later.num_taps(), one = all / later.dense.in.channels;
        if (l > number + 1) sum += all;
        else sum += later.linear() ? one * layer.shaped_plane : one;
    }
    return sum;
}

}  // namespace goodminima
