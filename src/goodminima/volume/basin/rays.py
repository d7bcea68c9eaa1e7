"""How far rays go: the radius at which the loss first rises above each cutoff, for many rays at once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float64, Int64

Along = Callable[[Int64[np.ndarray, "M"], Float64[np.ndarray, "M"]], Float64[np.ndarray, "M"]]

_MOST_STEPS = 100  # halving alone would take 60 to tell neighbouring float64 apart
_SMALLEST = 2.0**-30  # of the first step: where a ray that has crossed within it is taken to begin
_LOG_FLOOR = -600.0  # of a loss in units of the cutoff


@final
@dataclass(frozen=True, slots=True)
class Stride:
    """The step rule: losses are looked at radii first, first * growth, first * growth^2, ..., limit.

    The first of these above a cutoff, and the one before it, bracket the crossing, which is then refined. Where the loss
    rises and falls back within one step, that crossing is stepped over: the result is the first crossing that outlasts a
    factor of `growth`.

    Args:
        first: The first radius, positive.
        growth: Ratio of neighbouring radii, above 1.
        tolerance: Relative error of a radius at which its refinement ends.
    """

    first: float
    growth: float
    tolerance: float


@final
@dataclass(frozen=True, slots=True, eq=False)
class Crossings:
    """Where P rays first cross K cutoffs.

    Args:
        radius: Of the crossing, or the ray's limit where there was none.
        crossed: Whether there was one.
        evaluations: Losses computed.
    """

    radius: Float64[np.ndarray, "K P"]
    crossed: Bool[np.ndarray, "K P"]
    evaluations: int


@final
@dataclass(slots=True, eq=False)
class _Brackets:
    """Log radii on both sides of each crossing, and by how much the log loss misses the cutoff there."""

    low: Float64[np.ndarray, "K P"]
    high: Float64[np.ndarray, "K P"]
    low_miss: Float64[np.ndarray, "K P"]
    high_miss: Float64[np.ndarray, "K P"]
    evaluations: int


def first_crossings(
    along: Along,
    cutoffs: Float64[np.ndarray, "K"],
    *,
    limits: Float64[np.ndarray, "P"],
    at_centre: float,
    stride: Stride,
) -> Crossings:
    """The first crossing of every cutoff along every ray. A loss that is not a number counts as above.

    Rays stop one by one; a ray without a crossing within its limit is kept, with the limit as its radius. A higher cutoff is
    never crossed before a lower one.

    Args:
        along: (numbers of rays, radii) -> losses there.
        cutoffs: Increasing.
        limits: How far each ray is followed, positive.
        at_centre: The loss at radius 0, below every cutoff.
        stride: The step rule.

    Returns:
        The radius of each crossing, K cutoffs by P rays, and how many losses it took.

    Cost: log(radius / first) / log(growth) losses a ray, and 1 a crossing for a power law, 3 to 5 for nets.
    """
    brackets = _march(along, cutoffs, limits, at_centre, stride)
    crossed = np.isfinite(brackets.high)
    log_radius = np.where(crossed, 0.0, np.log(limits))
    log_radius[crossed], refinements = _refine(along, cutoffs, brackets, stride.tolerance)
    # Where the loss is not monotone within a bracket, the crossing of a higher cutoff bounds the one of a lower from above.
    nested = np.minimum.accumulate(log_radius[::-1], axis=0)[::-1]
    radius = np.minimum(np.exp(nested), limits)
    return Crossings(radius, crossed, brackets.evaluations + refinements)


def _miss(loss: np.ndarray, cutoff: np.ndarray) -> np.ndarray:
    """Positive above the cutoff and only there; linear in log radius where the loss is a power of the radius.

    A cutoff that is not positive has no logarithm; there the difference itself serves.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(np.maximum(loss, 0.0) / cutoff)
        miss = np.where(cutoff > 0, np.maximum(logs, _LOG_FLOOR), loss - cutoff)
    above = np.where(np.isnan(miss), np.inf, np.maximum(miss, np.finfo(float).tiny))
    return np.where(loss <= cutoff, np.minimum(miss, 0.0), above)


