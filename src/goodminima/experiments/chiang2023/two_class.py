"""One replicate of the two-class tables: random classes, random images, then minima in every loss bin by one method.

The task of replicate r is the same for every method and, image by image, part of the task with more images, so that rows
can be compared with less noise than their standard errors say.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal, final

import numpy as np
import torch
from torch import Tensor, nn

from goodminima.core.status import Status
from goodminima.experiments.experiment import Cell, Context, Outcome, Printed
from goodminima.experiments.settings import Count, Positive, Settings
from goodminima.experiments.volume_estimates import LOG10, Splitting, run_logs, split_told
from goodminima.nets import LeNet, LinearModel
from goodminima.population import AbstractPrior, Cube, FanOut, Population
from goodminima.population.priors import AbstractBox
from goodminima.search import Fits, Found, guess_and_check
from goodminima.tasks import Task, few_shot, load_images
from goodminima.train import SGDConfig, TrainedBins, train_into_bins

Method = Literal["gc", "sgd", "linear", "splitting"]
METHODS: Mapping[Method, tuple[Literal["LeNet", "Linear"], str]] = {
    "gc": ("LeNet", "G&C"),
    "sgd": ("LeNet", "SGD"),
    "linear": ("Linear", "SGD"),
    "splitting": ("LeNet", "splitting"),
}
LABELS = ("samples", "net", "optimizer")
_CUBE = Cube(1.0)


@final
@dataclass(frozen=True, kw_only=True)
class TwoClassCell(Settings):
    """What a row sets.

    Args:
        samples: BlockTraining images.
        net: Which net, as the row is labelled.
        optimizer: What finds minima, likewise.
        method: One of `METHODS`, which says both.
        edges: Of the loss bins, from the lowest up, nats.
        width: Of LeNet, in units of the usual one.
        prior: What guesses, and volumes, are drawn from.
        sampling: What a row says of the prior, where rows differ in it.
    """

    samples: Count
    net: Literal["LeNet", "Linear"]
    optimizer: str
    method: Method
    edges: tuple[float, ...]
    width: Positive = 0.5
    prior: AbstractPrior = _CUBE
    sampling: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if any(low >= high for low, high in pairwise(self.edges)) or len(self.edges) < 2:
            raise ValueError(f"TwoClassCell: edges must be at least 2, each above the one before, got {self.edges}")
        if (self.net, self.optimizer) != METHODS[self.method]:
            raise ValueError(
                f"TwoClassCell: net and optimizer of method {self.method!r} must be {METHODS[self.method]}, "
                f"got {(self.net, self.optimizer)}"
            )


@final
@dataclass(frozen=True, kw_only=True)
class BlockTraining(Settings):
    """How many nets are trained into the bins.

    Args:
        members: Trained at once.
        member_images: The most members, times their training images.
    """

    members: Count
    member_images: Count


@final
@dataclass(frozen=True, kw_only=True)
class TwoClassScale(Settings):
    """What a scale sets; what only some methods need may be left out where no row of theirs is run.

    Args:
        num_solutions: Minima asked for in each bin before the search stops.
        keep: Minima averaged, of each bin and replicate; of splitting, of each run.
        budget: Guesses at most.
        sphere_budget: Guesses at most from a prior that is no box: they cost thirty times more, for the compiled kernel
            knows boxes alone.
        lowest_loss: By method and number of images, the loss in nats below which no bin is asked for.
        lenet_lr: Learning rate of SGD on LeNet.
        sgd: How many LeNets SGD trains.
        linear: How many linear models.
        splitting: How uniform draws are made.
    """

    num_solutions: Count
    keep: Count
    budget: Count | None = None
    sphere_budget: Count | None = None
    lowest_loss: Mapping[Method, Mapping[Count, Positive]] = field(default_factory=dict)
    lenet_lr: Positive | None = None
    sgd: BlockTraining | None = None
    linear: BlockTraining | None = None
    splitting: Splitting | None = None

    def check_cell(self, cell: TwoClassCell) -> None:
        """Raises ValueError where the cell's method lacks what it needs."""
        boxed = "budget" if isinstance(cell.prior, AbstractBox) else "sphere_budget"
        needed = {"gc": [boxed], "sgd": ["lenet_lr", "sgd"], "linear": ["linear"], "splitting": ["splitting"]}
        missing = [name for name in needed[cell.method] if getattr(self, name) is None]
        if missing:
            raise ValueError(f"TwoClassScale: method {cell.method!r} needs {' and '.join(missing)}")

    def asked(self, cell: TwoClassCell) -> list[Fits]:
        """The loss bins that a cell's minima are looked for in."""
        lowest = self.lowest_loss.get(cell.method, {}).get(cell.samples, -math.inf)
        return [Fits(low, high) for low, high in pairwise(cell.edges) if low >= lowest]


