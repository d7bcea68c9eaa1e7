"""Proposals that leave a prior invariant: some coordinates of a block move, by a little or all the way."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, UInt64
from torch import Tensor, nn

from goodminima.core import generator
from goodminima.core.streams import derived_seed
from goodminima.population.priors import AbstractBox, AbstractPrior, Gaussian, Sphere


class AbstractTransition(ABC):
    """A kernel reversible with respect to a prior. At step 1 the chosen coordinates are drawn afresh, at 0 they stay."""

    whole: bool = False  # whether a block must be all of theta

    @abstractmethod
    def __call__(
        self,
        here: Float[Tensor, "P m"],
        columns: slice,
        *,
        chosen: Bool[Tensor, "P m"],
        step: Float[Tensor, "P 1"],
        seed: int,
        streams: UInt64[np.ndarray, "P"],
    ) -> Float[Tensor, "P m"]:
        """What stands in `columns` of theta, with the chosen coordinates moved by a step in (0, 1] a member."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class BoxTransition(AbstractTransition):
    """A walk reflected at the walls of the box: uniform within 2 step half widths, so that at step 1 it ends anywhere.

    Differs from the Gaussianised form, GaussianTransition behind the normal distribution function, in cost alone: no
    transcendental function a coordinate, which would be dearer than a forward pass of a small net.
    """

    half_widths: Float32[np.ndarray, "D"]

    def __call__(
        self,
        here: Float[Tensor, "P m"],
        columns: slice,
        *,
        chosen: Bool[Tensor, "P m"],
        step: Float[Tensor, "P 1"],
        seed: int,
        streams: UInt64[np.ndarray, "P"],
    ) -> Float[Tensor, "P m"]:
        wall = torch.from_numpy(self.half_widths[columns]).to(here)
        uniform = torch.from_numpy(generator.uniform(seed, streams, len(wall))).to(here)
        folded = torch.remainder(here + wall * (1 + 2 * step * uniform), 4 * wall)
        return torch.where(chosen, wall - (folded - 2 * wall).abs(), here)


@final
@dataclass(frozen=True, slots=True)
class GaussianTransition(AbstractTransition):
    """sqrt(1 - step^2) theta + step xi with xi from the Gaussian prior: preconditioned Crank-Nicolson.

    Reference: Cotter, Roberts, Stuart and White 2013, section 4.2; Neal 1999.
    """

    std: float

    def __call__(
        self,
        here: Float[Tensor, "P m"],
        columns: slice,
        *,
        chosen: Bool[Tensor, "P m"],
        step: Float[Tensor, "P 1"],
        seed: int,
        streams: UInt64[np.ndarray, "P"],
    ) -> Float[Tensor, "P m"]:
        normal = torch.from_numpy(generator.normal(seed, streams, here.shape[1])).to(here)
        return torch.where(chosen, (1 - step**2).sqrt() * here + step * self.std * normal, here)


@final
@dataclass(frozen=True, slots=True)
class SphereTransition(AbstractTransition):
    """The Gaussian step from a norm drawn afresh, projected back: reversible, for norm and direction are independent."""

    norm: float
    whole = True

    def __call__(
        self,
        here: Float[Tensor, "P m"],
        columns: slice,
        *,
        chosen: Bool[Tensor, "P m"],
        step: Float[Tensor, "P 1"],
        seed: int,
        streams: UInt64[np.ndarray, "P"],
    ) -> Float[Tensor, "P m"]:
        other = torch.from_numpy(generator.normal(derived_seed(seed, 0), streams, here.shape[1])).to(here)
        gaussian = here * (other.norm(dim=1, keepdim=True) / self.norm)
        moved = GaussianTransition(1.0)(gaussian, columns, chosen=chosen, step=step, seed=seed, streams=streams)
        return moved * (self.norm / moved.norm(dim=1, keepdim=True))


def transition_of(prior: AbstractPrior, net: nn.Module) -> AbstractTransition:
    """The kernel that leaves `prior` invariant.

    Args:
        prior: A box, a Gaussian or a sphere.
        net: The net, which a box asks for the shapes of its parameters.

    Returns:
        The kernel.

    Raises:
        ValueError: For a prior that is neither a box nor a Gaussian nor a sphere.
    """
    match prior:
        case AbstractBox():
            return BoxTransition(prior.half_widths(net))
        case Gaussian(std):
            return GaussianTransition(std)
        case Sphere(norm):
            return SphereTransition(norm)
        case _:
            raise ValueError(
                f"BlockMoves knows box priors, Gaussian and Sphere, got {prior!r}: write an AbstractMoves for it"
            )
