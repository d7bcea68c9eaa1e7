"""VGG16 with BatchNorm for small images."""

from typing import final

from torch import nn

_STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))  # each ends in 2x2 max pooling


@final
class VGG16(nn.Sequential):
    """Thirteen 3x3 convolutions, each with BatchNorm and ReLU, the mean over the image, and one linear layer.

    Args:
        in_channels: Channels of an image, of at least 32x32 pixels.
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
        layers: list[nn.Module] = []
        inputs = in_channels
        for stage in _STAGES:
            for outputs in stage:
                layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]
                inputs = outputs
            layers.append(nn.MaxPool2d(2))
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, num_classes))
