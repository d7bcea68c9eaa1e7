"""The common shape of local searches: propose moves from where you stand, take one that lowers the loss.

What is proposed is a search's own (`AbstractMoves`); trying, accepting, halving and counting are here, once for all. A
state is never changed in place, and many candidates are scored in one call: the moves are looked up ahead as if all were
to fail, and those behind the accepted one are handed back. So the width of a call changes no decision.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from jaxtyping import Float, Int64
from torch import Tensor

from goodminima.search.objective import Objective, Scores

Scorer = Callable[["State", Int64[np.ndarray, "count"]], Scores]


class AbstractMoves(ABC):
    """The moves a search proposes, each of them a number. Nothing is changed in place."""

    @property
    @abstractmethod
    def span(self) -> int:
        """Failures in a row that make a pass."""

    @abstractmethod
    def names(self, count: int) -> Int64[np.ndarray, "count"]:
        """The numbers of the next moves."""

    @abstractmethod
    def applied(
        self, theta: Float[Tensor, "D"], radius: float, names: Int64[np.ndarray, "count"]
    ) -> Float[Tensor, "count D"]:
        """What `theta` becomes by each of the moves."""

    @abstractmethod
    def after(self, tried: int, *, accepted: bool, halved: bool) -> "AbstractMoves":
        """The moves behind the next `tried` ones."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class State:
    """What the next step needs.

    Args:
        theta: Where the search stands.
        loss: Its normalised loss, summed over the examples.
        right: How many examples it has right.
        moves: What is proposed next.
        radius: Size of the steps.
        failures: Candidates that have failed since the last acceptance or halving.
        candidates: Candidates tried.
        steps: Candidates accepted.
        halvings: How often the radius was halved.
    """

    theta: Float[Tensor, "D"]
    loss: float
    right: int
    moves: AbstractMoves
    radius: float
    failures: int = 0
    candidates: int = 0
    steps: int = 0
    halvings: int = 0


@final
@dataclass(frozen=True, slots=True)
class Info:
    """Diagnostics of a step: candidates decided on, candidates scored for that, and whether one was accepted."""

    tried: int
    scored: int
    accepted: bool


def init(objective: Objective, theta: Float[Tensor, "D"], moves: AbstractMoves, radius: float) -> State:
    """A search that has not begun.

    Raises:
        ValueError: If the loss of the start is not a number: nothing would be below it.
    """
    scores = objective(theta[None])
    if not np.isfinite(scores.loss[0]):
        raise ValueError(f"a search needs a start with a finite loss, got {scores.loss[0]}: choose another start")
    return State(theta, float(scores.loss[0]), int(scores.right[0]), moves, radius)


def step(score: Scorer, state: State, *, best_of: int, width: int) -> tuple[State, Info]:
    """Tries moves up to the first improvement, or up to `width` of them, or the end of the pass.

    With `best_of` above 1, so many are tried (fewer at the end of a pass) and the best is taken if it is an improvement.
    """
    room = state.moves.span - state.failures
    names = state.moves.names(min(width if best_of == 1 else best_of, room))
    scores = score(state, names)
    better = np.flatnonzero(scores.loss < state.loss)
    if len(better):
        chosen = int(better[0] if best_of == 1 else better[np.argmin(scores.loss[better])])
        tried = chosen + 1 if best_of == 1 else len(names)
        return _moved(state, names[chosen : chosen + 1], scores, chosen, tried), Info(tried, len(names), True)
    halved = len(names) == room
    failed = replace(
        state,
        moves=state.moves.after(len(names), accepted=False, halved=halved),
        radius=state.radius / 2 if halved else state.radius,
        failures=0 if halved else state.failures + len(names),
        candidates=state.candidates + len(names),
        halvings=state.halvings + halved,
    )
    return failed, Info(len(names), len(names), False)


def _moved(state: State, name: Int64[np.ndarray, "1"], scores: Scores, chosen: int, tried: int) -> State:
    return replace(
        state,
        theta=state.moves.applied(state.theta, state.radius, name)[0],
        loss=float(scores.loss[chosen]),
        right=int(scores.right[chosen]),
        moves=state.moves.after(tried, accepted=True, halved=False),
        failures=0,
        candidates=state.candidates + tried,
        steps=state.steps + 1,
    )
