"""The exponential loss of a linear predictor, L(w) = mean_i e^(-<z_i, w>), in a form that never underflows."""

import math

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def pull(z: np.ndarray, w: np.ndarray, p: np.ndarray, g: np.ndarray) -> float:
    """The pull -grad L / L, the mean of the rows under the weights softmax(-Zw), and the loss.

    Args:
        z: (n, d) rows.
        w: (d,) the predictor.
        p: (n,) what the weights are written into.
        g: (d,) what the pull is written into.

    Returns:
        log L.
    """
    n, d = z.shape
    least = math.inf
    for i in range(n):
        q = 0.0
        for j in range(d):
            q += z[i, j] * w[j]
        p[i] = q
        least = min(least, q)
    total = 0.0
    for i in range(n):
        p[i] = math.exp(least - p[i])
        total += p[i]
    g[:] = 0.0
    for i in range(n):
        p[i] /= total
        for j in range(d):
            g[j] += p[i] * z[i, j]
    return math.log(total / n) - least
