"""Tasks cut from images: a few training images of a few classes, or all of them."""

from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from goodminima.core.streams import stream
from goodminima.tasks.image_data import DataError, ImageData
from goodminima.tasks.task import Examples, Task

_CLASSES, _IMAGES = 0, 1  # streams of a seed
_NAMED_CLASSES = 5  # a task's name spells out this many classes at most


def few_shot(images: ImageData, *, num_samples: int, num_classes: int, seed: int) -> Task:
    """A few training images of a few classes, and every test image of these classes.

    The seed chooses the classes, labelled 0, 1, ... in the order chosen, and orders the training images of each;
    example i is of class i mod `num_classes`. With one seed a larger `num_samples` only adds images after the others.
    The rest of the train split is never seen, except in the mean and standard deviation that standardise the pixels.

    Args:
        images: Where images come from.
        num_samples: Training images in all, a multiple of `num_classes`.
        num_classes: Number of classes, at least 2.
        seed: At least 0.

    Returns:
        A task with inputs (N, C, H, W).

    Raises:
        DataError: If there are too few classes, or too few images of a chosen class.
        ValueError: If the numbers do not fit each other.

    Reference: Chiang et al. 2023, section 4.2.
    """
    _check_numbers(images, num_samples=num_samples, num_classes=num_classes)
    order = stream(seed, _CLASSES).permutation(len(images.class_names))
    chosen = [int(label) for label in order[:num_classes]]
    return class_task(images, classes=chosen, per_class=num_samples // num_classes, seed=seed)


def class_task(images: ImageData, *, classes: Sequence[int], per_class: int, seed: int) -> Task:
    """A few training images of given classes, and every test image of these classes.

    Args:
        images: Where images come from.
        classes: Their numbers in `images`, at least 2; in the task they are 0, 1, ...
        per_class: Training images of each, drawn by the seed.
        seed: At least 0.

    Returns:
        A task with inputs (N, C, H, W); training example i is of class i mod `len(classes)`.

    Raises:
        DataError: If there are too few images of a class.
        ValueError: If there are no such classes.

    >>> from goodminima.tasks.images import load_images
    >>> class_task(load_images("digits"), classes=(3, 8), per_class=2, seed=0).name
    'digits 3/8 n=4'
    """
    have = len(images.class_names)
    if len(set(classes)) < max(2, len(classes)) or not all(0 <= label < have for label in classes) or per_class < 1:
        raise ValueError(
            f"class_task: two different classes of 0 to {have - 1} and an image of each are the least, "
            f"got classes {tuple(classes)} and {per_class} images of each"
        )
    columns = [_choose_train(images, label=label, count=per_class, seed=seed) for label in classes]
    chosen = torch.stack(columns, dim=1).flatten()  # one image of each class, then the next of each, ...
    train = Examples(images.standardised(images.train_x[chosen]), torch.arange(len(classes)).repeat(per_class))
    return Task(
        train=train,
        test=_test_of(images, classes),
        num_classes=len(classes),
        name=f"{images.name} {_spell(images, classes)} n={per_class * len(classes)}",
        origin=images.origin,
    )


def full_task(images: ImageData) -> Task:
    """All classes with all their images.

    Args:
        images: Where images come from.

    Returns:
        A task with inputs (N, C, H, W), float32.

    Cost: four bytes a pixel, made when this is called.
    """
    return Task(
        train=Examples(images.standardised(images.train_x), images.train_y),
        test=Examples(images.standardised(images.test_x), images.test_y),
        num_classes=len(images.class_names),
        name=images.name,
        origin=images.origin,
    )


def _check_numbers(images: ImageData, *, num_samples: int, num_classes: int) -> None:
    if num_classes < 2:
        raise ValueError(f"few_shot: num_classes must be at least 2, got {num_classes}")
    if num_classes > len(images.class_names):
        have = len(images.class_names)
        raise DataError(f"{images.name!r} has {have} classes, {num_classes} were asked for: ask for at most {have}")
    if num_samples < num_classes or num_samples % num_classes:
        raise ValueError(
            f"few_shot: num_samples must be a multiple of num_classes, one image of each at the least, "
            f"got {num_samples} samples of {num_classes} classes"
        )


def _choose_train(images: ImageData, *, label: int, count: int, seed: int) -> Int[Tensor, "count"]:
    members = _members(images, split="train", label=label)
    if len(members) < count:
        raise DataError(
            f"{images.name!r}: class {images.class_names[label]!r} has {len(members)} training images, {count} were "
            f"asked for: lower num_samples"
        )
    order = stream(seed, _IMAGES, label).permutation(len(members))
    return members[torch.from_numpy(order[:count])]


def _test_of(images: ImageData, classes: Sequence[int]) -> Examples:
    members = [_members(images, split="test", label=label) for label in classes]
    labels = [torch.full((len(rows),), new) for new, rows in enumerate(members)]
    return Examples(images.standardised(images.test_x[torch.cat(members)]), torch.cat(labels))


def _members(images: ImageData, *, split: str, label: int) -> Int[Tensor, "n"]:
    labels = images.train_y if split == "train" else images.test_y
    members = (labels == label).nonzero().flatten()
    if len(members) == 0:
        raise DataError(
            f"{images.name!r}: class {images.class_names[label]!r} has no {split} image: "
            f"add some, or remove the class from the data set"
        )
    return members


def _spell(images: ImageData, classes: Sequence[int]) -> str:
    if len(classes) > _NAMED_CLASSES:
        return f"{len(classes)} classes"
    return "/".join(images.class_names[label] for label in classes)
