"""Supervised training of one net on all classes of some images: the start of few-shot learning."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar, final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from goodminima.tasks.image_data import ImageData
from goodminima.tasks.streams import stream
from goodminima.train.augment import crop_and_flip
from goodminima.train.shards import Shards

N = TypeVar("N", bound=nn.Module)

Listen = Callable[[int, int], None]


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """SGD with Nesterov momentum and weight decay, the step falling along a cosine to zero, crops and mirror images.

    Args:
        epochs: Passes over the images; what does not fill a batch is left for another epoch's order.
        batch_size: Images a step, a multiple of `shards`.
        lr: Learning rate at the beginning.
        momentum: Nesterov's.
        weight_decay: L2 on every parameter.
        pad: Images are cut out of themselves with a border of so many pixels.
        flip: Whether half of them are mirrored.
        shards: Parts of a batch, each on a thread and with BatchNorm statistics of its own; part of the numbers.
    """

    epochs: int
    batch_size: int = 128
    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    pad: int = 4
    flip: bool = True
    shards: int = 2

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 1 or self.shards < 1 or self.batch_size % self.shards:
            raise ValueError(
                f"Recipe: epochs, batch_size and shards must be at least 1 and batch_size a multiple of shards, "
                f"got {self.epochs}, {self.batch_size} and {self.shards}"
            )
        if not (self.lr > 0 and 0 < self.momentum < 1 and self.weight_decay >= 0 and self.pad >= 0):
            raise ValueError(
                f"Recipe: lr must be positive, momentum in (0, 1), weight_decay and pad at least 0, "
                f"got {self.lr}, {self.momentum}, {self.weight_decay} and {self.pad}"
            )


@final
@dataclass(frozen=True, slots=True, eq=False)
class Pretrained(Generic[N]):
    """A trained net, in `eval` mode, with what each epoch gave: means over its batches, before each step."""

    net: N
    loss: Float[Tensor, "epochs"]
    accuracy: Float[Tensor, "epochs"]


def pretrain(
    make: Callable[[int], N],
    images: ImageData,
    *,
    recipe: Recipe,
    seed: int,
    device: str = "cpu",
    listen: Listen | None = None,
) -> Pretrained[N]:
    """Trains a net to tell the classes in `images.train_y` apart; their test split is not looked at.

    Args:
        make: Number of classes -> a net with PyTorch's initialisation, taking (N, C, H, W).
        images: What it learns from.
        recipe: How.
        seed: Decides initialisation, order, crops and mirror images.
        device: Where the net lives.
        listen: Called after each step with images seen and images in all.

    Raises:
        ValueError: If there are fewer images than fill a batch, or the loss is not finite any more.

    Cost: three forward passes an image and epoch, on `recipe.shards` threads.
    """
    labels, y = images.train_y.unique(return_inverse=True)
    if len(y) < recipe.batch_size:
        raise ValueError(f"pretrain: {len(y)} images do not fill a batch of {recipe.batch_size}: lower batch_size")
    net = _initialised(make, len(labels), seed).to(device)
    net.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]  # stubs know modules by device alone
    optimiser = torch.optim.SGD(
        net.parameters(), lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay, nesterov=True
    )
    steps = len(y) // recipe.batch_size
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, recipe.epochs * steps)
    losses, right = torch.zeros(recipe.epochs), torch.zeros(recipe.epochs)
    net.train()
    with Shards(net, recipe.shards, seed=seed) as shards:
        for done, (epoch, rows, x) in enumerate(_batches(images, recipe, seed), start=1):
            share = shards.gradient(x.to(device), y[rows].to(device))
            if not math.isfinite(share.loss):
                raise ValueError(f"pretrain: the loss is {share.loss} in epoch {epoch}: lower lr, now {recipe.lr}")
            optimiser.step()
            schedule.step()
            losses[epoch] += share.loss / steps
            right[epoch] += share.right
            if listen is not None:
                listen(done * recipe.batch_size, recipe.epochs * steps * recipe.batch_size)
        shards.collect_buffers()
    return Pretrained(net.eval().requires_grad_(False), losses, right / (steps * recipe.batch_size))


def _initialised(make: Callable[[int], N], num_classes: int, seed: int) -> N:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed % 2**63)
        return make(num_classes)


def _batches(
    images: ImageData, recipe: Recipe, seed: int
) -> Iterator[tuple[int, Int[Tensor, "B"], Float[Tensor, "B C H W"]]]:
    """(epoch, rows, standardised pixels in channels-last memory); epoch e is a function of (seed, e)."""
    pixels = images.train_x.permute(0, 2, 3, 1).contiguous()
    for epoch in range(recipe.epochs):
        random, count = stream(seed, epoch), len(pixels)
        order = random.permutation(count)
        top, left = random.integers(0, 2 * recipe.pad + 1, (2, count))
        mirrored = random.random(count) < (0.5 if recipe.flip else 0.0)
        for start in range(0, count - recipe.batch_size + 1, recipe.batch_size):
            part = slice(start, start + recipe.batch_size)
            rows = torch.from_numpy(order[part])
            cut = crop_and_flip(
                pixels[rows], pad=recipe.pad, top=top[part], left=left[part], mirrored=np.asarray(mirrored[part])
            )
            yield epoch, rows, images.standardised(cut.permute(0, 3, 1, 2))
