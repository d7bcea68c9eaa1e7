"""Two layers without hidden biases have a linear odd part, which decides what they cannot separate.

relu(s) - relu(-s) = s, so f(x) = a . relu(W x) + b has f(x) - f(-x) = <v, x> with v = W^T a, however many units there are. If
-x is of the other class for every x of class 0, then f > 0 on class 0 and f < 0 on class 1 needs <v, x> > 0 on all of class 0.
When 0 lies within the convex hull of class 0 there is no such v: no parameters classify the points, and the volume of those
that do is exactly 0.
"""

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import linprog
from scipy.spatial import ConvexHull
from torch import Tensor

from goodminima.nets import MLP
from goodminima.population import Population
from goodminima.population.parameters import slots


def odd_part_error(net: MLP, theta: Float[Tensor, "P D"], x: Float[Tensor, "N d"]) -> Float[Tensor, "P"]:
    """How far f(x) - f(-x) is from <W^T a, x>, with f the first of two logits less the second.

    Args:
        net: One hidden layer, two classes.
        theta: (P, D), one member a row.
        x: Points.

    Returns:
        Each member's largest difference over `x`, relative to its largest |f|, from float64: rounding where the hidden
        layer has no biases, of the order of 1 where it has.

    >>> from goodminima.population import Cube
    >>> net, x = MLP(in_features=2, hidden=(40,)), torch.tensor([[0.3, -0.7], [1.0, 0.5]])
    >>> theta = Cube().draw(net, seed=0, indices=np.arange(9, dtype=np.uint64))
    >>> bool((odd_part_error(net, theta, x) < 1e-14).all())
    True
    """
    hidden, output = (slot for slot in slots(net) if slot.is_matrix)
    population = Population(net, theta.double())
    w = population.theta[:, hidden.start : hidden.stop].unflatten(1, hidden.shape)  # (P, H, d)
    a = population.theta[:, output.start : output.stop].unflatten(1, output.shape)  # (P, 2, H)
    v = torch.einsum("ph,phd->pd", a[:, 0] - a[:, 1], w)
    logits = population.logits(torch.cat([x, -x]).double())
    f = logits[:, :, 0] - logits[:, :, 1]  # (P, 2 N)
    odd = f[:, : len(x)] - f[:, len(x) :]
    return (odd - v @ x.double().T).abs().amax(1) / f.abs().amax(1)


def largest_margin(points: Float[np.ndarray, "n d"]) -> float:
    """The largest min_i <v, x_i> over |v_j| <= 1, a linear programme: 0, at v = 0, where no v is positive on all points.

    Args:
        points: The points x_i.

    Returns:
        The margin, at least 0.

    Raises:
        RuntimeError: If the linear programme is not solved.

    >>> largest_margin(np.array([[1.0, 0.0], [1.0, 2.0]])), largest_margin(np.array([[1.0], [-2.0]]))
    (1.0, 0.0)
    """
    n, d = points.shape
    rows = np.hstack([-points, np.ones((n, 1))])  # t <= <v, x_i>, and t is maximised
    found = linprog(np.append(np.zeros(d), -1.0), A_ub=rows, b_ub=np.zeros(n), bounds=[(-1, 1)] * d + [(None, None)])
    if found.status != 0:
        raise RuntimeError(f"largest_margin: the linear programme ended with: {found.message}")
    return 0.0 - found.fun  # never -0.0


def depth_of_origin(points: Float[np.ndarray, "n d"]) -> float:
    """How deep 0 lies in the points' convex hull: the least distance to a facet, negative outside of it.

    Where it is r > 0, every v with ||v||_2 = 1 has <v, x_i> <= -r for some i: a proof that does not hang on rounding.

    Args:
        points: More points than dimensions, not all of them in one hyperplane.

    Returns:
        The distance, in units of the points.

    >>> round(depth_of_origin(np.array([[1.0, 1.0], [-1.0, 1.0], [0.0, -2.0]])), 12)
    0.632455532034
    """
    return float(-ConvexHull(points).equations[:, -1].max())


def most_on_one_side(points: Float[np.ndarray, "n 2"]) -> int:
    """The most points of the plane on which one v has <v, x> > 0.

    Which points those are changes only where v passes a direction at right angles to a point, so one v between each two
    neighbouring such directions is all that needs to be tried.

    Args:
        points: Points of the plane, none of them 0.

    Returns:
        Their number.

    >>> most_on_one_side(np.array([[1.0, 1.0], [-1.0, 1.0], [0.0, -2.0]]))
    2
    """
    angles = np.arctan2(points[:, 1], points[:, 0])
    turns = np.sort(np.concatenate([angles + np.pi / 2, angles - np.pi / 2]) % (2 * np.pi))
    between = (turns + np.append(turns[1:], turns[0] + 2 * np.pi)) / 2
    # Doubled directions leave no room between them: a v on the line itself counts its points as 0 by the strict sign.
    v = np.stack([np.cos(between), np.sin(between)], axis=1)
    return int((v @ points.T > 1e-12).sum(axis=1).max())
