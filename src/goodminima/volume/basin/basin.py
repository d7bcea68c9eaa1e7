"""The basin around one minimum: the volume of what rays from it reach before the loss rises above a cutoff.

V = omega_n E[r(phi)^n] over directions phi, omega_n the volume of the unit ball: the part of {loss <= cutoff} that the
minimum sees along straight lines.

Reference: Huang, Emam, Goldblum, Fowl, Terry, Huang, Goldstein 2020, section 5.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor, nn

from goodminima.core.log_volume import LogVolume
from goodminima.core.progress import Callback, Progress
from goodminima.population.net_loss import Loss, loss_of
from goodminima.population.priors import AbstractPrior
from goodminima.tasks.task import Examples, Task, train_examples
from goodminima.volume.basin.coordinates import Coordinates, around
from goodminima.volume.basin.log_mean import LogMean
from goodminima.volume.basin.proposals import AbstractProposal, DirectionMixture, Isotropic
from goodminima.volume.basin.ray_integrals import AbstractWeight, log_ball, weight_of
from goodminima.volume.basin.ray_walk import RayGroup, RayRule, RayWalk

_ISOTROPIC = Isotropic()


class Label(StrEnum):
    """What a measured volume is."""

    ESTIMATE = "estimate"
    LOWER_BOUND = "lower bound"  # a few rays carry the mean: longer ones that were not drawn may weigh more
    WITHIN_FARTHEST = "within max_radius"  # some rays never crossed: the basin may go on behind the search


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Basin:
    """Rays from one minimum and the volume that they span, for one cutoff or several.

    Args:
        cutoffs: Increasing, nats per example.
        radii: Where each ray first crosses each cutoff; the limit of its search where it does not.
        censored: Whether a ray had not crossed at `max_radius`. It is kept, with the radius it reached.
        log_terms: What each ray adds: V is the mean of exp(log_terms).
        uniform: Which rays are aimed evenly.
        dimension: n, the number of free parameters.
        log_unit: Natural log of a unit of volume in the parameters themselves: add it to a plain volume to have it there.
        rms_unit: The distance between parameters that a radius of 1 is, in the mean over directions.
        evaluations: Losses computed, each of one parameter vector on the whole batch.
    """

    cutoffs: tuple[float, ...]
    radii: Float64[np.ndarray, "K R"]
    censored: Bool[np.ndarray, "K R"]
    log_terms: Float64[np.ndarray, "K R"]
    uniform: Bool[np.ndarray, "R"]
    dimension: int
    log_unit: float
    rms_unit: float
    evaluations: int

    def at(self, cutoff: float) -> "Basin":
        """The basin of one cutoff.

        Args:
            cutoff: One of `cutoffs`, exactly.

        Returns:
            The same rays, up to that cutoff.

        Raises:
            ValueError: If it was not measured.
        """
        if cutoff not in self.cutoffs:
            raise ValueError(f"cutoff {cutoff} was not measured; those measured: {', '.join(map(str, self.cutoffs))}")
        one = [self.cutoffs.index(cutoff)]
        radii, censored, terms = self.radii[one], self.censored[one], self.log_terms[one]
        return replace(self, cutoffs=(cutoff,), radii=radii, censored=censored, log_terms=terms)

    @property
    def log_volume(self) -> LogVolume:
        """Natural log of the volume in the coordinates of the rays, or of its prior probability; with its 95 % interval.

        Where the label is "lower bound" there is no estimate, and only the lower end of the interval is finite.
        """
        return self._mean.volume()

    @property
    def log_average(self) -> float:
        """Natural log of the plain average over the rays, as the paper has it, whatever may be said for it."""
        return self._mean.log_value

    @property
    def label(self) -> Label:
        """Whether the volume is an estimate, or what else."""
        if self._mean.is_dominated:
            return Label.LOWER_BOUND
        return Label.WITHIN_FARTHEST if self.num_censored else Label.ESTIMATE

    @property
    def effective_rays(self) -> float:
        """(sum of terms)^2 / sum of their squares; 1 where a single ray carries the mean."""
        return self._mean.effective

    @property
    def largest_share(self) -> float:
        """Share of the volume that the largest ray carries."""
        return self._mean.largest_share

    @property
    def num_censored(self) -> int:
        """Rays that had not crossed the cutoff at `max_radius`."""
        return int(self.censored[self._only].sum())

    @property
    def mean_radius(self) -> float:
        """Mean radius of the evenly aimed rays."""
        return float(self._uniform_radii.mean())

    @property
    def geometric_mean_radius(self) -> float:
        """Geometric mean radius of the evenly aimed rays."""
        return float(np.exp(np.log(self._uniform_radii).mean()))

    @property
    def log_geometric_volume(self) -> float:
        """Natural log of omega_n exp(E[log r^n]), plain: by Jensen's inequality never above log V, and known far better."""
        return log_ball(self.dimension) + self.dimension * math.log(self.geometric_mean_radius)

    def __str__(self) -> str:
        rays = f"{self.effective_rays:.1f} effective of {len(self.uniform)} rays, {self.num_censored} censored"
        return f"{self.log_volume}, {self.label}: {rays}, mean radius {self.mean_radius:.4g}"

    @property
    def _only(self) -> int:
        if len(self.cutoffs) != 1:
            raise ValueError(f"a single cutoff is needed here, got {self.cutoffs}: use at(cutoff)")
        return 0

    @property
    def _mean(self) -> LogMean:
        return LogMean(self.log_terms[self._only], self.uniform)

    @property
    def _uniform_radii(self) -> Float64[np.ndarray, "E"]:
        return self.radii[self._only][self.uniform]


