"""Base and novel classes: what features are learned from, and what few-shot tasks are cut from."""

import json
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor

from goodminima.tasks.image_data import DataError, ImageData

_SPLIT_FILES = "*split*.json"
_EXAMPLE = '{"train": [base classes], "val": [classes left aside], "test": [novel classes]}'


class _Split(NamedTuple):
    """Names of classes."""

    base: frozenset[str]
    novel: frozenset[str]


class _Known(NamedTuple):
    """A split known by the names of the classes: those neither novel nor left aside are base classes."""

    num_classes: int
    novel: frozenset[str]
    aside: frozenset[str] = frozenset()


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


_KNOWN = (
    # CIFAR-FS, of CIFAR-100's classes: Bertinetto, Henriques, Torr, Vedaldi 2019.
    _Known(
        num_classes=100,
        novel=_names(
            "baby bed bicycle chimpanzee fox leopard man pickup_truck plain poppy rocket rose snail sweet_pepper table "
            "telephone wardrobe whale woman worm"
        ),
        aside=_names(
            "beaver beetle butterfly camel cattle crab crocodile flatfish lamp maple_tree motorcycle otter sea shark "
            "television tractor"
        ),
    ),
    _Known(num_classes=10, novel=_names("5 6 7 8 9")),  # handwritten digits; ours
)


def base_and_novel(images: ImageData, data: str | Path) -> ImageData:
    """The same images split by class: `train` are all those of the base classes, `test` all those of the novel ones.

    The classes come from the first of these that there is:

    - a file `*split*.json` in the folder `data`: lists of class names under `train` (base), `test` (novel) and perhaps
      `val` (left aside);
    - the data's own splits, if no class has images in both, as a folder of mini-ImageNet may have it;
    - known names: CIFAR-100's classes are split as in CIFAR-FS, ten digits into 0 to 4 and 5 to 9.

    Labels keep their meaning. Pixels are standardised by the base classes alone.

    Args:
        images: What `load_images(data)` gave.
        data: A name or a folder.

    Returns:
        The images of the base classes as `train`, of the novel ones as `test`.

    Raises:
        DataError: If none of these tells, or a split file does not fit the data.

    >>> from goodminima.tasks import load_images
    >>> digits = base_and_novel(load_images("digits"), "digits")
    >>> digits.train_y.unique().tolist(), digits.test_y.unique().tolist()
    ([0, 1, 2, 3, 4], [5, 6, 7, 8, 9])
    """
    split = _from_file(images, Path(data).expanduser()) or _own(images) or _known(images)
    if split is None:
        raise DataError(
            f"{images.name!r}: nothing tells base classes from novel ones: "
            f"put a file split.json into the data's folder, {_EXAMPLE}"
        )
    x, y = torch.cat([images.train_x, images.test_x]), torch.cat([images.train_y, images.test_y])
    base, novel = (_rows(images, y, names) for names in split)
    return ImageData(
        train_x=x[base],
        train_y=y[base],
        test_x=x[novel],
        test_y=y[novel],
        class_names=images.class_names,
        name=images.name,
        origin=f"{images.origin}, split by class",
    )


def images_per_class(labels: Int[Tensor, "N"]) -> str:
    """How many classes there are, with how many images each, for a reader.

    Args:
        labels: The class of each image, at least one.

    Returns:
        A phrase for a message.

    >>> images_per_class(torch.tensor([0, 0, 4, 4, 4]))
    '2 classes of 2 to 3 images'
    """
    counts = labels.unique(return_counts=True)[1]
    least, most = int(counts.min()), int(counts.max())
    return f"{len(counts)} classes of {least}{'' if most == least else f' to {most}'} images"


def _from_file(images: ImageData, folder: Path) -> _Split | None:
    files = sorted(folder.glob(_SPLIT_FILES)) if folder.is_dir() else []
    if not files:
        return None
    if len(files) > 1:
        raise DataError(
            f"{images.name!r} has {len(files)} split files, {files[0].name}, {files[1].name}, ...: keep one"
        )
    try:
        content = json.loads(files[0].read_text(encoding="utf-8"))
        base, novel = (frozenset(map(str, content[part])) for part in ("train", "test"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{files[0].name} of {images.name!r} is no split file ({error!r}): write {_EXAMPLE}") from error
    unknown, both = sorted((base | novel) - set(images.class_names)), sorted(base & novel)
    if unknown or both or not base or not novel:
        why = f"{unknown} are no classes of the data" if unknown else f"{both} are both" if both else "one is empty"
        raise DataError(f"{files[0].name} of {images.name!r} must name base and novel classes of the data: {why}")
    return _Split(base, novel)


def _own(images: ImageData) -> _Split | None:
    """The data's splits if they share no class."""
    base, novel = (frozenset(images.class_names[i] for i in y.unique()) for y in (images.train_y, images.test_y))
    return None if base & novel else _Split(base, novel)


def _known(images: ImageData) -> _Split | None:
    names = frozenset(images.class_names)
    for known in _KNOWN:
        if len(names) == known.num_classes and known.novel | known.aside <= names:
            return _Split(names - known.novel - known.aside, known.novel)
    return None


def _rows(images: ImageData, y: Int[Tensor, "N"], names: frozenset[str]) -> Int[Tensor, "n"]:
    chosen = torch.tensor([name in names for name in images.class_names])
    return chosen[y].nonzero().flatten()
