// The inner loops, for one instruction set: kernel.cpp includes this file several times, each time with other values of
//
//   LANES_NAMESPACE    where the code goes
//   LANES_NAME         its name in Python
//   LANES_TARGET       the function attribute that selects the instruction set
//   LANES              members side by side: the floats of one register
//   LANES_ACCUMULATORS how many sums fit into registers beside what is multiplied
//
// Every function carries the attribute itself, because neither templates nor callees inherit it reliably. A member's
// numbers depend on its own lane only, and each sum runs over k in order whatever the tiling: so results do not depend
// on who shares a block, nor on how many images are shown together.

namespace goodminima::LANES_NAMESPACE {

#define LANES_INLINE LANES_TARGET __attribute__((always_inline)) static inline

typedef float Floats __attribute__((vector_size(LANES * 4), may_alias));
typedef std::int32_t Ints __attribute__((vector_size(LANES * 4), may_alias));
typedef std::uint32_t Words __attribute__((vector_size(LANES * 4), may_alias));

// ---------------------------------------------------------------------------------------------------- the generator

// One xoshiro128+ per lane (Blackman and Vigna, 2021).
struct Streams {
    Words s0, s1, s2, s3;
};

LANES_TARGET static Streams start(std::uint64_t seed, const std::uint64_t* index) {
    alignas(alignment) std::uint32_t state[4][LANES];
    for (int lane = 0; lane < LANES; ++lane) {
        const auto begin = stream_start(seed, index[lane]);
        for (std::size_t word = 0; word < begin.size(); ++word) state[word][lane] = begin[word];
    }
    Streams streams;
    std::memcpy(&streams, state, sizeof state);
    return streams;
}

LANES_INLINE Words exclusive_or(Words a, Words b, Words c) {
#if LANES == 16
    return (Words)_mm512_ternarylogic_epi32((__m512i)a, (__m512i)b, (__m512i)c, 0x96);
#else
    return a ^ b ^ c;
#endif
}

// Uniform on the multiples of 2^-23 in [-1, 1). Exact in float32, whether or not the compiler fuses multiply and add.
LANES_INLINE Floats next(Streams& s) {
    const Words r = s.s0 + s.s3, t = s.s1 << 9, mixed = s.s3 ^ s.s1;
    const Words s1 = exclusive_or(s.s1, s.s2, s.s0);
    s.s2 = exclusive_or(s.s2, s.s0, t);
    s.s0 = exclusive_or(s.s0, s.s3, s.s1);
    s.s1 = s1;
    s.s3 = (mixed << 11) | (mixed >> 21);
    return __builtin_convertvector((Ints)(r >> 8), Floats) * 0x1p-23f - 1.0f;
}

// Draws numbers begin .. end - 1 of each stream; the sum of their squares.
LANES_INLINE Floats draw_some(Streams& streams, const float* half_width, Size begin, Size end, Floats* theta) {
    Floats squares = {};
    for (Size i = begin; i < end; ++i) {
        theta[i] = half_width[i] * next(streams);
        squares += theta[i] * theta[i];
    }
    return squares;
}

LANES_TARGET static void draw(const Draws& draws, const std::uint64_t* index, float* out, float* scale) {
    constexpr Size stretch = 512;  // float32 sums of squares this long, then double: 1e-6 of the norm
    Floats* theta = reinterpret_cast<Floats*>(out);
    Streams streams = start(draws.seed, index);
    double normaliser[LANES];
    std::fill(normaliser, normaliser + LANES, 1.0);
    for (const Run& run : draws.runs) {
        double total[LANES] = {};
        for (Size begin = run.begin; begin < run.end; begin += stretch) {
            const Floats squares =
                draw_some(streams, draws.half_width, begin, std::min(begin + stretch, run.end), theta);
            for (int lane = 0; lane < LANES; ++lane) total[lane] += squares[lane];
        }
        if (!run.normalised) continue;
        for (int lane = 0; lane < LANES; ++lane) normaliser[lane] *= std::sqrt(total[lane]) / draws.unit;
    }
    for (int lane = 0; lane < LANES; ++lane) {
        const float inverse = static_cast<float>(1.0 / normaliser[lane]);
        scale[lane] = std::isnormal(inverse) ? inverse : 0.0f;
    }
}

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

// b where either is not a number; in this form the compiler sees one instruction.
LANES_INLINE Floats larger(Floats a, Floats b) { return b < a ? a : b; }

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

// -------------------------------------------------------------------------------------------------------------- scores

LANES_INLINE Floats choose(Ints condition, Floats yes, Floats no) {
    return (Floats)((condition & (Ints)yes) | (~condition & (Ints)no));
}

// e^t to 2e-7 of itself for t in [-87, 87]: t = k log 2 + r, and Taylor's series of e^r to the seventh power.
LANES_INLINE Floats exponential_within(Floats t) {
    const Floats shift = Floats{} + 0x1.8p23f;  // adding it rounds to a whole number
    const Floats k = (t * 1.44269504f + shift) - shift;
    const Floats r = (t - k * 0.693145752f) - k * 1.42860677e-6f;
    Floats sum = Floats{} + 1.0f / 5040;
    sum = sum * r + 1.0f / 720;
    sum = sum * r + 1.0f / 120;
    sum = sum * r + 1.0f / 24;
    sum = sum * r + 1.0f / 6;
    sum = sum * r + 1.0f / 2;
    sum = sum * r + 1.0f;
    sum = sum * r + 1.0f;
    const Words power = ((Words)__builtin_convertvector(k, Ints) + 127u) << 23;
    return sum * (Floats)power;
}

// The same for t clamped to [-87, 87].
LANES_INLINE Floats exponential(Floats t) {
    return exponential_within(larger(Floats{} - 87.0f, -larger(Floats{} - 87.0f, -t)));
}

// The same for t that is not positive.
LANES_INLINE Floats falling_exponential(Floats t) { return exponential_within(larger(Floats{} - 87.0f, t)); }

// log(1 + q) to 3e-7 of itself for q >= 0: 1 + q = 2^e (1 + f), and log(1 + f) = 2 atanh(f / (2 + f)).
LANES_INLINE Floats log_one_plus(Floats q) {
    const Floats whole = q + 1.0f;
    const Ints e = (Ints)((Words)whole - 0x3f3504f3u) >> 23;  // 2^e counts from sqrt(1/2)
    const Floats mantissa = (Floats)((Words)whole - ((Words)e << 23));
    const Floats f = choose(e == 0, q, mantissa - 1.0f);  // q itself is exact where it is small
    const Floats u = f / (f + 2.0f), v = u * u;
    const Floats series = 2.0f + v * (2.0f / 3 + v * (2.0f / 5 + v * (2.0f / 7 + v * (2.0f / 9))));
    return u * series + __builtin_convertvector(e, Floats) * 0.693147181f;
}

LANES_INLINE std::uint32_t bits_of(Ints condition) {
    std::uint32_t bits = 0;
    for (int lane = 0; lane < LANES; ++lane) bits |= (static_cast<std::uint32_t>(condition[lane]) & 1u) << lane;
    return bits;
}

// margin = (z_y - largest other z) / largest |z|; loss = log(1 + sum over others of exp(scale (z_c - z_y))).
// Written so that what is not a number fails: a comparison with it is false.
LANES_TARGET static std::uint32_t score(const float* logits, Size num_classes, Size label, const float* scales,
                                        Bounds bounds, float* losses, float* margins) {
    const Floats* z = reinterpret_cast<const Floats*>(logits);
    const Floats scale = *reinterpret_cast<const Floats*>(scales), right = z[label];
    Floats& loss = *reinterpret_cast<Floats*>(losses);
    Floats& margin = *reinterpret_cast<Floats*>(margins);
    Floats others = {}, best = Floats{} - HUGE_VALF, largest = larger(right, -right);
    for (Size c = 0; c < num_classes; ++c) {
        if (c == label) continue;
        best = larger(best, z[c]);
        largest = larger(largest, larger(z[c], -z[c]));
        others += exponential(scale * (z[c] - right));
    }
    const Floats lead = right - best;
    const Floats share = choose(lead == 0.0f, lead, lead / largest);
    margin = -larger(-margin, -share);
    loss += log_one_plus(others);
    return bits_of((share >= bounds.least_margin) & (loss <= bounds.largest_loss) & (scale > 0.0f));
}

// ---------------------------------------------------------------------------------------------------------------- peak

LANES_TARGET static float spin(std::int64_t rounds) {
    Floats sums[LANES_ACCUMULATORS];
    for (int i = 0; i < LANES_ACCUMULATORS; ++i) sums[i] = Floats{} + static_cast<float>(i);
    const Floats factor = Floats{} + 0.999f, term = Floats{} + 1e-3f;
    for (std::int64_t round = 0; round < rounds; ++round)
#pragma GCC unroll 32
        for (int i = 0; i < LANES_ACCUMULATORS; ++i) sums[i] = sums[i] * factor + term;
    Floats total = {};
    for (int i = 0; i < LANES_ACCUMULATORS; ++i) total += sums[i];
    return total[0];
}

#include "members.h"
#include "products.h"

#include "backward.h"

#include "chain.h"

#include "steps.h"
#include "walk.h"

#include "weigh.h"

#include "whole.h"

#include "neurons.h"

constexpr Engine engine{
    LANES_NAME,  LANES, draw,  evaluate, score, gradient, gather_members,                     scatter_members,
    gather_rows, judge, teach, move,     spin,  Size{2} * LANES * LANES_ACCUMULATORS, &search_engine, &neuron_engine};

#undef LANES_INLINE

}  // namespace goodminima::LANES_NAMESPACE

#undef LANES_NAMESPACE
#undef LANES_NAME
#undef LANES_TARGET
#undef LANES
#undef LANES_ACCUMULATORS