def basin_volume(
    net: nn.Module,
    data: Task | Examples,
    *,
    cutoff: float | Sequence[float] = 0.1,
    num_rays: int = 3000,
    directions: str = "filter",
    proposal: AbstractProposal = _ISOTROPIC,
    prior: AbstractPrior | None = None,
    batch_norm: str = "eval",
    max_radius: float = 100.0,
    growth: float = 1.5,
    tolerance: float = 0.01,
    seed: int = 0,
    device: str = "cpu",
    callback: Callback | None = None,
) -> Basin:
    """The volume of the basin around a trained net: mean cross entropy of the batch at most `cutoff`, seen from its weights.

    Volumes are in the coordinates of the rays. With "filter" directions a radius of 1 is a change as large as the filters
    themselves (see `coordinates.around`), so that volumes of minima of one net compare, however their filters are scaled.
    With a `prior` the volume is the prior's probability, given the parameters that are held fixed.

    Args:
        net: Any module; its parameters are the minimum.
        data: What the loss is computed on; of a task, its `train`.
        cutoff: Nats per example; several share their rays.
        num_rays: Directions drawn.
        directions: "filter": normalised by filter, biases and normalisation layers fixed; "plain": all parameters as they are.
        proposal: `Isotropic()`, or `Diagonal` or `LowRank` to aim along flat directions, weighted so that the mean is the same.
        prior: A box or a Gaussian whose probability is measured; None for the plain volume.
        batch_norm: "eval": running statistics; "train": those of the batch under each parameter vector; "re-estimated":
            running statistics taken anew from the batch, under each.
        max_radius: Radius at which a ray that has not crossed is censored, and kept.
        growth: Ratio of the radii looked at before a crossing is refined.
        tolerance: Error of a radius, as an error of n log r.
        seed: Of the directions.
        device: Where losses are computed.
        callback: Called now and then with a `Progress` in rays.

    Returns:
        The rays and what they span: `log_volume`, natural log of a volume or of a probability, with an interval.

    Raises:
        ValueError: If the loss of the net is not below the lowest cutoff, or an option is out of range.

    Cost: about 8 losses a ray and 4 more for every further cutoff.

    Differs from paper: a linear change of variables stands for its per-draw normalisation; rays that never cross are kept.

    Reference: Huang et al. 2020, section 5, figures 5 and 7.
    """
    theta = torch.cat([parameter.detach().flatten() for parameter in net.parameters()]).to(device)
    coordinates = around(net, theta, directions=directions)
    rule = RayRule(num_rays=num_rays, max_radius=max_radius, growth=growth, tolerance=tolerance, seed=seed)
    loss = loss_of(net, train_examples(data).to(device), batch_norm=batch_norm)
    weight = weight_of(prior, coordinates, net)
    return _measure(loss, coordinates, weight, proposal, rule, cutoff=cutoff, callback=callback)


