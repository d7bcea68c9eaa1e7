"""Figure 3: a minimum that generalises and one that does not, in the plane of the data and in that of the parameters."""

import numpy as np

from goodminima.experiments.experiment import Cell, Claim, Context, Experiment, Outcome, Scale
from goodminima.experiments.huang2020.cells import MinimumCell
from goodminima.experiments.huang2020.roll import (
    BETAS,
    Minima,
    RollScale,
    clearances,
    for_picture,
    minima,
    points,
    regions_of,
)
from goodminima.landscape import Surface, surface

SPAN = 0.25  # of the slice, in filter norms
STEPS = 51
CUTOFF = 0.1
KINDS = {"good": 0.0, "bad": 0.1}  # beta


def run_minimum(cell: Cell[MinimumCell], context: Context[RollScale]) -> Outcome:
    """One minimum's accuracies, margin and slice; of the bad one also over those of the good one."""
    found = minima(context, steps=context.scale_settings.steps)
    own, cut, regions = _seen(context, found, cell.settings.beta)
    note = ""
    number = BETAS.index(cell.settings.beta)
    values: dict[str, float | None] = {
        "train accuracy": float(found.train_accuracy[number]),
        "test accuracy": float(found.test_accuracy[number]),
        "smallest margin": float(own.min()),
        "median margin": float(np.median(own)),
        "area below 0.1": cut.share_below(CUTOFF),
        "loss at the rim": _at_the_rim(cut),
    }
    if cell.name == "bad":
        good, good_cut, _ = _seen(context, found, KINDS["good"])
        values["median margin, bad / good"] = float(np.median(own) / np.median(good))
        whole = good_cut.share_below(CUTOFF)
        values["area below 0.1, bad / good"] = cut.share_below(CUTOFF) / whole if whole else None
        note = "" if whole else "the good minimum itself lies above 0.1"
    arrays = {"classes": regions, "loss": cut.loss.astype(np.float32), "along": cut.x}
    return Outcome(values=values, arrays=arrays | points(found.task.train), note=note)


def _seen(context: Context, found: Minima, beta: float) -> tuple[np.ndarray, Surface, np.ndarray]:
    """Margins of the training points, the slice, and the regions for the picture. Directions are drawn alike for both."""
    number = BETAS.index(beta)
    regions = regions_of(found.population[number : number + 1])
    cut = surface(
        found.population.member(number), found.task.train, span=SPAN, steps=STEPS, seed=context.key("directions")
    )
    return clearances(regions, found.task.train)[0], cut, for_picture(regions)[0]


def _at_the_rim(cut: Surface) -> float:
    """Median loss on the rim of the slice: how high it has risen when each filter has changed by a quarter of its norm."""
    rim = np.concatenate([cut.loss[0], cut.loss[-1], cut.loss[1:-1, 0], cut.loss[1:-1, -1]])
    return float(np.median(rim))


_MEASURES = (
    "train accuracy", "test accuracy", "smallest margin", "median margin", "area below 0.1", "loss at the rim",
)  # fmt: skip
_FITS = Claim("training accuracy is perfect", above=0.9999)
_GOOD = Cell(
    name="good",
    settings=MinimumCell(minimum="good", beta=KINDS["good"]),
    measures=_MEASURES,
    claims={"train accuracy": _FITS},
)
_BAD = Cell(
    name="bad",
    settings=MinimumCell(minimum="bad", beta=KINDS["bad"]),
    measures=(*_MEASURES, "median margin, bad / good", "area below 0.1, bad / good"),
    claims={
        "train accuracy": _FITS,
        "smallest margin": Claim("the bad minimum has almost zero margin: below the noise of the data", below=0.5),
        "median margin, bad / good": Claim("most training points are nearer to the boundary of the bad one", below=0.5),
        "area below 0.1, bad / good": Claim("the bad minimum is dramatically sharper", below=0.1),
    },
)
FIGURE3 = Experiment(
    name="huang2020/figure3",
    title="A good and a bad minimum of the swiss roll: decision boundaries and slices through the loss",
    claim="The good minimum is flat and has a wide margin; the bad one is sharp, its training points on islands and peninsulas.",
    source="Huang et al. 2020, Figure 3",
    percent=False,
    cells=(_GOOD, _BAD),
    scales={
        "smoke": Scale(replicates=1, settings=RollScale(steps=300)),
        "laptop": Scale(replicates=5, settings=RollScale(steps=8000)),
        "paper": Scale(replicates=10, settings=RollScale(steps=8000)),
    },
    run_cell=run_minimum,
    row_labels=("minimum",),
    picture="good_and_bad",
    remarks=(
        "Margins are distances in the plane of the inputs, from a training point to where another class than its own is said, "
        "on a grid of 0.1. The slice is random and filter-normalised, biases fixed, and reaches to 0.25 filter norms.",
        "The bad minimum is that of eq. 3 with beta 0.1 from the same start, by the same Adam.",
    ),
)
