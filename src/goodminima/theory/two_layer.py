"""Two-layer networks without biases, trained to losses like e^-10000.

    f(x) = sum_j a_j sigma(<w_j, x>),  sigma(s) = max(s, 0)^power,

is homogeneous of order L = power + 1 in theta = (w, a). Training is gradient ascent on -log sum_i exp(-q_i) with
q_i = y_i f(x_i), which walks along gradient descent on the loss without its standstill (`theory.ascent`).
"""

import math
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from jaxtyping import Float, Int
from numba import njit

from goodminima.core.progress import Callback, no_callback
from goodminima.theory.ascent import fitting_step, softmin
from goodminima.theory.loops import snapshots


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class TwoLayer:
    """A two-layer network without biases.

    Args:
        theta: (d + 1, H): neuron j is column j, its weights w_j above, its output weight a_j last.
        power: sigma is the ReLU (1) or its square (2).

    Raises:
        ValueError: For another power.
    """

    theta: Float[np.ndarray, "rows H"]
    power: int = 1

    def __post_init__(self) -> None:
        if self.power not in (1, 2):
            raise ValueError(f"TwoLayer: power must be 1 (ReLU) or 2 (its square), got {self.power}")

    @property
    def hidden(self) -> Float[np.ndarray, "d H"]:
        """w, a neuron's in each column."""
        return self.theta[:-1]

    @property
    def output(self) -> Float[np.ndarray, "H"]:
        """a."""
        return self.theta[-1]

    @property
    def order(self) -> int:
        """L: f(c theta) = c^L f(theta)."""
        return self.power + 1

    @property
    def norm(self) -> float:
        """||theta||."""
        return float(np.linalg.norm(self.theta))

    def __call__(self, x: Float[np.ndarray, "*batch d"]) -> Float[np.ndarray, "*batch"]:
        """f(x).

        >>> net = TwoLayer(theta=np.array([[1.0, -1.0], [2.0, 3.0]]))
        >>> net(np.array([[5.0], [-5.0]])).tolist()
        [10.0, 15.0]
        """
        return np.maximum(x @ self.hidden, 0) ** self.power @ self.output

    def gradients(self, x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n rows H"]:
        """The gradient of each output; at a kink, that of the flat side.

        Args:
            x: Inputs.

        Returns:
            The gradient of each f(x_i), of the shape of theta.
        """
        active = np.maximum(x @ self.hidden, 0)
        slopes = self.power * active ** (self.power - 1) * (active > 0) * self.output
        return np.concatenate([x[:, :, None] * slopes[:, None], active[:, None] ** self.power], axis=1)


def normal_start(seed: int, *, d: int, width: int, power: int = 1, scale: float = 1.0) -> TwoLayer:
    """Weights normal, of standard deviation `scale / sqrt(d)` for w and `scale / sqrt(width)` for a.

    Args:
        seed: At least 0.
        d: Dimension of the inputs.
        width: Number of neurons H.
        power: 1 for the ReLU, 2 for its square.
        scale: Above 0.

    Returns:
        The network.
    """
    theta = np.random.default_rng(seed).standard_normal((d + 1, width))
    theta[:-1] *= scale / math.sqrt(d)
    theta[-1] *= scale / math.sqrt(width)
    return TwoLayer(theta=theta, power=power)


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class TrainedTwoLayer:
    """A course of training.

    Args:
        nets: At each of the times asked for.
        falls: Steps that lowered the smoothed margin -log(loss) / ||theta||^L, of those since the loss was below 1.
    """

    nets: tuple[TwoLayer, ...]
    falls: int


def train(
    net: TwoLayer,
    x: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, "n"],
    *,
    times: Int[np.ndarray, "times"],
    output_only: bool = False,
    callback: Callback = no_callback,
) -> TrainedTwoLayer:
    """Gradient ascent on -log sum_i exp(-q_i).

    Args:
        net: Where it starts.
        x: Inputs.
        y: Labels, -1 or 1.
        times: Increasing numbers of steps.
        output_only: Whether w stays as it is, so that a linear predictor of fixed features is trained; the smoothed
            margin is then that of a, with L = 1.
        callback: Called now and then with a `Progress` in steps.

    Returns:
        The network at each of the times, and how often the smoothed margin fell.

    Cost: 4 n d H products a step.
    """
    theta = net.theta.copy()
    seen = np.zeros(2)  # falls, and the last smoothed margin: 0 until the loss is below 1

    def advance(begin: int, end: int) -> None:
        _ascend(theta, x, y, net.power, output_only, end - begin, seen)

    path = snapshots(advance, theta, times=times, callback=callback)
    return TrainedTwoLayer(nets=tuple(replace(net, theta=each) for each in path), falls=int(seen[0]))


@njit(cache=True, nogil=True)
def _ascend(  # noqa: PLR0917  (numba)
    theta: np.ndarray, x: np.ndarray, y: np.ndarray, power: int, output_only: bool, steps: int, seen: np.ndarray
) -> None:
    n, d = x.shape
    width = theta.shape[1]
    q, p = np.empty(n), np.empty(n)
    value, slope = np.empty((n, width)), np.empty((n, width))
    lengths = (x**2).sum(axis=1)
    first = d if output_only else 0  # the first row of theta that moves
    order = 1 if output_only else power + 1
    for _ in range(steps):
        _forward(theta, x, power, value, slope)
        steepest = 0.0
        for i in range(n):
            q[i] = y[i] * (theta[d] * value[i]).sum()
            bent = 0.0 if output_only else lengths[i] * (slope[i] ** 2).sum()
            steepest = max(steepest, (value[i] ** 2).sum() + bent)
        rho = math.sqrt((theta[first:] ** 2).sum())
        smoothed = max(softmin(q, p), 0.0) / rho**order
        seen[0] += smoothed < seen[1]
        seen[1] = smoothed
        _move(theta, x, y * p * fitting_step(steepest, rho), value, slope, output_only)


@njit(cache=True, nogil=True)
def _forward(theta: np.ndarray, x: np.ndarray, power: int, value: np.ndarray, slope: np.ndarray) -> None:
    """Fills in sigma(<w_j, x_i>) and a_j sigma'(<w_j, x_i>)."""
    n, d = x.shape
    for i in range(n):
        value[i] = 0.0
        for c in range(d):
            for j in range(theta.shape[1]):
                value[i, j] += x[i, c] * theta[c, j]
        for j in range(theta.shape[1]):
            positive = max(value[i, j], 0.0)
            if power == 1:
                value[i, j] = positive
                slope[i, j] = theta[d, j] if positive > 0 else 0.0
            else:
                value[i, j] = positive * positive
                slope[i, j] = 2 * theta[d, j] * positive


@njit(cache=True, nogil=True)
def _move(  # noqa: PLR0917  (numba)
    theta: np.ndarray, x: np.ndarray, pulls: np.ndarray, value: np.ndarray, slope: np.ndarray, output_only: bool
) -> None:
    """Adds sum_i pulls_i grad f(x_i) to theta."""
    n, d = x.shape
    for i in range(n):
        if pulls[i] == 0.0:
            continue
        for j in range(theta.shape[1]):
            theta[d, j] += pulls[i] * value[i, j]
        if output_only:
            continue
        for c in range(d):
            weight = pulls[i] * x[i, c]
            for j in range(theta.shape[1]):
                theta[c, j] += weight * slope[i, j]
