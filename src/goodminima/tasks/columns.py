"""Which columns of a data set hold images and labels, and what the labels are."""

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from goodminima.tasks.image_data import DataError

if TYPE_CHECKING:
    from datasets import Dataset, Features

_LABEL_NAMES = ("class", "target", "y")  # besides every name that contains `label`


class Columns(NamedTuple):
    """The columns in which images and labels were found.

    Args:
        image: Name of the column with images.
        label: Name of the column with labels.
    """

    image: str
    label: str


def find_columns(features: "Features", data: str) -> Columns:
    """Finds images and labels by the types of the columns; a warning says which was taken of several.

    Images: the first column of type Image. Labels: of the columns of type ClassLabel the one with most classes (the
    fine one); without any, the first integer column whose name says label; or else the only integer column.

    Args:
        features: The type of every column.
        data: What error messages call the data set.

    Returns:
        The names of the two columns.

    Raises:
        DataError: If there is no such column, or no telling which.
    """
    from datasets import Image

    images = [column for column, kind in features.items() if isinstance(kind, Image)]
    if not images:
        raise DataError(
            f"{data!r} holds no images: none of its columns ({', '.join(features)}) has the type Image: "
            f"give a folder of image files, or cast the column with datasets.Image()"
        )
    labels = _label_columns(features)
    if not labels:
        raise DataError(
            f"{data!r} has no label column, only {', '.join(features)}: "
            f"add an integer column named label, or put the images into one folder per class"
        )
    for what, candidates in (("images", images), ("labels", labels)):
        if len(candidates) > 1:
            others = ", ".join(candidates[1:])
            warnings.warn(f"{data!r}: {what} taken from column {candidates[0]!r}, not from {others}", stacklevel=2)
    return Columns(images[0], labels[0])


def read_labels(splits: "Sequence[Dataset]", column: str, data: str) -> tuple[list[Int[Tensor, "N"]], tuple[str, ...]]:
    """The labels of each split, and the class names: those of the column's type, or else its values.

    Args:
        splits: The splits, at least one.
        column: The column that holds labels.
        data: What error messages call the data set.

    Returns:
        Labels from 0 to C - 1 of each split, int64; C class names.

    Raises:
        DataError: If an example has no label.
    """
    names = getattr(splits[0].features[column], "names", None)
    values = [_label_values(split, column, data, named=names is not None) for split in splits]
    if names is not None:
        return [torch.from_numpy(value) for value in values], tuple(names)
    classes = np.unique(np.concatenate(values))
    labels = [torch.from_numpy(np.searchsorted(classes, value)) for value in values]
    return labels, tuple(str(value) for value in classes)


def _label_columns(features: "Features") -> list[str]:
    """Candidates, the best first."""
    from datasets import ClassLabel

    classes = {column: len(kind.names) for column, kind in features.items() if isinstance(kind, ClassLabel)}
    if classes:
        return sorted(classes, key=lambda column: -classes[column])
    integers = [column for column, kind in features.items() if "int" in str(getattr(kind, "dtype", ""))]
    named = [column for column in integers if "label" in column.lower() or column.lower() in _LABEL_NAMES]
    return named or (integers if len(integers) == 1 else [])


def _label_values(split: "Dataset", column: str, data: str, *, named: bool) -> np.ndarray:
    stored: Any = split.select_columns([column]).with_format("arrow")[:]
    values = stored.column(column).to_numpy()
    missing = np.isnan(values)
    if named:
        missing |= values < 0  # -1 is the hub's habit for test labels that are kept secret
    if missing.any():
        raise DataError(
            f"{data!r}: {missing.sum()} of {len(values)} {split.split} examples have no label in column {column!r}: "
            f"give a data set whose {split.split} split is labelled"
        )
    return values.astype(np.int64)
