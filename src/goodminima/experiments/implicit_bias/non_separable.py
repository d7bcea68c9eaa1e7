"""Ji and Telgarsky: what gradient descent does on data of which only a part is separable."""

from dataclasses import dataclass
from typing import final

import numpy as np

from goodminima.experiments.experiment import Cell, Claim, Context, Experiment, Outcome, Scale
from goodminima.experiments.settings import Count, Settings
from goodminima.theory.logistic import gradient_descent, smoothness
from goodminima.theory.loops import log_spaced, slope
from goodminima.theory.non_separable import finite_minimiser, limit_of, non_separable, partly_separable, separable_rows

_N, _D = 40, 4


@final
@dataclass(frozen=True, kw_only=True)
class SeparableCell(Settings):
    """What a cell sets.

    Args:
        steps: Of gradient descent.
    """

    steps: Count


def _run(cell: Cell[SeparableCell], context: Context) -> Outcome:
    return _control(cell, context) if cell.name == "control" else _partly(cell, context)


def _partly(cell: Cell[SeparableCell], context: Context) -> Outcome:
    (z, truth), stop = partly_separable(context.key("data"), n=_N, d=_D), cell.settings.steps
    step = 1 / smoothness(z)
    limit, times = limit_of(z, step=step), log_spaced(stop)
    path = gradient_descent(z, step=step, times=times, callback=context.callback)
    inside = np.linalg.norm((path - limit.minimiser) @ limit.inside, axis=1)
    ray = path @ limit.across
    late = times >= stop / 10
    return Outcome(
        values={
            "subset": float((limit.separable != truth).sum()),
            "inside": float(inside[-1]),
            "exponent": slope(np.log(times[late]), np.log(inside[late])),
            "rate": slope(np.log(times[late]), np.linalg.norm(ray[late], axis=1)) * limit.ray.margin,
            "across": float(np.linalg.norm(ray[-1] - limit.ray.at(times[-1:])[0])),
        },
        arrays={
            "times": times.astype(np.float64),
            "inside": inside,
            "across": np.linalg.norm(ray - limit.ray.at(times), axis=1),
            "norm_inside": np.linalg.norm(path @ limit.inside, axis=1),
            "norm_across": np.linalg.norm(ray, axis=1),
        },
    )


def _control(cell: Cell[SeparableCell], context: Context) -> Outcome:
    """Strictly non-separable data of the same size: nothing diverges."""
    z, stop = non_separable(context.key("data"), n=_N, d=_D), cell.settings.steps
    times = log_spaced(stop)
    path = gradient_descent(z, step=1 / smoothness(z), times=times, callback=context.callback)
    distances = np.linalg.norm(path - finite_minimiser(z), axis=1)
    pulls = 1 / (1 + np.exp(z @ path[-1]))
    return Outcome(
        values={
            "subset": float(separable_rows(z).sum()),
            "gradient": float(np.linalg.norm(pulls @ z)),
            "distance": float(distances[-1]),
        },
        arrays={"times": times.astype(np.float64), "distance": distances, "norm": np.linalg.norm(path, axis=1)},
    )


def _partly_cell(steps: int, *, inside: float, across: float) -> Cell[SeparableCell]:
    return Cell(
        name=f"partly/t={steps:.0e}".replace("e+0", "e"),
        settings=SeparableCell(steps=steps),
        measures=("subset", "inside", "exponent", "rate", "across"),
        claims={
            "subset": Claim("the linear programme finds the separable rows: rows it gets wrong", below=0.5),
            "inside": Claim("in the span of the rest, w tends to its finite minimiser: distance", below=inside),
            "exponent": Claim("that distance closes like 1 / t: exponent over the last decade", above=-1.1, below=-0.9),
            "rate": Claim(
                "across it, ||w|| grows like ||w^|| log t: slope over the last decade", above=0.97, below=1.03
            ),
            "across": Claim("across it, w follows the maximum-margin ray: ||w - w^ log t - w~||", below=across),
        },
    )


NON_SEPARABLE = Experiment(
    name="implicit_bias/non_separable",
    title="Partly separable data: a finite minimiser in some directions, a maximum-margin ray in the others",
    claim="Whatever the data, gradient descent tends to one ray that the data define: finite where they are not separable, "
    "of maximum margin across that.",
    source="Ji and Telgarsky 2019",
    percent=False,
    cells=(
        _partly_cell(10**5, inside=1e-3, across=5e-2),
        _partly_cell(10**7, inside=1e-5, across=1e-3),
        Cell(
            name="control",
            settings=SeparableCell(steps=10**5),
            measures=("subset", "gradient", "distance"),
            claims={
                "subset": Claim("strictly non-separable data: separable rows found", below=0.5),
                "gradient": Claim("descent stops: norm of the gradient", below=1e-12),
                "distance": Claim("at the finite minimiser that Newton's method finds: distance", below=1e-12),
            },
        ),
    ),
    scales={
        "smoke": Scale(replicates=1, cells=("partly/t=1e5", "control")),
        "laptop": Scale(replicates=3),
        "paper": Scale(replicates=10),
    },
    run_cell=_run,
    picture="partly_separable",
    remarks=(
        "Programme, section The linear theorem: its ray has a finite part as well. 40 rows in 4 dimensions, 20 of them "
        "separable; steps are 1 / beta, from 0.",
    ),
)
