"""Pixels and their products: as many as the paper counts, and the kernel is their inner product."""

import re

import pytest
import torch

from goodminima.nets import PixelProducts


@pytest.mark.parametrize("pool", [1, 2])
def test_the_kernel_is_the_inner_product_of_the_features(pool: int) -> None:
    generator = torch.Generator().manual_seed(0)
    features = PixelProducts(in_shape=(2, 4, 6), pool=pool)
    x, other = (torch.randn(count, 2, 4, 6, generator=generator, dtype=torch.float64) for count in (5, 3))
    torch.testing.assert_close(features.kernel(x, other), features(x) @ features(other).T)
    assert features(x).shape == (5, features.num_features)


def test_products_are_of_the_image_averaged_over_squares() -> None:
    x = torch.tensor([[[[1.0, 3.0], [5.0, 7.0]]]])
    assert PixelProducts(in_shape=(1, 2, 2))(x).tolist() == [[1, 3, 5, 7, 16]]
    assert PixelProducts(in_shape=(1, 2, 2), pool=1)(x)[0, 4:].tolist() == [1, 3, 5, 7, 9, 15, 21, 25, 35, 49]


def test_the_paper_counts_one_output_with_its_bias() -> None:
    assert PixelProducts().num_features + 1 == 298_369


@pytest.mark.parametrize("pool", [0, 3])
def test_squares_that_do_not_fit_are_refused(pool: int) -> None:
    with pytest.raises(ValueError, match=re.escape(f"pool must divide the sides of an image, 32x32, got {pool}")):
        PixelProducts(pool=pool)
