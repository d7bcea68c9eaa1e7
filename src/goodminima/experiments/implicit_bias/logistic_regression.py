"""Soudry et al.: gradient descent on separable data, against its exact asymptote, to t = 1e7 and, as a flow, 1e304."""

from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from goodminima.experiments.experiment import Cell, Claim, Context, Experiment, Outcome, Scale
from goodminima.experiments.settings import Count, Settings
from goodminima.theory.convex import margin, max_margin
from goodminima.theory.data import planted, teacher
from goodminima.theory.logistic import angle, asymptote, gradient_descent, gradient_flow, log_loss, smoothness
from goodminima.theory.loops import log_spaced, slope

_LAST_TAU = 700.0


@final
@dataclass(frozen=True, kw_only=True)
class DescentCell(Settings):
    """What a cell of gradient descent sets.

    Args:
        part: On planted data, against their asymptote; or on data as they come, for the training error.
        steps: How many.
    """

    part: Literal["descent", "error"]
    steps: Count


@final
@dataclass(frozen=True, kw_only=True)
class FlowCell(Settings):
    """What the cell of gradient flow sets: nothing.

    Args:
        part: Which it is.
    """

    part: Literal["flow"] = "flow"


def _run(cell: Cell[DescentCell | FlowCell], context: Context) -> Outcome:
    settings = cell.settings
    match settings.part:
        case "descent":
            return _descent(context, stop=settings.steps)
        case "flow":
            return _flow(context)
        case "error":
            return _error(cell, context, stop=settings.steps)


def _descent(context: Context, *, stop: int) -> Outcome:
    """Plain gradient descent with step 1 / beta, and how near the flow is at its end."""
    z = planted(context.key("data"), n=40, d=3).z
    step = 1 / smoothness(z)
    limit, times = asymptote(z, step=step), log_spaced(stop)
    path = gradient_descent(z, step=step, times=times, callback=context.callback)
    flow = gradient_flow(z, step=step, taus=np.log1p(times[-1:]))
    angles, late = angle(path, limit.rate), times >= stop / 10
    norms = np.linalg.norm(path[late], axis=1)
    return Outcome(
        values={
            "loss": float(np.exp(log_loss(z, path[-1]) + np.log(stop)) * step * limit.margin**2),
            "norm": slope(np.log(times[late]), norms) * limit.margin,
            "residual": float(np.linalg.norm(path[-1] - limit.at(times[-1:])[0])),
            "agreement": abs(float(angles[-1] - angle(flow[-1], limit.rate))),
        },
        arrays=_curves(z, path, np.log1p(times), limit.rate),
    )


def _flow(context: Context) -> Outcome:
    z = planted(context.key("data"), n=40, d=3).z
    step = 1 / smoothness(z)
    limit, taus = asymptote(z, step=step), np.geomspace(0.1, _LAST_TAU, 200)
    curves = _curves(z, gradient_flow(z, step=step, taus=taus), taus, limit.rate)
    constant = float(curves["angle"][-1]) * _LAST_TAU
    return Outcome(
        values={"constant": constant / limit.angle_constant},
        arrays=curves | {"limit": np.array(limit.angle_constant)},
    )


def _error(cell: Cell, context: Context, *, stop: int) -> Outcome:
    """Data as they come: when the training error is 0, and how far from the maximum the margin then is."""
    z, times = teacher(context.key("data"), n=100, d=20), log_spaced(stop)
    path = gradient_descent(z, step=1 / smoothness(z), times=times, callback=context.callback)
    best = max_margin(z)
    curves = _curves(z, path, np.log1p(times), best.direction)
    curves["error"] = ((path @ z.T) <= 0).mean(axis=1)
    wrong = np.flatnonzero(curves["error"])
    first = wrong[-1] + 1 if len(wrong) else 0
    if first == len(times):
        return Outcome(values=dict.fromkeys(cell.measures), note=f"training error above 0 after {stop} steps")
    values = {"first": float(times[first]), "gap then": float(curves["gap"][first]), "gap": float(curves["gap"][-1])}
    return Outcome(values=values, arrays=curves)


def _curves(z: np.ndarray, path: np.ndarray, taus: np.ndarray, direction: np.ndarray) -> dict[str, np.ndarray]:
    best = margin(z, direction)
    return {"tau": taus, "angle": angle(path, direction), "gap": 1 - margin(z, path) / best}


def _descent_cell(steps: int, *, residual: float, agreement: float) -> Cell[DescentCell]:
    return Cell(
        name=f"descent/t={steps:.0e}".replace("e+0", "e"),
        settings=DescentCell(part="descent", steps=steps),
        measures=("loss", "norm", "residual", "agreement"),
        claims={
            "loss": Claim("t L eta gamma^2 tends to 1", above=0.99, below=1.01),
            "norm": Claim("||w|| grows like ||w^|| log t: slope over the last decade", above=0.97, below=1.03),
            "residual": Claim("||w - w^ log t - w~|| vanishes", below=residual),
            "agreement": Claim("gradient flow has the same angle at that time, rad", below=agreement),
        },
    )


LOGISTIC_REGRESSION = Experiment(
    name="implicit_bias/logistic_regression",
    title="Gradient descent on separable data goes to the maximum margin, logarithmically",
    claim="On separable data the norm grows like log t without end, and the direction tends to the l2 maximum margin.",
    source="Soudry et al. 2018",
    percent=False,
    cells=(
        _descent_cell(10**5, residual=5e-2, agreement=1e-5),
        _descent_cell(10**7, residual=1e-3, agreement=1e-8),
        Cell(
            name="flow",
            settings=FlowCell(),
            measures=("constant",),
            claims={
                "constant": Claim(
                    "gradient flow to log t = 700: angle times log t, relative to its limit", above=0.99, below=1.01
                )
            },
        ),
        Cell(
            name="error",
            settings=DescentCell(part="error", steps=10**6),
            measures=("first", "gap then", "gap"),
            claims={
                "first": Claim("the training error is 0 from this step on", below=2000),
                "gap then": Claim("margin gap at that step: hardly any of the margin is there yet", above=0.5),
                "gap": Claim("margin gap after 1e6 steps: still open", above=0.01),
            },
        ),
    ),
    scales={
        "smoke": Scale(replicates=1, cells=("descent/t=1e5", "flow", "error")),
        "laptop": Scale(replicates=3),
        "paper": Scale(replicates=10),
    },
    run_cell=_run,
    picture="angle_and_margin",
    remarks=(
        "Programme, section The linear theorem. Steps are 1 / beta, from 0; L is the summed loss; gap = 1 - achieved / "
        "optimal margin.",
        "Angle and margin gap close like 1 / log t; 1 - cos(angle), often drawn instead, like 1 / log^2 t.",
        "Data of the first three cells: three support vectors planted so that w~ has a closed form and all else dies at "
        "least like 1 / t. On Gaussian data, as in the last, exponents fitted at any reachable t mean nothing.",
    ),
)
