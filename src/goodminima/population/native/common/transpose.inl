// Members into lanes and back, for one instruction set: instruction_set.inl includes this file, see there for the names
// it sets.

// Interleaves the first halves of two registers (`Offset` 0), a0 b0 a1 b1 ..., or the second (`Offset` LANES / 2).
template <int Offset, int... I>
LANES_INLINE Floats interleaved(Floats a, Floats b, std::integer_sequence<int, I...>) {
#if defined(__clang__)
    return __builtin_shufflevector(a, b, (I / 2 + Offset + (I % 2) * LANES)...);
#else
    return __builtin_shuffle(a, b, Ints{(I / 2 + Offset + (I % 2) * LANES)...});
#endif
}

// Turns a square of LANES x LANES numbers over its diagonal. Interleaving rows i and i + LANES / 2 makes the highest
// bit of an entry's row the lowest of its column, and the highest of its column the lowest of its row.
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

// Floats ahead at which a row is asked for: so many rows at once are more than the machine foresees by itself.
constexpr Size members_ahead = 128;

LANES_TARGET static void gather_rows(const float* const* rows, Size length, float* block) {
    Floats* out = reinterpret_cast<Floats*>(block);
    Size i = 0;
    for (; i + LANES <= length; i += LANES) {
        Floats square[LANES];
#pragma GCC unroll 16
        for (int lane = 0; lane < LANES; ++lane) {
            __builtin_prefetch(rows[lane] + std::min(i + members_ahead, length - 1));
            std::memcpy(&square[lane], rows[lane] + i, sizeof(Floats));
        }
        turn_square(square);
#pragma GCC unroll 16
        for (int k = 0; k < LANES; ++k) out[i + k] = square[k];
    }
    for (; i < length; ++i)
        for (int lane = 0; lane < LANES; ++lane) block[i * LANES + lane] = rows[lane][i];
}

LANES_TARGET static void gather_members(const float* theta, Size members, Size parameters, Size first, float* block) {
    const float* rows[LANES];
    for (Size lane = 0; lane < LANES; ++lane) rows[lane] = theta + std::min(first + lane, members - 1) * parameters;
    gather_rows(rows, parameters, block);
}

LANES_TARGET static void scatter_members(const float* block, Size members, Size parameters, Size first, float* theta) {
    const Floats* in = reinterpret_cast<const Floats*>(block);
    const Size used = std::min<Size>(LANES, members - first);
    Size i = 0;
    for (; i + LANES <= parameters; i += LANES) {
        Floats square[LANES];
#pragma GCC unroll 16
        for (int k = 0; k < LANES; ++k) square[k] = in[i + k];
        turn_square(square);
        for (Size lane = 0; lane < used; ++lane) {
            float* row = theta + (first + lane) * parameters;
            __builtin_prefetch(row + std::min(i + members_ahead, parameters - 1), 1);
            std::memcpy(row + i, &square[lane], sizeof(Floats));
        }
    }
    for (; i < parameters; ++i)
        for (Size lane = 0; lane < used; ++lane) theta[(first + lane) * parameters + i] = block[i * LANES + lane];
}
