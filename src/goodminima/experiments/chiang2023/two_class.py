"""One replicate of the two-class tables: random classes, random images, then minima in every loss bin by one method.

The task of replicate r is the same for every method and, image by image, part of the task with more images, so that rows
can be compared with less noise than their standard errors say.
"""

import math
from collections.abc import Callable, Mapping
from itertools import pairwise

import torch
from torch import nn

from goodminima.experiments.experiment import Cell, Context, Outcome, Progress
from goodminima.nets import LeNet, LinearModel
from goodminima.population import Cube, FanOut, Population
from goodminima.search import Fits, Found, guess_and_check
from goodminima.tasks import Task, few_shot, load_images
from goodminima.train import SGD, Trained, train_into_bins

METHODS = {"gc": ("LeNet", "G&C"), "sgd": ("LeNet", "SGD"), "linear": ("Linear", "SGD")}
LABELS = ("samples", "net", "optimizer")


def two_class_cell(num_samples: int, method: str, accept: tuple[Fits, ...], printed: Mapping) -> Cell:
    """The cell of one row: `n=4/gc`, say."""
    net, optimizer = METHODS[method]
    settings = {"samples": num_samples, "net": net, "optimizer": optimizer, "method": method}
    settings["edges"] = (accept[0].loss_above, *(fits.loss_below for fits in accept))
    return Cell(name=f"n={num_samples}/{method}", settings=settings, measures=tuple(map(str, accept)), printed=printed)


def run_two_class(cell: Cell, context: Context) -> Outcome:
    """Mean test accuracy of the minima found in each asked bin.

    Settings read from the scale: `keep` minima averaged per bin and replicate; `wanted` in each bin before the search
    stops; `budget` of guesses; by method of training, `members` of a block and `member_images`, the most members times
    their training images; `lowest_loss` by method and sample count, below which no bin is asked for; `lenet_lr`.
    """
    settings = context.scale_settings
    task = image_task(context, num_samples=cell.settings["samples"])
    lowest = settings.get("lowest_loss", {}).get(cell.settings["method"], {}).get(cell.settings["samples"], -math.inf)
    edges = cell.settings["edges"]
    asked = [Fits(low, high) for low, high in pairwise(edges) if low >= lowest]
    found = _SEARCHES[cell.settings["method"]](cell, context, task, asked)
    values = dict(zip(map(str, asked), _test_accuracies(found, task), strict=True))
    tries, unit = (found.guesses, "guesses") if isinstance(found, Found) else (found.trained, "members")
    counts = {unit: tries} | {f"hits {fits}": bin_.hits for fits, bin_ in zip(asked, found.bins, strict=True)}
    if isinstance(found, Trained):
        counts["nonfinite members"] = found.nonfinite
    empty = [str(fits) for fits, bin_ in zip(asked, found.bins, strict=True) if not bin_.hits]
    note = f"budget of {tries:,} {unit} ended with none in {', '.join(empty)}" if empty else ""
    return Outcome(values=values, counts=counts, note=note)


def image_task(context: Context, *, num_samples: int) -> Task:
    """Replicate's two random classes with `num_samples` random images, the same for every method and experiment."""
    assert context.data is not None
    images = load_images(context.data)
    return few_shot(images, num_samples=num_samples, num_classes=2, seed=context.key("task")).to(context.device)


def _guess(cell: Cell, context: Context, task: Task, asked: list[Fits]) -> Found:
    settings, net = context.scale_settings, lenet_for(task)
    return guess_and_check(
        net,
        task,
        prior=Cube(1.0),
        accept=asked,
        wanted=settings["wanted"],
        keep=settings["keep"],
        budget=settings["budget"],
        seed=context.key("guesses", cell.name),
        device=context.device,
        listen=_listener(context, wanted=settings["wanted"], unit="guesses"),
    )


def _sgd(cell: Cell, context: Context, task: Task, asked: list[Fits]) -> Trained:
    """LeNet from the cube, as the authors' configuration has it, 30 epochs of batches of two (one for two images)."""
    lr = context.scale_settings["lenet_lr"]
    sgd = SGD(lr=lr, epochs=30, batch_size=min(len(task.train) // 2, 2))
    return _train(cell, context, task, asked, net=lenet_for(task), sgd=sgd, start=Cube(1.0))


def _linear(cell: Cell, context: Context, task: Task, asked: list[Fits]) -> Trained:
    sgd = SGD(lr=0.1, epochs=20, batch_size=min(len(task.train) // 2, 2))
    net = LinearModel(in_features=task.train.x[0].numel())
    return _train(cell, context, task, asked, net=net, sgd=sgd, start=FanOut())


def _train(
    cell: Cell, context: Context, task: Task, asked: list[Fits], *, net: nn.Module, sgd: SGD, start: Cube | FanOut
) -> Trained:
    settings = context.scale_settings
    return train_into_bins(
        net,
        task,
        sgd=sgd,
        start=start,
        accept=asked,
        wanted=settings["wanted"],
        keep=settings["keep"],
        members=settings["members"][cell.settings["method"]],
        max_members=settings["member_images"][cell.settings["method"]] // len(task.train),
        seed=context.key("training", cell.name),
        device=context.device,
        listen=_listener(context, wanted=settings["wanted"], unit="members"),
    )


_SEARCHES: Mapping[str, Callable[[Cell, Context, Task, list[Fits]], Found | Trained]] = {
    "gc": _guess,
    "sgd": _sgd,
    "linear": _linear,
}


def lenet_for(task: Task) -> LeNet:
    """The paper's LeNet, half as wide as the usual one, for the images of a task."""
    channels, height, width = task.train.x.shape[1:]
    return LeNet(width=0.5, in_shape=(channels, height, width), num_classes=task.num_classes)


def _test_accuracies(found: Found | Trained, task: Task) -> list[float | None]:
    """Mean over the minima kept in each bin, None where there are none; all in one population, which is much faster."""
    minima = [found.population(which).theta for which, bin_ in enumerate(found.bins) if bin_.hits]
    if not minima:
        return [None] * len(found.bins)
    accuracies = Population(found.net, torch.cat(minima)).accuracy(task.test.x, task.test.y).double()
    means = iter([float(part.mean()) for part in accuracies.split([len(theta) for theta in minima])])
    return [next(means) if bin_.hits else None for bin_ in found.bins]


def _listener(context: Context, *, wanted: int, unit: str) -> Callable[[int, tuple[int, ...]], None]:
    def listen(effort: int, hits: tuple[int, ...]) -> None:
        done = sum(min(count, wanted) for count in hits)
        context.report(Progress(done=done, wanted=wanted * len(hits), effort=effort, effort_unit=unit))

    return listen
