// What local search remembers of every example at the current parameters, and the scratch in which it tries a move.
//
// Lanes are examples here: everything is laid out [block][entry][lane], a block being as many examples as a register
// has lanes. The last block repeats its last example in the lanes that are left over, and `present` is 0 there.

#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "common/buffer.h"
#include "common/dataset.h"
#include "local_search/search_plan.h"

namespace goodminima {

// Blocks that go through the linear layers side by side: a weight read once is used for all of them.
constexpr Size max_blocks = 4;

struct ActivationCache {
    ActivationCache(const SearchPlan& plan, Size examples, Size lanes)
        : blocks((examples + lanes - 1) / lanes),
          labels(blocks * lanes),
          present(blocks * lanes),
          losses(blocks * lanes),
          logit_slopes(blocks * plan.classes() * lanes),
          tangent_slopes(blocks * plan.level_size(plan.tangent_level) * lanes),
          group_losses(static_cast<std::size_t>(groups())),
          group_pulls(group_losses.size()) {
        for (const WeightedLayer& layer : plan.layers) pre.emplace_back(blocks * layer.out_size * lanes);
        for (Size level = 0; level < plan.levels(); ++level)
            entering.emplace_back(blocks * plan.level_size(level) * lanes);
    }

    Size groups() const { return (blocks + max_blocks - 1) / max_blocks; }

    Size blocks;
    std::vector<Buffer> pre;       // by layer: what it computes, before any ReLU
    std::vector<Buffer> entering;  // by level
    Buffer labels;                 // integers
    Buffer present, losses;
    float scale = 0;  // 1 / normaliser

    // The tangent of the losses, where `sloped`: the slope p - y along the normalised logits, the slope along the
    // entries of the tangent level, and by group of blocks the losses' sum and that of <p - y, normalised logits>.
    bool sloped = false;
    Buffer logit_slopes, tangent_slopes;
    std::vector<double> group_losses, group_pulls;
    double pull = 0;
};

// Why a move was given up, if it was.
enum class Rejection { none, tangent, partial_sum };

// Scratch of one thread.
struct Trial {
    Trial(const SearchPlan& plan, const ActivationCache& cache, Size lanes)
        : floors(cache.group_losses.size()), changed(floors.size()) {
        Size map_size = 0, shaped_size = 0, temporary = 0, widest_in = 0, widest_out = 0;
        for (Size l = 0; l < plan.num_layers(); ++l) {
            const WeightedLayer& layer = plan.layer(l);
            map_size = std::max(map_size, layer.plane);
            shaped_size = std::max(shaped_size, layer.shaped_plane);
            for (const Stage& stage : layer.shaping) temporary = std::max(temporary, stage.out.size());
            widest_in = std::max(widest_in, layer.in_size);
            widest_out = std::max(widest_out, layer.out_size);
            pre.emplace_back(max_blocks * layer.out_size * lanes);
        }
        for (const Stage& stage : plan.lead) temporary = std::max(temporary, stage.out.size());
        for (Size level = 0; level < plan.levels(); ++level)
            entering.emplace_back(blocks_at(plan, level, cache) * plan.level_size(level) * lanes);
        for (Buffer& buffer : temporaries) buffer = Buffer(temporary * lanes);
        map = Buffer(map_size * lanes);
        shaped = Buffer(max_blocks * shaped_size * lanes);
        delta = Buffer(max_blocks * shaped_size * lanes);
        nonzero.resize(static_cast<std::size_t>(widest_in));
        column.resize(static_cast<std::size_t>(widest_out));
    }

    static Size blocks_at(const SearchPlan& plan, Size level, const ActivationCache& cache) {
        return level == plan.tangent_level ? cache.blocks : max_blocks;
    }

    // Of the changed channel: pre-activations of one block, entries of the next level and their change of one group.
    Buffer map{0}, shaped{0}, delta{0};
    Buffer temporaries[2] = {Buffer(0), Buffer(0)};
    std::vector<Buffer> pre, entering;  // of one group of blocks; at the tangent level of all
    std::vector<Size> nonzero;
    std::vector<float> column;
    std::vector<double> floors;  // by group: no sum of its losses is less
    std::vector<char> changed;   // by group: whether any of its entries in the level behind the moved layer is
    Rejection rejection = Rejection::none;
};

// What the losses come to: their sum, and how many examples are classified correctly.
struct Score {
    double sum = 0;
    Size num_correct = 0;
};

// Where a search stands: all that trying a move reads.
struct SearchState {
    const SearchPlan& plan;
    const float* theta;
    ActivationCache& cache;
};

// All functions keep to one thread; `try_move` changes nothing but its `Trial`, so several threads may try at once.
struct LocalSearchKernels {
    // Puts examples `order` into the first level.
    void (*load)(const SearchState&, const Dataset&, const std::vector<Size>& order, Trial&);
    // Computes all levels afresh. Returns the largest difference to what was there, over the largest pre-activation of
    // the layer.
    double (*refresh)(const SearchState&, Trial&);
    // Losses and correct examples at the current parameters.
    Score (*current_score)(const SearchState&);
    // Correct examples when all is computed afresh. Sums that cancel leave nothing behind, where remembered ones may leave
    // a last digit that breaks a tie.
    Size (*recount_correct)(const SearchState&, Trial&);
    // The tangent of the losses at the current parameters.
    void (*find_slopes)(const SearchState&);
    // The sum of the losses after the move; infinity if it surely exceeds `limit`.
    double (*try_move)(const SearchState&, const Move&, double limit, Trial&);
    // Makes the move, all but the parameter itself.
    void (*make_move)(const SearchState&, const Move&, Trial&);
    // Losses and correct examples of another member; an infinite sum if it surely exceeds `limit`.
    Score (*score_member)(const SearchState&, float scale, double limit, Trial&);
};

}  // namespace goodminima
