"""Two Gaussians in the plane: a problem that a straight line solves."""

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from goodminima.core.streams import stream
from goodminima.tasks.task import Examples, Task

_TRAIN, _TEST = 0, 1  # streams of a seed


def two_gaussians(*, seed: int, num_train: int = 100, num_test: int = 1000, distance: float = 6.0) -> Task:
    """Points of two classes, each normal about its own centre with standard deviation 1 in every direction.

    Class 0 lies about (-distance/2, 0), class 1 about (distance/2, 0), and point i is of class i mod 2. The best boundary is
    the line x = 0, on whose wrong side a point lies with probability Phi(-distance/2): 0.13 % at 6.

    Args:
        seed: At least 0.
        num_train: Training points, an even number.
        num_test: Test points, an even number.
        distance: Between the centres, in standard deviations.

    Returns:
        A task with inputs (N, 2): x, y.

    Raises:
        ValueError: If an argument is out of its range.

    Reference: Liu, Papailiopoulos, Achlioptas 2020, section 1 (two identical, well-separated Gaussians, 50 points each).

    >>> task = two_gaussians(seed=0)
    >>> task.train.y.bincount().tolist(), [round(value, 1) for value in task.test.x[1::2].mean(0).tolist()]
    ([50, 50], [3.0, -0.0])
    """
    for name, value in (("num_train", num_train), ("num_test", num_test)):
        if value < 2 or value % 2:
            raise ValueError(f"two_gaussians: {name} must be even and at least 2, got {value}")
    if not (math.isfinite(distance) and distance > 0):
        raise ValueError(f"two_gaussians: distance must be finite and above 0, got {distance}")
    return Task(
        train=_sample(seed, _TRAIN, num_points=num_train, distance=distance),
        test=_sample(seed, _TEST, num_points=num_test, distance=distance),
        num_classes=2,
        name=f"two Gaussians n={num_train}",
        origin=f"generated: two Gaussians {distance:g} apart, seed {seed}",
    )


def with_noisy_copies(examples: Examples, *, copies: int, std: float, seed: int) -> Examples:
    """The examples, and after them `copies` of each with Gaussian noise: augmentation where inputs are no images.

    Args:
        examples: Inputs with their labels.
        copies: Noisy copies of each, at least 1.
        std: Standard deviation of the noise, in units of the inputs.
        seed: At least 0.

    Returns:
        (copies + 1) N examples: first the N themselves, then a copy of all after another.

    Raises:
        ValueError: If `copies` or `std` is out of range.

    >>> points = Examples(torch.zeros(3, 2), torch.tensor([0, 1, 1]))
    >>> with_noisy_copies(points, copies=2, std=0.5, seed=0).y.tolist()
    [0, 1, 1, 0, 1, 1, 0, 1, 1]
    """
    if copies < 1 or not std > 0:
        raise ValueError(f"with_noisy_copies: copies must be at least 1 and std positive, got {copies} and {std}")
    noise = stream(seed).standard_normal((copies, *examples.x.shape))
    moved = examples.x + std * torch.from_numpy(noise).to(examples.x)
    return Examples(torch.cat([examples.x, *moved]), examples.y.repeat(copies + 1))


def largest_margin(examples: Examples) -> float:
    """The largest distance that a boundary can keep from every one of some points that it puts on their side.

    Half of the least distance between points of different classes: no boundary does better, and the one half way between
    each point and the nearest of another class does as well.

    Args:
        examples: Points of two classes or more.

    Returns:
        The distance, in units of the inputs.

    Raises:
        ValueError: If all points are of one class.

    >>> largest_margin(Examples(torch.tensor([[0.0, 0.0], [0.0, 5.0], [3.0, 4.0]]), torch.tensor([0, 0, 1])))
    1.5811388300841898
    """
    labels = examples.y.unique().tolist()
    classes = [examples.x[examples.y == label].double() for label in labels]
    if len(classes) < 2:
        raise ValueError(f"largest_margin: points of two classes are needed, got labels {labels}")
    return min(_least(one, other) for number, one in enumerate(classes) for other in classes[number + 1 :]) / 2


def _least(one: Float[Tensor, "N 2"], other: Float[Tensor, "M 2"]) -> float:
    return float((one[:, None] - other).norm(dim=2).min())


def _sample(seed: int, which: int, *, num_points: int, distance: float) -> Examples:
    points = stream(seed, which).standard_normal((num_points, 2))
    labels = np.arange(num_points) % 2
    points[:, 0] += (labels - 0.5) * distance
    return Examples(torch.from_numpy(points).float(), torch.from_numpy(labels))
