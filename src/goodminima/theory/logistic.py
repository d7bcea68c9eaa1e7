"""Gradient descent on the logistic loss of separable data: where it goes, how fast, and the exact asymptote.

L(w) = sum_i log(1 + exp(-q_i)) with q = Zw, w_{t+1} = w_t - eta grad L(w_t). The norm grows without bound, like log t, in
the direction of maximum l2 margin: w_t = w^ log t + w~ + o(1).

Reference: Soudry et al. 2018 (The implicit bias of gradient descent on separable data).
"""

import math
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float, Int, Real
from numba import njit
from scipy.integrate import solve_ivp

from goodminima.core.progress import Callback, no_callback
from goodminima.theory.convex import max_margin
from goodminima.theory.loops import snapshots


def log_loss(z: Float[np.ndarray, "n d"], w: Float[np.ndarray, "*batch d"]) -> Float[np.ndarray, "*batch"]:
    """Natural logarithm of the summed logistic loss, exact where the loss itself would underflow.

    Args:
        z: Rows y_i x_i.
        w: Weight vectors.

    Returns:
        Natural log of the loss of each weight vector.

    >>> log_loss(np.eye(2), np.array([800.0, 900.0])).item()
    -800.0
    """
    q = w @ z.T
    # log(log(1 + e^-q)) is -q to rounding where e^-q < 1e-16.
    with np.errstate(divide="ignore"):
        each = np.where(q > 37, -q, np.log(np.logaddexp(0, -np.minimum(q, 37))))
    return np.asarray(np.logaddexp.reduce(each, axis=-1))


def smoothness(z: Float[np.ndarray, "n d"]) -> float:
    """beta: the gradient of the summed logistic loss is Lipschitz with it, and steps up to 2 / beta descend.

    Args:
        z: Rows y_i x_i.

    Returns:
        beta.

    >>> smoothness(np.array([[2.0, 0.0]]))
    1.0
    """
    return float(np.linalg.norm(z, ord=2) ** 2 / 4)


def gradient_descent(
    z: Float[np.ndarray, "n d"],
    *,
    step: float,
    times: Int[np.ndarray, "times"],
    start: Float[np.ndarray, "d"] | None = None,
    callback: Callback = no_callback,
) -> Float[np.ndarray, "times d"]:
    """Gradient descent with a constant step on the summed logistic loss.

    Args:
        z: Rows y_i x_i.
        step: Step size; up to 2 / `smoothness` the loss falls.
        times: Numbers of steps, increasing.
        start: Where it starts; 0 unless given.
        callback: Called now and then with a `Progress` in steps.

    Returns:
        w at each of the times.

    Cost: n exponentials and 2 n d products a step.
    """
    w = np.zeros(z.shape[1]) if start is None else start.astype(np.float64)

    def advance(begin: int, end: int) -> None:
        _descend(z, w, step, end - begin)

    return snapshots(advance, w, times=times, callback=callback)


@njit(cache=True, nogil=True)
def _descend(z: np.ndarray, w: np.ndarray, step: float, steps: int) -> None:
    n, d = z.shape
    move = np.empty(d)
    for _ in range(steps):
        move[:] = 0.0
        for i in range(n):
            q = 0.0
            for j in range(d):
                q += z[i, j] * w[j]
            pull = step / (1.0 + math.exp(q))
            for j in range(d):
                move[j] += pull * z[i, j]
        for j in range(d):
            w[j] += move[j]


