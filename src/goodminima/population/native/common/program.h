// A net as a short list of stages with every offset worked out, so that the inner loops only add and multiply.
//
// Nothing here depends on the instruction set. An activation is laid out [channel][row][column]; whether one entry is a
// number shared by all members (the input images) or a vector with one number per member is `Stage::shared_input`.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace goodminima {

using Size = std::ptrdiff_t;

// A layer as Python tells it: its name and the integers after the name.
struct Layer {
    std::string kind;
    std::vector<Size> numbers;
};

struct Shape {
    Size channels, height, width;
    Size size() const { return channels * height * width; }
};

struct Window {
    Size height, width, row_stride, column_stride;
};

enum class StageKind { dense, pool, relu, pad, spread };

// `dense` is a convolution or a linear layer:
//     output[o][p] = bias[o] + sum over k of weight[o][k] * input[places[p] + taps[k]].
// A non-overlapping pool after a convolution is part of its stage: a band of rows, as high as the window, is computed
// into a scratch that stays in the fastest cache, and only the pooled row is written out.
struct Stage {
    StageKind kind;
    bool shared_input = false;
    Shape in{}, out{};
    Size weight = 0, bias = -1;      // offsets into theta; bias -1 for none
    std::vector<Size> taps, places;  // places of one band
    Size bands = 1, band_step = 0;   // how many bands, and how far apart in the input
    Size band_width = 0;             // columns of a band
    bool relu_before_pool = false, relu_after_pool = false;
    bool has_pool = false, average = false;
    Window window{};  // of the pool; where there is none, of the convolution
    Size pad_rows = 0, pad_columns = 0;

    Size multiply_adds() const {
        return kind == StageKind::dense ? out.channels * bands * static_cast<Size>(places.size() * taps.size()) : 0;
    }
};

// `spatial` runs image by image; `flat`, from the first linear layer on, runs for several images at once, because its
// weights are used once per image and reading them would otherwise take longer than multiplying.
struct Program {
    std::vector<Stage> spatial, flat;
    Size parameters = 0, input_size = 0, feature_size = 0, output_size = 0;
    Size largest_spatial = 0, largest_flat = 0, largest_band = 0;
    Size multiply_adds = 0;
    bool shared_images = true;  // whether all members are shown the same image, or each one of its own
};

class ProgramBuilder {
  public:
    ProgramBuilder(const std::vector<Size>& input_shape, Size parameters, bool fuse_pools, bool shared_images)
        : parameters_(parameters), fuse_pools_(fuse_pools), shared_(shared_images) {
        program_.shared_images = shared_images;
        if (input_shape.size() != 1 && input_shape.size() != 3)
            throw std::invalid_argument("input_shape must be (features,) or (channels, height, width), got " +
                                        std::to_string(input_shape.size()) + " axes");
        for (Size side : input_shape) check(side >= 1 && side <= limit, "input_shape", "sides must be from 1 to 2^20");
        flat_ = input_shape.size() == 1;
        shape_ = flat_ ? Shape{input_shape[0], 1, 1} : Shape{input_shape[0], input_shape[1], input_shape[2]};
        check_size("input_shape");
        program_.input_size = shape_.size();
    }

    void add(const Layer& layer) {
        name_ = "layer " + std::to_string(position_++) + " (" + layer.kind + ")";
        for (Size number : layer.numbers)
            check(number >= -1 && number <= limit * limit, name_, "a number is out of range");
        if (layer.kind == "conv") add_convolution(numbers<10>(layer));
        else if (layer.kind == "linear") add_linear(numbers<4>(layer));
        else if (layer.kind == "relu") add_relu(numbers<0>(layer));
        else if (layer.kind == "maxpool") add_pool(numbers<4>(layer), false);
        else if (layer.kind == "avgpool") add_pool(numbers<4>(layer), true);
        else if (layer.kind == "flatten") add_flatten(numbers<0>(layer));
        else
            throw std::invalid_argument(
                name_ + ": unknown layer; the kernel knows conv, linear, relu, maxpool, avgpool, flatten");
        check_size(name_);
    }

    Program finish() {
        check(flat_, "program", "must end in one vector of logits per image: add (\"flatten\",) or a linear layer");
        check(has_dense_, "program", "has no layer with weights");
        if (program_.flat.empty()) program_.feature_size = shape_.size();
        program_.parameters = parameters_;
        program_.output_size = shape_.size();
        measure();
        return std::move(program_);
    }

  private:
    static constexpr Size limit = Size{1} << 20;

    static void check(bool holds, const std::string& name, const std::string& rule) {
        if (!holds) throw std::invalid_argument(name + ": " + rule);
    }

