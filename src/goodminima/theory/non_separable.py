"""Logistic regression on any data: a finite minimiser along some directions, a maximum-margin ray along the rest.

The rows fall into a largest part that some w separates without harming the others, <z_i, w> > 0 here and = 0 there, and a
strictly non-separable rest, which spans S. Gradient descent converges in S to the rest's unique minimiser, and across S
follows the ray of maximum margin of the first part, projected.

Reference: Ji and Telgarsky 2019 (The implicit bias of gradient descent on nonseparable data), whose bounds are weaker than
what is measured: (log t)^2 / sqrt(t) for the finite part, log log t / log t for the direction.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float
from scipy.linalg import null_space, orth
from scipy.optimize import linprog
from scipy.stats import ortho_group

from goodminima.theory.data import planted
from goodminima.theory.logistic import Asymptote, asymptote

_NEWTON_STEPS = 100


def separable_rows(z: Float[np.ndarray, "n d"]) -> Bool[np.ndarray, "n"]:
    """Which rows belong to the separable part: those with <z_i, w> > 0 for some w that has <z_j, w> >= 0 for all j.

    The linear programme max sum s with 0 <= s <= 1 and Zw >= s finds them all at once: sums of such w are such w, and
    long ones reach s_i = 1, so its solution is exactly 0 or 1.

    Args:
        z: Rows y_i x_i.

    Returns:
        Whether each row does.

    Raises:
        RuntimeError: If the solver's answer is neither.

    >>> separable_rows(np.array([[1.0, 0.0], [-1.0, 0.0], [5.0, 1.0]])).tolist()
    [False, False, True]
    """
    n, d = z.shape
    found = linprog(
        np.append(np.zeros(d), -np.ones(n)),
        A_ub=np.hstack([-z, np.eye(n)]),
        b_ub=np.zeros(n),
        bounds=[(None, None)] * d + [(0.0, 1.0)] * n,
        method="highs",
    )
    if found.status != 0:
        raise RuntimeError(f"separable_rows: the linear programme ended with: {found.message}")
    s = found.x[d:]
    if np.minimum(s, 1 - s).max() > 1e-6:
        raise RuntimeError(f"separable_rows: a solution must be 0 or 1, got {s[np.minimum(s, 1 - s).argmax()]:.3g}")
    return s > 0.5


def finite_minimiser(z: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "d"]:
    """The least-norm minimiser of the summed logistic loss of strictly non-separable rows, by Newton's method.

    Args:
        z: Rows y_i x_i, strictly non-separable in the space that they span.

    Returns:
        The minimiser.

    Raises:
        ValueError: If Newton's method does not arrive, as on separable rows.
    """
    basis = orth(z.T)  # (d, k)
    rows = z @ basis
    v = np.zeros(basis.shape[1])
    for _ in range(_NEWTON_STEPS):
        wrong = 1 / (1 + np.exp(rows @ v))
        gradient = -wrong @ rows
        move = np.linalg.solve((rows.T * (wrong * (1 - wrong))) @ rows, -gradient)
        # A full step can overshoot where the curvature is small; the loss must fall by some of what its slope says.
        scale, loss = 1.0, np.logaddexp(0, -rows @ v).sum()
        while np.logaddexp(0, -rows @ (v + scale * move)).sum() > loss + 0.25 * scale * gradient @ move + 1e-12 * loss:
            scale /= 2
        v = v + scale * move
        if np.abs(move).max() <= 1e-14 * max(1.0, np.abs(v).max()):
            return basis @ v
    raise ValueError(f"finite_minimiser: no minimiser found in {_NEWTON_STEPS} Newton steps: are some rows separable?")


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """Where gradient descent goes.

    Args:
        separable: (n,) the rows that go to loss 0.
        inside: (d, k) orthonormal basis of S, the span of the other rows.
        minimiser: (d,) in S: where the part of w in S converges.
        across: (d, d - k) orthonormal basis of the complement of S.
        ray: What the coordinates of w in `across` approach, rate log t + offset.
    """

    separable: Bool[np.ndarray, "n"]
    inside: Float[np.ndarray, "d k"]
    minimiser: Float[np.ndarray, "d"]
    across: Float[np.ndarray, "d rest"]
    ray: Asymptote


def limit_of(z: Float[np.ndarray, "n d"], *, step: float) -> Limit:
    """The limit of gradient descent on the summed logistic loss with a given step size, from any start.

    Args:
        z: Rows y_i x_i, some separable and some not.
        step: Step size.

    Returns:
        The minimiser along some directions, the ray along the rest, and which directions these are.

    Raises:
        ValueError: If all rows are separable, or none is; or the ray's offset has no closed form (`logistic.asymptote`).
    """
    separable = separable_rows(z)
    if separable.all() or not separable.any():
        raise ValueError(f"limit_of: needs separable rows and others, got {separable.sum()} of {len(z)} separable")
    rest, part = z[~separable], z[separable]
    inside, across, minimiser = orth(rest.T), null_space(rest), finite_minimiser(rest)
    # The minimiser shifts the margins of the separable rows, which is as good as steps of their own.
    ray = asymptote(part @ across, step=step * np.exp(-part @ minimiser))
    return Limit(separable=separable, inside=inside, minimiser=minimiser, across=across, ray=ray)


def non_separable(seed: int, *, n: int, d: int) -> Float[np.ndarray, "n d"]:
    """Strictly non-separable rows: standard normal, but the last is minus a positive combination of the others.

    Positive weights then bring the rows to 0, and they span the space, so that no w has <z_i, w> >= 0 for all of them. The
    weights are unequal: with equal ones the minimiser would be 0, where descent starts.

    Args:
        seed: At least 0.
        n: Number of rows, above d.
        d: Dimension, at least 1.

    Returns:
        The rows.

    Raises:
        ValueError: If `n` or `d` is out of range.

    >>> rows = non_separable(0, n=5, d=2)
    >>> bool(((rows @ np.array([1.0, 2.0])) < 0).any())
    True
    """
    if not 1 <= d < n:
        raise ValueError(f"non_separable: needs 1 <= d < n, got d = {d}, n = {n}")
    rng = np.random.default_rng(seed)
    rows, weights = rng.standard_normal((n - 1, d)), rng.uniform(0.2, 2.0, n - 1)
    return np.vstack([rows, -weights @ rows / np.sqrt(n)])


def partly_separable(seed: int, *, n: int, d: int) -> tuple[Float[np.ndarray, "n d"], Bool[np.ndarray, "n"]]:
    """Rows of which the first half are separable and the others not, in a random order, and which are which.

    The second half lie in a subspace of half the dimensions; the first have `data.planted` rows across it, so that the
    ray's offset has a closed form, and normal ones in it.

    Args:
        seed: At least 0.
        n: Number of rows, even, at least 2 d.
        d: Dimension, even, at least 4.

    Returns:
        The rows, and whether each is of the separable half.

    Raises:
        ValueError: If `n` or `d` is out of range.
    """
    if n % 2 or d % 2 or d < 4 or n < 2 * d:
        raise ValueError(f"partly_separable: needs even d >= 4 and even n >= 2 d, got d = {d}, n = {n}")
    half, k = n // 2, d // 2
    rng = np.random.default_rng(seed)
    shifts = 0.5 * rng.standard_normal((half, k))
    first = np.hstack([planted(seed, n=half, d=k).z, shifts])
    second = np.hstack([np.zeros((half, k)), non_separable(seed, n=half, d=k)])
    order = rng.permutation(n)
    z = np.vstack([first, second]) @ ortho_group.rvs(d, random_state=rng)
    return z[order], (np.arange(n) < half)[order]
