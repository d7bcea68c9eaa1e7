"""Two-layer networks without biases, trained to losses like e^-10000: what the margin program's KKT conditions say of them.

    f(x) = sum_j a_j sigma(<w_j, x>),  sigma(s) = max(s, 0)^power,

is homogeneous of order L = power + 1 in theta = (w, a). Under gradient flow on sum_i exp(-q_i), q_i = y_i f(x_i), the norm
diverges, the smoothed margin -log(loss) / |theta|^L never falls once it is positive, and theta / |theta| tends to a KKT point of

    minimise |theta|^2 / 2  subject to  q_i(theta) >= 1 for all i.

Where sigma has a kink, "gradient" is any element of Clarke's subdifferential. That matters: neurons of a ReLU network
settle on kinks, <w_j, x_i> = 0, and there the gradient of either side satisfies no KKT condition.

Reference: Lyu and Li 2020, Theorems 4.1 and 4.4, Section 4 and Appendix C.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from jaxtyping import Float
from numba import njit

from goodminima.theory.ascent import fitting_step, minus_log_loss, softmin
from goodminima.theory.convex import import_cvxpy


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class TwoLayer:
    """A two-layer network without biases.

    Args:
        hidden: (d, H) weights w_j, one in each column.
        output: (H,) weights a_j.
        power: sigma is the ReLU (1) or its square (2).
    """

    hidden: Float[np.ndarray, "d H"]
    output: Float[np.ndarray, "H"]
    power: int = 1

    def __post_init__(self) -> None:
        if self.power not in (1, 2):
            raise ValueError(f"TwoLayer: power must be 1 (ReLU) or 2 (its square), got {self.power}")

    @property
    def order(self) -> int:
        """L: f(c theta) = c^L f(theta)."""
        return self.power + 1

    @property
    def norm(self) -> float:
        """|theta|."""
        return float(np.sqrt((self.hidden**2).sum() + (self.output**2).sum()))

    def __call__(self, x: Float[np.ndarray, "*batch d"]) -> Float[np.ndarray, "*batch"]:
        """f(x)."""
        return np.maximum(x @ self.hidden, 0) ** self.power @ self.output

    def gradients(self, x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n D"]:
        """The gradient of each f(x_i): w first, row by row, then a. At a kink, that of the flat side."""
        active = np.maximum(x @ self.hidden, 0)
        slope = self.power * active ** (self.power - 1) * (active > 0) * self.output
        by_hidden = (x[:, :, None] * slope[:, None, :]).reshape(len(x), -1)
        return np.hstack([by_hidden, active**self.power])


def normal_start(seed: int, *, d: int, width: int, power: int = 1, scale: float = 1.0) -> TwoLayer:
    """Weights normal, of standard deviation `scale / sqrt(d)` for w and `scale / sqrt(width)` for a."""
    rng = np.random.default_rng(seed)
    return TwoLayer(
        hidden=scale / np.sqrt(d) * rng.standard_normal((d, width)),
        output=scale / np.sqrt(width) * rng.standard_normal(width),
        power=power,
    )


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Trained:
    """A network after some steps.

    Args:
        net: Its weights.
        step: Steps taken.
        falls: Steps, of those since the loss was below 1, that lowered the smoothed margin.
    """

    net: TwoLayer
    step: int
    falls: int


def train(
    net: TwoLayer,
    x: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, "n"],
    *,
    times: Float[np.ndarray, "times"],
    output_only: bool = False,
    listen: Callable[[int], None] = lambda step: None,
) -> list[Trained]:
    """Gradient ascent on -log sum_i exp(-q_i) (`theory.ascent`).

    Args:
        net: Where it starts.
        x: Inputs.
        y: Labels -1 and 1.
        times: Increasing numbers of steps.
        output_only: Whether w stays as it is: the kernel regime.
        listen: Told the number of steps taken.

    Cost: 4 n d H products a step.
    """
    hidden, output = net.hidden.copy(), net.output.copy()
    reached, falls, path = 0, 0, []
    for time in times:
        falls += _ascend(hidden, output, x, y, net.power, int(time) - reached, output_only)
        reached = int(time)
        path.append(Trained(net=replace(net, hidden=hidden.copy(), output=output.copy()), step=reached, falls=falls))
        listen(reached)
    return path


@njit(cache=True, nogil=True)
def _ascend(
    hidden: np.ndarray, output: np.ndarray, x: np.ndarray, y: np.ndarray, power: int, steps: int, output_only: bool
) -> int:
    """Changes the weights in place; returns how often the smoothed margin fell."""
    n, d = x.shape
    width = len(output)
    q, p = np.empty(n), np.empty(n)
    value, slope, pre = np.empty((n, width)), np.empty((n, width)), np.empty(width)
    lengths = (x**2).sum(axis=1)
    falls, before = 0, -1.0
    for _ in range(steps):
        rho2 = (output**2).sum() + (0.0 if output_only else (hidden**2).sum())
        steepest = 0.0
        for i in range(n):
            _forward(hidden, output, x[i], power, pre, value[i], slope[i])
            total, squared, bent = 0.0, 0.0, 0.0
            for j in range(width):
                total += output[j] * value[i, j]
                squared += value[i, j] * value[i, j]
                bent += slope[i, j] * slope[i, j]
            q[i] = y[i] * total
            steepest = max(steepest, squared + (0.0 if output_only else lengths[i] * bent))
        smoothed = softmin(q, p) / rho2 ** ((1 if output_only else power + 1) / 2)
        falls += smoothed < before
        before = max(smoothed, 0.0) if smoothed > 0 else -1.0
        step = fitting_step(steepest, np.sqrt(rho2))
        for i in range(n):
            pull = step * p[i] * y[i]
            if pull == 0.0:
                continue
            for j in range(width):
                output[j] += pull * value[i, j]
            if not output_only:
                for c in range(d):
                    weight = pull * x[i, c]
                    for j in range(width):
                        hidden[c, j] += weight * slope[i, j]
    return falls


@njit(cache=True, nogil=True)
def _forward(
    hidden: np.ndarray, output: np.ndarray, x: np.ndarray, power: int, pre: np.ndarray, value: np.ndarray, slope: np.ndarray
) -> None:
    """sigma(<w_j, x>) and a_j sigma'(<w_j, x>) for every neuron."""
    width = len(output)
    pre[:] = 0.0
    for c in range(len(x)):
        for j in range(width):
            pre[j] += x[c] * hidden[c, j]
    for j in range(width):
        positive = max(pre[j], 0.0)
        if power == 1:
            value[j] = positive
            slope[j] = output[j] if positive > 0 else 0.0
        else:
            value[j] = positive * positive
            slope[j] = 2 * output[j] * positive


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Conditions:
    """How near theta / |theta| is to a KKT point, with the multipliers that the loss itself suggests, lambda ~ softmax(-q).

    Args:
        log_loss: Natural logarithm of sum_i exp(-q_i).
        norm: |theta|.
        margin: min_i q_i / |theta|^L.
        smoothed_margin: -log(loss) / |theta|^L.
        epsilon: sqrt(2 - 2 cos) of the angle between theta and -grad log(loss): the stationarity that is missing, as a
            fraction of |theta|.
        delta: max_i lambda_i (q_i / min q - 1): complementary slackness that is missing.
    """

    log_loss: float
    norm: float
    margin: float
    smoothed_margin: float
    epsilon: float
    delta: float


