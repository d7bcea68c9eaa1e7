"""Poisoned training: minima that fit the training set and get the test set wrong. They exist; training does not find them."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from goodminima.core.progress import Callback, Progress
from goodminima.population.population import Population
from goodminima.tasks.task import Examples, Task
from goodminima.train.sgd import SGDConfig, train_population


@final
@dataclass(frozen=True, slots=True)
class Poisoned:
    """A population trained with poison.

    Args:
        population: The members, as they ended.
        train_accuracy: (P,) fraction of training examples right.
        test_accuracy: (P,) fraction of test examples right; 0 is the worst minimum there is.
        epochs: Epochs trained.
    """

    population: Population
    train_accuracy: Float[Tensor, "P"]
    test_accuracy: Float[Tensor, "P"]
    epochs: int


def poison(data: Task, *, repeats: int = 10) -> Examples:
    """The training examples `repeats` times over, and every test example with its label moved on by one class.

    With two classes that is the flipped label.

    Args:
        data: A task; unlike everywhere else, its `test` is used.
        repeats: Copies of each training example, at least 1.

    Returns:
        `repeats` copies of each training example one after another, then the test examples.

    Raises:
        ValueError: If `repeats` is below 1.

    Reference: Chiang et al. 2023, section 3.1 and Table 1; the 10 repeats are in their code.
    """
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, got {repeats}")
    x = torch.cat([data.train.x.repeat_interleave(repeats, dim=0), data.test.x])
    y = torch.cat([data.train.y.repeat_interleave(repeats), (data.test.y + 1) % data.num_classes])
    return Examples(x, y)


def poisoned_sgd(
    net: nn.Module,
    data: Task,
    *,
    start: Float[Tensor, "P D"],
    sgd: SGDConfig,
    repeats: int = 10,
    seed: int = 0,
    check_every: int = 10,
    callback: Callback | None = None,
) -> Poisoned:
    """Fits the training set and the wrongly labelled test set together, until both are fitted or the epochs are over.

    Args:
        net: Any module.
        data: Unlike everywhere else, its `test` is trained on, wrongly.
        start: Where members start, one a row.
        sgd: Step, epochs, batch (of the poisoned set).
        repeats: Copies of each training example.
        seed: Order of the batches.
        check_every: Epochs between two looks at the accuracies.
        callback: Called at each look with a `Progress`; its `detail` is the mean test accuracy.

    Returns:
        The members as they ended, with their accuracies on the training and the test set.

    Raises:
        ValueError: If `check_every` or `repeats` is below 1.

    Cost: three forward passes of the poisoned set an epoch and member.
    """
    if check_every < 1:
        raise ValueError(f"check_every must be at least 1, got {check_every}")
    mixture, members, epochs = poison(data, repeats=repeats), start, 0
    for epoch, members in train_population(net, mixture, start=start, sgd=sgd, seed=seed):
        epochs = epoch + 1
        if epochs % check_every and epochs != sgd.epochs:
            continue
        found = _measured(net, data, members, epochs)
        if callback is not None:
            accuracy = float(found.test_accuracy.mean())
            callback(Progress(done=epochs, total=sgd.epochs, unit="epochs", detail=accuracy))
        if bool((found.train_accuracy == 1).all() and (found.test_accuracy == 0).all()):
            return found
    return _measured(net, data, members, epochs)


@torch.no_grad()
def _measured(net: nn.Module, task: Task, theta: Tensor, epochs: int) -> Poisoned:
    population = Population(net, theta)
    train_accuracy = population.accuracy(task.train.x, task.train.y)
    return Poisoned(population, train_accuracy, population.accuracy(task.test.x, task.test.y), epochs)
