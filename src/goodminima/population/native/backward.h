// The backward pass, for one instruction set: lanes.h includes this file, see there for the names it sets.
//
// As forwards, a member's numbers depend on its own lane only, and each sum has one order whatever the tiling.

// ------------------------------------------------------------------------------------------------- members into lanes

// Interleaves the halves of two registers: a0 b0 a1 b1 ... of their first halves (`Offset` 0) or of their second.
template <int Offset, int... I>
LANES_INLINE Floats interleaved(Floats a, Floats b, std::integer_sequence<int, I...>) {
#if defined(__clang__)
    return __builtin_shufflevector(a, b, (I / 2 + Offset + (I % 2) * LANES)...);
#else
    return __builtin_shuffle(a, b, Ints{(I / 2 + Offset + (I % 2) * LANES)...});
#endif
}

// Turns a square of LANES x LANES numbers over its diagonal: interleaving row i with row i + LANES/2 moves the highest
// bit of the row's number to the lowest of the column's, so log2(LANES) times swap the two.
LANES_INLINE void turn_square(Floats* rows) {
    constexpr auto all = std::make_integer_sequence<int, LANES>{};
#pragma GCC unroll 4
    for (int round = 1; round < LANES; round *= 2) {
        Floats turned[LANES];
#pragma GCC unroll 8
        for (int i = 0; i < LANES / 2; ++i) {
            turned[2 * i] = interleaved<0>(rows[i], rows[i + LANES / 2], all);
            turned[2 * i + 1] = interleaved<LANES / 2>(rows[i], rows[i + LANES / 2], all);
        }
#pragma GCC unroll 16
        for (int i = 0; i < LANES; ++i) rows[i] = turned[i];
    }
}

// Members first .. first + LANES - 1 side by side; lanes beyond the last member repeat it.
LANES_TARGET static void gather_members(const float* theta, Size members, Size parameters, Size first, float* block) {
    const float* rows[LANES];
    for (Size lane = 0; lane < LANES; ++lane) rows[lane] = theta + std::min(first + lane, members - 1) * parameters;
    Floats* out = reinterpret_cast<Floats*>(block);
    Size i = 0;
    for (; i + LANES <= parameters; i += LANES) {
        Floats square[LANES];
#pragma GCC unroll 16
        for (int lane = 0; lane < LANES; ++lane) std::memcpy(&square[lane], rows[lane] + i, sizeof(Floats));
        turn_square(square);
#pragma GCC unroll 16
        for (int k = 0; k < LANES; ++k) out[i + k] = square[k];
    }
    for (; i < parameters; ++i)
        for (int lane = 0; lane < LANES; ++lane) block[i * LANES + lane] = rows[lane][i];
}

// The way back; lanes beyond the last member are left out.
LANES_TARGET static void scatter_members(const float* block, Size members, Size parameters, Size first, float* theta) {
    const Floats* in = reinterpret_cast<const Floats*>(block);
    const Size used = std::min<Size>(LANES, members - first);
    Size i = 0;
    for (; i + LANES <= parameters; i += LANES) {
        Floats square[LANES];
#pragma GCC unroll 16
        for (int k = 0; k < LANES; ++k) square[k] = in[i + k];
        turn_square(square);
        for (Size lane = 0; lane < used; ++lane)
            std::memcpy(theta + (first + lane) * parameters + i, &square[lane], sizeof(Floats));
    }
    for (; i < parameters; ++i)
        for (Size lane = 0; lane < used; ++lane) theta[(first + lane) * parameters + i] = block[i * LANES + lane];
}

// --------------------------------------------------------------------------------------------------- sums of products

// All gradients of a layer are sums of products with one index from each of two arrays:
//     out[i][j] = sum over (m, k) of left[i * left_step + m * left_outer + left_inner[k]]
//                                  * right[right_places[j] + m * right_outer + right_inner[k]]
// `In` is float where all members see the same.
template <typename In>
struct Products {
    const Floats* left;
    const In* right;
    Size left_step;
    const Size* right_places;
    Size outer, left_outer, right_outer;
    Size inner;
    const Size *left_inner, *right_inner;
    Floats* out;
    Size out_step, out_place_step;
    bool add;  // to what is there
};

