// The peak rate of arithmetic, for one instruction set: instruction_set.inl includes this file, see there for the names
// it sets.

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
