"""Figure 5, images: minima of a residual net that generalise worse lie in basins smaller by thousands of decades."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import final

import numpy as np
import torch
from torch import Tensor

from goodminima.experiments.experiment import Cell, Claim, Context, Experiment, Outcome, Scale
from goodminima.experiments.huang2020.basins import STATISTICS, statistics_below
from goodminima.experiments.huang2020.cells import BetaCell
from goodminima.experiments.huang2020.figure5 import spearman_over_runs
from goodminima.experiments.huang2020.images import (
    BAD,
    CUTOFF,
    GOOD,
    MINIMA,
    AbstractImageScale,
    Images,
    ThinNet,
    basin_around,
    loss_at,
    minimum,
    probe_of,
    remembered_of,
    task_of,
)
from goodminima.experiments.settings import Count, NonNegative
from goodminima.train import Fit

BETAS = (GOOD, 0.1, 0.25, BAD)
CUTOFFS = (CUTOFF, 0.5, 1.0)


@final
@dataclass(frozen=True, kw_only=True)
class ImageBasinScale(AbstractImageScale):
    """What a scale sets.

    Args:
        minima: How they are found.
        rays: From each minimum.
        runs: How many the last cell of one replicate goes over.
        betas: Of the minima of a run, from the least up.
    """

    rays: Count
    runs: Count
    betas: tuple[NonNegative, ...]


def run_image_basins(cell: Cell[BetaCell], context: Context[ImageBasinScale]) -> Outcome:
    """One beta's basin; or, in the last cell, what all runs of all betas say together."""
    beta = cell.settings.beta
    if beta == "all":
        return _over_runs(context)
    found, statistics = _basin_of(context, beta)
    values = _accuracies(found) | {name: _or_none(statistics[name][0]) for name in cell.measures[2:]}
    missing = [
        str(cutoff) for cutoff, radius in zip(CUTOFFS, statistics["mean radius"], strict=True) if np.isnan(radius)
    ]
    note = f"the loss at the minimum is not below {', '.join(missing)}: no basin there" if missing else ""
    return Outcome(values=values, arrays=dict(statistics), note=note)


def _basin_of(context: Context[ImageBasinScale], beta: float) -> tuple[Fit, Mapping[str, np.ndarray]]:
    """The minimum, and each statistic of its basin at each of `CUTOFFS`."""
    task, rays = task_of(context), context.scale_settings.rays
    found, probe, seed = minimum(context, task, beta), probe_of(task, context), context.key("rays")

    def make() -> Mapping[str, Tensor]:
        found_below = statistics_below(
            lambda cutoffs: basin_around(context, found.net, probe, cutoffs=cutoffs, rays=rays, seed=seed),
            loss=loss_at(found.net, probe),
            cutoffs=CUTOFFS,
        )
        return {"values": torch.from_numpy(found_below)}

    measured = remembered_of(context, f"image-basin-{beta:g}", found, make, rays, CUTOFFS, len(probe), seed)
    return found, dict(zip(STATISTICS, measured["values"].numpy(), strict=True))


def _over_runs(context: Context[ImageBasinScale]) -> Outcome:
    """The rank correlation over all runs, and by how many decades the good basin is larger, at least and on average."""
    betas, runs = context.scale_settings.betas, context.scale_settings.runs
    accuracy, volume = np.empty((2, runs, len(betas)))
    for run in reversed(range(runs)):  # other workers come from the first on: nobody waits for what another makes
        of_run = replace(context, replicate=runs * context.replicate + run)
        for number, beta in enumerate(betas):
            found, statistics = _basin_of(of_run, beta)
            accuracy[run, number] = found.last.test_accuracy
            volume[run, number] = statistics["log10 V"][0]
    decades = volume[:, 0] - volume[:, -1]
    there = decades[~np.isnan(decades)]
    values: dict[str, float | None] = dict.fromkeys(_TOGETHER)
    errors: dict[str, float] = {}
    if len(there):
        values |= {"decades, least": float(there.min()), "decades, mean": float(there.mean())}
    if np.isfinite(volume).all():
        correlation, error, *_ = spearman_over_runs(accuracy, volume, seed=context.key("bootstrap"))
        values["rank correlation"], errors["rank correlation"] = correlation, error
    missing = int(np.isnan(volume).sum())
    note = f"{missing} of {volume.size} minima lie above the cutoff" if missing else ""
    return Outcome(values=values, errors=errors, note=note)


def _accuracies(found: Fit) -> dict[str, float | None]:
    return {"train accuracy": found.last.train_accuracy, "test accuracy": found.last.test_accuracy}


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


_MEASURES = (
    "train accuracy", "test accuracy", "mean radius", "smallest radius", "largest radius", "log10 V",
    "log10 V, geometric mean", "effective rays",
)  # fmt: skip
_TOGETHER = ("rank correlation", "decades, least", "decades, mean")


def _cell(beta: float) -> Cell[BetaCell]:
    fits = Claim("training accuracy is above 99.5 %", above=0.995)
    return Cell(
        name=f"beta={beta:g}", settings=BetaCell(beta=beta), measures=_MEASURES, claims={"train accuracy": fits}
    )


def _all_runs() -> Cell[BetaCell]:
    claims = {
        "rank correlation": Claim("test accuracy and log10 V: severe rank correlation", above=0.8),
        "decades, least": Claim("good basins are larger by at least 10,000 orders of magnitude", above=10_000),
    }
    return Cell(name="all", settings=BetaCell(beta="all"), measures=_TOGETHER, claims=claims)


_SMALLER = replace(
    MINIMA["laptop"],
    images=Images(num_train=500, num_extra=15_000, num_test=2000),
    net=ThinNet(blocks=1, width=8),
    epochs=120,
)
FIGURE5_SVHN = Experiment(
    name="huang2020/figure5_svhn",
    title="Generalisation, sharpness and volume of a residual net on images",
    claim="The worse a minimum generalises, the shorter the rays from it, and the smaller its basin, by thousands of decades.",
    source="Huang et al. 2020, Figure 5, SVHN, and section 5",
    data="digits",
    percent=False,
    cells=(*(_cell(beta) for beta in BETAS), _all_runs()),
    scales={
        "smoke": Scale(
            replicates=1,
            settings=ImageBasinScale(minima=MINIMA["smoke"], rays=6, runs=2, betas=(GOOD, BAD)),
            cells=("beta=0", "beta=0.5", "all"),
        ),
        "laptop": Scale(
            replicates=4,
            settings=ImageBasinScale(minima=_SMALLER, rays=20, runs=4, betas=(GOOD, 0.1, BAD)),
            cells=("beta=0", "beta=0.1", "beta=0.5", "all"),
            replicates_of={"all": 1},
        ),
        "paper": Scale(
            replicates=4,
            settings=ImageBasinScale(minima=MINIMA["paper"], rays=3000, runs=4, betas=BETAS),
            replicates_of={"all": 1},
        ),
    },
    run_cell=run_image_basins,
    row_labels=("beta",),
    picture="image_basins",
    remarks=(
        "Rows: the basin below 0.1, of the mean cross entropy of 256 training images, BatchNorm with the running statistics of "
        "training. A radius of 1 changes each filter by its own norm. The paper does not print its beta.",
        "laptop: a net of 19,218 parameters (the paper's has 269,722) on 500 images, 20 rays instead of 3,000. log10 V is the "
        "paper's mean over rays; where one ray is effective, the longest of them carries it: a lower bound.",
        "Last row: all runs together; decades: log10 V of beta 0 less that of beta 0.5, from one start.",
    ),
)
