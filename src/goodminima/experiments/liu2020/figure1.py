"""Figure 1: the phenomenon in the plane, four ways to train one small net on two Gaussians."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, final

import numpy as np
from torch import nn

from goodminima.experiments.callbacks import named
from goodminima.experiments.experiment import Cell, Claim, Context, Experiment, Outcome, Scale
from goodminima.experiments.liu2020.per_net import SOURCE
from goodminima.experiments.settings import Settings
from goodminima.experiments.shared_trainings import shared_training
from goodminima.landscape import Regions, boundary_distances, decision_regions, parameters_of
from goodminima.nets import MLP
from goodminima.population import Population, TorchDefault
from goodminima.tasks.corrupt import with_random_labels
from goodminima.tasks.gaussians import largest_margin, two_gaussians, with_noisy_copies
from goodminima.tasks.task import Examples, Task
from goodminima.train import Fit, MultiStep, OptimizerConfig, Recipe, fit, fitted

EXTENT = (-6.5, 6.5, -3.75, 3.75)  # of the picture: the centres at -3 and 3, and all around them
_GRID, _COARSE = (521, 301), (131, 76)  # points 0.025 apart, and 0.1
_STRAIGHT = EXTENT[3] - EXTENT[2]  # length of the best boundary, the line x = 0
_COPIES, _NOISE = 2, 0.5  # of each training point, and the standard deviation of what is added to them
_WEIGHT_DECAY = 1e-2
_FULL_BATCH = 1000

# As the step falls, gradient descent may stop at 98 or 99 of 100 points. It gets on when it begins with a large step again;
# with half of the first one, since the first has killed all ReLUs of a net that was nearly there. Clipping does as much.
_MOST_ROUNDS = 10
_RANDOM_LABELS = Recipe(
    epochs=8000,
    batch_size=_FULL_BATCH,
    optimizer=OptimizerConfig(lr=0.1, options={"momentum": 0.9}),
    schedule=MultiStep(at=tuple(part / 20 for part in range(1, 20)), factor=0.91),
    clip=2.0,
)
_AGAIN = replace(_RANDOM_LABELS, optimizer=replace(_RANDOM_LABELS.optimizer, lr=0.05))
_TRUE_LABELS = Recipe(epochs=2000, batch_size=_FULL_BATCH, optimizer=OptimizerConfig(lr=0.1))

LENGTH, MARGIN, SHARE, REGIONS, FITS = (
    "length / straight line", "margin", "margin / largest", "regions", "train accuracy",
)  # fmt: skip
LONGER, NEARER = "length / random start's", "margin / random start's"


@final
@dataclass(frozen=True, kw_only=True)
class ToyCell(Settings):
    """What a row sets.

    Args:
        setting: As the row is labelled.
        start: PyTorch's initialisation, or the net that has learned random labels.
        labels: What the net is fitted to.
        regularised: Whether augmentation and l2 help.
    """

    setting: str
    start: Literal["random", "adversarial"]
    labels: Literal["true", "random"]
    regularised: bool


def run_setting(cell: Cell[ToyCell], context: Context) -> Outcome:
    """One net, trained in one of the four ways; its boundary is measured, and kept for the picture."""
    task, start = two_gaussians(seed=context.key("points")), start_of(context)
    net, fitted_to = _trained(cell, context, task, start)
    member = Population(net, parameters_of(net)[None])
    regions = decision_regions(member, extent=EXTENT, steps=_GRID)
    values = _measured(member, regions, fitted_to.train)
    if LONGER in cell.measures:
        plain = _of_true_labels(context, task, start, regularised=False)
        other = Population(plain, parameters_of(plain)[None])
        theirs = _measured(other, decision_regions(other, extent=EXTENT, steps=_GRID), task.train)
        values |= {LONGER: values[LENGTH] / theirs[LENGTH], NEARER: values[MARGIN] / theirs[MARGIN]}
    x, y, right = fitted_to.train.x, fitted_to.train.y, round(values[FITS] * len(fitted_to.train))
    return Outcome(
        values=values,
        arrays={"lead": regions.signed_lead()[0], "x": x.numpy(), "y": y.numpy()},
        note="" if right == len(x) else f"fits {right} of {len(x)} points",
    )


def _measured(member: Population, regions: Regions, points: Examples) -> dict[str, float]:
    margin = float(boundary_distances(member, points.x, extent=EXTENT, steps=_COARSE).min())
    return {
        LENGTH: float(regions.boundary_lengths()[0]) / _STRAIGHT,
        MARGIN: margin,
        SHARE: margin / largest_margin(points),
        REGIONS: float(regions.num_regions()[0]),
        FITS: float(member.accuracy(points.x, points.y)),
    }


def start_of(context: Context) -> nn.Module:
    """The net at PyTorch's initialisation: a function of the replicate."""
    net = MLP(in_features=2, hidden=(100, 100), hidden_bias=True)
    draw = TorchDefault().draw(net, seed=context.key("start"), indices=np.zeros(1, dtype=np.uint64))
    return Population(net, draw).member(0)


