"""Distances are those of the flat parameter vectors."""

import math

import pytest
import torch
from tiny_nets import Residual, lived
from torch import nn

from goodminima.measure import relative_distance


def test_distance_is_that_of_the_flat_vectors_in_units_of_the_second() -> None:
    here, there = lived(Residual(), seed=1), lived(Residual(), seed=2)
    w1, w2 = (nn.utils.parameters_to_vector(net.parameters()).detach().double() for net in (here, there))
    assert math.isclose(relative_distance(here, there), float((w1 - w2).norm() / w2.norm()), rel_tol=1e-12)
    assert math.isclose(relative_distance(there, here), float((w1 - w2).norm() / w1.norm()), rel_tol=1e-12)
    assert relative_distance(here, here) == 0


def test_running_statistics_are_not_parameters() -> None:
    here, there = lived(Residual()), lived(Residual())
    there.get_buffer("path.1.running_mean").add_(3)
    assert relative_distance(here, there) == 0


def test_a_tied_weight_is_one_parameter() -> None:
    def tied(value: float) -> nn.Module:
        first, second = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
        second.weight = first.weight
        first.weight.data.fill_(value)
        return nn.Sequential(first, second)

    assert relative_distance(tied(3.0), tied(1.0)) == 2


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (nn.Linear(2, 2), r"weight is \(3, 2\) in one net and \(2, 2\) in the other"),
        (nn.Linear(2, 3, bias=False), r"bias is \(3,\) in one net and missing in the other"),
        (nn.Sequential(nn.Linear(2, 3)), "weight is .* in one net and missing in the other"),
    ],
)
def test_nets_of_other_parameters_are_refused(other: nn.Module, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        relative_distance(nn.Linear(2, 3), other)


def test_nothing_is_far_from_zero_in_units_of_zero() -> None:
    zero = nn.Linear(2, 3).requires_grad_(False)
    for parameter in zero.parameters():
        torch.nn.init.zeros_(parameter)
    with pytest.raises(ValueError, match="all parameters of the reference are zero"):
        relative_distance(nn.Linear(2, 3), zero)
