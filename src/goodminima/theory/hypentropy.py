"""The hypentropy, which interpolates between the l1 and the squared l2 norm, and its least value under linear constraints.

phi_b(w) = sum_j w_j asinh(w_j / b_j) - sqrt(w_j^2 + b_j^2). For |w| << b it is w^2 / (2 b) and a constant, for |w| >> b
it is |w| log(2 |w| / b), nearly a multiple of the l1 norm.

Reference: Ghai, Hazan and Singer 2020; Woodworth et al. 2020, Theorem 1.
"""

import math

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.optimize import linprog, nnls

_ITERATIONS = 200  # about five are taken for each factor of 10 in scale
_ACCURATE = 1e-9  # largest violation of a constraint, relative to the largest right-hand side


def hypentropy(w: Float[np.ndarray, "*batch d"], *, scale: ArrayLike) -> Float[np.ndarray, "*batch"] | np.float64:
    """The hypentropy phi_b(w).

    Args:
        w: Vectors.
        scale: b above 0, one number or one a coordinate.

    Returns:
        phi_b of each vector.

    >>> hypentropy(np.array([0.0, 0.0]), scale=0.5).item()
    -1.0
    """
    b = np.asarray(scale, dtype=np.float64)
    return (w * np.arcsinh(w / b) - np.sqrt(w**2 + b**2)).sum(axis=-1)


def least_hypentropy(
    a: Float[np.ndarray, "n d"], y: Float[np.ndarray, "n"], *, scale: ArrayLike, at_least: bool = False
) -> Float[np.ndarray, "d"]:
    """The w of least hypentropy with <a_i, w> = y_i, or, with `at_least`, <a_i, w> >= y_i, for all i.

    Newton's method on the dual: w = b sinh(A^T nu) where nu minimises sum_j b_j cosh(<A_j, nu>) - <y, nu>, under
    nu >= 0 for inequalities. A sequence of scales from max |y| down to b, each started from the one before, keeps the
    exponentials in reach. Constraints hold to rounding, and w has the form of an optimum by construction.

    Args:
        a: Rows of the constraints, linearly independent where they are equations.
        y: Their right-hand sides.
        scale: b above 0, one number or (d,).
        at_least: Inequalities instead of equations.

    Returns:
        That w.

    Raises:
        ValueError: If a scale is not positive.
        RuntimeError: If the constraints cannot be met.

    >>> x = np.array([[3.0, 4.0]])
    >>> least_hypentropy(x, np.array([25.0]), scale=1e6).round(9).tolist()
    [3.0, 4.0]
    >>> least_hypentropy(x, np.array([25.0]), scale=1e-30).round(3).tolist()
    [0.0, 6.25]
    """
    b = np.broadcast_to(np.asarray(scale, dtype=np.float64), a.shape[1])
    if not (b > 0).all():
        raise ValueError(f"least_hypentropy: scale must be above 0, got {b.min()}")
    largest = float(np.abs(y).max())
    nu, least, factor = np.zeros(len(a)), float(b.min()), largest / float(b.min())
    while factor > 10:
        nu = _minimise(a, y, np.maximum(b, factor * least), nu, at_least=at_least, tolerance=1e-3 * largest)
        factor /= 10
    nu = _minimise(a, y, b, nu, at_least=at_least, tolerance=0.0)
    w = b * np.sinh(nu @ a)
    violation = y - a @ w if at_least else np.abs(a @ w - y)
    if violation.max() > _ACCURATE * max(largest, np.finfo(float).tiny):
        raise RuntimeError(
            f"least_hypentropy: a constraint is missed by {violation.max():.1e} after {_ITERATIONS} steps: are the "
            f"{len(a)} constraints consistent?"
        )
    return w


def least_l1(a: Float[np.ndarray, "n d"], y: Float[np.ndarray, "n"]) -> Float[np.ndarray, "d"]:
    """The w of least l1 norm with <a_i, w> = y_i, where the least hypentropy goes as its scale tends to 0.

    A linear programme in u, v >= 0, w = u - v.

    Args:
        a: Rows of the equations.
        y: Their right-hand sides.

    Returns:
        That w; where there are several, a vertex.

    Raises:
        RuntimeError: If the equations cannot be met.

    >>> least_l1(np.array([[3.0, 4.0]]), np.array([25.0])).tolist()
    [0.0, 6.25]
    """
    d = a.shape[1]
    found = linprog(np.ones(2 * d), A_eq=np.hstack([a, -a]), b_eq=y, method="highs")
    if found.status != 0:
        raise RuntimeError(f"least_l1: the linear programme ended with: {found.message}")
    return found.x[:d] - found.x[d:]


def _minimise(
    a: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, "n"],
    b: Float[np.ndarray, "d"],
    nu: Float[np.ndarray, "n"],
    *,
    at_least: bool,
    tolerance: float,
) -> Float[np.ndarray, "n"]:
    """Newton steps on the dual until its gradient is at most `tolerance`, or nothing but rounding is left of it."""
    before = math.inf
    for _ in range(_ITERATIONS):
        gradient = a @ (b * np.sinh(nu @ a)) - y
        pushing = (nu > 0) | (gradient < 0) if at_least else np.ones(len(nu), dtype=np.bool_)
        error = float(np.abs(gradient[pushing]).max(initial=0))
        if error <= tolerance:
            break
        step = _newton(a, y, b, nu, at_least=at_least) - nu
        promised, value = -float(gradient @ step), _dual(a, y, b, nu)
        # Near the minimum what a step gains is lost in the rounding of the value, while the step itself is exact: it is
        # taken without a search, as long as the gradient falls.
        is_near = abs(promised) <= 1e-10 * (1 + abs(value))
        if is_near and error > before / 2:
            break
        length = 1.0 if is_near else _searched(a, y, b, nu, step, promised=promised)
        if length == 0:
            break
        nu, before = nu + length * step, error if is_near else math.inf
    return nu


def _newton(
    a: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, "n"],
    b: Float[np.ndarray, "d"],
    nu: Float[np.ndarray, "n"],
    *,
    at_least: bool,
) -> Float[np.ndarray, "n"]:
    """Where the dual's quadratic model at nu is least: a least-squares problem, non-negative for inequalities."""
    root = np.sqrt(b * np.cosh(nu @ a))
    matrix = (a * root).T  # (d, n): its square is the Hessian, which is never formed, for the sake of its digits
    target = root * (nu @ a) - b * np.sinh(nu @ a) / root + np.linalg.lstsq(matrix.T, y, rcond=None)[0]
    return nnls(matrix, target)[0] if at_least else np.linalg.lstsq(matrix, target, rcond=None)[0]


def _searched(
    a: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, "n"],
    b: Float[np.ndarray, "d"],
    nu: Float[np.ndarray, "n"],
    step: Float[np.ndarray, "n"],
    *,
    promised: float,
) -> float:
    """The longest of 1, 1/2, 1/4, ... of a step that lowers the dual enough; 0 if none does."""
    here, length = _dual(a, y, b, nu), 1.0
    while length > 1e-12:
        if _dual(a, y, b, nu + length * step) <= here - 1e-4 * length * promised:
            return length
        length /= 2
    return 0.0


def _dual(
    a: Float[np.ndarray, "n d"], y: Float[np.ndarray, "n"], b: Float[np.ndarray, "d"], nu: Float[np.ndarray, "n"]
) -> float:
    with np.errstate(over="ignore"):
        return float(b @ np.cosh(nu @ a) - y @ nu)
