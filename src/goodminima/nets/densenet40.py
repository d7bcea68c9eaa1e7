"""DenseNet40-BC: forty layers, each of which reads all before it in its block."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

_BLOCKS = 3
_LAYERS = 6  # two convolutions each: with the first one, the two transitions and the linear layer, forty
_BOTTLENECK = 4  # channels within a layer, in units of the growth


@final
class DenseNet40(nn.Sequential):
    """A 3x3 convolution, three dense blocks of six layers, 1x1 convolutions and pooling between them, a linear layer.

    Every layer adds `growth` channels to those it reads; a transition halves the channels and the image. BatchNorm and
    ReLU stand in front of their convolution.

    Args:
        growth: Channels that a layer adds; the first convolution makes twice as many.
        in_channels: Channels of an image.
        num_classes: Number of classes C.

    Raises:
        ValueError: If `growth` is below 1.

    Reference: Huang, Liu, van der Maaten, Weinberger 2017, section 3 (DenseNet-BC); Liu et al. 2020, section 3.1.

    >>> with torch.device("meta"):  # sizes without memory
    ...     net = DenseNet40()
    >>> sum(parameter.numel() for parameter in net.parameters())
    176122
    """

    def __init__(self, *, growth: int = 12, in_channels: int = 3, num_classes: int = 10) -> None:
        if growth < 1:
            raise ValueError(f"DenseNet40: growth must be at least 1, got {growth}")
        channels = 2 * growth
        layers: list[nn.Module] = [nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)]
        for block in range(_BLOCKS):
            if block:
                layers += [*_convolution(channels, channels // 2, side=1), nn.AvgPool2d(2)]
                channels //= 2
            for _ in range(_LAYERS):
                layers.append(_Dense(channels, growth))
                channels += growth
        layers += [nn.BatchNorm2d(channels), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        super().__init__(*layers, nn.Linear(channels, num_classes))


@final
class _Dense(nn.Module):
    """The input, and behind it `growth` channels that are read from all of it."""

    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        within = _BOTTLENECK * growth
        self.path = nn.Sequential(*_convolution(inputs, within, side=1), *_convolution(within, growth, side=3))

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N D H W"]:
        return torch.cat([x, self.path(x)], 1)


def _convolution(inputs: int, outputs: int, *, side: int) -> tuple[nn.BatchNorm2d, nn.ReLU, nn.Conv2d]:
    return nn.BatchNorm2d(inputs), nn.ReLU(), nn.Conv2d(inputs, outputs, side, padding=side // 2, bias=False)
