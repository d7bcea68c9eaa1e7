"""Path norms are sums over paths, walked one by one; Frobenius norms are norms of the flat vector."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from paths import Units, choices
from tiny_nets import Dense, Residual, lived
from torch import nn

from goodminima.measure import fold_batch_norm, frobenius_norm, path_norm
from goodminima.nets import ResNet12, ResNet18

BOTH = pytest.mark.parametrize(("order", "biases"), [(1, True), (1, False), (2, True), (2, False)])


def _arrays(module: nn.Module) -> tuple[np.ndarray, np.ndarray | None]:
    arrays = {name: parameter.detach().double().numpy() for name, parameter in module.named_parameters()}
    return arrays["weight"], arrays.get("bias")


def _with_norm(layer: nn.Module, norm: nn.Module) -> tuple[np.ndarray, np.ndarray]:
    """Weight and bias of a layer with the BatchNorm behind it, by the definition of both."""
    weight, bias = _arrays(layer)
    scale, shift = _scale_and_shift(norm)
    bias = np.zeros(len(weight)) if bias is None else bias
    return weight * scale.reshape(-1, *[1] * (weight.ndim - 1)), bias * scale + shift


def _scale_and_shift(norm: nn.Module) -> tuple[np.ndarray, np.ndarray]:
    gamma, beta = _arrays(norm)
    mean, var = (norm.get_buffer(f"running_{name}").double().numpy() for name in ("mean", "var"))
    scale = gamma / np.sqrt(var + norm.eps)
    return scale, beta - mean * scale


@BOTH
def test_of_a_chain_with_biases(order: int, biases: bool) -> None:
    net = lived(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 3, bias=False), nn.ReLU(), nn.Linear(3, 2)))
    units = Units()
    layer = units.image(3)
    for module in (net[0], net[2], net[4]):
        layer = units.linear(layer, *_arrays(module))
    expected = units.norm(layer, order=order, biases=biases)
    assert math.isclose(path_norm(net, (3,), order=order, biases=biases), expected, rel_tol=1e-12)


@BOTH
def test_of_convolution_batch_norm_and_max_pooling(order: int, biases: bool) -> None:
    conv, norm, head = nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.Linear(4, 2)
    net = lived(nn.Sequential(conv, norm, nn.LeakyReLU(0.1), nn.MaxPool2d(2), nn.Dropout(), nn.Flatten(), head))
    units = Units()
    maps = units.convolution(units.image(1, 2, 4), *_with_norm(conv, norm), padding=1)
    found = []
    for pooled in choices(maps, 2):  # 4 windows of 4 units: 256 nets without pooling
        assert pooled.shape == (2, 1, 2)
        logits = units.linear(pooled, *_arrays(head))
        found.append(units.norm(logits, order=order, biases=biases))
    assert math.isclose(path_norm(net, (1, 2, 4), order=order, biases=biases), max(found), rel_tol=1e-12)


@BOTH
def test_of_a_residual_net_and_a_mean(order: int, biases: bool) -> None:
    net = lived(Residual())
    units = Units()
    image = units.image(1, 4, 4)
    path = units.convolution(image, *_with_norm(*net.path), stride=2, padding=1)
    shortcut = units.convolution(image, *_with_norm(*net.shortcut), stride=2)
    logits = units.linear(units.average(units.add(path, shortcut), 2), *_arrays(net.head))
    expected = units.norm(logits, order=order, biases=biases)
    assert math.isclose(path_norm(net, (1, 4, 4), order=order, biases=biases), expected, rel_tol=1e-12)


@BOTH
def test_of_a_dense_net_with_a_norm_of_its_own_and_average_pooling(order: int, biases: bool) -> None:
    net = lived(Dense())
    units = Units()
    image = units.image(2, 2, 2)
    new = units.convolution(units.batch_norm(image, *_scale_and_shift(net.norm)), *_arrays(net.conv))
    logits = units.linear(units.average(np.concatenate([image, new]), 2), *_arrays(net.head))
    expected = units.norm(logits, order=order, biases=biases)
    assert math.isclose(path_norm(net, (2, 2, 2), order=order, biases=biases), expected, rel_tol=1e-12)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(
    "pool",
    [
        nn.AvgPool2d(3, stride=2, padding=1),
        nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False),
        nn.AvgPool2d(2, ceil_mode=True),
        nn.AdaptiveAvgPool2d((2, 3)),
    ],
)
def test_average_pooling_counts_as_the_convolution_that_it_is(pool: nn.Module, order: int) -> None:
    conv = lived(nn.Conv2d(2, 2, 1)).double()
    out = pool(torch.zeros(1, 1, 5, 5))
    basis = torch.eye(25, dtype=torch.float64).view(25, 1, 5, 5)
    same = nn.Linear(50, 2 * out.numel(), bias=False).double()
    with torch.no_grad():
        same.weight.copy_(torch.block_diag(*[pool(basis).flatten(1).T] * 2))
    expected = path_norm(nn.Sequential(conv, nn.Flatten(), same), (2, 5, 5), order=order)
    assert math.isclose(path_norm(nn.Sequential(conv, pool), (2, 5, 5), order=order), expected, rel_tol=1e-12)


@pytest.mark.parametrize("order", [1, 2])
def test_functions_count_as_modules_do(order: int) -> None:
    class Written(nn.Module):
        def __init__(self, conv: nn.Conv2d, head: nn.Linear) -> None:
            super().__init__()
            self.conv, self.head = conv, head

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = F.conv2d(x, self.conv.weight, stride=2, bias=self.conv.bias)
            x = F.max_pool2d(x.relu_(), 2).view(x.shape[0], -1)
            return F.linear(torch.flatten(x, 1), weight=self.head.weight)

    conv, head = lived(nn.Conv2d(1, 2, 3, stride=2)), lived(nn.Linear(2, 2, bias=False))
    chain = nn.Sequential(conv, nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), head)
    assert path_norm(Written(conv, head), (1, 5, 5), order=order) == path_norm(chain, (1, 5, 5), order=order)


@pytest.mark.parametrize("order", [1, 2])
def test_rescaling_what_relu_and_batch_norm_let_pass_changes_nothing(order: int) -> None:
    conv, norm = nn.Conv2d(1, 2, 2, bias=False), nn.BatchNorm2d(2, eps=0.0)
    net = lived(
        nn.Sequential(conv, norm, nn.ReLU(), nn.Flatten(), nn.Linear(8, 3), nn.ReLU(), nn.Linear(3, 2))
    ).double()
    before = path_norm(net, (1, 3, 3), order=order)
    raw = frobenius_norm(net)
    with torch.no_grad():
        conv.weight *= 10
        norm.get_buffer("running_mean").mul_(10)
        norm.get_buffer("running_var").mul_(100)
        net.get_parameter("4.weight").mul_(7)
        net.get_parameter("4.bias").mul_(7)
        net.get_parameter("6.weight").div_(7)
    assert math.isclose(path_norm(net, (1, 3, 3), order=order), before, rel_tol=1e-12)
    assert frobenius_norm(net) > 2 * raw


def test_a_folded_net_has_the_same_path_norm() -> None:
    net = lived(ResNet12(width=1 / 32, num_classes=2)).double()
    assert math.isclose(path_norm(fold_batch_norm(net), (3, 16, 16)), path_norm(net, (3, 16, 16)), rel_tol=1e-12)


def test_zeroing_the_shortcut_alone_takes_paths_away() -> None:
    net = ResNet18().eval()
    whole = path_norm(net, (3, 8, 8), order=1)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if "shortcut" in name:
                parameter.zero_()
    assert 0 < path_norm(net, (3, 8, 8), order=1) < whole


def test_frobenius_norm_is_that_of_the_flat_vector() -> None:
    net = lived(Residual())
    flat = nn.utils.parameters_to_vector(net.parameters()).detach().double()
    assert math.isclose(frobenius_norm(net), float(flat.square().sum().sqrt()), rel_tol=1e-12)


class _Added(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear, self.shift = nn.Linear(2, 2), nn.Parameter(torch.ones(1, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x) + self.shift


class _Joined(_Added):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.linear(x), self.shift], 1)


class _Constant(_Added):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x) + 1


@pytest.mark.parametrize(
    ("measure", "message"),
    [
        (lambda: path_norm(nn.Linear(2, 2), (2,), order=3), "order must be 1 or 2, got 3"),
        (lambda: path_norm(nn.Sequential(nn.Linear(2, 2), nn.Tanh()), (2,)), "tanh has no part in a ReLU net"),
        (lambda: path_norm(_Added(), (2,)), "add of a constant or of a parameter is not counted"),
        (lambda: path_norm(_Constant(), (2,)), "add of a constant or of a parameter is not counted"),
        (lambda: path_norm(_Joined(), (2,)), "cat of a constant or of a parameter is not counted"),
        (lambda: frobenius_norm(nn.ReLU()), "ReLU has no parameters"),
        (
            lambda: path_norm(nn.Sequential(nn.ReLU(), nn.BatchNorm1d(2, track_running_stats=False)), (2,)),
            "without running statistics",
        ),
    ],
)
def test_what_has_no_norm_is_named(measure, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        measure()