template <typename In, int Rows, int Places>
LANES_TARGET static void run_products(const Products<In>& products) {
    Floats sums[Rows][Places] = {};
    const In* right[Places];
#pragma GCC unroll 8
    for (int j = 0; j < Places; ++j) right[j] = products.right + products.right_places[j];
    const Floats* left = products.left;
    const Size left_step = products.left_step, inner = products.inner;
    const Size *left_inner = products.left_inner, *right_inner = products.right_inner;
    for (Size m = 0; m < products.outer; ++m) {
        const Size right_row = m * products.right_outer;
        for (Size k = 0; k < inner; ++k) {
            const Floats* factors = left + left_inner[k];
            const Size place = right_row + right_inner[k];
            Floats factor[Rows];
#pragma GCC unroll 8
            for (int i = 0; i < Rows; ++i) factor[i] = factors[i * left_step];
#pragma GCC unroll 8
            for (int j = 0; j < Places; ++j) {
                const In value = right[j][place];
#pragma GCC unroll 8
                for (int i = 0; i < Rows; ++i) sums[i][j] += factor[i] * value;
            }
        }
        left += products.left_outer;
    }
#pragma GCC unroll 8
    for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 8
        for (int j = 0; j < Places; ++j) {
            Floats& out = products.out[i * products.out_step + j * products.out_place_step];
            out = products.add ? out + sums[i][j] : sums[i][j];
        }
}

template <typename In>
using RunProducts = void (*)(const Products<In>&);

template <typename In, int Rows, int Places>
constexpr RunProducts<In> product_runner() {
    if constexpr (Rows * Places <= LANES_ACCUMULATORS) return run_products<In, Rows, Places>;
    else return nullptr;
}

// The runners by [rows - 1][places - 1], flattened.
template <typename In, std::size_t... I>
constexpr std::array<RunProducts<In>, sizeof...(I)> product_runners_of(std::index_sequence<I...>) {
    return {product_runner<In, I / max_places + 1, I % max_places + 1>()...};
}

template <typename In>
inline constexpr auto product_runners = product_runners_of<In>(std::make_index_sequence<max_outputs * max_places>{});

// All `rows` x `places` sums, tile by tile.
template <typename In>
LANES_TARGET static void run_all_products(const Products<In>& whole, Size rows, Size places) {
    const Pieces bands(rows, largest_outputs(places));
    for (Size b = 0; b < bands.number; ++b) {
        const Size row = bands.begin(b), height = bands.begin(b + 1) - row;
        const Pieces pieces(places, std::min<Size>(max_places, LANES_ACCUMULATORS / height));
        for (Size p = 0; p < pieces.number; ++p) {
            const Size place = pieces.begin(p), width = pieces.begin(p + 1) - place;
            Products<In> tile = whole;
            tile.left += row * whole.left_step;
            tile.right_places += place;
            tile.out += row * whole.out_step + place * whole.out_place_step;
            product_runners<In>[static_cast<std::size_t>((height - 1) * max_places + width - 1)](tile);
        }
    }
}

// ------------------------------------------------------------------------------------------------------------- layers

LANES_TARGET static Floats sum_of(const Floats* values, Size count) {
    Floats partial[4] = {};  // four at a time, or each would wait for the one before
    Size i = 0;
    for (; i + 4 <= count; i += 4)
#pragma GCC unroll 4
        for (int k = 0; k < 4; ++k) partial[k] += values[i + k];
    for (; i < count; ++i) partial[0] += values[i];
    return (partial[0] + partial[1]) + (partial[2] + partial[3]);
}

// The derivative of ReLU: no gradient where its output is 0, its derivative at 0 included.
LANES_INLINE Floats rectified(Floats gradient, Floats output) { return choose(output <= 0.0f, Floats{}, gradient); }

// From a gradient without margins to a field with them; only where `relu_output` is positive, if that is not null.
LANES_TARGET static void fill_field(const Field& field, const Floats* in, const Floats* relu_output, Floats* out) {
    for (Size row = 0; row < field.shape.channels * field.shape.height; ++row)
        for (Size x = 0; x < field.shape.width; ++x) {
            const Size i = row * field.shape.width + x;
            out[row * field.pitch() + field.margin + x] = relu_output ? rectified(in[i], relu_output[i]) : in[i];
        }
}

