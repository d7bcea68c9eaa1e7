"""Gunasekar et al.: which solution mirror descent, natural gradient, AdaGrad and Adam reach, and what it depends on."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from goodminima.experiments.callbacks import as_part
from goodminima.experiments.experiment import Cell, Claim, Context, Experiment, Outcome, Scale
from goodminima.experiments.settings import NonNegative, Settings
from goodminima.theory.adaptive import adagrad, adam_path
from goodminima.theory.loops import log_spaced, slope
from goodminima.theory.mirror import (
    AbstractPotential,
    Entropy,
    Hypentropy,
    Power,
    bregman_projection,
    mirror_descent,
    natural_gradient,
    positive_problem,
    stable_step,
)
from goodminima.theory.steepest import NORMS, margin_gaps, norms_apart

Potential = Literal["l2", "l1.5", "l3", "hypentropy", "entropy"]
POTENTIALS: Mapping[Potential, AbstractPotential] = {
    "l2": Power(2.0),
    "l1.5": Power(1.5),
    "l3": Power(3.0),
    "hypentropy": Hypentropy(0.1),
    "entropy": Entropy(),
}
_NATURAL_STEPS = (3e-3, 1e-3, 1e-4, 1e-5)
_NATURAL_BUDGET = 300  # at most this many reciprocal steps; 20 to 50 do on most problems
_ADAM_STEPS = 10**6


@final
@dataclass(frozen=True, kw_only=True)
class MirrorCell(Settings):
    """What a cell of mirror descent sets.

    Args:
        potential: One of `POTENTIALS`.
        method: Which it is.
    """

    potential: Potential
    method: Literal["mirror"] = "mirror"


@final
@dataclass(frozen=True, kw_only=True)
class AdamCell(Settings):
    """What a cell of Adam sets.

    Args:
        epsilon: What Adam adds to the root of its second moment.
        method: Which it is.
    """

    epsilon: NonNegative
    method: Literal["adam"] = "adam"


@final
@dataclass(frozen=True, kw_only=True)
class MethodCell(Settings):
    """What a cell sets that runs several constants of one method.

    Args:
        method: Which it is.
    """

    method: Literal["natural", "adagrad"]


def _run(cell: Cell[MirrorCell | AdamCell | MethodCell], context: Context) -> Outcome:
    settings = cell.settings
    match settings.method:
        case "mirror":
            return _mirror(context, POTENTIALS[settings.potential])
        case "natural":
            return _natural(context)
        case "adagrad":
            return _adagrad(context)
        case "adam":
            return _adam(cell, context, epsilon=settings.epsilon)


def _mirror(context: Context, potential: AbstractPotential) -> Outcome:
    """From two starts: how far each limit is from its projection, and how far the limits are from each other."""
    a, b, starts = positive_problem(context.key("problem"))
    targets = [bregman_projection(a, b, potential=potential, start=start) for start in starts]
    limits = [
        mirror_descent(a, b, potential=potential, start=start, step=stable_step(a, potential=potential, at=target)).w
        for start, target in zip(starts, targets, strict=True)
    ]
    distances = [_distance(limit, target) for limit, target in zip(limits, targets, strict=True)]
    return Outcome(
        values={"flat start": distances[0], "random start": distances[1], "apart": _distance(*limits)},
        arrays={"limits": np.stack(limits), "targets": np.stack(targets)},
    )


def _natural(context: Context) -> Outcome:
    a, b, starts = positive_problem(context.key("problem"))
    target = bregman_projection(a, b, potential=Entropy(), start=starts[0])
    budgets = [round(_NATURAL_BUDGET / step) for step in _NATURAL_STEPS]
    runs = []
    for number, (step, budget) in enumerate(zip(_NATURAL_STEPS, budgets, strict=True)):
        callback = as_part(context, total=sum(budgets), before=sum(budgets[:number]))
        runs.append(natural_gradient(a, b, start=starts[0], step=step, max_steps=budget, callback=callback))
    distances = [_distance(run.w, target) for run in runs]
    return Outcome(
        values={
            "residual": max(run.residual for run in runs),
            "exponent": slope(np.log(_NATURAL_STEPS), np.log(distances)),
            "largest": distances[0],
            "smallest": distances[-1],
        },
        arrays={"steps": np.array(_NATURAL_STEPS), "distances": np.array(distances)},
    )


def _adagrad(context: Context) -> Outcome:
    """Three runs on one problem that differ in nothing but the start of the sum of squares, and the step size."""
    a, b, _ = positive_problem(context.key("problem"))
    runs = [adagrad(a, b, step=step, initial=initial) for step, initial in ((0.1, 1.0), (0.1, 100.0), (1.0, 1.0))]
    least_norm = np.linalg.pinv(a) @ b
    return Outcome(
        values={
            "residual": max(run.residual for run in runs),
            "start": _distance(runs[1].w, runs[0].w),
            "step": _distance(runs[2].w, runs[0].w),
            "least norm": min(_distance(run.w, least_norm) for run in runs),
        },
        arrays={"limits": np.stack([run.w for run in runs])},
    )


def _adam(cell: Cell, context: Context, *, epsilon: float) -> Outcome:
    z, times = norms_apart(context.key("rows")), log_spaced(_ADAM_STEPS)
    gaps = margin_gaps(z, adam_path(z, epsilon=epsilon, times=times, callback=context.callback))
    sup, euclidean = gaps[:, NORMS.index(math.inf)], gaps[:, NORMS.index(2.0)]
    nearest = int(sup.argmin())  # when the l_inf gap was least
    values = {
        "sup": float(sup[-1]),
        "euclidean": float(euclidean[-1]),
        "returns": float(sup[-1] / sup[nearest]) if sup[nearest] > 0 else None,
        "nears": float(euclidean[-1] / euclidean[nearest]),
    }
    return Outcome(
        values={name: values[name] for name in cell.measures},
        arrays={"times": times.astype(np.float64), "sup": sup, "euclidean": euclidean},
    )


def _distance(w: np.ndarray, other: np.ndarray) -> float:
    """Largest difference of a coordinate, relative to the largest coordinate of `other`."""
    return float(np.abs(w - other).max() / np.abs(other).max())


def _mirror_cell(name: Potential) -> Cell[MirrorCell]:
    nearest = "the limit is the Bregman projection of the start onto the solutions: distance from a {} start"
    return Cell(
        name=f"mirror/{name}",
        settings=MirrorCell(potential=name),
        measures=("flat start", "random start", "apart"),
        claims={
            "flat start": Claim(nearest.format("flat"), below=1e-10),
            "random start": Claim(nearest.format("random"), below=1e-10),
            "apart": Claim("so it depends on the start: distance between the two limits", above=0.01),
        },
    )


MIRROR_DESCENT = Experiment(
    name="implicit_bias/mirror_descent",
    title="Mirror descent projects its start; natural gradient, AdaGrad and Adam depend on more",
    claim="Among all solutions mirror descent takes the one nearest to its start in its own potential; other adaptive methods "
    "have a limit that step sizes and constants decide.",
    source="Gunasekar et al. 2018a; Zhang, Zou and Cao 2024",
    percent=False,
    cells=(
        *(_mirror_cell(name) for name in POTENTIALS),
        Cell(
            name="natural-gradient",
            settings=MethodCell(method="natural"),
            measures=("residual", "exponent", "largest", "smallest"),
            claims={
                "residual": Claim("with every step size it reaches a solution: largest residual", below=1e-10),
                "exponent": Claim(
                    "its distance from the projection is linear in the step: exponent over steps 3e-3 to 1e-5",
                    above=0.95,
                    below=1.05,
                ),
                "largest": Claim("so it misses the projection: distance with step 3e-3", above=1e-4),
                "smallest": Claim("but not in the limit: distance with step 1e-5", below=1e-4),
            },
        ),
        Cell(
            name="adagrad",
            settings=MethodCell(method="adagrad"),
            measures=("residual", "start", "step", "least norm"),
            claims={
                "residual": Claim("all runs reach solutions: largest residual", below=1e-10),
                "start": Claim("the limit depends on the start of the sum of squares: 1 against 100", above=0.01),
                "step": Claim("and on the step size: 0.1 against 1", above=0.01),
                "least norm": Claim("and never is the least-norm solution: least distance", above=0.01),
            },
        ),
        Cell(
            name="adam/eps=0",
            settings=AdamCell(epsilon=0.0),
            measures=("sup", "euclidean"),
            claims={
                "sup": Claim("Adam without epsilon maximises the l_inf margin: its gap after 1e6 steps", below=5e-3),
                "euclidean": Claim("and not the l2 margin: gap", above=0.015),
            },
        ),
        Cell(
            name="adam/eps=1e-8",
            settings=AdamCell(epsilon=1e-8),
            measures=("sup", "returns", "nears"),
            claims={
                "sup": Claim("with epsilon it does not: l_inf gap after 1e6 steps", above=0.015),
                "returns": Claim("once near, it leaves again: that gap, relative to the least it had", above=1.25),
                "nears": Claim("towards the l2 margin: l2 gap, relative to what it was then", below=0.8),
            },
        ),
    ),
    scales={
        "smoke": Scale(replicates=1),
        "laptop": Scale(replicates=3),
        "paper": Scale(replicates=10),
    },
    run_cell=_run,
    picture="mirror_descent",
    remarks=(
        "Programme, section The geometry enters, which says min-norm: the limit is the projection of the start, and has least "
        "norm only if the start has.",
        "Least squares of 10 equations in 30 unknowns with a positive solution; distances are of the largest coordinate, "
        "relative. Natural gradient in the metric of the entropy.",
        "Adam with beta1 = beta2 = 0.9 and steps 0.1 / sqrt(t) on the data of steepest_descent. With beta2 = 0.999 its memory "
        "of large early gradients delays all this by a thousand steps and more.",
    ),
)