def gradient_flow(
    z: Float[np.ndarray, "n d"], *, step: float, taus: Float[np.ndarray, "times"]
) -> Float[np.ndarray, "times d"]:
    """The limit of small steps, dw/dt = -step grad L(w) from w = 0, at tau = log(1 + t), far beyond what steps reach.

    In tau the flow is stiff but slow: dw/dtau = e^tau step sum_i z_i / (1 + e^q_i), where the product is formed in the
    exponent. Radau's implicit method takes a few hundred steps to tau = 700, t = 1e304.

    Args:
        z: Rows y_i x_i.
        step: Step size that the flow is the limit of.
        taus: log(1 + t), increasing, from 0 or more.

    Returns:
        w at each tau.

    Raises:
        RuntimeError: If the integrator stops before the last tau.
    """

    def pulls(tau: float, w: np.ndarray) -> np.ndarray:
        q = z @ w
        return step * np.exp(tau - np.logaddexp(0, q))

    def velocity(tau: float, w: np.ndarray) -> np.ndarray:
        return pulls(tau, w) @ z

    def jacobian(tau: float, w: np.ndarray) -> np.ndarray:
        q = z @ w
        return -(z.T * (pulls(tau, w) * np.exp(-np.logaddexp(0, -q)))) @ z

    found = solve_ivp(
        velocity,
        (0.0, float(taus[-1])),
        np.zeros(z.shape[1]),
        method="Radau",
        t_eval=taus,
        jac=jacobian,
        rtol=1e-11,
        atol=1e-11,
    )
    if not found.success:
        raise RuntimeError(f"gradient_flow: the integrator stopped at tau = {found.t[-1]:.3g}: {found.message}")
    return found.y.T


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Asymptote:
    """w_t = `rate` log t + `offset` + o(1).

    Args:
        rate: (d,) the hard-margin support vector machine.
        offset: (d,) what is left besides.
    """

    rate: Float[np.ndarray, "d"]
    offset: Float[np.ndarray, "d"]

    @property
    def margin(self) -> float:
        """The maximum margin, 1 / ||rate||."""
        return float(1 / np.linalg.norm(self.rate))

    @property
    def angle_constant(self) -> float:
        """The limit of (angle between w_t and rate) times log t."""
        across = self.offset - self.rate * (self.offset @ self.rate) / (self.rate @ self.rate)
        return float(np.linalg.norm(across) / np.linalg.norm(self.rate))

    def at(self, times: Real[np.ndarray, "times"]) -> Float[np.ndarray, "times d"]:
        """The asymptote without its o(1).

        Args:
            times: t, above 0.

        Returns:
            rate log t + offset at each time.
        """
        return np.log(times)[:, None] * self.rate + self.offset


def asymptote(z: Float[np.ndarray, "n d"], *, step: float | Float[np.ndarray, "n"]) -> Asymptote:
    """Where gradient descent goes, in closed form where the support vectors span the space.

    The rate is sum_i a_i z_i. A support vector's pull step e^(-q_i) must grow the rate: it tends to a_i / t, so the
    offset solves <z_i, offset> = log(step / a_i).

    Args:
        z: (n, d) separable rows.
        step: The step size; a row of its own weight in the loss has its own.

    Returns:
        The rate and the offset.

    Raises:
        ValueError: If the data are not separable, or the support vectors are not a basis: then the offset depends on
            the whole path and has no closed form.

    Reference: Soudry et al. 2018.
    """
    d = z.shape[1]
    found = max_margin(z)
    support = found.support
    if len(support) != d or np.linalg.matrix_rank(z[support]) != d:
        raise ValueError(
            f"asymptote: the support vectors must be a basis of the {d}-dimensional space, got {len(support)} of them; "
            "theory.data.planted makes such data"
        )
    pulls = found.weights[support] / found.margin**2  # least_norm = sum_i pulls_i z_i
    steps = np.broadcast_to(step, len(z))[support]
    return Asymptote(rate=found.least_norm, offset=np.linalg.solve(z[support], np.log(steps / pulls)))


def angle(w: Float[np.ndarray, "*batch d"], direction: Float[np.ndarray, "d"]) -> Float[np.ndarray, "*batch"]:
    """The angle between vectors and a direction; exact for small angles, where arccos has half the digits only.

    Args:
        w: Vectors, not 0.
        direction: Not 0, of any length.

    Returns:
        The angle of each vector, radians, 0 to pi.

    >>> angle(np.array([1.0, 1e-12]), np.array([2.0, 0.0])).item()
    1e-12
    """
    unit = direction / np.linalg.norm(direction)
    along = w @ unit
    across = np.linalg.norm(w - along[..., None] * unit, axis=-1)
    return np.asarray(np.arctan2(across, along))
