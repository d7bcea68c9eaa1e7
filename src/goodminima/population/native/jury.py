"""Whole members scored one after another in the compiled kernel, each with all vector lanes on its examples.

Where many members are to be scored whatever comes out, `native.logits` does as well, with members in the lanes. A jury
serves a search that takes the first member below a limit: it pays for none behind it.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int, Int64

from goodminima.population.native import Program, _compiled, _images, instruction_set


class Verdict(NamedTuple):
    """By member the sum of its normalised losses, nats, and how many examples it has right."""

    loss: Float64[np.ndarray, "P"]
    right: Int64[np.ndarray, "P"]


class Jury:
    """Scores members of one net by the sum over examples of the cross entropy of z / prod_l (||W_l||_F / unit).

    Args:
        program: The net, see `goodminima.population.native`; no parameter belongs to two layers.
        input_shape: (channels, height, width) or (features,).
        num_parameters: Length D of a member.
        weights: (offset, size) of each weight tensor W_l that enters the normaliser.
        unit: What ||W_l||_F is measured in.
        x: Examples, each of `input_shape`.
        y: Their labels, 0 .. number of logits - 1.

    Raises:
        RuntimeError: The kernel is not available.
        ValueError: Shapes, labels or offsets do not fit together.
    """

    def __init__(
        self,
        program: Program,
        input_shape: Sequence[int],
        *,
        num_parameters: int,
        weights: Sequence[tuple[int, int]],
        unit: float,
        x: Float[np.ndarray, "n ..."],
        y: Int[np.ndarray, "n"],
    ) -> None:
        if not 0 < unit < math.inf:
            raise ValueError(f"unit must be positive and finite, got {unit}")
        compiled, labels = _compiled(), np.ascontiguousarray(y, np.int64)
        images = _images(x, input_shape)
        self._jury = compiled.Jury(
            instruction_set(), program, input_shape, num_parameters, weights, unit, images, labels
        )

    def score(
        self, theta: Float[np.ndarray, "P D"], *, limit: float = math.inf, first: bool = False, threads: int = 1
    ) -> Verdict:
        """Scores members in order. Threads change nothing.

        Args:
            theta: A member a row.
            limit: A sum surely above this may come out as infinity; one that is not a number does.
            first: Whether to stop behind the first member whose sum is below the limit; what is left out is infinite.
            threads: Threads that score members ahead of their turn.

        Cost: a forward pass of all examples a member.
        """
        return Verdict(*self._jury.score(np.ascontiguousarray(theta, np.float32), limit, first, threads))
