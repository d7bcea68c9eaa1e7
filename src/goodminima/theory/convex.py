"""Exact references that several theorems share: the maximum margin in a norm, each with its certificate.

Rows are z_i = y_i x_i, so that w classifies example i rightly where <z_i, w> > 0. The margin of w in a norm is
min_i <z_i, w> / ||w||. Weak duality bounds it: for weights a >= 0 that sum to 1, no w has a larger margin than the dual
norm of Z^T a. A solver's answer comes with such weights, so how far it can be from the optimum is known, whoever solved.
"""

import math
from dataclasses import dataclass
from types import ModuleType
from typing import final

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike
from scipy.optimize import linprog, nnls

_CONIC_TOLERANCE = 1e-9  # of some draws the solver cannot reach 1e-10, and warns


def import_cvxpy() -> ModuleType:
    """The convex solver's package, an optional extra.

    Returns:
        The module `cvxpy`.

    Raises:
        ModuleNotFoundError: If it is not installed; the message says how to install it.
    """
    try:
        import cvxpy  # pyright: ignore[reportMissingImports]
    except ModuleNotFoundError as error:
        message = "this reference needs a conic solver: pip install 'goodminima[theory]'"
        raise ModuleNotFoundError(message, name="cvxpy") from error
    return cvxpy


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class MaxMargin:
    """The direction of largest margin in l_p.

    Args:
        direction: (d,), of unit norm in l_p.
        margin: Its margin, min_i <z_i, direction>, above 0.
        weights: (n,) at least 0, sum 1: how much each row holds the margin up; positive on support vectors only.
        bound: No direction has a margin above this: the dual norm of `weights @ z`.
    """

    direction: Float[np.ndarray, "d"]
    margin: float
    weights: Float[np.ndarray, "n"]
    bound: float

    @property
    def gap(self) -> float:
        """How much larger than `margin` the largest margin can be, relative to it: the proof of this answer."""
        return self.bound / self.margin - 1

    @property
    def least_norm(self) -> Float[np.ndarray, "d"]:
        """The w of least norm with <z_i, w> >= 1 for all i: the hard-margin support vector machine where p = 2."""
        return self.direction / self.margin

    @property
    def support(self) -> Int[np.ndarray, "k"]:
        """Numbers of the rows that hold the margin up: weight above 1e-9."""
        return np.flatnonzero(self.weights > 1e-9)


def margin(
    z: Float[np.ndarray, "n d"], w: Float[np.ndarray, "*batch d"], *, p: float = 2.0
) -> Float[np.ndarray, "*batch"]:
    """The margin min_i <z_i, w> / ||w||_p.

    Args:
        z: Rows y_i x_i.
        w: Weight vectors, none of them 0.
        p: The norm, at least 1, infinity included.

    Returns:
        The margin of each weight vector.

    >>> margin(np.eye(2), np.array([3.0, 4.0])).item()
    0.6
    """
    return np.asarray((w @ z.T).min(axis=-1) / np.linalg.norm(w, ord=p, axis=-1))


def dual_exponent(p: float) -> float:
    """The exponent q of the dual norm, 1/p + 1/q = 1.

    Args:
        p: At least 1, infinity included.

    Returns:
        q, at least 1, infinity included.

    Raises:
        ValueError: If p is below 1.

    >>> [dual_exponent(p) for p in (1, 1.5, 2, math.inf)]
    [inf, 3.0, 2.0, 1.0]
    """
    if p < 1:
        raise ValueError(f"dual_exponent: p must be at least 1 for a norm, got {p}")
    if p == 1:
        return math.inf
    return 1.0 if p == math.inf else p / (p - 1)


