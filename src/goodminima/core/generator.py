"""The counter-seeded generator: guess k of seed s is a function of (s, k) alone.

Every guess has a stream of its own, xoshiro128+ (Blackman and Vigna, 2021) started from two outputs of splitmix64
(Steele, Lea and Flood, 2014) at a place that a hash of the seed and the guess's number select. So a guess *is* a pair of
integers: it can be found on one machine and remade on another, whatever the chunking, the sharding and the order.

Sixteen streams run side by side, so that the compiler keeps them in one vector register. Every other implementation
(the compiled kernel) must give the same bits; the tests hold each of them against plain integers in Python.
"""

import math

import numpy as np
from jaxtyping import Float32, UInt32, UInt64
from numba import float32, int32, njit, uint32, uint64

_LANES = 16
_TILE = 64  # numbers per stream before a tile is transposed into the output: 16 x 64 floats stay in the first cache


@njit(cache=True, inline="always", error_model="numpy")
def _mix(z):
    z = (z ^ (z >> uint64(30))) * uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> uint64(27))) * uint64(0x94D049BB133111EB)
    return z ^ (z >> uint64(31))


@njit(cache=True, inline="always", error_model="numpy")
def _start(seed, index, state, lane):
    golden = uint64(0x9E3779B97F4A7C15)
    base = _mix(seed + golden)
    first = _mix(base + (uint64(2) * index + uint64(1)) * golden)
    second = _mix(base + (uint64(2) * index + uint64(2)) * golden)
    state[0, lane] = uint32(first & uint64(0xFFFFFFFF))
    state[1, lane] = uint32(first >> uint64(32))
    state[2, lane] = uint32(second & uint64(0xFFFFFFFF))
    state[3, lane] = uint32(second >> uint64(32))


@njit(cache=True, nogil=True, error_model="numpy")
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


@njit(cache=True, inline="always", error_model="numpy")
def _log(x):
    """log x for x in (0, 1]: x = 2^e (1 + f) with 1 + f near 1, and log(1 + f) = 2 atanh(f / (2 + f))."""
    bits = np.float32(x).view(np.int32)
    e = int32(bits - int32(0x3F3504F3)) >> int32(23)  # 2^e counts from sqrt(1/2)
    f = np.int32(bits - int32(e << int32(23))).view(np.float32) - float32(1)
    s = f / (f + float32(2))
    v = s * s
    series = float32(2 / 3) + v * (float32(2 / 5) + v * (float32(2 / 7) + v * float32(2 / 9)))
    return float32(e) * float32(0.693147182) + s * (float32(2) + v * series)


@njit(cache=True, inline="always", error_model="numpy")
def _sine(t):
    """sin(pi t) for |t| <= 1/4."""
    v = t * t
    series = float32(2.55016404) + v * (float32(-0.599264529) + v * float32(0.0821458867))
    return t * (float32(3.14159265) + v * (float32(-5.16771278) + v * series))


@njit(cache=True, inline="always", error_model="numpy")
def _cosine(t):
    """cos(pi t) for |t| <= 1/4."""
    v = t * t
    series = float32(-1.33526277) + v * (float32(0.235330631) + v * float32(-0.0258068913))
    return float32(1) + v * (float32(-4.93480220) + v * (float32(4.05871213) + v * series))


@njit(cache=True, nogil=True, error_model="numpy")
def _make_normal(tile, numbers):
    """Box and Muller (1958) on pairs of uniform numbers of a lane: a radius and an angle become two normal numbers.

    Sums, products and square roots of float32 alone, so that every machine gives the same bits.
    """
    for i in range(0, numbers, 2):
        for lane in range(_LANES):
            radius = math.sqrt(float32(-2) * _log((float32(1) - tile[i, lane]) * float32(0.5)))
            turn = tile[i + 1, lane]  # the angle in units of pi, in [-1, 1)
            quarter = int32(float32(2) * turn + float32(4.5)) - int32(4)  # rounded
            rest = turn - float32(0.5) * float32(quarter)
            sine, cosine = radius * _sine(rest), radius * _cosine(rest)
            x = sine if quarter & 1 else cosine
            y = cosine if quarter & 1 else sine
            tile[i, lane] = -x if (quarter + 1) & 2 else x
            tile[i + 1, lane] = -y if quarter & 2 else y


