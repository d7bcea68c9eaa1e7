"""Diagonal linear networks: w = u o u - v o v, started at u = v = alpha, so that w starts at 0.

A gradient step multiplies, u_j by 1 - eta g_j and v_j by 1 + eta g_j, so small steps keep u_j v_j = alpha^2, and
w = b sinh(<x_j, nu>) with b = 2 alpha^2 all along. On regression the limit therefore is the interpolating w of least
hypentropy at scale b: of least l2 norm for large alpha, of least l1 norm for small alpha. Steps that are not small
shrink u_j v_j, noisy ones more: stochastic descent ends as if it had started at a smaller alpha.

Reference: Woodworth et al. 2020, Theorem 1; Pesme, Pillaud-Vivien and Flammarion 2021, Theorem 1.
"""

import math
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float
from numba import njit
from scipy.integrate import LSODA

from goodminima.core.progress import Callback, no_callback
from goodminima.theory.loops import steps_taken

_SLICE = 50_000  # steps between two reports: about 0.1 s
_ARRIVED = 1e-10  # largest residual, relative to the largest target, at which the flow has ended
_FLOW_STEPS = 100_000  # of the integrator; it takes about a thousand
_LOOK_EVERY = 64  # steps between two looks at the residual: looking costs as much as a step


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Sparse:
    """Standard normal inputs and a teacher with few nonzero entries.

    Args:
        x: (n, d) inputs.
        teacher: (d,) signs +1 or -1 in its first entries, 0 in the rest.
    """

    x: Float[np.ndarray, "n d"]
    teacher: Float[np.ndarray, "d"]

    @property
    def y(self) -> Float[np.ndarray, "n"]:
        """The teacher's values."""
        return self.x @ self.teacher

    @property
    def z(self) -> Float[np.ndarray, "n d"]:
        """The inputs times the signs of the teacher's values: rows y_i x_i of a separable problem."""
        return self.x * np.where(self.y > 0, 1.0, -1.0)[:, None]


def sparse(seed: int, *, n: int, d: int, nonzero: int) -> Sparse:
    """Draws inputs and a sparse teacher.

    Args:
        seed: At least 0.
        n: Number of inputs.
        d: Dimension.
        nonzero: How many of the teacher's entries are -1 or 1, the first ones; the others are 0.

    Returns:
        Normal inputs and the teacher.

    >>> np.abs(sparse(0, n=3, d=5, nonzero=2).teacher).tolist()
    [1.0, 1.0, 0.0, 0.0, 0.0]
    """
    rng = np.random.default_rng(seed)
    teacher = np.zeros(d)
    teacher[:nonzero] = rng.choice([-1.0, 1.0], nonzero)
    return Sparse(x=rng.standard_normal((n, d)), teacher=teacher)


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Fitted:
    """Where training ended.

    Args:
        u: (d,) positive part's factor.
        v: (d,) negative part's factor.
        steps: Steps taken.
        residual: Largest |<x_i, w> - y_i|.
        loss_integral: Step size times the sum of the full loss before each step, where it was asked for; else 0.
    """

    u: Float[np.ndarray, "d"]
    v: Float[np.ndarray, "d"]
    steps: int
    residual: float
    loss_integral: float = 0.0

    @property
    def w(self) -> Float[np.ndarray, "d"]:
        """The linear map."""
        return self.u**2 - self.v**2

    @property
    def scale(self) -> Float[np.ndarray, "d"]:
        """2 u v: the scale of the hypentropy that w minimises, up to the square of the step size.

        log(u / v) = -2 sum_t artanh(eta g_t), which lies in the span of the rows but for terms of third order in eta.
        """
        return 2 * self.u * self.v

    @property
    def effective_alpha(self) -> float:
        """The start that small steps would have ended here from: sqrt(u_j v_j), in geometric mean over coordinates."""
        return float(np.exp(np.log(self.u * self.v).mean() / 2))


def sharpness(x: Float[np.ndarray, "n d"], w: Float[np.ndarray, "d"], *, alpha: float) -> float:
    """Largest eigenvalue of the Hessian in (u, v) at an interpolating w: steps above 2 / sharpness would diverge.

    It is 2 / n times that of X diag(u^2 + v^2) X^T, and u^2 + v^2 = sqrt(w^2 + 4 alpha^4).

    Args:
        x: Inputs.
        w: An interpolating predictor.
        alpha: Start of u and v, above 0.

    Returns:
        The largest eigenvalue.

    >>> sharpness(np.array([[1.0, 0.0]]), np.array([6.0, 0.0]), alpha=2.0)
    20.0
    """
    weights = np.hypot(w, 2 * alpha**2)
    return float(2 / len(x) * np.linalg.norm((x * weights) @ x.T, ord=2))


