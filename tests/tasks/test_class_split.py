"""Base and novel classes share nothing, and come from the split file, the data's own splits, or known names."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from tiny_images import counted_images, real

from goodminima.tasks import DataError, ImageData, base_and_novel, load_images
from goodminima.tasks.class_split import _KNOWN


def _split(folder: Path, content: object, name: str = "my_split.json") -> Path:
    (folder / name).write_text(json.dumps(content))
    return folder


def _named(images: ImageData, y: torch.Tensor) -> set[str]:
    return {images.class_names[label] for label in y.tolist()}


def test_a_split_file_decides_and_every_image_of_a_class_counts(tmp_path: Path) -> None:
    images = counted_images([3, 4, 5, 6], [2, 1, 3, 2])
    folder = _split(tmp_path, {"train": ["class3", "class0"], "val": ["class1"], "test": ["class2"]})
    found = base_and_novel(images, folder)
    assert (_named(images, found.train_y), _named(images, found.test_y)) == ({"class0", "class3"}, {"class2"})
    assert (len(found.train_y), len(found.test_y)) == (3 + 2 + 6 + 2, 5 + 3)
    both = torch.cat([images.train_x, images.test_x]), torch.cat([images.train_y, images.test_y])
    assert torch.equal(found.test_x, both[0][both[1] == 2])
    assert found.origin == "made for a test, split by class"


def test_pixels_are_standardised_by_the_base_classes_alone(tmp_path: Path) -> None:
    images = counted_images([3, 4], [2, 1])
    found = base_and_novel(images, _split(tmp_path, {"train": ["class1"], "test": ["class0"]}))
    base = torch.cat([images.train_x[images.train_y == 1], images.test_x[images.test_y == 1]]).double() / 255
    torch.testing.assert_close(found.statistics.mean, base.mean((0, 2, 3)))


def test_splits_that_share_no_class_are_taken_as_they_are(tmp_path: Path) -> None:
    images = counted_images([3, 4, 0, 0], [0, 0, 2, 5])
    found = base_and_novel(images, tmp_path)
    assert torch.equal(found.train_x, images.train_x)
    assert torch.equal(found.test_y, images.test_y)


def test_cifar_100_is_split_into_64_and_20_classes() -> None:
    known = next(known for known in _KNOWN if known.num_classes == 100)
    assert (len(known.novel), len(known.aside)) == (20, 16)
    names = sorted(known.novel | known.aside) + [f"base{i}" for i in range(64)]
    images = dataclasses.replace(counted_images([2] * 100, [1] * 100), class_names=tuple(names))
    found = base_and_novel(images, "cifar100")
    assert _named(images, found.test_y) == known.novel
    assert _named(images, found.train_y) == {f"base{i}" for i in range(64)}


def test_the_known_split_is_that_of_the_file() -> None:
    content = json.loads((Path(real("cifar100")) / "cifarfs_split.json").read_text())
    known = next(known for known in _KNOWN if known.num_classes == 100)
    assert (set(content["test"]), set(content["val"])) == (known.novel, known.aside)


def test_digits_are_split_in_the_middle() -> None:
    found = base_and_novel(load_images("digits"), "digits")
    assert found.train_y.unique().tolist() == [0, 1, 2, 3, 4]
    assert found.test_y.unique().tolist() == [5, 6, 7, 8, 9]
    assert len(found.train_y) + len(found.test_y) == 1797


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"train": ["class0"]}, r"my_split.json of 'counted' is no split file \(KeyError\('test'\)\): write"),
        ({"train": ["class0"], "test": ["klass1"]}, r"\['klass1'\] are no classes of the data"),
        ({"train": ["class0", "class1"], "test": ["class1"]}, r"\['class1'\] are both"),
        ({"train": ["class0"], "test": []}, "one is empty"),
    ],
)
def test_a_split_file_that_does_not_fit(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        base_and_novel(counted_images([3, 3], [2, 2]), _split(tmp_path, content))


def test_two_split_files_are_one_too_many(tmp_path: Path) -> None:
    for name in ("a_split.json", "b_split.json"):
        _split(tmp_path, {"train": ["class0"], "test": ["class1"]}, name)
    with pytest.raises(DataError, match=r"has 2 split files, a_split\.json, b_split\.json"):
        base_and_novel(counted_images([3, 3], [2, 2]), tmp_path)


def test_data_that_nothing_is_known_of(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing tells base classes from novel ones: put a file split\.json"):
        base_and_novel(counted_images([3, 3], [2, 2]), tmp_path)