def _march(along: Along, cutoffs: np.ndarray, limits: np.ndarray, at_centre: float, stride: Stride) -> _Brackets:
    """Follows every ray until the highest cutoff is crossed or its limit is reached."""
    shape = (len(cutoffs), len(limits))
    found = _Brackets(np.empty(shape), np.full(shape, np.inf), np.empty(shape), np.empty(shape), 0)
    before, loss_before = np.minimum(stride.first, limits) * _SMALLEST, np.full(len(limits), at_centre)
    rays, radius = np.arange(len(limits)), stride.first
    while len(rays):
        t = np.minimum(radius, limits[rays])
        loss = along(rays, t)
        found.evaluations += len(rays)
        which, some = np.nonzero(~(loss <= cutoffs[:, None]) & np.isinf(found.high[:, rays]))
        place = which, rays[some]
        found.low[place], found.high[place] = np.log(before[rays[some]]), np.log(t[some])
        found.low_miss[place] = _miss(loss_before[rays[some]], cutoffs[which])
        found.high_miss[place] = _miss(loss[some], cutoffs[which])
        before[rays], loss_before[rays] = t, loss
        rays = rays[np.isinf(found.high[-1, rays]) & (t < limits[rays])]
        radius *= stride.growth
    return found


def _refine(along: Along, cutoffs: np.ndarray, brackets: _Brackets, tolerance: float) -> tuple[np.ndarray, int]:
    """Log radii of all bracketed crossings, and the losses that took.

    A secant step, then inverse quadratic interpolation where Chandrupatla's test trusts it, else halving. A crossing is
    found when its bracket is within the tolerance, or the step that would come next within half of it.

    Reference: Chandrupatla 1997.
    """
    which, ray = np.nonzero(np.isfinite(brackets.high))
    place = which, ray
    x1, f1, x2, f2 = brackets.high[place], brackets.high_miss[place], brackets.low[place], brackets.low_miss[place]
    fraction = _secant(f1, f2)
    found = x1 + fraction * (x2 - x1)
    left, evaluations = np.flatnonzero(np.abs(x2 - x1) > tolerance), 0
    x1, f1, x2, f2, fraction = (values[left] for values in (x1, f1, x2, f2, fraction))
    for _ in range(_MOST_STEPS):
        if not len(left):
            break
        x = x1 + fraction * (x2 - x1)
        f = _miss(along(ray[left], np.exp(x)), cutoffs[which[left]])
        evaluations += len(left)
        same = (f > 0) == (f1 > 0)
        x3, f3 = np.where(same, x1, x2), np.where(same, f1, f2)
        x2, f2 = np.where(same, x2, x1), np.where(same, f2, f1)
        x1, f1 = x, f
        fraction = _next_fraction((x1, f1), (x2, f2), (x3, f3))
        found[left] = x1 + fraction * (x2 - x1)
        # Never closer than half a tolerance to either end, so that the bracket shrinks from both.
        least = np.minimum(0.5 * tolerance / np.abs(x2 - x1), 0.5)
        going = (fraction * np.abs(x2 - x1) > 0.5 * tolerance) & (least < 0.5)
        fraction = np.clip(fraction, least, 1 - least)
        x1, f1, x2, f2, fraction, left = (values[going] for values in (x1, f1, x2, f2, fraction, left))
    return found, evaluations


def _secant(f1: np.ndarray, f2: np.ndarray) -> np.ndarray:
    """Where the line between the ends of the bracket crosses zero, as a fraction from the first; halfway if it is nowhere."""
    with np.errstate(invalid="ignore", divide="ignore"):
        fraction = f1 / (f1 - f2)
    return np.where(np.isfinite(f1) & np.isfinite(f2) & np.isfinite(fraction), fraction, 0.5)


def _next_fraction(first: tuple, second: tuple, third: tuple) -> np.ndarray:
    """Of the way from the first point to the second, where the loss should meet the cutoff."""
    (x1, f1), (x2, f2), (x3, f3) = first, second, third
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        xi, phi = (x1 - x2) / (x3 - x2), (f1 - f2) / (f3 - f2)
        trusted = (phi**2 < xi) & ((1 - phi) ** 2 < 1 - xi)
        quadratic = f1 / (f2 - f1) * f3 / (f2 - f3) + (x3 - x1) / (x2 - x1) * f1 / (f3 - f1) * f2 / (f3 - f2)
    return np.where(trusted & np.isfinite(quadratic), np.clip(quadratic, 0, 1), 0.5)
