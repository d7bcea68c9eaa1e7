// One register of numbers, for one instruction set: instruction_set.inl includes this file, see there for the names it
// sets.

typedef float Floats __attribute__((vector_size(LANES * 4), may_alias));
typedef std::int32_t Ints __attribute__((vector_size(LANES * 4), may_alias));
typedef std::uint32_t Words __attribute__((vector_size(LANES * 4), may_alias));

LANES_INLINE Floats* floats(const Buffer& buffer, Size offset) {
    return reinterpret_cast<Floats*>(buffer.get()) + offset;
}

// b where either is not a number; in this form the compiler sees one instruction.
LANES_INLINE Floats larger(Floats a, Floats b) { return b < a ? a : b; }

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
