"""Whether particles still mix: how much they remember of their ancestors, and how many of those they have."""

import math
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from goodminima.volume.splitting.moves import Walked

FORGOTTEN = 0.1  # a memory below this is none

# With fewer, particles no longer mix. On orthants of known volume, intervals held the truth in 94 to 97 % of 200 cases with 4
# families and more, and in 88 % of 40 with one, where what a run says lies low by up to e^9.
LEAST_FAMILIES = 4


def correlation(before: Float[Tensor, "P n"], after: Float[Tensor, "P n"]) -> float:
    """Correlation over the particles, mean over the columns; a column that never differs counts as remembered, 1.

    Args:
        before: A row a particle.
        after: The same particles later.

    Returns:
        The mean correlation, -1 to 1.

    >>> x = torch.tensor([[1.0, 5.0], [2.0, 5.0], [3.0, 5.0]])
    >>> correlation(x, x.flip(0))
    0.0
    """
    x, y = (part.double() - part.double().mean(dim=0) for part in (before, after))
    scale = (x.square().sum(dim=0) * y.square().sum(dim=0)).sqrt()
    return float(torch.where(scale > 0, (x * y).sum(dim=0) / scale, 1.0).nan_to_num(nan=1.0).mean())


def memory(correlation: float, walked: Walked) -> float:
    """How much of their start particles remember after a walk, 0 to 1.

    The correlation of what they predict, or the share of particles that a block of parameters did not move for at all,
    exp(-accepted / particles), where that is more: predictions can change while a block stands still.

    Args:
        correlation: That of what particles predict, before and after the walk.
        walked: The walk.

    Returns:
        What is remembered, 0 to 1.
    """
    moved = [walked.accepted[name] for name, tried in walked.tried.items() if tried]
    still = math.exp(-min(moved) / len(walked.theta)) if moved else 0.0
    return min(1.0, max(0.0, correlation, still))


@final
@dataclass(frozen=True, slots=True, eq=False)
class Lineage:
    """Who descends from whom, as far back as it is remembered.

    Args:
        particles: How many there are.
        generations: For each resampling that is remembered, the parents and what their walk left of the memory.
    """

    particles: int
    generations: tuple[tuple[Int64[Tensor, "P"], float], ...] = ()

    def after(self, parents: Int64[Tensor, "P"], kept: float) -> "Lineage":
        """The lineage after a resampling and a walk.

        Args:
            parents: The number of each particle's parent.
            kept: What the walk left of the memory, 0 to 1.

        Returns:
            The lineage with one generation more; what is forgotten by now is dropped.
        """
        remembered, product = [], 1.0
        for generation in reversed((*self.generations, (parents, kept))):
            product *= generation[1]
            if product < FORGOTTEN:
                break
            remembered.append(generation)
        return Lineage(self.particles, tuple(reversed(remembered)))

    @property
    def families(self) -> int:
        """Distinct ancestors of the particles in the oldest generation that they remember.

        With a walk that forgets at once it is the number of particles; with one that stands still, it falls to one.
        """
        ancestors = torch.arange(self.particles)
        for parents, _ in reversed(self.generations):
            ancestors = parents[ancestors]
        return len(ancestors.unique())
