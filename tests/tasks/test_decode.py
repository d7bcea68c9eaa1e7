import io
from pathlib import Path

import datasets
import numpy as np
import PIL.Image
import pytest
import torch
from rich.console import Console
from tiny_images import ANIMALS, TEST_LABELS, TRAIN_LABELS, animals, random_pixels

from goodminima.tasks import DataError, ImageData, decode


def decoded(**splits: datasets.Dataset) -> ImageData:
    return decode.decode(datasets.DatasetDict(**splits), data="zoo", name="zoo", origin="a test")


def of_images(*images: object) -> datasets.Dataset:
    return animals(images, [0] * len(images))


def png(pixels: np.ndarray, mode: str | None = None) -> PIL.Image.Image:
    image = PIL.Image.fromarray(pixels)
    return image if mode is None else image.convert(mode)


def test_grey_images_keep_one_channel(pixels: np.ndarray) -> None:
    images = decoded(train=animals(pixels[:8], TRAIN_LABELS), test=animals(pixels[8:], TEST_LABELS))
    assert torch.equal(images.train_x, torch.from_numpy(pixels[:8, None]))
    assert torch.equal(images.test_x, torch.from_numpy(pixels[8:, None]))
    assert (images.train_y.tolist(), images.test_y.tolist()) == (TRAIN_LABELS, TEST_LABELS)
    assert (images.class_names, images.origin) == (ANIMALS, "a test (columns image, label)")


def test_colour_images_have_their_channels_first() -> None:
    pixels = random_pixels(3, 4, 5, 3)
    images = decoded(train=animals(pixels[:2], [0, 1]), test=animals(pixels[2:], [2]))
    assert torch.equal(images.train_x, torch.from_numpy(pixels[:2].transpose(0, 3, 1, 2).copy()))


@pytest.mark.parametrize("mode", ["P", "RGBA", "CMYK"])
def test_other_colours_become_rgb(mode: str) -> None:
    red = np.zeros((4, 5, 3), dtype=np.uint8)
    red[:, :, 0] = 255
    file = io.BytesIO()
    png(red, mode).save(file, "TIFF")
    rows = of_images({"bytes": file.getvalue(), "path": None})
    assert torch.equal(decoded(train=rows, test=rows).train_x[0, :, 0, 0], torch.tensor([255, 0, 0], dtype=torch.uint8))


def test_a_data_set_of_grey_and_colour_becomes_rgb() -> None:
    grey, colour = random_pixels(1, 4, 5)[0], random_pixels(1, 4, 5, 3)[0]
    images = decoded(train=of_images(png(grey), png(colour)), test=of_images(png(grey)))
    assert torch.equal(images.train_x[0], torch.from_numpy(grey).expand(3, 4, 5))
    assert torch.equal(images.test_x[0], torch.from_numpy(grey).expand(3, 4, 5))
    assert torch.equal(images.train_x[1], torch.from_numpy(colour).permute(2, 0, 1))


def test_validation_stands_in_for_a_missing_test_split(pixels: np.ndarray) -> None:
    images = decoded(train=animals(pixels[:8], TRAIN_LABELS), validation=animals(pixels[8:], TEST_LABELS))
    assert images.test_y.tolist() == TEST_LABELS


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        (["train"], "'zoo' has no test split, only train: put test images into a file or folder named test"),
        (["test", "extra"], "'zoo' has no train split, only test, extra"),
    ],
)
def test_missing_splits_are_named(splits: list[str], message: str, pixels: np.ndarray) -> None:
    with pytest.raises(DataError, match=message):
        decoded(**{split: animals(pixels[8:], TEST_LABELS) for split in splits})


def test_images_of_two_sizes_are_refused() -> None:
    rows = of_images(png(random_pixels(1, 4, 5)[0]), png(random_pixels(1, 6, 7)[0]))
    with pytest.raises(DataError, match="images must have one size, got 4x5 and 6x7: resize them first"):
        decoded(train=rows, test=rows)


def test_sixteen_bits_are_refused_not_clipped() -> None:
    rows = of_images(png(np.full((4, 5), 40_000, dtype=np.uint16)))
    with pytest.raises(DataError, match="image 0 has pixels of mode 'I;16': convert it to 8 bits a channel"):
        decoded(train=rows, test=rows)


def test_a_broken_image_is_named() -> None:
    file = io.BytesIO()
    png(random_pixels(1, 40, 50)[0]).save(file, "PNG")
    for broken in (b"no image", file.getvalue()[:900]):
        rows = of_images(png(random_pixels(1, 40, 50)[0]), {"bytes": broken, "path": None})
        with pytest.raises(DataError, match=r"image 1 cannot be decoded .*: replace it or remove it"):
            decoded(train=rows, test=rows)


def test_a_row_without_an_image_is_named() -> None:
    rows = of_images(png(random_pixels(1, 4, 5)[0]), None)
    with pytest.raises(DataError, match="image 1 is missing: remove its row"):
        decoded(train=rows, test=rows)


def test_an_empty_split_is_refused(pixels: np.ndarray) -> None:
    rows = animals(pixels[8:], TEST_LABELS)
    with pytest.raises(DataError, match="is empty: give a data set with images in it"):
        decoded(train=rows, test=rows.select([]))


@pytest.mark.parametrize(
    ("patience", "terminal", "shown"), [(0.0, True, True), (9.0, True, False), (0.0, False, False)]
)
def test_a_bar_appears_to_who_waits_and_looks(
    patience: float, terminal: bool, shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(decode, "_PATIENCE", patience)
    monkeypatch.setattr(decode, "Console", lambda stderr: Console(file=screen, force_terminal=terminal, width=80))
    assert list(decode._watched(range(600), total=600, what="Decoding zoo")) == list(range(600))
    assert ("Decoding zoo" in screen.getvalue()) == shown


def test_files_beside_the_table_are_read(tmp_path: Path) -> None:
    pixels = random_pixels(1, 4, 5)[0]
    png(pixels).save(tmp_path / "a.png")
    rows = of_images(str(tmp_path / "a.png"))
    assert torch.equal(decoded(train=rows, test=rows).train_x[0, 0], torch.from_numpy(pixels))
