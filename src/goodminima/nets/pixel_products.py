"""Pixels and products of pixels: the features of a linear model that has as many weights as a small residual net."""

from typing import final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


@final
class PixelProducts(nn.Module):
    """Every pixel of an image, and every product of two (or of one with itself) of the image averaged over squares.

    Args:
        in_shape: (channels, height, width) of an image.
        pool: Side of the squares; the products are of the smaller image. 1 for none.

    Raises:
        ValueError: If `pool` does not divide the sides.

    Reference: Huang et al. 2020, section 2: 298,369 weights an output with the bias, where images are 32x32 in colour.

    >>> PixelProducts().num_features + 1
    298369
    """

    def __init__(self, *, in_shape: tuple[int, int, int] = (3, 32, 32), pool: int = 2) -> None:
        super().__init__()
        channels, height, width = in_shape
        if pool < 1 or height % pool or width % pool:
            raise ValueError(f"PixelProducts: pool must divide the sides of an image, {height}x{width}, got {pool}")
        self._in_shape, self._pool, small = in_shape, pool, channels * (height // pool) * (width // pool)
        self.num_features = channels * height * width + small * (small + 1) // 2
        self._pairs = small

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N F"]:
        """The features: pixels, then the products z_i z_j for i <= j, z the small image.

        Args:
            x: Images of `in_shape`.

        Returns:
            F = `num_features` numbers an image.

        Cost: N F numbers of memory.
        """
        small = self._small(x)
        first, second = torch.triu_indices(self._pairs, self._pairs, device=x.device)
        return torch.cat([x.flatten(1), small[:, first] * small[:, second]], 1)

    def kernel(self, x: Float[Tensor, "N C H W"], other: Float[Tensor, "M C H W"]) -> Float[Tensor, "N M"]:
        """Inner products of features, without the features: <x, x'> + (<z, z'>^2 + <z^2, z'^2>) / 2, z the small image.

        Args:
            x: Images of `in_shape`.
            other: More of them.

        Returns:
            The inner product of each of the N images with each of the M others.

        Cost: N M numbers of memory, however many features there are.

        >>> x = torch.randn(3, 1, 4, 4)
        >>> features = PixelProducts(in_shape=(1, 4, 4))
        >>> bool(torch.allclose(features.kernel(x, x), features(x) @ features(x).T, atol=1e-4))
        True
        """
        small, others = self._small(x), self._small(other)
        products = (small @ others.T).square_().add_(small.square() @ others.square().T)
        return products.div_(2).addmm_(x.flatten(1), other.flatten(1).T)

    def extra_repr(self) -> str:
        """What a print of the net says behind the name.

        Returns:
            All the arguments: two of these with one text are the same.
        """
        return f"in_shape={self._in_shape}, pool={self._pool}"

    def _small(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N S"]:
        return F.avg_pool2d(x, self._pool).flatten(1)
