"""A net as the kernel reads it, and what goes into the kernel beside it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from jaxtyping import Float, Float32, Int, Int64

from goodminima.population.native import kernel

Instruction = tuple[str | int, ...]


@final
@dataclass(frozen=True, eq=False)
class Program:
    """A net as a list of tuples, and all that the engines ask about it; checked when an engine first reads it.

        ("conv", weight, bias, in_channels, out_channels, kernel_h, kernel_w, stride_h, stride_w, padding_h, padding_w)
        ("linear", weight, bias, in_features, out_features)
        ("maxpool" or "avgpool", kernel_h, kernel_w, stride_h, stride_w)
        ("relu",)
        ("flatten",)

    where `weight` and `bias` are offsets into a member's parameters, bias -1 for none.

    Args:
        layers: The layers in order.
        input_shape: (channels, height, width) or (features,).
        num_parameters: Length D of a member; parameters of no layer are allowed.
        weights: (offset, size) of each weight tensor W_l that enters the normaliser prod_l (||W_l||_F / unit).
        unit: What ||W_l||_F is measured in.

    Raises:
        ValueError: At once if the unit is not positive; by the engine if shapes or offsets do not fit together.
    """

    layers: Sequence[Instruction]
    input_shape: Sequence[int]
    num_parameters: int
    weights: Sequence[tuple[int, int]] = ()
    unit: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.unit < math.inf:
            raise ValueError(f"unit must be positive and finite, got {self.unit}")

    @cached_property
    def net(self):
        """The net in the compiled module.

        Raises:
            RuntimeError: The kernel is not available.
            ValueError: Shapes or offsets do not fit together.
        """
        return kernel().Net(self.layers, self.input_shape, self.num_parameters, self.weights, self.unit)

    @property
    def num_classes(self) -> int:
        """Number of logits."""
        return self.net.num_classes

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of one forward pass, without those whose results no pooling window covers."""
        return self.net.multiply_adds

    def images(self, x: Float[np.ndarray, "N ..."]) -> Float32[np.ndarray, "N ..."]:
        """Examples as the kernel takes them.

        Raises:
            ValueError: They are not of `input_shape`.
        """
        images = np.ascontiguousarray(x, np.float32)
        if images.shape[1:] != tuple(self.input_shape):
            raise ValueError(
                f"x must hold examples of shape {tuple(self.input_shape)}, got an array of shape {images.shape}"
            )
        return images


def labels_of(y: Int[np.ndarray, "N"]) -> Int64[np.ndarray, "N"]:
    """Labels as the kernel takes them."""
    return np.ascontiguousarray(y, np.int64)


def box_of(half_width: Float[np.ndarray, "D"]) -> Float32[np.ndarray, "D"]:
    """Half widths of a box as the kernel takes them.

    Raises:
        ValueError: They are not finite, or negative.
    """
    box = np.ascontiguousarray(half_width, np.float32)
    if not (np.isfinite(box).all() and (box >= 0).all()):
        raise ValueError("half_width must hold finite numbers that are not negative")
    return box


def check_range(name: str, value: int, end: int) -> None:
    """Raises ValueError unless 0 <= value < end."""
    if not 0 <= value < end:
        raise ValueError(f"{name} must lie from 0 to {end - 1}, got {value}")
