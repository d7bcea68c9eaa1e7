"""Diagonal linear networks: the start's scale interpolates between l2 and l1; noise acts as a smaller scale."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np

from goodminima.experiments.callbacks import as_part
from goodminima.experiments.experiment import Cell, Claim, Context, Experiment, Outcome, Scale
from goodminima.experiments.settings import Count, Positive, Settings
from goodminima.theory.convex import margin, max_margin
from goodminima.theory.diagonal_classification import classification_flow
from goodminima.theory.diagonal_networks import (
    Fitted,
    Sparse,
    gradient_descent,
    gradient_flow,
    predicted_alpha,
    sharpness,
    sparse,
    stochastic_descent,
)
from goodminima.theory.hypentropy import least_hypentropy, least_l1
from goodminima.theory.logistic import angle
from goodminima.theory.loops import Callback, slope


@dataclass(frozen=True, kw_only=True)
class AbstractSparseCell(Settings):
    """What every cell sets: its data.

    Args:
        n: Examples.
        d: Their dimensions.
        nonzero: Coordinates of the teacher that are not 0.
    """

    n: Count
    d: Count
    nonzero: Count


@final
@dataclass(frozen=True, kw_only=True)
class RegressionCell(AbstractSparseCell):
    """What the cell of scales sets.

    Args:
        n: As in every cell, and so are `d` and `nonzero`.
        alphas: Scales of the start.
        middle: The one of them at which steps are compared.
        shares: Step sizes, in units of the largest stable one; the first is every scale's.
        max_steps: At most so many of each run.
        part: Which cell it is.
    """

    alphas: tuple[Positive, ...]
    middle: Positive
    shares: tuple[Positive, ...]
    max_steps: Count
    part: Literal["regression"] = "regression"


@final
@dataclass(frozen=True, kw_only=True)
class NoiseCell(AbstractSparseCell):
    """What the cell of single examples sets.

    Args:
        n: As in every cell, and so are `d` and `nonzero`.
        alpha: Scale of the start.
        steps: Step sizes, increasing.
        max_steps: At most so many of each run.
        part: Which cell it is.
    """

    alpha: Positive
    steps: tuple[Positive, ...]
    max_steps: Count
    part: Literal["noise"] = "noise"


@final
@dataclass(frozen=True, kw_only=True)
class ClassificationCell(AbstractSparseCell):
    """What the cell of margins sets.

    Args:
        n: As in every cell, and so are `d` and `nonzero`.
        alphas: Scales of the start, increasing.
        large: The least of those on which margins collapse.
        part: Which cell it is.
    """

    alphas: tuple[Positive, ...]
    large: Positive
    part: Literal["classification"] = "classification"


@final
@dataclass(frozen=True, kw_only=True)
class OrdersScale(Settings):
    """What a scale sets.

    Args:
        orders: Of single examples, at each step size.
    """

    orders: Count


def _run(cell: Cell[RegressionCell | NoiseCell | ClassificationCell], context: Context[OrdersScale]) -> Outcome:
    settings = cell.settings
    data = sparse(context.key("data", cell.name), n=settings.n, d=settings.d, nonzero=settings.nonzero)
    match settings.part:
        case "regression":
            return _regression(settings, context, data)
        case "noise":
            return _noise(settings, context, data)
        case "classification":
            return _classification(settings, data)


def _regression(cell: RegressionCell, context: Context, data: Sparse) -> Outcome:
    """Gradient descent and flow from every scale, against the least hypentropy at b = 2 alpha^2."""
    x, y, alphas, shares = data.x, data.y, cell.alphas, cell.shares
    exact = {alpha: least_hypentropy(x, y, scale=2 * alpha**2) for alpha in alphas}
    flow = [_distance(gradient_flow(x, y, alpha=alpha), exact[alpha]) for alpha in alphas]
    runs = [(alpha, shares[0]) for alpha in alphas] + [(cell.middle, share) for share in shares[1:]]
    told = _told(context, runs=len(runs), max_steps=cell.max_steps)
    found: dict[tuple[float, float], np.ndarray] = {}
    for number, (alpha, share) in enumerate(runs):
        step = share / sharpness(x, exact[alpha], alpha=alpha)
        found[alpha, share] = gradient_descent(
            x, y, alpha=alpha, step=step, max_steps=cell.max_steps, callback=told(number)
        ).w
    errors = [_distance(found[cell.middle, share], exact[cell.middle]) for share in shares]
    least = np.abs(least_l1(x, y)).sum()
    ratios = np.array([np.abs(found[alpha, shares[0]]).sum() for alpha in alphas]) / least
    l2_ratio = np.abs(np.linalg.pinv(x) @ y).sum() / least
    grid = np.geomspace(min(alphas) / 2, max(alphas) * 2, 80)
    curve = [np.abs(least_hypentropy(x, y, scale=2 * alpha**2)).sum() / least for alpha in grid]
    return Outcome(
        values={
            "flow": max(flow),
            "order": slope(np.log(shares), np.log(errors)),
            "l2 ratio": float(ratios[0]),
            "l2 end": abs(float(ratios[0] / l2_ratio) - 1),
            "l1 end": float(ratios[-1]) - 1,
        },
        arrays={"alphas": np.array(alphas), "ratios": ratios, "grid": grid, "curve": np.array(curve), "l2": l2_ratio},
    )


def _noise(cell: NoiseCell, context: Context[OrdersScale], data: Sparse) -> Outcome:
    """Several orders of single examples at each step size, against all examples at once."""
    x, y, alpha, steps, orders = data.x, data.y, cell.alpha, cell.steps, context.scale_settings.orders
    told = _told(context, runs=len(steps) * (orders + 1), max_steps=cell.max_steps)
    logs, own = {name: np.empty(len(steps)) for name in ("sgd", "predicted", "gd")}, np.empty(len(steps))
    noisy, calm = list[Fitted](), list[Fitted]()
    for which, step in enumerate(steps):
        first = which * (orders + 1)
        common: dict[str, Any] = {"alpha": alpha, "step": step, "max_steps": cell.max_steps}
        calm = [gradient_descent(x, y, callback=told(first), **common)]
        noisy = [
            stochastic_descent(x, y, seed=context.key("order", order), callback=told(first + 1 + order), **common)
            for order in range(orders)
        ]
        expected = [predicted_alpha(x, alpha=alpha, step=step, loss_integral=run.loss_integral) for run in noisy]
        logs["gd"][which] = np.log(calm[0].effective_alpha / alpha)
        logs["sgd"][which] = np.mean([np.log(run.effective_alpha / alpha) for run in noisy])
        logs["predicted"][which] = np.mean(np.log(np.array(expected) / alpha))
        own[which] = np.mean([_distance(run.w, least_hypentropy(x, y, scale=run.scale)) for run in noisy])
    return Outcome(
        values={
            "gd alpha": alpha * math.exp(logs["gd"][-1]),
            "sgd alpha": alpha * math.exp(logs["sgd"][-1]),
            "prediction": float(logs["predicted"][-1] / logs["sgd"][-1]),
            "order": slope(np.log(steps), np.log(-logs["sgd"])),
            "own": slope(np.log(steps), np.log(own)),
            "l1": _mean_l1(noisy) / _mean_l1(calm),
            "error": _mean_error(noisy, data) / _mean_error(calm, data),
        },
        arrays={"steps": np.array(steps)} | {name: np.exp(log) for name, log in logs.items()},
    )


def _classification(cell: ClassificationCell, data: Sparse) -> Outcome:
    """l1 margins along the flow from every scale, against x = log(1/loss) / alpha^2."""
    z, alphas, levels = data.z, cell.alphas, np.geomspace(0.1, 1e6, 29)
    best = max_margin(z, p=1).margin
    paths = [classification_flow(z, alpha=alpha, levels=levels) for alpha in alphas]
    ratios = np.array([margin(z, path.w, p=1) / best for path in paths])
    optima = np.array([least_hypentropy(z, np.full(len(z), level), scale=2.0, at_least=True) for level in levels])
    last = paths[-1]
    angles = np.array([angle(w, optimum) for w, optimum in zip(last.w, optima, strict=True)])
    l2_ratio = margin(z, max_margin(z).direction, p=1) / best
    is_large = np.array(alphas) >= cell.large
    # The loss at which the smallest of the large alphas is at x = 1000: the others are at (smallest / alpha)^2 as much.
    least = min(alpha for alpha in alphas if alpha >= cell.large)
    there = np.log(1e3 * (least / np.array(alphas)[is_large]) ** 2)
    same = [np.interp(x, np.log(levels), ratio) for x, ratio in zip(there, ratios[is_large], strict=True)]
    at_1, at_10 = (int(np.abs(np.log(levels / level)).argmin()) for level in (1, 10))
    settled, departed = (angles[at_1:][state] for state in (last.left[at_1:] == 0, last.left[at_1:] > 0))
    return Outcome(
        values={
            "collapse": float(np.ptp(ratios[is_large, at_10:], axis=0).max()),
            "same loss": float(np.ptp(same)),
            "l2 end": abs(float(ratios[-1, at_1] - l2_ratio)),
            "l1 end": float(ratios[-1, -1]),
            "optimum": float(settled.max()) if len(settled) else None,
            "departed": float(departed.max()) if len(departed) else None,
        },
        note="" if len(settled) and len(departed) else "points left the margin at every x >= 1, or at none",
        arrays={"levels": levels, "alphas": np.array(alphas), "margins": ratios}
        | {"optimum": margin(z, optima, p=1) / best, "l2": l2_ratio},
    )


def _told(context: Context, *, runs: int, max_steps: int) -> Callable[[int], Callback]:
    """The callback of run number k of several, each of which takes at most so many steps."""
    return lambda number: as_part(context, total=runs * max_steps, before=number * max_steps)


def _distance(w: np.ndarray, other: np.ndarray) -> float:
    return float(np.linalg.norm(w - other) / np.linalg.norm(other))


def _mean_l1(runs: list[Fitted]) -> float:
    return float(np.mean([np.abs(run.w).sum() for run in runs]))


def _mean_error(runs: list[Fitted], data: Sparse) -> float:
    return float(np.mean([np.linalg.norm(run.w - data.teacher) for run in runs]))


DIAGONAL_NETWORKS = Experiment(
    name="implicit_bias/diagonal_networks",
    title="Diagonal linear networks: from l2 to l1 with the scale of the start",
    claim="A large start makes gradient descent minimise the l2 norm, a small one the l1 norm; noise makes it smaller.",
    source="Woodworth et al. 2020; Pesme et al. 2021; Moroshko et al. 2020",
    percent=False,
    cells=(
        Cell(
            name="regression",
            settings=RegressionCell(
                n=30, d=50, nonzero=2,
                alphas=(10.0, 1.0, 0.3, 0.1, 0.03, 0.01, 1e-3, 1e-5), middle=0.1,
                shares=(0.5, 0.25, 0.125), max_steps=2 * 10**6,
            ),
            measures=("flow", "order", "l2 ratio", "l2 end", "l1 end"),
            claims={
                "flow": Claim("gradient flow ends at the least hypentropy, b = 2 alpha^2: relative distance", below=1e-8),
                "order": Claim("gradient descent does so up to O(step): exponent", above=0.9, below=1.1),
                "l2 ratio": Claim("alpha = 10: l1 norm, in units of the least possible", above=1.5),
                "l2 end": Claim("alpha = 10: l1 norm of the least l2 norm, relative difference", below=1e-3),
                "l1 end": Claim("alpha = 1e-5: excess of the l1 norm over the least possible", above=-1e-6, below=5e-5),
            },
        ),
        Cell(
            name="noise",
            settings=NoiseCell(
                n=40, d=100, nonzero=5, alpha=0.1, steps=(0.0025, 0.005, 0.01, 0.02), max_steps=2 * 10**6
            ),
            measures=("gd alpha", "sgd alpha", "prediction", "order", "own", "l1", "error"),
            claims={
                "gd alpha": Claim("from alpha = 0.1, gradient descent ends as from this alpha", above=0.099, below=0.1),
                "sgd alpha": Claim("and stochastic descent, with the same steps, as from", below=0.095),
                "prediction": Claim("log shrinkage, predicted from the path's loss / measured", above=0.75, below=1.25),
                "order": Claim("the shrinkage is of first order in the step: exponent", above=0.9, below=1.15),
                "own": Claim(
                    "the end is the least hypentropy of the shrunk alpha up to O(step^2): exponent", above=1.8, below=2.2
                ),
                "l1": Claim("l1 norm, stochastic / full gradients", below=0.99),
                "error": Claim("distance to the sparse teacher, stochastic / full gradients", below=0.98),
            },
        ),
        Cell(
            name="classification",
            settings=ClassificationCell(n=20, d=50, nonzero=3, alphas=(1.0, 8.0, 16.0, 32.0), large=8.0),
            measures=("collapse", "same loss", "l2 end", "l1 end", "optimum", "departed"),
            claims={
                "collapse": Claim("l1 margins of alpha = 8, 16, 32 at equal x >= 10 differ by", below=1.5e-3),
                "same loss": Claim("while at one and the same loss they differ by", above=0.03),
                "l2 end": Claim("alpha = 32, x = 1: l1 margin of the l2 maximum margin, up to", below=2e-3),
                "l1 end": Claim("x = 1e6: share of the maximum l1 margin", above=0.97),
                "optimum": Claim(
                    "x >= 1, all points that held the margin still do: angle to the least hypentropy, rad", below=5e-3
                ),
                "departed": Claim("largest such angle once a point has left the margin", above=5e-3),
            },
        ),
    ),
    scales={
        "smoke": Scale(replicates=1, settings=OrdersScale(orders=3)),
        "laptop": Scale(replicates=3, settings=OrdersScale(orders=10)),
        "paper": Scale(replicates=10, settings=OrdersScale(orders=50)),
    },
    run_cell=_run,
    picture="diagonal_networks",
    remarks=(
        "The interpolation is exact for flow at every alpha, not only in the limits; l2 and l1 are its two ends. Steps "
        "and noise change the potential, not the form of the optimum: u v shrinks, coordinate by coordinate.",
        "Classification: x = log(1/loss) / alpha^2. Margins collapse on x for large alpha; the optimum of the limit is "
        "reached as long as no point that held the margin has left it, and then no longer.",
    ),
)  # fmt: skip
