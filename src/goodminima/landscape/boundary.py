"""What classifiers say in the plane of their inputs: the regions of many at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, final

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64, UInt8
from torch import Tensor

from goodminima.core.isolation import isolated_rng
from goodminima.landscape.contours import Extent, count_regions, distances, length_between
from goodminima.population.population import Population
from goodminima.population.private_copies import private_copy
from goodminima.population.stack import stack_of
from goodminima.tasks.task import Examples

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
        """How much of the plane each class has.

        Args:
            num_classes: Number of classes C.

        Returns:
            Fraction of the grid's points, per classifier and class.
        """
        return np.stack([(self.classes == number).mean(axis=(1, 2)) for number in range(num_classes)], axis=1)

    def disagreement(self) -> Float[np.ndarray, "P P"]:
        """On how much of the plane two classifiers say something else.

        Returns:
            Fraction of the grid's points, for each pair of classifiers; symmetric, 0 on the diagonal.
        """
        return np.stack([(self.classes != each).mean(axis=(1, 2)) for each in self.classes])

    def signed_lead(self) -> Float[np.ndarray, "P m n"]:
        """The field whose zeros are the boundary, of classifiers of two classes.

        Returns:
            The logit of class 1 less that of class 0, per classifier and point of the grid.

        Raises:
            ValueError: If there are more classes.
        """
        if self.classes.max(initial=0) > 1:
            raise ValueError(f"signed_lead: two classes are needed, got {int(self.classes.max()) + 1}")
        return np.where(self.classes == 1, self.lead, -self.lead)

    def boundary_lengths(self) -> Float64[np.ndarray, "P"]:
        """Length of the lines between classes within the frame.

        By marching squares, linear between points of the grid: exact for straight lines, and to second order in the grid's
        spacing for smooth ones. What lies between points of the grid is not seen.

        Returns:
            The length for each classifier, in units of the plane.
        """
        pairs = zip(self.classes, self.lead, strict=True)
        return np.array([length_between(classes, lead, self.extent) for classes, lead in pairs], dtype=np.float64)

    def num_regions(self) -> Int64[np.ndarray, "P"]:
        """How many connected regions there are within the frame, of all classes together; corners do not connect.

        Returns:
            The number for each classifier.
        """
        return np.array([count_regions(classes) for classes in self.classes], dtype=np.int64)

    def plot(
        self, path: Path | str | None = None, *, examples: Examples | None = None, titles: Sequence[str] = ()
    ) -> "Figure":
        """A picture with a panel for each classifier. Matplotlib is imported here and only now.

        Args:
            path: Where it is written; None not to write it.
            examples: Points in the plane that are drawn too, with their labels.
            titles: One a panel, or none.

        Returns:
            The figure.
        """
        from goodminima.landscape.plots import regions

        figure = regions(self, examples=examples, titles=titles)
        if path is not None:
            figure.savefig(path, dpi=150)
        return figure


@isolated_rng()
@torch.no_grad()
def decision_regions(population: Population, *, extent: Extent, steps: int | tuple[int, int] = 200) -> Regions:
    """The regions of every member of a population of classifiers in the plane. Dropout is off.

    Args:
        population: Members take inputs of two numbers; `Population(net, parameters_of(net)[None])` for a single net.
        extent: Least and greatest x, least and greatest y.
        steps: Points along each axis, or along x and y.

    Returns:
        The class of every point of the grid, and by how much it leads, for each of P members.

    Raises:
        ValueError: If `extent` or `steps` is out of range.

    Cost: steps^2 forward passes a member.
    """
    left, right, bottom, top = extent
    if not (left < right and bottom < top):
        raise ValueError(f"extent must be least and greatest x, then least and greatest y, got {extent}")
    across, up = steps if isinstance(steps, tuple) else (steps, steps)
    if min(across, up) < 2:
        raise ValueError(f"steps must be at least 2, got {steps}")
    like = population.theta
    still = Population(private_copy(population.net).eval(), like)
    points = _grid(extent, (up, across), like=like).reshape(-1, 2)
    parts = [_said(still[member : member + 1], points, (up, across)) for member in range(len(still))]
    classes, leads = zip(*parts, strict=True)
    return Regions(np.concatenate(classes), np.concatenate(leads), extent)


@isolated_rng()
@torch.no_grad()
def boundary_distances(
    population: Population, points: Float[Tensor, "N 2"], *, extent: Extent, steps: int | tuple[int, int] = 200
) -> Float64[np.ndarray, "P N"]:
    """How far each point is from the nearest boundary, as each member of a population has it. Dropout is off.

    The nearest point of another class is looked for on a grid over the frame, then on ever smaller circles around each
    point, and last by bisection: never less than the distance, and more by about 0.05 % where the boundary is straight on
    the scale of the distance. A region that no point of the grid or of a circle hits is not seen.

    Args:
        population: Members take inputs of two numbers; `Population(net, parameters_of(net)[None])` for a single net.
        points: From where; they may lie outside the frame.
        extent: Least and greatest x, least and greatest y of the frame.
        steps: Points of the grid along each axis, or along x and y.

    Returns:
        Distances in units of the plane; infinite where the whole grid is of the point's own class.

    Cost: steps^2 + 7,000 N forward passes a member.
    """
    regions = decision_regions(population, extent=extent, steps=steps)
    grid = _grid(extent, regions.classes.shape[1:], like=population.theta).reshape(-1, 2)
    still = Population(private_copy(population.net).eval(), population.theta)
    nets = [still.member(number) for number in range(len(still))]
    said = [torch.from_numpy(classes.ravel()).long() for classes in regions.classes]
    found = [
        distances(lambda x, net=net: net(x).argmax(1).cpu(), points, grid=grid.cpu(), said=labels)
        for net, labels in zip(nets, said, strict=True)
    ]
    return np.stack(found)


def _grid(extent: Extent, shape: tuple[int, ...], *, like: Tensor) -> Float[Tensor, "m n 2"]:
    left, right, bottom, top = extent
    rows, columns = (
        torch.linspace(low, high, number, device=like.device, dtype=like.dtype)
        for low, high, number in ((bottom, top, shape[0]), (left, right, shape[1]))
    )
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack([x, y], dim=2)


def _said(member: Population, points: Tensor, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    # A module of its own takes any net, also one that cannot be batched; stacks have their fast paths.
    logits = member.member(0)(points)[None] if stack_of(member.net) is None else member.logits(points)
    if logits.ndim != 3 or not 2 <= logits.shape[2] <= 256:
        raise ValueError(f"classifiers of 2 to 256 classes are needed, got logits of shape {tuple(logits.shape)}")
    best = logits.topk(2, dim=2).values
    classes = logits.argmax(2).to(torch.uint8)
    return classes.reshape(1, *shape).cpu().numpy(), (best[..., 0] - best[..., 1]).reshape(1, *shape).cpu().numpy()
