"""Steepest descent in l_p: it maximises the margin of its own norm.

w_{t+1} = w_t + eta_t v_t, where v_t maximises <g_t, v> over ||v||_p <= 1 for g = -grad L / L of the exponential loss:
coordinate descent for p = 1, sign descent for p = infinity, the gradient's direction for p = 2. With eta_t decaying like
t^-1/2 the l_p margin min_i <z_i, w> / ||w||_p tends to the largest there is.

Reference: Gunasekar et al. 2018 (Characterizing implicit bias in terms of optimization geometry).
"""

import math

import numpy as np
from jaxtyping import Float, Int
from numba import njit

from goodminima.core.progress import Callback, no_callback
from goodminima.theory.convex import dual_exponent, margin, max_margin
from goodminima.theory.exponential import pull
from goodminima.theory.loops import snapshots

NORMS = (1.0, 1.5, 2.0, 3.0, math.inf)
_APART = 0.025  # margin gap between optima; iterates end within about 0.002 of theirs
_DRAWS = 100


def steepest_path(
    z: Float[np.ndarray, "n d"],
    *,
    p: float,
    times: Int[np.ndarray, "times"],
    step: float = 0.3,
    callback: Callback = no_callback,
) -> Float[np.ndarray, "times d"]:
    """Iterates of steepest descent in l_p from w = 0 with steps of length step / sqrt(t + 1), at given numbers of steps.

    Args:
        z: (n, d) rows y_i x_i.
        p: The norm, at least 1, infinity included.
        times: Numbers of steps, increasing.
        step: Length in l_p of the first step.
        callback: Called now and then with a `Progress` in steps.

    Returns:
        w at each of the times.

    Cost: n exponentials, 2 n d products and for p other than 1, 2 and infinity d powers a step.
    """
    w, q = np.zeros(z.shape[1]), dual_exponent(p)

    def advance(begin: int, end: int) -> None:
        _advance(z, w, begin, end, step, q)

    return snapshots(advance, w, times=times, callback=callback)


@njit(cache=True, nogil=True)
def _advance(z: np.ndarray, w: np.ndarray, begin: int, end: int, step: float, q: float) -> None:  # noqa: PLR0917  (numba)
    n, d = z.shape
    weights, g = np.empty(n), np.empty(d)
    for t in range(begin, end):
        pull(z, w, weights, g)
        _steepest(g, q)
        far = step / math.sqrt(t + 1.0)
        for j in range(d):
            w[j] += far * g[j]


@njit(cache=True, nogil=True)
def _steepest(g: np.ndarray, q: float) -> None:
    """Replaces g by the v of ||v||_p = 1 that has the largest <g, v>, with 1 / p + 1 / q = 1."""
    largest = np.abs(g).argmax()
    scale = abs(g[largest])
    if q == math.inf:
        sign = math.copysign(1.0, g[largest])
        g[:] = 0.0
        g[largest] = sign
        return
    length = 0.0
    for j in range(len(g)):
        size = abs(g[j]) / scale
        power = size if q == 2.0 else (1.0 if q == 1.0 else size ** (q - 1.0))
        length += size * power
        g[j] = math.copysign(power, g[j])
    length **= 1.0 - 1.0 / q
    for j in range(len(g)):
        g[j] /= length


def others(p: float) -> tuple[float, ...]:
    """The norms that l_p is held against: all other ones, except that l1 and l1.5 have optima too near each other.

    Args:
        p: One of `NORMS`.

    Returns:
        Their p.

    >>> others(1.5)
    (2.0, 3.0, inf)
    """
    return tuple(other for other in NORMS if other != p and {p, other} != {1.0, 1.5})


def margin_gaps(z: Float[np.ndarray, "n d"], w: Float[np.ndarray, "*batch d"]) -> Float[np.ndarray, "*batch norms"]:
    """How far margins are from the largest one, in each of `NORMS`.

    Args:
        z: Rows y_i x_i, separable.
        w: Weight vectors.

    Returns:
        1 - margin / largest margin of each weight vector in each norm.

    Cost: the five references of `convex.max_margin`, tens of milliseconds.
    """
    return np.stack([1 - margin(z, w, p=p) / max_margin(z, p=p).margin for p in NORMS], axis=-1)


def norms_apart(seed: int, *, n: int = 17, d: int = 10) -> Float[np.ndarray, "n d"]:
    """Separable rows on which the norms want different things.

    Rows scatter (0.2 times normal) about one vector whose features run from 1 down to 0.05, with random signs. Draws on
    which some norm's optimum is within 2.5 % of optimal in another are drawn again, since no run could tell these norms
    apart (only l1 and l1.5 may be near); so are draws on which a single row decides some norm's optimum.

    Args:
        seed: At least 0.
        n: Number of rows, at least 1.
        d: Dimension, at least 2.

    Returns:
        The rows.

    Raises:
        ValueError: If `n` or `d` is out of range, or no draw tells the norms apart.
    """
    if n < 1 or d < 2:
        raise ValueError(
            f"norms_apart: needs n >= 1 and d >= 2, in one dimension all norms are one; got n = {n}, d = {d}"
        )
    rng = np.random.default_rng(seed)
    for _ in range(_DRAWS):
        centre = np.geomspace(1, 0.05, d) * rng.choice([-1.0, 1.0], d)
        z = centre + 0.2 * rng.standard_normal((n, d))
        if (z @ centre).min() > 0 and _tells_norms_apart(z):
            return z
    raise ValueError(
        f"norms_apart: none of {_DRAWS} draws with n = {n}, d = {d} tells the norms apart; take a larger d"
    )


def _tells_norms_apart(z: Float[np.ndarray, "n d"]) -> bool:
    optima = {p: max_margin(z, p=p) for p in NORMS}
    if min(len(optimum.support) for optimum in optima.values()) < 2:
        return False
    return all(
        margin(z, optima[p].direction, p=other) < (1 - _APART) * optima[other].margin
        for p in NORMS
        for other in others(p)
    )
