"""Toy problems: small enough to draw."""

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from goodminima.core.streams import stream
from goodminima.tasks.task import Examples, Task

_TRAIN, _TEST = 0, 1  # streams of a seed

# Both classes must occur among this many first points. A fixed number, so that whether a sample is redrawn does not
# depend on how many points are asked for: samples of five and more extend each other.
_HEAD = 5


def wedge(*, seed: int, num_train: int = 11, num_test: int = 5, margin: float = 0.25) -> Task:
    """Two parallel "Λ" shapes, one above the other.

    Class 1 is y = -|x|, class 0 is y = -|x| + margin. A point's x is uniform on [-1, 1] and its class a fair coin. A
    sample whose first five points (all of them, if there are fewer) share one class is thrown away whole and drawn
    again, for training and test points alike. So the training points of `num_train=5` are the first five of
    `num_train=11`, and of every larger number; the test points do not depend on `num_train`.

    Args:
        seed: At least 0.
        num_train: Number of training points, at least 2.
        num_test: Number of test points, at least 2.
        margin: Vertical distance between the classes, above 0.

    Returns:
        A task with inputs (N, 2): x, y.

    Raises:
        ValueError: If an argument is out of its range.

    Reference: Chiang et al. 2023, section 3 and Figure 1.

    >>> task = wedge(seed=0)
    >>> len(task.train), len(task.test), task.train.x.shape[1]
    (11, 5, 2)
    """
    _check_margin(margin)
    for name, value in (("num_train", num_train), ("num_test", num_test)):
        if value < 2:
            raise ValueError(f"wedge: {name} must be at least 2, one point of each class, got {value}")
    return Task(
        train=_sample(seed, _TRAIN, num_points=num_train, margin=margin),
        test=_sample(seed, _TEST, num_points=num_test, margin=margin),
        num_classes=2,
        name=f"wedge n={num_train}",
        origin=f"generated: wedge, margin {margin:g}, seed {seed}",
    )


def wedge_curve(margin: float = 0.25, num_points: int = 201) -> Float[Tensor, "2 num_points 2"]:
    """The curves that `wedge` draws its points from, for a picture.

    Args:
        margin: Vertical distance between the classes, above 0.
        num_points: Points along each curve, odd so that the tip at x = 0 is one of them.

    Returns:
        Points (x, y) with x from -1 to 1: row 0 the curve of class 0, row 1 that of class 1.

    Raises:
        ValueError: If an argument is out of its range.

    >>> wedge_curve(0.25, 3)[1].tolist()
    [[-1.0, -1.0], [0.0, 0.0], [1.0, -1.0]]
    """
    _check_margin(margin)
    if num_points < 3 or num_points % 2 == 0:
        raise ValueError(f"wedge_curve: num_points must be odd and at least 3, got {num_points}")
    x = torch.linspace(-1, 1, num_points)
    return torch.stack([_on_curve(x, torch.full((num_points,), label), margin) for label in (0, 1)])


def _sample(seed: int, which: int, *, num_points: int, margin: float) -> Examples:
    attempt = 0
    while True:
        # Row by row, so that a longer sample begins with the shorter one.
        uniform = stream(seed, which, attempt).random((num_points, 2))
        labels = (uniform[:, 1] < 0.5).astype(np.int64)
        if 0 < labels[:_HEAD].sum() < len(labels[:_HEAD]):
            break
        attempt += 1
    y = torch.from_numpy(labels)
    x = torch.from_numpy(2 * uniform[:, 0] - 1).float()
    return Examples(_on_curve(x, y, margin), y)


def _on_curve(x: Float[Tensor, "N"], label: Tensor, margin: float) -> Float[Tensor, "N 2"]:
    return torch.stack([x, margin * (1 - label) - x.abs()], dim=1)


def _check_margin(margin: float) -> None:
    if not (math.isfinite(margin) and margin > 0):
        raise ValueError(f"wedge: margin must be finite and above 0, got {margin}")
