"""How rays are aimed: evenly, or along the flat directions of a curvature, with the weights that make up for it.

Aimed directions are those of normal vectors with covariance A^-1, A the curvature in the coordinates of the rays: an
angular central Gaussian, whose density relative to the uniform one is sqrt(det A) (phi' A phi)^(-n/2). Where the basin is
the ellipsoid of A every ray then carries the same weight. Some rays are always aimed evenly, and all are weighed by the
density of the mixture: no weight exceeds n_rays / n_even, so that a bad guess of A costs no more than the rays it took.

Reference: Tyler 1987 (the density); Hesterberg 1995 (defensive mixtures).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, UInt64
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap

from goodminima.core import generator
from goodminima.core.isolation import isolated_rng
from goodminima.population.parameters import slots
from goodminima.population.private_copies import private_copy
from goodminima.tasks.task import Examples
from goodminima.volume.basin.coordinates import Coordinates

_JACOBIAN_NUMBERS = 200_000_000  # 1.6 GB in float64: a singular value decomposition of more takes hours


@final
@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """A curvature A = d^(1/2) (1 + V' diag(s^2) V) d^(1/2), ready to draw from N(0, A^-1).

    Args:
        diagonal: d, positive.
        basis: V, orthonormal rows.
        singular: s.
    """

    diagonal: Float64[np.ndarray, "n"]
    basis: Float64[np.ndarray, "k n"]
    singular: Float64[np.ndarray, "k"]

    @classmethod
    def of(cls, diagonal: Float64[np.ndarray, "n"], factor: Float64[np.ndarray, "k n"]) -> "Shape":
        """The shape of A = diag(diagonal) + factor' factor.

        Args:
            diagonal: Positive.
            factor: k rows.

        Returns:
            A, ready to be drawn from.
        """
        _, singular, basis = np.linalg.svd(factor / np.sqrt(diagonal), full_matrices=False)
        return cls(diagonal, basis, singular)

    def draw(self, normal: Float64[np.ndarray, "P n"]) -> Float64[np.ndarray, "P n"]:
        """Draws from N(0, A^-1), turned: d^(-1/2) (1 + V' diag(s^2) V)^(-1/2) g.

        Args:
            normal: Standard normal vectors g.

        Returns:
            A draw for each of them.
        """
        shrink = 1 / np.sqrt(1 + self.singular**2) - 1
        return (normal + ((normal @ self.basis.T) * shrink) @ self.basis) / np.sqrt(self.diagonal)

    def log_density(self, phi: Float64[np.ndarray, "P n"]) -> Float64[np.ndarray, "P"]:
        """How likely directions of such draws are.

        Args:
            phi: Directions, unit vectors.

        Returns:
            Log density of each, relative to the uniform distribution.
        """
        straight = phi * np.sqrt(self.diagonal)
        quadratic = (straight**2).sum(1) + ((straight @ self.basis.T) ** 2 * self.singular**2).sum(1)
        log_determinant = np.log(self.diagonal).sum() + np.log1p(self.singular**2).sum()
        return 0.5 * (log_determinant - phi.shape[1] * np.log(quadratic))


class AbstractProposal(ABC):
    """A distribution of directions."""

    @abstractmethod
    def uniform_rays(self, num_rays: int) -> Bool[np.ndarray, "R"]:
        """Which of the rays are aimed evenly.

        Args:
            num_rays: R, at least 2.

        Returns:
            Whether each ray is; at least two are, and none or at least two are not.
        """

    @abstractmethod
    def shape(self, coordinates: Coordinates) -> Shape:
        """The curvature that the other rays follow.

        Args:
            coordinates: Those of the rays.

        Returns:
            The curvature, in these coordinates.
        """


@final
@dataclass(frozen=True, slots=True)
class Isotropic(AbstractProposal):
    """Every direction is as likely as any other."""

    def uniform_rays(self, num_rays: int) -> Bool[np.ndarray, "R"]:
        return np.ones(num_rays, dtype=bool)

    def shape(self, coordinates: Coordinates) -> Shape:
        size = coordinates.dimension
        return Shape(np.ones(size), np.empty((0, size)), np.empty(0))


@final
@dataclass(frozen=True, slots=True, eq=False)
class Diagonal(AbstractProposal):
    """Aimed by one curvature a parameter, any non-negative vector.

    The diagonal of a Hessian (its absolute values), or Adam's second moment, which is one of the empirical Fisher matrix:
    `torch.cat([optimizer.state[p]["exp_avg_sq"].flatten() for p in net.parameters()])`.

    Args:
        curvature: (D,), in the order of `net.named_parameters()`; its overall scale has no effect.
        damping: Added to every curvature, in units of their mean in the coordinates of the rays.
        uniform_every: Every so many-th ray is aimed evenly.

    Raises:
        ValueError: If `curvature` has a negative or infinite entry, `damping` is not above 0, or `uniform_every` is
            below 2.
    """

    curvature: Float[Tensor, "D"]
    damping: float = 0.01
    uniform_every: int = 10

    def __post_init__(self) -> None:
        _check("Diagonal", self.damping, self.uniform_every)
        if not bool((self.curvature.isfinite() & (self.curvature >= 0)).all()):
            raise ValueError(
                "Diagonal.curvature must be finite and at least 0; use .abs() on the diagonal of a Hessian"
            )

    def uniform_rays(self, num_rays: int) -> Bool[np.ndarray, "R"]:
        return _every(self.uniform_every, num_rays)

    def shape(self, coordinates: Coordinates) -> Shape:
        curvature = _in(coordinates, "Diagonal.curvature", self.curvature[None])[0] * coordinates.free_units**2
        return Shape.of(_damped(curvature, curvature.mean(), self.damping), np.empty((0, len(curvature))))


@final
@dataclass(frozen=True, slots=True, eq=False)
class LowRank(AbstractProposal):
    """Aimed by a curvature of low rank plus a damping: A = factor' factor + lambda.

    Args:
        factor: (k, D), in the order of `net.named_parameters()`; its overall scale has no effect.
        damping: lambda, in units of the mean curvature, trace / n, in the coordinates of the rays.
        uniform_every: Every so many-th ray is aimed evenly.

    Raises:
        ValueError: If `factor` is not finite, `damping` is not above 0, or `uniform_every` is below 2.

    Cost: a singular value decomposition of the factor; 4 k n multiply-adds a ray.
    """

    factor: Float[Tensor, "k D"]
    damping: float = 0.01
    uniform_every: int = 10

    def __post_init__(self) -> None:
        _check("LowRank", self.damping, self.uniform_every)
        if not bool(self.factor.isfinite().all()):
            raise ValueError("LowRank.factor must be finite")

    @classmethod
    @isolated_rng()
    def of_logits(cls, net: nn.Module, batch: Examples, *, damping: float = 0.01, uniform_every: int = 10) -> "LowRank":
        """J'J / N of a net's logits, each example's mean logit taken off, which no loss sees; k = N C.

        Args:
            net: Any module; it is copied, and in eval mode.
            batch: N examples; their labels are not read.
            damping: lambda, in units of the mean curvature, above 0.
            uniform_every: Every so many-th ray is aimed evenly, at least 2.

        Returns:
            The proposal.

        Raises:
            ValueError: If the Jacobian is too large to be decomposed.

        Cost: N C backward passes.
        """
        net = private_copy(net).eval()
        places = slots(net)
        theta = torch.cat([parameter.detach().flatten() for parameter in net.parameters()])

        def centred(vector: Tensor, x: Tensor) -> Tensor:
            parameters = {slot.name: vector[slot.start : slot.stop].view(slot.shape) for slot in places}
            logits = functional_call(net, parameters, (x[None],))[0]
            return logits - logits.mean()

        classes = len(centred(theta, batch.x[0]))
        if (numbers := len(batch) * classes * len(theta)) > _JACOBIAN_NUMBERS:
            raise ValueError(
                f"LowRank.of_logits: a Jacobian of {len(batch) * classes} x {len(theta)} is {numbers:.1e} numbers, over "
                f"{_JACOBIAN_NUMBERS:.0e}: pass fewer examples, which serve as well"
            )
        jacobian = vmap(jacrev(centred), in_dims=(None, 0), chunk_size=32)(theta, batch.x)  # (N, C, D)
        return cls(jacobian.flatten(0, 1) / len(batch) ** 0.5, damping, uniform_every)

    def uniform_rays(self, num_rays: int) -> Bool[np.ndarray, "R"]:
        return _every(self.uniform_every, num_rays)

    def shape(self, coordinates: Coordinates) -> Shape:
        factor = _in(coordinates, "LowRank.factor", self.factor) * coordinates.free_units
        mean = (factor**2).sum() / factor.shape[1]
        return Shape.of(_damped(np.zeros(factor.shape[1]), mean, self.damping), factor)


@final
@dataclass(frozen=True, slots=True, eq=False)
class DirectionMixture:
    """Directions with their densities: direction k of a seed depends on (seed, k), the proposal and the number of rays."""

    shape: Shape
    uniform: Bool[np.ndarray, "R"]

    @classmethod
    def of(cls, proposal: AbstractProposal, coordinates: Coordinates, num_rays: int) -> "DirectionMixture":
        """So many rays as the proposal has them."""
        return cls(proposal.shape(coordinates), proposal.uniform_rays(num_rays))

    def directions(self, *, seed: int, indices: UInt64[np.ndarray, "P"]) -> Float64[np.ndarray, "P n"]:
        """Unit vectors."""
        normal = generator.normal(seed, indices, len(self.shape.diagonal)).astype(np.float64)
        aimed = ~self.uniform[indices.astype(np.int64)]
        normal[aimed] = self.shape.draw(normal[aimed])
        return normal / np.linalg.norm(normal, axis=1, keepdims=True)

    def log_density(self, phi: Float64[np.ndarray, "P n"]) -> Float64[np.ndarray, "P"]:
        """Log density of the mixture relative to the uniform distribution."""
        share = self.uniform.mean()
        if share == 1:
            return np.zeros(len(phi))
        return np.logaddexp(np.log(share), np.log1p(-share) + self.shape.log_density(phi))


def _check(name: str, damping: float, uniform_every: int) -> None:
    if not (damping > 0 and np.isfinite(damping)):
        raise ValueError(f"{name}.damping must be positive and finite, got {damping}")
    if uniform_every < 2:
        raise ValueError(
            f"{name}.uniform_every must be at least 2, got {uniform_every}; for even rays alone use Isotropic()"
        )


def _every(uniform_every: int, num_rays: int) -> Bool[np.ndarray, "R"]:
    if num_rays < 2 * uniform_every:
        raise ValueError(
            f"num_rays must be at least {2 * uniform_every} where every {uniform_every}th is even, got {num_rays}"
        )
    return np.arange(num_rays) % uniform_every == 0


def _in(coordinates: Coordinates, name: str, rows: Float[Tensor, "k D"]) -> Float64[np.ndarray, "k n"]:
    if rows.shape[1] != len(coordinates.units):
        raise ValueError(f"{name} must have {len(coordinates.units)} entries, one a parameter, got {rows.shape[1]}")
    return rows.detach().double().cpu().numpy()[:, coordinates.free]


def _damped(curvature: np.ndarray, mean: float, damping: float) -> np.ndarray:
    """The diagonal with its damping; a curvature that is zero everywhere says nothing, and is taken as even."""
    return curvature + damping * mean if mean > 0 else np.ones_like(curvature)