def gradient_descent(
    x: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, "n"],
    *,
    alpha: float,
    step: float,
    max_steps: int,
    tolerance: float = 1e-10,
    callback: Callback = no_callback,
) -> Fitted:
    """Gradient descent on (1/4n) sum_i (<x_i, w> - y_i)^2 from u = v = alpha.

    Args:
        x: Inputs.
        y: Targets.
        alpha: Start, above 0.
        step: eta, below 2 / `sharpness`.
        max_steps: Most steps taken.
        tolerance: Stops once every |<x_i, w> - y_i| is at most this.
        callback: Called now and then with a `Progress` in steps.

    Returns:
        u and v at the end, the steps taken, and the largest residual.

    Raises:
        ValueError: If alpha or step is not positive.
        FloatingPointError: If the step is too long and u or v ran off.

    Cost: 2 n d multiplications a step.
    """
    _check(alpha, step)
    u, v = np.full(x.shape[1], float(alpha)), np.full(x.shape[1], float(alpha))
    rows, columns = np.ascontiguousarray(x), np.ascontiguousarray(x.T)
    done, residual = 0, math.inf
    while done < max_steps and residual > tolerance:
        taken, residual = _descend(rows, columns, y, u, v, step, min(_SLICE, max_steps - done), tolerance)
        done += taken
        _check_finite(u, v, step)
        callback(steps_taken(done, max_steps))
    return Fitted(u=u, v=v, steps=done, residual=residual)


@njit(cache=True, nogil=True)
def _descend(  # noqa: PLR0917
    x: np.ndarray,
    xt: np.ndarray,
    y: np.ndarray,
    u: np.ndarray,
    v: np.ndarray,
    step: float,
    steps: int,
    tolerance: float,
) -> tuple[int, float]:
    """Steps in place, until all residuals are within the tolerance; how many, and the largest residual."""
    n, d = x.shape
    gradient = np.empty(d)
    for t in range(steps):
        residual = _residual(xt, y, u, v)
        if t % _LOOK_EVERY == 0 and np.abs(residual).max() <= tolerance:
            return t, np.abs(residual).max()
        gradient[:] = 0.0
        for i in range(n):
            for j in range(d):
                gradient[j] += residual[i] * x[i, j]
        for j in range(d):
            u[j] *= 1.0 - step / n * gradient[j]
            v[j] *= 1.0 + step / n * gradient[j]
    return steps, np.abs(_residual(xt, y, u, v)).max()


@njit(cache=True, nogil=True)
def _residual(xt: np.ndarray, y: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """<x_i, w> - y_i, summed coordinate by coordinate, which vectorises over examples."""
    d, n = xt.shape
    residual = -y
    for j in range(d):
        w = u[j] * u[j] - v[j] * v[j]
        for i in range(n):
            residual[i] += w * xt[j, i]
    return residual


def stochastic_descent(
    x: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, "n"],
    *,
    alpha: float,
    step: float,
    max_steps: int,
    seed: int,
    tolerance: float = 1e-10,
    callback: Callback = no_callback,
) -> Fitted:
    """The same with one example a step, drawn with replacement.

    The loss of all examples is summed on the way, so that `Fitted.loss_integral` tells how much noise there was.

    Args:
        x: Inputs.
        y: Targets.
        alpha: Start, above 0.
        step: eta.
        max_steps: Most steps taken.
        seed: Of the order of the examples, at least 0.
        tolerance: Stops once every |<x_i, w> - y_i| is at most this.
        callback: Called now and then with a `Progress` in steps.

    Returns:
        u and v at the end, the steps taken, the largest residual, and the integral of the loss.

    Raises:
        ValueError: If alpha or step is not positive.
        FloatingPointError: If the step is too long and u or v ran off.

    Cost: n d multiplications a step, nearly all of it for that sum.
    """
    _check(alpha, step)
    u, v = np.full(x.shape[1], float(alpha)), np.full(x.shape[1], float(alpha))
    rows, columns, rng = np.ascontiguousarray(x), np.ascontiguousarray(x.T), np.random.default_rng(seed)
    done, residual, integral = 0, math.inf, 0.0
    while done < max_steps and residual > tolerance:
        order = rng.integers(len(x), size=min(_SLICE, max_steps - done))
        taken, residual, summed = _descend_stochastically(rows, columns, y, u, v, step, order, tolerance)
        done, integral = done + taken, integral + step * summed
        _check_finite(u, v, step)
        callback(steps_taken(done, max_steps))
    return Fitted(u=u, v=v, steps=done, residual=residual, loss_integral=integral)


