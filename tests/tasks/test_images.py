import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from tiny_images import ANIMALS, TEST_LABELS, TRAIN_LABELS, real, write_animals

from goodminima.tasks import DataError, ImageData, few_shot, images, load_images


@pytest.fixture
def decodings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the data sets that were decoded."""
    names: list[str] = []
    decode = images.decode

    def counting(*args: Any, name: str, **kwargs: Any) -> ImageData:
        names.append(name)
        return decode(*args, name=name, **kwargs)

    monkeypatch.setattr(images, "decode", counting)
    return names


def test_digits_are_embedded_and_balanced() -> None:
    digits = load_images("digits")
    assert digits.train_x.shape == (1201, 1, 28, 28)
    assert digits.test_x.shape == (596, 1, 28, 28)
    assert (digits.train_x.min(), digits.train_x.max()) == (0, 255)
    train, test = digits.train_y.bincount(), digits.test_y.bincount()
    assert ((train - 2 * test) >= 0).all()
    assert ((train - 2 * test) <= 2).all()


def test_digits_are_those_of_scikit_learn_enlarged() -> None:
    """Against a plain bilinear interpolation, one axis after the other, edges held."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    digits = load_images("digits")
    at = (np.arange(28) + 0.5) * 8 / 28 - 0.5
    for i in range(10):  # the first ten images are training images of the ten classes, in order
        rows = np.array([np.interp(at, np.arange(8), row) for row in pixels[i].reshape(8, 8)])
        large = np.array([np.interp(at, np.arange(8), column) for column in rows.T]).T * 255 / 16
        assert np.abs(digits.train_x[i, 0].numpy() - large).max() <= 0.5 + 1e-4
        assert digits.train_y[i] == labels[i] == i


def test_a_parquet_folder(animal_folder: Path, pixels: np.ndarray) -> None:
    found = load_images(animal_folder)
    assert torch.equal(found.train_x, torch.from_numpy(pixels[:8, None]))
    assert torch.equal(found.test_x, torch.from_numpy(pixels[8:, None]))
    assert (found.train_y.tolist(), found.test_y.tolist()) == (TRAIN_LABELS, TEST_LABELS)
    assert (found.class_names, found.name) == (ANIMALS, "animals")
    assert found.origin == f"folder {animal_folder} (columns image, label)"


def test_a_folder_of_image_files(tmp_path: Path, pixels: np.ndarray) -> None:
    for split, labels in (("train", TRAIN_LABELS), ("test", TEST_LABELS)):
        for i, label in enumerate(labels):
            file = tmp_path / "zoo" / split / ANIMALS[label] / f"{i}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            PIL.Image.fromarray(pixels[i if split == "train" else 8 + i]).save(file)
    found = load_images(str(tmp_path / "zoo"))
    assert found.class_names == ANIMALS
    for label in range(3):
        members = [i for i, other in enumerate(TRAIN_LABELS) if other == label]
        assert torch.equal(found.train_x[found.train_y == label], torch.from_numpy(pixels[members][:, None]))
    assert found.test_y.bincount().tolist() == [2, 1, 1]


def test_a_folder_of_texts_holds_no_images(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(DataError, match=r"holds no images: none of its columns \(text\) has the type Image"):
        load_images(tmp_path)


def test_images_are_decoded_once(animal_folder: Path, decodings: list[str]) -> None:
    first = load_images(animal_folder)
    assert load_images(animal_folder) is first
    images._load.cache_clear()  # as another process sees it
    second = load_images(animal_folder)
    assert torch.equal(second.train_x, first.train_x)
    assert (second.class_names, second.name, second.origin) == (first.class_names, first.name, first.origin)
    assert decodings == ["animals"]


def test_changed_files_are_decoded_again(animal_folder: Path, pixels: np.ndarray, decodings: list[str]) -> None:
    load_images(animal_folder)
    write_animals(animal_folder, 255 - pixels)
    assert torch.equal(load_images(animal_folder).train_x, torch.from_numpy(255 - pixels[:8, None]))
    assert decodings == ["animals", "animals"]


def test_an_interrupted_load_leaves_nothing(
    animal_folder: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> Iterator[None]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("goodminima.tasks.decode._pixels", interrupted)
        with pytest.raises(KeyboardInterrupt):
            load_images(animal_folder)
    assert not cache_folder.exists()
    assert len(load_images(animal_folder).train_y) == 8


def test_an_unwritable_cache_is_gone_without(animal_folder: Path, cache_folder: Path) -> None:
    cache_folder.write_text("in the way")
    assert len(load_images(animal_folder).train_y) == 8


def test_mnist_is_whole_and_quick_from_the_cache() -> None:
    folder = real("mnist")
    first = load_images(folder)
    assert first.train_x.shape == (60_000, 1, 28, 28)
    assert first.test_x.shape == (10_000, 1, 28, 28)
    assert first.train_y.bincount().tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    # As everyone quotes them.
    assert round(first.statistics.mean.item(), 4) == 0.1307
    assert round(first.statistics.std.item(), 4) == 0.3081
    images._load.cache_clear()
    began = time.perf_counter()
    second = load_images(folder)
    assert time.perf_counter() - began < 0.5
    assert torch.equal(second.train_x, first.train_x)
    assert few_shot(second, num_samples=16, num_classes=2, seed=1).train.x.shape == (16, 1, 28, 28)


@pytest.mark.parametrize(("name", "label", "count"), [("cifar10", "label", 10), ("cifar100", "fine_label", 100)])
def test_cifar_is_found_in_its_own_columns(name: str, label: str, count: int) -> None:
    folder = real(name)
    found = load_images(folder)
    assert found.train_x.shape[1:] == (3, 32, 32)
    assert len(found.class_names) == count
    assert found.origin == f"folder {folder} (columns img, {label})"
