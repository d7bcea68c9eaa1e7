"""Two arms of a spiral, wound into each other: the swiss roll of Huang et al."""

import math
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from goodminima.core.streams import stream
from goodminima.tasks.task import Examples, Task

FRAME = (-18.0, 18.0, -18.0, 18.0)  # x from, x to, y from, y to of the authors' pictures

_TRAIN, _TEST, _FRESH = 0, 1, 2  # streams of a seed
_BLOCK = 32  # steps that are drawn at once: a generator costs more than the points of a step
_FURTHEST = math.radians(600)
_PITCH = 1.5


@final
class FreshRolls:
    """Points of the roll that nobody has seen, as many as one likes: `draw(step)` is a function of (seed, step) alone.

    They have nothing in common with the training and test points of `swiss_roll(seed=seed)`.

    Args:
        seed: At least 0.
        num_points: Points a step, even: half of each class.
        noise: Standard deviation of the noise along each axis.

    Raises:
        ValueError: If an argument is out of its range.

    >>> draw = FreshRolls(seed=0, num_points=6)
    >>> bool((draw(3).x == draw(3).x).all()), bool((draw(3).x == draw(4).x).any())
    (True, False)
    """

    identity = "fresh points of the roll, v1"  # raised when the same arguments give others; `_latest` is no part of it

    def __init__(self, *, seed: int, num_points: int = 200, noise: float = 0.5) -> None:
        _check("FreshRolls", noise, num_points=num_points)
        self.seed, self.num_points, self.noise = seed, num_points, noise
        self._latest: tuple[int, Float[Tensor, "steps N 2"]] | None = None
        self._y = _labels(num_points)

    def __call__(self, step: int) -> Examples:
        """The points of one step."""
        block, place = divmod(step, _BLOCK)
        if self._latest is None or self._latest[0] != block:
            generator = stream(self.seed, _FRESH, block)
            self._latest = block, _points(generator, (_BLOCK, self.num_points), self.noise)
        return Examples(self._latest[1][place], self._y)


def swiss_roll(*, seed: int, num_train: int = 200, num_test: int = 5000, noise: float = 0.5) -> Task:
    """Two arms r = 1.5 t, t up to 600 degrees, half a turn apart, the even spread of points broken by Gaussian noise.

    t is the square root of a uniform number, so that points are spread evenly over the area that the arms wind through;
    class 0 lies at -1.5 t (cos t, -sin t), class 1 opposite. Half of the points are of each class, those of class 0 first.

    Args:
        seed: At least 0.
        num_train: Number of training points, even.
        num_test: Number of test points, even.
        noise: Standard deviation of the noise along each axis, at least 0.

    Returns:
        A task with inputs (N, 2), within about 18 of the middle. `FreshRolls` draws more of it.

    Raises:
        ValueError: If an argument is out of its range.

    Reference: Huang, Emam, Goldblum, Fowl, Terry, Huang, Goldstein 2020, sections 3 and 4; angle, pitch and noise are those of
    their code, where 400 points are 200 for training and 200 for the test.

    >>> task = swiss_roll(seed=0, num_test=10)
    >>> len(task.train), task.test.y.tolist()
    (200, [0, 0, 0, 0, 0, 1, 1, 1, 1, 1])
    """
    _check("swiss_roll", noise, num_train=num_train, num_test=num_test)
    return Task(
        train=_sample(stream(seed, _TRAIN), num_train, noise),
        test=_sample(stream(seed, _TEST), num_test, noise),
        num_classes=2,
        name=f"swiss roll n={num_train}",
        origin=f"generated: swiss roll, noise {noise:g}, seed {seed}",
    )


def _sample(generator: np.random.Generator, num_points: int, noise: float) -> Examples:
    return Examples(_points(generator, (num_points,), noise), _labels(num_points))


def _points(generator: np.random.Generator, shape: tuple[int, ...], noise: float) -> Float[Tensor, "*shape 2"]:
    t = _FURTHEST * np.sqrt(generator.random(shape))
    side = np.repeat([-1.0, 1.0], shape[-1] // 2)
    arms = _PITCH * (side * t)[..., None] * np.stack([np.cos(t), -np.sin(t)], axis=-1)
    return torch.from_numpy(arms + noise * generator.standard_normal((*shape, 2))).float()


def _labels(num_points: int) -> Int[Tensor, "N"]:
    return torch.arange(2).repeat_interleave(num_points // 2)


def _check(name: str, noise: float, **counts: int) -> None:
    for argument, number in counts.items():
        if number < 2 or number % 2:
            raise ValueError(f"{name}: {argument} must be even and at least 2, half of each class, got {number}")
    if not (math.isfinite(noise) and noise >= 0):
        raise ValueError(f"{name}: noise must be finite and at least 0, got {noise}")
