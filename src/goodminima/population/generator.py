"""The counter-seeded generator: guess k of seed s is a function of (s, k) alone.

Every guess has a stream of its own, xoshiro128+ (Blackman and Vigna, 2021) started from two outputs of splitmix64
(Steele, Lea and Flood, 2014) at a place that a hash of the seed and the guess's number select. So a guess *is* a pair of
integers: it can be found on one machine and remade on another, whatever the chunking, the sharding and the order.

Sixteen streams run side by side, so that the compiler keeps them in one vector register. Every other implementation
(the compiled kernel) must give the same bits; the tests hold each of them against plain integers in Python.
"""

import numpy as np
from jaxtyping import Float32, UInt64
from numba import njit, uint32, uint64

_LANES = 16
_TILE = 64  # numbers per stream before a tile is transposed into the output: 16 x 64 floats stay in the first cache


@njit(cache=True, inline="always")
def _mix(z):
    z = (z ^ (z >> uint64(30))) * uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> uint64(27))) * uint64(0x94D049BB133111EB)
    return z ^ (z >> uint64(31))


@njit(cache=True, inline="always")
def _start(seed, index, state, lane):
    golden = uint64(0x9E3779B97F4A7C15)
    base = _mix(seed + golden)
    first = _mix(base + (uint64(2) * index + uint64(1)) * golden)
    second = _mix(base + (uint64(2) * index + uint64(2)) * golden)
    state[0, lane] = uint32(first & uint64(0xFFFFFFFF))
    state[1, lane] = uint32(first >> uint64(32))
    state[2, lane] = uint32(second & uint64(0xFFFFFFFF))
    state[3, lane] = uint32(second >> uint64(32))


@njit(cache=True, nogil=True)
def _fill_tile(state, tile, numbers):
    """The next `numbers` numbers of all lanes, u = (r >> 8) 2^-23 - 1: exact in float32, whatever the rounding."""
    scale = np.float32(2.0**-23)
    for i in range(numbers):
        for lane in range(_LANES):
            s0, s1, s2, s3 = state[0, lane], state[1, lane], state[2, lane], state[3, lane]
            tile[i, lane] = np.float32(np.int32(uint32(s0 + s3) >> uint32(8))) * scale - np.float32(1.0)
            t = uint32(s1 << uint32(9))
            s2 ^= s0
            s3 ^= s1
            s1 ^= s2
            s0 ^= s3
            s2 ^= t
            state[0, lane] = s0
            state[1, lane] = s1
            state[2, lane] = s2
            state[3, lane] = uint32(s3 << uint32(11)) | uint32(s3 >> uint32(21))


@njit(cache=True, nogil=True)
def _fill(seed, indices, out):
    members, size = out.shape
    state = np.empty((4, _LANES), np.uint32)
    tile = np.empty((_TILE, _LANES), np.float32)
    for first in range(0, members, _LANES):
        lanes = min(_LANES, members - first)
        for lane in range(_LANES):
            _start(seed, indices[first + min(lane, lanes - 1)], state, lane)
        for begin in range(0, size, _TILE):
            numbers = min(_TILE, size - begin)
            _fill_tile(state, tile, numbers)
            for lane in range(lanes):
                for i in range(numbers):
                    out[first + lane, begin + i] = tile[i, lane]


def uniform(seed: int, indices: UInt64[np.ndarray, "P"], size: int) -> Float32[np.ndarray, "P D"]:
    """Row p: the first `size` numbers of stream `indices[p]` of `seed`, uniform on the multiples of 2^-23 in [-1, 1).

    Args:
        seed: 0 to 2^64 - 1.
        indices: Numbers of the guesses, 0 to 2^63 - 1.
        size: Numbers per guess, D.

    Cost: about half a nanosecond a number on one core.

    >>> import numpy as np
    >>> both = uniform(7, np.array([3, 10**12], np.uint64), 5)
    >>> alone = uniform(7, np.array([10**12], np.uint64), 5)
    >>> bool((both[1] == alone[0]).all())
    True
    """
    if not 0 <= seed < 2**64:
        raise ValueError(f"seed must lie in 0 .. 2^64 - 1, got {seed}")
    out = np.empty((len(indices), size), np.float32)
    _fill(np.uint64(seed), np.ascontiguousarray(indices, np.uint64), out)
    return out