def conditions(net: TwoLayer, x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "n"]) -> Conditions:
    """The KKT conditions at a network, before and after any of them holds.

    lambda_i = p_i q_min^(1 - 2 / L) |theta| / |grad log(loss)|, for theta scaled to q_min = 1.

    Reference: Lyu and Li 2020, Appendix C. Differs from paper: epsilon is relative to |theta|.
    """
    q, rho, order = y * net(x), net.norm, net.order
    least, minus_log = float(q.min()), float(minus_log_loss(q))
    p = np.exp(minus_log - q)
    pull = (p * y) @ net.gradients(x)
    theta = np.concatenate([net.hidden.ravel(), net.output])
    length = float(np.linalg.norm(pull))
    cosine = float(theta @ pull) / (rho * length)
    multipliers = p * max(least, 0.0) ** (1 - 2 / order) * rho / length
    return Conditions(
        log_loss=-minus_log,
        norm=rho,
        margin=least / rho**order,
        smoothed_margin=minus_log / rho**order,
        epsilon=float(np.sqrt(max(2 - 2 * cosine, 0.0))),
        delta=float((multipliers * (q / least - 1)).max()) if least > 0 else np.inf,
    )


KINK = 1e-3
"""A neuron is at the kink of an example where |<w_j, x_i>| is at most this fraction of |w_j| |x_i|."""

ACTIVE = 1e-2
"""An example is at the margin where q_i is at most 1 + this times the least."""


def clarke_residual(net: TwoLayer, x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "n"]) -> float:
    """The least |theta - sum_i lambda_i h_i| / |theta| over lambda >= 0 and h_i in Clarke's subdifferential of q_i.

    For a ReLU network h_i has, for each neuron at the kink of x_i, any slope s_ij in [0, 1]. With m_ij = lambda_i s_ij the
    problem is a quadratic programme: 0 <= m_ij <= lambda_i. Examples away from the margin have lambda_i = 0.

    Raises:
        ModuleNotFoundError: If the conic solver is not installed.
    """
    cp = import_cvxpy()
    if net.power != 1:
        raise ValueError("clarke_residual: the square of the ReLU has a gradient everywhere; use conditions().epsilon")
    q = y * net(x)
    rows = np.flatnonzero(q <= (1 + ACTIVE) * q.min())
    theta = np.concatenate([net.hidden.ravel(), net.output]) / net.norm
    scaled = replace(net, hidden=net.hidden / net.norm, output=net.output / net.norm)
    pre = x[rows] @ scaled.hidden
    lengths = np.linalg.norm(x[rows], axis=1)[:, None] * np.linalg.norm(scaled.hidden, axis=0)
    at_kink = np.abs(pre) <= KINK * lengths
    smooth = y[rows, None] * scaled.gradients(x[rows])
    which, neuron = np.nonzero(at_kink)
    d, width = net.hidden.shape
    # At a kink either side's gradient may have been taken: leave it out, then let s_ij say how much of it is in.
    by_hidden = smooth[:, : d * width].reshape(-1, d, width)
    by_hidden[which, :, neuron] = 0.0
    sides = np.zeros((len(which), d, width))
    sides[np.arange(len(which)), :, neuron] = (y[rows[which]] * scaled.output[neuron])[:, None] * x[rows[which]]
    weights = cp.Variable(len(rows), nonneg=True)
    rest, bounds = theta - smooth.T @ weights, []
    if len(which):
        shares = cp.Variable(len(which), nonneg=True)
        padded = np.hstack([sides.reshape(len(which), -1), np.zeros((len(which), width))])
        rest, bounds = rest - padded.T @ shares, [shares <= weights[which]]
    problem = cp.Problem(cp.Minimize(cp.norm(rest)), bounds)
    return float(problem.solve(solver=cp.CLARABEL))
