"""The zig-zag boundary is beyond every net of two layers without hidden biases; with them it is not."""

import math

import numpy as np
import pytest

from goodminima.nets import MLP
from goodminima.population import Cube
from goodminima.tasks import boundary_probe
from goodminima.theory.odd_part import depth_of_origin, largest_margin, most_on_one_side, odd_part_error


def class0(kind) -> np.ndarray:
    return boundary_probe(kind).train.x[:30].double().numpy()


@pytest.mark.parametrize("hidden", [1, 40, 3600])
def test_the_odd_part_is_linear_without_hidden_biases_and_not_with_them(hidden: int) -> None:
    x, some = boundary_probe("zig-zag").train.x, np.arange(4, dtype=np.uint64)
    for hidden_bias in (False, True):
        net = MLP(in_features=2, hidden=(hidden,), hidden_bias=hidden_bias)
        error = odd_part_error(net, Cube().draw(net, seed=1, indices=some), x)
        assert ((error > 1e-3) == hidden_bias).all()
        assert hidden_bias or error.max() < 1e-13


def test_no_linear_function_is_positive_on_class_0_of_the_zigzag() -> None:
    points = class0("zig-zag")
    assert abs(largest_margin(points)) < 1e-12
    assert depth_of_origin(points) > 0.1
    assert most_on_one_side(points) == 24


def test_the_straight_boundary_has_one() -> None:
    points = class0("linear")
    assert largest_margin(points) == pytest.approx(0.1, rel=1e-6)
    assert most_on_one_side(points) == 30


@pytest.mark.parametrize("seed", range(20))
def test_a_brute_force_over_directions_agrees(seed: int) -> None:
    """Twenty random clouds, 20,000 directions each: none does better than the exact answers, the best comes close."""
    points = np.random.default_rng(seed).normal((0.7, 0.0), size=(12, 2))
    angle = np.linspace(0, 2 * math.pi, 20_001)
    values = np.stack([np.cos(angle), np.sin(angle)], axis=1) @ points.T
    assert most_on_one_side(points) == (values > 0).sum(1).max()
    best = values.min(1).max()
    margin, depth = largest_margin(points), depth_of_origin(points)
    assert (margin > 1e-9) == (best > 0)
    if best <= 0:
        assert depth == pytest.approx(-best, abs=1e-3)
    else:
        assert best <= margin * 1.0001 <= best * math.sqrt(2) * 1.0002
