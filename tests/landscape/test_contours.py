"""Lines, circles and chessboards of known length, number and distance."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from goodminima.landscape import Regions, boundary_distances, decision_regions, parameters_of
from goodminima.population import Population

FRAME = (-2.0, 2.0, -1.5, 1.5)


class Field(nn.Module):
    """Class 1 where a function of the plane, times a weight of 1, is positive."""

    def __init__(self, function) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.function = function

    def forward(self, points: Tensor) -> Tensor:
        field = self.weight * self.function(*points.unbind(1))
        return torch.stack([torch.zeros_like(field), field], dim=1)


def alone(net: nn.Module) -> Population:
    return Population(net, parameters_of(net)[None])


def regions_of(function, steps: int = 100) -> Regions:
    return decision_regions(alone(Field(function)), extent=FRAME, steps=steps)


def test_a_straight_line_has_its_length_wherever_the_grid_is() -> None:
    theta = torch.tensor([[1.0, 0, 0, 0, 0.1234, 0], [0.0, 0, 1, 1, 0, 0.3], [0.0, 0, 0, 0, 1, 0]])
    found = decision_regions(Population(nn.Linear(2, 2), theta), extent=FRAME, steps=(37, 53))
    # x = -0.1234; x + y = -0.3, on which x runs from -1.8 to 1.2; nothing at all.
    assert found.boundary_lengths() == pytest.approx([3, math.sqrt(2) * 3, 0], abs=1e-5)
    assert found.num_regions().tolist() == [2, 2, 1]


def test_a_circle_to_second_order_in_the_spacing() -> None:
    errors = [
        abs(float(regions_of(lambda x, y: x**2 + y**2 - 1, steps).boundary_lengths()[0]) - 2 * math.pi)
        for steps in (50, 100)
    ]
    assert errors[1] < 0.01
    assert errors[1] < errors[0] / 2


def test_three_sectors_meet_along_three_rays() -> None:
    """Classes by the nearest of three directions: rays from the origin, to the frame at 90, 210 and 330 degrees."""
    angles = [math.radians(degrees) for degrees in (30, 150, 270)]
    weight = torch.tensor([[math.cos(angle), math.sin(angle)] for angle in angles])
    theta = torch.cat([weight.flatten(), torch.zeros(3)])[None]
    found = decision_regions(Population(nn.Linear(2, 3), theta), extent=FRAME, steps=(401, 301))
    rays = 1.5 + 2 * 2 / math.cos(math.radians(30))
    assert found.boundary_lengths()[0] == pytest.approx(rays, abs=0.02)
    assert found.num_regions()[0] == 3


def test_squares_of_a_chessboard_are_regions_of_their_own() -> None:
    found = regions_of(lambda x, y: torch.sin(math.pi * (x - 0.013)) * torch.sin(math.pi * (y - 0.017)), steps=200)
    assert found.num_regions()[0] == 5 * 4  # across from -2 to 2: of a fifth there is a sliver


def test_distances_from_a_line_and_a_circle() -> None:
    generator = np.random.default_rng(0)
    points = torch.from_numpy(generator.uniform(-1.4, 1.4, (40, 2)))
    line = nn.Linear(2, 2).double()
    line.weight.data = torch.tensor([[0.0, 0.0], [3.0, 4.0]]).double()
    line.bias.data = torch.tensor([0.0, -1.0]).double()
    circle = Field(lambda x, y: x**2 + y**2 - 1).double()
    straight, round_ = (
        boundary_distances(alone(net), points, extent=(-3, 3, -3, 3), steps=60)[0] for net in (line, circle)
    )
    x, y = points.numpy().T
    for found, truth in ((straight, abs(3 * x + 4 * y - 1) / 5), (round_, abs(np.hypot(x, y) - 1))):
        assert (found >= truth * (1 - 1e-9)).all()
        np.testing.assert_allclose(found, truth, rtol=1e-3, atol=1e-9)


def test_an_island_between_the_points_of_the_grid_is_found_from_within_and_from_beside() -> None:
    """A disc of radius 0.01 where the grid's spacing is 0.1."""
    disc = Field(lambda x, y: 0.01**2 - (x - 0.05) ** 2 - (y - 0.05) ** 2).double()
    half = Field(lambda x, y: torch.maximum(disc.function(x, y), x - 1)).double()
    points = torch.tensor([[0.05, 0.053], [0.9, 0.5]]).double()
    found = boundary_distances(alone(half), points, extent=(-2, 2, -2, 2), steps=41)[0]
    np.testing.assert_allclose(found, [0.007, 0.1], rtol=2e-3)


def test_no_boundary_is_infinitely_far() -> None:
    nowhere = Field(lambda x, y: x - 100)
    assert np.isposinf(boundary_distances(alone(nowhere), torch.zeros(3, 2), extent=FRAME, steps=20)).all()