    void check_size(const std::string& name) const {
        const bool plane_fits = shape_.height * shape_.width <= limit * 1024;
        check(plane_fits && shape_.channels <= limit * 1024 / (shape_.height * shape_.width), name,
              "an activation would have more than 2^30 numbers");
    }

    template <std::size_t N>
    const std::vector<Size>& numbers(const Layer& layer) const {
        check(layer.numbers.size() == N, name_,
              "takes " + std::to_string(N) + " numbers, got " + std::to_string(layer.numbers.size()));
        return layer.numbers;
    }

    std::vector<Stage>& stages() { return has_linear_ ? program_.flat : program_.spatial; }

    Stage& append(StageKind kind, Shape out) {
        Stage stage{kind};
        stage.in = shape_;
        stage.out = shape_ = out;
        stage.shared_input = shared_;
        stages().push_back(stage);
        return stages().back();
    }

    // What is neither padding nor a product needs one number per member.
    void ensure_spread() {
        if (!shared_) return;
        append(StageKind::spread, shape_);
        shared_ = false;
    }

    void check_parameters(Size weight, Size weight_size, Size bias, Size bias_size) const {
        check(weight >= 0 && weight <= parameters_ - weight_size, name_,
              "its weights [" + std::to_string(weight) + ", " + std::to_string(weight + weight_size) +
                  ") do not lie within the " + std::to_string(parameters_) + " parameters");
        check(bias == -1 || bias <= parameters_ - bias_size, name_,
              "its bias [" + std::to_string(bias) + ", " + std::to_string(bias + bias_size) +
                  ") does not lie within the " + std::to_string(parameters_) + " parameters");
    }

    void add_convolution(const std::vector<Size>& n) {
        check(!flat_, name_, "needs an input of shape (channels, height, width), but it is flat here");
        const Size channels = n[2], outputs = n[3], height = n[4], width = n[5], row_stride = n[6],
                   column_stride = n[7];
        check(channels == shape_.channels, name_,
              "expects " + std::to_string(channels) + " channels, but " + std::to_string(shape_.channels) + " arrive");
        check(std::min({outputs, height, width, row_stride, column_stride}) >= 1, name_,
              "sizes and strides must be at least 1");
        check(std::max({outputs, height, width, row_stride, column_stride, n[8], n[9]}) <= limit, name_,
              "sizes must not exceed 2^20");
        check(n[8] >= 0 && n[9] >= 0, name_, "padding must not be negative");
        check(channels <= limit * 1024 / (height * width) / outputs, name_, "has more than 2^30 weights");
        check_parameters(n[0], outputs * channels * height * width, n[1], outputs);
        if (n[8] > 0 || n[9] > 0) add_padding(n[8], n[9]);
        check(height <= shape_.height && width <= shape_.width, name_, "its kernel is larger than what arrives");
        const Size rows = (shape_.height - height) / row_stride + 1,
                   columns = (shape_.width - width) / column_stride + 1;
        Stage& stage = append(StageKind::dense, Shape{outputs, rows, columns});
        stage.weight = n[0];
        stage.bias = n[1];
        stage.window = {height, width, row_stride, column_stride};
        for (Size c = 0; c < channels; ++c)
            for (Size y = 0; y < height; ++y)
                for (Size x = 0; x < width; ++x) stage.taps.push_back((c * stage.in.height + y) * stage.in.width + x);
        // The step from one output row to the next, until a pool says how many rows make a band.
        stage.band_step = row_stride * stage.in.width;
        place(stage, rows, columns, column_stride);
        shared_ = false;
        has_dense_ = true;
    }

    void add_padding(Size rows, Size columns) {
        Stage& stage =
            append(StageKind::pad, Shape{shape_.channels, shape_.height + 2 * rows, shape_.width + 2 * columns});
        stage.pad_rows = rows;
        stage.pad_columns = columns;
        check_size(name_);
    }

    static void place(Stage& stage, Size rows, Size columns, Size column_stride) {
        stage.places.clear();
        stage.band_width = columns;
        for (Size y = 0; y < rows; ++y)
            for (Size x = 0; x < columns; ++x) stage.places.push_back(y * stage.band_step + x * column_stride);
    }

    void add_linear(const std::vector<Size>& n) {
        check(flat_, name_, "needs a flat input: add (\"flatten\",) before it");
        const Size inputs = n[2], outputs = n[3];
        check(inputs == shape_.channels, name_,
              "expects " + std::to_string(inputs) + " features, but " + std::to_string(shape_.channels) + " arrive");
        check(outputs >= 1 && outputs <= limit * 1024 / inputs, name_, "must have from 1 to 2^30 weights");
        check_parameters(n[0], outputs * inputs, n[1], outputs);
        if (!has_linear_) program_.feature_size = inputs;
        has_linear_ = true;
        Stage& stage = append(StageKind::dense, Shape{outputs, 1, 1});
        stage.weight = n[0];
        stage.bias = n[1];
        for (Size k = 0; k < inputs; ++k) stage.taps.push_back(k);
        stage.places = {0};
        shared_ = false;
        has_dense_ = true;
    }

