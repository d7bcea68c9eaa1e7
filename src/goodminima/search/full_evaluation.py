"""Local searches of any net: each candidate is evaluated in full, many of them a call."""

from typing import final

from jaxtyping import Float
from torch import Tensor

from goodminima.search.local import AbstractPerturbations, init, step
from goodminima.search.objective import AbstractObjective

_LEAST_WIDTH = 16  # members that the compiled kernel draws and evaluates in the time of one
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
        self,
        objective: AbstractObjective,
        theta: Float[Tensor, "D"],
        *,
        moves: AbstractPerturbations,
        radius: float,
        best_of: int,
    ) -> None:
        self._objective, self._best_of = objective, best_of
        self.state = init(objective, theta, moves, radius)

    @property
    def theta(self) -> Float[Tensor, "D"]:
        return self.state.theta

    @property
    def loss(self) -> float:
        return self.state.loss / self._objective.num_examples

    @property
    def num_correct(self) -> int:
        return self.state.num_correct

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
    def num_halvings(self) -> int:
        return self.state.num_halvings

    @property
    def slice(self) -> int:
        """Candidates between two reports."""
        return max(1, _SLICE_PRODUCTS // self._products)

    def run(self, *, candidates: int, steps: int | None, fitted: bool, loss_below: float, threads: int) -> None:
        """See `Engine`. A group of `best_of` candidates that does not fit into the budget is not begun."""
        last = self.candidates + candidates
        while not self._ended(steps, fitted, loss_below):
            room = min(last - self.candidates, self.state.moves.span - self.failures)
            if room < min(self._best_of, self.state.moves.span - self.failures) or room == 0:
                break
            width = min(room, self._width(threads))
            self.state, _ = step(self._objective, self.state, best_of=self._best_of, width=width, threads=threads)

    def _ended(self, steps: int | None, fitted: bool, loss_below: float) -> bool:
        all_right = fitted and self.num_correct == self._objective.num_examples
        return all_right or self.loss <= loss_below or (steps is not None and self.steps >= steps)

    def _width(self, threads: int) -> int:
        """How far to look ahead: half the failures so far, but no more than fixed costs per call are worth."""
        least = _LEAST_WIDTH * threads
        return min(max(least, self.failures // 2), max(least, _CALL_PRODUCTS // self._products))

    @property
    def _products(self) -> int:
        """Products of a weight and an input that a candidate takes, at the least."""
        return len(self.theta) * self._objective.num_examples