def _trained(cell: Cell[ToyCell], context: Context, task: Task, start: nn.Module) -> tuple[nn.Module, Task]:
    """The net, and the task whose training points it was to fit."""
    if cell.settings.start == "random":
        return _of_true_labels(context, task, start, regularised=False), task
    labels = with_random_labels(task.train, num_classes=2, seed=context.key("labels"))
    shuffled = replace(task, train=labels)
    memorised = fit_random_labels(start, shuffled, context)
    if cell.settings.labels == "random":
        return memorised, shuffled
    return _of_true_labels(context, task, memorised, regularised=cell.settings.regularised), task


def fit_random_labels(start: nn.Module, task: Task, context: Context) -> nn.Module:
    """The net that fits random labels: gradient descent whose step falls and begins anew, until all points are right."""
    net = start
    for number in range(_MOST_ROUNDS):
        recipe = _AGAIN if number else _RANDOM_LABELS
        found = shared_training(context, f"toy-random-labels-{number}", partial(_memorised, net, task, context, recipe))
        net = found.net
        if fitted(found.last):
            break
    return net


def _memorised(start: nn.Module, task: Task, context: Context, recipe: Recipe, keep: Path | None) -> Fit:
    return fit(
        start,
        task,
        recipe=recipe,
        seed=context.key("order"),
        evaluate_every=10,
        evaluate=False,
        stop_when=fitted,
        checkpoint=keep,
        checkpoint_every=1000,
        callback=named(context, "examples of random labels"),
    )


def _of_true_labels(context: Context, task: Task, start: nn.Module, *, regularised: bool) -> nn.Module:
    recipe = _TRUE_LABELS
    if regularised:
        copies = with_noisy_copies(task.train, copies=_COPIES, std=_NOISE, seed=context.key("noise"))
        task, recipe = replace(task, train=copies), replace(recipe, weight_decay=_WEIGHT_DECAY)
    callback = named(context, "examples of true labels")
    return fit(
        start, task, recipe=recipe, seed=context.key("order"), evaluate_every=0, evaluate=False, callback=callback
    ).net


def _cell(name: str, settings: ToyCell, claims: dict[str, Claim]) -> Cell[ToyCell]:
    fits = {FITS: Claim(f"{settings.setting}: all training points are right", above=0.9999)}
    own = (LENGTH, MARGIN, SHARE, REGIONS, FITS)
    measures = (*own, *[measure for measure in claims if measure not in own])
    return Cell(name=name, settings=settings, measures=measures, claims=fits | claims)


FIGURE1 = Experiment(
    name="liu2020/figure1",
    title="Four boundaries between two Gaussians",
    claim="Trained on true labels, a net draws a straight line; if it knew random labels first it stays crooked and near the "
    "points, unless augmentation and l2 help it.",
    source=f"{SOURCE}, Figure 1",
    cells=(
        _cell(
            "random",
            ToyCell(setting="random start, true labels", start="random", labels="true", regularised=False),
            claims={
                LENGTH: Claim("near the straight line: length of the boundary over its", below=1.5),
                SHARE: Claim("near the maximum margin: share of the largest possible", above=0.5),
            },
        ),
        _cell(
            "random-labels",
            ToyCell(setting="random start, random labels", start="adversarial", labels="random", regularised=False),
            claims={
                LENGTH: Claim("extremely complex: length of the boundary over the straight one's", above=4.0),
                MARGIN: Claim("minuscule margin, in standard deviations of a class", below=0.05),
            },
        ),
        _cell(
            "adversarial",
            ToyCell(setting="random labels, then true labels", start="adversarial", labels="true", regularised=False),
            claims={
                LONGER: Claim("unnaturally complex: length of the boundary over that from the random start", above=1.0),
                NEARER: Claim("small margin: over that from the random start", below=1.0),
            },
        ),
        _cell(
            "adversarial-regularised",
            ToyCell(
                setting="random labels, then true labels with augmentation and l2",
                start="adversarial",
                labels="true",
                regularised=True,
            ),
            claims={
                LENGTH: Claim("straight again: length of the boundary over the straight one's", below=1.5),
                SHARE: Claim("maximum margin again: share of the largest possible", above=0.5),
            },
        ),
    ),
    scales={name: Scale(replicates=count) for name, count in (("smoke", 1), ("laptop", 20), ("paper", 20))},
    run_cell=run_setting,
    percent=False,
    row_labels=("setting",),
    picture="toy_boundaries",
    remarks=(
        "Two Gaussians six standard deviations apart, 50 points each; a 2-100-100-2 net; full-batch gradient descent.",
        "The largest possible margin is half of the least distance between points of different classes.",
    ),
)