@njit(cache=True, nogil=True, error_model="numpy")
def _fill(seed, indices, normal, out):
    members, size = out.shape
    state = np.empty((4, _LANES), np.uint32)
    tile = np.empty((_TILE, _LANES), np.float32)
    for first in range(0, members, _LANES):
        lanes = min(_LANES, members - first)
        for lane in range(_LANES):
            _start(seed, indices[first + min(lane, lanes - 1)], state, lane)
        for begin in range(0, size, _TILE):
            numbers = min(_TILE, size - begin)
            _fill_tile(state, tile, numbers + (numbers & 1 if normal else 0))
            if normal:
                _make_normal(tile, numbers)
            for lane in range(lanes):
                for i in range(numbers):
                    out[first + lane, begin + i] = tile[i, lane]


def uniform(seed: int, indices: UInt64[np.ndarray, "P"], size: int) -> Float32[np.ndarray, "P D"]:
    """Uniform numbers of streams of a seed.

    Args:
        seed: 0 to 2^64 - 1.
        indices: Numbers of the guesses, 0 to 2^63 - 1.
        size: Numbers per guess, D.

    Returns:
        Row p: the first D numbers of stream `indices[p]`, uniform on the multiples of 2^-23 in [-1, 1).

    Cost: about half a nanosecond a number on one core.

    >>> import numpy as np
    >>> both = uniform(7, np.array([3, 10**12], np.uint64), 5)
    >>> alone = uniform(7, np.array([10**12], np.uint64), 5)
    >>> bool((both[1] == alone[0]).all())
    True
    """
    return _filled(seed, indices, size, normal=False)


def normal(seed: int, indices: UInt64[np.ndarray, "P"], size: int) -> Float32[np.ndarray, "P D"]:
    """Standard normal numbers of streams of a seed: each pair of uniform numbers becomes two of them.

    The bits are the same on every machine. No number is further out than 5.8, which one in 10^8 would be.

    Args:
        seed: 0 to 2^64 - 1.
        indices: Numbers of the guesses, 0 to 2^63 - 1.
        size: Numbers per guess, D.

    Returns:
        Row p: D standard normal numbers, made of stream `indices[p]`.

    Cost: about a nanosecond a number on one core.

    Reference: Box and Muller 1958.

    >>> import numpy as np
    >>> normal(7, np.array([3], np.uint64), 3).round(4)
    array([[0.6684, 0.1053, 0.4736]], dtype=float32)
    """
    return _filled(seed, indices, size, normal=True)


def _filled(seed: int, indices: UInt64[np.ndarray, "P"], size: int, *, normal: bool) -> Float32[np.ndarray, "P D"]:
    check_seed(seed)
    out = np.empty((len(indices), size), np.float32)
    _fill(np.uint64(seed), np.ascontiguousarray(indices, np.uint64), normal, out)
    return out


def check_seed(seed: int) -> None:
    """Checks that the generator takes a seed.

    Args:
        seed: Any integer.

    Raises:
        ValueError: If it does not lie in 0 .. 2^64 - 1.
    """
    if not 0 <= seed < 2**64:
        raise ValueError(f"seed must lie in 0 .. 2^64 - 1, got {seed}")


def stream_state(seed: int, index: int) -> UInt32[np.ndarray, "4"]:
    """Where a stream of a seed starts.

    Args:
        seed: 0 to 2^64 - 1.
        index: Number of the stream, 0 to 2^63 - 1.

    Returns:
        The state of 128 bits that `next_word` moves on.
    """
    check_seed(seed)
    return _stream_state(np.uint64(seed), np.uint64(index))


@njit(cache=True)
def _stream_state(seed, index):
    state = np.empty((4, 1), np.uint32)
    _start(seed, index, state, 0)
    return state[:, 0].copy()


@njit(cache=True, inline="always")
def next_word(state):
    """The next word of a stream, for compiled callers.

    Args:
        state: Four words, as `stream_state` gives them; it moves on in place.

    Returns:
        32 bits, as uint32.
    """
    word = uint32(state[0] + state[3])
    t = uint32(state[1] << uint32(9))
    state[2] ^= state[0]
    state[3] ^= state[1]
    state[1] ^= state[2]
    state[0] ^= state[3]
    state[2] ^= t
    state[3] = uint32(state[3] << uint32(11)) | uint32(state[3] >> uint32(21))
    return word
