"""Figure 6: decision boundaries on the swiss roll as the generalisation gap grows."""

import numpy as np

from goodminima.experiments.experiment import Cell, Claim, Context, Experiment, Outcome, Scale
from goodminima.experiments.huang2020.cells import BetaCell
from goodminima.experiments.huang2020.roll import (
    BETAS,
    RollScale,
    clearances,
    for_picture,
    minima,
    points,
    regions_of,
    spearman,
)


def run_boundary(cell: Cell[BetaCell], context: Context[RollScale]) -> Outcome:
    """One beta's generalisation gap, boundary and margins; or, in the last cell, how they go together over all betas."""
    found = minima(context, steps=context.scale_settings.steps)
    gaps = found.train_accuracy - found.test_accuracy
    if cell.settings.beta == "all":
        margins = np.median(clearances(regions_of(found.population), found.task.train), axis=1)
        return Outcome(values={"gap and median margin": spearman(gaps, margins)})
    number = BETAS.index(cell.settings.beta)
    regions = regions_of(found.population[number : number + 1])
    margin = clearances(regions, found.task.train)[0]
    values: dict[str, float | None] = {
        "train accuracy": float(found.train_accuracy[number]),
        "generalisation gap": float(gaps[number]),
        "median margin": float(np.median(margin)),
        "smallest margin": float(margin.min()),
    }
    return Outcome(values=values, arrays={"classes": for_picture(regions)[0]} | points(found.task.train))


def _cell(beta: float) -> Cell[BetaCell]:
    return Cell(
        name=f"beta={beta:g}",
        settings=BetaCell(beta=beta),
        measures=("train accuracy", "generalisation gap", "median margin", "smallest margin"),
        claims={"train accuracy": Claim("training accuracy is above 99.5 %", above=0.995)},
    )


_ALL = Cell(
    name="all",
    settings=BetaCell(beta="all"),
    measures=("gap and median margin",),
    claims={"gap and median margin": Claim("as the gap grows the margin decreases: rank correlation", below=-0.8)},
)
FIGURE6 = Experiment(
    name="huang2020/figure6",
    title="Decision boundaries on the swiss roll as the generalisation gap grows",
    claim="Each class encroaches upon the area of the other, and training points are left on islands and peninsulas.",
    source="Huang et al. 2020, Figure 6",
    percent=False,
    cells=(*(_cell(beta) for beta in BETAS), _ALL),
    scales={
        "smoke": Scale(replicates=1, settings=RollScale(steps=300), cells=("beta=0", "beta=0.2", "all")),
        "laptop": Scale(replicates=5, settings=RollScale(steps=8000)),
        "paper": Scale(replicates=10, settings=RollScale(steps=8000)),
    },
    run_cell=run_boundary,
    row_labels=("beta",),
    picture="boundaries_by_gap",
    remarks=(
        "The minima are those of Figure 5. Margins as in Figure 3. Last row: Spearman's rank correlation of the gap with the "
        "median margin, over the betas of a run.",
    ),
)
