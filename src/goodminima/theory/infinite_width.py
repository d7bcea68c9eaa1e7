"""Chizat and Bach: training both layers of a wide ReLU network maximises a margin that no kernel knows.

A two-layer network f(x) = sum_j a_j max(<w_j, x>, 0) is a measure over directions w / ||w||, with mass a_j ||w_j||; its
variation norm is the total mass, sum_j |a_j| ||w_j||. The F1 margin of f is min_i y_i f(x_i) over that norm. The largest is

    max over measures of mass 1  min_i y_i f(x_i)  =  min over weights p  max over ||w|| = 1  |sum_i p_i y_i max(<w, x_i>, 0)|,

a linear programme in as many unknowns as directions. In the plane the right-hand maximum has a closed form, which bounds what
any network of any width can do.

Reference: Chizat and Bach 2020 (Implicit bias of gradient descent for wide two-layer neural networks trained with the logistic
loss).
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float
from scipy.optimize import linprog

from goodminima.theory.convex import max_margin
from goodminima.theory.two_layer import TwoLayer

_GAP = 1e-9
_ROUNDS = 20


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class VariationMargin:
    """The largest F1 margin of labelled points in the plane.

    Args:
        net: A network of variation norm 1 that has it.
        margin: Its margin.
        weights: (n,) at least 0, sum 1: how much each example holds the margin up.
        bound: No network of any width has a margin above this, by `weights`.
    """

    net: TwoLayer
    margin: float
    weights: Float[np.ndarray, "n"]
    bound: float

    @property
    def gap(self) -> float:
        """How much larger than `margin` the largest margin can be, relative to it: the proof of this answer."""
        return self.bound / self.margin - 1


def variation_norm(net: TwoLayer) -> float:
    """The variation norm sum_j |a_j| ||w_j|| of a network.

    Args:
        net: The network.

    Returns:
        The norm.

    >>> variation_norm(TwoLayer(theta=np.array([[3.0, 0.0], [4.0, 1.0], [-1.0, 2.0]])))
    7.0
    """
    return float(np.abs(net.output) @ np.linalg.norm(net.hidden, axis=0))


def variation_margin_of(net: TwoLayer, x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "n"]) -> float:
    """The F1 margin min_i y_i f(x_i) / variation norm that a network has.

    Args:
        net: The network.
        x: Inputs.
        y: Labels, -1 or 1.

    Returns:
        The margin; negative where an example is on the wrong side.
    """
    return float((y * net(x)).min()) / variation_norm(net)


def max_variation_margin(
    x: Float[np.ndarray, "n 2"], y: Float[np.ndarray, "n"], *, neurons: int = 1000
) -> VariationMargin:
    """The largest F1 margin, by a linear programme over evenly spaced directions and those that its answer shows to be missing.

    Args:
        x: Points in the plane.
        y: Labels, -1 or 1.
        neurons: Directions of the first programme.

    Returns:
        The margin, a network that has it, and a gap to what can be proved to be the most.

    Raises:
        ValueError: If the points are not in the plane, or no network has a positive margin.

    Cost: a few programmes of 2 `neurons` unknowns, together 0.2 s for 10 points and 1,000 neurons.
    """
    if x.shape[1] != 2:
        raise ValueError(f"max_variation_margin: needs points in the plane, got {x.shape[1]} coordinates")
    hidden = np.hstack([circle(neurons), peaks(x, np.zeros(len(x)))])
    found = _best_of(hidden, x, y)
    for _ in range(_ROUNDS):
        if found.gap < _GAP:
            break
        hidden = np.hstack([hidden, peaks(x, found.weights * y)])
        found = _best_of(hidden, x, y)
    return found


def circle(neurons: int) -> Float[np.ndarray, "2 neurons"]:
    """Evenly spaced directions in the plane, one in each column.

    Args:
        neurons: How many.

    Returns:
        Unit vectors.

    >>> circle(4).round(12).tolist()
    [[1.0, 0.0, -1.0, -0.0], [0.0, 1.0, 0.0, -1.0]]
    """
    turns = 2 * np.pi * np.arange(neurons) / neurons
    return np.stack([np.cos(turns), np.sin(turns)])


def _best_of(
    hidden: Float[np.ndarray, "2 m"], x: Float[np.ndarray, "n 2"], y: Float[np.ndarray, "n"]
) -> VariationMargin:
    """The largest F1 margin of networks with these directions only, with its bound over all."""
    output, weights = _linear_programme(y[:, None] * np.maximum(x @ hidden, 0))
    net = TwoLayer(theta=np.vstack([hidden, output])[:, output != 0])
    bound = np.abs((weights * y) @ np.maximum(x @ peaks(x, weights * y), 0)).max()
    return VariationMargin(net=net, margin=variation_margin_of(net, x, y), weights=weights, bound=float(bound))


def _linear_programme(features: Float[np.ndarray, "n m"]) -> tuple[Float[np.ndarray, "m"], Float[np.ndarray, "n"]]:
    """The output weights a with sum |a_j| = 1 that maximise min_i (features a)_i, and the dual weights of the rows."""
    n, m = features.shape
    rows = np.vstack([np.hstack([-features, features, np.ones((n, 1))]), np.append(np.ones(2 * m), 0.0)])
    right, costs = np.append(np.zeros(n), 1.0), np.append(np.zeros(2 * m), -1.0)
    tight = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
    found = linprog(costs, A_ub=rows, b_ub=right, bounds=(0, None), method="highs", options=tight)
    if found.status != 0 or not found.x[-1] > 0:
        raise ValueError(f"max_variation_margin: no network has a positive margin on these points: {found.message}")
    weights = np.maximum(-found.ineqlin.marginals[:n], 0)
    return found.x[:m] - found.x[m : 2 * m], weights / weights.sum()


def peaks(x: Float[np.ndarray, "n 2"], pulls: Float[np.ndarray, "n"]) -> Float[np.ndarray, "2 tried"]:
    """Directions w, ||w|| = 1, among which is the one with the largest |sum_i pulls_i max(<w, x_i>, 0)| of all.

    Between neighbouring w that are perpendicular to some x_i the same examples are active, and the sum is <w, v> for
    their v: on such an arc its size is largest at an end, at v / ||v|| or at -v / ||v||. Whether these last are on the arc
    need not be known: they are directions like any other.

    Args:
        x: Points in the plane.
        pulls: Weight of each point.

    Returns:
        Unit vectors, one in each column.
    """
    turns = np.arctan2(x[:, 1], x[:, 0])
    ends = np.sort(np.concatenate([turns + np.pi / 2, turns - np.pi / 2]) % (2 * np.pi))
    middles = (ends + np.append(ends[1:], ends[0] + 2 * np.pi)) / 2
    active = x @ np.stack([np.cos(middles), np.sin(middles)]) > 0
    v = (active * pulls[:, None]).T @ x
    v = v[np.linalg.norm(v, axis=1) > 0].T
    v = v / np.linalg.norm(v, axis=0)
    return np.hstack([np.stack([np.cos(ends), np.sin(ends)]), v, -v])


def max_kernel_margin(net: TwoLayer, x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "n"]) -> tuple[TwoLayer, float]:
    """The largest margin min_i y_i f(x_i) / ||a|| with w as it is: a support vector machine with the kernel of these neurons.

    Args:
        net: Its hidden weights are used.
        x: Inputs.
        y: Labels, -1 or 1.

    Returns:
        A network with ||a|| = 1 that has it, and the margin.
    """
    found = max_margin(y[:, None] * np.maximum(x @ net.hidden, 0) ** net.power)
    theta = np.vstack([net.hidden, found.direction])
    return TwoLayer(theta=theta, power=net.power), found.margin


def kernel_margin_of(net: TwoLayer, x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "n"]) -> float:
    """The margin min_i y_i f(x_i) / ||a|| that a network has.

    Args:
        net: The network.
        x: Inputs.
        y: Labels, -1 or 1.

    Returns:
        The margin; negative where an example is on the wrong side.
    """
    return float((y * net(x)).min() / np.linalg.norm(net.output))


def balanced_start(seed: int, *, d: int, width: int, scale: float = 1.0) -> TwoLayer:
    """Neurons in random directions with |a_j| = ||w_j||, half of them positive; the variation norm is `scale`^2.

    Gradient flow keeps a_j^2 - ||w_j||^2, so a balanced neuron never changes its sign. That matters at small scales: neurons
    whose a_j starts smaller than w_j take, before anything is fitted, the sign that suits the data on average, and
    then a minority's points may be left without a neuron of theirs.

    Args:
        seed: At least 0.
        d: Dimension of the inputs.
        width: Number of neurons, even.
        scale: Root of the variation norm, above 0.

    Returns:
        The network, of power 1.

    >>> net = balanced_start(0, d=3, width=6, scale=2.0)
    >>> round(variation_norm(net), 12), np.sign(net.output).tolist()
    (4.0, [1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
    """
    hidden = np.random.default_rng(seed).standard_normal((d, width))
    hidden /= np.linalg.norm(hidden, axis=0)
    signs = np.where(np.arange(width) % 2, -1.0, 1.0)
    return TwoLayer(theta=scale / np.sqrt(width) * np.vstack([hidden, signs]))


def points_in_plane(seed: int, *, n: int = 10) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, "n"]]:
    """A point in each of n equal sectors, at distance 1/2 to 3/2, labelled by the quadrants of a random cross.

    Args:
        seed: At least 0.
        n: Number of points.

    Returns:
        Points, and labels -1 or 1.

    >>> x, y = points_in_plane(0)
    >>> x.shape, np.abs(y).tolist() == [1.0] * 10
    ((10, 2), True)
    """
    rng = np.random.default_rng(seed)
    turns = 2 * np.pi * (np.arange(n) + rng.uniform(0.2, 0.8, n)) / n
    far = rng.uniform(0.5, 1.5, n)
    y = np.where(np.cos(2 * (turns - rng.uniform(0, np.pi))) > 0, 1.0, -1.0)
    return np.column_stack([far * np.cos(turns), far * np.sin(turns)]), y


def xor_in_two(seed: int, *, n: int, d: int = 10) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, "n"]]:
    """Uniform in [-1, 1]^d but for |x_1|, |x_2| > 0.4, labelled by the sign of x_1 x_2: the other coordinates say nothing.

    Args:
        seed: At least 0.
        n: Number of inputs.
        d: Dimension, at least 2.

    Returns:
        Inputs, and labels -1 or 1.

    >>> x, y = xor_in_two(0, n=5)
    >>> x.shape, bool((np.abs(x[:, :2]) > 0.4).all())
    ((5, 10), True)
    """
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (n, d))
    x[:, :2] = rng.choice([-1.0, 1.0], (n, 2)) * rng.uniform(0.4, 1, (n, 2))
    return x, np.sign(x[:, 0] * x[:, 1])
