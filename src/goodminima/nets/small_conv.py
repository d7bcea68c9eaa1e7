"""A small convolutional net for two cores."""

from typing import final

from torch import nn

_WIDTHS = (16, 32, 64, 64, 128)
_STRIDES = (2, 2, 2, 1, 2)  # early, in place of pooling: a step takes less than half the time


@final
class SmallConv(nn.Sequential):
    """Five 3x3 convolutions of 16 to 128 channels with BatchNorm and ReLU, four of stride 2, flattened, and a linear layer.

    Args:
        in_shape: (channels, height, width) of an image.
        num_classes: Number of classes C.

    >>> sum(parameter.numel() for parameter in SmallConv(num_classes=4).parameters())
    137028
    """

    def __init__(self, *, in_shape: tuple[int, int, int] = (3, 32, 32), num_classes: int = 10) -> None:
        inputs, height, breadth = in_shape
        layers: list[nn.Module] = []
        for outputs, stride in zip(_WIDTHS, _STRIDES, strict=True):
            layers += [nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]
            inputs, height, breadth = outputs, -(-height // stride), -(-breadth // stride)
        super().__init__(*layers, nn.Flatten(), nn.Linear(inputs * height * breadth, num_classes))
