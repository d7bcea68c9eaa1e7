"""How fast first-order methods close the gap to the maximum l2 margin: from 1 / log t to 1 / t^2.

All of them move along g = -grad L / L of the exponential loss, the mean of the rows z_i under softmax(-Zw); they differ in
how far. Rows have norm at most 1.

References: Nacson et al. 2019 (Convergence of gradient descent on separable data), steps that make up for the shrinking
gradient; Ji, Srebro and Telgarsky 2021 (Fast margin maximization via dual acceleration), Nesterov's method in the dual.
"""

import math
from enum import IntEnum

import numpy as np
from jaxtyping import Float, Int
from numba import njit

from goodminima.core.progress import Callback, no_callback
from goodminima.theory.exponential import pull
from goodminima.theory.loops import snapshots


class Rule(IntEnum):
    """How w moves at step t = 0, 1, ..., with a step size eta.

    Args:
        DESCENT: eta L g, plain gradient descent. The gap closes like 1 / log t.
        NORMALISED_DECAYING: eta g / (||g|| sqrt(t + 1)). Like t^-1/2, up to a logarithm.
        OVER_LOSS: eta g, gradient over loss. Like 1 / t.
        NORMALISED: eta g / ||g||. Like 1 / t.
        ACCELERATED: eta (m + g), with the momentum m <- t / (t + 1) (m + g) before it. Like 1 / t^2.
    """

    DESCENT = 0
    NORMALISED_DECAYING = 1
    OVER_LOSS = 2
    NORMALISED = 3
    ACCELERATED = 4


def margin_path(
    z: Float[np.ndarray, "n d"],
    *,
    rule: Rule,
    times: Int[np.ndarray, "times"],
    step: float = 1.0,
    callback: Callback = no_callback,
) -> Float[np.ndarray, "times d"]:
    """Iterates of a rule from w = 0, at the given numbers of steps.

    Args:
        z: Rows y_i x_i, of norm at most 1.
        rule: The method.
        times: Numbers of steps, increasing.
        step: Step size.
        callback: Called now and then with a `Progress` in steps.

    Returns:
        w at each of the times.

    Raises:
        ValueError: If a row is longer than 1: step sizes are meant for rows of norm at most 1.

    Cost: n exponentials and 2 n d products a step.
    """
    longest = np.linalg.norm(z, axis=1).max()
    if longest > 1 + 1e-12:
        raise ValueError(f"margin_path: rows must have norm at most 1, got {longest:.4g}; divide them by it")
    w, momentum = np.zeros(z.shape[1]), np.zeros(z.shape[1])

    def advance(begin: int, end: int) -> None:
        _advance(z, w, momentum, begin, end, step, rule)

    return snapshots(advance, w, times=times, callback=callback)


@njit(cache=True, nogil=True)
def _advance(  # noqa: PLR0917  (numba knows no keyword-only arguments)
    z: np.ndarray, w: np.ndarray, momentum: np.ndarray, begin: int, end: int, step: float, rule: Rule
) -> None:
    n, d = z.shape
    p, g = np.empty(n), np.empty(d)
    for t in range(begin, end):
        log_loss = pull(z, w, p, g)
        if rule == Rule.ACCELERATED:
            for j in range(d):
                momentum[j] = t / (t + 1.0) * (momentum[j] + g[j])
                w[j] += step * (momentum[j] + g[j])
            continue
        far = step
        if rule == Rule.DESCENT:
            far *= math.exp(log_loss)
        elif rule == Rule.NORMALISED_DECAYING:
            far /= math.sqrt((t + 1.0) * (g @ g))
        elif rule == Rule.NORMALISED:
            far /= math.sqrt(g @ g)
        for j in range(d):
            w[j] += far * g[j]
