"""Sends rays out from one minimum, a group of them at a time."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64

from goodminima.population.net_loss import Loss
from goodminima.volume.basin.coordinates import Coordinates
from goodminima.volume.basin.proposals import DirectionMixture
from goodminima.volume.basin.ray_integrals import AbstractWeight, log_ball
from goodminima.volume.basin.rays import Crossings, Stride, first_crossings

_PILOTS, _PILOT_GROWTH = 8, 4.0  # rays that find out where to begin looking, in large steps
_DEEPEST = 2.0**-40  # of `max_radius`: where the pilots begin
_GROUP_RAYS, _GROUP_NUMBERS = 512, 2_000_000  # most rays that walk together, and most numbers of their directions


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class RayRule:
    """How many rays there are and how each of them is followed.

    Args:
        num_rays: R, at least 2; 3,000 in the paper.
        max_radius: Radius at which a ray without a crossing is censored.
        growth: Ratio of the radii at which a ray is looked at: a ridge narrower than that may be stepped over.
        tolerance: Error of a radius, as an error of n log r.
        seed: Ray k is a function of (seed, k), and which rays are even of their number.
    """

    num_rays: int
    max_radius: float
    growth: float
    tolerance: float
    seed: int

    def __post_init__(self) -> None:
        if self.num_rays < 2:
            raise ValueError(f"num_rays must be at least 2, got {self.num_rays}")
        if not 1 < self.growth < math.inf:
            raise ValueError(f"growth must be above 1 and finite, got {self.growth}")
        for name, value in (("max_radius", self.max_radius), ("tolerance", self.tolerance)):
            if not (value > 0 and math.isfinite(value)):
                raise ValueError(f"{name} must be positive and finite, got {value}")


class RayGroup(NamedTuple):
    """What became of some rays, in order: see `Basin`."""

    radii: Float64[np.ndarray, "K P"]
    censored: Bool[np.ndarray, "K P"]
    log_terms: Float64[np.ndarray, "K P"]
    evaluations: int


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RayWalk:
    """Rays of one minimum: their directions, the loss along them, what their lengths are worth.

    Args:
        loss: (P, D) -> (P,).
        coordinates: In which directions are drawn.
        weight: What volume is weighed by.
        mixture: Draws the directions.
        rule: How rays are followed.
        cutoffs: Increasing.
    """

    loss: Loss
    coordinates: Coordinates
    weight: AbstractWeight
    mixture: DirectionMixture
    rule: RayRule
    cutoffs: Float64[np.ndarray, "K"]

    def __post_init__(self) -> None:
        if not len(self.cutoffs) or not np.isfinite(self.cutoffs).all() or (np.diff(self.cutoffs) <= 0).any():
            raise ValueError(
                f"cutoff must be one or more finite numbers in increasing order, got {self.cutoffs.tolist()}"
            )

    def groups(self) -> Iterator[RayGroup]:
        """Follows all rays.

        Yields:
            What became of some of them at a time, in order.

        Raises:
            ValueError: If the loss at the minimum is not below every cutoff.
        """
        at_centre = float(self._losses(self.coordinates.centre[None])[0])
        if not at_centre < self.cutoffs[0]:
            raise ValueError(
                f"the loss at the minimum is {at_centre:.4g}, not below the cutoff {self.cutoffs[0]:g}: train for longer, "
                "or take a higher cutoff"
            )
        stride, spent = self._stride(at_centre)
        size = max(1, min(_GROUP_RAYS, _GROUP_NUMBERS // len(self.coordinates.units)))
        for first in range(0, self.rule.num_rays, size):
            group = self._group(np.arange(first, min(first + size, self.rule.num_rays)), at_centre, stride)
            yield group._replace(evaluations=group.evaluations + spent)
            spent = 0

    def _stride(self, at_centre: float) -> tuple[Stride, int]:
        """The step rule, beginning below the radii of the first few rays, and how many losses have been spent by now.

        Without it every ray would take the twenty losses that lead from the smallest radius imaginable to its own.
        """
        pilots = np.arange(min(_PILOTS, self.rule.num_rays))
        phi = self._directions(pilots)
        coarse = Stride(first=_DEEPEST * self.rule.max_radius, growth=_PILOT_GROWTH, tolerance=math.inf)
        found = self._crossings(phi, self.cutoffs[:1], at_centre, coarse)
        finest = 2.0**-22 if self.coordinates.centre.dtype == torch.float32 else 2.0**-50
        tolerance = max(self.rule.tolerance / self.coordinates.dimension, finest)
        stride = Stride(first=float(found.radius.min()) / 2, growth=self.rule.growth, tolerance=tolerance)
        return stride, 1 + found.evaluations

    def _group(self, indices: Int64[np.ndarray, "P"], at_centre: float, stride: Stride) -> RayGroup:
        phi = self._directions(indices)
        found = self._crossings(phi, self.cutoffs, at_centre, stride)
        terms = log_ball(self.coordinates.dimension) + self.weight.log_integral(phi, found.radius)
        censored = ~found.crossed & (found.radius >= self.rule.max_radius)  # rays that end at a wall are complete
        return RayGroup(found.radius, censored, terms - self.mixture.log_density(phi), found.evaluations)

    def _directions(self, indices: Int64[np.ndarray, "P"]) -> Float64[np.ndarray, "P n"]:
        return self.mixture.directions(seed=self.rule.seed, indices=indices.astype(np.uint64))

    def _crossings(
        self, phi: Float64[np.ndarray, "P n"], cutoffs: Float64[np.ndarray, "K"], at_centre: float, stride: Stride
    ) -> Crossings:
        steps = self.coordinates.steps(phi)

        def along(rays: Int64[np.ndarray, "M"], radii: Float64[np.ndarray, "M"]) -> Float64[np.ndarray, "M"]:
            t = torch.from_numpy(radii).to(steps)[:, None]  # (M, 1)
            return self._losses(torch.addcmul(self.coordinates.centre, t, steps[torch.from_numpy(rays)]))

        limits = np.minimum(self.rule.max_radius, self.weight.ends(phi))
        return first_crossings(along, cutoffs, limits=limits, at_centre=at_centre, stride=stride)

    @torch.no_grad()
    def _losses(self, theta: torch.Tensor) -> Float64[np.ndarray, "M"]:
        return self.loss(theta).double().cpu().numpy()