LANES_TARGET static void rectify_field(const Field& field, const Floats* relu_output, Floats* gradient) {
    for (Size row = 0; row < field.shape.channels * field.shape.height; ++row) {
        Floats* entries = gradient + row * field.pitch() + field.margin;
        for (Size x = 0; x < field.shape.width; ++x) entries[x] = rectified(entries[x], relu_output[row * field.shape.width + x]);
    }
}

template <typename In>
LANES_TARGET static void convolution_weights(const Stage& stage, const SpatialStep& step, const In* in, const Floats* field,
                                             Floats* gradient, bool add) {
    const Size num_taps = static_cast<Size>(stage.taps.size()), plane = step.field.plane();
    const Size input_row = stage.window.row_stride * stage.in.width;
    // So many rows at a time as stay in the fastest cache while all taps go over them.
    const Size stretch = std::max<Size>(1, 256 / (largest_outputs(num_taps) * step.field.pitch()));
    for (Size row = 0; row < stage.out.height; row += stretch) {
        const Products<In> products{field + row * step.field.pitch(), in + row * input_row, plane, stage.taps.data(),
                                    std::min(stretch, stage.out.height - row), step.field.pitch(), input_row,
                                    stage.out.width, step.field_columns.data(), step.input_columns.data(),
                                    gradient + stage.weight, num_taps, 1, add || row > 0};
        run_all_products(products, stage.out.channels, num_taps);
    }
    for (Size o = 0; stage.bias >= 0 && o < stage.out.channels; ++o) {
        const Floats sum = sum_of(field + o * plane, plane);
        gradient[stage.bias + o] = add ? gradient[stage.bias + o] + sum : sum;
    }
}

// The gradient with respect to a convolution's input, into the field of the stage before.
LANES_TARGET static void convolution_input(const Stage& stage, const SpatialStep& step, const Floats* theta, const Floats* field,
                                           const Field& before, Floats* out) {
    constexpr Size in_a_row[max_places] = {0, 1, 2, 3, 4, 5, 6, 7};
    const Size kernel = stage.window.height * stage.window.width;
    for (const Reach& reach : step.reaches) {
        const Size target = reach.target / stage.in.width * before.pitch() + before.margin + reach.target % stage.in.width;
        const Products<Floats> products{theta + stage.weight, field, kernel, in_a_row,
                                        stage.out.channels, stage.in.channels * kernel, step.field.plane(),
                                        static_cast<Size>(reach.end - reach.begin),
                                        step.weights.data() + reach.begin, step.sources.data() + reach.begin,
                                        out + target, before.plane(), stage.window.column_stride, false};
        run_all_products(products, stage.in.channels, reach.count);
    }
}

template <typename In>
LANES_TARGET static void linear_weights(const Stage& stage, const FlatStep& step, const In* in, const Floats* gradients, Size count,
                                        Floats* gradient, bool add) {
    const Size inputs = stage.in.size(), outputs = stage.out.size();
    const Products<In> products{gradients, in, 1, step.features.data(), 1, 0, 0, count, step.image_gradients.data(),
                                step.image_inputs.data(), gradient + stage.weight, inputs, 1, add};
    run_all_products(products, outputs, inputs);
    for (Size o = 0; stage.bias >= 0 && o < outputs; ++o) {
        Floats sum = add ? gradient[stage.bias + o] : Floats{};
        for (Size image = 0; image < count; ++image) sum += gradients[image * outputs + o];
        gradient[stage.bias + o] = sum;
    }
}

LANES_TARGET static void linear_input(const Stage& stage, const FlatStep& step, const Floats* theta, const Floats* gradients,
                                      Size count, Floats* out) {
    const Size inputs = stage.in.size(), outputs = stage.out.size();
    const Products<Floats> products{gradients, theta + stage.weight, outputs, step.features.data(), 1, 0, 0, outputs,
                                    step.outputs.data(), step.output_weights.data(), out, inputs, 1, false};
    run_all_products(products, count, inputs);
}

