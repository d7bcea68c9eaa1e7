"""Whole members scored one after another in the compiled kernel, each with all vector lanes on its examples.

Where many members are to be scored whatever comes out, `native.evaluation.logits` does as well, with members in the lanes. A
scorer serves a search that takes the first member below a limit: it pays for none behind it.
"""

import math
from typing import NamedTuple, final

import numpy as np
from jaxtyping import Float, Float64, Int, Int64

from goodminima.population.native import instruction_set, kernel
from goodminima.population.native.program import Program, labels_of


class MemberScores(NamedTuple):
    """By member the sum of its normalised losses, nats, and how many examples it has right."""

    loss: Float64[np.ndarray, "P"]
    num_correct: Int64[np.ndarray, "P"]


@final
class MemberScorer:
    """Scores members of one net by the sum over examples of the cross entropy of z / normaliser.

    Args:
        program: The net; no parameter belongs to two layers.
        x: Examples, each of the program's `input_shape`.
        y: Their labels, 0 .. number of logits - 1.

    Raises:
        RuntimeError: The kernel is not available.
        ValueError: Shapes, labels or offsets do not fit together.
    """

    def __init__(self, program: Program, *, x: Float[np.ndarray, "n ..."], y: Int[np.ndarray, "n"]) -> None:
        self._scorer = kernel().MemberScorer(instruction_set(), program.net, program.images(x), labels_of(y))

    def score(
        self, theta: Float[np.ndarray, "P D"], *, limit: float = math.inf, first: bool = False, threads: int = 1
    ) -> MemberScores:
        """Scores members in order. Threads change nothing.

        Args:
            theta: A member a row.
            limit: A sum surely above this may come out as infinity; one that is not a number does.
            first: Whether to stop behind the first member whose sum is below the limit; what is left out is infinite.
            threads: Threads that score members ahead of their turn.

        Cost: a forward pass of all examples a member.
        """
        return MemberScores(*self._scorer.score(np.ascontiguousarray(theta, np.float32), limit, first, threads))
