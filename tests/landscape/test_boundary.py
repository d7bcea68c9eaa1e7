"""Regions of linear classifiers are half-planes."""

import numpy as np
import pytest
import torch
from torch import nn

from goodminima.landscape import decision_regions
from goodminima.population import Population


def half_planes() -> Population:
    """Class 1 where x > 0, then where y > 0.5, then nowhere."""
    theta = torch.tensor([[0.0, 0, 1, 0, 0, 0], [0.0, 0, 0, 2, 0, -1], [0.0, 0, 0, 0, 1, 0]])
    return Population(nn.Linear(2, 2), theta)


def test_half_planes() -> None:
    found = decision_regions(half_planes(), extent=(-1.0, 1.0, 0.0, 1.0), steps=(40, 20))
    x, y = np.meshgrid(np.linspace(-1, 1, 40), np.linspace(0, 1, 20))
    np.testing.assert_array_equal(found.classes, np.stack([x > 0, y > 0.5, x > 2]))
    np.testing.assert_allclose(found.lead, np.stack([abs(x), abs(2 * y - 1), np.ones_like(x)]), atol=1e-6)


def test_shares_and_disagreement() -> None:
    found = decision_regions(half_planes(), extent=(-1.0, 1.0, 0.0, 1.0), steps=40)
    np.testing.assert_allclose(found.shares(2), [[0.5, 0.5], [0.5, 0.5], [1, 0]])
    np.testing.assert_allclose(found.disagreement(), [[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])


def test_dropout_is_off_and_the_net_stays_as_it_was() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 30), nn.Tanh(), nn.Dropout(0.9), nn.Linear(30, 3)).train()
    theta = nn.utils.parameters_to_vector(net.parameters()).detach()[None]
    found = decision_regions(Population(net, theta), extent=(-1.0, 1.0, -1.0, 1.0), steps=5)
    assert net.training
    side = torch.linspace(-1, 1, 5)
    points = torch.stack(torch.meshgrid(side, side, indexing="xy"), dim=2).reshape(-1, 2)
    np.testing.assert_array_equal(found.classes[0].ravel(), net.eval()(points).argmax(1))


class Deciding(nn.Module):
    """What cannot be batched, even without dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(x) * (1 if float(self.out.weight.detach().sum()) > 10 else 3)


def test_a_net_that_cannot_be_batched() -> None:
    plain = half_planes()
    found = decision_regions(Population(Deciding(), plain.theta), extent=(-1.0, 1.0, 0.0, 1.0), steps=20)
    wanted = decision_regions(plain, extent=(-1.0, 1.0, 0.0, 1.0), steps=20)
    np.testing.assert_array_equal(found.classes, wanted.classes)
    np.testing.assert_allclose(found.lead, 3 * wanted.lead, rtol=1e-5)


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="extent must be least and greatest x"):
        decision_regions(half_planes(), extent=(1.0, -1.0, 0.0, 1.0))
    with pytest.raises(ValueError, match="steps must be at least 2"):
        decision_regions(half_planes(), extent=(0.0, 1.0, 0.0, 1.0), steps=1)
    with pytest.raises(ValueError, match="classifiers of 2 to 256 classes"):
        decision_regions(Population(nn.Linear(2, 1), torch.zeros(1, 3)), extent=(0.0, 1.0, 0.0, 1.0))