def two_class_cell(
    num_samples: int,
    method: Method,
    accept: tuple[Fits, ...],
    printed: Mapping[str, Printed],
    *,
    name: str = "",
    **more: Any,
) -> Cell[TwoClassCell]:
    """The cell of one row: `n=4/gc`, say.

    Args:
        num_samples: BlockTraining images.
        method: One of `METHODS`.
        accept: The loss bins, neighbours from the lowest up: the row's measures.
        printed: The paper's values by bin.
        name: Name of the cell, `n=<samples>/<method>` unless given.
        more: Further settings: `width`, `prior`, `sampling`.
    """
    net, optimizer = METHODS[method]
    edges = (accept[0].loss_above, *(fits.loss_below for fits in accept))
    settings = TwoClassCell(samples=num_samples, net=net, optimizer=optimizer, method=method, edges=edges, **more)
    name = name or f"n={num_samples}/{method}"
    return Cell(name=name, settings=settings, measures=tuple(map(str, accept)), printed=printed)


_Cell = Cell[TwoClassCell]
_Context = Context[TwoClassScale]


@final
@dataclass(frozen=True, kw_only=True)
class _Minima:
    """What a method found: the minima kept in each asked bin, None where there are none; the rest is for the outcome."""

    net: nn.Module
    thetas: list[Tensor | None]
    effort: str
    counts: Mapping[str, int]
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def run_two_class(cell: Cell[TwoClassCell], context: Context[TwoClassScale]) -> Outcome:
    """Mean test accuracy of the minima found in each asked bin."""
    task = image_task(context, num_samples=cell.settings.samples)
    asked = context.scale_settings.asked(cell.settings)
    found = _SEARCHES[cell.settings.method](cell, context, task, asked)
    values = dict(zip(map(str, asked), _test_accuracies(found, task), strict=True))
    empty = [str(fits) for fits, theta in zip(asked, found.thetas, strict=True) if theta is None]
    notes = [f"{found.effort} ended with none in {', '.join(empty)}"] if empty else []
    return Outcome(values=values, counts=found.counts, arrays=found.arrays, note="; ".join([*notes, *found.notes]))


def image_task(context: Context, *, num_samples: int) -> Task:
    """Replicate's two random classes with `num_samples` random images, the same for every method and experiment."""
    assert context.data is not None
    images = load_images(context.data)
    return few_shot(images, num_samples=num_samples, num_classes=2, seed=context.key("task")).to(context.device)


def _guess(cell: _Cell, context: _Context, task: Task, asked: list[Fits]) -> _Minima:
    scale, prior = context.scale_settings, cell.settings.prior
    budget = scale.budget if isinstance(prior, AbstractBox) else scale.sphere_budget
    assert budget is not None  # `TwoClassScale.check_cell`, here and below
    found = guess_and_check(
        lenet_for(task, width=cell.settings.width),
        task,
        prior=prior,
        accept=asked,
        num_solutions=scale.num_solutions,
        keep=scale.keep,
        budget=budget,
        seed=context.key("guesses", cell.name),
        device=context.device,
        callback=context.callback,
    )
    return _minima(found, tries=found.guesses, unit="guesses", counts={})


