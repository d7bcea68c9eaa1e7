"""The swiss roll within an experiment: its net, and minima of growing poison, which several figures share."""

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.spatial import KDTree
from scipy.stats import rankdata
from torch import Tensor

from goodminima.experiments.experiment import Context
from goodminima.experiments.settings import Count, Settings
from goodminima.experiments.shared_trainings import shared_tensors
from goodminima.landscape import Regions, decision_regions
from goodminima.nets import MLP
from goodminima.population import Glorot, Population
from goodminima.tasks import Examples, FreshRolls, Task, swiss_roll
from goodminima.tasks.rolls import FRAME
from goodminima.train import PoisonedAdamConfig, poison_together

BETAS = (0.0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
HIDDEN = (23, 16, 26, 32, 28, 31)  # units of the six layers in the authors' code
_STEPS_ACROSS = 361  # points along each side of the frame: one every 0.1


@final
@dataclass(frozen=True, kw_only=True)
class RollScale(Settings):
    """What a scale sets of a figure that measures minima as they are.

    Args:
        steps: Of Adam, to each minimum.
    """

    steps: Count


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Minima:
    """What one replicate trained: a minimum for each of `BETAS`, all from one start.

    Args:
        task: The roll.
        population: The minima, in the order of `BETAS`.
        train_accuracy: Of each.
        test_accuracy: Of each.
    """

    task: Task
    population: Population
    train_accuracy: np.ndarray
    test_accuracy: np.ndarray


def roll_net() -> MLP:
    """Six hidden layers with biases, and two logits, where the authors have one: what kernel and measures work on."""
    return MLP(in_features=2, hidden=HIDDEN, hidden_bias=True)


def start_of(context: Context, number: int) -> Tensor:
    """(number, D): the replicate's start, as often as wanted."""
    drawn = Glorot().draw(roll_net(), seed=context.key("start"), indices=np.zeros(1, np.uint64), device=context.device)
    return drawn.expand(number, -1)


def minima(context: Context, *, steps: int) -> Minima:
    """The replicate's minima, the same in every figure; trained once where trainings are kept.

    Args:
        context: Of the replicate.
        steps: Of Adam.
    """
    task, net, adam = roll(context), roll_net(), PoisonedAdamConfig(steps=steps)

    def make() -> dict[str, Tensor]:
        theta = poison_together(
            net,
            task.train,
            start=start_of(context, len(BETAS)),
            betas=BETAS,
            draw=FreshRolls(seed=context.key("fresh")),
            adam=adam,
            callback=context.callback,
        )
        return {"theta": theta.cpu()}

    found = shared_tensors(context, "minima", make, made_by=[repr(adam), list(BETAS)])["theta"].to(context.device)
    return measured(task, Population(net, found))


def roll(context: Context) -> Task:
    """The replicate's roll."""
    return swiss_roll(seed=context.key("task")).to(context.device)


def measured(task: Task, population: Population) -> Minima:
    """Minima with their accuracies."""
    train, test = (population.accuracy(split.x, split.y).double().cpu().numpy() for split in (task.train, task.test))
    return Minima(task=task, population=population, train_accuracy=train, test_accuracy=test)


def regions_of(population: Population) -> Regions:
    """What minima say in the frame of the roll."""
    return decision_regions(population, extent=FRAME, steps=_STEPS_ACROSS)


def clearances(regions: Regions, examples: Examples) -> np.ndarray:
    """(P, N): how far each example is from the nearest point of the grid that another class than its own is said at.

    As good as the grid is fine; infinite where a classifier says its class everywhere.
    """
    left, right, bottom, top = regions.extent
    rows, columns = regions.classes.shape[1:]
    across, up = np.meshgrid(np.linspace(left, right, columns), np.linspace(bottom, top, rows))
    grid = np.stack([across, up], axis=2)
    x, y = examples.x.cpu().numpy(), examples.y.cpu().numpy()
    distance = np.full((len(regions.classes), len(y)), np.inf)
    for member, classes in enumerate(regions.classes):
        for label in np.unique(y):
            others = grid[classes != label]
            if len(others):
                distance[member, y == label] = KDTree(others).query(x[y == label])[0]
    return distance


def for_picture(regions: Regions) -> np.ndarray:
    """(P, m, n) classes at every second point."""
    return regions.classes[:, ::2, ::2]


def points(examples: Examples) -> dict[str, np.ndarray]:
    """Training points, for a picture."""
    return {"x": examples.x.cpu().numpy(), "y": examples.y.cpu().numpy()}


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    """Spearman's rank correlation of all entries; where one is not a number it is left out of both.

    >>> round(spearman(np.array([1.0, 2.0, 3.0, 9.0]), np.array([5.0, np.nan, 8.0, 7.0])), 6)
    0.5
    """
    there = ~(np.isnan(x) | np.isnan(y))
    first, second = (rankdata(values[there]) for values in (x, y))
    return float(np.corrcoef(first, second)[0, 1])
