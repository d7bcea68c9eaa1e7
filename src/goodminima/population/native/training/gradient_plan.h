// What the backward pass works out once a call: where activations and gradients lie, and which products make them up.
//
// Nothing here depends on the instruction set. The program is built without fused pools, so that each stage's output is
// there when the gradient comes back: a max pool finds its largest entry again rather than remembering it.

#pragma once

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "common/kernels.h"
#include "common/program.h"

namespace goodminima {

// Where the gradient with respect to one stage's output lies. The gradient of a convolution's output has `margin` zeros
// on either side of each row: the sums for the convolution's input then need no special cases at the left and the
// right.
struct Field {
    Shape shape{};
    Size offset = 0, margin = 0;
    Size pitch() const { return shape.width + 2 * margin; }
    Size plane() const { return shape.height * pitch(); }
    Size size() const { return shape.channels * plane(); }
};

// A stretch of one row of a convolution's input, `count` places from `column` on, one column stride apart. Place j is
// reached by the products of `weights[i]` with entry `sources[i]` + j of the output's field, i from `begin` to `end`.
struct Reach {
    Size row, column, count;
    std::size_t begin, end;
};

// A stage of `Program::spatial`, backwards.
struct SpatialStep {
    Size kept = 0;                // where the stage's output is kept
    Field field;                  // the gradient with respect to that output
    bool pool_rectifies = false;  // the ReLU is left to the max pool behind it, which looks at fewer numbers
    std::vector<Size> field_columns,
        input_columns;  // where an output's column lies in a row of its field and of the input
    std::vector<Reach> reaches;
    std::vector<Size> weights, sources;
};

// A linear layer, backwards: where images, outputs and features lie among the layer's inputs, outputs and weights.
struct FlatStep {
    Size kept = 0;
    std::vector<Size> image_outputs, image_inputs, outputs, output_weights, features;
};

class GradientPlan {
  public:
    GradientPlan(Program built, Size together) : program(std::move(built)), images(together) {
        check_disjoint(program);
        for (const Stage& stage : program.spatial) add_spatial(stage);
        for (const Stage& stage : program.flat) add_flat(stage);
        for (std::size_t i = 1; i < spatial.size(); ++i)
            if (program.spatial[i].kind == StageKind::pool && !program.spatial[i].average)
                spatial[i - 1].pool_rectifies = program.spatial[i - 1].relu_before_pool;
        while (features_matter() && program.spatial[static_cast<std::size_t>(first_weights)].kind != StageKind::dense)
            ++first_weights;
        widest = std::max(program.feature_size, program.largest_flat);
    }

    // Whether gradients are needed beyond the linear layers.
    bool features_matter() const { return first_weights < static_cast<Size>(spatial.size()); }

    Program program;
    Size images;             // most images at a time
    Size first_weights = 0;  // the first spatial stage that has weights: nothing before it needs a gradient
    std::vector<SpatialStep> spatial;
    std::vector<FlatStep> flat;
    Size kept = 0, fields = 0, widest = 0;  // numbers of each kind that a member takes

  private:
    Size keep(Size numbers) { return std::exchange(kept, kept + numbers * images); }

    void add_spatial(const Stage& stage) {
        SpatialStep step;
        step.kept = keep(stage.out.size());
        const bool dense = stage.kind == StageKind::dense, passes_on = dense && weights_before_;
        weights_before_ = weights_before_ || dense;
        const Size column_stride = stage.window.column_stride;
        step.field = {stage.out, fields, passes_on ? (stage.window.width + column_stride - 2) / column_stride : 0};
        fields += step.field.size();
        for (Size x = 0; dense && x < stage.out.width; ++x) {
            step.field_columns.push_back(step.field.margin + x);
            step.input_columns.push_back(x * column_stride);
        }
        if (passes_on) add_reaches(stage, step);
        spatial.push_back(std::move(step));
    }

    // Columns `stride` apart are reached by the same columns of the kernel.
    static void add_reaches(const Stage& stage, SpatialStep& step) {
        const Size widest = stage.in.channels >= 3 ? 4 : 8;  // short stretches are reached by fewer zeros of the margin
        for (Size row = 0; row < stage.in.height; ++row)
            for (Size phase = 0; phase < stage.window.column_stride; ++phase) {
                const Size columns =
                    (stage.in.width - phase + stage.window.column_stride - 1) / stage.window.column_stride;
                for (Size begin = 0; begin < columns; begin += widest)
                    add_reach(stage, step, row, phase, begin, std::min(widest, columns - begin));
            }
    }

    static void add_reach(const Stage& stage, SpatialStep& step, Size row, Size phase, Size begin, Size count) {
        const Window& window = stage.window;
        Reach reach{row, phase + begin * window.column_stride, count, step.weights.size(), 0};
        for (Size y = row % window.row_stride; y < window.height && y <= row; y += window.row_stride) {
            const Size out_row = (row - y) / window.row_stride;
            if (out_row >= stage.out.height) continue;
            for (Size x = phase; x < window.width; x += window.column_stride) {
                const Size out_column = begin - x / window.column_stride;  // of the stretch's first place
                if (out_column + count <= 0 || out_column >= stage.out.width) continue;
                step.weights.push_back(y * window.width + x);
                step.sources.push_back(out_row * step.field.pitch() + step.field.margin + out_column);
            }
        }
        reach.end = step.weights.size();
        step.reaches.push_back(reach);
    }

    void add_flat(const Stage& stage) {
        FlatStep step;
        step.kept = keep(stage.out.size());
        const Size inputs = stage.in.size(), outputs = stage.out.size();
        for (Size image = 0; image < images; ++image) {
            step.image_outputs.push_back(image * outputs);
            step.image_inputs.push_back(image * inputs);
        }
        for (Size o = 0; o < outputs; ++o) {
            step.outputs.push_back(o);
            step.output_weights.push_back(o * inputs);
        }
        for (Size k = 0; k < inputs; ++k) step.features.push_back(k);
        flat.push_back(std::move(step));
    }

    bool weights_before_ = false;
};

// Scratch of one call.
struct GradientSpace {
    GradientSpace(const GradientPlan& plan, Size lanes)
        : theta(plan.program.parameters * lanes),
          gradient(plan.program.parameters * lanes),
          kept(plan.kept * lanes),
          fields(plan.fields * lanes),
          flat{Buffer(plan.widest * plan.images * lanes), Buffer(plan.widest * plan.images * lanes)} {}
    Buffer theta;
    Buffer gradient;  // parameters of no layer stay zero
    Buffer kept;
    Buffer fields;  // margins, and what no pooling window covers, stay zero
    Buffer flat[2];
};

}  // namespace goodminima
