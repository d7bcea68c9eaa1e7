"""One gather for a whole batch equals cutting and mirroring image by image."""

import numpy as np
import pytest
import torch

from goodminima.train.augment import crop_and_flip


def _one(image: torch.Tensor, pad: int, top: int, left: int, *, mirrored: bool) -> torch.Tensor:
    height, width, channels = image.shape
    cut = torch.zeros(height, width, channels, dtype=image.dtype)
    for i in range(height):
        for j in range(width):
            row, column = i + top - pad, j + left - pad
            if 0 <= row < height and 0 <= column < width:
                cut[i, width - 1 - j if mirrored else j] = image[row, column]
    return cut


@pytest.mark.parametrize(("channels", "pad"), [(3, 4), (1, 2), (3, 0)])
def test_equals_a_plain_loop(channels: int, pad: int) -> None:
    random = np.random.default_rng(0)
    pixels = torch.from_numpy(random.integers(0, 256, (6, 9, 7, channels), dtype=np.uint8))
    top, left = random.integers(0, 2 * pad + 1, (2, 6))
    mirrored = np.array([True, False] * 3)
    found = crop_and_flip(pixels, pad=pad, top=top, left=left, mirrored=mirrored)
    for i, image in enumerate(pixels):
        assert torch.equal(found[i], _one(image, pad, int(top[i]), int(left[i]), mirrored=bool(mirrored[i])))


def test_the_middle_is_the_image_itself() -> None:
    pixels = torch.randint(0, 256, (3, 5, 5, 3), dtype=torch.uint8)
    middle = np.full(3, 4)
    assert torch.equal(crop_and_flip(pixels, pad=4, top=middle, left=middle, mirrored=np.zeros(3, bool)), pixels)
