"""Moves: how particles walk within a level. Splitting knows nothing else of nets."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float, UInt64
from torch import Tensor

from goodminima.volume.splitting.level import Level


@final
@dataclass(frozen=True, slots=True, eq=False)
class TargetValues:
    """What levels are about, on the CPU.

    Args:
        margins: The label's raw logit minus the largest other one, per member and example.
        losses: Mean normalised cross entropy over all examples, nats per example.
    """

    margins: Float[Tensor, "P n"]
    losses: Float[Tensor, "P"]


@final
@dataclass(frozen=True, slots=True, eq=False)
class Walked:
    """Where a walk ended, and what it cost.

    Args:
        theta: (P, D), every member within the level.
        tried: Proposals by block of parameters (`conv1`, `fc2`, or `all`), over all particles; 0 for a block whose moves
            are never refused, drawn from what is allowed.
        accepted: How many of them were accepted.
        evaluations: Whole forward passes of one example: multiply-adds over those of one forward pass.
    """

    theta: Float[Tensor, "P D"]
    tried: Mapping[str, int]
    accepted: Mapping[str, int]
    evaluations: float


class AbstractMoves(ABC):
    """Draws from a prior, and walks that leave the prior restricted to a level invariant."""

    @property
    @abstractmethod
    def num_examples(self) -> int:
        """How many examples there are; margins come in the order of the task's training examples."""

    @abstractmethod
    def draw(self, *, seed: int, indices: UInt64[np.ndarray, "P"]) -> Float[Tensor, "P D"]:
        """Independent draws from the prior.

        Args:
            seed: 0 to 2^64 - 1.
            indices: Numbers of the draws, 0 to 2^63 - 1.

        Returns:
            Row p: draw number `indices[p]` of `seed`.
        """

    @abstractmethod
    def evaluate(self, theta: Float[Tensor, "P D"]) -> TargetValues:
        """Evaluates members.

        Args:
            theta: A member a row.

        Returns:
            Their margins and losses.

        Cost: P n forward passes.
        """

    @abstractmethod
    def walk(
        self, theta: Float[Tensor, "P D"], level: Level, *, seed: int, streams: UInt64[np.ndarray, "P"], sweeps: int
    ) -> Walked:
        """Moves every member within the level, all of them in it at the start.

        A member's result is a function of its theta, the level, the seed, its number in `streams` and `sweeps`: threads,
        chunks and company change nothing. `theta` is not changed in place.

        Args:
            theta: (P, D), a member a row.
            level: What no member leaves.
            seed: Seed of the walk, another one than that of `draw`.
            streams: Number of the random stream of each member, all different.
            sweeps: How often every block is tried.

        Returns:
            Where members ended, all of them in the level, and what it cost.
        """

    def adapted(self, walked: Walked) -> "AbstractMoves":
        """The moves for the next level, from how the last walk went. Never within a walk: it would not be invariant.

        Args:
            walked: The last walk.

        Returns:
            The moves.
        """
        del walked
        return self
