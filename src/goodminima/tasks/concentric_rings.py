"""Rings of two classes, one close around the other: a disc separates them, and has as much margin as the gap leaves."""

import math

import numpy as np
import torch

from goodminima.tasks.task import Examples, Task

INNER_RADIUS, OUTER_RADIUS = 0.4, 0.95
FRAME = (-1.0, 1.0, -1.0, 1.0)  # x from, x to, y from, y to of a picture

_INSIDE, _AROUND, _OUTER = 40, 10, 80  # points of the three rings
_TEST = 4000


def rings(*, gap: float) -> Task:
    """40 points of class 0 on a ring; 10 of class 1 on one that is `gap` wider; 80 of class 1 on one far out.

    Points are spaced evenly, and those of the two inner rings never stand side by side. With a wide gap a circle between the
    rings has a wide margin; a pinched one leaves it almost none.

    Args:
        gap: From the ring of class 0, of radius 0.4, to the nearer one of class 1; below 0.55, where the outer ring is.

    Returns:
        A task with inputs (130, 2). Its test examples are a fixed, even cover of the disc of radius 0.4 (class 0) and of what
        lies between the rings of class 1 (class 1): where a disc is right, and any other boundary is not.

    Raises:
        ValueError: If the gap is out of its range.

    Reference: Huang, Emam, Goldblum, Fowl, Terry, Huang, Goldstein 2020, Figure 8; radii and numbers are those of their code,
    whose pinched gap is 0.001.

    >>> rings(gap=0.001).train.y.bincount().tolist()
    [40, 90]
    """
    if not 0 < gap < OUTER_RADIUS - INNER_RADIUS:
        raise ValueError(f"rings: gap must lie above 0 and below {OUTER_RADIUS - INNER_RADIUS:.2g}, got {gap}")
    around = INNER_RADIUS + gap
    inside = _ring(INNER_RADIUS, _INSIDE)
    others = [_ring(OUTER_RADIUS, _OUTER), _ring(around, _AROUND, turned=math.pi / _INSIDE)]
    return Task(
        train=_examples(inside, np.concatenate(others)),
        test=_examples(_cover(0.0, INNER_RADIUS), _cover(around, OUTER_RADIUS)),
        num_classes=2,
        name=f"rings gap={gap:g}",
        origin=f"generated: rings, gap {gap:g}",
    )


def _ring(radius: float, number: int, *, turned: float = 0.0) -> np.ndarray:
    angle = turned + 2 * math.pi * np.arange(number) / number
    return radius * np.stack([np.sin(angle), np.cos(angle)], axis=1)


def _cover(inner: float, outer: float) -> np.ndarray:
    """Points of a sunflower between two radii: as many on every piece of the same area."""
    seeds = np.arange(_TEST // 2) + 0.5
    radius = np.sqrt(inner**2 + (outer**2 - inner**2) * seeds / len(seeds))
    angle = math.pi * (3 - math.sqrt(5)) * seeds
    return radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _examples(class0: np.ndarray, class1: np.ndarray) -> Examples:
    x = torch.from_numpy(np.concatenate([class0, class1])).float()
    return Examples(x, torch.arange(2).repeat_interleave(torch.tensor([len(class0), len(class1)])))
