"""The coordinates in which rays leave a minimum: every parameter in units of its own, some of them fixed."""

import math
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from goodminima.core.checks import check_choice
from goodminima.population.parameters import slots

_DIRECTIONS = ("filter", "plain")


@final
@dataclass(frozen=True, slots=True, eq=False)
class Coordinates:
    """theta = centre + units * z, where z runs over the n free parameters: those whose unit is not zero.

    Args:
        centre: The minimum, in the dtype and on the device that losses are computed in.
        units: (D,) float64, what a step of one changes each parameter by, at least 0; 0 holds it fixed.

    Raises:
        ValueError: If a unit is negative or all are 0, there are not as many as parameters, or the centre is not
            finite.

    >>> Coordinates(torch.zeros(3), np.array([2.0, 0.0, 3.0])).points(np.array([[1.0, 1.0]]))
    tensor([[2., 0., 3.]])
    """

    centre: Float[Tensor, "D"]
    units: np.ndarray

    def __post_init__(self) -> None:
        if self.units.shape != tuple(self.centre.shape):
            raise ValueError(
                f"Coordinates: as many units as parameters are needed, got {self.units.shape} and {tuple(self.centre.shape)}"
            )
        if not np.isfinite(self.units).all() or self.units.min() < 0 or not self.units.any():
            raise ValueError("Coordinates.units must be finite, at least 0, and not all of them 0")
        if not bool(self.centre.isfinite().all()):
            raise ValueError("Coordinates.centre must be finite: this is no minimum")

    @property
    def free(self) -> np.ndarray:
        """(n,) places of the free parameters in theta, increasing."""
        return np.flatnonzero(self.units)

    @property
    def dimension(self) -> int:
        """n, how many parameters are free."""
        return int(np.count_nonzero(self.units))

    @property
    def free_units(self) -> Float64[np.ndarray, "n"]:
        """The units of the free parameters."""
        return self.units[self.free]

    @property
    def free_centre(self) -> Float64[np.ndarray, "n"]:
        """The minimum's free parameters."""
        return self.centre.double().cpu().numpy()[self.free]

    @property
    def log_unit(self) -> float:
        """Natural log of what a unit of volume in z is in theta."""
        return float(np.log(self.free_units).sum())

    @property
    def rms_unit(self) -> float:
        """Root mean square of the free units: the distance in theta that a radius of 1 is, in the mean over directions."""
        return float(np.sqrt((self.free_units**2).mean()))

    def steps(self, z: Float64[np.ndarray, "P n"]) -> Float[Tensor, "P D"]:
        """What theta changes by.

        Args:
            z: Changes of the free parameters, in their units.

        Returns:
            The change of each of the D parameters; 0 for those that are fixed.
        """
        steps = torch.zeros(len(z), len(self.centre), dtype=self.centre.dtype)
        steps[:, torch.from_numpy(self.free)] = torch.from_numpy(z * self.free_units).to(self.centre.dtype)
        return steps.to(self.centre.device)

    def points(self, z: Float64[np.ndarray, "P n"]) -> Float[Tensor, "P D"]:
        """theta itself.

        Args:
            z: Changes of the free parameters, in their units.

        Returns:
            The centre plus the change.
        """
        return self.centre + self.steps(z)


def around(net: nn.Module, centre: Float[Tensor, "D"], *, directions: str) -> Coordinates:
    """The coordinates of a minimum of `net`.

    "plain": every parameter is free, in units of 1. "filter": biases and the parameters of normalisation layers are fixed;
    the unit of a weight is its filter's norm times sqrt(n / weights of the filter), so that along a ray of radius r
    every filter (the weights of one output unit or channel) changes by about r times its own norm. A filter whose norm
    is 0 is fixed. Rescaling a filter changes no radius and no volume.

    Args:
        net: The net, which tells filters from biases.
        centre: The minimum.
        directions: "plain" or "filter".

    Returns:
        The coordinates, at the origin of which the minimum is.

    Raises:
        ValueError: For other directions, or a net without free parameters.

    Differs from paper: Li et al. scale each filter of each drawn direction to exactly the filter's norm. Here that holds
    for its mean square, and in return the change of variables is linear and volumes are volumes.

    Reference: Li, Xu, Taylor, Studer, Goldstein 2018, section 4; Huang et al. 2020, section 4.
    """
    check_choice("directions", directions, _DIRECTIONS)
    if directions == "plain":
        return Coordinates(centre, np.ones(len(centre)))
    return Coordinates(centre, _filter_units(net, centre))


def _filter_units(net: nn.Module, centre: Tensor) -> Float64[np.ndarray, "D"]:
    theta = centre.detach().double().cpu()
    units = torch.zeros_like(theta)
    for slot in slots(net):
        if slot.is_matrix:
            filters = slot.filters(theta)
            norms = filters.norm(dim=1, keepdim=True) / math.sqrt(filters.shape[1])
            units[slot.start : slot.stop] = norms.expand_as(filters).reshape(-1)
    if not units.any():
        raise ValueError(f"{type(net).__name__} has no filter with a norm above 0: use directions='plain'")
    return (units * math.sqrt(int(units.count_nonzero()))).numpy()
