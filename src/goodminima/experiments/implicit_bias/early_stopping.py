"""Early stopping: it helps where labels are wrong; where they are right the test error goes on falling."""

from dataclasses import dataclass
from typing import final

import numpy as np

from goodminima.experiments.callbacks import as_part
from goodminima.experiments.experiment import Cell, Claim, Context, Experiment, Outcome, Scale
from goodminima.experiments.settings import Count, Probability, Settings
from goodminima.theory.convex import max_margin
from goodminima.theory.early_stopping import loud_nuisance
from goodminima.theory.logistic import gradient_descent, log_loss, smoothness
from goodminima.theory.loops import log_spaced

_RUNS = 10
_SHOWN = ("error at the stop", "error when fitted", "error at the end", "error of the limit")


@final
@dataclass(frozen=True, kw_only=True)
class LabelsCell(Settings):
    """What a cell sets.

    Args:
        flipped: Share of the labels that are wrong.
        n: Training examples.
        n_validation: Examples that decide when to stop, with as many wrong labels.
    """

    flipped: Probability
    n: Count
    n_validation: Count


@final
@dataclass(frozen=True, kw_only=True)
class PathScale(Settings):
    """What a scale sets.

    Args:
        steps: Of gradient descent.
    """

    steps: Count


def _run(cell: Cell[LabelsCell], context: Context[PathScale]) -> Outcome:
    """Ten data sets with a teacher of their own: errors at four points of each path, and how they compare."""
    settings, steps = cell.settings, context.scale_settings.steps
    times = log_spaced(steps, per_decade=40)
    train, test, stops, fits, limits = [], [], [], [], []
    for run in range(_RUNS):
        population = loud_nuisance(context.key("teacher", run))
        z = population.draw(context.key("train", run), n=settings.n, flipped=settings.flipped)
        held_out = population.draw(context.key("validation", run), n=settings.n_validation, flipped=settings.flipped)
        told = as_part(context, total=_RUNS * steps, before=run * steps)
        path = gradient_descent(z, step=1 / smoothness(z), times=times, callback=told)
        train.append(((path @ z.T) <= 0).mean(axis=1))
        test.append(population.error(path))
        stops.append(int(log_loss(held_out, path).argmin()))
        fits.append(_from_when_on_zero(train[-1]))
        limits.append(float(population.error(max_margin(z).direction)))
    errors = np.array(test)
    at_stop, at_fit, at_end = (errors[np.arange(_RUNS), at] for at in (stops, fits, [-1] * _RUNS))
    counts = {
        "stop beats end": at_stop < at_end,
        "stop beats limit": at_stop < np.array(limits),
        "rises once fitted": at_end > at_fit,
        "falls once fitted": at_end < at_fit,
        "limit beats fitted": np.array(limits) < at_fit,
    }
    values = {name: float(count.sum()) for name, count in counts.items()}
    values |= {name: float(np.mean(at)) for name, at in zip(_SHOWN, (at_stop, at_fit, at_end, limits), strict=True)}
    arrays = {"times": times.astype(float), "train": np.array(train), "test": errors, "limits": np.array(limits)}
    arrays |= {"stops": times[stops].astype(float), "fits": times[fits].astype(float)}
    never = sum(error[-1] > 0 for error in train)
    note = f"{never} of {_RUNS} runs do not fit within {steps} steps: the end counts as fitted" if never else ""
    return Outcome(values={name: values[name] for name in cell.measures}, arrays=arrays, note=note)


def _from_when_on_zero(error: np.ndarray) -> int:
    """The first place from which on the error is 0; the last place if there is none."""
    wrong = np.flatnonzero(error)
    return 0 if not len(wrong) else min(int(wrong[-1]) + 1, len(error) - 1)


EARLY_STOPPING = Experiment(
    name="implicit_bias/early_stopping",
    title="Early stopping helps where labels are noisy; where they are clean the test error goes on falling",
    claim="Stopping early guards against wrong labels, not against the growing norm: with clean ones the test error falls on.",
    source="Soudry et al. 2018, section 4; programme, section The linear theorem",
    percent=False,
    cells=(
        Cell(
            name="flipped",
            settings=LabelsCell(flipped=0.1, n=100, n_validation=1000),
            measures=("stop beats end", "stop beats limit", "rises once fitted", *_SHOWN),
            claims={
                "stop beats end": Claim(
                    "10 % of labels flipped: runs of 10 with less test error at the least validation loss than at the end",
                    above=8,
                ),
                "stop beats limit": Claim("... than in the limit, the maximum margin", above=8),
                "rises once fitted": Claim(
                    "... with more test error at the end than when the training error became 0", above=8
                ),
            },
        ),
        Cell(
            name="clean",
            settings=LabelsCell(flipped=0.0, n=100, n_validation=1000),
            measures=("falls once fitted", "limit beats fitted", *_SHOWN),
            claims={
                "falls once fitted": Claim(
                    "clean labels: runs of 10 with less test error at the end than when the training error became 0",
                    above=8,
                ),
                "limit beats fitted": Claim("... with less in the limit than then", above=8),
            },
        ),
    ),
    scales={
        "smoke": Scale(replicates=1, settings=PathScale(steps=3000)),
        "laptop": Scale(replicates=3, settings=PathScale(steps=10**4)),
        "paper": Scale(replicates=10, settings=PathScale(steps=10**5)),
    },
    run_cell=_run,
    picture="early_stopping",
    remarks=(
        "The programme has early stopping help because the norm grows. The norm is no part of a classifier's answers: "
        "what early stopping avoids is the fitting of wrong labels. With clean labels on the way to the maximum margin, "
        "the test error falls long after every training example is right.",
        "Both cells have the same inputs and teachers; test errors are exact (closed form), against the true labels.",
    ),
)
