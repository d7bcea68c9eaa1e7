"""Residual nets for small images: what they share, and ResNet18 and ResNet50."""

from collections.abc import Callable
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

_WIDTHS = (64, 128, 256, 512)  # of the four stages
_EXPANSION = 4  # channels that leave a bottleneck, over those within


class ResidualNet(nn.Sequential):
    """A 3x3 convolution, stages of residual blocks, the mean over the image, and one linear layer.

    Args:
        path: What a block adds to its input: channels that enter, width, stride -> module.
        shortcut: How the input gets by where a block changes its shape: channels before, channels after, stride -> module.
        widths: Width of each stage; the first keeps the size of the image, the others halve it.
        blocks: How many blocks each stage has.
        expansion: Channels that leave a block, over its width.
        in_channels: Channels of an image.
        num_classes: Number of classes C.
    """

    def __init__(
        self,
        path: Callable[[int, int, int], nn.Module],
        shortcut: Callable[[int, int, int], nn.Module],
        *,
        widths: tuple[int, ...],
        blocks: tuple[int, ...],
        expansion: int,
        in_channels: int,
        num_classes: int,
    ) -> None:
        inputs = widths[0]
        layers: list[nn.Module] = [*_convolution(in_channels, inputs, side=3), nn.ReLU()]
        for stage, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            outputs = expansion * width
            for block in range(count):
                stride = 2 if stage and not block else 1
                passing = nn.Identity() if (inputs, stride) == (outputs, 1) else shortcut(inputs, outputs, stride)
                layers.append(_Residual(path(inputs, width, stride), passing))
                inputs = outputs
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, num_classes))


@final
class ResNet18(ResidualNet):
    """Eight blocks of two 3x3 convolutions: 18 layers with the first convolution and the linear one.

    Args:
        in_channels: Channels of an image.
        num_classes: Number of classes C.

    Differs from paper: the first convolution is 3x3 with stride 1 and no pooling follows, as befits 32x32 pixels.

    Reference: He, Zhang, Ren, Sun 2016, table 1; Liu et al. 2020, section 3.1.

    >>> with torch.device("meta"):  # sizes without memory
    ...     net = ResNet18()
    >>> sum(parameter.numel() for parameter in net.parameters())
    11173962
    """

    def __init__(self, *, in_channels: int = 3, num_classes: int = 10) -> None:
        super().__init__(
            two_layers,
            _projection,
            widths=_WIDTHS,
            blocks=(2, 2, 2, 2),
            expansion=1,
            in_channels=in_channels,
            num_classes=num_classes,
        )


@final
class ResNet50(ResidualNet):
    """Sixteen bottlenecks of a 1x1, a 3x3 and a 1x1 convolution: 50 layers with the first convolution and the linear one.

    Args:
        in_channels: Channels of an image.
        num_classes: Number of classes C.

    Differs from paper: the first convolution is 3x3 with stride 1 and no pooling follows, as befits 32x32 pixels; where a
        stage halves the image, the 3x3 convolution does it.

    Reference: He, Zhang, Ren, Sun 2016, table 1; Liu et al. 2020, section 3.1.

    >>> with torch.device("meta"):  # sizes without memory
    ...     net = ResNet50()
    >>> sum(parameter.numel() for parameter in net.parameters())
    23520842
    """

    def __init__(self, *, in_channels: int = 3, num_classes: int = 10) -> None:
        super().__init__(
            _bottleneck,
            _projection,
            widths=_WIDTHS,
            blocks=(3, 4, 6, 3),
            expansion=_EXPANSION,
            in_channels=in_channels,
            num_classes=num_classes,
        )


@final
class _Residual(nn.Module):
    """relu(path(x) + shortcut(x))."""

    def __init__(self, path: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.path, self.shortcut = path, shortcut

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N O h w"]:
        return torch.relu(self.path(x) + self.shortcut(x))


def two_layers(inputs: int, width: int, stride: int) -> nn.Sequential:
    """Two 3x3 convolutions, each with BatchNorm, a ReLU between them.

    Args:
        inputs: Channels that enter.
        width: Channels of both convolutions.
        stride: Of the first convolution.

    Returns:
        The layers, on maps of (N, inputs, H, W).
    """
    return nn.Sequential(
        *_convolution(inputs, width, side=3, stride=stride), nn.ReLU(), *_convolution(width, width, side=3)
    )


def _bottleneck(inputs: int, width: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        *_convolution(inputs, width, side=1),
        nn.ReLU(),
        *_convolution(width, width, side=3, stride=stride),
        nn.ReLU(),
        *_convolution(width, _EXPANSION * width, side=1),
    )


def _projection(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(*_convolution(inputs, outputs, side=1, stride=stride))


def _convolution(inputs: int, outputs: int, *, side: int, stride: int = 1) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    convolution = nn.Conv2d(inputs, outputs, side, stride=stride, padding=side // 2, bias=False)
    return convolution, nn.BatchNorm2d(outputs)