def max_margin(z: ArrayLike, *, p: float = 2.0) -> MaxMargin:
    """The direction of largest margin in l_p: max over ||w||_p <= 1 of min_i <z_i, w>.

    A linear programme for p = 1 and infinity, non-negative least squares for p = 2 (Lawson and Hanson 1974, chapter 23),
    a conic programme for the rest.

    Args:
        z: (n, d) rows y_i x_i.
        p: The norm, at least 1, infinity included.

    Returns:
        The direction, with weights that prove it: `MaxMargin.gap` is about 1e-15 for p = 2, below 1e-8 for the rest.

    Raises:
        ValueError: If no direction has a positive margin, or p is below 1.
        ModuleNotFoundError: If p is none of 1, 2, infinity and the conic solver is not installed.

    >>> found = max_margin([[1.0, 3.0], [1.0, -0.5], [2.0, 0.0]])
    >>> found.direction.round(12).tolist(), round(found.margin, 12), found.weights.round(4).tolist()
    ([1.0, 0.0], 1.0, [0.1429, 0.8571, 0.0])
    """
    rows = np.asarray(z, dtype=np.float64)
    q = dual_exponent(p)
    if p == 2:
        direction, weights = _euclidean(rows)
    elif p in (1, math.inf):
        direction, weights = _linear_programme(rows, p=p)
    else:
        direction, weights = _conic_programme(rows, p=p)
    length = np.linalg.norm(direction, ord=p)
    reached = float((rows @ direction).min() / length) if length > 0 else 0.0
    if reached <= 1e-9 * np.abs(rows).max():
        raise ValueError(
            f"max_margin: no w has <z_i, w> > 0 for all of the {len(rows)} rows (best {reached:.1e}): the data are not "
            "linearly separable; leave out rows, or add features"
        )
    weights = np.maximum(weights, 0)
    weights = weights / weights.sum()
    bound = float(np.linalg.norm(weights @ rows, ord=q))
    return MaxMargin(direction=direction / length, margin=reached, weights=weights, bound=bound)


def _euclidean(z: Float[np.ndarray, "n d"]) -> tuple[Float[np.ndarray, "d"], Float[np.ndarray, "n"]]:
    """The point of the rows' convex hull nearest to 0, as weights; then w from the support vectors alone."""
    n, d = z.shape
    scaled = z / np.linalg.norm(z, axis=1).max()
    weights, _ = nnls(np.vstack([scaled.T, np.ones(n)]), np.append(np.zeros(d), 1.0))
    held = weights > 0
    # Solving for the support vectors' margins once more squares off the solver's rounding.
    direction = np.linalg.lstsq(z[held], np.ones(held.sum()), rcond=None)[0]
    return direction, weights


def _linear_programme(
    z: Float[np.ndarray, "n d"], *, p: float
) -> tuple[Float[np.ndarray, "d"], Float[np.ndarray, "n"]]:
    """w = u - v with u, v >= 0: maximise t with Z(u - v) >= t and sum(u + v) <= 1 (p = 1) or u, v <= 1 (infinity)."""
    n, d = z.shape
    rows = np.hstack([-z, z, np.ones((n, 1))])
    right = np.zeros(n)
    bounds: list[tuple[float | None, float | None]] = [(0.0, 1.0)] * (2 * d) + [(None, None)]
    if p == 1:
        rows = np.vstack([rows, np.append(np.ones(2 * d), 0.0)])
        right = np.append(right, 1.0)
    found = linprog(np.append(np.zeros(2 * d), -1.0), A_ub=rows, b_ub=right, bounds=bounds, method="highs")
    if found.status != 0:
        raise RuntimeError(f"max_margin: the linear programme for p = {p} ended with: {found.message}")
    return found.x[:d] - found.x[d : 2 * d], -found.ineqlin.marginals[:n]


def _conic_programme(z: Float[np.ndarray, "n d"], *, p: float) -> tuple[Float[np.ndarray, "d"], Float[np.ndarray, "n"]]:
    cp = import_cvxpy()
    w, least = cp.Variable(z.shape[1]), cp.Variable()
    margins = z @ w >= least
    problem = cp.Problem(cp.Maximize(least), [margins, cp.pnorm(w, p) <= 1])
    tight = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), _CONIC_TOLERANCE)
    problem.solve(solver=cp.CLARABEL, **tight)
    return w.value, margins.dual_value
