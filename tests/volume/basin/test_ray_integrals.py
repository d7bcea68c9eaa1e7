"""What a ray adds to a volume, against quadrature and closed forms."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch import nn

from goodminima.population.priors import Cube, FanOut, Gaussian, Sphere
from goodminima.volume.basin.coordinates import Coordinates
from goodminima.volume.basin.ray_integrals import BoxWeight, GaussianWeight, UniformWeight, log_ball, weight_of


def coordinates(centre: list[float], units: list[float]) -> Coordinates:
    return Coordinates(torch.tensor(centre, dtype=torch.float64), np.array(units))


@pytest.mark.parametrize("size", [1, 2, 3, 10, 20_000])
def test_the_unit_ball(size: int) -> None:
    closed = {1: math.log(2), 2: math.log(math.pi), 3: math.log(4 * math.pi / 3), 10: math.log(math.pi**5 / 120)}
    k = size // 2  # pi^k / k!
    assert log_ball(size) == pytest.approx(closed.get(size, k * math.log(math.pi) - math.lgamma(k + 1)))


def test_a_plain_ray_is_its_radius_to_the_nth_power() -> None:
    plain = UniformWeight(coordinates([0.0] * 4, [1.0, 0.0, 2.0, 3.0]))
    radius = np.array([[0.5, 2.0]])
    assert plain.log_integral(np.zeros((2, 3)), radius) == pytest.approx(3 * np.log(radius))


@pytest.mark.parametrize("size", [1, 2, 3, 60, 5000])
@pytest.mark.parametrize("quantile", [1e-9, 0.01, 0.5, 0.999])
def test_a_gaussian_ball_around_zero_is_a_chi_square(size: int, quantile: float) -> None:
    radius = math.sqrt(stats.chi2.ppf(quantile, size)) * 0.7
    weight = GaussianWeight(Coordinates(torch.zeros(size, dtype=torch.float64), np.ones(size)), 0.7)
    phi = np.eye(1, size)
    term = log_ball(size) + weight.log_integral(phi, np.array([[radius]]))[0, 0]
    assert term == pytest.approx(math.log(quantile), abs=1e-7)


@pytest.mark.parametrize("size", [1, 2, 7, 40])
@pytest.mark.parametrize("pull", [-6.0, -1.0, 0.0, 3.0, 30.0])
@pytest.mark.parametrize("radius", [1e-3, 0.5, 3.0, 1e3])
def test_gaussian_rays_agree_with_quadrature(size: int, pull: float, radius: float) -> None:
    """The minimum off centre along the ray, units of 2 and a standard deviation of 0.5."""
    weight = GaussianWeight(coordinates([pull] + [0.1] * (size - 1), [2.0] * size), 0.5)
    phi = np.eye(1, size)

    def log_integrand(t: float) -> float:
        theta = np.array([pull + 2 * t] + [0.1] * (size - 1))
        return (size - 1) * math.log(t) + stats.norm.logpdf(theta, scale=0.5).sum() + size * math.log(2)

    grid = np.geomspace(1e-9, radius, 4001)
    values = np.array([log_integrand(t) for t in grid])
    top = values.max()
    near = grid[values > top - 50]
    literal, _ = integrate.quad(
        lambda t: math.exp(log_integrand(t) - top),
        0 if near[0] < 1e-8 else near[0],
        near[-1],
        epsabs=0,
        epsrel=1e-10,
        limit=500,
    )
    found = weight.log_integral(phi, np.array([[radius]]))[0, 0]
    assert found == pytest.approx(math.log(size) + math.log(literal) + top, abs=1e-6)


def test_rays_end_at_the_walls_of_a_box() -> None:
    box = BoxWeight(coordinates([0.5, 0.0], [1.0, 2.0]), np.array([1.0, 3.0]))
    half = math.sqrt(0.5)
    ends = box.ends(np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [half, -half]]))
    assert ends == pytest.approx([0.5, 1.5, 1.5, 0.5 / half])
    assert box.log_integral(np.zeros((1, 2)), np.array([[3.0]]))[0, 0] == pytest.approx(math.log(9 * 2 / (2 * 6)))


def test_priors_have_their_weights() -> None:
    net = nn.Linear(3, 2)
    place = Coordinates(torch.zeros(8), np.array([1.0] * 6 + [0.0] * 2))
    assert weight_of(None, place, net) == UniformWeight(place)
    assert weight_of(Gaussian(2.0), place, net) == GaussianWeight(place, 2.0)
    fan_out = weight_of(FanOut(), place, net)
    assert isinstance(fan_out, BoxWeight)
    assert fan_out.half_widths == pytest.approx(np.full(6, math.sqrt(0.5)))
    with pytest.raises(ValueError, match="prior must be a box, Gaussian or None, got Sphere"):
        weight_of(Sphere(), place, net)
    with pytest.raises(ValueError, match="without a net a box must be a Cube"):
        weight_of(FanOut(), place, None)
    with pytest.raises(
        ValueError, match="1 of 2 parameters of the minimum lie outside the prior's box: take a wider box"
    ):
        weight_of(Cube(1.0), coordinates([0.0, 1.5], [1.0, 1.0]), None)
