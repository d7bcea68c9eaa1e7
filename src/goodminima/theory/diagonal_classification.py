"""Diagonal linear networks on separable data: which margin is large is decided by log(1/loss) / alpha^2.

Gradient flow of the exponential loss sum_i exp(-q_i), q = Zw, w = u o u - v o v from u = v = alpha. In dual coordinates
w = 2 alpha^2 sinh(Z^T s), where s is 0 at first and only grows: with the time of s measured in loss, ds/dtau = p, the
softmax of -q. So the path is followed in s, where losses far below any floating-point number are reached in tau = 30.

For large alpha the direction at loss epsilon depends on x = log(1/epsilon) / alpha^2 alone: that of the l2 maximum margin
for small x, that of the l1 maximum margin as x grows without end, and in between that of least hypentropy at scale 2 with
margins of at least x.

Differs from paper: that optimum is where the flow is as long as the points that have held the margin still hold it. A
point that has left it keeps its s, which the optimum's conditions forbid; the flow is then another function of x.

Reference: Moroshko et al. 2020, depth 2.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float, Int
from scipy.integrate import solve_ivp
from scipy.special import softmax

_HELD = 1e-3  # share of the largest s from which a point counts as one that held the margin
_FAINT = 20.0  # excess over the smallest margin from which a point has left: its pull is e^-20 of the strongest


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Path:
    """The flow at some losses.

    Args:
        w: (levels, d) the classifier at each.
        s: (levels, n) the dual coordinates at each.
        left: (levels,) how many points held the margin before, and have left it.
    """

    w: Float[np.ndarray, "levels d"]
    s: Float[np.ndarray, "levels n"]
    left: Int[np.ndarray, "levels"]


def classification_flow(z: Float[np.ndarray, "n d"], *, alpha: float, levels: Float[np.ndarray, "levels"]) -> Path:
    """The flow where log(1/loss) = alpha^2 x, for each x of `levels`.

    Args:
        z: Rows y_i x_i, separable.
        alpha: Start, above 0.
        levels: Increasing; alpha^2 x above -log n, where the flow starts.

    Returns:
        Where the flow is at each of the levels.

    Raises:
        ValueError: If alpha is not positive, or the levels are not increasing and ahead of the start.
        RuntimeError: If a level is not reached: the rows are not separable, or the integrator stopped.
    """
    if not alpha > 0:
        raise ValueError(f"classification_flow: alpha must be above 0, got {alpha}")
    if not (np.diff(levels) > 0).all() or not alpha**2 * levels[0] > -np.log(len(z)):
        raise ValueError(f"classification_flow: levels must increase from above -log(n) / alpha^2, got {levels}")
    scale = 2 * alpha**2

    def margins(s: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        return z @ (scale * np.sinh(s @ z))

    def velocity(_: float, s: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        return np.asarray(softmax(-margins(s)))

    def jacobian(_: float, s: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n n"]:
        p, kernel = velocity(0.0, s), (z * (scale * np.cosh(s @ z))) @ z.T
        return np.outer(p, p @ kernel) - p[:, None] * kernel

    # In these units of time the path is short, about log(x) / margin; one that never gets there is stopped at 1e4.
    found = solve_ivp(
        velocity,
        (0.0, 1e4),
        np.zeros(len(z)),
        method="Radau",
        jac=jacobian,
        events=[_crossing(margins, alpha**2 * level, ends=bool(level == levels[-1])) for level in levels],
        rtol=1e-8,
        atol=1e-10,
    )
    if found.status != 1:
        raise RuntimeError(f"classification_flow: log(1/loss) = {alpha**2 * levels[-1]:g} not reached: {found.message}")
    s = np.array([at[0] for at in found.y_events])
    w = scale * np.sinh(s @ z)
    return Path(w=w, s=s, left=_left(w @ z.T, s))


def _crossing(
    margins: Callable[[Float[np.ndarray, "n"]], Float[np.ndarray, "n"]], level: float, *, ends: bool
) -> Callable[[float, Float[np.ndarray, "n"]], float]:
    """The integrator's event that log(1/loss) reaches a level."""

    def event(_: float, s: Float[np.ndarray, "n"]) -> float:
        return float(-np.logaddexp.reduce(-margins(s)) - level)

    event.__dict__["terminal"] = ends  # how the integrator wants to be told
    return event


def _left(q: Float[np.ndarray, "levels n"], s: Float[np.ndarray, "levels n"]) -> Int[np.ndarray, "levels"]:
    held = s > _HELD * s.max(axis=1, keepdims=True)
    return (held & (q > q.min(axis=1, keepdims=True) + _FAINT)).sum(axis=1)


def descend_to(
    z: Float[np.ndarray, "n d"], *, alpha: float, level: float, step: float, max_steps: int = 10**6
) -> Float[np.ndarray, "d"]:
    """The same by the book: gradient descent on u and v, steps of `step` / loss, until log(1/loss) = alpha^2 `level`.

    Slow, and only for losses that are floating-point numbers; it is what the flow in dual coordinates is held against.

    Args:
        z: Rows y_i x_i, separable.
        alpha: Start, above 0.
        level: x, where to end.
        step: Step size, times the loss.
        max_steps: Most steps.

    Returns:
        w = u^2 - v^2 at the end.

    Raises:
        RuntimeError: If `max_steps` did not get there.
    """
    u, v = np.full(z.shape[1], alpha), np.full(z.shape[1], alpha)
    for _ in range(max_steps):
        q = z @ (u**2 - v**2)
        if -np.logaddexp.reduce(-q) >= alpha**2 * level:
            return u**2 - v**2
        pull = step * (softmax(-q) @ z)
        u, v = u * (1 + pull), v * (1 - pull)
    raise RuntimeError(f"descend_to: log(1/loss) = {alpha**2 * level:g} not reached in {max_steps} steps")
