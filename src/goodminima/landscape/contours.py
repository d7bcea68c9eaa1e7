"""Where classes meet in the plane: the lines between them, how long they are, and how far a point is from the nearest."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast, final

import numpy as np
import torch
from contourpy import contour_generator
from jaxtyping import Bool, Float, Float64, Int, UInt8
from scipy import ndimage
from torch import Tensor

Extent = tuple[float, float, float, float]
Classify = Callable[[Tensor], Tensor]  # points (N, 2) -> class numbers (N,)

_CHUNK = 65_536  # points that are classified, or compared with others, at once
_RADII, _ANGLES = 24, 96  # of the points that are looked at around each
_ROUNDS = 3
_HALVINGS = 30


def outlines(
    classes: UInt8[np.ndarray, "m n"], lead: Float[np.ndarray, "m n"], extent: Extent, *, label: int
) -> list[Float64[np.ndarray, "k 2"]]:
    """The lines around the regions of one class, by marching squares.

    The field whose zeros they are is the lead of the class over the best other one where it leads, and what it is at least
    behind elsewhere: linear in between, so that a straight boundary of a linear classifier is found exactly.

    Args:
        classes: The class of each point of the grid.
        lead: The largest logit less the second there.
        extent: Least and greatest x, least and greatest y.
        label: The class.

    Returns:
        (x, y) along each line, in units of the plane.
    """
    left, right, bottom, top = extent
    rows, columns = classes.shape
    ahead = np.where(classes == label, lead, -lead).astype(np.float64)
    marched = contour_generator(np.linspace(left, right, columns), np.linspace(bottom, top, rows), ahead)
    return [np.asarray(line) for line in marched.lines(0.0)]


def length_between(classes: UInt8[np.ndarray, "m n"], lead: Float[np.ndarray, "m n"], extent: Extent) -> float:
    """Length of all lines between classes: each of them is an outline of two.

    Args:
        classes: The class of each point of the grid.
        lead: The largest logit less the second there.
        extent: Least and greatest x, least and greatest y.

    Returns:
        The length, in units of the plane.
    """
    lines = [line for label in np.unique(classes).tolist() for line in outlines(classes, lead, extent, label=label)]
    return sum(float(np.hypot(*np.diff(line, axis=0).T).sum()) for line in lines) / 2


def count_regions(classes: UInt8[np.ndarray, "m n"]) -> int:
    """Counts connected regions: points of the grid that say the same, next to each other across or up.

    Args:
        classes: The class of each point of the grid.

    Returns:
        Their number, of all classes together.
    """
    found = (cast(tuple[np.ndarray, int], ndimage.label(classes == label)) for label in np.unique(classes))
    return sum(number for _, number in found)


def distances(
    classify: Classify,
    points: Float[Tensor, "N 2"],
    *,
    grid: Float[Tensor, "G 2"],
    said: Int[Tensor, "G"],
) -> Float64[np.ndarray, "N"]:
    """How far each point is from the nearest one that is given another class.

    First among the points of a grid; then on circles around each point within what was found before, from the smallest of
    which that meets another class rays are cut by bisection, and again. Never less than the distance to the boundary.

    Args:
        classify: The classifier.
        points: Where from.
        grid: Points all over the frame.
        said: Their classes.

    Returns:
        The distance of each point, in units of the plane; infinite if no point of the grid is of another class.
    """
    own = _in_chunks(classify, points)
    near, towards = _nearest_on_grid(points.double(), own, grid.double(), said)
    for number in torch.isfinite(near).nonzero().flatten().tolist():
        ray = _Ray(classify, points[number], int(own[number]))
        for _ in range(_ROUNDS):
            near[number], towards[number] = ray.shortened(float(near[number]), float(towards[number]))
    return near.numpy()


def _in_chunks(classify: Classify, points: Float[Tensor, "N 2"]) -> Int[Tensor, "N"]:
    return torch.cat([classify(part) for part in points.split(_CHUNK)])


def _nearest_on_grid(
    points: Float64[Tensor, "N 2"], own: Int[Tensor, "N"], grid: Float64[Tensor, "G 2"], said: Int[Tensor, "G"]
) -> tuple[Float64[Tensor, "N"], Float64[Tensor, "N"]]:
    """Distance and direction of the nearest point of the grid of another class."""
    nearest, towards = (torch.full((len(points),), fill, dtype=torch.float64) for fill in (math.inf, 0.0))
    for number, (point, label) in enumerate(zip(points, own, strict=True)):
        others = grid[said != label] - point
        if len(others):
            across, up = others[others.square().sum(1).argmin()].tolist()
            nearest[number], towards[number] = math.hypot(across, up), math.atan2(up, across)
    return nearest, towards


@final
@dataclass(frozen=True, slots=True)
class _Ray:
    """From a point towards where another class is said."""

    classify: Classify
    point: Float[Tensor, "2"]
    own: int

    def shortened(self, length: float, angle: float) -> tuple[float, float]:
        """Length and angle of the shortest ray to another class, among those that end on circles within `length`."""
        shares = torch.arange(1, _RADII + 1, dtype=torch.float64) / _RADII
        turns = torch.arange(_ANGLES, dtype=torch.float64) * (2 * math.pi / _ANGLES)
        radius, towards = torch.meshgrid(length * shares, angle + turns, indexing="ij")
        other = self._is_other(radius, towards)
        if not other.any():  # the end was found by bisection, and rounds to the other side
            return length, angle
        circle = int(other.any(1).int().argmax())  # from the smallest on
        return self._bisected(radius[circle][other[circle]], towards[circle][other[circle]])

    def _bisected(self, high: Float64[Tensor, "A"], towards: Float64[Tensor, "A"]) -> tuple[float, float]:
        """The shortest of some rays that end in another class, each cut where it comes into it."""
        low = torch.zeros_like(high)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            other = self._is_other(middle, towards)
            low, high = torch.where(other, low, middle), torch.where(other, middle, high)
        shortest = int(high.argmin())
        return float(high[shortest]), float(towards[shortest])

    def _is_other(self, radius: Float64[Tensor, "..."], angle: Float64[Tensor, "..."]) -> Bool[Tensor, "..."]:
        ends = self.point.double() + radius[..., None] * torch.stack([angle.cos(), angle.sin()], dim=-1)
        said = self.classify(ends.to(self.point).view(-1, 2))
        return (said != self.own).view(radius.shape)
