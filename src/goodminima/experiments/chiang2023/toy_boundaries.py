"""One replicate of the toy figures: nine decision boundaries on the wedge by one method."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from goodminima.experiments.experiment import Cell, Context, Outcome
from goodminima.experiments.settings import Count, Settings
from goodminima.landscape.boundary import decision_regions
from goodminima.nets import MLP
from goodminima.population import FanOut, Population
from goodminima.search import Fits, guess_and_check
from goodminima.tasks import Task
from goodminima.tasks.toy import wedge
from goodminima.train import SGDConfig, poisoned_sgd, train_into_bins

BOUNDARIES = 9
EXTENT = (-1.25, 1.25, -1.625, 0.875)  # x from, x to, y from, y to of the picture: the wedge and some room around it
_GRID = 101
Method = Literal["poisoned", "sgd", "gc"]
METHODS: Mapping[Method, str] = {"poisoned": "poisoned SGD", "sgd": "SGD", "gc": "G&C"}


@final
@dataclass(frozen=True, kw_only=True)
class BoundaryCell(Settings):
    """What a cell sets.

    Args:
        method: One of `METHODS`.
        optimizer: The method, as a row is labelled.
        hidden: Units of the net's hidden layer.
        samples: Training points.
    """

    method: Method
    optimizer: str
    hidden: Count
    samples: Count


@final
@dataclass(frozen=True, kw_only=True)
class BoundaryScale(Settings):
    """What a scale sets.

    Args:
        budget: Guesses at most.
        max_members: The most nets that SGD trains.
        poison_epochs: Epochs of poisoned training; None where no cell is poisoned.
    """

    budget: Count
    max_members: Count
    poison_epochs: Count | None = None

    def check_cell(self, cell: BoundaryCell) -> None:
        """Raises ValueError where a poisoned cell has no epochs."""
        if cell.method == "poisoned" and self.poison_epochs is None:
            raise ValueError("BoundaryScale: method 'poisoned' needs poison_epochs")


_Cell = Cell[BoundaryCell]
_Context = Context[BoundaryScale]


def boundary_cell(method: Method, *, hidden: int, num_train: int, name: str) -> Cell[BoundaryCell]:
    """The cell of one method, net and number of training points."""
    settings = BoundaryCell(method=method, optimizer=METHODS[method], hidden=hidden, samples=num_train)
    return Cell(name=name, settings=settings, measures=("test accuracy",))


def run_boundaries(cell: Cell[BoundaryCell], context: Context[BoundaryScale]) -> Outcome:
    """Nine minima: their mean accuracy on the test points, and where in the plane they say class 1."""
    task = wedge(seed=context.key("wedge"), num_train=cell.settings.samples).to(context.device)
    population, counts = _FINDERS[cell.settings.method](cell, context, task)
    if population is None:
        return Outcome(values={"test accuracy": None}, counts=counts, note="none found within the budget")
    accuracy = float(population.accuracy(task.test.x, task.test.y).double().mean())
    few = f"only {len(population)} of {BOUNDARIES} found within the budget" if len(population) < BOUNDARIES else ""
    arrays = {
        "class1": class1(population),
        "train_x": task.train.x.cpu().numpy(),
        "train_y": task.train.y.cpu().numpy(),
    }
    arrays |= {"test_x": task.test.x.cpu().numpy(), "test_y": task.test.y.cpu().numpy()}
    return Outcome(values={"test accuracy": accuracy}, counts=counts, arrays=arrays, note=few)


Finder = Callable[[_Cell, _Context, Task], tuple[Population | None, dict[str, int]]]


def _guessed(cell: _Cell, context: _Context, task: Task) -> tuple[Population | None, dict[str, int]]:
    """Guesses no worse in loss than what SGD freezes at: the paper, too, leaves out guesses with a high loss."""
    found = guess_and_check(
        _net(cell),
        task,
        accept=Fits(loss_below=0.68),
        num_solutions=BOUNDARIES,
        keep=BOUNDARIES,
        budget=context.scale_settings.budget,
        chunk=65_536,
        seed=context.key("guesses", cell.name),
        device=context.device,
        callback=context.callback,
    )
    counts = {"guesses": found.guesses, "hits": found.bins[0].hits}
    return (found.population() if found.bins[0].hits else None), counts


def _trained(cell: _Cell, context: _Context, task: Task) -> tuple[Population | None, dict[str, int]]:
    found = train_into_bins(
        _net(cell),
        task,
        sgd=SGDConfig(lr=0.1, epochs=200, batch_size=3),
        prior=FanOut(),
        accept=(Fits(),),
        num_solutions=BOUNDARIES,
        keep=BOUNDARIES,
        members=512,
        max_members=context.scale_settings.max_members,
        seed=context.key("training", cell.name),
        device=context.device,
        callback=context.callback,
    )
    counts = {"members": found.trained, "hits": found.bins[0].hits}
    return (found.population() if found.bins[0].hits else None), counts


def _poisoned(cell: _Cell, context: _Context, task: Task) -> tuple[Population | None, dict[str, int]]:
    """Of 256 poisoned members, those right on every training point; of these, the nine worst on the test points."""
    seed, net, epochs = context.key("training", cell.name), _net(cell), context.scale_settings.poison_epochs
    assert epochs is not None  # `BoundaryScale.check_cell`
    theta = FanOut().draw(net, seed=seed, indices=np.arange(256, dtype=np.uint64), device=context.device)
    sgd = SGDConfig(lr=0.5, momentum=0.9, epochs=epochs, batch_size=1000)
    found = poisoned_sgd(
        net, task, start=theta, sgd=sgd, repeats=2, seed=seed, check_every=100, callback=context.callback
    )
    fitted = (found.train_accuracy == 1).nonzero().squeeze(1)
    counts = {"members": len(theta), "hits": len(fitted)}
    worst = fitted[found.test_accuracy[fitted].argsort(stable=True)[:BOUNDARIES]]
    return (found.population[worst] if len(worst) else None), counts


_FINDERS: Mapping[Method, Finder] = {"gc": _guessed, "sgd": _trained, "poisoned": _poisoned}


def _net(cell: _Cell) -> MLP:
    return MLP(in_features=2, hidden=(cell.settings.hidden,))


def class1(population: Population, extent: tuple[float, float, float, float] = EXTENT) -> np.ndarray:
    """(P, G, G) uint8: 1 where a member says class 1; rows from the least y up, columns from the least x on."""
    return decision_regions(population, extent=extent, steps=_GRID).classes
