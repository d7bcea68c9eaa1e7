// From images to logits, for one instruction set: instruction_set.inl includes this file, see there for the names it sets.

// --------------------------------------------------------------------------------------------------- sums of products

// A tile: `Outputs` x `Places` sums kept in registers over all taps. `In` is float where all members see one input.
template <typename In>
struct Tile {
    const In* in;
    const Size* places;
    const Size* taps;
    Size num_taps;
    const Floats* weights;  // [output][tap]
    const Floats* biases;   // null for none
    Floats* out;
    Size output_step, place_step;
    bool relu;
};

template <typename In, int Outputs, int Places>
LANES_TARGET static void run_tile(const Tile<In>& tile) {
    Floats sums[Outputs][Places];
    const In* in[Places];
#pragma GCC unroll 8
    for (int p = 0; p < Places; ++p) in[p] = tile.in + tile.places[p];
#pragma GCC unroll 8
    for (int o = 0; o < Outputs; ++o)
#pragma GCC unroll 8
        for (int p = 0; p < Places; ++p) sums[o][p] = tile.biases ? tile.biases[o] : Floats{};
    const Floats* weights = tile.weights;
    const Size num_taps = tile.num_taps;
    for (Size k = 0; k < num_taps; ++k) {
        const Size tap = tile.taps[k];
        Floats weight[Outputs];
#pragma GCC unroll 8
        for (int o = 0; o < Outputs; ++o) weight[o] = weights[o * num_taps + k];
#pragma GCC unroll 8
        for (int p = 0; p < Places; ++p) {
            const In value = in[p][tap];
#pragma GCC unroll 8
            for (int o = 0; o < Outputs; ++o) sums[o][p] += weight[o] * value;
        }
    }
#pragma GCC unroll 8
    for (int o = 0; o < Outputs; ++o)
#pragma GCC unroll 8
        for (int p = 0; p < Places; ++p)
            tile.out[o * tile.output_step + p * tile.place_step] =
                tile.relu ? larger(Floats{}, sums[o][p]) : sums[o][p];
}

constexpr Size max_places = 8;  // of a tile

template <typename In>
using RunTile = void (*)(const Tile<In>&);

template <typename In, int Outputs, int Places>
constexpr RunTile<In> tile_runner() {
    if constexpr (Outputs * Places <= LANES_ACCUMULATORS) return run_tile<In, Outputs, Places>;
    else return nullptr;
}

// The runners by [outputs - 1][places - 1], flattened.
template <typename In, std::size_t... I>
constexpr std::array<RunTile<In>, sizeof...(I)> tile_runners(std::index_sequence<I...>) {
    return {tile_runner<In, I / max_places + 1, I % max_places + 1>()...};
}

template <typename In>
inline constexpr auto runners = tile_runners<In>(std::make_index_sequence<max_outputs * max_places>{});

// Piece number `i` of `count` things cut into pieces that are as equal as can be and at most `largest` long.
struct Pieces {
    Size count, number;
    Pieces(Size count, Size largest) : count(count), number((count + largest - 1) / largest) {}
    Size begin(Size i) const { return i * count / number; }
};

// Few places leave room for more outputs than usual: enough sums to hide the latency of one.
inline Size largest_outputs(Size places) {
    constexpr Size usual = LANES_ACCUMULATORS >= 24 ? 4 : 2;
    return std::clamp<Size>(LANES_ACCUMULATORS / places, usual, max_outputs);
}

// All tiles of `outputs` x `num_places` sums.
template <typename In>
LANES_TARGET static void run_tiles(Tile<In> tile, Size outputs, Size num_places) {
    const Pieces pieces(num_places, std::min<Size>(max_places, LANES_ACCUMULATORS / outputs));
    const Size* places = tile.places;
    Floats* out = tile.out;
    for (Size i = 0; i < pieces.number; ++i) {
        const Size begin = pieces.begin(i), length = pieces.begin(i + 1) - begin;
        tile.places = places + begin;
        tile.out = out + begin * tile.place_step;
        runners<In>[static_cast<std::size_t>((outputs - 1) * max_places + length - 1)](tile);
    }
}

// ------------------------------------------------------------------------------------------------------------- stages

// One row of pooled numbers. The window comes as a copy, so that the compiler need not read it again after each store.
template <bool Average>
LANES_TARGET static void pool_columns(const Window window, const Floats* in, Size row_step, Size columns, bool relu,
                                      Floats* out) {
    const float share = 1.0f / static_cast<float>(window.height * window.width);
    for (Size column = 0; column < columns; ++column, in += window.column_stride) {
        Floats pooled = in[0];
        for (Size x = 1; x < window.width; ++x) pooled = Average ? pooled + in[x] : larger(pooled, in[x]);
        for (Size y = 1; y < window.height; ++y)
            for (Size x = 0; x < window.width; ++x) {
                const Floats value = in[y * row_step + x];
                pooled = Average ? pooled + value : larger(pooled, value);
            }
        if (Average) pooled *= share;
        out[column] = relu ? larger(Floats{}, pooled) : pooled;
    }
}

LANES_TARGET static void pool_row(const Stage& stage, const Floats* in, Size row_step, Floats* out) {
    const auto pool = stage.average ? pool_columns<true> : pool_columns<false>;
    pool(stage.window, in, row_step, stage.out.width, stage.relu_after_pool, out);
}

