"""Stochastic gradient descent on a whole population: every member its own start, all of them the same minibatches."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from goodminima.population.population import Evaluator, evaluator_of
from goodminima.tasks.task import Examples, Task, train_examples


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class SGDConfig:
    """Plain SGD with a constant step; momentum as in `torch.optim.SGD`.

    Args:
        lr: Learning rate.
        epochs: Passes over the training examples.
        batch_size: Examples a step; the last batch of an epoch may be smaller.
        momentum: 0 for none.

    Raises:
        ValueError: If a number is out of range.
    """

    lr: float
    epochs: int
    batch_size: int
    momentum: float = 0.0

    def __post_init__(self) -> None:
        if not self.lr > 0:
            raise ValueError(f"SGD.lr must be positive, got {self.lr}")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"SGD.momentum must lie in [0, 1), got {self.momentum}")
        if self.epochs < 1 or self.batch_size < 1:
            raise ValueError(f"SGD: epochs and batch_size must be at least 1, got {self.epochs} and {self.batch_size}")


@final
@dataclass(frozen=True, slots=True)
class SGDState:
    """What the next step needs.

    Args:
        theta: The members, one a row.
        velocity: Their velocities.
    """

    theta: Float[Tensor, "P D"]
    velocity: Float[Tensor, "P D"]

    def __getitem__(self, members: Tensor) -> "SGDState":
        return SGDState(self.theta[members], self.velocity[members])


def init(theta: Float[Tensor, "P D"]) -> SGDState:
    """Members at rest.

    Args:
        theta: A member a row.

    Returns:
        The state before the first step: velocities are 0.
    """
    return SGDState(theta, torch.zeros_like(theta))


def step(evaluate: Evaluator, state: SGDState, batch: Examples, sgd: SGDConfig) -> SGDState:
    """One step of every member on one batch, down the gradient of its mean cross entropy.

    Args:
        evaluate: How members are evaluated.
        state: Where they are; it is not changed.
        batch: What they all see.
        sgd: Step size and momentum.

    Returns:
        Where they are then.
    """
    gradient = evaluate.gradient(state.theta, batch.x, batch.y)
    velocity = sgd.momentum * state.velocity + gradient if sgd.momentum else gradient
    return SGDState(torch.add(state.theta, velocity, alpha=-sgd.lr), velocity)


def minibatches(num_examples: int, sgd: SGDConfig, seed: int) -> Iterator[tuple[int, Int[Tensor, "B"]]]:
    """The batches of a training: a fresh permutation each epoch, a function of the seed alone.

    Args:
        num_examples: How many examples there are.
        sgd: Epochs and batch size.
        seed: Any integer.

    Yields:
        The number of the epoch, and the rows of a batch.
    """
    generator = torch.Generator().manual_seed(seed % 2**63)
    for epoch in range(sgd.epochs):
        for rows in torch.randperm(num_examples, generator=generator).split(sgd.batch_size):
            yield epoch, rows


def train_population(
    net: nn.Module, data: Task | Examples, *, start: Float[Tensor, "P D"], sgd: SGDConfig, seed: int = 0
) -> Iterator[tuple[int, Float[Tensor, "P D"]]]:
    """Trains every member from its own start, all of them on the same minibatches.

    Args:
        net: The net.
        data: What is fitted; of a task, its `train`.
        start: Where each member starts, one a row.
        sgd: Step, epochs, batch.
        seed: Order of the batches.

    Yields:
        (epoch, members) after each epoch, from 0; members one a row.

    Cost: three forward passes of the training set an epoch and member.
    """
    examples = train_examples(data)
    evaluate, state = evaluator_of(net, start, tuple(examples.x.shape[1:])), init(start)
    epoch = 0
    for following, rows in minibatches(len(examples), sgd, seed):
        if following > epoch:
            yield epoch, state.theta
            epoch = following
        state = step(evaluate, state, Examples(examples.x[rows], examples.y[rows]), sgd)
    yield epoch, state.theta
