"""Supervised training of one net on all classes of some images: the start of few-shot learning."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar, final

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from goodminima.core.isolation import isolated_rng
from goodminima.core.progress import Callback, Progress
from goodminima.population.private_copies import private_copy
from goodminima.tasks.image_data import ImageData
from goodminima.train.batches import Batches
from goodminima.train.few_shot.shards import Shards
from goodminima.train.recipe import Recipe, set_lr

N = TypeVar("N", bound=nn.Module)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Pretrained(Generic[N]):
    """A trained net, with what each epoch gave: means over its batches, before each step.

    Args:
        net: The net, in `eval` mode.
        loss: Of each epoch, nats per example.
        accuracy: Of each epoch, a fraction.
    """

    net: N
    loss: Float[Tensor, "epochs"]
    accuracy: Float[Tensor, "epochs"]


@isolated_rng()
def pretrain(
    make: Callable[[int], N],
    images: ImageData,
    *,
    recipe: Recipe,
    seed: int,
    shards: int = 2,
    device: str = "cpu",
    callback: Callback | None = None,
) -> Pretrained[N]:
    """Trains a net to tell the classes in `images.train_y` apart; their test split is not looked at.

    Args:
        make: Number of classes -> a net with PyTorch's initialisation, taking (N, C, H, W).
        images: What it learns from.
        recipe: How; in float32, neither clipped nor compiled. The border of a cut is counted in bytes: 0 is black. What does
            not fill a batch is left for another epoch's order.
        seed: Decides initialisation, order, crops and mirror images.
        shards: Parts of a batch, each on a thread and with BatchNorm statistics of its own; part of the numbers.
        device: Where the net lives.
        callback: Called after each step with a `Progress` in images.

    Returns:
        The trained net, in `eval` mode, and mean loss and accuracy of each epoch's batches.

    Raises:
        ValueError: If there are fewer images than fill a batch, a batch is no multiple of `shards`, the recipe asks for what
            is not to be had here, or the loss is not finite any more.

    Cost: three forward passes an image and epoch, on `shards` threads.
    """
    _check(recipe, shards)
    labels, y = images.train_y.unique(return_inverse=True)
    batches = Batches(
        images.train_x,
        batch_size=recipe.batch_size,
        augment=recipe.augment,
        seed=seed,
        channels_last=True,
        whole=True,
    )
    net = _initialised(make, len(labels), seed).to(device)
    net.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]  # stubs know modules by device alone
    optimizer = recipe.optimizer.build(net, weight_decay=recipe.weight_decay)
    losses, right = torch.zeros(recipe.epochs), torch.zeros(recipe.epochs)
    net.train()
    with Shards(net, shards, seed=seed) as parts:
        for step, (epoch, rows, pixels) in enumerate(_all_of(batches, recipe.epochs)):
            set_lr(optimizer, recipe.lr(step / (recipe.epochs * batches.per_epoch)))
            share = parts.gradient(images.standardised(pixels).to(device), y[rows].to(device))
            if not math.isfinite(share.loss):
                lr = recipe.optimizer.lr
                raise ValueError(f"pretrain: the loss is {share.loss} in epoch {epoch}: lower lr, now {lr}")
            optimizer.step()
            losses[epoch] += share.loss / batches.per_epoch
            right[epoch] += share.right
            if callback is not None:
                seen, total = (step + 1) * recipe.batch_size, recipe.epochs * batches.examples
                callback(Progress(done=seen, total=total, unit="images trained on"))
        parts.collect_buffers()
    return Pretrained(net.eval().requires_grad_(False), losses, right / batches.examples)


def _check(recipe: Recipe, shards: int) -> None:
    if recipe.batch_size % max(shards, 1) or shards < 1:
        raise ValueError(
            f"pretrain: shards must be at least 1 and batch_size a multiple of it, got {shards} and {recipe.batch_size}"
        )
    if recipe.clip is not None or recipe.precision != "float32" or recipe.compiled:
        raise ValueError(f"pretrain: works in float32 and neither clips nor compiles; leave that out of {recipe}")


def _initialised(make: Callable[[int], N], num_classes: int, seed: int) -> N:
    with isolated_rng(seed % 2**63):
        return private_copy(make(num_classes))  # whoever handed out a net of his own keeps it


def _all_of(batches: Batches, epochs: int) -> Iterator[tuple[int, Int[Tensor, "B"] | slice, UInt8[Tensor, "B C H W"]]]:
    for epoch in range(epochs):
        for rows, pixels in batches.of(epoch):
            yield epoch, rows, pixels