@njit(cache=True, nogil=True)
def _descend_stochastically(  # noqa: PLR0917
    x: np.ndarray,
    xt: np.ndarray,
    y: np.ndarray,
    u: np.ndarray,
    v: np.ndarray,
    step: float,
    order: np.ndarray,
    tolerance: float,
) -> tuple[int, float, float]:
    """Steps in place over the examples in `order`; steps taken, the largest residual, and the sum of the losses."""
    n, d = x.shape
    summed = 0.0
    for t in range(len(order)):
        residual = _residual(xt, y, u, v)
        if t % _LOOK_EVERY == 0 and np.abs(residual).max() <= tolerance:
            return t, np.abs(residual).max(), summed
        summed += (residual * residual).sum() / (4 * n)
        pull = step * residual[order[t]]
        for j in range(d):
            change = pull * x[order[t], j]
            u[j] *= 1.0 - change
            v[j] *= 1.0 + change
    return len(order), np.abs(_residual(xt, y, u, v)).max(), summed


def predicted_alpha(x: Float[np.ndarray, "n d"], *, alpha: float, step: float, loss_integral: float) -> float:
    """The alpha that stochastic descent should end as if started from, in geometric mean over coordinates.

    alpha_j = alpha exp(-2 eta H_jj int L dt) with H = X^T X / n: small steps, noise as large as the loss says.

    Args:
        x: Inputs.
        alpha: Where it did start.
        step: eta.
        loss_integral: The integral of the loss over time, of `stochastic_descent`.

    Returns:
        The alpha, at most the one it started from.

    Reference: Pesme, Pillaud-Vivien and Flammarion 2021, Theorem 1.

    >>> predicted_alpha(np.eye(2), alpha=1.0, step=0.5, loss_integral=0.0)
    1.0
    """
    return float(alpha * np.exp(-2 * step * loss_integral * (x**2).mean()))


def gradient_flow(x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "n"], *, alpha: float) -> Float[np.ndarray, "d"]:
    """w where the gradient flow of the same loss ends, followed in h with u = alpha exp(-h) and v = alpha exp(h).

    Args:
        x: Inputs.
        y: Targets.
        alpha: Start, above 0.

    Returns:
        w at the end.

    Raises:
        RuntimeError: If the integrator stops before every residual is within 1e-10 of the largest target.
    """
    n, scale = len(x), 2 * alpha**2

    def residual(h: Float[np.ndarray, "d"]) -> Float[np.ndarray, "n"]:
        return -scale * (x @ np.sinh(2 * h)) - y

    def velocity(_: float, h: Float[np.ndarray, "d"]) -> Float[np.ndarray, "d"]:
        return x.T @ residual(h) / n

    def jacobian(_: float, h: Float[np.ndarray, "d"]) -> Float[np.ndarray, "d d"]:
        return -(x.T @ (x * (2 * scale * np.cosh(2 * h)))) / n

    # Whatever its errors along the way, the integrator keeps h in the span of the rows, so the end does not feel them:
    # tight tolerances would only make it crawl through rounding errors where nothing moves any more.
    solver = LSODA(velocity, 0.0, np.zeros(x.shape[1]), np.inf, jac=jacobian, rtol=1e-8, atol=1e-10)
    for _ in range(_FLOW_STEPS):
        if np.abs(residual(solver.y)).max() <= _ARRIVED * np.abs(y).max():
            return -scale * np.sinh(2 * solver.y)
        solver.step()
    raise RuntimeError(f"gradient_flow: not at the end after {_FLOW_STEPS} steps of the integrator, t = {solver.t:.3g}")


def _check(alpha: float, step: float) -> None:
    if not alpha > 0:
        raise ValueError(f"alpha must be above 0, or nothing would move, got {alpha}")
    if not step > 0:
        raise ValueError(f"step must be above 0, got {step}")


def _check_finite(u: Float[np.ndarray, "d"], v: Float[np.ndarray, "d"], step: float) -> None:
    if not (np.isfinite(u).all() and np.isfinite(v).all()):
        raise FloatingPointError(f"step {step:g} is too long: u or v ran off; take less than 2 / sharpness")
