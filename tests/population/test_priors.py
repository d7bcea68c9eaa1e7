"""Priors against the distributions they are named after."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from goodminima.nets import LeNet, LinearModel
from goodminima.population import AbstractPrior, Cube, FanOut, Gaussian, Glorot, Sphere, TorchDefault

ALL = [Cube(1.0), Cube(5.0), FanOut(), TorchDefault(), Glorot(), Gaussian(0.5), Sphere(100.0)]
FALSE_ALARM = 1e-6


def _draw(prior: AbstractPrior, net: nn.Module, count: int, seed: int = 0) -> torch.Tensor:
    return prior.draw(net, seed=seed, indices=np.arange(count, dtype=np.uint64))


@pytest.mark.parametrize("prior", ALL, ids=repr)
def test_draw_k_of_seed_s_depends_on_both_alone(prior: AbstractPrior) -> None:
    net = LinearModel(in_features=9)
    together = _draw(prior, net, 40)
    for k in (0, 17, 39):
        alone = prior.draw(net, seed=0, indices=np.array([k], np.uint64))
        assert torch.equal(alone[0], together[k])
    assert not torch.equal(_draw(prior, net, 1, seed=1)[0], together[0])


@pytest.mark.parametrize("prior", ALL, ids=repr)
def test_shape_and_dtype(prior: AbstractPrior) -> None:
    drawn = _draw(prior, LinearModel(in_features=4), 3)
    assert drawn.shape == (3, 10)
    assert drawn.dtype == torch.float32


def test_cube_is_uniform_on_its_interval() -> None:
    drawn = _draw(Cube(2.0), LinearModel(in_features=49), 200).numpy().ravel()
    assert stats.kstest(drawn, stats.uniform(-2, 4).cdf).pvalue > FALSE_ALARM


def test_gaussian_is_normal() -> None:
    drawn = _draw(Gaussian(0.5), LinearModel(in_features=49), 200).numpy()
    assert stats.kstest(drawn.ravel(), stats.norm(0, 0.5).cdf).pvalue > FALSE_ALARM
    # The two halves of a Box-Muller pair share a radius; they must be independent all the same.
    squares = drawn[:, 0::2] ** 2, drawn[:, 1::2] ** 2
    assert abs(np.corrcoef(squares[0].ravel(), squares[1].ravel())[0, 1]) < 5 / math.sqrt(squares[0].size)


def test_sphere_has_its_norm_and_no_direction() -> None:
    drawn = _draw(Sphere(100.0), LinearModel(in_features=4), 2000).numpy()
    np.testing.assert_allclose(np.linalg.norm(drawn, axis=1), 100, rtol=1e-6)
    cosine = (drawn[:, 0] / 100 + 1) / 2  # on the sphere in D dimensions (1 + cos) / 2 is Beta((D-1)/2, (D-1)/2)
    assert stats.kstest(cosine, stats.beta(4.5, 4.5).cdf).pvalue > FALSE_ALARM


def test_torch_default_fills_the_range_of_pytorchs_own_initialisation() -> None:
    net = LeNet()
    drawn = _draw(TorchDefault(), net, 300)
    start = 0
    for name, parameter in net.named_parameters():
        ours = drawn[:, start : start + parameter.numel()]
        start += parameter.numel()
        layer = net.get_submodule(name.split(".")[0])
        bound = 1 / math.sqrt(layer.weight[0].numel())
        assert bound * 0.98 < ours.abs().max() <= bound, name
        assert parameter.abs().max() <= bound, name


def test_fan_out_divides_weights_by_the_root_of_the_outputs_and_leaves_biases() -> None:
    net = LinearModel(in_features=50)
    widths = FanOut().half_widths(net)
    np.testing.assert_allclose(widths[:100], 1 / math.sqrt(2), rtol=1e-6)
    np.testing.assert_allclose(widths[100:], 1.0)


def test_glorot_fills_the_range_of_pytorchs_xavier_and_leaves_biases_at_0() -> None:
    net = LeNet()
    drawn, start = _draw(Glorot(), net, 300), 0
    for name, parameter in net.named_parameters():
        ours = drawn[:, start : start + parameter.numel()]
        start += parameter.numel()
        if parameter.ndim == 1:
            assert not ours.any(), name
            continue
        sd = float(nn.init.xavier_uniform_(parameter.detach()).std())
        assert ours.std() == pytest.approx(sd, rel=0.2), name
        inputs, outputs = nn.init._calculate_fan_in_and_fan_out(parameter)
        bound = math.sqrt(6 / (inputs + outputs))
        assert bound * 0.98 < ours.abs().max() <= bound * (1 + 1e-6), name


def test_torch_default_names_layers_it_does_not_know() -> None:
    with pytest.raises(ValueError, match="knows Linear and Conv layers, got BatchNorm1d"):
        TorchDefault().half_widths(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)))


@pytest.mark.parametrize("make", [lambda: Cube(0), lambda: Gaussian(-1), lambda: Sphere(math.inf), lambda: FanOut(0)])
def test_sizes_must_be_positive(make) -> None:
    with pytest.raises(ValueError, match="must be positive and finite"):
        make()
