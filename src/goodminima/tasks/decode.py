"""From the rows of an opened data set to tensors."""

import io
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from jaxtyping import UInt8
from rich.console import Console
from rich.progress import Progress
from torch import Tensor

from goodminima.tasks.columns import find_columns, read_labels
from goodminima.tasks.image_data import DataError, ImageData

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

T = TypeVar("T")

_TEST_SPLITS = ("test", "validation", "valid", "val")
_GREY = frozenset({"1", "L", "LA"})
_COLOUR = frozenset({"P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"})
_BATCH = 256
_PATIENCE = 2.0  # seconds of decoding before a progress bar appears


def decode(splits: "DatasetDict", *, data: str, name: str, origin: str) -> ImageData:
    """All train and test images of a data set, with their labels.

    The test split is `test`, or else `validation`. Grey images keep their one channel, all others become RGB; a data
    set with both becomes RGB.

    Args:
        splits: The opened data set.
        data: What error messages call it.
        name: Short name.
        origin: Where it came from; the columns are added to it.

    Returns:
        All images, (N, C, H, W), uint8.

    Raises:
        DataError: If a split or a column is missing, an image cannot be used, or an example has no label.
    """
    columns = find_columns(next(iter(splits.values())).features, data)
    train, test = _find_splits(splits, data)
    (train_y, test_y), class_names = read_labels((train, test), columns.label, data)
    train_x = _images(train, columns.image, data)
    test_x = _images(test, columns.image, data)
    channels = max(train_x.shape[1], test_x.shape[1])
    return ImageData(
        train_x=train_x.expand(-1, channels, -1, -1).contiguous(),
        train_y=train_y,
        test_x=test_x.expand(-1, channels, -1, -1).contiguous(),
        test_y=test_y,
        class_names=class_names,
        name=name,
        origin=f"{origin} (columns {columns.image}, {columns.label})",
    )


def _find_splits(splits: "DatasetDict", data: str) -> "tuple[Dataset, Dataset]":
    found = ", ".join(str(split) for split in splits)
    if "train" not in splits:
        raise DataError(f"{data!r} has no train split, only {found}: put training images into a folder named train")
    test = next((split for split in _TEST_SPLITS if split in splits), None)
    if test is None:
        raise DataError(f"{data!r} has no test split, only {found}: put test images into a file or folder named test")
    return splits["train"], splits[test]


def _images(split: "Dataset", column: str, data: str) -> UInt8[Tensor, "N C H W"]:
    what = f"{data!r}: {split.split} image"
    rows = _watched(_encoded(split, column), total=len(split), what=f"Decoding {data} ({split.split})")
    images = [_pixels(row, f"{what} {i}") for i, row in enumerate(rows)]
    if not images:
        raise DataError(f"{data!r}: the {split.split} split is empty: give a data set with images in it")
    (h, w), *others = dict.fromkeys(image.shape[:2] for image in images)
    if others:
        raise DataError(f"{what}s must have one size, got {h}x{w} and {others[0][0]}x{others[0][1]}: resize them first")
    out = np.empty((len(images), max(image.shape[2] for image in images), h, w), dtype=np.uint8)
    for i, image in enumerate(images):
        out[i] = image.transpose(2, 0, 1)  # a grey image among colour ones spreads over the channels
    return torch.from_numpy(out)


def _encoded(split: "Dataset", column: str) -> Iterator[Any]:
    """The files behind an image column, as `datasets` hands them out undecoded."""
    from datasets import Image

    encoded = split.select_columns([column]).cast_column(column, Image(decode=False))
    for batch in encoded.iter(batch_size=_BATCH):
        yield from batch[column]  # pyright: ignore[reportCallIssue, reportArgumentType]


def _pixels(row: Any, what: str) -> UInt8[np.ndarray, "H W C"]:
    from PIL import Image

    if row is None:
        raise DataError(f"{what} is missing: remove its row")
    try:
        with Image.open(row["path"] if row["bytes"] is None else io.BytesIO(row["bytes"])) as image:
            if image.mode not in _GREY | _COLOUR:
                raise DataError(f"{what} has pixels of mode {image.mode!r}: convert it to 8 bits a channel")
            if image.mode in _GREY:
                return np.asarray(image.convert("L"))[:, :, None]
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError) as error:  # a broken PNG is a SyntaxError to Pillow
        raise DataError(f"{what} cannot be decoded ({error}): replace it or remove it") from error


def _watched(rows: Iterable[T], *, total: int, what: str) -> Iterator[T]:
    """`rows`, with a progress bar on stderr if they take long and somebody is looking."""
    console = Console(stderr=True)
    progress = Progress(console=console, transient=True, disable=not console.is_terminal)
    bar = progress.add_task(what, total=total)
    began = time.monotonic()
    try:
        for done, row in enumerate(rows):
            yield row
            if done % _BATCH == 0 and time.monotonic() - began > _PATIENCE:
                progress.start()
                progress.update(bar, completed=done)
    finally:
        progress.stop()
