"""Tiny data sets in the hub's layout, for the tests of tasks; and where real ones are."""

import os
from collections.abc import Iterable
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch

from goodminima.tasks import ImageData

ANIMALS = ("cat", "dog", "eel")
TRAIN_LABELS = [0, 1, 2, 0, 1, 2, 0, 1]
TEST_LABELS = [2, 1, 0, 0]
DATA = Path(os.environ.get("GOODMINIMA_TEST_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))


def real(name: str) -> str:
    """The folder of a real data set; skips the test where there is none."""
    if not (DATA / name).is_dir():
        pytest.skip(f"no real images: {name} is not in {DATA} (set GOODMINIMA_TEST_DATA)")
    return str(DATA / name)


def random_pixels(count: int, *shape: int, seed: int = 0) -> np.ndarray:
    """Images of which no two are equal."""
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def table(kinds: dict, **values: list) -> datasets.Dataset:
    """Rows with columns of these types."""
    return datasets.Dataset.from_dict(values, features=datasets.Features(kinds))


def animals(images: Iterable, labels: list[int]) -> datasets.Dataset:
    """Rows of one image, in any form that `datasets.Image` takes, and one of three classes."""
    kinds = {"image": datasets.Image(), "label": datasets.ClassLabel(names=list(ANIMALS))}
    return table(kinds, image=list(images), label=labels)


def write_parquet(folder: Path, **splits: datasets.Dataset) -> Path:
    """One parquet file a split."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, rows in splits.items():
        rows.to_parquet(folder / f"{split}-00000-of-00001.parquet")
    return folder


def write_animals(folder: Path, pixels: np.ndarray) -> Path:
    """Twelve images: eight for training, four for testing."""
    return write_parquet(folder, train=animals(pixels[:8], TRAIN_LABELS), test=animals(pixels[8:], TEST_LABELS))


def counted_images(train_counts: list[int], test_counts: list[int], *, channels: int = 1) -> ImageData:
    """So many images of each class, 2x2 pixels; the first pixel of an image is its number in its split."""

    def split(counts: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        y = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
        y = y[torch.randperm(len(y), generator=torch.Generator().manual_seed(0))]
        x = torch.from_numpy(random_pixels(len(y), channels, 2, 2))
        x[:, 0, 0, 0] = torch.arange(len(y)).to(torch.uint8)
        return x, y

    train_x, train_y = split(train_counts)
    test_x, test_y = split(test_counts)
    names = tuple(f"class{label}" for label in range(len(train_counts)))
    return ImageData(
        train_x=train_x,
        train_y=train_y,
        test_x=test_x,
        test_y=test_y,
        class_names=names,
        name="counted",
        origin="made for a test",
    )