template <typename In>
LANES_TARGET static void run_convolution(const Stage& stage, const Floats* theta, const In* in, Floats* out,
                                         Floats* band) {
    const Size num_places = static_cast<Size>(stage.places.size()), num_taps = static_cast<Size>(stage.taps.size());
    const Size plane = stage.out.height * stage.out.width;
    const Pieces blocks(stage.out.channels, largest_outputs(num_places));
    for (Size b = 0; b < blocks.number; ++b) {
        const Size first = blocks.begin(b), outputs = blocks.begin(b + 1) - first;
        const Floats* biases = stage.bias < 0 ? nullptr : theta + stage.bias + first;
        Tile<In> tile{in,
                      stage.places.data(),
                      stage.taps.data(),
                      num_taps,
                      theta + stage.weight + first * num_taps,
                      biases,
                      stage.has_pool ? band : out + first * plane,
                      num_places,
                      1,
                      stage.relu_before_pool};
        for (Size row = 0; row < stage.bands; ++row) {
            tile.in = in + row * stage.band_step;
            run_tiles(tile, outputs, num_places);
            for (Size o = 0; stage.has_pool && o < outputs; ++o)
                pool_row(stage, band + o * num_places, stage.band_width,
                         out + (first + o) * plane + row * stage.out.width);
        }
    }
}

// A linear layer for `count` images: they are the places.
template <typename In>
LANES_TARGET static void run_linear(const Stage& stage, const Floats* theta, const In* in, Floats* out, Size count) {
    const Size num_taps = static_cast<Size>(stage.taps.size());
    Size places[max_together];
    for (Size image = 0; image < count; ++image) places[image] = image * num_taps;
    const Pieces blocks(stage.out.channels, largest_outputs(count));
    for (Size b = 0; b < blocks.number; ++b) {
        const Size first = blocks.begin(b), outputs = blocks.begin(b + 1) - first;
        const Floats* biases = stage.bias < 0 ? nullptr : theta + stage.bias + first;
        const Tile<In> tile{in,
                            places,
                            stage.taps.data(),
                            num_taps,
                            theta + stage.weight + first * num_taps,
                            biases,
                            out + first,
                            1,
                            stage.out.channels,
                            stage.relu_before_pool};
        run_tiles(tile, outputs, count);
    }
}

template <typename In>
LANES_TARGET static void run_pad(const Stage& stage, const In* in, In* out) {
    std::memset(out, 0, static_cast<std::size_t>(stage.out.size()) * sizeof(In));
    for (Size channel = 0; channel < stage.in.channels; ++channel)
        for (Size row = 0; row < stage.in.height; ++row) {
            const Size target =
                (channel * stage.out.height + row + stage.pad_rows) * stage.out.width + stage.pad_columns;
            std::memcpy(out + target, in + (channel * stage.in.height + row) * stage.in.width,
                        static_cast<std::size_t>(stage.in.width) * sizeof(In));
        }
}

LANES_TARGET static void run_pool(const Stage& stage, const Floats* in, Floats* out) {
    for (Size channel = 0; channel < stage.out.channels; ++channel)
        for (Size row = 0; row < stage.out.height; ++row)
            pool_row(stage, in + (channel * stage.in.height + row * stage.window.row_stride) * stage.in.width,
                     stage.in.width, out + (channel * stage.out.height + row) * stage.out.width);
}

LANES_TARGET static void run_spatial(const Stage& stage, const Floats* theta, const float* in, float* out,
                                     Floats* band) {
    const Floats* members_in = reinterpret_cast<const Floats*>(in);
    Floats* members_out = reinterpret_cast<Floats*>(out);
    switch (stage.kind) {
        case StageKind::dense:
            if (stage.shared_input) run_convolution(stage, theta, in, members_out, band);
            else run_convolution(stage, theta, members_in, members_out, band);
            break;
        case StageKind::pad:
            if (stage.shared_input) run_pad(stage, in, out);
            else run_pad(stage, members_in, members_out);
            break;
        case StageKind::pool: run_pool(stage, members_in, members_out); break;
        case StageKind::relu:
            for (Size i = 0; i < stage.in.size(); ++i) members_out[i] = larger(Floats{}, members_in[i]);
            break;
        case StageKind::spread:
            for (Size i = 0; i < stage.in.size(); ++i) members_out[i] = Floats{} + in[i];
            break;
    }
}

// From one image to the next: numbers that all members share, or one number per member.
inline Size image_floats(const Program& program) { return program.input_size * (program.shared_images ? 1 : LANES); }

LANES_TARGET static const float* evaluate(const Program& program, const float* theta_floats, const float* images,
                                          Size count, Workspace& space) {
    const Floats* theta = reinterpret_cast<const Floats*>(theta_floats);
    const Size stages = static_cast<Size>(program.spatial.size());
    for (Size image = 0; image < count; ++image) {
        const float* in = images + image * image_floats(program);
        for (Size i = 0; i < stages; ++i) {
            float* features = space.features.get() + image * program.feature_size * LANES;
            float* out = i + 1 == stages ? features : space.spatial[i % 2].get();
            run_spatial(program.spatial[static_cast<std::size_t>(i)], theta, in, out,
                        reinterpret_cast<Floats*>(space.band.get()));
            in = out;
        }
    }
    const float* in = stages > 0 ? space.features.get() : images;
    int turn = 0;
    for (const Stage& stage : program.flat) {
        Floats* out = reinterpret_cast<Floats*>(space.flat[turn].get());
        if (stage.shared_input) run_linear(stage, theta, in, out, count);
        else run_linear(stage, theta, reinterpret_cast<const Floats*>(in), out, count);
        in = reinterpret_cast<const float*>(out);
        turn = 1 - turn;
    }
    return in;
}
