"""Where rays are aimed, and the densities that make up for it."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from goodminima.tasks.task import Examples
from goodminima.volume.basin.coordinates import Coordinates
from goodminima.volume.basin.proposals import Diagonal, DirectionMixture, Isotropic, LowRank, Shape


def flat(size: int) -> Coordinates:
    return Coordinates(torch.zeros(size, dtype=torch.float64), np.ones(size))


def random_shape() -> tuple[Shape, np.ndarray]:
    rng = np.random.default_rng(0)
    diagonal, factor = rng.uniform(0.5, 2, 6), rng.normal(size=(3, 6)) * 2
    return Shape.of(diagonal, factor), np.diag(diagonal) + factor.T @ factor


def test_draws_have_the_inverse_curvature_as_covariance() -> None:
    shape, curvature = random_shape()
    root = shape.draw(np.eye(6))
    assert root.T @ root == pytest.approx(np.linalg.inv(curvature))


def test_density_is_the_angular_gaussian_one() -> None:
    shape, curvature = random_shape()
    phi = np.random.default_rng(1).normal(size=(5, 6))
    phi /= np.linalg.norm(phi, axis=1, keepdims=True)
    literal = math.sqrt(np.linalg.det(curvature)) * np.einsum("pi,ij,pj->p", phi, curvature, phi) ** (-6 / 2)
    assert np.exp(shape.log_density(phi)) == pytest.approx(literal)


def test_directions_in_the_plane_follow_their_density() -> None:
    """On the circle: the density is sqrt(ab) / (a cos^2 + b sin^2); E|phi_1| in closed form, 6 standard errors."""
    mixture = DirectionMixture.of(
        Diagonal(torch.tensor([1.0, 4.0]), damping=1e-9, uniform_every=10**4), flat(2), 40_000
    )
    phi = mixture.directions(seed=3, indices=np.arange(40_000, dtype=np.uint64))
    angles = np.linspace(0, 2 * math.pi, 20_001)[:-1]
    density = 2 / (np.cos(angles) ** 2 + 4 * np.sin(angles) ** 2)
    assert density.mean() == pytest.approx(1.0)
    values = np.abs(phi[:, 0])
    assert abs(values.mean() - (density * np.abs(np.cos(angles))).mean()) < 6 * values.std() / 200


@pytest.mark.parametrize(
    "proposal", [Diagonal(torch.tensor([1.0, 9.0, 30.0])), LowRank(torch.tensor([[1.0, 2.0, -4.0]]))]
)
def test_the_mean_of_inverse_densities_is_one(proposal: Diagonal | LowRank) -> None:
    """E_q[1/q] = 1 for directions of the mixture, within 6 standard errors."""
    mixture = DirectionMixture.of(proposal, flat(3), 20_000)
    inverse = np.exp(-mixture.log_density(mixture.directions(seed=1, indices=np.arange(20_000, dtype=np.uint64))))
    assert abs(inverse.mean() - 1) < 6 * inverse.std() / math.sqrt(20_000)
    assert inverse.max() <= 10 * (1 + 1e-12)  # a tenth of the rays is even


def test_a_ray_is_its_number_whatever_its_company() -> None:
    mixture = DirectionMixture.of(LowRank(torch.tensor([[1.0, 2.0, -4.0]])), flat(3), 50)
    together = mixture.directions(seed=9, indices=np.arange(50, dtype=np.uint64))
    alone = mixture.directions(seed=9, indices=np.array([37], np.uint64))
    assert together[37] == pytest.approx(alone[0], rel=1e-13)
    even = DirectionMixture.of(Isotropic(), flat(3), 50).directions(seed=9, indices=np.arange(50, dtype=np.uint64))
    assert (together[::10] == even[::10]).all()


def test_curvatures_are_carried_into_the_coordinates() -> None:
    """theta = units * z: A_z = units A units, over the free parameters alone."""
    units = np.array([2.0, 0.0, 0.5])
    coordinates = Coordinates(torch.zeros(3, dtype=torch.float64), units)
    factor = torch.tensor([[1.0, 5.0, -1.0], [0.0, 3.0, 2.0]], dtype=torch.float64)
    shape = LowRank(factor, damping=0.1).shape(coordinates)
    inside = (factor.numpy() * units)[:, [0, 2]]
    curvature = inside.T @ inside
    curvature += 0.1 * np.trace(curvature) / 2 * np.eye(2)
    root = shape.draw(np.eye(2))
    assert root.T @ root == pytest.approx(np.linalg.inv(curvature))
    diagonal = Diagonal(torch.tensor([1.0, 7.0, 3.0]), damping=0.1).shape(coordinates).diagonal
    assert diagonal == pytest.approx(np.array([4.0, 0.75]) + 0.1 * 4.75 / 2)


def test_a_curvature_that_is_zero_aims_evenly() -> None:
    shape = Diagonal(torch.zeros(3)).shape(flat(3))
    assert (shape.diagonal == 1).all()


def test_the_logit_factor_is_the_centred_jacobian() -> None:
    torch.manual_seed(0)
    net, x = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Dropout(0.5), nn.Linear(4, 3)), torch.randn(5, 3)
    factor = LowRank.of_logits(net, Examples(x, torch.zeros(5, dtype=torch.int64))).factor
    assert net.training  # as it was
    rows = []
    net.eval()
    for example in x:
        for number in range(3):
            logits = net(example[None])[0]
            gradient = torch.autograd.grad(logits[number] - logits.mean(), list(net.parameters()))
            rows.append(torch.cat([part.flatten() for part in gradient]) / math.sqrt(5))
    torch.testing.assert_close(factor, torch.stack(rows))


def test_mistakes_are_told() -> None:
    with pytest.raises(ValueError, match=r"Diagonal.curvature must be finite and at least 0; use .abs\(\)"):
        Diagonal(torch.tensor([-1.0, 1.0]))
    with pytest.raises(ValueError, match=r"LowRank.damping must be positive and finite, got 0"):
        LowRank(torch.ones(1, 2), damping=0.0)
    with pytest.raises(ValueError, match=r"uniform_every must be at least 2, got 1; for even rays alone use Isotropic"):
        Diagonal(torch.ones(2), uniform_every=1)
    with pytest.raises(ValueError, match="num_rays must be at least 20 where every 10th is even, got 19"):
        DirectionMixture.of(Diagonal(torch.ones(2)), flat(2), 19)
    with pytest.raises(ValueError, match=r"Diagonal.curvature must have 3 entries, one a parameter, got 2"):
        DirectionMixture.of(Diagonal(torch.ones(2)), flat(3), 100)
