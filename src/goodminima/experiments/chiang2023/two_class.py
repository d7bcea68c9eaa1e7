"""One replicate of the two-class tables: random classes, random images, then minima in every loss bin by one method.

The task of replicate r is the same for every method and, image by image, part of the task with more images, so that rows
can be compared with less noise than their standard errors say.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from goodminima.core.progress import Progress
from goodminima.core.status import Status
from goodminima.experiments.experiment import Cell, Context, Outcome
from goodminima.experiments.volume_estimates import LOG10, run_logs, split_told
from goodminima.nets import LeNet, LinearModel
from goodminima.population import Cube, FanOut, Population
from goodminima.search import Fits, Found, guess_and_check
from goodminima.tasks import Task, few_shot, load_images
from goodminima.train import SGDConfig, TrainedBins, train_into_bins

METHODS = {
    "gc": ("LeNet", "G&C"),
    "sgd": ("LeNet", "SGD"),
    "linear": ("Linear", "SGD"),
    "splitting": ("LeNet", "splitting"),
}
LABELS = ("samples", "net", "optimizer")
_WIDTH = 0.5  # of LeNet, where a cell says nothing of it


def two_class_cell(
    num_samples: int, method: str, accept: tuple[Fits, ...], printed: Mapping, *, name: str = "", **more: Any
) -> Cell:
    """The cell of one row: `n=4/gc`, say.

    Args:
        num_samples: Training images.
        method: One of `METHODS`.
        accept: The loss bins, neighbours from the lowest up: the row's measures.
        printed: The paper's values by bin.
        name: Name of the cell, `n=<samples>/<method>` unless given.
        more: Further settings: `width` of LeNet, 0.5 unless given; `prior` that guesses are drawn from, the unit cube unless
            given; labels of the row.
    """
    net, optimizer = METHODS[method]
    settings = {"samples": num_samples, "net": net, "optimizer": optimizer, "method": method} | more
    settings["edges"] = (accept[0].loss_above, *(fits.loss_below for fits in accept))
    name = name or f"n={num_samples}/{method}"
    return Cell(name=name, settings=settings, measures=tuple(map(str, accept)), printed=printed)


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


def run_two_class(cell: Cell, context: Context) -> Outcome:
    """Mean test accuracy of the minima found in each asked bin.

    Settings read from the scale: `keep` minima averaged per bin and replicate; `wanted` in each bin before the search
    stops; `budget` of guesses, for all rows or by `sampling`; by method of training, `members` of a block and
    `member_images`, the most members times their training images; `lowest_loss` by method and sample count, below which no
    bin is asked for; `lenet_lr`; `splitting`, arguments of `split_volume`.
    """
    settings = context.scale_settings
    task = image_task(context, num_samples=cell.settings["samples"])
    lowest = settings.get("lowest_loss", {}).get(cell.settings["method"], {}).get(cell.settings["samples"], -math.inf)
    edges = cell.settings["edges"]
    asked = [Fits(low, high) for low, high in pairwise(edges) if low >= lowest]
    found = _SEARCHES[cell.settings["method"]](cell, context, task, asked)
    values = dict(zip(map(str, asked), _test_accuracies(found, task), strict=True))
    empty = [str(fits) for fits, theta in zip(asked, found.thetas, strict=True) if theta is None]
    notes = [f"{found.effort} ended with none in {', '.join(empty)}"] if empty else []
    return Outcome(values=values, counts=found.counts, arrays=found.arrays, note="; ".join([*notes, *found.notes]))


def image_task(context: Context, *, num_samples: int) -> Task:
    """Replicate's two random classes with `num_samples` random images, the same for every method and experiment."""
    assert context.data is not None
    images = load_images(context.data)
    return few_shot(images, num_samples=num_samples, num_classes=2, seed=context.key("task")).to(context.device)


def _guess(cell: Cell, context: Context, task: Task, asked: list[Fits]) -> _Minima:
    settings = context.scale_settings
    found = guess_and_check(
        lenet_for(task, width=cell.settings.get("width", _WIDTH)),
        task,
        prior=cell.settings.get("prior", Cube(1.0)),
        accept=asked,
        num_solutions=settings["wanted"],
        keep=settings["keep"],
        budget=settings["budget"]
        if isinstance(settings["budget"], int)
        else settings["budget"][cell.settings["sampling"]],
        seed=context.key("guesses", cell.name),
        device=context.device,
        callback=_callback(context, wanted=settings["wanted"], unit="guesses"),
    )
    return _minima(found, tries=found.guesses, unit="guesses", counts={})


def _split(cell: Cell, context: Context, task: Task, asked: list[Fits]) -> _Minima:
    """Uniform draws from each bin by splitting; `keep` of each run, which are copies of one another least of all."""
    net = lenet_for(task, width=cell.settings.get("width", _WIDTH))
    split = split_told(
        net,
        task,
        context,
        prior=cell.settings.get("prior"),
        accept=asked,
        seed=context.key("splitting", cell.name),
        settings=context.scale_settings["splitting"],
    )
    keep = context.scale_settings["keep"]
    kept = [torch.cat([run.theta[which][:keep] for run in split.runs]) for which in range(len(asked))]
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


def _sgd(cell: Cell, context: Context, task: Task, asked: list[Fits]) -> _Minima:
    """LeNet from the cube, as the authors' configuration has it, 30 epochs of batches of two (one for two images)."""
    lr = context.scale_settings["lenet_lr"]
    sgd = SGDConfig(lr=lr, epochs=30, batch_size=min(len(task.train) // 2, 2))
    return _train(cell, context, task, asked, net=lenet_for(task), sgd=sgd, start=Cube(1.0))


def _linear(cell: Cell, context: Context, task: Task, asked: list[Fits]) -> _Minima:
    sgd = SGDConfig(lr=0.1, epochs=20, batch_size=min(len(task.train) // 2, 2))
    net = LinearModel(in_features=task.train.x[0].numel())
    return _train(cell, context, task, asked, net=net, sgd=sgd, start=FanOut())


def _train(
    cell: Cell, context: Context, task: Task, asked: list[Fits], *, net: nn.Module, sgd: SGDConfig, start: Cube | FanOut
) -> _Minima:
    settings = context.scale_settings
    found = train_into_bins(
        net,
        task,
        sgd=sgd,
        prior=start,
        accept=asked,
        num_solutions=settings["wanted"],
        keep=settings["keep"],
        members=settings["members"][cell.settings["method"]],
        max_members=settings["member_images"][cell.settings["method"]] // len(task.train),
        seed=context.key("training", cell.name),
        device=context.device,
        callback=_callback(context, wanted=settings["wanted"], unit="members"),
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


_SEARCHES: Mapping[str, Callable[[Cell, Context, Task, list[Fits]], _Minima]] = {
    "gc": _guess,
    "sgd": _sgd,
    "linear": _linear,
    "splitting": _split,
}


def lenet_for(task: Task, *, width: float = _WIDTH) -> LeNet:
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


def _callback(context: Context, *, wanted: int, unit: str) -> Callable[[int, tuple[int, ...]], None]:
    def callback(effort: int, hits: tuple[int, ...]) -> None:
        done = sum(min(count, wanted) for count in hits)
        context.callback(Progress(done=done, total=wanted * len(hits), effort=effort, effort_unit=unit))

    return callback
