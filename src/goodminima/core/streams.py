"""Random streams: one seed, as many independent generators as there are things to draw."""

import numpy as np


def stream(seed: int, *words: int) -> np.random.Generator:
    """The random stream of `seed` that belongs to `words`, independent of every other one.

    Args:
        seed: At least 0, of any size.
        words: What is drawn, as integers of at least 0.

    Returns:
        A generator at the stream's beginning.

    Raises:
        ValueError: If the seed is negative.

    >>> stream(0, 1).random() == stream(0, 1).random(), stream(0, 1).random() == stream(0, 2).random()
    (True, False)
    """
    if seed < 0:
        raise ValueError(f"seed must be at least 0, got {seed}")
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=words))


def derived_seed(seed: int, *words: int) -> int:
    """A seed for one purpose: what it draws is independent of what `seed` itself draws.

    Args:
        seed: At least 0, of any size.
        words: The purpose, as integers of at least 0.

    Returns:
        A seed of 64 bits, 0 to 2^64 - 1.

    >>> derived_seed(0, 1) == derived_seed(0, 1), derived_seed(0, 1) == derived_seed(0, 2)
    (True, False)
    """
    return int(stream(seed, *words).integers(2**64, dtype=np.uint64))
