from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_images import counted_images

from goodminima.tasks import DataError, ImageData, load_images


@pytest.mark.parametrize("channels", [1, 3])
def test_statistics_are_those_of_numpy(channels: int) -> None:
    images = counted_images([20, 30], [2, 2], channels=channels)
    scaled = images.train_x.numpy().astype(np.float64) / 255
    np.testing.assert_allclose(images.statistics.mean, scaled.mean(axis=(0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(images.statistics.std, scaled.std(axis=(0, 2, 3)), rtol=1e-12)


def test_statistics_are_computed_once() -> None:
    images = counted_images([2, 2], [1, 1])
    assert images.statistics is images.statistics


def test_the_whole_train_split_is_standardised_to_mean_0_and_std_1() -> None:
    digits = load_images("digits")
    x = digits.standardised(digits.train_x).double()
    assert abs(x.mean()) < 1e-6
    assert abs(x.std(correction=0) - 1) < 1e-6


def test_a_constant_channel_is_centred() -> None:
    images = counted_images([2, 2], [1, 1])
    images = replace(images, train_x=torch.full_like(images.train_x, 51))
    assert torch.equal(images.standardised(images.train_x), torch.zeros(4, 1, 2, 2))


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"train_x": torch.zeros(4, 1, 2, 2)}, r"train images must be uint8 .* got torch.float32 \(4, 1, 2, 2\)"),
        ({"test_x": torch.zeros(2, 4, dtype=torch.uint8)}, r"test images must be uint8 .* \(2, 4\)"),
        ({"train_y": torch.zeros(3, dtype=torch.int64)}, "train needs images, each with a label, got 4 and 3"),
        ({"train_y": torch.full((4,), 2)}, "train labels must be int64, from 0 to 1"),
        (
            {"test_x": torch.zeros(2, 3, 2, 2, dtype=torch.uint8)},
            r"one size \(C, H, W\), got \(1, 2, 2\) and \(3, 2, 2\)",
        ),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_parts_that_do_not_fit_are_named(part: dict, message: str) -> None:
    images: ImageData = counted_images([2, 2], [1, 1])
    with pytest.raises(DataError, match=message):
        replace(images, **part)
