// The backward pass, for one instruction set: instruction_set.inl includes this file, see there for the names it sets.
//
// As forwards, a member's numbers depend on its own lane only, and each sum has one order whatever the tiling. A stage
// finds the gradient with respect to its output in its field; from it come the gradient with respect to its weights
// and the one with respect to its input, which goes into the field of the stage before.

// The derivative of ReLU: 0 where its output is 0.
LANES_INLINE Floats rectify(Floats gradient, Floats output) { return choose(output <= 0.0f, Floats{}, gradient); }

// ------------------------------------------------------------------------------------------------------ linear layers

template <typename In>
LANES_TARGET static void linear_weights(const Stage& stage, const FlatStep& step, const In* in, const Floats* field,
                                        Size count, Floats* gradient, bool add) {
    const Size inputs = stage.in.size(), outputs = stage.out.size();
    auto products = products_of(field, in);
    products.left_step = 1;
    products.right_places = step.features.data();
    products.inner = count;
    products.left_inner = step.image_outputs.data();
    products.right_inner = step.image_inputs.data();
    products.out = gradient + stage.weight;
    products.out_step = inputs;
    products.begin = add ? products.out : nullptr;
    run_all_products(products, outputs, inputs);
    for (Size o = 0; stage.bias >= 0 && o < outputs; ++o) {
        Floats sum = add ? gradient[stage.bias + o] : Floats{};
        for (Size image = 0; image < count; ++image) sum += field[image * outputs + o];
        gradient[stage.bias + o] = sum;
    }
}

LANES_TARGET static void linear_input(const Stage& stage, const FlatStep& step, const Floats* theta,
                                      const Floats* field, Size count, Floats* out) {
    auto products = products_of(field, theta + stage.weight);
    products.left_step = stage.out.size();
    products.right_places = step.features.data();
    products.inner = stage.out.size();
    products.left_inner = step.outputs.data();
    products.right_inner = step.output_weights.data();
    products.out = out;
    products.out_step = stage.in.size();
    run_all_products(products, count, stage.in.size());
}

// ------------------------------------------------------------------------------------------------------- convolutions

LANES_TARGET static Floats sum_of(const Floats* values, Size count) {
    Floats partial[4] = {};  // four at a time, or each would wait for the one before
    Size i = 0;
    for (; i + 4 <= count; i += 4)
#pragma GCC unroll 4
        for (int k = 0; k < 4; ++k) partial[k] += values[i + k];
    for (; i < count; ++i) partial[0] += values[i];
    return (partial[0] + partial[1]) + (partial[2] + partial[3]);
}

template <typename In>
LANES_TARGET static void convolution_weights(const Stage& stage, const SpatialStep& step, const In* in,
                                             const Floats* field, Floats* gradient, bool add) {
    const Size num_taps = static_cast<Size>(stage.taps.size());
    const Size plane = step.field.plane(), pitch = step.field.pitch();
    auto products = products_of(field, in);
    products.left_step = plane;
    products.right_places = stage.taps.data();
    products.left_outer = pitch;
    products.right_outer = stage.window.row_stride * stage.in.width;
    products.inner = stage.out.width;
    products.left_inner = step.field_columns.data();
    products.right_inner = step.input_columns.data();
    products.out = gradient + stage.weight;
    products.out_step = num_taps;
    // So many rows at a time as stay in the fastest cache while all taps go over them: 256 registers' worth.
    const Size stretch = std::max<Size>(1, 256 / (largest_outputs(num_taps) * pitch));
    for (Size row = 0; row < stage.out.height; row += stretch) {
        products.left = field + row * products.left_outer;
        products.right = in + row * products.right_outer;
        products.outer = std::min(stretch, stage.out.height - row);
        products.begin = add || row > 0 ? products.out : nullptr;
        run_all_products(products, stage.out.channels, num_taps);
    }
    for (Size o = 0; stage.bias >= 0 && o < stage.out.channels; ++o) {
        const Floats sum = sum_of(field + o * plane, plane);
        gradient[stage.bias + o] = add ? gradient[stage.bias + o] + sum : sum;
    }
}

