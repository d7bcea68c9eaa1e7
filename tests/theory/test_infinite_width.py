"""Chizat and Bach: the linear programme against brute force and closed forms, the theorem in small."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goodminima.theory.infinite_width import (
    balanced_start,
    circle,
    kernel_margin_of,
    max_kernel_margin,
    max_variation_margin,
    peaks,
    points_in_plane,
    variation_margin_of,
    variation_norm,
    xor_in_two,
)
from goodminima.theory.two_layer import TwoLayer, train


def test_one_point_needs_one_neuron_along_it() -> None:
    found = max_variation_margin(np.array([[3.0, 4.0]]), np.array([-1.0]))
    assert found.margin == pytest.approx(5, rel=1e-9)
    assert found.gap == pytest.approx(0, abs=1e-9)


def test_two_opposite_points_share_the_mass_as_in_closed_form() -> None:
    # Each needs a neuron of its own, of masses 2/3 and 1/3 to even <(1, 0)> and <(-2, 0)> out.
    found = max_variation_margin(np.array([[1.0, 0.0], [-2.0, 0.0]]), np.array([1.0, -1.0]))
    assert found.margin == pytest.approx(2 / 3, rel=1e-9)
    assert found.weights == pytest.approx([2 / 3, 1 / 3], abs=1e-8)


@pytest.mark.parametrize("seed", range(4))
def test_the_answer_proves_itself(seed: int) -> None:
    x, y = points_in_plane(seed)
    found = max_variation_margin(x, y, neurons=500)
    assert 0 <= found.gap < 1e-8
    assert variation_norm(found.net) == pytest.approx(1)
    assert (y * found.net(x)).min() == pytest.approx(found.margin)
    assert np.count_nonzero(found.net.output) <= len(x)


def test_a_coarse_grid_finds_the_same_as_a_fine_one() -> None:
    x, y = points_in_plane(5)
    assert max_variation_margin(x, y, neurons=16).margin == pytest.approx(max_variation_margin(x, y).margin, rel=1e-8)


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6))
def test_the_largest_response_is_among_the_peaks(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, pulls = rng.standard_normal((7, 2)), rng.standard_normal(7)

    def largest(w: np.ndarray) -> float:
        return np.abs(pulls @ np.maximum(x @ w, 0)).max()

    exact, grid = largest(peaks(x, pulls)), largest(circle(20_000))
    assert grid <= exact + 1e-12
    assert exact == pytest.approx(grid, abs=np.abs(pulls) @ np.linalg.norm(x, axis=1) * np.pi / 20_000)


@pytest.mark.usefixtures("unchecked")
def test_points_that_need_a_bias_or_more_dimensions_are_refused() -> None:
    with pytest.raises(ValueError, match="no network has a positive margin"):
        max_variation_margin(np.array([[1.0, 0.0], [2.0, 0.0]]), np.array([1.0, -1.0]))
    with pytest.raises(ValueError, match="needs points in the plane, got 3 coordinates"):
        max_variation_margin(np.ones((2, 3)), np.ones(2))


def test_evenly_spaced_neurons_have_the_arc_cosine_kernel() -> None:
    # Mean over the circle of max(<w, x>, 0) max(<w, x'>, 0): |x| |x'| (sin t + (pi - t) cos t) / (4 pi) (Cho and Saul 2009)
    x, _ = points_in_plane(1)
    features = np.maximum(x @ circle(10_000), 0)
    lengths = np.linalg.norm(x, axis=1)
    cosine = np.clip(x @ x.T / np.outer(lengths, lengths), -1, 1)
    angle = np.arccos(cosine)
    expected = np.outer(lengths, lengths) * (np.sin(angle) + (np.pi - angle) * cosine) / (4 * np.pi)
    assert features @ features.T / 10_000 == pytest.approx(expected, abs=1e-6)


def test_the_kernel_machine_solves_its_dual() -> None:
    # The margin is the distance from 0 of the convex hull of y_i phi(x_i): no convex weights come nearer.
    x, y = points_in_plane(2)
    net, margin = max_kernel_margin(balanced_start(2, d=2, width=50), x, y)
    rows = y[:, None] * np.maximum(x @ net.hidden, 0)
    weights = np.random.default_rng(0).dirichlet(np.full(10, 0.3), size=1000)
    assert np.linalg.norm(net.output) == pytest.approx(1)
    assert kernel_margin_of(net, x, y) == pytest.approx(margin)
    assert np.linalg.norm(weights @ rows, axis=1).min() >= margin * (1 - 1e-12)


def test_both_layers_reach_the_f1_margin_and_the_output_layer_its_kernels() -> None:
    x, y = points_in_plane(11)
    best = max_variation_margin(x, y).margin
    start, times = balanced_start(11, d=2, width=50), np.array([100_000])
    both, output = (train(start, x, y, times=times, output_only=only).nets[0] for only in (False, True))
    assert 0.99 * best < variation_margin_of(both, x, y) <= best * (1 + 1e-8)
    assert output.hidden.tolist() == start.hidden.tolist()
    assert 0.99 < kernel_margin_of(output, x, y) / max_kernel_margin(start, x, y)[1] <= 1
    assert variation_margin_of(output, x, y) < 0.95 * best


def test_only_both_layers_find_the_dimensions_that_matter() -> None:
    (x, y), (unseen, labels) = xor_in_two(21, n=60), xor_in_two(22, n=2000)
    start, times = balanced_start(21, d=10, width=100), np.array([3000])
    both, output = (train(start, x, y, times=times, output_only=only).nets[0] for only in (False, True))
    assert (labels * both(unseen) <= 0).mean() < 0.02
    assert (labels * output(unseen) <= 0).mean() > 0.05


@pytest.mark.parametrize("scale", [1e-3, 1.0])
def test_balanced_neurons_stay_so_and_keep_their_signs(scale: float) -> None:
    x, y = points_in_plane(4)
    start = balanced_start(4, d=2, width=30, scale=scale)
    net = train(start, x, y, times=np.array([20_000])).nets[0]
    assert variation_norm(start) == pytest.approx(scale**2)
    assert np.sign(net.output).tolist() == np.sign(start.output).tolist()
    # Exact along the flow; steps of finite size leave a part of what each neuron gained.
    lengths = np.linalg.norm(net.hidden, axis=0)
    assert np.abs(net.output) == pytest.approx(lengths, abs=0.1 * lengths.max())


def test_rescaling_a_neuron_leaves_the_margin() -> None:
    x, y = points_in_plane(3)
    net = balanced_start(3, d=2, width=20)
    factors = np.random.default_rng(0).uniform(0.1, 10, 20)
    other = TwoLayer(theta=net.theta * np.vstack([factors, factors, 1 / factors]))
    assert variation_margin_of(other, x, y) == pytest.approx(variation_margin_of(net, x, y))
