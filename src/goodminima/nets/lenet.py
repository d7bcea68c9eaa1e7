"""LeNet with a width factor."""

from typing import ClassVar, final

from torch import nn


@final
class LeNet(nn.Sequential):
    """Two 5x5 convolutions with ReLU and 2x2 max pooling, three fully connected layers.

    Widths are int(6 w), int(16 w), int(120 w), int(84 w): 11,074 parameters for w = 0.5, one 28x28 channel and 2 classes.

    Args:
        width: The factor w; below 0.17 a layer would be empty. The paper goes down to 0.2.
        in_shape: (channels, height, width) of an image.
        num_classes: Number of classes C.

    Raises:
        ValueError: If `width` leaves a layer without units, or images are smaller than 16x16.

    Reference: Chiang et al. 2023, section 4.2 and Table 6.

    >>> sum(parameter.numel() for parameter in LeNet(width=0.5).parameters())
    11074
    """

    norm_unit: ClassVar[float] = 3.0  # logits are divided by prod_l ||W_l||_F / norm_unit

    def __init__(
        self, *, width: float = 0.5, in_shape: tuple[int, int, int] = (1, 28, 28), num_classes: int = 2
    ) -> None:
        conv1, conv2, fc1, fc2 = (int(units * width) for units in (6, 16, 120, 84))
        if min(conv1, conv2, fc1, fc2) < 1:
            raise ValueError(f"LeNet: width {width} leaves a layer without units; take at least 0.17")
        channels, height, breadth = in_shape
        pooled = [((side - 4) // 2 - 4) // 2 for side in (height, breadth)]
        if min(pooled) < 1:
            raise ValueError(f"LeNet: images of {height}x{breadth} are too small; 16x16 is the least")
        super().__init__(
            nn.Conv2d(channels, conv1, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(conv1, conv2, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(conv2 * pooled[0] * pooled[1], fc1),
            nn.ReLU(),
            nn.Linear(fc1, fc2),
            nn.ReLU(),
            nn.Linear(fc2, num_classes),
        )
