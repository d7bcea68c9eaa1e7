"""Few small images for the tests of pre-training."""

import dataclasses
from functools import lru_cache

import torch.nn.functional as F

from goodminima.tasks import ImageData, base_and_novel, load_images


@lru_cache(maxsize=1)
def few_digits() -> ImageData:
    """330 digits 0 to 4 to train on and 100 digits 5 to 9: every second pixel, with a border, 16x16."""
    images = base_and_novel(load_images("digits"), "digits")
    train_x, test_x = (
        F.pad(x[:count, :, ::2, ::2], (1, 1, 1, 1)) for x, count in ((images.train_x, 330), (images.test_x, 100))
    )
    return dataclasses.replace(
        images, train_x=train_x, train_y=images.train_y[:330], test_x=test_x, test_y=images.test_y[:100]
    )
