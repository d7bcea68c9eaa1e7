"""What classifiers say in the plane of their inputs: the regions of many at once."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, final

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from goodminima.population.population import Population
from goodminima.population.stack import stack_of
from goodminima.tasks.task import Examples

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Extent = tuple[float, float, float, float]


@final
@dataclass(frozen=True, slots=True, eq=False)
class Regions:
    """The class that each of P classifiers gives to each point of a grid.

    Args:
        classes: (P, m, n) class numbers; rows from the least y up, columns from the least x on.
        lead: (P, m, n) the largest logit less the second: 0 on a boundary.
        extent: Least and greatest x, least and greatest y.
    """

    classes: UInt8[np.ndarray, "P m n"]
    lead: Float[np.ndarray, "P m n"]
    extent: Extent

    def shares(self, num_classes: int) -> Float[np.ndarray, "P C"]:
        """Share of the plane that each class has, per classifier."""
        return np.stack([(self.classes == number).mean(axis=(1, 2)) for number in range(num_classes)], axis=1)

    def disagreement(self) -> Float[np.ndarray, "P P"]:
        """Share of the plane on which two classifiers say something else."""
        return np.stack([(self.classes != each).mean(axis=(1, 2)) for each in self.classes])

    def plot(
        self, path: Path | str | None = None, *, examples: Examples | None = None, titles: Sequence[str] = ()
    ) -> "Figure":
        """A panel for each classifier, with `examples` on it. Drawn by `report`, which is imported here and only now."""
        from goodminima.report.landscape import regions

        figure = regions(self, examples=examples, titles=titles)
        if path is not None:
            figure.savefig(path, dpi=150)
        return figure


@torch.no_grad()
def decision_regions(population: Population, *, extent: Extent, steps: int | tuple[int, int] = 200) -> Regions:
    """The regions of every member of a population of classifiers in the plane. Dropout is off.

    Args:
        population: Members take inputs of two numbers; `Population(net, parameters_of(net)[None])` for a single net.
        extent: Least and greatest x, least and greatest y.
        steps: Points along each axis, or along x and y.

    Cost: steps^2 forward passes a member.
    """
    left, right, bottom, top = extent
    if not (left < right and bottom < top):
        raise ValueError(f"extent must be least and greatest x, then least and greatest y, got {extent}")
    across, up = steps if isinstance(steps, tuple) else (steps, steps)
    if min(across, up) < 2:
        raise ValueError(f"steps must be at least 2, got {steps}")
    like = population.theta
    rows, columns = (
        torch.linspace(low, high, number, device=like.device, dtype=like.dtype)
        for low, high, number in ((bottom, top, up), (left, right, across))
    )
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    still = Population(copy.deepcopy(population.net).eval(), like)
    points = torch.stack([x, y], dim=2).reshape(-1, 2)
    parts = [_said(still[member : member + 1], points, (up, across)) for member in range(len(still))]
    classes, leads = zip(*parts, strict=True)
    return Regions(np.concatenate(classes), np.concatenate(leads), extent)


def _said(member: Population, points: Tensor, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    # A module of its own takes any net, also one that cannot be batched; stacks have their fast paths.
    logits = member.member(0)(points)[None] if stack_of(member.net) is None else member.logits(points)
    if logits.ndim != 3 or not 2 <= logits.shape[2] <= 256:
        raise ValueError(f"classifiers of 2 to 256 classes are needed, got logits of shape {tuple(logits.shape)}")
    best = logits.topk(2, dim=2).values
    classes = logits.argmax(2).to(torch.uint8)
    return classes.reshape(1, *shape).cpu().numpy(), (best[..., 0] - best[..., 1]).reshape(1, *shape).cpu().numpy()
