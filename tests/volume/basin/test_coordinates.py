"""The coordinates that rays leave a minimum in."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from goodminima.volume.basin.coordinates import Coordinates, around


def net_and_theta() -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 3, 2), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 2))
    return net, nn.utils.parameters_to_vector(net.parameters()).detach()


def test_plain_directions_move_everything() -> None:
    net, theta = net_and_theta()
    coordinates = around(net, theta, directions="plain")
    assert (coordinates.dimension, coordinates.log_unit, coordinates.rms_unit) == (len(theta), 0.0, 1.0)


def test_a_radius_changes_each_filter_by_its_norm_in_the_mean_square() -> None:
    """The mean over directions of |delta_f|^2 is |theta_f|^2 radius^2, exactly: |e_i|^2 over all axes, divided by n."""
    net, theta = net_and_theta()
    coordinates = around(net, theta, directions="filter")
    assert coordinates.dimension == 3 * 4 + 2 * 12
    steps = coordinates.steps(np.eye(coordinates.dimension))
    squares = (steps**2).mean(0)
    start = 0
    for parameter in net.parameters():
        part = squares[start : start + parameter.numel()].view(parameter.shape[0], -1)
        start += parameter.numel()
        wanted = parameter.detach().flatten(1).pow(2).sum(1) if parameter.ndim > 1 else torch.zeros(parameter.shape[0])
        torch.testing.assert_close(part.sum(1), wanted)
    matrices = torch.cat([p.detach().flatten() for p in net.parameters() if p.ndim > 1])
    assert coordinates.rms_unit == pytest.approx(matrices.norm().item())


def test_a_filter_of_norm_zero_is_fixed() -> None:
    net, theta = net_and_theta()
    theta[:4] = 0
    coordinates = around(net, theta, directions="filter")
    assert coordinates.dimension == 2 * 4 + 2 * 12
    with pytest.raises(ValueError, match="Sequential has no filter with a norm above 0: use directions='plain'"):
        around(net, torch.zeros_like(theta), directions="filter")


def test_points_and_volumes_go_over() -> None:
    coordinates = Coordinates(torch.tensor([1.0, 2.0, 3.0]), np.array([0.5, 0.0, 4.0]))
    assert coordinates.points(np.array([[1.0, -1.0]])).tolist() == [[1.5, 2.0, -1.0]]
    assert coordinates.log_unit == pytest.approx(math.log(2.0))
    assert coordinates.free_centre.tolist() == [1.0, 3.0]


def test_mistakes_are_told() -> None:
    net, theta = net_and_theta()
    with pytest.raises(ValueError, match="directions 'filters': choose from filter, plain; the nearest is 'filter'"):
        around(net, theta, directions="filters")
    with pytest.raises(ValueError, match=r"as many units as parameters are needed, got \(2,\) and \(3,\)"):
        Coordinates(torch.zeros(3), np.ones(2))
    with pytest.raises(ValueError, match="not all of them 0"):
        Coordinates(torch.zeros(3), np.zeros(3))
    with pytest.raises(ValueError, match="centre must be finite"):
        Coordinates(torch.tensor([math.nan]), np.ones(1))