// The first of the largest entries, row by row, gets the window's gradient.
LANES_INLINE void spread_largest(const Window& window, const Floats* in, Size row_step, Floats gradient, Floats* out, Size out_step) {
    Floats largest = in[0];
    for (Size y = 0; y < window.height; ++y)
        for (Size x = 0; x < window.width; ++x) largest = larger(largest, in[y * row_step + x]);
    Ints waiting = ~Ints{};
    for (Size y = 0; y < window.height; ++y)
        for (Size x = 0; x < window.width; ++x) {
            const Ints here = waiting & (in[y * row_step + x] == largest);
            waiting &= ~here;
            out[y * out_step + x] += choose(here, gradient, Floats{});
        }
}

LANES_INLINE void spread_evenly(const Window& window, Floats gradient, Floats* out, Size out_step) {
    const Floats share = gradient * (1.0f / static_cast<float>(window.height * window.width));
    for (Size y = 0; y < window.height; ++y)
        for (Size x = 0; x < window.width; ++x) out[y * out_step + x] += share;
}

LANES_TARGET static void pool_input(const Stage& stage, const Floats* in, const Floats* gradient, const Field& before, Floats* out) {
    const Window window = stage.window;
    std::memset(out, 0, static_cast<std::size_t>(before.size()) * sizeof(Floats));
    for (Size channel = 0; channel < stage.out.channels; ++channel)
        for (Size row = 0; row < stage.out.height; ++row) {
            const Floats* values = in + (channel * stage.in.height + row * window.row_stride) * stage.in.width;
            Floats* target = out + channel * before.plane() + row * window.row_stride * before.pitch() + before.margin;
            for (Size column = 0; column < stage.out.width; ++column, ++gradient) {
                const Size x = column * window.column_stride;
                if (stage.average) spread_evenly(window, *gradient, target + x, before.pitch());
                else spread_largest(window, values + x, stage.in.width, *gradient, target + x, before.pitch());
            }
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

// ----------------------------------------------------------------------------------------------------------- the passes

// From logits to the gradient of the mean cross entropy with respect to them: (p - [label]) / number of images.
LANES_TARGET static void softmax_gradient(const Floats* logits, Size classes, Size label, float share, Floats* gradient) {
    Floats largest = logits[0], others = {}, total = {};
    for (Size c = 1; c < classes; ++c) largest = larger(largest, logits[c]);
    for (Size c = 0; c < classes; ++c) {
        // A gradient this small changes no weight, but among the subnormal numbers it would cost a hundred times as much.
        const Floats power = exponential(logits[c] - largest);
        gradient[c] = choose(power < 1e-30f, Floats{}, power);
        total += gradient[c];
        if (c != label) others += gradient[c];
    }
    const Floats factor = share / total;
    for (Size c = 0; c < classes; ++c) gradient[c] = (c == label ? -others : gradient[c]) * factor;
}

LANES_INLINE Floats* floats(const Buffer& buffer, Size offset) { return reinterpret_cast<Floats*>(buffer.get()) + offset; }

// Where the output of stage `i` of the net's spatial part is kept for one image; in front of the first, the image itself.
LANES_INLINE const float* kept_before(const GradientPlan& plan, const GradientSpace& space, Size i, Size image, const float* images) {
    if (i == 0) return images + image * plan.program.input_size;
    const auto previous = static_cast<std::size_t>(i - 1);
    return space.kept.get() + (plan.spatial[previous].kept + image * plan.program.spatial[previous].out.size()) * LANES;
}

LANES_TARGET static void forward(const GradientPlan& plan, const float* images, Size count, GradientSpace& space) {
    const Floats* theta = floats(space.theta, 0);
    const Size stages = static_cast<Size>(plan.spatial.size());
    for (Size image = 0; image < count; ++image)
        for (Size i = 0; i < stages; ++i) {
            const std::size_t s = static_cast<std::size_t>(i);
            float* out = space.kept.get() + (plan.spatial[s].kept + image * plan.program.spatial[s].out.size()) * LANES;
            run_spatial(plan.program.spatial[s], theta, kept_before(plan, space, i, image, images), out, nullptr);
        }
    const float* in = kept_before(plan, space, stages, 0, images);
    for (std::size_t s = 0; s < plan.flat.size(); ++s) {
        Floats* out = floats(space.kept, plan.flat[s].kept);
        const Stage& stage = plan.program.flat[s];
        if (stage.shared_input) run_linear(stage, theta, in, out, count);
        else run_linear(stage, theta, reinterpret_cast<const Floats*>(in), out, count);
        in = reinterpret_cast<const float*>(out);
    }
}

// Backwards through the linear layers, for all images; the gradient with respect to the features, if it is needed.
LANES_TARGET static const Floats* flat_backward(const GradientPlan& plan, const float* features, Size count, bool features_needed,
                                                bool add, GradientSpace& space) {
    const Floats* theta = floats(space.theta, 0);
    Floats *gradients = floats(space.flat[0], 0), *spare = floats(space.flat[1], 0), *out = floats(space.gradient, 0);
    for (std::size_t s = plan.flat.size(); s-- > 0;) {
        const Stage& stage = plan.program.flat[s];
        const Floats* output = floats(space.kept, plan.flat[s].kept);
        for (Size i = 0; stage.relu_before_pool && i < count * stage.out.size(); ++i) gradients[i] = rectified(gradients[i], output[i]);
        const float* in = s > 0 ? space.kept.get() + plan.flat[s - 1].kept * LANES : features;
        if (stage.shared_input) linear_weights(stage, plan.flat[s], in, gradients, count, out, add);
        else linear_weights(stage, plan.flat[s], reinterpret_cast<const Floats*>(in), gradients, count, out, add);
        if (s == 0 && !features_needed) break;
        linear_input(stage, plan.flat[s], theta, gradients, count, spare);
        std::swap(gradients, spare);
    }
    return gradients;
}

// Backwards through one stage: its weights' gradient, and the gradient of its input into the field of the stage before.
LANES_TARGET static void stage_backward(const GradientPlan& plan, std::size_t s, const float* kept_in, const Floats* kept_out,
                                        bool add, GradientSpace& space) {
    const Stage& stage = plan.program.spatial[s];
    const SpatialStep& step = plan.spatial[s];
    const bool last = static_cast<Size>(s) == plan.first_with_weights();
    const Floats *in = reinterpret_cast<const Floats*>(kept_in), *theta = floats(space.theta, 0);
    Floats *field = floats(space.fields, step.field.offset), *gradient = floats(space.gradient, 0);
    const Field before = last ? Field{} : plan.spatial[s - 1].field;
    Floats* out = floats(space.fields, before.offset);
    switch (stage.kind) {
        case StageKind::dense:
            if (stage.relu_before_pool) rectify_field(step.field, kept_out, field);
            if (stage.shared_input) convolution_weights(stage, step, kept_in, field, gradient, add);
            else convolution_weights(stage, step, in, field, gradient, add);
            if (!last) convolution_input(stage, step, theta, field, before, out);
            break;
        case StageKind::pool: pool_input(stage, in, field, before, out); break;
        case StageKind::pad: pad_input(stage, field, before, out); break;
        case StageKind::relu: fill_field(before, field, kept_out, out); break;
        case StageKind::spread: break;  // stands before all weights
    }
}

// Writes, or adds if `add`, the gradients of all parameters for `count` images, each weighted by `share`.
LANES_TARGET static void gradient(const GradientPlan& plan, const float* images, const std::int64_t* labels, Size count, float share,
                                  bool add, GradientSpace& space) {
    forward(plan, images, count, space);
    const Size stages = static_cast<Size>(plan.spatial.size()), first = plan.first_with_weights(), classes = plan.program.output_size;
    const float* features = kept_before(plan, space, stages, 0, images);
    const Floats* logits = plan.flat.empty() ? reinterpret_cast<const Floats*>(features) : floats(space.kept, plan.flat.back().kept);
    for (Size image = 0; image < count; ++image)
        softmax_gradient(logits + image * classes, classes, labels[image], share, floats(space.flat[0], image * classes));
    const Floats* gradients = flat_backward(plan, features, count, first < stages, add, space);
    for (Size image = 0; first < stages && image < count; ++image) {
        const Field& field = plan.spatial.back().field;
        fill_field(field, gradients + image * plan.program.feature_size, nullptr, floats(space.fields, field.offset));
        for (Size i = stages - 1; i >= first; --i)
            stage_backward(plan, static_cast<std::size_t>(i), kept_before(plan, space, i, image, images),
                           reinterpret_cast<const Floats*>(kept_before(plan, space, i + 1, image, images)), add || image > 0, space);
    }
}
