"""The thin residual net for small images: three stages, and shortcuts without parameters."""

from typing import final

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from goodminima.nets.resnet import ResidualNet, two_layers


@final
class ThinResNet(ResidualNet):
    """Three stages of `blocks` blocks of two 3x3 convolutions: 6 blocks + 2 layers, twenty unless told otherwise.

    A shortcut that halves the image takes every second pixel, and zeros for the channels that are new.

    Args:
        blocks: Blocks a stage.
        width: Channels of the first stage; the others have two and four times as many.
        in_channels: Channels of an image.
        num_classes: Number of classes C.

    Raises:
        ValueError: If `blocks` or `width` is below 1.

    Reference: He, Zhang, Ren, Sun 2016, section 4.2 (ResNet-20 with shortcuts A, which have no parameters); called
    ResNet-18 by Huang et al. 2020, section 2, whose count of parameters it has.

    >>> import torch
    >>> with torch.device("meta"):  # sizes without memory
    ...     net = ThinResNet()
    >>> sum(parameter.numel() for parameter in net.parameters())
    269722
    """

    def __init__(self, *, blocks: int = 3, width: int = 16, in_channels: int = 3, num_classes: int = 10) -> None:
        if min(blocks, width) < 1:
            raise ValueError(f"ThinResNet: blocks and width must be at least 1, got {blocks} and {width}")
        super().__init__(
            two_layers,
            _Thinned,
            widths=(width, 2 * width, 4 * width),
            blocks=(blocks,) * 3,
            expansion=1,
            in_channels=in_channels,
            num_classes=num_classes,
        )


@final
class _Thinned(nn.Module):
    """Every `stride`-th pixel along each axis, with zeros for the channels that are new."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.new, self.stride = outputs - inputs, stride

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N O h w"]:
        return F.pad(x[..., :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.new))
