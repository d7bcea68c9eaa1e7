"""The nets have the sizes that the papers state, and say what cannot be built."""

import pytest
import torch
from counting import parameter_count
from torch import nn

from goodminima.nets import MLP, LeNet, LinearModel
from goodminima.population.normalise import norm_unit


def test_lenet_of_the_paper_has_11074_parameters() -> None:
    assert parameter_count(LeNet(width=0.5, in_shape=(1, 28, 28), num_classes=2)) == 11_074


@pytest.mark.parametrize("width", [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)])
def test_lenet_answers_at_every_width_of_table_6(width: float, shape: tuple[int, int, int]) -> None:
    assert LeNet(width=width, in_shape=shape, num_classes=3)(torch.zeros(2, *shape)).shape == (2, 3)


def test_only_the_output_of_an_mlp_has_a_bias() -> None:
    x = torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
    net = MLP(in_features=2, hidden=(7, 6))
    assert parameter_count(net) == 2 * 7 + 7 * 6 + 6 * 2 + 2
    assert (
        parameter_count(MLP(in_features=2, hidden=(7,), hidden_bias=True))
        == parameter_count(MLP(in_features=2, hidden=(7,))) + 7
    )
    twice = net(2 * x) - net(torch.zeros(1, 2))  # without hidden biases f - f(0) is positively homogeneous
    torch.testing.assert_close(twice, 2 * (net(x) - net(torch.zeros(1, 2))))


def test_norms_are_measured_in_threes_for_lenet_alone() -> None:
    assert norm_unit(LeNet()) == 3
    assert norm_unit(MLP(in_features=2, hidden=(3,))) == norm_unit(LinearModel(in_features=2)) == 1
    assert norm_unit(nn.Linear(2, 2)) == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LeNet(width=0.1), "width 0.1 leaves a layer without units"),
        (lambda: LeNet(in_shape=(1, 8, 8)), "images of 8x8 are too small"),
        (lambda: MLP(in_features=2, hidden=()), "hidden must name at least one layer"),
    ],
)
def test_what_cannot_be_built_is_named(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
