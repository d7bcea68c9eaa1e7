"""Sets of known volume, moves that are perfect or useless, and tasks of few points: what splitting is held against."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from goodminima.tasks import Examples, Task
from goodminima.volume import AbstractMoves, Level, TargetValues, Walked


def task_of(x: Tensor, y: list[int]) -> Task:
    """These points and labels, to learn and to test with."""
    examples = Examples(x, torch.tensor(y))
    return Task(train=examples, test=examples, num_classes=max(y) + 1, name="t", origin="test")


@dataclass(frozen=True)
class Orthant(AbstractMoves):
    """{theta in [-1, 1]^d, all positive} with walks that end anywhere in the level, or that lead nowhere."""

    dimension: int
    walks: bool = True

    @property
    def num_examples(self) -> int:
        return self.dimension

    def draw(self, *, seed: int, indices: np.ndarray) -> Tensor:
        return _uniform(seed, len(indices), self.dimension)

    def evaluate(self, theta: Tensor) -> TargetValues:
        return TargetValues(theta, theta.square().mean(dim=1))

    def walk(self, theta: Tensor, level: Level, *, seed: int, streams: np.ndarray, sweeps: int) -> Walked:
        if not self.walks:
            return Walked(theta, {"all": len(theta)}, {"all": 0}, 0.0)
        low = level.margin_above.clamp_min(-1)
        fresh = low + (1 - low) * (_uniform(seed, *theta.shape) + 1) / 2
        return Walked(fresh, {"all": len(theta)}, {"all": 10 * len(theta)}, 0.0)


def _uniform(seed: int, members: int, dimension: int) -> Tensor:
    return torch.from_numpy(np.random.Generator(np.random.Philox(seed)).uniform(-1, 1, (members, dimension)))
