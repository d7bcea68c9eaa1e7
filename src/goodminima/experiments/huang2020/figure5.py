"""Figure 5, swiss roll: minima that generalise worse lie in smaller basins. Rays, radii, volumes, and rank correlations."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import final

import numpy as np
import torch
from torch import Tensor

from goodminima.experiments.experiment import Cell, Claim, Context, Experiment, Outcome, Scale
from goodminima.experiments.huang2020.basins import STATISTICS, statistics_below
from goodminima.experiments.huang2020.cells import BetaCell
from goodminima.experiments.huang2020.roll import BETAS, Minima, minima, spearman
from goodminima.experiments.settings import Count, Settings
from goodminima.experiments.shared_trainings import shared_tensors
from goodminima.volume import Basin, basin_volume

CUTOFFS = (0.05, 0.1, 0.2, 0.5, 1.0)
TABLE = CUTOFFS.index(0.1)  # the paper's cutoff, and the table's
_SEVERE = 0.8
_RESAMPLES = 2000


@final
@dataclass(frozen=True, kw_only=True)
class RollBasinScale(Settings):
    """What a scale sets.

    Args:
        steps: Of Adam, to each minimum.
        rays: From each minimum.
        runs: How many the last cell of one replicate goes over.
    """

    steps: Count
    rays: Count
    runs: Count


def run_basins(cell: Cell[BetaCell], context: Context[RollBasinScale]) -> Outcome:
    """One beta's basin; or, in the last cell, the correlation over all runs of all betas."""
    beta = cell.settings.beta
    return _correlations(context) if beta == "all" else _basin(cell, context, BETAS.index(beta))


def _basin(cell: Cell[BetaCell], context: Context[RollBasinScale], number: int) -> Outcome:
    found = minima(context, steps=context.scale_settings.steps)
    statistics = basin_statistics(context, found, number)
    values: dict[str, float | None] = {
        "train accuracy": float(found.train_accuracy[number]),
        "test accuracy": float(found.test_accuracy[number]),
    }
    values |= {name: _or_none(statistics[name][TABLE]) for name in cell.measures if name in statistics}
    above = [str(cutoff) for cutoff, radius in zip(CUTOFFS, statistics["mean radius"], strict=True) if np.isnan(radius)]
    note = f"the loss at the minimum is not below {', '.join(above)}: no basin there" if above else ""
    return Outcome(values=values, arrays=dict(statistics), note=note)


def basin_statistics(context: Context[RollBasinScale], found: Minima, number: int) -> Mapping[str, np.ndarray]:
    """Statistic -> its value at each of `CUTOFFS`, NaN where the minimum itself lies above; kept for the last cell."""
    rays, theta = context.scale_settings.rays, found.population.theta[number].cpu()
    seed = context.key("rays", number)

    def make() -> dict[str, Tensor]:
        statistics = _statistics(context, found, number, rays=rays, seed=seed)
        return {"values": torch.from_numpy(statistics)}

    made_by = [rays, list(CUTOFFS), seed, float(theta.double().norm())]
    values = shared_tensors(context, f"basin-{BETAS[number]:g}", make, made_by=made_by)["values"].numpy()
    return dict(zip(STATISTICS, values, strict=True))


def _statistics(context: Context, found: Minima, number: int, *, rays: int, seed: int) -> np.ndarray:
    """(statistics, cutoffs) of the rays of one minimum."""
    train, net = found.task.train, found.population.member(number)
    loss = float(found.population.loss(train.x, train.y)[number])

    def measure(cutoffs: list[float]) -> Basin:
        return basin_volume(
            net,
            train,
            cutoff=cutoffs,
            num_rays=rays,
            seed=seed,
            device=context.device,
            callback=context.callback,
        )

    return statistics_below(measure, loss=loss, cutoffs=CUTOFFS)


def _correlations(context: Context[RollBasinScale]) -> Outcome:
    """Rank correlations with test accuracy over all runs, with standard errors and 95 % intervals."""
    runs = context.scale_settings.runs
    accuracy, columns = np.empty((runs, len(BETAS))), {name: np.empty((runs, len(BETAS))) for name in _COLUMNS}
    for run in reversed(range(runs)):  # other workers come from the first on: nobody waits for what another makes
        of_run = replace(context, replicate=runs * context.replicate + run)
        found = minima(of_run, steps=of_run.scale_settings.steps)
        accuracy[run] = found.test_accuracy
        for number in range(len(BETAS)):
            statistics = basin_statistics(of_run, found, number)
            for name, (statistic, place) in _COLUMNS.items():
                columns[name][run, number] = statistics[statistic][place]
    seed = context.key("bootstrap")
    spreads = {name: spearman_over_runs(accuracy, column, seed=seed) for name, column in columns.items()}
    above = {cutoff: int(np.isnan(columns[measure_of("log10 V", place)]).sum()) for place, cutoff in enumerate(CUTOFFS)}
    notes = [f"{count} of {accuracy.size} minima lie above {cutoff:g}" for cutoff, count in above.items() if count]
    return Outcome(
        values={name: spread[0] for name, spread in spreads.items()},
        errors={name: spread[1] for name, spread in spreads.items()},
        arrays={"intervals": np.array([spread[2:] for spread in spreads.values()])},
        note="; ".join(notes),
    )


