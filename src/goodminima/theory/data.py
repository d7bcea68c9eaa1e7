"""Linearly separable data made to measure: what a theorem's limit depends on is planted, so it is known."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float
from scipy.stats import ortho_group


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Planted:
    """Rows whose maximum l2 margin is known exactly.

    Args:
        z: (n, d) rows y_i x_i; the first d are the support vectors.
        direction: (d,) the direction of maximum margin, of norm 1; the margin is 1.
        weights: (d,) above 0, sum 1: the support vectors' weights, `weights @ z[:d]` is `direction`.
    """

    z: Float[np.ndarray, "n d"]
    direction: Float[np.ndarray, "d"]
    weights: Float[np.ndarray, "d"]


def planted(seed: int, *, n: int, d: int, spread: float = 2.0) -> Planted:
    """Separable rows with d support vectors that hold the direction of maximum margin stiffly; other margins above 2.

    Why not Gaussian data: there the next margins lie just above the smallest, and some weights just above 0. Along
    gradient descent a row with excess margin e falls away like t^-e, and a disturbance across the direction dies like
    t^-s, s the least eigenvalue of sum_i a_i v_i v_i^T over the support vectors (1, v_i) with weights a_i. Exponents
    fitted at any reachable t would be those of e and s. Here e is at least 1 and s is `spread`.

    Args:
        seed: At least 0.
        n: Number of rows, at least d.
        d: Dimension, at least 2.
        spread: Above 0: sum_i a_i v_i v_i^T is this times the identity.

    Returns:
        The rows, the direction of maximum margin, and the weights a_i of the support vectors.

    Raises:
        ValueError: If an argument is out of its range.

    >>> data = planted(0, n=40, d=3)
    >>> (data.z @ data.direction)[:3].round(12).tolist(), bool((data.z @ data.direction)[3:].min() > 2)
    ([1.0, 1.0, 1.0], True)
    """
    if not 2 <= d <= n:
        raise ValueError(f"planted: needs 2 <= d <= n, d support vectors among n rows, got d = {d}, n = {n}")
    if not spread > 0:
        raise ValueError(f"planted: spread must be above 0, got {spread}")
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0.5, 1.5, d)
    weights /= weights.sum()
    sideways = rng.standard_normal((n, d - 1))
    sideways[:d] = np.sqrt(spread) * _whitened(sideways[:d], weights)
    along = np.concatenate([np.ones(d), rng.uniform(2, 4, n - d)])
    rotation = ortho_group.rvs(d, random_state=rng)
    return Planted(z=np.column_stack([along, sideways]) @ rotation, direction=rotation[0], weights=weights)


def _whitened(v: Float[np.ndarray, "k m"], weights: Float[np.ndarray, "k"]) -> Float[np.ndarray, "k m"]:
    """A linear image of v with weighted mean 0 and weighted covariance 1."""
    centred = v - weights @ v
    lower = np.linalg.cholesky((centred.T * weights) @ centred)
    return np.linalg.solve(lower, centred.T).T


def teacher(seed: int, *, n: int, d: int) -> Float[np.ndarray, "n d"]:
    """Rows y_i x_i of standard normal x_i, labelled by a random direction: separable, with nothing else arranged.

    Args:
        seed: At least 0.
        n: Number of rows.
        d: Dimension.

    Returns:
        The rows.

    >>> teacher(0, n=5, d=3).shape
    (5, 3)
    """
    rng = np.random.default_rng(seed)
    direction, x = rng.standard_normal(d), rng.standard_normal((n, d))
    return x * np.where(x @ direction > 0, 1.0, -1.0)[:, None]