LANES_TARGET static void convolution_input(const Stage& stage, const SpatialStep& step, const Floats* theta,
                                           const Floats* field, const Field& before, Floats* out) {
    static constexpr Size in_a_row[max_places] = {0, 1, 2, 3, 4, 5, 6, 7};
    auto products = products_of(theta + stage.weight, field);
    products.left_step = stage.window.height * stage.window.width;
    products.right_places = in_a_row;
    products.outer = stage.out.channels;
    products.left_outer = stage.in.channels * products.left_step;
    products.right_outer = step.field.plane();
    products.out_step = before.plane();
    products.out_place_step = stage.window.column_stride;
    for (const Reach& reach : step.reaches) {
        products.inner = static_cast<Size>(reach.end - reach.begin);
        products.left_inner = step.weights.data() + reach.begin;
        products.right_inner = step.sources.data() + reach.begin;
        products.out = out + reach.row * before.pitch() + before.margin + reach.column;
        run_all_products(products, stage.in.channels, reach.count);
    }
}

// -------------------------------------------------------------------------------------------------------------- pools

// The first of the largest entries, row by row, gets the gradient; if `rectified`, only where it is positive.
template <bool Overlaps>
LANES_INLINE void spread_largest(const Window& window, const Floats* in, Size in_step, bool rectified, Floats gradient,
                                 Floats* out, Size out_step) {
    Floats largest = in[0];
    for (Size y = 0; y < window.height; ++y)
        for (Size x = 0; x < window.width; ++x) largest = larger(largest, in[y * in_step + x]);
    if (rectified) gradient = rectify(gradient, largest);
    Ints waiting = ~Ints{};
    for (Size y = 0; y < window.height; ++y)
        for (Size x = 0; x < window.width; ++x) {
            const Ints here = waiting & (in[y * in_step + x] == largest);
            waiting &= ~here;
            const Floats part = choose(here, gradient, Floats{});
            out[y * out_step + x] = Overlaps ? out[y * out_step + x] + part : part;
        }
}

LANES_INLINE void spread_evenly(const Window& window, Floats gradient, Floats* out, Size out_step) {
    const Floats share = gradient * (1.0f / static_cast<float>(window.height * window.width));
    for (Size y = 0; y < window.height; ++y)
        for (Size x = 0; x < window.width; ++x) out[y * out_step + x] += share;
}

// One row of windows. They come as a copy: known at compile time where they are 2 x 2, side by side.
template <bool Overlaps>
LANES_INLINE void pool_row_input(const Window window, const Stage& stage, const Floats* in, bool rectified,
                                 const Floats* gradient, Floats* out, Size out_step) {
    const Size in_step = stage.in.width, columns = stage.out.width;
    const bool average = stage.average;
    for (Size column = 0; column < columns; ++column, in += window.column_stride, out += window.column_stride) {
        if (average) spread_evenly(window, gradient[column], out, out_step);
        else spread_largest<Overlaps>(window, in, in_step, rectified, gradient[column], out, out_step);
    }
}

LANES_TARGET static void pool_input(const Stage& stage, const Floats* in, bool rectified, const Floats* gradient,
                                    const Field& before, Floats* out) {
    const Window& window = stage.window;
    const auto [least, most] = std::minmax({window.height, window.width, window.row_stride, window.column_stride});
    const bool halves = !stage.average && least == 2 && most == 2;
    // Windows side by side write each entry once, and what they leave out is zero from the start.
    if (!halves) std::memset(out, 0, static_cast<std::size_t>(before.size()) * sizeof(Floats));
    for (Size row = 0; row < stage.out.channels * stage.out.height; ++row) {
        const Size top = row / stage.out.height * stage.in.height + row % stage.out.height * window.row_stride;
        const Floats *values = in + top * stage.in.width, *gradients = gradient + row * stage.out.width;
        Floats* target = out + top * before.pitch() + before.margin;
        if (halves) pool_row_input<false>({2, 2, 2, 2}, stage, values, rectified, gradients, target, before.pitch());
        else pool_row_input<true>(window, stage, values, rectified, gradients, target, before.pitch());
    }
}

LANES_TARGET static void pad_input(const Stage& stage, const Floats* gradient, const Field& before, Floats* out) {
    for (Size row = 0; row < stage.in.channels * stage.in.height; ++row) {
        const Size channel = row / stage.in.height, y = row % stage.in.height + stage.pad_rows;
        std::memcpy(out + row * before.pitch() + before.margin,
                    gradient + (channel * stage.out.height + y) * stage.out.width + stage.pad_columns,
                    static_cast<std::size_t>(stage.in.width) * sizeof(Floats));
    }
}
