"""Labelled images as they were stored, before a task is cut from them."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, final

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor


class DataError(ValueError):
    """Data that cannot be had: one line that names the thing and the cure."""


class ChannelStatistics(NamedTuple):
    """Statistics of pixels scaled to [0, 1].

    Args:
        mean: Mean of each channel.
        std: Standard deviation of each channel.
    """

    mean: Float[Tensor, "C"]
    std: Float[Tensor, "C"]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class ImageData:
    """Labelled images of one size. Shared by whoever loads the same data: read them, do not write into them.

    Args:
        train_x: Training images, pixels from 0 to 255.
        train_y: Their labels, from 0 to `len(class_names) - 1`.
        test_x: Test images.
        test_y: Their labels.
        class_names: The name of every class.
        name: Short name: `mnist`.
        origin: Where the images came from, with the columns they were found in.

    Raises:
        DataError: If the parts do not fit each other.
    """

    train_x: UInt8[Tensor, "N C H W"]
    train_y: Int[Tensor, "N"]
    test_x: UInt8[Tensor, "M C H W"]
    test_y: Int[Tensor, "M"]
    class_names: tuple[str, ...]
    name: str
    origin: str

    def __post_init__(self) -> None:
        for split, x, y in (("train", self.train_x, self.train_y), ("test", self.test_x, self.test_y)):
            if x.dtype != torch.uint8 or x.ndim != 4:
                raise DataError(
                    f"{self.name!r}: {split} images must be uint8 (N, C, H, W), got {x.dtype} {(*x.shape,)}"
                )
            if len(x) != len(y) or len(x) == 0:
                raise DataError(f"{self.name!r}: {split} needs images, each with a label, got {len(x)} and {len(y)}")
            if y.dtype != torch.int64 or y.min() < 0 or y.max() >= len(self.class_names):
                raise DataError(f"{self.name!r}: {split} labels must be int64, from 0 to {len(self.class_names) - 1}")
        if self.train_x.shape[1:] != self.test_x.shape[1:]:
            sizes = f"{(*self.train_x.shape[1:],)} and {(*self.test_x.shape[1:],)}"
            raise DataError(f"{self.name!r}: train and test images must have one size (C, H, W), got {sizes}")

    @cached_property
    def statistics(self) -> ChannelStatistics:
        """Mean and standard deviation of the whole train split, exact to float64 and computed once.

        From how often each of the 256 values occurs: integers do not round, however many pixels there are.
        """
        value = torch.arange(256, dtype=torch.float64) / 255
        share = torch.stack([torch.bincount(channel.flatten(), minlength=256) for channel in self.train_x.unbind(1)])
        share = share.double() / share.sum(dim=1, keepdim=True)  # (C, 256)
        mean = share @ value
        variance = (share * (value - mean[:, None]).square()).sum(dim=1)
        return ChannelStatistics(mean, variance.sqrt())

    def standardised(self, pixels: UInt8[Tensor, "N C H W"]) -> Float[Tensor, "N C H W"]:
        """Pixels scaled to [0, 1], less the train split's mean, over its standard deviation, per channel.

        A channel that is constant over the train split is only centred.

        Args:
            pixels: Pixels from 0 to 255.

        Returns:
            As many pixels, float32.
        """
        mean, std = (statistic.float()[:, None, None] for statistic in self.statistics)
        return pixels.float().div_(255).sub_(mean).div_(torch.where(std > 0, std, 1.0))
