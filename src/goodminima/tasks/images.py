"""Images by name or folder."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import interpolate

from goodminima.core import files
from goodminima.tasks.decode import decode
from goodminima.tasks.image_cache import read_images, write_images
from goodminima.tasks.image_data import ImageData
from goodminima.tasks.sources import EMBEDDED, Source, locate, opened


def load_images(data: str | Path) -> ImageData:
    """Loads labelled images, decoded and complete.

    The first time, images from the hub or a folder are decoded and kept in `$GOODMINIMA_CACHE`, or else
    `~/.cache/goodminima`; later calls and other processes map that file. A folder whose files change is decoded again;
    a data set from the hub stays as it was first seen until its file there is deleted.

    Args:
        data: `digits`, which needs no network; a name in `KNOWN`; `owner/name` or `owner/name:configuration` on the
            Hugging Face hub; or a folder that `datasets.load_dataset` reads: parquet files, or
            `train/<class>/<image>` and `test/<class>/<image>`. A known name goes before a folder of that name: write
            `./mnist` for the folder.

    Returns:
        All train and test images, (N, C, H, W), uint8, with their labels. Shared: do not write into them.

    Raises:
        DataError: If there are no such images, or they cannot be used. One line that names the thing and the cure.

    >>> load_images("digits").train_x.shape
    torch.Size([1201, 1, 28, 28])
    """
    return _load_digits() if str(data) == EMBEDDED else _load(locate(str(data)))


@lru_cache(maxsize=2)  # an experiment asks for its data in every replicate
def _load(source: Source) -> ImageData:
    file = files.cache_file(source.name, source.origin, source.fingerprint)
    images = read_images(file)
    if images is None:
        with opened(source) as splits:
            images = decode(splits, data=source.data, name=source.name, origin=source.origin)
        write_images(file, images)
    return images


@lru_cache(maxsize=1)
def _load_digits() -> ImageData:
    """scikit-learn's 8x8 digits, brightness 0 to 16, enlarged to MNIST's size; a third of each class is for testing."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    small = torch.from_numpy(np.asarray(pixels, dtype=np.float32)).reshape(-1, 1, 8, 8)
    large = interpolate(small, size=(28, 28), mode="bilinear")
    x = (large * (255 / 16)).round().to(torch.uint8)
    y = torch.from_numpy(np.asarray(labels, dtype=np.int64))
    is_test = torch.zeros(len(y), dtype=torch.bool)
    for label in range(10):
        is_test[(y == label).nonzero().flatten()[2::3]] = True
    return ImageData(
        train_x=x[~is_test],
        train_y=y[~is_test],
        test_x=x[is_test],
        test_y=y[is_test],
        class_names=tuple(str(label) for label in range(10)),
        name=EMBEDDED,
        origin="scikit-learn: load_digits, 8x8 enlarged to 28x28",
    )
