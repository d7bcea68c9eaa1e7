"""A random order without replacement that can begin anew at any moment, at no cost.

A lazy Fisher-Yates shuffle: position i swaps with a random place among i .. size - 1. Beginning again at position 0 leaves
the array as it is, for a shuffle of any arrangement is uniform; so a fresh order after every accepted step costs nothing.
"""

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from jaxtyping import Int64, UInt32
from numba import njit, uint64

from goodminima.core.generator import next_word, stream_state


@final
@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """Where a random order of the numbers 0 .. size - 1 stands. Nothing here is ever changed in place.

    Args:
        places: The arrangement: positions below `position` have been taken.
        words: State of the random stream.
        position: How many numbers have been taken since the order began.
    """

    places: Int64[np.ndarray, "size"]
    words: UInt32[np.ndarray, "4"]
    position: int = 0

    @classmethod
    def begin(cls, size: int, *, seed: int, stream: int) -> "Order":
        """An order from its beginning.

        Args:
            size: How many numbers, 1 to 2^32 - 1.
            seed: 0 to 2^64 - 1.
            stream: Number of the random stream of the seed, 0 to 2^63 - 1.

        Returns:
            The order with nothing taken.

        Raises:
            ValueError: If `size` or `seed` is out of range.
        """
        if not 0 < size < 2**32:
            raise ValueError(f"an order needs 1 to 2^32 - 1 numbers, got {size}")
        return cls(np.arange(size), stream_state(seed, stream))

    def take(self, count: int) -> tuple[Int64[np.ndarray, "count"], "Order"]:
        """Takes the next numbers; after the last one comes a first one again.

        Args:
            count: How many, at least 0.

        Returns:
            The numbers, and the order behind them.

        >>> taken, order = Order.begin(5, seed=0, stream=0).take(5)
        >>> sorted(taken.tolist()), order.position
        ([0, 1, 2, 3, 4], 0)
        """
        places, words = self.places.copy(), self.words.copy()
        taken = np.empty(count, np.int64)
        position = _take(places, words, self.position, taken)
        return taken, replace(self, places=places, words=words, position=int(position))

    def anew(self) -> "Order":
        """Begins again with the arrangement as it stands.

        Returns:
            The order with everything still to be taken.
        """
        return replace(self, position=0)


@njit(cache=True)
def _take(places, words, position, taken):
    for k in range(len(taken)):
        chosen = position + _integer_below(words, len(places) - position)
        places[position], places[chosen] = places[chosen], places[position]
        taken[k] = places[position]
        position = (position + 1) % len(places)
    return position


@njit(cache=True)
def _integer_below(words, bound):
    """floor(r bound / 2^64) of the next two words r, the first of them the upper half; bound is below 2^32."""
    first, second = uint64(next_word(words)), uint64(next_word(words))
    return np.int64((first * uint64(bound) + ((second * uint64(bound)) >> uint64(32))) >> uint64(32))
