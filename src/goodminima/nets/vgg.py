"""VGG13 and VGG16 with BatchNorm for small images."""

from collections.abc import Sequence
from typing import final

from torch import nn

_WIDTHS = (64, 128, 256, 512, 512)  # of the five stages; each ends in 2x2 max pooling
_LEAST_WIDTH = 1 / _WIDTHS[0]


class _VGG(nn.Sequential):
    """Stages of 3x3 convolutions, each with BatchNorm and ReLU, the mean over the image, and one linear layer."""

    def __init__(
        self, *, widths: Sequence[int], convolutions: Sequence[int], in_channels: int, num_classes: int
    ) -> None:
        layers: list[nn.Module] = []
        inputs = in_channels
        for outputs, count in zip(widths, convolutions, strict=True):
            for _ in range(count):
                layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]
                inputs = outputs
            layers.append(nn.MaxPool2d(2, ceil_mode=True))
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, num_classes))


@final
class VGG13(_VGG):
    """Ten 3x3 convolutions, each with BatchNorm and ReLU, the mean over the image, and one linear layer.

    Args:
        width: Factor of all numbers of channels, rounded down; below 1/64 a layer would be empty.
        in_channels: Channels of an image, 32x32 pixels say; halves of odd sides are rounded up.
        num_classes: Number of classes C.

    Raises:
        ValueError: If `width` leaves a layer without channels.

    Differs from paper: one linear layer at the end, where Simonyan and Zisserman have three.

    Reference: Simonyan, Zisserman 2015, table 1, column B; Huang et al. 2020, Table 1 ("VGG13 with batchnorm").

    >>> import torch
    >>> with torch.device("meta"):  # sizes without memory
    ...     net = VGG13()
    >>> sum(parameter.numel() for parameter in net.parameters())
    9416010
    """

    def __init__(self, *, width: float = 1.0, in_channels: int = 3, num_classes: int = 10) -> None:
        if width < _LEAST_WIDTH:
            raise ValueError(f"VGG13: width {width} leaves a layer without channels; take at least 1/64")
        super().__init__(
            widths=[int(width * channels) for channels in _WIDTHS],
            convolutions=(2, 2, 2, 2, 2),
            in_channels=in_channels,
            num_classes=num_classes,
        )


@final
class VGG16(_VGG):
    """Thirteen 3x3 convolutions, each with BatchNorm and ReLU, the mean over the image, and one linear layer.

    Args:
        in_channels: Channels of an image, 32x32 pixels say; halves of odd sides are rounded up.
        num_classes: Number of classes C.

    Differs from paper: one linear layer at the end, where Simonyan and Zisserman have three; BatchNorm. So does the net of
        Liu et al.

    Reference: Simonyan, Zisserman 2015, table 1, column D; Liu et al. 2020, section 3.1.

    >>> import torch
    >>> with torch.device("meta"):  # sizes without memory
    ...     net = VGG16()
    >>> sum(parameter.numel() for parameter in net.parameters())
    14728266
    """

    def __init__(self, *, in_channels: int = 3, num_classes: int = 10) -> None:
        super().__init__(widths=_WIDTHS, convolutions=(2, 2, 3, 3, 3), in_channels=in_channels, num_classes=num_classes)
