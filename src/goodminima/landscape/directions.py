"""Directions in parameter space, each with what a coordinate of one along it means."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Float64
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor, nn

from goodminima.core.checks import check_choice
from goodminima.core.isolation import isolated_rng
from goodminima.core.progress import Callback, Progress
from goodminima.population.net_loss import Criterion, cross_entropy_of, member_loss_of
from goodminima.population.parameters import num_parameters, slots
from goodminima.population.priors import Gaussian
from goodminima.population.private_copies import private_copy
from goodminima.tasks.task import Examples, Task, train_examples

SCALES = ("filter", "layer", "plain")
VECTORS = ("fixed", "own")


@final
@dataclass(frozen=True, slots=True, eq=False)
class Direction:
    """theta changes by `step` where the coordinate changes by one.

    Args:
        step: What is added, (D,).
        unit: What a coordinate of one means, for the axis.

    Raises:
        ValueError: If the step is not finite, or 0.
    """

    step: Float[Tensor, "D"]
    unit: str

    def __post_init__(self) -> None:
        if not bool(self.step.isfinite().all()) or not bool(self.step.any()):
            raise ValueError(f"Direction ({self.unit}): the step must be finite and not all zeros")

    @property
    def length(self) -> float:
        """Euclidean length of a step of one."""
        return float(self.step.double().norm())


def parameters_of(net: nn.Module) -> Float[Tensor, "D"]:
    """All parameters of a module as one vector.

    Args:
        net: Any module; it is not changed.

    Returns:
        theta, in the order of `net.parameters()`: a copy.
    """
    return torch.cat([parameter.detach().reshape(-1) for parameter in net.parameters()])


def random_directions(
    net: nn.Module, *, scale: str = "filter", vectors: str = "fixed", num_directions: int = 2, seed: int = 0
) -> tuple[Direction, ...]:
    """Random directions, scaled to the net they leave.

    "filter": the part of each filter (the weights of one output unit or channel) gets that filter's norm, so that a
    coordinate of one changes every filter by its own norm. "layer": the same for whole weight tensors. "plain": the
    direction gets length 1, and coordinates are Euclidean distances.

    What has a single axis, biases and the parameters of normalisation layers, is no filter: with "filter" and "layer" it
    is held fixed (`vectors="fixed"`), or each such tensor gets its own norm ("own"). "plain" moves everything alike.

    Args:
        net: The net; it is not changed.
        scale: "filter", "layer" or "plain".
        vectors: "fixed" or "own".
        num_directions: How many directions.
        seed: Direction k of a seed is the same whatever their number. Before they are scaled.

    Returns:
        The directions, in the order of their numbers.

    Raises:
        ValueError: For other words, or where every part would be fixed.

    Differs from paper: it leaves open what becomes of biases; the authors' code holds them fixed in most of its
        pictures.

    Reference: Li, Xu, Taylor, Studer, Goldstein 2018, section 4.

    >>> net = nn.Linear(3, 2)
    >>> (direction,) = random_directions(net, num_directions=1)
    >>> bool(torch.allclose(direction.step[:6].view(2, 3).norm(dim=1), net.weight.norm(dim=1)))
    True
    """
    check_choice("scale", scale, SCALES)
    check_choice("vectors", vectors, VECTORS)
    theta = parameters_of(net)
    drawn = Gaussian().draw(net, seed=seed, indices=np.arange(num_directions, dtype=np.uint64)).double()
    if scale == "plain":
        return tuple(Direction((each / each.norm()).to(theta), "Euclidean distance") for each in drawn)
    return tuple(Direction(_scaled(net, theta, each, scale, vectors).to(theta), f"{scale} norms") for each in drawn)


def _scaled(net: nn.Module, theta: Tensor, drawn: Tensor, scale: str, vectors: str) -> Tensor:
    centre, step = theta.double().cpu(), torch.zeros_like(drawn)
    for slot in slots(net):
        if not slot.is_matrix and vectors == "fixed":
            continue
        by_filter = scale == "filter" and slot.is_matrix
        ours, own, target = (
            slot.filters(vector) if by_filter else vector[slot.start : slot.stop].view(1, -1)
            for vector in (drawn, centre, step)
        )
        target += ours * (own.norm(dim=1, keepdim=True) / ours.norm(dim=1, keepdim=True))
    if not step.any():
        raise ValueError(f"{type(net).__name__} has no {scale} with a norm above 0: use scale='plain'")
    return step


def between(net: nn.Module, other: nn.Module) -> Direction:
    """From one net to another of the same shapes.

    Args:
        net: The net at coordinate 0.
        other: The net at coordinate 1.

    Returns:
        The direction, as long as the nets are apart.

    Raises:
        ValueError: If they have not as many parameters.
    """
    start, end = parameters_of(net), parameters_of(other)
    if start.shape != end.shape:
        raise ValueError(f"two nets of as many parameters are needed, got {len(start):,} and {len(end):,}")
    return Direction(end - start, "from one net to the other")


def through(net: nn.Module, others: Sequence[nn.Module]) -> tuple[Direction, ...]:
    """Orthonormal directions that span a net and others: coordinates are Euclidean distances.

    Args:
        net: The net at the origin.
        others: At least one other.

    Returns:
        As many directions as others. The first points at the first of them, which lies on its axis.

    Raises:
        ValueError: Where the nets lie on one line.

    Reference: Garipov, Izmailov, Podoprikhin, Vetrov, Wilson 2018, appendix A.1.
    """
    basis: list[Tensor] = []
    for number, other in enumerate(others, 1):
        step = between(net, other).step.double()
        rest = step
        for _ in range(2):  # twice: once leaves rounding errors of nearly parallel steps
            for axis in basis:
                rest = rest - axis * (axis @ rest)
        if not rest.norm() > 1e-9 * step.norm():
            raise ValueError(
                f"net {number} of {len(others)} lies on the line through those before it: there is no plane"
            )
        basis.append(rest / rest.norm())
    like = parameters_of(net)
    return tuple(Direction(axis.to(like), "Euclidean distance") for axis in basis)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Eigenpairs:
    """Largest eigenvalues of the Hessian, decreasing, and their vectors.

    Args:
        values: (k,) eigenvalues.
        directions: k directions of length 1; the largest entry of each is positive.
        products: Hessian-vector products that were taken.
    """

    values: Float64[np.ndarray, "k"]
    directions: tuple[Direction, ...]
    products: int


def hessian_eigenpairs(
    net: nn.Module,
    data: Task | Examples,
    *,
    num_pairs: int = 2,
    batch_norm: str = "eval",
    criterion: Criterion = cross_entropy_of,
    seed: int = 0,
    callback: Callback | None = None,
) -> Eigenpairs:
    """The directions in which the mean loss over a batch curves most, by Lanczos (ARPACK), in float64.

    Args:
        net: Any module that can be differentiated twice; Dropout is off; it is not changed.
        data: What the loss is computed on; of a task, its `train`.
        num_pairs: How many eigenpairs, fewer than parameters.
        batch_norm: "eval" or "train", as in `loss_of`.
        criterion: The loss of each example.
        seed: Where Lanczos starts.
        callback: Called after each product with a `Progress` in products.

    Returns:
        The largest eigenvalues, from the largest down, with their eigenvectors as directions, and how many products it
        took.

    Raises:
        ValueError: If `num_pairs` is out of range, or for another word for `batch_norm`.

    Cost: about 20 to 100 products, each two forward and two backward passes over the batch.

    Reference: Pearlmutter 1994 (the product); Lehoucq, Sorensen, Yang 1998 (ARPACK).
    """
    size = num_parameters(net)
    if not 0 < num_pairs < size:
        raise ValueError(f"num_pairs must lie between 1 and {size - 1}, one less than the parameters, got {num_pairs}")
    check_choice("batch_norm", batch_norm, ("eval", "train"))
    batch = train_examples(data)
    exact = private_copy(net).double()
    loss = member_loss_of(exact, Examples(batch.x.double(), batch.y), batch_norm, criterion)
    theta, products = parameters_of(exact).to(batch.x.device), 0

    def product(vector: np.ndarray) -> np.ndarray:
        nonlocal products
        along, total = torch.from_numpy(vector.reshape(-1).copy()).to(theta), torch.zeros_like(theta)
        for part in loss.parts:  # one at a time: a graph of the second order is large
            leaf = theta.clone().requires_grad_()
            with isolated_rng(0, device=leaf.device):  # what is random in the net is drawn alike for every product
                mean = loss.of_part(leaf, part).sum() / len(batch)
            (gradient,) = torch.autograd.grad(mean, leaf, create_graph=True)
            total += torch.autograd.grad(gradient @ along, leaf)[0]
        products += 1
        if callback is not None:
            callback(Progress(done=products, total=math.inf, unit="Hessian-vector products"))
        return total.cpu().numpy()

    start = np.random.default_rng(seed).standard_normal(size)
    operator = LinearOperator(shape=(size, size), matvec=product, dtype=np.float64)  # pyright: ignore[reportCallIssue]
    values, vectors = eigsh(operator, k=num_pairs, which="LA", v0=start)
    order, like = np.argsort(values)[::-1], parameters_of(net)
    pairs = tuple(_as_direction(vectors[:, k], float(values[k]), like) for k in order)
    return Eigenpairs(np.asarray(values)[order], pairs, products)


def _as_direction(vector: np.ndarray, value: float, like: Tensor) -> Direction:
    signed = vector * math.copysign(1.0, vector[np.abs(vector).argmax()])
    return Direction(torch.from_numpy(signed).to(like), f"along curvature {value:.3g}")