def spearman_over_runs(x: np.ndarray, y: np.ndarray, *, seed: int) -> tuple[float, float, float, float]:
    """Spearman's rank correlation of all entries, its standard error, and the ends of a 95 % interval.

    By the bootstrap over runs, whole rows: entries of a row share their task and start, and are not independent.

    Args:
        x: (runs, entries).
        y: (runs, entries); NaN entries are left out of both.
        seed: Of the resamples.

    Reference: Davison, Hinkley 1997, section 3.8 (resampling the highest level of a hierarchy); percentile interval.
    """
    drawn = np.random.default_rng(seed).integers(len(x), size=(_RESAMPLES, len(x)))
    again = np.array([spearman(x[rows].ravel(), y[rows].ravel()) for rows in drawn])
    low, high = np.quantile(again, [0.025, 0.975])
    return spearman(x.ravel(), y.ravel()), float(again.std(ddof=1)), float(low), float(high)


def measure_of(statistic: str, place: int) -> str:
    """The last cell's measure of a statistic at cutoff number `place`; "" where it has none."""
    return next((name for name, column in _COLUMNS.items() if column == (statistic, place)), "")


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


# Measure of the last cell -> (statistic, number of the cutoff).
_COLUMNS: Mapping[str, tuple[str, int]] = {
    **{f"Spearman, log10 V below {cutoff:g}": ("log10 V", place) for place, cutoff in enumerate(CUTOFFS)},
    "Spearman, mean radius": ("mean radius", TABLE),
    **{
        f"Spearman, geometric mean below {cutoff:g}": ("log10 V, geometric mean", place)
        for place, cutoff in enumerate(CUTOFFS)
    },
    "Spearman, log10 V in parameters": ("log10 V, parameters", TABLE),
}
_MEASURES = (
    "train accuracy", "test accuracy", "mean radius", "geometric mean radius", "log10 V", "log10 V, geometric mean",
    "log10 V, parameters", "effective rays",
)  # fmt: skip


def _cell(beta: float) -> Cell[BetaCell]:
    return Cell(
        name=f"beta={beta:g}",
        settings=BetaCell(beta=beta),
        measures=_MEASURES,
        claims={"train accuracy": Claim("training accuracy is above 99.5 %", above=0.995)},
    )


def _all_runs() -> Cell[BetaCell]:
    """The paper's statements are about radii and its own volumes; the other columns are ours."""
    stated = [name for name, (statistic, _) in _COLUMNS.items() if statistic in ("mean radius", "log10 V")]
    severe = {
        name: Claim(f"test accuracy and {name.removeprefix('Spearman, ')}: severe rank correlation", above=_SEVERE)
        for name in stated
    }
    return Cell(name="all", settings=BetaCell(beta="all"), measures=tuple(_COLUMNS), claims=severe)


FIGURE5 = Experiment(
    name="huang2020/figure5",
    title="Generalisation, sharpness and volume on the swiss roll",
    claim="The worse a minimum generalises, the shorter the rays from it, and the smaller its basin.",
    source="Huang et al. 2020, Figure 5, swiss roll",
    percent=False,
    cells=(*(_cell(beta) for beta in BETAS), _all_runs()),
    scales={
        "smoke": Scale(
            replicates=1,
            settings=RollBasinScale(steps=300, rays=40, runs=2),
            cells=("beta=0", "beta=0.1", "all"),
        ),
        "laptop": Scale(
            replicates=10, settings=RollBasinScale(steps=8000, rays=3000, runs=10), replicates_of={"all": 1}
        ),
        "paper": Scale(
            replicates=10, settings=RollBasinScale(steps=8000, rays=3000, runs=10), replicates_of={"all": 1}
        ),
    },
    run_cell=run_basins,
    row_labels=("beta",),
    picture="basins_by_poison",
    remarks=(
        "Rows: the basin below 0.1. A radius of 1 changes each filter by its own norm; biases are fixed. Last row: Spearman's "
        "correlation with test accuracy over all runs, errors by a bootstrap over runs.",
        "log10 V is the paper's mean over rays. Where one ray is effective, the longest of them carries it: a lower bound. The "
        "geometric mean hangs on no single ray. 'parameters': the unit of volume is that of the parameters themselves.",
    ),
)