def basin_volume_of(
    loss: Loss,
    centre: Float[Tensor, "D"],
    *,
    cutoff: float | Sequence[float] = 0.1,
    num_rays: int = 3000,
    units: np.ndarray | None = None,
    proposal: AbstractProposal = _ISOTROPIC,
    prior: AbstractPrior | None = None,
    max_radius: float = 100.0,
    growth: float = 1.5,
    tolerance: float = 0.01,
    seed: int = 0,
    callback: Callback | None = None,
) -> Basin:
    """The volume of the basin of any function around any point; see `basin_volume`.

    Args:
        loss: (P, D) -> (P,), in the dtype of the centre.
        centre: Where rays start.
        cutoff: In the units of `loss`; several share their rays.
        num_rays: Directions drawn.
        units: (D,), what a radius of 1 changes each parameter by, 0 to hold it fixed; 1 for all unless given.
        proposal: `Isotropic()`, or `Diagonal` or `LowRank` to aim along flat directions, weighted so that the mean is
            the same.
        prior: A `Cube` or a `Gaussian` whose probability is measured; None for the plain volume.
        max_radius: Radius at which a ray that has not crossed is censored, and kept.
        growth: Ratio of the radii looked at before a crossing is refined.
        tolerance: Error of a radius, as an error of n log r.
        seed: Of the directions.
        callback: Called now and then with a `Progress` in rays.

    Returns:
        The rays and what they span: `log_volume`, natural log of a volume or of a probability, with an interval.

    Raises:
        ValueError: If the loss at the centre is not below the lowest cutoff, or an option is out of range.

    Cost: about 8 losses a ray and 4 more for every further cutoff.

    >>> disc = basin_volume_of(lambda theta: theta.norm(dim=1), torch.zeros(2), cutoff=2.0, num_rays=10)
    >>> abs(disc.log_volume.estimate - math.log(4 * math.pi)) < 1e-4, disc.label.value
    (True, 'estimate')
    """
    coordinates = Coordinates(centre, np.ones(len(centre)) if units is None else np.asarray(units, np.float64))
    rule = RayRule(num_rays=num_rays, max_radius=max_radius, growth=growth, tolerance=tolerance, seed=seed)
    weight = weight_of(prior, coordinates, None)
    return _measure(loss, coordinates, weight, proposal, rule, cutoff=cutoff, callback=callback)


def _measure(
    loss: Loss,
    coordinates: Coordinates,
    weight: AbstractWeight,
    proposal: AbstractProposal,
    rule: RayRule,
    *,
    cutoff: float | Sequence[float],
    callback: Callback | None,
) -> Basin:
    walk = RayWalk(
        loss=loss,
        coordinates=coordinates,
        weight=weight,
        mixture=DirectionMixture.of(proposal, coordinates, rule.num_rays),
        rule=rule,
        cutoffs=np.atleast_1d(np.array(cutoff, np.float64)),
    )
    groups: list[RayGroup] = []
    for group in walk.groups():
        groups.append(group)
        if callback is not None:
            done = sum(entry.radii.shape[1] for entry in groups)
            callback(Progress(done=done, total=walk.rule.num_rays, unit="rays"))
    return Basin(
        cutoffs=tuple(walk.cutoffs.tolist()),
        radii=np.concatenate([group.radii for group in groups], axis=1),
        censored=np.concatenate([group.censored for group in groups], axis=1),
        log_terms=np.concatenate([group.log_terms for group in groups], axis=1),
        uniform=walk.mixture.uniform,
        dimension=walk.coordinates.dimension,
        log_unit=walk.coordinates.log_unit,
        rms_unit=walk.coordinates.rms_unit,
        evaluations=sum(group.evaluations for group in groups),
    )
