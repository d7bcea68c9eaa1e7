"""What three theorems on homogeneous networks share: the exponential loss far below e^-700, and a step that fits it.

With q_i the margin of example i, the loss is L = sum_i exp(-q_i). Its logarithm is what is followed: gradient ascent on
-log L is gradient descent on L with a step of (a number) / L, on the same flow but without the wait that 1 / L means.
-grad log L is the mean of the grad q_i with weights p = softmax(-q).
"""

import math

import numpy as np
from jaxtyping import Float
from numba import njit

STEP = 1.0
"""Step in units of 1 / max_i |grad q_i|^2. -log L bends by at most that maximum (the spread of the grad q_i), plus what
the q_i bend themselves; below 2 an ascent of a concave -log L does not overshoot."""

LARGEST_MOVE = 0.05
"""A step moves the weights by at most this fraction of their norm: the q_i are then close to their linear model."""


@njit(cache=True, nogil=True)
def softmin(q: np.ndarray, p: np.ndarray) -> float:
    """-log sum_i exp(-q_i), of any size, and the weights softmax(-q).

    Args:
        q: (n,) margins, n at least 1.
        p: (n,) what the weights are written into.

    Returns:
        -log sum_i exp(-q_i).
    """
    low = q[0]
    for i in range(1, len(q)):
        low = min(low, q[i])
    total = 0.0
    for i in range(len(q)):
        p[i] = math.exp(low - q[i])
        total += p[i]
    for i in range(len(q)):
        p[i] /= total
    return low - math.log(total)


@njit(cache=True, nogil=True)
def fitting_step(steepest: float, rho: float) -> float:
    """The step on -log L that fits the place.

    Args:
        steepest: What max_i |grad q_i|^2 is at most there, above 0.
        rho: Norm of the weights.

    Returns:
        The step size.
    """
    return min(STEP / steepest, LARGEST_MOVE * rho / math.sqrt(steepest))


def minus_log_loss(q: Float[np.ndarray, "*batch n"]) -> Float[np.ndarray, "*batch"] | np.float64:
    """-log sum_i exp(-q_i), where the loss itself would underflow.

    Args:
        q: Margins of n examples.

    Returns:
        A number for each batch of margins.

    >>> minus_log_loss(np.array([2000.0, 2000.0])).round(6).item()
    1999.306853
    """
    low = q.min(axis=-1)
    return low - np.log(np.exp(low[..., None] - q).sum(axis=-1))
