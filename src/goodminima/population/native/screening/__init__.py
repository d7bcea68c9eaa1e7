"""Guess & Check in the compiled kernel: guesses are the lanes, and most of them see two images."""

import math
from typing import NamedTuple, final

import numpy as np
from jaxtyping import Float, Float32, Int, Int64, UInt64

from goodminima.population.native import instruction_set, kernel
from goodminima.population.native.program import Program, box_of, check_range, labels_of


class Screened(NamedTuple):
    """What a screening found; `images_shown` counts, over all guesses, the images up to the first unfit one."""

    indices: Int64[np.ndarray, "m"]
    losses: Float32[np.ndarray, "m"]
    margins: Float32[np.ndarray, "m"]
    images_shown: int


@final
class Screener:
    """Which guesses get every example right, or nearly.

    The margin on an example is (z_y - max_{c != y} z_c) / max_c |z_c|, 0 where all logits z are 0. The loss is the mean
    cross entropy of z / normaliser. A guess is dropped at the first example where its margin is below -slack, or where the
    sum of its losses exceeds n loss_below (1 + slack), or where either is not a finite number. So all that float64 would
    accept are among those returned, and the caller decides the borderline ones in float64.

    Args:
        program: The net.
        half_width: Half the width of the box along each parameter.
        x: Examples in the order in which they are shown; begin with one of each class.
        y: Their labels, 0 .. number of logits - 1.
        seed: Seed of the guesses, from 0 to 2^64 - 1.
        loss_below: Upper bound of the mean normalised loss, nats; infinity for none.
        slack: Relative tolerance of both bounds.

    Raises:
        RuntimeError: The kernel is not available.
        ValueError: Shapes, labels or offsets do not fit together.
    """

    def __init__(
        self,
        program: Program,
        *,
        half_width: Float[np.ndarray, "D"],
        x: Float[np.ndarray, "n ..."],
        y: Int[np.ndarray, "n"],
        seed: int,
        loss_below: float,
        slack: float = 1e-4,
    ) -> None:
        check_range("seed", seed, 2**64)
        for name, value, holds in (
            ("loss_below", loss_below, loss_below > 0),
            ("slack", slack, 0 <= slack < math.inf),
        ):
            if not holds:
                raise ValueError(f"{name} must be positive (slack: and may be 0; loss_below: or infinite), got {value}")
        images, labels, box = program.images(x), labels_of(y), box_of(half_width)
        self._screener = kernel().Screener(instruction_set(), program.net, box, images, labels, seed, loss_below, slack)

    def run(self, start: int, count: int) -> Screened:
        """Screens the guesses start .. start + count - 1. On one thread, without the GIL; several may run at once.

        Args:
            start: Number of the first guess; start + count may not exceed 2^63.
            count: How many guesses.

        Returns:
            Indices in increasing order, their mean normalised losses and smallest margins (float32), the images shown.

        Raises:
            ValueError: A guess's number is out of range.

        Cost: a draw per guess, and a forward pass of about as many examples as it gets right, plus one.
        """
        check_range("start", start, 2**63)
        check_range("count", count, 2**63 - start + 1)
        return Screened(*self._screener.run(start, count))


def draw(half_width: Float[np.ndarray, "D"], seed: int, indices: UInt64[np.ndarray, "P"]) -> Float32[np.ndarray, "P D"]:
    """Guesses `indices` of `seed`: uniform on [-half_width, half_width), the bits of `population.generator`.

    Args:
        half_width: Half the width of the box along each parameter.
        seed: From 0 to 2^64 - 1.
        indices: Numbers of the guesses.

    Raises:
        RuntimeError: The kernel is not available.
        ValueError: The seed is out of range, or a half width not finite.
    """
    check_range("seed", seed, 2**64)
    chosen = instruction_set()
    return kernel().draw(chosen, box_of(half_width), seed, np.ascontiguousarray(indices, np.uint64))
