"""Lyu and Li: the parameters of a homogeneous network tend to a KKT point of the margin program.

Under gradient flow on sum_i exp(-q_i), q_i = y_i f_theta(x_i), with f homogeneous of order L in theta, the norm diverges, the
smoothed margin -log(loss) / ||theta||^L never falls once the loss is below 1, and theta / ||theta|| tends to a KKT point of

    minimise ||theta||^2 / 2  subject to  q_i(theta) >= 1 for all i.

Where f has kinks, KKT means Clarke's subdifferential. That matters: neurons of a ReLU network settle on kinks,
<w_j, x_i> = 0, and there the gradient of neither side satisfies the condition.

Reference: Lyu and Li 2020 (Gradient descent maximizes the margin of homogeneous neural networks).
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import nnls

from goodminima.theory.ascent import minus_log_loss
from goodminima.theory.two_layer import TwoLayer

_ROUNDS = 1000


def xor_on_sphere(seed: int, *, n: int = 12, d: int = 4) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, "n"]]:
    """Inputs uniform on the unit sphere, labelled by the sign of x_1 x_2: even in x, so no linear predictor knows it.

    Args:
        seed: At least 0.
        n: Number of inputs.
        d: Dimension, at least 2.

    Returns:
        Inputs, and labels -1 or 1.

    >>> x, y = xor_on_sphere(0)
    >>> x.shape, np.linalg.norm(x, axis=1).round(12).tolist() == [1.0] * 12
    ((12, 4), True)
    """
    x = np.random.default_rng(seed).standard_normal((n, d))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return x, np.where(x[:, 0] * x[:, 1] > 0, 1.0, -1.0)


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Conditions:
    """How near a network is to a KKT point, with the multipliers that the loss itself suggests, lambda ~ softmax(-q).

    Args:
        log_loss: Natural logarithm of sum_i exp(-q_i).
        norm: ||theta||.
        smoothed_margin: -log(loss) / ||theta||^L.
        epsilon: Stationarity that is missing, ||theta - sum_i lambda_i grad q_i|| / ||theta||; from 0 to 2.
        delta: Complementary slackness that is missing, max_i lambda_i (q_i / min q - 1); infinite where an example is
            on the wrong side.
    """

    log_loss: float
    norm: float
    smoothed_margin: float
    epsilon: float
    delta: float


def conditions(net: TwoLayer, x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "n"]) -> Conditions:
    """The KKT conditions at a network.

    Scaled to min q = 1, lambda_i = p_i q_min^(1 - 2 / L) ||theta|| / ||grad log(loss)||, so that theta and
    sum_i lambda_i grad q_i have the same length: what is missing is the chord between their directions.

    Args:
        net: The network.
        x: Inputs.
        y: Labels, -1 or 1.

    Returns:
        How far each of the conditions is from holding, with the loss and the smoothed margin.

    Differs from paper: epsilon is relative to ||theta||.

    Reference: Lyu and Li 2020, definition of an approximate KKT point.
    """
    q = y * net(x)
    minus_log, least = float(minus_log_loss(q)), float(q.min())
    p = np.exp(minus_log - q)
    pull = np.tensordot(p * y, net.gradients(x), axes=1)
    size = p * max(least, 0.0) ** (1 - 2 / net.order) * net.norm / np.linalg.norm(pull)
    return Conditions(
        log_loss=-minus_log,
        norm=net.norm,
        smoothed_margin=minus_log / net.norm**net.order,
        epsilon=chord(net.theta, pull),
        delta=float((size * (q / least - 1)).max()) if least > 0 else np.inf,
    )


def chord(u: Float[np.ndarray, "*shape"], v: Float[np.ndarray, "*shape"]) -> float:
    """The distance between two directions, sqrt(2 - 2 cos(u, v)) without its loss of digits.

    Args:
        u: Not 0.
        v: Not 0, of the same shape.

    Returns:
        The distance of u / ||u|| from v / ||v||, 0 to 2.

    >>> round(chord(np.array([1.0, 0.0]), np.array([0.0, 7.0])) ** 2, 12)
    2.0
    """
    return float(np.linalg.norm(u / np.linalg.norm(u) - v / np.linalg.norm(v)))


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Clarke:
    """The best multipliers and subgradients at a network.

    Args:
        residual: Least ||theta - sum_i lambda_i g_i|| / ||theta|| over lambda >= 0 and subgradients g_i of q_i.
        multipliers: (n,) the lambda that reach it, for theta and q of their actual size; 0 beyond the smallest margins.
        kinks: (n, H) which neurons counted as being at the kink for which example.
    """

    residual: float
    multipliers: Float[np.ndarray, "n"]
    kinks: Bool[np.ndarray, "n H"]


def clarke_residual(
    net: TwoLayer,
    x: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, "n"],
    *,
    kink: float = 1e-3,
    slack: float = 1e-2,
) -> Clarke:
    """Stationarity with Clarke's subdifferential: where a ReLU's argument vanishes, its derivative may be any of [0, 1].

    Args:
        net: Power 2 has no kinks: then this finds the best multipliers.
        x: Inputs.
        y: Labels, -1 or 1.
        kink: A neuron is at the kink for an example where |<w_j, x_i>| is below this times ||w_j|| ||x_i||.
        slack: Complementary slackness: multipliers only where q_i is at most (1 + slack) times the smallest, or anywhere
            while an example is on the wrong side.

    Returns:
        The least residual, the multipliers that give it, and where the network is at a kink.
    """
    q, pre = y * net(x), x @ net.hidden
    kinks = np.abs(pre) < kink * np.linalg.norm(x, axis=1)[:, None] * np.linalg.norm(net.hidden, axis=0)
    kinks &= net.power == 1
    rows = np.flatnonzero(q <= (1 + slack) * q.min()) if q.min() > 0 else np.arange(len(x))
    # What a derivative of 1 adds, at each kink, to the gradient of the flat side.
    extra = x[rows, :, None] * (y[rows, None] * net.output * kinks[rows])[:, None]
    flat = net.gradients(x[rows]) * y[rows, None, None]
    flat[:, :-1] -= extra * (pre[rows] > 0)[:, None]
    weights, residual = _nearest_in_cone(flat, extra, net.theta / net.norm)
    multipliers = np.zeros(len(q))
    multipliers[rows] = weights * net.norm
    return Clarke(residual=residual, multipliers=multipliers, kinks=kinks)


def _nearest_in_cone(
    flat: Float[np.ndarray, "n rows H"], extra: Float[np.ndarray, "n rows-1 H"], target: Float[np.ndarray, "rows H"]
) -> tuple[Float[np.ndarray, "n"], float]:
    """The nearest point to `target` of the cone of all flat_i + (some neurons of extra_i): multipliers, and its distance.

    Each kink doubles an example's generators, too many to list; but the one that shortens the residual most is found kink
    by kink. So generators join a non-negative least-squares problem until none would shorten the residual.
    """
    tolerance = 1e-12 * (np.linalg.norm(flat) + np.linalg.norm(extra))
    columns, owners = np.empty((target.size, 0)), np.empty(0, dtype=np.int64)
    weights, residual = np.empty(0), target.ravel()
    for _ in range(_ROUNDS):
        along = np.einsum("icj,cj->ij", extra, residual.reshape(target.shape)[:-1])
        best = flat.copy()
        best[:, :-1] += extra * (along > 0)[:, None]
        best = best.reshape(len(best), -1)
        useful = best @ residual > tolerance
        if not useful.any():
            return np.bincount(owners, weights, minlength=len(flat)), float(np.linalg.norm(residual))
        columns, owners = np.hstack([columns, best[useful].T]), np.append(owners, np.flatnonzero(useful))
        weights, _ = nnls(columns, target.ravel())
        residual = target.ravel() - columns @ weights
    raise RuntimeError(f"clarke_residual: generators still join after {_ROUNDS} rounds; raise the tolerance")