def _split(cell: _Cell, context: _Context, task: Task, asked: list[Fits]) -> _Minima:
    """Uniform draws from each bin by splitting; `keep` of each run, which are copies of one another least of all."""
    scale, net = context.scale_settings, lenet_for(task, width=cell.settings.width)
    assert scale.splitting is not None
    split = split_told(
        net,
        task,
        context,
        prior=cell.settings.prior,
        accept=asked,
        seed=context.key("splitting", cell.name),
        splitting=scale.splitting,
    )
    kept = [torch.cat([run.theta[which][: scale.keep] for run in split.runs]) for which in range(len(asked))]
    mixed = np.array([split.status_of(which) is Status.SOLVED for which in range(len(asked))])
    doubtful = [str(fits) for fits, mixes, theta in zip(asked, mixed, kept, strict=True) if len(theta) and not mixes]
    return _Minima(
        net=net,
        thetas=[theta if len(theta) else None for theta in kept],
        effort="splitting",
        counts={"evaluations": round(split.evaluations)},
        arrays={"log10 volume": run_logs(split) / LOG10, "mixed": mixed},
        notes=(f"particles stopped mixing on the way to {', '.join(doubtful)}",) if doubtful else (),
    )


def _sgd(cell: _Cell, context: _Context, task: Task, asked: list[Fits]) -> _Minima:
    """LeNet from the cube, as the authors' configuration has it, 30 epochs of batches of two (one for two images)."""
    scale = context.scale_settings
    assert scale.lenet_lr is not None
    assert scale.sgd is not None
    sgd = SGDConfig(lr=scale.lenet_lr, epochs=30, batch_size=min(len(task.train) // 2, 2))
    net = lenet_for(task, width=cell.settings.width)
    return _train(cell, context, task, asked, net=net, sgd=sgd, start=_CUBE, training=scale.sgd)


def _linear(cell: _Cell, context: _Context, task: Task, asked: list[Fits]) -> _Minima:
    training = context.scale_settings.linear
    assert training is not None
    sgd = SGDConfig(lr=0.1, epochs=20, batch_size=min(len(task.train) // 2, 2))
    net = LinearModel(in_features=task.train.x[0].numel())
    return _train(cell, context, task, asked, net=net, sgd=sgd, start=FanOut(), training=training)


def _train(
    cell: _Cell,
    context: _Context,
    task: Task,
    asked: list[Fits],
    *,
    net: nn.Module,
    sgd: SGDConfig,
    start: Cube | FanOut,
    training: BlockTraining,
) -> _Minima:
    scale = context.scale_settings
    found = train_into_bins(
        net,
        task,
        sgd=sgd,
        prior=start,
        accept=asked,
        num_solutions=scale.num_solutions,
        keep=scale.keep,
        members=training.members,
        max_members=training.member_images // len(task.train),
        seed=context.key("training", cell.name),
        device=context.device,
        callback=context.callback,
    )
    return _minima(found, tries=found.trained, unit="members", counts={"nonfinite members": found.nonfinite})


def _minima(found: Found | TrainedBins, *, tries: int, unit: str, counts: Mapping[str, int]) -> _Minima:
    hits = {f"hits {bin_.fits}": bin_.hits for bin_ in found.bins}
    return _Minima(
        net=found.net,
        thetas=[found.population(which).theta if bin_.hits else None for which, bin_ in enumerate(found.bins)],
        effort=f"budget of {tries:,} {unit}",
        counts={unit: tries} | hits | dict(counts),
    )


_SEARCHES: Mapping[Method, Callable[[_Cell, _Context, Task, list[Fits]], _Minima]] = {
    "gc": _guess,
    "sgd": _sgd,
    "linear": _linear,
    "splitting": _split,
}


def lenet_for(task: Task, *, width: float = 0.5) -> LeNet:
    """The paper's LeNet, by default half as wide as the usual one, for the images of a task."""
    channels, height, breadth = task.train.x.shape[1:]
    return LeNet(width=width, in_shape=(channels, height, breadth), num_classes=task.num_classes)


def _test_accuracies(found: _Minima, task: Task) -> list[float | None]:
    """Mean over the minima kept in each bin, None where there are none; all in one population, which is much faster."""
    minima = [theta for theta in found.thetas if theta is not None]
    if not minima:
        return [None] * len(found.thetas)
    accuracies = Population(found.net, torch.cat(minima)).accuracy(task.test.x, task.test.y).double()
    means = iter([float(part.mean()) for part in accuracies.split([len(theta) for theta in minima])])
    return [None if theta is None else next(means) for theta in found.thetas]
