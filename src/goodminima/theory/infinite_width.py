"""Wide two-layer ReLU networks: both layers trained, the margin in variation norm; the output layer alone, a kernel's.

Functions f(x) = integral of max(<w, x>, 0) dv(w) over unit w have two norms: F1, the total variation |v|, and, with a density
against the uniform measure, the smaller space F2 of an integral of squares, the kernel's. A finite network has
F1 norm sum_j |a_j| |w_j|. Gradient flow on the exponential loss of all weights, neurons spread over the sphere, tends
to the largest min_i y_i f(x_i) with F1 norm 1; of the output weights alone, to the largest with F2 norm 1.

In the plane the sphere is a circle, so that the first is a linear programme over a fine grid of neurons, and the error that
the grid makes is known exactly.

Reference: Chizat and Bach 2020, Theorems 3 and 5, Section 3. Differs from paper: no bias; -log of the loss is ascended, with
an initialisation that need not vanish.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float
from scipy.optimize import linprog

from goodminima.theory.convex import max_margin
from goodminima.theory.homogeneous import TwoLayer


def variation_norm(net: TwoLayer) -> float:
    """sum_j |a_j| |w_j|: the F1 norm of a ReLU network none of whose neurons share a direction, else a bound on it.

    >>> variation_norm(TwoLayer(hidden=np.array([[3.0, 0.0], [4.0, 1.0]]), output=np.array([2.0, -1.0])))
    11.0
    """
    if net.power != 1:
        raise ValueError(f"variation_norm is that of a ReLU network, power 1, got power {net.power}")
    return float(np.abs(net.output) @ np.linalg.norm(net.hidden, axis=0))


def on_circle(angles: Float[np.ndarray, "*batch"]) -> Float[np.ndarray, "*batch 2"]:
    """Unit vectors at angles, in radians.

    >>> on_circle(np.array([0.0])).tolist()
    [[1.0, 0.0]]
    """
    return np.stack([np.cos(angles), np.sin(angles)], axis=-1)


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class VariationMargin:
    """The largest margin in F1 for points in the plane, up to the grid.

    Args:
        margin: min_i y_i f(x_i) of the network below, whose F1 norm is 1.
        net: Its neurons that are not 0, unit vectors on the grid.
        bound: No function of F1 norm 1 has a larger margin, on the grid or off it.
    """

    margin: float
    net: TwoLayer
    bound: float

    @property
    def gap(self) -> float:
        """How much larger than `margin` the largest margin can be, relative to it."""
        return self.bound / self.margin - 1


def variation_margin(
    x: Float[np.ndarray, "n 2"], y: Float[np.ndarray, "n"], *, neurons: int = 4000
) -> VariationMargin:
    """max min_i y_i sum_j v_j max(<w_j, x_i>, 0) subject to sum_j |v_j| <= 1, w_j equally spaced on the circle.

    Raises:
        ValueError: If no such function classifies all points rightly: the labels need a bias, or x and -x clash.
    """
    n = len(x)
    grid = on_circle(2 * np.pi * np.arange(neurons) / neurons)
    features = y[:, None] * np.maximum(x @ grid.T, 0)
    rows = np.vstack([np.hstack([-features, features, np.ones((n, 1))]), np.append(np.ones(2 * neurons), 0.0)])
    bounds: list[tuple[float | None, float | None]] = [*[(0.0, None)] * (2 * neurons), (None, None)]
    found = linprog(
        np.append(np.zeros(2 * neurons), -1.0), A_ub=rows, b_ub=np.append(np.zeros(n), 1.0), bounds=bounds, method="highs"
    )
    if found.status != 0 or -found.fun <= 1e-9:
        raise ValueError(f"variation_margin: no network without biases fits these {n} points with a margin above 1e-9")
    measure = found.x[:neurons] - found.x[neurons : 2 * neurons]
    multipliers = np.maximum(-found.ineqlin.marginals[:n], 0)
    kept = measure != 0
    return VariationMargin(
        margin=-float(found.fun),
        net=TwoLayer(hidden=grid[kept].T, output=measure[kept]),
        bound=_largest_value(x, y * multipliers / multipliers.sum()),
    )


def _largest_value(x: Float[np.ndarray, "n 2"], c: Float[np.ndarray, "n"]) -> float:
    """max over unit w of |sum_i c_i max(<w, x_i>, 0)|, exactly.

    Between the angles where some <w, x_i> changes sign the sum is <w, s> for a fixed s: its extremes are there, or at w =
    +-s / |s| if that lies between.
    """
    turns = np.arctan2(x[:, 1], x[:, 0])
    edges = np.sort(np.concatenate([turns + np.pi / 2, turns - np.pi / 2]) % (2 * np.pi))
    middles = (edges + np.append(edges[1:], edges[0] + 2 * np.pi)) / 2
    sums = ((on_circle(middles) @ x.T > 0) * c) @ x
    inner = np.arctan2(sums[:, 1], sums[:, 0])
    candidates = on_circle(np.concatenate([edges, inner, inner + np.pi]))
    return float(np.abs(np.maximum(candidates @ x.T, 0) @ c).max())


def arc_cosine_kernel(x: Float[np.ndarray, "n d"], other: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "n m"]:
    """The mean of max(<w, x>, 0) max(<w, x'>, 0) over unit w, uniformly: |x| |x'| (sin t + (pi - t) cos t) / (2 pi d).

    Reference: Cho and Saul 2009, equation 6.

    >>> float(arc_cosine_kernel(np.eye(2)[:1], np.eye(2)[:1])[0, 0])
    0.25
    """
    lengths = np.linalg.norm(x, axis=1)[:, None] * np.linalg.norm(other, axis=1)
    cosine = np.clip(x @ other.T / lengths, -1, 1)
    angle = np.arccos(cosine)
    return lengths * (np.sin(angle) + (np.pi - angle) * cosine) / (2 * np.pi * x.shape[1])


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class KernelMargin:
    """The largest margin in F2: the kernel's support vector machine.

    Args:
        margin: min_i y_i f(x_i) where f has norm 1.
        x: The points.
        weights: (n,) f(x) = sum_i weights_i K(x_i, x), of norm 1.
    """

    margin: float
    x: Float[np.ndarray, "n d"]
    weights: Float[np.ndarray, "n"]

    def __call__(self, x: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "m"]:
        """f(x)."""
        return arc_cosine_kernel(x, self.x) @ self.weights


def kernel_margin(x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "n"]) -> KernelMargin:
    """The function of largest margin in the space of the arc-cosine kernel: the output layer of an infinite network."""
    values, vectors = np.linalg.eigh(arc_cosine_kernel(x, x))
    kept = values > 1e-13 * values.max()
    root = np.sqrt(values[kept])
    best = max_margin(y[:, None] * (vectors[:, kept] * root))
    return KernelMargin(margin=best.margin, x=x, weights=vectors[:, kept] @ (best.direction / root))


def quadrants_on_circle(seed: int, *, n: int) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, "n"]]:
    """Points on the circle, opposite quadrants of a random cross of one class; none within a tenth of a radian of another.

    Points with |cos 2t| below 0.3, t the angle from the cross's axis, are left out, so that there is a margin.
    """
    rng = np.random.default_rng(seed)
    axis, angles = rng.uniform(0, 2 * np.pi), np.empty(0)
    while len(angles) < n:
        angle = rng.uniform(0, 2 * np.pi)
        apart = np.abs((angles - angle + np.pi) % (2 * np.pi) - np.pi)
        if abs(np.cos(2 * (angle - axis))) > 0.3 and apart.min(initial=np.inf) > 0.1:
            angles = np.append(angles, angle)
    return on_circle(angles), np.sign(np.cos(2 * (angles - axis)))


def exclusive_or(seed: int, *, n: int, d: int) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, "n"]]:
    """y = sign(x_1 x_2), with |x_1| and |x_2| uniform in [0.5, 1.5]; the other d - 2 coordinates standard normal, no help.

    >>> x, y = exclusive_or(0, n=100, d=4)
    >>> bool((np.sign(x[:, 0] * x[:, 1]) == y).all())
    True
    """
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d))
    x[:, :2] = rng.choice([-1.0, 1.0], (n, 2)) * rng.uniform(0.5, 1.5, (n, 2))
    return x, np.sign(x[:, 0] * x[:, 1])
