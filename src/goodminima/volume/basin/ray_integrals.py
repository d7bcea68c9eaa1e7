"""What one ray adds to a volume: n times the integral of t^(n-1) w(theta + t step) from the minimum to where it ends.

w is 1 for a plain volume and the density of a prior for its probability. The mean over uniform directions, times the volume
of the unit ball, is the volume of what the rays pass through.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float64
from scipy.special import gammaln
from torch import nn

from goodminima.population.parameters import num_parameters
from goodminima.population.priors import AbstractBox, AbstractPrior, Cube, Gaussian
from goodminima.volume.basin.coordinates import Coordinates

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(96)
_TINY = 1e-100  # a radius or a slope that is as good as zero, and whose square is none
_DEPTH = 45.0  # the integrand is left out where it is below e^-45 of its largest value


def log_ball(dimension: int) -> float:
    """Volume of the unit ball, pi^(n/2) / Gamma(1 + n/2).

    Args:
        dimension: n, at least 0.

    Returns:
        Its natural log.

    >>> round(log_ball(2), 12) == round(math.log(math.pi), 12)
    True
    """
    return 0.5 * dimension * math.log(math.pi) - float(gammaln(1 + 0.5 * dimension))


class AbstractWeight(ABC):
    """What volume is weighed by, bound to the coordinates of the rays."""

    @abstractmethod
    def ends(self, phi: Float64[np.ndarray, "P n"]) -> Float64[np.ndarray, "P"]:
        """Where the weight ends along each ray.

        Args:
            phi: Directions, unit vectors.

        Returns:
            Radius behind which the weight is zero; infinite where there is none.
        """

    @abstractmethod
    def log_integral(
        self, phi: Float64[np.ndarray, "P n"], radius: Float64[np.ndarray, "K P"]
    ) -> Float64[np.ndarray, "K P"]:
        """What rays are worth: n times the integral of t^(n-1) w from 0 to a radius.

        Args:
            phi: Directions, unit vectors.
            radius: K radii of each of P rays.

        Returns:
            Natural log of each.
        """


@final
@dataclass(frozen=True, slots=True)
class UniformWeight(AbstractWeight):
    """Weight 1, in the coordinates of the rays: r^n."""

    coordinates: Coordinates

    def ends(self, phi: Float64[np.ndarray, "P n"]) -> Float64[np.ndarray, "P"]:
        return np.full(len(phi), np.inf)

    def log_integral(
        self, phi: Float64[np.ndarray, "P n"], radius: Float64[np.ndarray, "K P"]
    ) -> Float64[np.ndarray, "K P"]:
        return self.coordinates.dimension * np.log(radius)


@final
@dataclass(frozen=True, slots=True)
class BoxWeight(AbstractWeight):
    """The uniform density of a box centred at 0: rays end at its walls.

    Args:
        coordinates: Of the rays.
        half_widths: Half the box's width along each free parameter.
    """

    coordinates: Coordinates
    half_widths: Float64[np.ndarray, "n"]

    def __post_init__(self) -> None:
        beyond = np.abs(self.coordinates.free_centre) >= self.half_widths
        if beyond.any():
            raise ValueError(
                f"{int(beyond.sum())} of {len(beyond)} parameters of the minimum lie outside the prior's box: take a wider "
                "box, or a Gaussian prior"
            )

    def ends(self, phi: Float64[np.ndarray, "P n"]) -> Float64[np.ndarray, "P"]:
        step = phi * self.coordinates.free_units
        wall = np.copysign(self.half_widths, step) - self.coordinates.free_centre
        with np.errstate(divide="ignore"):
            return (wall / step).min(1)

    def log_integral(
        self, phi: Float64[np.ndarray, "P n"], radius: Float64[np.ndarray, "K P"]
    ) -> Float64[np.ndarray, "K P"]:
        log_density = self.coordinates.log_unit - np.log(2 * self.half_widths).sum()
        return self.coordinates.dimension * np.log(radius) + log_density


@final
@dataclass(frozen=True, slots=True)
class GaussianWeight(AbstractWeight):
    """The density of independent normal parameters.

    Along a ray the integrand is log-concave, exp((n - 1) log t - b t - c t^2 / 2): Gauss-Legendre between the two places
    where it is sure to have died away.

    Args:
        coordinates: Of the rays.
        std: Standard deviation of every parameter.
    """

    coordinates: Coordinates
    std: float

    def ends(self, phi: Float64[np.ndarray, "P n"]) -> Float64[np.ndarray, "P"]:
        return np.full(len(phi), np.inf)

    def log_integral(
        self, phi: Float64[np.ndarray, "P n"], radius: Float64[np.ndarray, "K P"]
    ) -> Float64[np.ndarray, "K P"]:
        centre, n = self.coordinates.free_centre / self.std, self.coordinates.dimension
        step = phi * (self.coordinates.free_units / self.std)
        b, c = step @ centre, (step**2).sum(1)
        root = np.sqrt(b**2 + 4 * c * (n - 1))
        mode = np.where(b < 0, (root - b) / (2 * c), 2 * (n - 1) / np.maximum(root + b, _TINY))  # were there no end
        top = np.maximum(np.minimum(mode, radius), _TINY)
        slope = np.where((mode > 0) & (mode < radius), 0.0, (n - 1) / top - b - c * top)
        low, high = _support(top, slope, c, radius, n)
        t = 0.5 * (low + high) + 0.5 * (high - low) * _NODES[:, None, None]  # (nodes, K, P)
        exponent = (n - 1) * np.log(t) - b * t - 0.5 * c * t**2
        peak = exponent.max(0)
        integral = np.tensordot(_WEIGHTS, np.exp(exponent - peak), 1) * 0.5 * (high - low)
        log_normaliser = (
            self.coordinates.log_unit - 0.5 * n * math.log(2 * math.pi * self.std**2) - 0.5 * centre @ centre
        )
        return math.log(n) + peak + np.log(integral) + log_normaliser


def _support(
    top: np.ndarray, slope: np.ndarray, c: np.ndarray, radius: np.ndarray, n: int
) -> tuple[np.ndarray, np.ndarray]:
    """Where the integrand exceeds e^-_DEPTH of its value at `top`, or a little more than that.

    To the left its log falls at least as a parabola with the slope and the curvature that it has at `top`. To the right it
    falls at least as with its slope and the curvature c, and at least as (n - 1) (log(1 + w/top) - w/top), the tail of a
    Gamma distribution.
    """
    left = _fall(np.maximum(slope, 0.0), (n - 1) / top**2 + c)
    right = _fall(np.maximum(-slope, 0.0), c)
    if n > 1:
        gamma = _DEPTH / (n - 1)
        right = np.minimum(right, top * (2 * gamma + math.sqrt(2 * gamma)))
    return np.maximum(top - left, 0.0), np.minimum(top + right, radius)


def _fall(slope: np.ndarray, curvature: np.ndarray) -> np.ndarray:
    """The w with slope w + curvature w^2 / 2 = _DEPTH."""
    return 2 * _DEPTH / (slope + np.sqrt(slope**2 + 2 * _DEPTH * curvature))


def weight_of(prior: AbstractPrior | None, coordinates: Coordinates, net: nn.Module | None) -> AbstractWeight:
    """The weight that a prior stands for: its density in the free parameters, given the fixed ones.

    Args:
        prior: A box, a Gaussian, or None for weight 1.
        coordinates: Those of the rays.
        net: The net, which boxes other than `Cube` need; None where there is none.

    Returns:
        The weight, in these coordinates.

    Raises:
        ValueError: For a prior without a density, a box that needs a net where there is none or leaves the minimum out.
    """
    match prior:
        case None:
            return UniformWeight(coordinates)
        case Gaussian(std):
            return GaussianWeight(coordinates, std)
        case Cube(radius):
            return BoxWeight(coordinates, np.full(coordinates.dimension, radius))
        case AbstractBox() if net is not None and num_parameters(net) == len(coordinates.units):
            return BoxWeight(coordinates, prior.half_widths(net).astype(np.float64)[coordinates.free])
        case _:
            raise ValueError(f"prior must be a box, Gaussian or None, got {prior}; without a net a box must be a Cube")
