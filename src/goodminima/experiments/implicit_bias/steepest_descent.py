"""Gunasekar et al.: steepest descent in five norms, each against the maximum margin of its own norm and of the others."""

from dataclasses import dataclass
from typing import final

import numpy as np

from goodminima.core.checks import check_choice
from goodminima.experiments.experiment import Cell, Claim, Context, Experiment, Outcome, Scale
from goodminima.experiments.settings import Settings
from goodminima.theory.loops import log_spaced
from goodminima.theory.steepest import NORMS, margin_gaps, norms_apart, others, steepest_path

_STEPS = 10**6


@final
@dataclass(frozen=True, kw_only=True)
class NormCell(Settings):
    """What a cell sets.

    Args:
        p: Of the norm that steps are measured in: one of `NORMS`, as text, since JSON has no infinity.
    """

    p: str

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("p", self.p, [f"{p:g}" for p in NORMS])


def _run(cell: Cell[NormCell], context: Context) -> Outcome:
    z, p = norms_apart(context.key("data")), float(cell.settings.p)
    times = log_spaced(_STEPS)
    path = steepest_path(z, p=p, times=times, callback=context.callback)
    gaps = margin_gaps(z, path)
    at_end = dict(zip(NORMS, gaps[-1].tolist(), strict=True))
    return Outcome(
        values={"own": at_end[p], "others": min(at_end[other] for other in others(p))},
        arrays={"times": times.astype(np.float64), "gaps": gaps},
    )


def _cell(p: float) -> Cell[NormCell]:
    apart = {1.0: " but l1.5", 1.5: " but l1"}.get(p, "")
    return Cell(
        name=f"l{p:g}",
        settings=NormCell(p=f"{p:g}"),
        measures=("own", "others"),
        claims={
            "own": Claim(
                f"steepest descent in l{p:g} maximises the l{p:g} margin: its gap after 1e6 steps", below=5e-3
            ),
            "others": Claim(f"and no other margin{apart}: least gap to the others'", above=0.015),
        },
    )


STEEPEST_DESCENT = Experiment(
    name="implicit_bias/steepest_descent",
    title="Steepest descent maximises the margin of its own norm",
    claim="Which norm the step is measured in decides which margin is maximised: five norms, five classifiers.",
    source="Gunasekar et al. 2018a",
    percent=False,
    cells=tuple(_cell(p) for p in NORMS),
    scales={
        "smoke": Scale(replicates=1),
        "laptop": Scale(replicates=3),
        "paper": Scale(replicates=10),
    },
    run_cell=_run,
    picture="five_geometries",
    remarks=(
        "Programme, section The geometry enters, which says minimises: steepest descent maximises the margin of its norm.",
        "17 rows in 10 dimensions with features of unequal size. Draws on which the five optima do not differ by 2.5 %, or a "
        "single row decides one, are drawn again, whatever the runs would give.",
        "Exponential loss, steps of length 0.3 / sqrt(t) in the norm.",
    ),
)
