"""Figure 7: the loss along random directions from a minimum, and how much the width of its basin varies over them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
import torch
from torch import Tensor

from goodminima.experiments.callbacks import named
from goodminima.experiments.experiment import Cell, Claim, Context, Experiment, Outcome, Scale
from goodminima.experiments.huang2020.cells import MinimumCell
from goodminima.experiments.huang2020.images import (
    BAD,
    CUTOFF,
    GOOD,
    MINIMA,
    AbstractImageScale,
    basin_around,
    loss_at,
    minimum,
    probe_of,
    remembered_of,
    task_of,
)
from goodminima.experiments.settings import Count
from goodminima.landscape import line, random_directions
from goodminima.train import Fit

SPAN = 0.25  # of the lines, in filter norms


@final
@dataclass(frozen=True, kw_only=True)
class RaysScale(AbstractImageScale):
    """What a scale sets.

    Args:
        minima: How they are found.
        rays: From each minimum.
        lines: Along which losses are shown.
        points: Of each line.
    """

    rays: Count
    lines: Count
    points: Count


def run_rays(cell: Cell[MinimumCell], context: Context[RaysScale]) -> Outcome:
    """One minimum's radii along random directions, and losses along some of them; of the bad one also beside the good one."""
    found, radii = _radii_of(context, cell.settings.beta)
    values: dict[str, float | None] = {"train accuracy": found.last.train_accuracy}
    values |= {"test accuracy": found.last.test_accuracy}
    values |= dict.fromkeys(cell.measures[2:])
    if len(radii):
        values |= {
            "mean radius": float(radii.mean()),
            "shortest": float(radii.min()),
            "longest": float(radii.max()),
            "spread": float(radii.std(ddof=1) / radii.mean()),
        }
    if cell.settings.beta == BAD:
        _, of_good = _radii_of(context, GOOD)
        there = len(radii) and len(of_good)
        values["longest bad / shortest good"] = float(radii.max() / of_good.min()) if there else None
    missing = any(value is None for value in values.values())
    return Outcome(
        values=values,
        arrays={"radii": radii, **_lines_of(context, found)},
        note=f"the loss at a minimum is not below {CUTOFF:g}: no basin there" if missing else "",
    )


def _radii_of(context: Context[RaysScale], beta: float) -> tuple[Fit, np.ndarray]:
    """The minimum, and where each ray from it first crosses the cutoff; none where the minimum itself lies above."""
    task, rays = task_of(context), context.scale_settings.rays
    found, probe, seed = minimum(context, task, beta), probe_of(task, context), context.key("rays")

    def make() -> Mapping[str, Tensor]:
        if not loss_at(found.net, probe) < CUTOFF:
            return {"radii": torch.empty(0)}
        basin = basin_around(context, found.net, probe, cutoffs=[CUTOFF], rays=rays, seed=seed)
        return {"radii": torch.from_numpy(basin.radii[0])}

    measured = remembered_of(context, f"radii-{beta:g}", found, make, rays, len(probe), seed)
    return found, measured["radii"].numpy()


def _lines_of(context: Context[RaysScale], found: Fit) -> Mapping[str, np.ndarray]:
    """Losses along a few more random directions, filter-normalised, both ways."""
    scale, probe = context.scale_settings, probe_of(task_of(context), context)
    net, callback = found.net.to(context.device), named(context, "points of a line")
    directions = random_directions(net, num_directions=scale.lines, seed=context.key("lines"))
    cuts = [
        line(net, probe, direction=direction, span=(-SPAN, SPAN), steps=scale.points, callback=callback)
        for direction in directions
    ]
    return {"along": cuts[0].x, "losses": np.stack([cut.loss for cut in cuts])}


_MEASURES = ("train accuracy", "test accuracy", "mean radius", "shortest", "longest", "spread")
_SMALL = Claim("the width varies little over directions: standard deviation over mean of the radii", below=0.25)


def _cell(name: Literal["good", "bad"], beta: float, **claims: Claim) -> Cell[MinimumCell]:
    fits = Claim("training accuracy is 100 %", above=0.9999)
    return Cell(
        name=name,
        settings=MinimumCell(minimum=name, beta=beta),
        measures=(*_MEASURES, *claims),
        claims={"train accuracy": fits, "spread": _SMALL, **claims},
    )


_APART = Claim(
    "directions matter less than minima: the longest ray of the bad one over the shortest of the good", below=1.0
)
FIGURE7 = Experiment(
    name="huang2020/figure7",
    title="The loss of a residual net along random directions, and the basin below the cutoff",
    claim="A minimum is about as wide in one random direction as in another, so that a slice shows its width reliably.",
    source="Huang et al. 2020, Figure 7 and footnote 3",
    data="digits",
    percent=False,
    cells=(_cell("good", GOOD), _cell("bad", BAD, **{"longest bad / shortest good": _APART})),
    scales={
        "smoke": Scale(replicates=1, settings=RaysScale(minima=MINIMA["smoke"], rays=6, lines=3, points=9)),
        "laptop": Scale(replicates=1, settings=RaysScale(minima=MINIMA["laptop"], rays=40, lines=8, points=41)),
        "paper": Scale(replicates=1, settings=RaysScale(minima=MINIMA["paper"], rays=3000, lines=50, points=101)),
    },
    run_cell=run_rays,
    row_labels=("minimum",),
    picture="image_rays",
    remarks=(
        "The minima are those of Figure 4. Radii: the distance at which the mean cross entropy of some training images first "
        "exceeds 0.1, BatchNorm with the running statistics of training; a radius of 1 changes each filter by its own norm.",
    ),
)
