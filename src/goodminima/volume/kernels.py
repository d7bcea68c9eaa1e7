"""Proposals that leave a prior invariant: a share of some coordinates moves, by a little or all the way."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, UInt64
from torch import Tensor, nn

from goodminima.population import generator
from goodminima.population.priors import AbstractBox, AbstractPrior, Gaussian, Sphere
from goodminima.search.starts import derived_seed


class AbstractProposal(ABC):
    """A kernel reversible with respect to a prior. At step 1 the chosen coordinates are drawn afresh, at 0 they stay."""

    @abstractmethod
    def __call__(
        self,
        theta: Float[Tensor, "P D"],
        columns: slice,
        *,
        chosen: Bool[Tensor, "P m"],
        step: Float[Tensor, "P 1"],
        seed: int,
        streams: UInt64[np.ndarray, "P"],
    ) -> Float[Tensor, "P D"]:
        """New members that differ from `theta` in the chosen ones of `columns`, by a step in (0, 1] a member."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class InBox(AbstractProposal):
    """A walk reflected at the walls of the box: uniform within 2 step half widths, so that at step 1 it ends anywhere.

    Differs from the Gaussianised form (Cotter et al. 2013 behind the inverse normal distribution function) in cost alone:
    no transcendental function a coordinate, which would be dearer than a forward pass of a small net.
    """

    half_widths: Float32[np.ndarray, "D"]

    def __call__(
        self,
        theta: Float[Tensor, "P D"],
        columns: slice,
        *,
        chosen: Bool[Tensor, "P m"],
        step: Float[Tensor, "P 1"],
        seed: int,
        streams: UInt64[np.ndarray, "P"],
    ) -> Float[Tensor, "P D"]:
        wall = torch.from_numpy(self.half_widths[columns]).to(theta)
        uniform = torch.from_numpy(generator.uniform(seed, streams, len(wall))).to(theta)
        here = theta[:, columns]
        folded = torch.remainder(here + wall + 2 * step * wall * uniform, 4 * wall)
        moved = theta.clone()
        moved[:, columns] = torch.where(chosen, wall - (folded - 2 * wall).abs(), here)
        return moved


@final
@dataclass(frozen=True, slots=True)
class Autoregressive(AbstractProposal):
    """sqrt(1 - step^2) theta + step xi with xi from the Gaussian prior: preconditioned Crank-Nicolson.

    Reference: Cotter, Roberts, Stuart and White 2013, section 4.2; Neal 1999.
    """

    std: float

    def __call__(
        self,
        theta: Float[Tensor, "P D"],
        columns: slice,
        *,
        chosen: Bool[Tensor, "P m"],
        step: Float[Tensor, "P 1"],
        seed: int,
        streams: UInt64[np.ndarray, "P"],
    ) -> Float[Tensor, "P D"]:
        here = theta[:, columns]
        normal = torch.from_numpy(generator.normal(seed, streams, here.shape[1])).to(theta)
        moved = theta.clone()
        moved[:, columns] = torch.where(chosen, (1 - step**2).sqrt() * here + step * self.std * normal, here)
        return moved


@final
@dataclass(frozen=True, slots=True)
class OnSphere(AbstractProposal):
    """The Gaussian step with a norm drawn afresh, projected back: reversible, for norm and direction are independent."""

    norm: float

    def __call__(
        self,
        theta: Float[Tensor, "P D"],
        columns: slice,
        *,
        chosen: Bool[Tensor, "P m"],
        step: Float[Tensor, "P 1"],
        seed: int,
        streams: UInt64[np.ndarray, "P"],
    ) -> Float[Tensor, "P D"]:
        fresh = torch.from_numpy(generator.normal(derived_seed(seed, 0), streams, theta.shape[1])).to(theta)
        radius = fresh.norm(dim=1, keepdim=True)
        gaussian = Autoregressive(1.0)(
            theta * (radius / self.norm), columns, chosen=chosen, step=step, seed=seed, streams=streams
        )
        return gaussian * (self.norm / gaussian.norm(dim=1, keepdim=True))


def proposal_of(prior: AbstractPrior, net: nn.Module) -> AbstractProposal:
    """The proposal that leaves `prior` invariant.

    Raises:
        ValueError: For a prior that is neither a box nor a Gaussian nor a sphere.
    """
    match prior:
        case AbstractBox():
            return InBox(prior.half_widths(net))
        case Gaussian(std):
            return Autoregressive(std)
        case Sphere(norm):
            return OnSphere(norm)
        case _:
            raise ValueError(
                f"PcnMoves knows box priors, Gaussian and Sphere, got {prior!r}: write an AbstractMoves for it"
            )
