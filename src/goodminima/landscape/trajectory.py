"""Where a training has been: snapshots of it, seen in two dimensions, and their distances to other minima."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor, nn

from goodminima.core.checks import check_choice
from goodminima.landscape.directions import Direction, parameters_of


@final
@dataclass(frozen=True, slots=True, eq=False)
class Trajectory:
    """Snapshots of one training.

    Args:
        when: (T,) epochs, or whatever counts, increasing.
        theta: (T, D) the parameters then.

    Raises:
        ValueError: If there is no snapshot, or `when` does not increase or is of another length.
    """

    when: Int64[np.ndarray, "T"]
    theta: Float[Tensor, "T D"]

    def __post_init__(self) -> None:
        if len(self.when) != len(self.theta) or not len(self.when):
            raise ValueError(
                f"Trajectory: at least one snapshot, and as many times, got {len(self.theta)} and {len(self.when)}"
            )
        if not bool((np.diff(self.when) > 0).all()):
            raise ValueError(f"Trajectory.when must increase, got {self.when.tolist()}")

    @classmethod
    def of(cls, course: Iterable[tuple[int, Float[Tensor, "P D"]]], *, member: int = 0, every: int = 1) -> "Trajectory":
        """One member of what `train_population` yields: its first epoch, each `every`-th after it, and the last.

        Args:
            course: (epoch, members) of each epoch; read once.
            member: Row of the member.
            every: Epochs between two snapshots, at least 1.

        Returns:
            The snapshots, copies.

        Raises:
            ValueError: If the course is empty, or `every` is below 1.

        >>> course = [(epoch, torch.full((1, 2), float(epoch))) for epoch in range(6)]
        >>> Trajectory.of(course, every=2).when
        array([0, 2, 4, 5])
        """
        if every < 1:
            raise ValueError(f"every must be at least 1, got {every}")
        kept, last = [], None
        for number, (epoch, members) in enumerate(course):
            last = epoch, members[member].detach().clone()
            if number % every == 0:
                kept.append(last)
        if last is not None and kept[-1][0] != last[0]:
            kept.append(last)
        if not kept:
            raise ValueError("Trajectory.of: the course is empty")
        return cls(np.array([epoch for epoch, _ in kept]), torch.stack([theta for _, theta in kept]))

    @classmethod
    def of_nets(cls, nets: Sequence[nn.Module], when: Sequence[int] | None = None) -> "Trajectory":
        """From copies of a module that were made along the way.

        Args:
            nets: The copies, at least one.
            when: The epoch of each; 0, 1, ... unless given.

        Returns:
            The snapshots.
        """
        theta = torch.stack([parameters_of(net) for net in nets])
        return cls(np.arange(len(nets)) if when is None else np.asarray(when, dtype=np.int64), theta)

    @property
    def lengths(self) -> Float64[np.ndarray, "T"]:
        """How far the way has been up to each snapshot, straight from one to the next."""
        steps = self.theta.double().diff(dim=0).norm(dim=1).cpu().numpy()
        return np.concatenate([[0.0], np.cumsum(steps)])


@final
@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """Points in few dimensions, by principal components.

    Args:
        origin: (D,) what coordinates are counted from.
        axes: (k, D) orthonormal.
        coordinates: (P, k) of the points; distances are Euclidean.
        explained: (k,) share of the squared distances to the origin that each axis has.
    """

    origin: Float64[np.ndarray, "D"]
    axes: Float64[np.ndarray, "k D"]
    coordinates: Float64[np.ndarray, "P k"]
    explained: Float64[np.ndarray, "k"]

    def of(self, points: Float[Tensor, "Q D"]) -> Float64[np.ndarray, "Q k"]:
        """Coordinates of other points.

        Args:
            points: Q parameter vectors.

        Returns:
            Their coordinates, from `origin` along `axes`.
        """
        return (_numbers(points) - self.origin) @ self.axes.T

    def directions(self) -> tuple[Direction, ...]:
        """The axes, to draw a surface on.

        Returns:
            k directions in float32, of length 1.
        """
        units = [f"Euclidean distance ({share:.0%} of the variation)" for share in self.explained]
        return tuple(Direction(torch.from_numpy(a).float(), unit) for a, unit in zip(self.axes, units, strict=True))


def pca(points: Float[Tensor, "P D"], *, about: str = "mean", components: int = 2) -> Projection:
    """Principal components, exactly, by the singular value decomposition in float64.

    Args:
        points: Parameter vectors; the snapshots of a trajectory, with other minima or without.
        about: What they are seen from: their "mean", or the "last" of them, as where a training ended.
        components: How many axes.

    Returns:
        Where the points lie on the axes of greatest variation, and how much of it each axis has.

    Raises:
        ValueError: If `components` is out of range, or for another word for `about`.

    Cost: O(P^2 D).

    Reference: Li, Xu, Taylor, Studer, Goldstein 2018, section 7.2 ("last").

    >>> pca(torch.tensor([[0.0, 0.0], [3.0, 4.0]]), about="last", components=1).coordinates.round(6)
    array([[-5.],
           [ 0.]])
    """
    check_choice("about", about, ("mean", "last"))
    values = _numbers(points)
    most = min(len(values) - 1, values.shape[1])
    if not 0 < components <= most:
        raise ValueError(f"components must lie between 1 and {most} for {len(values)} points, got {components}")
    origin = values.mean(0) if about == "mean" else values[-1]
    _, sizes, axes = np.linalg.svd(values - origin, full_matrices=False)
    axes = axes[:components]
    axes = axes * np.sign(axes[np.arange(components), np.abs(axes).argmax(1)])[:, None]  # the SVD leaves signs open
    total = float((sizes**2).sum())
    explained = sizes[:components] ** 2 / total if total > 0 else np.zeros(components)
    return Projection(origin, axes, (values - origin) @ axes.T, explained)


def tsne(points: Float[Tensor, "P D"], *, perplexity: float = 30.0, seed: int = 0) -> Float64[np.ndarray, "P 2"]:
    """A t-SNE embedding in the plane. Only who is near whom means anything; distances and densities do not.

    Args:
        points: Parameter vectors.
        perplexity: About how many neighbours each looks at; below the number of points.
        seed: Of scikit-learn's optimizer.

    Returns:
        (x, y) of each point, in no unit.

    Raises:
        ValueError: If there are fewer than 3 points, or `perplexity` is out of range.

    Reference: van der Maaten, Hinton 2008; Wattenberg, Viégas, Johnson 2016 on how to read it.
    """
    from sklearn.manifold import TSNE

    if len(points) < 3 or not 0 < perplexity < len(points):
        raise ValueError(
            f"tsne takes at least 3 points and a perplexity below their number, got {len(points)} and {perplexity}"
        )
    # All principal components first: the same distances in fewer dimensions.
    most = min(len(points) - 1, points.shape[1])
    turned = pca(points, components=most).coordinates
    return TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(turned).astype(np.float64)


def distances(points: Float[Tensor, "P D"], others: Float[Tensor, "Q D"]) -> Float64[np.ndarray, "P Q"]:
    """Euclidean distances, from differences in float64: near points keep their digits.

    Args:
        points: P parameter vectors.
        others: Q more.

    Returns:
        The distance of each point from each of the others.
    """
    ours, theirs = _numbers(points), _numbers(others)
    return np.stack([np.linalg.norm(theirs - point, axis=1) for point in ours])


def _numbers(points: Tensor) -> Float64[np.ndarray, "P D"]:
    return points.detach().double().cpu().numpy()
