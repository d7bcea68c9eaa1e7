"""Mirror descent and natural gradient on underdetermined least squares: which of the many solutions they reach.

Mirror descent with a potential Phi moves grad Phi(w) by -eta A^T (A w - b), so it never leaves grad Phi(w_0) + range(A^T):
its limit is the Bregman projection of the start onto the solutions of A w = b, whatever the step size. Natural gradient
moves w itself by -eta (Hessian of Phi)^-1 A^T (A w - b), and has that limit only as eta tends to 0.

Reference: Gunasekar et al. 2018 (Characterizing implicit bias in terms of optimization geometry).
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float
from numba import njit

from goodminima.core.progress import Callback, no_callback
from goodminima.theory.loops import steps_taken

_NEWTON_STEPS = 200
_SLICE = 100_000  # steps of natural gradient between looks at the residual


class AbstractPotential(ABC):
    """A convex potential, a sum over coordinates, by its derivative and that one's inverse."""

    @abstractmethod
    def mirror(self, w: Float[np.ndarray, "d"]) -> Float[np.ndarray, "d"]:
        """The mirror map Phi'.

        Args:
            w: A point.

        Returns:
            Phi'(w).
        """

    @abstractmethod
    def inverse(self, u: Float[np.ndarray, "d"]) -> Float[np.ndarray, "d"]:
        """The inverse of the mirror map.

        Args:
            u: A point of the dual.

        Returns:
            The w with Phi'(w) = u.
        """

    @abstractmethod
    def slope(self, u: Float[np.ndarray, "d"]) -> Float[np.ndarray, "d"]:
        """Derivative of `inverse`.

        Args:
            u: A point of the dual.

        Returns:
            The derivative of each coordinate, above 0.
        """


@final
@dataclass(frozen=True, slots=True)
class Power(AbstractPotential):
    """|w|^p / p; with p = 2 it is half the squared l2 norm, and mirror descent is gradient descent.

    Args:
        p: Above 1.

    Raises:
        ValueError: If p is not above 1.
    """

    p: float

    def __post_init__(self) -> None:
        if not self.p > 1:
            raise ValueError(f"Power: p must be above 1, so that Phi' can be inverted; got {self.p}")

    def mirror(self, w: Float[np.ndarray, "d"]) -> Float[np.ndarray, "d"]:
        return np.sign(w) * np.abs(w) ** (self.p - 1)

    def inverse(self, u: Float[np.ndarray, "d"]) -> Float[np.ndarray, "d"]:
        return np.sign(u) * np.abs(u) ** (1 / (self.p - 1))

    def slope(self, u: Float[np.ndarray, "d"]) -> Float[np.ndarray, "d"]:
        return np.abs(u) ** (1 / (self.p - 1) - 1) / (self.p - 1)


@final
@dataclass(frozen=True, slots=True)
class Entropy(AbstractPotential):
    """w log w - w for w > 0; mirror descent is exponentiated gradient."""

    def mirror(self, w: Float[np.ndarray, "d"]) -> Float[np.ndarray, "d"]:
        return np.log(w)

    def inverse(self, u: Float[np.ndarray, "d"]) -> Float[np.ndarray, "d"]:
        return np.exp(u)

    def slope(self, u: Float[np.ndarray, "d"]) -> Float[np.ndarray, "d"]:
        return np.exp(u)


@final
@dataclass(frozen=True, slots=True)
class Hypentropy(AbstractPotential):
    """w arcsinh(w / beta) - sqrt(w^2 + beta^2): like l1 for small beta, like l2 for large.

    Args:
        beta: Above 0.

    Raises:
        ValueError: If beta is not above 0.
    """

    beta: float

    def __post_init__(self) -> None:
        if not self.beta > 0:
            raise ValueError(f"Hypentropy: beta must be above 0, got {self.beta}")

    def mirror(self, w: Float[np.ndarray, "d"]) -> Float[np.ndarray, "d"]:
        return np.arcsinh(w / self.beta)

    def inverse(self, u: Float[np.ndarray, "d"]) -> Float[np.ndarray, "d"]:
        return self.beta * np.sinh(u)

    def slope(self, u: Float[np.ndarray, "d"]) -> Float[np.ndarray, "d"]:
        return self.beta * np.cosh(u)


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class MirrorRun:
    """How a run on least squares ended.

    Args:
        w: (d,) the last iterate.
        steps: How many steps were taken.
        residual: Largest |A w - b|, relative to the largest |b|.
    """

    w: Float[np.ndarray, "d"]
    steps: int
    residual: float


def positive_problem(
    seed: int, *, n: int = 10, d: int = 30
) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, "n"], Float[np.ndarray, "2 d"]]:
    """A and b of an underdetermined problem with a positive solution, so that all potentials can have it; two starts.

    A is standard normal, b is A w for a w of which four in ten entries are absolute values of normals and the rest 0. One
    start is 0.1 everywhere, the other the absolute value of half a normal.

    Args:
        seed: At least 0.
        n: Number of equations.
        d: Number of unknowns, above n.

    Returns:
        A, b, and the two starts.
    """
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((n, d))
    w = np.abs(rng.standard_normal(d)) * (rng.random(d) < 0.4)
    return a, a @ w, np.stack([np.full(d, 0.1), 0.5 * np.abs(rng.standard_normal(d))])


