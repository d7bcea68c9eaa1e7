"""The compiled loops against networks written out layer by layer in PyTorch, and the limits they should have."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from goodminima.theory.ascent import LARGEST_MOVE, STEP, minus_log_loss, softmin
from goodminima.theory.bridge import least_spectrum, nearby_stationary_point, penalty, planted_spectrum, stationarity
from goodminima.theory.convex import margin, max_margin
from goodminima.theory.linear_networks import convolutional, fully_connected, normal_filters, white_filters

STEPS = np.array([1, 7, 40])


def _minus_log_loss(q: Tensor) -> Tensor:
    return -torch.logsumexp(-q, dim=0)


def _convolve(h: Tensor, w: Tensor) -> Tensor:
    """The layer as the paper defines it, row by row."""
    d = len(w)
    shifted = torch.stack([torch.roll(h, -k, dims=1) for k in range(d)])  # (k, n, j): h_(j + k)
    return torch.einsum("k,knj->nj", w, shifted) / math.sqrt(d)


def _network(z: Tensor, filters: Tensor) -> Tensor:
    h = z
    for w in filters[:-1]:
        h = _convolve(h, w)
    return h @ filters[-1]


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
@pytest.mark.parametrize("d", [7, 8])
def test_convolutions_take_the_steps_of_the_network_written_out(depth: int, d: int) -> None:
    z = planted_spectrum(depth, n=8, d=d).z
    start = normal_filters(0, depth=depth, d=d, scale=0.5)
    found = convolutional(z, start, times=STEPS)
    rows, filters = torch.from_numpy(z), torch.from_numpy(start).requires_grad_()
    reached = 0
    for time, beta in zip(STEPS, found, strict=True):
        for _ in range(time - reached):
            q = _network(rows, filters)
            by_row = [torch.autograd.grad(each, filters, retain_graph=True)[0] for each in q]
            steepest = max(float((g**2).sum()) for g in by_row)
            step = min(STEP / steepest, LARGEST_MOVE * float(filters.detach().norm()) / math.sqrt(steepest))
            (ascent,) = torch.autograd.grad(_minus_log_loss(q), filters)
            filters = (filters.detach() + step * ascent).requires_grad_()
        reached = int(time)
        scores = _network(rows, filters).detach().numpy()
        assert z @ beta == pytest.approx(scores, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("depth", [1, 2, 4])
@pytest.mark.parametrize("width", [3, 9])
def test_fully_connected_layers_take_the_steps_of_the_network_written_out(depth: int, width: int) -> None:
    z, scale = planted_spectrum(0, n=8, d=7).z, 0.3
    found = fully_connected(z, depth=depth, width=width, times=STEPS, seed=3, scale=scale)
    rng, sizes = np.random.default_rng(3), [7, *[width] * (depth - 1), 1]
    weights = [
        torch.from_numpy(scale * rng.standard_normal((sizes[k + 1], sizes[k]))).requires_grad_() for k in range(depth)
    ]
    rows, reached = torch.from_numpy(z), 0
    longest = float((z**2).sum(axis=1).max())
    for time, beta in zip(STEPS, found, strict=True):
        for _ in range(time - reached):
            q = torch.linalg.multi_dot([rows, *[w.T for w in weights]]) if depth > 1 else rows @ weights[0].T
            squares = [float((w.detach() ** 2).sum()) for w in weights]
            steepest = longest * math.prod(squares) * sum(1 / square for square in squares)
            step = min(STEP / steepest, LARGEST_MOVE * math.sqrt(sum(squares)) / math.sqrt(steepest))
            ascents = torch.autograd.grad(_minus_log_loss(q[:, 0]), weights)
            weights = [(w.detach() + step * a).requires_grad_() for w, a in zip(weights, ascents, strict=True)]
        reached = int(time)
        product = weights[0].detach()
        for w in weights[1:]:
            product = w.detach() @ product
        assert beta == pytest.approx(product[0].numpy(), rel=1e-9, abs=1e-12)


def test_where_one_looks_changes_nothing() -> None:
    z, start = planted_spectrum(1).z, normal_filters(1, depth=3, d=16)
    often = convolutional(z, start, times=np.array([10, 100, 500]))
    assert (convolutional(z, start, times=np.array([500]))[-1] == often[-1]).all()


def test_the_start_is_left_as_it_was() -> None:
    start = normal_filters(1, depth=2, d=16)
    kept = start.copy()
    convolutional(planted_spectrum(1).z, start, times=STEPS)
    assert (start == kept).all()


@pytest.mark.parametrize(("depth", "bound"), [(2, 2e-4), (3, 2e-3), (4, 8e-3)])
def test_fully_connected_networks_go_to_the_l2_maximum_margin(depth: int, bound: float) -> None:
    z = planted_spectrum(2).z
    beta = fully_connected(z, depth=depth, width=8, times=np.array([100_000]), seed=0)[0]
    assert 0 <= 1 - margin(z, beta) / max_margin(z).margin < bound


def test_two_convolutions_go_to_the_least_spectrum_and_one_does_not() -> None:
    data = planted_spectrum(3)
    starts = {1: normal_filters(0, depth=1, d=16), 2: white_filters(0, depth=2, d=16)}
    one, two = (convolutional(data.z, start, times=np.array([200_000]))[0] for start in starts.values())
    optimum = least_spectrum(data.z).value
    assert 0 <= penalty(data.z, two, power=1.0) / optimum - 1 < 0.01
    assert penalty(data.z, one, power=1.0) / optimum - 1 > 0.1
    assert 1 - margin(data.z, one) / max_margin(data.z).margin < 1e-3


def test_three_convolutions_go_to_a_stationary_point() -> None:
    """Most starts, that is: a frequency may stay for long at the border between growing and dying."""
    data = planted_spectrum(3)
    residuals, distances = [], []
    for seed in range(5):
        start = normal_filters(seed, depth=3, d=16)
        beta = convolutional(data.z, start, times=np.array([300_000]))[0]
        beta /= (data.z @ beta).min()
        try:
            point = nearby_stationary_point(data.z, beta, power=2 / 3)
        except RuntimeError:
            residuals.append(math.inf)
            continue
        residuals.append(stationarity(data.z, point, power=2 / 3).residual)
        distances.append(np.linalg.norm(point - beta) / np.linalg.norm(point))
    assert np.median(residuals) < 1e-10
    assert np.median(distances) < 0.02


def test_white_filters_prefer_no_frequency_and_the_last_layer_is_off() -> None:
    filters = white_filters(0, depth=3, d=8, scale=0.2)
    assert np.abs(np.fft.fft(filters[:2], norm="ortho")) == pytest.approx(np.full((2, 8), 0.2), rel=1e-12)
    assert not filters[2].any()


def test_the_weights_of_the_loss_survive_any_size() -> None:
    q, p = np.array([1e6, 1e6 + 1, 2e6]), np.empty(3)
    assert softmin(q, p) == pytest.approx(1e6 - math.log(1 + math.exp(-1)), rel=1e-15)
    assert p == pytest.approx([1 / (1 + math.exp(-1)), 1 / (1 + math.e), 0.0])
    assert minus_log_loss(q) == softmin(q, p)


@pytest.mark.usefixtures("unchecked")
def test_filters_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="as long as the rows, 16, got 8"):
        convolutional(planted_spectrum(0).z, normal_filters(0, depth=2, d=8), times=STEPS)


def test_a_network_without_layers_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1, got depth = 0"):
        fully_connected(planted_spectrum(0).z, depth=0, width=8, times=STEPS, seed=0)
