"""Screening guesses in float32: which of a range could be solutions at all.

A screen may let through what float64 would reject, never the other way round: its bounds leave a slack of 1e-4, a hundred
times the error of float32 here. So every screen, whatever its order of images, its chunks and its arithmetic, leads to the
same accepted set, once the doubtful candidates are looked at again in float64.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from goodminima.population.compiled import CompiledNet
from goodminima.population.engines import StackEngine
from goodminima.population.native.screening import Screener
from goodminima.population.normalise import norm_product
from goodminima.population.parameters import num_parameters
from goodminima.population.population import MARGIN_SLACK, cross_entropy, evaluator_of, relative_margins
from goodminima.population.priors import AbstractBox, AbstractPrior
from goodminima.tasks.task import Examples

SLACK = MARGIN_SLACK
_CHUNK_NUMBERS = 4_000_000  # floats in flight: parameters and activations of one chunk of members


@final
@dataclass(frozen=True, slots=True)
class Candidates:
    """What a screen let through, in increasing index.

    Args:
        index: Numbers of the guesses.
        loss: Normalised loss, float32.
        margin: Smallest margin over the examples, relative to the example's largest |logit|, float32.
    """

    index: Int[Tensor, "M"]
    loss: Float[Tensor, "M"]
    margin: Float[Tensor, "M"]


Screen = Callable[[int, int], Candidates]  # (number of the first guess, how many) -> candidates


def interleaved(examples: Examples) -> Examples:
    """The same examples with one of each class first, then another of each: most guesses call everything one class.

    Args:
        examples: Any order.

    Returns:
        All of them, in another order.

    >>> interleaved(Examples(torch.arange(4.0), torch.tensor([0, 0, 0, 1]))).y
    tensor([0, 1, 0, 0])
    """
    one_hot = torch.nn.functional.one_hot(examples.y)
    rank = one_hot.cumsum(0).gather(1, examples.y[:, None]).squeeze(1)  # how many of its class came so far
    order = torch.argsort(rank * one_hot.shape[1] + examples.y, stable=True)
    return Examples(examples.x[order], examples.y[order])


def screen_of(
    net: nn.Module,
    examples: Examples,
    prior: AbstractPrior,
    *,
    seed: int,
    loss_below: float,
    device: str | torch.device,
) -> Screen:
    """The fastest screen that can run: compiled for a stack with a box prior on the CPU, else in PyTorch.

    Args:
        net: The net.
        examples: What is fitted, `interleaved`, on the device.
        prior: What is guessed from.
        seed: Seed of the guesses.
        loss_below: The largest normalised loss that is looked for, nats per example.
        device: Where members are evaluated.

    Returns:
        The screen: the guesses of a range that could be solutions.
    """
    compiled = CompiledNet.of(net, tuple(examples.x.shape[1:]))
    if isinstance(prior, AbstractBox) and compiled.supports(StackEngine.SCREENING, device=device, prior=prior):
        return _compiled_screen(compiled.screener(examples, prior, seed=seed, loss_below=loss_below, slack=SLACK))
    return _batched_screen(net, examples, prior, seed=seed, loss_below=loss_below, device=device)


def _compiled_screen(screener: Screener) -> Screen:
    """The screen in the compiled kernel: image by image, the survivors of many blocks packed together."""

    def screen(start: int, count: int) -> Candidates:
        index, loss, margin, *_ = screener.run(start, count)
        return Candidates(torch.from_numpy(index), torch.from_numpy(loss), torch.from_numpy(margin))

    return screen


def _batched_screen(
    net: nn.Module,
    examples: Examples,
    prior: AbstractPrior,
    *,
    seed: int,
    loss_below: float,
    device: str | torch.device,
) -> Screen:
    """The screen in PyTorch: one example of each class first, then twice as many at a time for the survivors alone."""
    num_classes = int(examples.y.max()) + 1
    slices = stages(len(examples), first=num_classes)
    one = prior.draw(net, seed=seed, indices=np.zeros(1, np.uint64), device=device)
    evaluator = evaluator_of(net, one, tuple(examples.x.shape[1:]))
    members = max(1, _CHUNK_NUMBERS // (num_parameters(net) + num_classes * evaluator.numbers_per_example))

    def screen_chunk(index: Tensor) -> Candidates:
        theta = prior.draw(net, seed=seed, indices=index.numpy().astype(np.uint64), device=device)
        factor, loss = norm_product(net, theta), torch.zeros(len(theta), device=device)
        margin = torch.full_like(loss, torch.inf)
        for rows in slices:
            logits = evaluator.logits(theta, examples.x[rows])
            margin = torch.minimum(margin, relative_margins(logits, examples.y[rows]).amin(1))
            loss = loss + cross_entropy(logits / factor[:, None, None], examples.y[rows]).sum(1) / len(examples)
            alive = (margin > -SLACK) & (loss <= loss_below * (1 + SLACK))
            theta, factor, loss, margin, index = (
                theta[alive], factor[alive], loss[alive], margin[alive], index[alive.cpu()],
            )  # fmt: skip
            if not len(theta):
                break
        return Candidates(index, loss.cpu(), margin.cpu())

    def screen(start: int, count: int) -> Candidates:
        parts = [screen_chunk(index) for index in torch.arange(start, start + count).split(members)]
        columns = ((part.index, part.loss, part.margin) for part in parts)
        return Candidates(*(torch.cat(column) for column in zip(*columns, strict=True)))

    return screen


def stages(total: int, *, first: int) -> list[slice]:
    """Slices of `first`, `first`, 2 `first`, 4 `first`, ... that cover `total`: most members fail at the first few.

    Args:
        total: How much there is, at least 1.
        first: Length of the first two slices, at least 1.

    Returns:
        Slices that cover 0 .. total - 1, in order.

    >>> stages(7, first=2)
    [slice(0, 2, None), slice(2, 4, None), slice(4, 7, None)]
    """
    edges = [0, min(first, total)]
    while edges[-1] < total:
        edges.append(min(2 * edges[-1], total))
    return [slice(low, high) for low, high in pairwise(edges)]
