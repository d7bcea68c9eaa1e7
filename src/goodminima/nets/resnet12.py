"""ResNet-12 with a width factor: the feature extractor of few-shot learning."""

from typing import final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

_WIDTHS = (64, 160, 320, 640)
_SLOPE = 0.1  # of the leaky ReLUs
_DROPPED_BLOCKS = 2  # DropBlock follows the last two blocks


@final
class ResNet12(nn.Module):
    """Four residual blocks of three 3x3 convolutions, averaged over the image, and a linear classifier.

    Each block: three times convolution, BatchNorm, LeakyReLU(0.1), the last LeakyReLU behind the sum with a 1x1
    convolution of the block's input; then 2x2 max pooling. Widths are int(64 w), int(160 w), int(320 w), int(640 w).

    Args:
        width: The factor w; below 1/64 a block would be empty.
        in_channels: Channels of an image.
        num_classes: Classes of the classifier, which serves pre-training alone.
        drop_rate: Share of every map that DropBlock zeroes behind blocks three and four while training; 0 for none.
        drop_size: Side of the squares that DropBlock zeroes.

    Raises:
        ValueError: If `width` leaves a block without channels.

    Differs from paper: the rate of DropBlock is constant from the first step on, where the authors let it rise; features
        are averaged over the image, where theirs are not; no plain dropout behind the first two blocks.

    Reference: Lee, Maji, Ravichandran, Soatto 2019, section 4.1 (MetaOptNet); used by Chiang et al. 2023, section 4.4.

    >>> sum(parameter.numel() for parameter in ResNet12(num_classes=64).parameters()) - 641 * 64
    12424320
    """

    def __init__(
        self,
        *,
        width: float = 1.0,
        in_channels: int = 3,
        num_classes: int = 64,
        drop_rate: float = 0.0,
        drop_size: int = 5,
    ) -> None:
        super().__init__()
        widths = [int(units * width) for units in _WIDTHS]
        if min(widths) < 1:
            raise ValueError(f"ResNet12: width {width} leaves a block without channels; take at least 1/64")
        drops = [0.0] * (len(widths) - _DROPPED_BLOCKS) + [drop_rate] * _DROPPED_BLOCKS
        self.blocks = nn.Sequential(
            *(
                nn.Sequential(_ResidualBlock(inputs, outputs), DropBlock(rate=rate, size=drop_size))
                for inputs, outputs, rate in zip((in_channels, *widths[:-1]), widths, drops, strict=True)
            )
        )
        self.num_features = widths[-1]
        self.classifier = nn.Linear(self.num_features, num_classes)

    def features(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N F"]:
        """What heads are built on.

        Args:
            x: Images of at least 16x16 pixels.

        Returns:
            F = `num_features` numbers an image.
        """
        return self.blocks(x).mean(dim=(2, 3))

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N K"]:
        """Classifies images.

        Args:
            x: Images of at least 16x16 pixels.

        Returns:
            Logits of the K classes that the net is trained on.
        """
        return self.classifier(self.features(x))


@final
class _ResidualBlock(nn.Module):
    """relu(conv-bn-relu-conv-bn-relu-conv-bn(x) + conv1x1-bn(x)), and its 2x2 maxima."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.path = nn.Sequential(
            *_convolution(inputs, outputs, side=3),
            nn.LeakyReLU(_SLOPE, inplace=True),
            *_convolution(outputs, outputs, side=3),
            nn.LeakyReLU(_SLOPE, inplace=True),
            *_convolution(outputs, outputs, side=3),
        )
        self.shortcut = nn.Sequential(*_convolution(inputs, outputs, side=1))

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N O h w"]:
        return F.max_pool2d(F.leaky_relu(self.path(x) + self.shortcut(x), _SLOPE), 2)


def _convolution(inputs: int, outputs: int, *, side: int) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    convolution = nn.Conv2d(inputs, outputs, side, padding=side // 2, bias=False)
    nn.init.kaiming_normal_(convolution.weight, a=_SLOPE, mode="fan_out")
    return convolution, nn.BatchNorm2d(outputs)


@final
class DropBlock(nn.Module):
    """Zeroes squares of every map while training and scales the rest up; nothing otherwise.

    Args:
        rate: Expected share of a map that is zeroed, about: overlaps are not counted twice.
        size: Side of a square; a smaller map is its own square.

    Raises:
        ValueError: If `rate` is not in [0, 1), or `size` below 1.

    Reference: Ghiasi, Lin, Le 2018, algorithm 1.
    """

    def __init__(self, *, rate: float, size: int) -> None:
        super().__init__()
        if not 0 <= rate < 1 or size < 1:
            raise ValueError(f"DropBlock: rate must lie in [0, 1) and size be at least 1, got {rate} and {size}")
        self.rate, self.size = rate, size
        self._generator: torch.Generator | None = None

    def draw_from(self, seed: int) -> None:
        """Draws from a generator of its own from now on, on the CPU, and no more from PyTorch's.

        Args:
            seed: Seed of the generator.
        """
        self._generator = torch.Generator().manual_seed(seed)

    def forward(self, x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N C H W"]:
        """Zeroes squares while training.

        Args:
            x: Maps.

        Returns:
            Maps of the same shape; the same ones in evaluation mode.
        """
        if not self.training or not self.rate:
            return x
        *leading, height, width = x.shape
        size = min(self.size, height, width)
        places = (height - size + 1, width - size + 1)  # of a square's upper left corner
        density = self.rate / size**2 * (height * width) / (places[0] * places[1])
        corners = torch.rand(*leading, *places, generator=self._generator).to(x.device) < density
        squares = F.max_pool2d(F.pad(corners.to(x.dtype), [size - 1] * 4), size, stride=1)
        kept = 1 - squares
        return x * kept * (kept.numel() / kept.sum().clamp_min(1))