    void add_relu(const std::vector<Size>&) {
        if (!stages().empty() && stages().back().kind == StageKind::dense) {
            Stage& last = stages().back();
            (last.has_pool ? last.relu_after_pool : last.relu_before_pool) = true;
            return;
        }
        ensure_spread();
        append(StageKind::relu, shape_);
    }

    void add_pool(const std::vector<Size>& n, bool average) {
        const Window window{n[0], n[1], n[2], n[3]};
        check(!flat_, name_, "needs an input of shape (channels, height, width), but it is flat here");
        check(std::min({n[0], n[1], n[2], n[3]}) >= 1, name_, "sizes and strides must be at least 1");
        check(window.height <= shape_.height && window.width <= shape_.width, name_,
              "its window is larger than what arrives");
        check(std::max(n[2], n[3]) <= limit, name_, "strides must not exceed 2^20");
        ensure_spread();
        const Shape out{shape_.channels, (shape_.height - window.height) / window.row_stride + 1,
                        (shape_.width - window.width) / window.column_stride + 1};
        const bool after_convolution =
            fuse_pools_ && !stages().empty() && stages().back().kind == StageKind::dense && !stages().back().has_pool;
        Stage& stage = after_convolution && window.row_stride >= window.height ? fuse_pool(stages().back(), window, out)
                                                                               : append(StageKind::pool, out);
        stage.window = window;
        stage.average = average;
        // The largest of rectified numbers is the rectified largest, and there are fewer of those.
        if (!average && stage.relu_before_pool) std::swap(stage.relu_before_pool, stage.relu_after_pool);
    }

    Stage& fuse_pool(Stage& stage, const Window& window, Shape out) {
        // Only the columns that some window covers are computed.
        const Size columns = (out.width - 1) * window.column_stride + window.width;
        const Size column_stride = stage.places.size() > 1 && stage.band_width > 1 ? stage.places[1] : 1;
        place(stage, window.height, columns, column_stride);
        stage.bands = out.height;
        stage.band_step *= window.row_stride;
        stage.has_pool = true;
        stage.out = shape_ = out;
        return stage;
    }

    void add_flatten(const std::vector<Size>&) {
        shape_ = Shape{shape_.size(), 1, 1};
        flat_ = true;
    }

    void measure() {
        for (const Stage& stage : program_.spatial) {
            program_.largest_spatial = std::max({program_.largest_spatial, stage.in.size(), stage.out.size()});
            const Size band = stage.has_pool ? static_cast<Size>(stage.places.size()) : 0;
            program_.largest_band = std::max(program_.largest_band, band);
            program_.multiply_adds += stage.multiply_adds();
        }
        for (const Stage& stage : program_.flat) {
            program_.largest_flat = std::max({program_.largest_flat, stage.in.size(), stage.out.size()});
            program_.multiply_adds += stage.multiply_adds();
        }
    }

    Program program_;
    Shape shape_{};
    Size parameters_;
    bool fuse_pools_;
    Size position_ = 0;
    std::string name_;
    bool flat_ = false, shared_, has_linear_ = false, has_dense_ = false;
};

inline Program build_program(const std::vector<Layer>& layers, const std::vector<Size>& input_shape, Size parameters,
                             bool fuse_pools, bool shared_images = true) {
    ProgramBuilder builder(input_shape, parameters, fuse_pools, shared_images);
    for (const Layer& layer : layers) builder.add(layer);
    return builder.finish();
}

// Refuses nets in which two layers share a parameter: for what moves or differentiates one parameter of one layer.
inline void check_disjoint(const Program& program) {
    std::vector<std::pair<Size, Size>> ranges;
    for (const auto* stages : {&program.spatial, &program.flat})
        for (const Stage& stage : *stages) {
            if (stage.kind != StageKind::dense) continue;
            ranges.emplace_back(stage.weight, stage.out.channels * static_cast<Size>(stage.taps.size()));
            if (stage.bias >= 0) ranges.emplace_back(stage.bias, stage.out.channels);
        }
    std::sort(ranges.begin(), ranges.end());
    for (std::size_t i = 1; i < ranges.size(); ++i)
        if (ranges[i].first < ranges[i - 1].first + ranges[i - 1].second)
            throw std::invalid_argument("program: two layers share parameter " + std::to_string(ranges[i].first) +
                                        "; each parameter may belong to one layer only");
}

}  // namespace goodminima
