"""Local searches of any net: each candidate is evaluated in full, many of them a call."""

import math
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import final

import numpy as np
from jaxtyping import Float, Int64
from torch import Tensor

from goodminima.search.local import AbstractMoves, State, init, step
from goodminima.search.objective import Objective, Scores

_CALL_PRODUCTS = 1 << 22  # products of one call that outweigh its fixed costs
_SLICE_PRODUCTS = 1 << 31  # products between two reports: about a second


@final
class FullEvaluation:
    """A search of any net by full evaluation of each candidate: an `Engine`, and the reference for every other one.

    Args:
        objective: What is lowered.
        theta: The start.
        moves: What is proposed.
        radius: Size of the first steps.
        best_of: 1 for the first improvement, K for the best of K.
    """

    def __init__(
        self, objective: Objective, theta: Float[Tensor, "D"], *, moves: AbstractMoves, radius: float, best_of: int
    ) -> None:
        self._objective, self._best_of = objective, best_of
        self.state = init(objective, theta, moves, radius)
        self.scored = 1  # members scored so far, those looked at in vain included

    @property
    def theta(self) -> Float[Tensor, "D"]:
        return self.state.theta

    @property
    def loss(self) -> float:
        return self.state.loss / len(self._objective.examples)

    @property
    def right(self) -> int:
        return self.state.right

    @property
    def candidates(self) -> int:
        return self.state.candidates

    @property
    def steps(self) -> int:
        return self.state.steps

    @property
    def failures(self) -> int:
        return self.state.failures

    @property
    def radius(self) -> float:
        return self.state.radius

    @property
    def halvings(self) -> int:
        return self.state.halvings

    @property
    def slice(self) -> int:
        """Candidates between two reports."""
        return max(1, _SLICE_PRODUCTS // self._objective.products)

    def run(self, *, candidates: int, steps: int | None, fitted: bool, loss_below: float, threads: int) -> None:
        """See `Engine`. A group of `best_of` candidates that does not fit into the budget is not begun."""
        last = self.candidates + candidates
        with ThreadPoolExecutor(threads) as pool:
            score = partial(self._score, pool, threads)
            while not self._ended(steps, fitted, loss_below):
                room = min(last - self.candidates, self.state.moves.span - self.failures)
                if room < min(self._best_of, self.state.moves.span - self.failures) or room == 0:
                    break
                width = min(room, self._width(threads))
                self.state, info = step(score, self.state, best_of=self._best_of, width=width)
                self.scored += info.scored

    def _ended(self, steps: int | None, fitted: bool, loss_below: float) -> bool:
        all_right = fitted and self.right == len(self._objective.examples)
        return all_right or self.loss <= loss_below or (steps is not None and self.steps >= steps)

    def _width(self, threads: int) -> int:
        """How far to look ahead: half the failures so far, but no more than fixed costs per call are worth."""
        least = self._objective.block * threads
        most = max(least, _CALL_PRODUCTS // self._objective.products)
        return min(max(least, self.failures // 2), most)

    def _score(self, pool: ThreadPoolExecutor, threads: int, state: State, names: Int64[np.ndarray, "count"]) -> Scores:
        def score(some: Int64[np.ndarray, "count"]) -> Scores:
            return self._objective(state.moves.applied(state.theta, state.radius, some))

        size = max(self._objective.block, math.ceil(len(names) / threads))
        groups = [names[first : first + size] for first in range(0, len(names), size)]
        return score(names) if len(groups) == 1 else Scores.joined(list(pool.map(score, groups)))
