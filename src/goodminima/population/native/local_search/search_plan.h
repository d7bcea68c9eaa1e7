// A net as local search sees it: layers with weights, one after another, each with what shapes its output for the next.
//
// What comes between two layers with weights (ReLUs, pools, padding) works on each channel by itself. So a change of
// one weight changes one channel of its layer's output, that same channel of what enters the next layer, and everything
// from there on. *Level* l is what enters layer l of these; the last level is
// the logits.
//
// Nothing here depends on the instruction set.

#pragma once

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "common/program.h"

namespace goodminima {

struct WeightedLayer {
    Stage dense;
    std::vector<Stage> shaping;          // of all channels
    std::vector<Stage> channel_shaping;  // of one
    Size plane = 0, shaped_plane = 0;    // numbers of one channel, before and after
    Size in_size = 0, out_size = 0;
    std::vector<Size> rows;     // where the weights of each output begin
    std::vector<Size> numbers;  // 0, 1, ..., as many as there are taps or outputs

    Size num_taps() const { return static_cast<Size>(dense.taps.size()); }
    bool linear() const { return num_taps() == in_size; }
    bool only_relu() const { return shaping.size() == 1 && shaping[0].kind == StageKind::relu; }
};

// A change of one parameter, and where it enters the net.
struct Move {
    Size parameter;
    float value, step;  // of the parameter: afterwards, and the difference
    float scale = 0;    // 1 / normaliser, afterwards
    Size layer = -1;    // -1: the parameter belongs to no layer
    Size channel = 0;   // the output that it changes
    bool unit = false;  // whether the output is one number that enters a linear layer with nothing but a ReLU behind it
    Size source = -1;   // the entry of the level that the weight multiplies at the first place; -1 for a bias
};

class SearchPlan {
  public:
    explicit SearchPlan(Program built) : program(std::move(built)) {
        check_disjoint(program);
        for (const auto* stages : {&program.spatial, &program.flat})
            for (const Stage& stage : *stages) add(stage);
        for (std::size_t l = 0; l < layers.size(); ++l) add_ranges(layers[l], static_cast<Size>(l));
        std::sort(ranges_.begin(), ranges_.end(), [](const Range& a, const Range& b) { return a.begin < b.begin; });
        first_linear = num_layers();
        while (first_linear > 0 && layer(first_linear - 1).linear()) --first_linear;
        const WeightedLayer& last = layers.back();
        tangent_level = num_layers() > 1 && last.linear() && last.shaping.empty() ? num_layers() - 1 : num_layers();
    }

    Size num_layers() const { return static_cast<Size>(layers.size()); }
    Size levels() const { return num_layers() + 1; }
    Size classes() const { return program.output_size; }
    Size level_size(Size level) const { return level < num_layers() ? layer(level).in_size : classes(); }
    const WeightedLayer& layer(Size number) const { return layers[static_cast<std::size_t>(number)]; }

    // Where a change of `parameter` enters.
    Move locate(Size parameter) const {
        Move move{parameter, 0, 0};
        const auto after = std::upper_bound(ranges_.begin(), ranges_.end(), parameter,
                                            [](Size value, const Range& range) { return value < range.begin; });
        if (after == ranges_.begin()) return move;
        const Range& range = *(after - 1);
        if (parameter >= range.end) return move;
        const Size place = parameter - range.begin;
        const WeightedLayer& owner = layer(range.layer);
        move.layer = range.layer;
        move.channel = range.bias ? place : place / owner.num_taps();
        move.unit = owner.shaped_plane == 1 && move.layer + 1 < num_layers() && layer(move.layer + 1).linear() &&
                    layer(move.layer + 1).only_relu();
        if (!range.bias) move.source = owner.dense.taps[static_cast<std::size_t>(place % owner.num_taps())];
        return move;
    }

    Program program;
    std::vector<Stage> lead;  // what comes before the first layer with weights
    std::vector<WeightedLayer> layers;
    Size first_linear = 0;  // of the linear layers at the end
    // The level whose entries a linear map at most separates from the logits: the loss is convex in them.
    Size tangent_level = 0;

  private:
    struct Range {
        Size begin, end, layer;
        bool bias;
    };

    void add(const Stage& stage) {
        if (stage.kind == StageKind::spread) return;  // examples are lanes from the start
        if (stage.kind == StageKind::dense) {
            add_layer(stage);
            return;
        }
        if (layers.empty()) {
            lead.push_back(stage);
            lead.back().shared_input = false;
            return;
        }
        add_shaping(layers.back(), stage);
    }

    void add_layer(const Stage& stage) {
        WeightedLayer layer;
        layer.dense = stage;
        layer.plane = layer.shaped_plane = stage.out.height * stage.out.width;
        layer.in_size = stage.in.size();
        layer.out_size = stage.out.size();
        for (Size o = 0; o < stage.out.channels; ++o) layer.rows.push_back(o * layer.num_taps());
        for (Size i = 0; i < std::max(layer.num_taps(), stage.out.channels); ++i) layer.numbers.push_back(i);
        layers.push_back(std::move(layer));
        channel_ = {1, stage.out.height, stage.out.width};
        if (!stage.relu_before_pool) return;
        Stage relu{StageKind::relu};
        relu.in = relu.out = stage.out;
        add_shaping(layers.back(), relu);
    }

    void add_shaping(WeightedLayer& layer, const Stage& stage) {
        Stage one = stage;
        one.in = channel_;
        one.out = stage.kind == StageKind::relu ? channel_ : Shape{1, stage.out.height, stage.out.width};
        channel_ = one.out;
        layer.shaped_plane = channel_.size();
        // The largest of rectified numbers is the rectified largest, and there are fewer of those.
        const bool largest = stage.kind == StageKind::pool && !stage.average;
        const bool merged = largest && !layer.shaping.empty() && layer.shaping.back().kind == StageKind::relu;
        put(layer.shaping, stage, merged);
        put(layer.channel_shaping, one, merged);
    }

    static void put(std::vector<Stage>& shaping, const Stage& stage, bool merged) {
        if (merged) shaping.back() = stage;
        else shaping.push_back(stage);
        shaping.back().relu_after_pool = merged;
    }

    void add_ranges(const WeightedLayer& layer, Size number) {
        const Size weight = layer.dense.weight, bias = layer.dense.bias, outputs = layer.dense.out.channels;
        ranges_.push_back({weight, weight + outputs * layer.num_taps(), number, false});
        if (bias >= 0) ranges_.push_back({bias, bias + outputs, number, true});
    }

    std::vector<Range> ranges_;
    Shape channel_{};  // of one channel, behind what has been added last
};

}  // namespace goodminima
