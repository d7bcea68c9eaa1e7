// Drawing guesses and scoring them image by image, for one instruction set: instruction_set.inl includes this file, see
// there for the names it sets.

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

LANES_TARGET static void draw(const float* half_width, const Normaliser& norm, std::uint64_t seed,
                              const std::uint64_t* index, float* out, float* scale) {
    constexpr Size stretch = 512;  // float32 sums of squares this long, then double: 1e-6 of the norm
    Floats* theta = reinterpret_cast<Floats*>(out);
    Streams streams = start(seed, index);
    double normaliser[LANES];
    std::fill(normaliser, normaliser + LANES, 1.0);
    for (const ParameterRange& range : norm.ranges) {
        double total[LANES] = {};
        for (Size begin = range.begin; begin < range.end; begin += stretch) {
            const Floats squares = draw_some(streams, half_width, begin, std::min(begin + stretch, range.end), theta);
            for (int lane = 0; lane < LANES; ++lane) total[lane] += squares[lane];
        }
        if (!range.normed) continue;
        for (int lane = 0; lane < LANES; ++lane) normaliser[lane] *= std::sqrt(total[lane]) / norm.unit;
    }
    for (int lane = 0; lane < LANES; ++lane) {
        const float inverse = static_cast<float>(1.0 / normaliser[lane]);
        scale[lane] = std::isnormal(inverse) ? inverse : 0.0f;
    }
}

// -------------------------------------------------------------------------------------------------------------- scores

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

constexpr ScreeningKernels screening_kernels{draw, score};
