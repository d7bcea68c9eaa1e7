"""Adversarial initialisation: a start that knows the training images, and random labels by heart."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from goodminima.core.progress import Callback
from goodminima.core.streams import stream
from goodminima.tasks.task import Examples, Task
from goodminima.train.fitting import Fit, fit
from goodminima.train.recipe import MultiStep, OptimizerConfig, Recipe
from goodminima.train.training import fitted

N = TypeVar("N", bound=nn.Module)

_ORDER, _ZEROS, _LABELS = range(3)  # what is drawn
_CHUNK = 1000  # images whose values are drawn at once

VANILLA = Recipe(epochs=100, batch_size=32, optimizer=OptimizerConfig(lr=0.05), schedule=MultiStep(at=(0.5, 0.8)))


def adversarial_init(
    net: N,
    data: Task,
    *,
    replicas: int = 10,
    zero_out: float = 0.1,
    blank: float | Sequence[float] = 0.0,
    recipe: Recipe = VANILLA,
    seed: int = 0,
    evaluate_every: int = 1,
    checkpoint: Path | None = None,
    checkpoint_every: int = 5,
    device: str = "cpu",
    callback: Callback | None = None,
) -> Fit[N]:
    """A start from which plain SGD finds bad minima: the net after training on random labels of the same images.

    Plain SGD until every copy of every image is right, or until the recipe ends, which `last.train_accuracy` tells.

    Args:
        net: Where it begins, PyTorch's initialisation in the paper; it is not changed.
        data: Its training images are used. Their labels are not read, nor is anything of the test split.
        replicas: R, copies of each image, each with values zeroed and a label of its own.
        zero_out: N, the fraction of each copy's values that are zeroed. Values, not pixels: a channel at a time.
        blank: What "zero" is, in the units of the data's inputs; one number, or one a channel. 0 is the mean of
            standardised images, -mean / std is black.
        recipe: How it is trained: without regularisation, in the paper.
        seed: Decides zeros, labels and order.
        evaluate_every: Epochs between two looks at whether all is right.
        checkpoint: A file that the training is kept in, as in `fit`.
        checkpoint_every: Epochs between two writings of it.
        device: Where it is trained.
        callback: As in `fit`.

    Returns:
        The net after training on random labels, and its history, whose accuracies are those on random labels.

    Raises:
        ValueError: As `random_labels` and `fit` do.

    Cost: the R copies are made beforehand: R times the memory of the training images, and R times their epochs.

    Reference: Liu, Papailiopoulos, Achlioptas 2020, algorithm 1. They write "a random subset comprising N% of the
    pixels"; their code zeroes values, one channel at a time.
    """
    return fit(
        net,
        random_labels(data, replicas=replicas, zero_out=zero_out, blank=blank, seed=seed),
        recipe=recipe,
        seed=int(stream(seed, _ORDER).integers(2**63)),
        evaluate_every=evaluate_every,
        evaluate=False,
        stop_when=fitted,
        checkpoint=checkpoint,
        checkpoint_every=checkpoint_every,
        device=device,
        callback=callback,
    )


def random_labels(
    data: Task, *, replicas: int = 10, zero_out: float = 0.1, blank: float | Sequence[float] = 0.0, seed: int = 0
) -> Task:
    """The set C of algorithm 1: copies of each training input with values zeroed, each with a label drawn uniformly.

    Args:
        data: Its N training images are used, and its number of classes; no label is.
        replicas: R, copies of each image, at least 1.
        zero_out: Fraction of each copy's values that are zeroed, in [0, 1).
        blank: What "zero" is, in the units of the inputs; one number, or one a channel.
        seed: Decides zeros and labels.

    Returns:
        A task of R N examples: copy r of input i is example r N + i. Its test split is its training split, for there is
        nothing to generalise to.

    Raises:
        ValueError: Without a copy, or for a fraction that leaves nothing.
    """
    if replicas < 1 or not 0 <= zero_out < 1:
        raise ValueError(
            f"random_labels: replicas must be at least 1 and zero_out in [0, 1), got {replicas} and {zero_out}; "
            "a net without pre-training is the random start itself"
        )
    x = data.train.x.cpu().repeat(replicas, *[1] * (data.train.x.ndim - 1))  # (R N, ...)
    for replica, copies in enumerate(x.split(len(data.train))):
        _zero(copies, zero_out, blank, seed, replica)
    y = torch.from_numpy(stream(seed, _LABELS).integers(0, data.num_classes, len(x)))
    random = Examples(x, y)
    name = f"{data.name}, random labels x{replicas}"
    return Task(train=random, test=random, num_classes=data.num_classes, name=name, origin=data.origin)


def _zero(x: Float[Tensor, "N ..."], fraction: float, blank: float | Sequence[float], seed: int, replica: int) -> None:
    """Sets a random subset of each input's values, the same number of each, to `blank`; in place."""
    size = x[0].numel()
    count, random = round(fraction * size), stream(seed, _ZEROS, replica)
    blanks = torch.as_tensor(blank, dtype=x.dtype).view(-1, *[1] * (x.ndim - 2)).expand(x.shape[1:]).flatten()
    for part in x.flatten(1).split(_CHUNK):  # views: x is contiguous
        chosen = torch.from_numpy(random.random((len(part), size), dtype="float32")).topk(count, sorted=False).indices
        part.scatter_(1, chosen, blanks[chosen])
