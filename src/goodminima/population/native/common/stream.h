// One stream of the generator of guesses, number by number: what `population/generator.py` defines.

#pragma once

#include <array>
#include <cstdint>

namespace goodminima {

inline std::uint64_t mix(std::uint64_t z) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

// The state in which stream `index` of `seed` begins.
inline std::array<std::uint32_t, 4> stream_start(std::uint64_t seed, std::uint64_t index) {
    constexpr std::uint64_t golden = 0x9E3779B97F4A7C15u;
    const std::uint64_t base = mix(seed + golden);
    const std::uint64_t first = mix(base + (2 * index + 1) * golden), second = mix(base + (2 * index + 2) * golden);
    return {static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(first >> 32),
            static_cast<std::uint32_t>(second), static_cast<std::uint32_t>(second >> 32)};
}

// xoshiro128+ (Blackman and Vigna, 2021).
class Stream {
  public:
    Stream(std::uint64_t seed, std::uint64_t index) : s_(stream_start(seed, index)) {}

    std::uint32_t next() {
        const std::uint32_t result = s_[0] + s_[3], t = s_[1] << 9;
        s_[2] ^= s_[0];
        s_[3] ^= s_[1];
        s_[1] ^= s_[2];
        s_[0] ^= s_[3];
        s_[2] ^= t;
        s_[3] = (s_[3] << 11) | (s_[3] >> 21);
        return result;
    }

    // floor(r end / 2^64) for 64 random bits r, the first 32 of them the upper ones. `end` < 2^32.
    std::uint64_t below(std::uint64_t end) {
        const std::uint64_t upper = next(), lower = next();
        return (upper * end + (lower * end >> 32)) >> 32;
    }

  private:
    std::array<std::uint32_t, 4> s_;
};

}  // namespace goodminima
