"""The common shape of local searches: propose moves from where you stand, take one that lowers the loss.

What is proposed is a search's own (`AbstractPerturbations`); trying, accepting, halving and counting are here, once for all. A
state is never changed in place, and many candidates are scored in one call: the moves are looked up ahead as if all were
to fail, and those behind the accepted one are handed back. So the width of a call changes no decision.

Reference: Chiang et al. 2023, section 4.1.2, for both searches.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from jaxtyping import Float, Int64
from torch import Tensor

from goodminima.search.objective import AbstractObjective, Scores

_MATRIX_NUMBERS = 1 << 24  # numbers of the candidates that are held at once: 64 MB


class AbstractPerturbations(ABC):
    """The moves a search proposes, each of them a number. Nothing is changed in place."""

    @property
    @abstractmethod
    def span(self) -> int:
        """Failures in a row that make a pass."""

    @abstractmethod
    def names(self, count: int) -> Int64[np.ndarray, "count"]:
        """What the next moves are.

        Args:
            count: How many.

        Returns:
            The numbers of the next `count` moves.
        """

    @abstractmethod
    def applied(
        self, theta: Float[Tensor, "D"], radius: float, names: Int64[np.ndarray, "count"]
    ) -> Float[Tensor, "count D"]:
        """Moves parameters.

        Args:
            theta: The parameters; they are not changed.
            radius: Size of the moves.
            names: Numbers of the moves.

        Returns:
            What theta becomes by each of the moves alone, a row each.
        """

    @abstractmethod
    def after(self, tried: int, *, accepted: bool, halved: bool) -> "AbstractPerturbations":
        """The moves to be proposed after some were tried.

        Args:
            tried: How many were tried.
            accepted: Whether the last of them was accepted.
            halved: Whether the radius was halved after them.

        Returns:
            The moves behind those.
        """


@final
@dataclass(frozen=True, slots=True, eq=False)
class SearchState:
    """What the next step needs.

    Args:
        theta: Where the search stands.
        loss: Its normalised loss, summed over the examples.
        num_correct: How many examples it has right.
        moves: What is proposed next.
        radius: Size of the steps.
        failures: Candidates that have failed since the last acceptance or halving.
        candidates: Candidates tried.
        steps: Candidates accepted.
        num_halvings: How often the radius was halved.
    """

    theta: Float[Tensor, "D"]
    loss: float
    num_correct: int
    moves: AbstractPerturbations
    radius: float
    failures: int = 0
    candidates: int = 0
    steps: int = 0
    num_halvings: int = 0


@final
@dataclass(frozen=True, slots=True)
class StepInfo:
    """Diagnostics of a step.

    Args:
        tried: Candidates that it tried.
        accepted: Whether it accepted one.
    """

    tried: int
    accepted: bool


def init(
    objective: AbstractObjective, theta: Float[Tensor, "D"], moves: AbstractPerturbations, radius: float
) -> SearchState:
    """A search that has not begun.

    Args:
        objective: What is lowered.
        theta: The start.
        moves: What is proposed.
        radius: Size of the first steps, above 0.

    Returns:
        The state before the first step.

    Raises:
        ValueError: If the loss of the start is not a number: nothing would be below it.
    """
    scores = objective(theta[None])
    if not np.isfinite(scores.loss[0]):
        raise ValueError(f"a search needs a start with a finite loss, got {scores.loss[0]}: choose another start")
    return SearchState(theta, float(scores.loss[0]), int(scores.num_correct[0]), moves, radius)


def step(
    objective: AbstractObjective, state: SearchState, *, best_of: int, width: int, threads: int = 1
) -> tuple[SearchState, StepInfo]:
    """Tries moves up to the first improvement, or up to `width` of them, or the end of the pass.

    With `best_of` above 1, so many are tried (fewer at the end of a pass) and the best is taken if it is an improvement.

    Args:
        objective: What is lowered.
        state: Where the search stands; it is not changed.
        best_of: 1 for the first improvement, K for the best of K moves.
        width: Moves scored together at most, with `best_of` 1.
        threads: Threads of the evaluation; they change no number.

    Returns:
        Where the search stands then, and what was tried.
    """
    room, most = state.moves.span - state.failures, max(1, _MATRIX_NUMBERS // len(state.theta))
    names = state.moves.names(min(width, most, room) if best_of == 1 else min(best_of, room))
    scores = Scores.joined(
        [
            objective(
                state.moves.applied(state.theta, state.radius, names[first : first + most]),
                limit=state.loss,
                first=best_of == 1,
                threads=threads,
            )
            for first in range(0, len(names), most)
        ]
    )
    better = np.flatnonzero(scores.loss < state.loss)
    if not len(better):
        return _failed(state, len(names), halved=len(names) == room), StepInfo(len(names), False)
    chosen = int(better[0] if best_of == 1 else better[np.argmin(scores.loss[better])])
    tried = chosen + 1 if best_of == 1 else len(names)
    moved = replace(
        state,
        theta=state.moves.applied(state.theta, state.radius, names[chosen : chosen + 1])[0],
        loss=float(scores.loss[chosen]),
        num_correct=int(scores.num_correct[chosen]),
        moves=state.moves.after(tried, accepted=True, halved=False),
        failures=0,
        candidates=state.candidates + tried,
        steps=state.steps + 1,
    )
    return moved, StepInfo(tried, True)


def _failed(state: SearchState, tried: int, *, halved: bool) -> SearchState:
    return replace(
        state,
        moves=state.moves.after(tried, accepted=False, halved=halved),
        radius=state.radius / 2 if halved else state.radius,
        failures=0 if halved else state.failures + tried,
        candidates=state.candidates + tried,
        num_halvings=state.num_halvings + halved,
    )
