"""Examples made worse on purpose."""

import torch

from goodminima.core.streams import stream
from goodminima.tasks.task import Examples


def with_random_labels(examples: Examples, *, num_classes: int, seed: int) -> Examples:
    """The same inputs with labels drawn uniformly and independently; about one in `num_classes` stays right.

    Args:
        examples: Inputs, and how many labels are needed.
        num_classes: Number of classes, at least 2.
        seed: At least 0.

    Returns:
        As many examples, with the very same inputs.

    Raises:
        ValueError: If there are fewer than two classes.

    Reference: Zhang et al. 2017, section 2.1.

    >>> wedge = Examples(torch.zeros(1000, 2), torch.zeros(1000, dtype=torch.int64))
    >>> with_random_labels(wedge, num_classes=2, seed=0).y.bincount().tolist()
    [463, 537]
    """
    if num_classes < 2:
        raise ValueError(f"with_random_labels: num_classes must be at least 2, got {num_classes}")
    labels = stream(seed).integers(num_classes, size=len(examples))
    return Examples(examples.x, torch.from_numpy(labels).to(examples.y.device))