def bregman_projection(
    a: Float[np.ndarray, "n d"],
    b: Float[np.ndarray, "n"],
    *,
    potential: AbstractPotential,
    start: Float[np.ndarray, "d"],
) -> Float[np.ndarray, "d"]:
    """The solution of A w = b that is nearest to the start in the potential's divergence.

    It is the one with Phi'(w) = Phi'(start) + A^T nu: Newton's method finds nu, n unknowns, to the last digits.

    Args:
        a: Rows of A.
        b: Right-hand sides.
        potential: What distance is measured by.
        start: Where it is measured from, where the potential is defined.

    Returns:
        That solution.

    Raises:
        ValueError: If Newton's method does not arrive: there may be no solution where the potential is defined.

    >>> bregman_projection(np.ones((1, 2)), np.array([1.0]), potential=Power(2.0), start=np.array([0.0, 1.0])).tolist()
    [0.0, 1.0]
    """
    u0, nu, best = potential.mirror(start), np.zeros(len(b)), math.inf

    def misfit(nu: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
        return a @ potential.inverse(u0 + nu @ a) - b

    for _ in range(_NEWTON_STEPS):
        miss = misfit(nu)
        size = float(np.linalg.norm(miss))
        if size >= best:  # rounding is all that is left
            break
        best = size
        move = np.linalg.solve((a * potential.slope(u0 + nu @ a)) @ a.T, -miss)
        scale = 1.0
        while scale > 1e-12 and not np.linalg.norm(misfit(nu + scale * move)) < (1 - 0.1 * scale) * size:
            scale /= 2
        if scale > 1e-12:
            nu = nu + scale * move
    if best > 1e-11 * max(1.0, float(np.linalg.norm(b))):
        raise ValueError(
            f"bregman_projection: Newton's method stopped at |A w - b| = {best:.1e}: has A w = b a solution?"
        )
    return potential.inverse(u0 + nu @ a)


def stable_step(a: Float[np.ndarray, "n d"], *, potential: AbstractPotential, at: Float[np.ndarray, "d"]) -> float:
    """A step size with which mirror descent contracts near a point: half the largest, 1 / lambda_max(A Phi''(at)^-1 A^T).

    Args:
        a: Rows of A.
        potential: The potential.
        at: The point.

    Returns:
        The step size.
    """
    curved = (a * potential.slope(potential.mirror(at))) @ a.T
    return float(1 / np.linalg.eigvalsh(curved)[-1])


def mirror_descent(
    a: Float[np.ndarray, "n d"],
    b: Float[np.ndarray, "n"],
    *,
    potential: AbstractPotential,
    start: Float[np.ndarray, "d"],
    step: float,
    tolerance: float = 1e-13,
    max_steps: int = 200_000,
) -> MirrorRun:
    """Mirror descent on |A w - b|^2 / 2 until the residual is below a tolerance, or the steps are spent.

    Args:
        a: Rows of A.
        b: Right-hand sides.
        potential: The potential.
        start: Where it starts, where the potential is defined.
        step: Step size.
        tolerance: Ends once the largest |A w - b| is at most this, relative to the largest |b|.
        max_steps: Most steps.

    Returns:
        Where it ended, after how many steps, and the relative residual there.
    """
    u, w, miss, steps = potential.mirror(start), start, a @ start - b, 0
    while steps < max_steps and relative(miss, b) > tolerance:
        u = u - step * (miss @ a)
        w = potential.inverse(u)
        miss = a @ w - b
        steps += 1
    return MirrorRun(w=w, steps=steps, residual=relative(miss, b))


def natural_gradient(
    a: Float[np.ndarray, "n d"],
    b: Float[np.ndarray, "n"],
    *,
    start: Float[np.ndarray, "d"],
    step: float,
    tolerance: float = 1e-12,
    max_steps: int = 100_000_000,
    callback: Callback = no_callback,
) -> MirrorRun:
    """Natural gradient on |A w - b|^2 / 2 in the metric of `Entropy`, w <- w - step w A^T (A w - b), for w > 0.

    Args:
        a: Rows of A.
        b: Right-hand sides.
        start: Where it starts, above 0.
        step: Step size.
        tolerance: Ends once the largest |A w - b| is at most this, relative to the largest |b|.
        max_steps: Most steps.
        callback: Called now and then with a `Progress` in steps.

    Returns:
        Where it ended, after how many steps, and the relative residual there.

    Cost: 2 n d products a step; the residual is looked at, and `callback` told of the steps, every 100,000.
    """
    w, steps = start.astype(np.float64), 0
    while steps < max_steps and relative(a @ w - b, b) > tolerance:
        few = min(_SLICE, max_steps - steps)
        _advance(a, b, w, step, few)
        steps += few
        callback(steps_taken(steps, max_steps))
    return MirrorRun(w=w, steps=steps, residual=relative(a @ w - b, b))


@njit(cache=True, nogil=True)
def _advance(a: np.ndarray, b: np.ndarray, w: np.ndarray, step: float, steps: int) -> None:
    n, d = a.shape
    gradient = np.empty(d)
    for _ in range(steps):
        gradient[:] = 0.0
        for i in range(n):
            miss = -b[i]
            for j in range(d):
                miss += a[i, j] * w[j]
            for j in range(d):
                gradient[j] += miss * a[i, j]
        for j in range(d):
            w[j] -= step * w[j] * gradient[j]


def relative(miss: Float[np.ndarray, "n"], b: Float[np.ndarray, "n"]) -> float:
    """A residual in units of the right-hand sides.

    Args:
        miss: A w - b.
        b: Right-hand sides, not all 0.

    Returns:
        Largest |miss|, relative to the largest |b|.
    """
    return float(np.abs(miss).max() / np.abs(b).max())
