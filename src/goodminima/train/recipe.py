"""What a training is, as data: optimizer, schedule, batches, augmentation. Its text tells it from every other one."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, final

from torch import nn, optim

from goodminima.core.checks import check_choice
from goodminima.train.optimizers import LBFGSArmijo, ProxProp

Make = Callable[..., optim.Optimizer]  # (net, lr, **options) -> an optimizer of the net's parameters


def _of_torch(kind: type[optim.Optimizer], net: nn.Module, lr: float, **options: Any) -> optim.Optimizer:
    return kind(net.parameters(), lr=lr, **options)  # pyright: ignore[reportCallIssue]  # each kind takes an lr


# `fused` takes one pass over the parameters where PyTorch would take one an operation: small nets step 1.5x faster.
OPTIMIZERS: Mapping[str, Make] = {
    "SGD": partial(_of_torch, optim.SGD, fused=True),
    "Nesterov": partial(_of_torch, optim.SGD, momentum=0.9, nesterov=True, fused=True),
    "Adam": partial(_of_torch, optim.Adam, fused=True),
    "AMSGrad": partial(_of_torch, optim.Adam, amsgrad=True, fused=True),
    "Adamax": partial(_of_torch, optim.Adamax),
    "Adadelta": partial(_of_torch, optim.Adadelta),
    "Adagrad": partial(_of_torch, optim.Adagrad),
    "ASGD": partial(_of_torch, optim.ASGD),
    "RMSprop": partial(_of_torch, optim.RMSprop),
    "LBFGSArmijo": partial(_of_torch, LBFGSArmijo),
    "ProxProp": ProxProp,
}


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class OptimizerConfig:
    """An optimizer by name, with its learning rate.

    Args:
        name: One of `OPTIMIZERS`: "SGD", "Nesterov" (SGD with Nesterov momentum 0.9), "Adam", "AMSGrad", ...
        lr: Learning rate at the beginning.
        options: What else it takes, by the names of `torch.optim`: `{"momentum": 0.9}`.

    Raises:
        ValueError: For an unknown name, or if `lr` is not positive and finite.

    >>> OptimizerConfig(name="SGD", lr=0.1, options={"momentum": 0.9})
    OptimizerConfig(name='SGD', lr=0.1, options={'momentum': 0.9})
    """

    name: str = "SGD"
    lr: float = 0.1
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_choice("OptimizerConfig", self.name, tuple(OPTIMIZERS))
        if not 0 < self.lr < math.inf:
            raise ValueError(f"OptimizerConfig {self.name!r}: lr must be positive and finite, got {self.lr}")
        object.__setattr__(self, "options", dict(sorted(self.options.items())))  # one text, whatever the order

    def build(self, net: nn.Module, *, weight_decay: float = 0.0) -> optim.Optimizer:
        """The optimizer of a net's parameters.

        Args:
            net: The net whose parameters it moves.
            weight_decay: L2 on every parameter, as the optimizer understands it; 0 for none.

        Returns:
            An optimizer that has not made a step.

        Raises:
            ValueError: If it does not take one of the options, or weight decay, or not this value of it.
        """
        decay = {"weight_decay": weight_decay} if weight_decay else {}
        try:
            return OPTIMIZERS[self.name](net, self.lr, **{**self.options, **decay})
        except TypeError as error:
            raise ValueError(f"{self} with weight decay {weight_decay}: {error}") from error


@final
@dataclass(frozen=True, slots=True)
class Constant:
    """The learning rate stays as it is."""

    def multiplier(self, done: float, *, epochs: int) -> float:
        """What the learning rate is multiplied with.

        Args:
            done: Fraction of all steps that is done, in [0, 1].
            epochs: Epochs of the training.

        Returns:
            1.
        """
        return 1.0


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class MultiStep:
    """The learning rate falls by a factor at each of some moments.

    Args:
        at: Moments, increasing: fractions of the training below 1, or epochs from 1.
        factor: What the learning rate is multiplied with at each.

    Raises:
        ValueError: If `at` does not increase or mixes fractions and epochs, or `factor` is not positive.

    >>> [MultiStep(at=(0.5, 0.8)).multiplier(done, epochs=10) for done in (0.4, 0.5, 0.9)]
    [1.0, 0.1, 0.010000000000000002]
    >>> MultiStep(at=(150, 250)).multiplier(0.5, epochs=350)
    0.1
    """

    at: tuple[float, ...] = (0.5, 0.8)
    factor: float = 0.1

    def __post_init__(self) -> None:
        falls = all(early < late for early, late in zip(self.at, self.at[1:], strict=False))
        if not self.at or not falls or self.at[0] <= 0 or self.at[0] < 1 <= self.at[-1]:
            raise ValueError(f"MultiStep.at must be increasing fractions below 1, or epochs from 1 on, got {self.at}")
        if not self.factor > 0:
            raise ValueError(f"MultiStep.factor must be positive, got {self.factor}")

    def multiplier(self, done: float, *, epochs: int) -> float:
        """What the learning rate is multiplied with.

        Args:
            done: Fraction of all steps that is done, in [0, 1].
            epochs: Epochs of the training.

        Returns:
            `factor` to the power of the moments that have passed.
        """
        moments = self.at if self.at[-1] < 1 else [epoch / epochs for epoch in self.at]
        return self.factor ** sum(done >= moment for moment in moments)


@final
@dataclass(frozen=True, slots=True)
class Cosine:
    """The learning rate falls to zero along half a period of a cosine (Loshchilov, Hutter 2017, without restarts).

    >>> round(Cosine().multiplier(0.5, epochs=10), 12)
    0.5
    """

    def multiplier(self, done: float, *, epochs: int) -> float:
        """What the learning rate is multiplied with.

        Args:
            done: Fraction of all steps that is done, in [0, 1].
            epochs: Epochs of the training.

        Returns:
            (1 + cos(pi done)) / 2, from 1 down to 0.
        """
        return (1 + math.cos(math.pi * done)) / 2


Schedule = Constant | MultiStep | Cosine


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class CropFlip:
    """Random crops and mirror images: each image is cut out of itself with a border, and half of them are mirrored.

    Args:
        pad: Width of the border in pixels.
        flip: Whether half of the images are mirrored, left to right.
        fill: What the border holds: one number, or one a channel. What a black pixel is once images are standardised is
            -mean / std; 0 is then a pixel of the mean colour.

    Raises:
        ValueError: If `pad` is below 0.
    """

    pad: int = 2
    flip: bool = True
    fill: float | tuple[float, ...] = 0.0

    def __post_init__(self) -> None:
        if self.pad < 0:
            raise ValueError(f"CropFlip.pad must be at least 0, got {self.pad}")


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """How a net is trained. Equal recipes have equal texts: a stored training is known by it.

    Args:
        epochs: Passes over the training examples, at most.
        batch_size: Examples a step; as many as there are, or more, for the full batch.
        optimizer: Which one, with its learning rate.
        schedule: How the learning rate goes on: `Constant()`, `MultiStep(...)` or `Cosine()`, stepwise, not epochwise.
        weight_decay: L2 on every parameter, as the optimizer understands it: half of it times the squared norm.
        augment: Crops and mirror images, or None.
        clip: Largest norm of a step's gradient; a longer one is shortened. None for no limit.
        precision: "float32", or "bfloat16" for autocast: weights stay in float32. On CPUs that is slower.
        compiled: Whether the net goes through `torch.compile`, which takes a minute first.

    Raises:
        ValueError: If a number is out of range, `precision` is another word, or the schedule has moments that the
            epochs do not reach.

    >>> Recipe(epochs=80, batch_size=32, optimizer=OptimizerConfig(lr=0.05), schedule=MultiStep(at=(0.5, 0.8))).augment is None
    True
    """

    epochs: int
    batch_size: int = 128
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    schedule: Schedule = field(default_factory=Constant)
    weight_decay: float = 0.0
    augment: CropFlip | None = None
    clip: float | None = None
    precision: str = "float32"
    compiled: bool = False

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 1:
            raise ValueError(
                f"Recipe: epochs and batch_size must be at least 1, got {self.epochs} and {self.batch_size}"
            )
        if not 0 <= self.weight_decay < math.inf:
            raise ValueError(f"Recipe.weight_decay must be at least 0, got {self.weight_decay}")
        if self.clip is not None and not self.clip > 0:
            raise ValueError(f"Recipe.clip must be positive, or None for no limit, got {self.clip}")
        check_choice("Recipe.precision", self.precision, ("float32", "bfloat16"))
        after_the_end = isinstance(self.schedule, MultiStep) and self.schedule.at[-1] >= max(self.epochs, 1)
        if after_the_end:
            raise ValueError(f"Recipe: {self.schedule} has moments that {self.epochs} epochs do not reach")

    def lr(self, done: float) -> float:
        """The learning rate at one moment.

        Args:
            done: Fraction of all steps that is done, in [0, 1].

        Returns:
            The optimizer's learning rate times what the schedule says.
        """
        return self.optimizer.lr * self.schedule.multiplier(done, epochs=self.epochs)


def set_lr(optimizer: optim.Optimizer, lr: float) -> None:
    """Gives all parameters of an optimizer one learning rate.

    Args:
        optimizer: The optimizer; it is changed.
        lr: The learning rate.
    """
    for group in optimizer.param_groups:
        group["lr"] = lr
