"""A Task: the fixed data of one experiment."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor


@final
@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Inputs with their labels.

    Args:
        x: Inputs, floating-point (float32 wherever nets are), first axis the examples.
        y: Labels, int64, from 0 to `num_classes - 1`.

    Raises:
        ValueError: If there are not as many labels as inputs, or one is of another dtype.
    """

    x: Float[Tensor, "N ..."]
    y: Int[Tensor, "N"]

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y):
            raise ValueError(f"Examples: as many labels as inputs are needed, got {len(self.x)} and {len(self.y)}")
        if not self.x.is_floating_point():
            raise ValueError(f"Examples: inputs must be floating-point numbers, got {self.x.dtype}; use x.float()")
        if self.y.dtype != torch.int64:
            raise ValueError(f"Examples: labels must be int64, got {self.y.dtype}; use y.long()")

    def __len__(self) -> int:
        return len(self.y)

    def to(self, device: str | torch.device) -> "Examples":
        """The same examples on another device.

        Args:
            device: "cpu", "cuda", ...

        Returns:
            Examples there; tensors that are there already are shared.
        """
        return Examples(self.x.to(device), self.y.to(device))


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Task:
    """Fixed data: what is learned from, and what generalisation is measured on.

    Args:
        train: The training examples.
        test: The test examples.
        num_classes: Number of classes C.
        name: Short name, `mnist 3/8 n=16`.
        origin: Where the data came from: a hub name, a folder, a generator.
        extra: Unseen labelled examples, where an experiment needs them.
    """

    train: Examples
    test: Examples
    num_classes: int
    name: str
    origin: str
    extra: Examples | None = None

    def to(self, device: str | torch.device) -> "Task":
        """The same task on another device.

        Args:
            device: "cpu", "cuda", ...

        Returns:
            A task there; tensors that are there already are shared.
        """
        extra = None if self.extra is None else self.extra.to(device)
        return Task(
            train=self.train.to(device),
            test=self.test.to(device),
            num_classes=self.num_classes,
            name=self.name,
            origin=self.origin,
            extra=extra,
        )


Data = Task | Examples


def train_examples(data: Data) -> Examples:
    """What is learned from.

    Args:
        data: Examples, or a task.

    Returns:
        The examples themselves; of a task, its `train`.
    """
    return data.train if isinstance(data, Task) else data
