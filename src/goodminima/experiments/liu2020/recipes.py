"""The eight modes of Table 2, and the paper's hyper-parameters: SGD with any of three heuristics, or none, or all."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, final

from torch import nn

from goodminima.core.checks import check_choice
from goodminima.experiments.settings import Count, NonNegative, Positive, Settings
from goodminima.nets import VGG16, DenseNet40, ResNet18, ResNet50
from goodminima.tasks import ImageData
from goodminima.train import Constant, Cosine, CropFlip, MultiStep, OptimizerConfig, Recipe


@final
@dataclass(frozen=True, slots=True)
class Heuristics:
    """Which of the three a mode has: data augmentation, L2 regularisation, momentum."""

    augmentation: bool = False
    decay: bool = False
    momentum: bool = False


Mode = Literal["vanilla", "DA", "l2", "momentum", "DA+l2", "DA+momentum", "l2+momentum", "SOTA"]
MODES: Mapping[Mode, Heuristics] = {
    "vanilla": Heuristics(),
    "DA": Heuristics(augmentation=True),
    "l2": Heuristics(decay=True),
    "momentum": Heuristics(momentum=True),
    "DA+l2": Heuristics(augmentation=True, decay=True),
    "DA+momentum": Heuristics(augmentation=True, momentum=True),
    "l2+momentum": Heuristics(decay=True, momentum=True),
    "SOTA": Heuristics(augmentation=True, decay=True, momentum=True),
}


@final
@dataclass(frozen=True, kw_only=True)
class Tuning(Settings):
    """Hyper-parameters that all modes share; a mode takes of them what its heuristics need.

    Args:
        lr: Learning rate at the beginning.
        epochs: Passes over the training images.
        schedule: How the learning rate falls.
        batch_size: Images a step.
        weight_decay: Of the modes with l2.
        momentum: Of the modes with momentum.
        pad: Border of the crops of the modes with DA, which mirror half of the images too.
    """

    lr: Positive
    epochs: Count
    schedule: Constant | MultiStep | Cosine
    batch_size: Count = 128
    weight_decay: NonNegative = 5e-4
    momentum: NonNegative = 0.9
    pad: Count = 4

    def recipe(self, mode: Mode, *, border: float | tuple[float, ...] = 0.0) -> Recipe:
        """How a net is trained in one of `MODES`.

        Args:
            mode: Its name.
            border: What surrounds an image that is cropped: `black(images)` in the paper.

        Raises:
            ValueError: There is no such mode.
        """
        check_choice("mode", mode, tuple(MODES))
        has = MODES[mode]
        return Recipe(
            epochs=self.epochs,
            batch_size=self.batch_size,
            optimizer=OptimizerConfig(lr=self.lr, options={"momentum": self.momentum} if has.momentum else {}),
            schedule=self.schedule,
            weight_decay=self.weight_decay if has.decay else 0.0,
            augment=CropFlip(pad=self.pad, fill=border) if has.augmentation else None,
        )


_CIFAR = Tuning(lr=0.1, epochs=350, schedule=MultiStep(at=(150, 250)))
_LARGE = Tuning(lr=0.1, epochs=300, schedule=MultiStep(at=(150, 225)))

# Section 2, "Hyperparameters". The padding is not in the paper: 4 pixels are what everybody takes at 32x32.
PAPER: Mapping[str, Tuning] = {
    "cifar10": _CIFAR,
    "cifar100": _CIFAR,
    "cinic10": replace(_LARGE, weight_decay=1e-4),
    "restricted_imagenet": _LARGE,
}

# Each takes the number of classes by the name `num_classes`.
PaperNet = Literal["DenseNet40", "ResNet18", "ResNet50", "VGG16"]
PAPER_NETS: Mapping[PaperNet, Callable[..., nn.Module]] = {
    "DenseNet40": DenseNet40,
    "ResNet18": ResNet18,
    "ResNet50": ResNet50,
    "VGG16": VGG16,
}


def black(images: ImageData) -> tuple[float, ...]:
    """What a black pixel is, channel by channel, once images are standardised: the border of a crop.

    >>> from goodminima.tasks import load_images
    >>> [round(value, 3) for value in black(load_images("digits"))]
    [-0.939]
    """
    statistics = images.statistics
    return tuple((-statistics.mean / statistics.std.where(statistics.std > 0, 1.0)).tolist())
