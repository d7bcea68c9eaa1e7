"""Images in three parts: what is learned from, what is tested on, and labelled ones that neither of them has."""

import numpy as np
import torch
from torch import Tensor

from goodminima.core.streams import stream
from goodminima.tasks.image_data import DataError, ImageData
from goodminima.tasks.task import Examples, Task

_TRAIN, _TEST = 0, 1  # streams of a seed


def with_extra(images: ImageData, *, num_train: int, num_extra: int, num_test: int, seed: int) -> Task:
    """Some training images to learn from and others as `Task.extra`, and some test images; all classes.

    The extra images come from the train split, of which `num_train` are learned from: a data set that has a split of
    that name, as SVHN has, is taken without it.

    Args:
        images: Where images come from.
        num_train: Training images.
        num_extra: Extra images.
        num_test: Test images.
        seed: At least 0. With one seed larger numbers only add test images and extra ones after the others.

    Returns:
        A task with inputs (N, C, H, W) and an `extra`.

    Raises:
        DataError: If there are too few images.
        ValueError: If a number is below 1.

    >>> from goodminima.tasks.images import load_images
    >>> task = with_extra(load_images("digits"), num_train=100, num_extra=300, num_test=50, seed=0)
    >>> len(task.train), len(task.extra), len(task.test)
    (100, 300, 50)
    """
    if min(num_train, num_extra, num_test) < 1:
        raise ValueError(
            f"with_extra: at least one image of each kind is needed, got {num_train}, {num_extra} and {num_test}"
        )
    chosen = _some(len(images.train_x), num_train + num_extra, stream(seed, _TRAIN), f"{images.name!r}: train")
    tested = _some(len(images.test_x), num_test, stream(seed, _TEST), f"{images.name!r}: test")
    learned, unseen = chosen[:num_train], chosen[num_train:]
    return Task(
        train=_examples(images, images.train_x[learned], images.train_y[learned]),
        test=_examples(images, images.test_x[tested], images.test_y[tested]),
        extra=_examples(images, images.train_x[unseen], images.train_y[unseen]),
        num_classes=len(images.class_names),
        name=f"{images.name} n={num_train}, {num_extra} extra",
        origin=images.origin,
    )


def _some(available: int, wanted: int, generator: np.random.Generator, what: str) -> Tensor:
    if wanted > available:
        raise DataError(f"{what} has {available:,} images, {wanted:,} were asked for: ask for fewer")
    return torch.from_numpy(generator.permutation(available)[:wanted])


def _examples(images: ImageData, x: Tensor, y: Tensor) -> Examples:
    return Examples(images.standardised(x), y)
