"""Experiments that take no time, importable by worker processes under their own names."""

import math
import os
import time
from dataclasses import dataclass

import numpy as np
import torch

from goodminima.core.progress import Progress
from goodminima.experiments.experiment import Cell, Context, Experiment, Outcome, Printed, Scale
from goodminima.experiments.settings import Count, NonNegative, Settings

MEASURES = ("low", "high")
FAILS_UNLESS = "GOODMINIMA_TEST_HEALED"  # environment variable: replicate 1 of cell n=2/a of FAILING raises without it


@dataclass(frozen=True, kw_only=True)
class Row(Settings):
    """What a row sets."""

    samples: Count
    method: str


@dataclass(frozen=True, kw_only=True)
class Pause(Settings):
    """What a scale sets: seconds that a replicate takes."""

    pause: NonNegative


def run_cell(cell: Cell[Row], context: Context[Pause]) -> Outcome:
    """Draws two numbers; `pause` seconds in ten steps; finds no `high` in every third replicate."""
    for step in range(10):
        time.sleep(context.scale_settings.pause / 10)
        context.callback(
            Progress(done=step + 1, total=10, unit="solutions", effort=100.0 * (step + 1), effort_unit="guesses")
        )
    generator = np.random.default_rng(context.key("toy", cell.name))
    low, high = generator.uniform(0.5, 0.6), generator.uniform(0.8, 0.9)
    missed = context.replicate % 3 == 2
    return Outcome(
        values={"low": low, "high": None if missed else high},
        counts={"guesses": 1000},
        arrays={"curve": generator.normal(size=(2, 3)).astype(np.float32)},
        note="budget of 1,000 guesses ended" if missed else "",
    )


def run_cell_failing(cell: Cell[Row], context: Context[Pause]) -> Outcome:
    """As `run_cell`, but replicate 1 of one cell raises."""
    if cell.name == "n=2/a" and context.replicate == 1 and not os.environ.get(FAILS_UNLESS):
        raise RuntimeError("the toy\nbroke")
    return run_cell(cell, context)


def run_cell_dying(cell: Cell[Row], context: Context[Pause]) -> Outcome:
    """As `run_cell`, but one replicate takes its whole process down."""
    if cell.name == "n=2/a" and context.replicate == 1:
        os._exit(7)
    return run_cell(cell, context)


def run_cell_threads(cell: Cell[Row], context: Context[Pause]) -> Outcome:
    """Tells on how many threads it runs."""
    return Outcome(values={"low": float(torch.get_num_threads())})


def run_cell_odd(cell: Cell[Row], context: Context[Pause]) -> Outcome:
    """Returns what is not finite, or what its cell does not declare."""
    return Outcome(values={"low": math.nan, "high": 0.5} if cell.name == "n=2/a" else {"middle": 0.5}, note="odd")


def make(name: str, function=run_cell, **changes) -> Experiment:
    """A toy table of three rows and two columns."""
    cells = tuple(
        Cell(
            name=f"n={n}/{method}",
            settings=Row(samples=n, method=method),
            measures=MEASURES,
            printed={"low": Printed(0.55, 0.01)} if method == "a" else {},
        )
        for n, method in ((2, "a"), (2, "b"), (4, "a"))
    )
    standard = {
        "title": "A toy table",
        "claim": "Toys are quick.",
        "source": "Nobody (2000), Table 0",
        "scales": {
            "smoke": Scale(replicates=3, settings=Pause(pause=0.0)),
            "laptop": Scale(replicates=4, settings=Pause(pause=0.1)),
            "paper": Scale(replicates=100, settings=Pause(pause=0.1), cells=("n=2/a",)),
        },
        "row_labels": ("samples", "method"),
        "remarks": ("The paper used real data.",),
    }
    return Experiment(name=f"toy_experiment:{name}", cells=cells, run_cell=function, **(standard | changes))


TOY = make("TOY")
FAILING = make("FAILING", run_cell_failing)
DYING = make("DYING", run_cell_dying)
THREADS = make("THREADS", run_cell_threads)
ODD = make("ODD", run_cell_odd)
WITH_DATA = make("WITH_DATA", data="digits")
