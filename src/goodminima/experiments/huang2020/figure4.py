"""Figure 4: slices through the loss around a minimum of a residual net that generalises and one that does not."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
import torch
from torch import Tensor

from goodminima.experiments.callbacks import named
from goodminima.experiments.experiment import Cell, Claim, Context, Experiment, Outcome, Printed, Scale
from goodminima.experiments.huang2020.cells import MinimumCell
from goodminima.experiments.huang2020.images import (
    BAD,
    CUTOFF,
    GOOD,
    MINIMA,
    AbstractImageScale,
    minimum,
    probe_of,
    remembered_of,
    task_of,
)
from goodminima.experiments.settings import Count
from goodminima.landscape import surface
from goodminima.train import Fit

SPAN = 0.25  # of the slice, in filter norms
_DISTANCE = 0.1  # at which the loss is read off


@final
@dataclass(frozen=True, kw_only=True)
class SliceScale(AbstractImageScale):
    """What a scale sets.

    Args:
        minima: How they are found.
        steps: Points of the slice along each side.
    """

    steps: Count


def run_slice(cell: Cell[MinimumCell], context: Context[SliceScale]) -> Outcome:
    """One minimum's accuracies and slice; of the bad one also over those of the good one."""
    found, loss = _slice_of(context, cell.settings.beta)
    values: dict[str, float | None] = {
        "train accuracy": found.last.train_accuracy,
        "test accuracy": found.last.test_accuracy,
        "area below 0.1": area(loss),
        "loss at 0.1": loss_at_distance(loss),
    }
    note = ""
    if cell.settings.beta == BAD:
        _, of_good = _slice_of(context, GOOD)
        there = area(of_good) > 0
        values["area, bad / good"] = area(loss) / area(of_good) if there else None
        values["loss at 0.1, bad / good"] = loss_at_distance(loss) / loss_at_distance(of_good)
        note = "" if there else f"no point of the good minimum's slice lies below {CUTOFF:g}"
    return Outcome(values=values, arrays={"loss": loss.astype(np.float32), "along": _along(len(loss))}, note=note)


def _slice_of(context: Context[SliceScale], beta: float) -> tuple[Fit, np.ndarray]:
    """The minimum, and the loss at (y, x). Directions are drawn alike for both minima, and scaled to each."""
    task, steps = task_of(context), context.scale_settings.steps
    found, probe, seed = minimum(context, task, beta), probe_of(task, context), context.key("slice")

    def make() -> Mapping[str, Tensor]:
        net, callback = found.net.to(context.device), named(context, "points of the slice")
        return {
            "loss": torch.from_numpy(surface(net, probe, span=SPAN, steps=steps, seed=seed, callback=callback).loss)
        }

    measured = remembered_of(context, f"slice-{beta:g}", found, make, SPAN, steps, len(probe), seed)
    return found, measured["loss"].numpy()


def area(loss: np.ndarray) -> float:
    """Share of the slice that lies below the cutoff; what is no number does not."""
    return float((loss < CUTOFF).mean())


def loss_at_distance(loss: np.ndarray) -> float:
    """Median loss of the points of a slice whose distance from the minimum is 0.1, within half a step."""
    along = _along(len(loss))
    distance = np.hypot(*np.meshgrid(along, along))
    return float(np.median(loss[np.abs(distance - _DISTANCE) <= (along[1] - along[0]) / 2]))


def _along(steps: int) -> np.ndarray:
    return np.linspace(-SPAN, SPAN, steps)


_MEASURES = ("train accuracy", "test accuracy", "area below 0.1", "loss at 0.1")
_FITS = Claim("training accuracy is 100 %", above=0.9999)


def _cell(
    name: Literal["good", "bad"], beta: float, printed: float, *compared: str, **claims: Claim
) -> Cell[MinimumCell]:
    return Cell(
        name=name,
        settings=MinimumCell(minimum=name, beta=beta),
        measures=(*_MEASURES, *compared),
        printed={"test accuracy": Printed(printed)},
        claims={"train accuracy": _FITS, **claims},
    )


_GOOD = _cell("good", GOOD, 0.971)
_BAD = _cell(
    "bad",
    BAD,
    0.282,
    "area, bad / good",
    "loss at 0.1, bad / good",
    **{
        "area, bad / good": Claim("the bad minimum is much sharper: less of its slice lies below 0.1", below=0.5),
        "loss at 0.1, bad / good": Claim("the bad minimum is much sharper: its loss rises higher", above=2.0),
    },
)
FIGURE4 = Experiment(
    name="huang2020/figure4",
    title="Slices through the loss around a good and a bad minimum of a residual net",
    claim="The minimum that generalises is flat; the one that does not is much sharper, though both fit all training images.",
    source="Huang et al. 2020, Figure 4 and section 4",
    data="digits",
    paper_data=("svhn",),
    percent=False,
    cells=(_GOOD, _BAD),
    scales={
        "smoke": Scale(replicates=1, settings=SliceScale(minima=MINIMA["smoke"], steps=9), comparable=False),
        "laptop": Scale(replicates=1, settings=SliceScale(minima=MINIMA["laptop"], steps=25), comparable=False),
        "paper": Scale(replicates=1, settings=SliceScale(minima=MINIMA["paper"], steps=51), comparable=False),
    },
    run_cell=run_slice,
    row_labels=("minimum",),
    picture="image_slices",
    remarks=(
        "Both minima have the same start, order, and settings but beta: 0 and 0.5 (the paper does not print its own). The slice "
        "is random and filter-normalised, reaches to 0.25 filter norms, and shows the mean cross entropy of 256 training images; "
        "BatchNorm has the running statistics of training, and its parameters are fixed.",
        "No scale has the paper's size: ResNet-18 on all of SVHN there, at most a ResNet-20 on 25,000 images here.",
        "laptop: a net of one block a stage, 75,290 parameters where the paper's has 269,722, on 1,000 images.",
        "The unseen images are training images that are not learned from; SVHN's extra split is not read.",
    ),
)
