"""The generator of guesses in plain Python integers, as its sources define it: what every implementation must equal."""

from collections.abc import Iterator
from itertools import islice

import numpy as np

_GOLDEN, _ALL, _LOW = 0x9E3779B97F4A7C15, 2**64 - 1, 2**32 - 1


def _mix(z: int) -> int:
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _ALL
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _ALL
    return z ^ (z >> 31)


def words(seed: int, index: int) -> Iterator[int]:
    """The 32-bit outputs of stream `index` of `seed`."""
    base = _mix((seed + _GOLDEN) & _ALL)
    first, second = (_mix((base + (2 * index + i) * _GOLDEN) & _ALL) for i in (1, 2))
    s0, s1, s2, s3 = first & _LOW, first >> 32, second & _LOW, second >> 32
    while True:
        yield (s0 + s3) & _LOW
        t = (s1 << 9) & _LOW
        s2 ^= s0
        s3 ^= s1
        s1 ^= s2
        s0 ^= s3
        s2 ^= t
        s3 = ((s3 << 11) | (s3 >> 21)) & _LOW


def uniform(seed: int, index: int, size: int) -> np.ndarray:
    """The first `size` numbers of the stream, uniform on the multiples of 2^-23 in [-1, 1), float32."""
    return np.array([(word >> 8) * 2.0**-23 - 1 for word in islice(words(seed, index), size)], np.float32)


def below(stream: Iterator[int], end: int) -> int:
    """A whole number below `end`, of the next two words: floor(end r / 2^64)."""
    return (((next(stream) << 32) | next(stream)) * end) >> 64
