"""A layer's spectral norm is the largest singular value of its matrix, written down entry by entry."""

import itertools
import math

import numpy as np
import pytest
import torch
from tiny_nets import Dense, Residual, lived
from torch import nn

from goodminima.measure import spectral_norm_product, spectral_norms


def _matrix(conv: nn.Conv2d, height: int, width: int) -> np.ndarray:
    """The convolution as a matrix from (C, H, W) to (O, h, w), by its definition."""
    weight = conv.weight.detach().double().numpy()
    (stride, _), (padding, _), (dilation, _) = conv.stride, conv.padding, conv.dilation
    assert not isinstance(padding, str)
    outputs, inputs_of_group, side, _ = weight.shape
    rows, columns = ((n + 2 * padding - dilation * (side - 1) - 1) // stride + 1 for n in (height, width))
    matrix = np.zeros((outputs, rows, columns, conv.in_channels, height, width))
    for o, i, j in itertools.product(range(outputs), range(rows), range(columns)):
        first = o // (outputs // conv.groups) * inputs_of_group
        for c, a, b in itertools.product(range(inputs_of_group), range(side), range(side)):
            y, x = stride * i + dilation * a - padding, stride * j + dilation * b - padding
            if 0 <= y < height and 0 <= x < width:
                matrix[o, i, j, first + c, y, x] = weight[o, c, a, b]
    return matrix.reshape(outputs * rows * columns, -1)


@pytest.mark.parametrize("side", [4, 9])  # written out by the library as well; by Lanczos
@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv2d(2, 3, 3, padding=1),
        nn.Conv2d(2, 3, 3, stride=2, padding=2, bias=False),
        nn.Conv2d(4, 2, 2, groups=2),
        nn.Conv2d(1, 2, 2, dilation=2, padding=1),
    ],
)
def test_convolution_has_the_norm_of_its_matrix(conv: nn.Conv2d, side: int) -> None:
    lived(conv)
    expected = np.linalg.norm(_matrix(conv, side, side), ord=2)
    (found,) = spectral_norms(nn.Sequential(conv, nn.ReLU()), (conv.in_channels, side, side))
    assert found.layer == "0"
    assert math.isclose(found.norm, expected, rel_tol=1e-9)


def test_transposed_convolution_has_the_norm_of_the_convolution() -> None:
    back = lived(nn.ConvTranspose2d(2, 3, 3, stride=2, padding=1, bias=False))
    there = nn.Conv2d(3, 2, 3, stride=2, padding=1, bias=False)
    there.weight = back.weight
    (found,) = spectral_norms(back, (2, 7, 7))
    assert math.isclose(found.norm, np.linalg.norm(_matrix(there, 13, 13), ord=2), rel_tol=1e-9)


def test_largest_entry_of_the_transfer_function_is_approached_from_below() -> None:
    """A kernel (1, -1) has norm 2 cos(pi / 2 (n + 1)) on n pixels: its A'A is the second difference, 2 on the diagonal.

    With padding 1 on both sides all n + 1 differences are there, and the eigenvalues of A'A are 4 sin^2(k pi / 2 (n + 1)).
    """
    conv = nn.Conv1d(1, 1, 2, padding=1, bias=False)
    conv.weight.data = torch.tensor([[[1.0, -1.0]]])
    for n in (10, 100):
        (found,) = spectral_norms(conv, (1, n))
        assert math.isclose(found.norm, 2 * math.sin(n * math.pi / (2 * (n + 1))), rel_tol=1e-9)


def test_layers_come_in_the_order_of_their_calls_with_batch_norm_in_them() -> None:
    net = lived(Residual())
    found = spectral_norms(net, (1, 4, 4))
    assert [layer.layer for layer in found] == ["path.0", "shortcut.0", "head"]
    conv, norm = net.shortcut
    assert isinstance(norm, nn.BatchNorm2d)
    scale = norm.weight / (norm.get_buffer("running_var") + norm.eps).sqrt()
    shortcut = conv.get_parameter("weight").detach() * scale.detach()[:, None, None, None]
    assert math.isclose(found[1].norm, float(shortcut.norm()), rel_tol=1e-6)  # one channel in: strided, 1x1
    assert math.isclose(found[2].norm, np.linalg.norm(net.head.weight.detach().double(), ord=2), rel_tol=1e-12)
    product = found[0].norm * found[1].norm * found[2].norm
    assert math.isclose(spectral_norm_product(net, (1, 4, 4)), product, rel_tol=1e-12)


def test_a_batch_norm_of_its_own_counts_by_its_largest_scale() -> None:
    net = lived(Dense()).requires_grad_(False)
    found = dict(spectral_norms(net, (2, 2, 2)))
    scale = net.norm.weight / (net.norm.running_var + net.norm.eps).sqrt()
    assert list(found) == ["norm", "conv", "head"]
    assert math.isclose(found["norm"], float(scale.abs().max()), rel_tol=1e-6)


def test_a_layer_called_twice_counts_twice() -> None:
    layer = nn.Linear(3, 3)
    (once,) = spectral_norms(layer, (3,))
    product = spectral_norm_product(nn.Sequential(layer, nn.ReLU(), layer), (3,))
    assert math.isclose(product, once.norm**2, rel_tol=1e-12)


def test_a_chain_cannot_stretch_more_than_the_product() -> None:
    net = lived(nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()))
    net.append(lived(nn.Linear(12, 4))).double().eval().requires_grad_(False)
    x, y = torch.randn(2, 500, 1, 6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    stretched = (net(x) - net(y)).norm(dim=1) / (x - y).flatten(1).norm(dim=1)
    assert float(stretched.max()) < spectral_norm_product(net, (1, 6, 6))


def test_zero_has_norm_zero_and_progress_is_told() -> None:
    conv = nn.Conv2d(1, 2, 3, padding=1)
    conv.weight.data.zero_()
    told = []
    found = spectral_norms(
        nn.Sequential(conv, nn.Flatten(), nn.Linear(200, 2)),
        (1, 10, 10),
        callback=lambda at: told.append((at.done, at.total)),
    )
    assert found[0].norm == 0
    assert told == [(1, 2), (2, 2)]


def test_weights_that_would_be_left_out_are_named() -> None:
    class Product(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.matrix = nn.Parameter(torch.eye(2))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x @ self.matrix

    with pytest.raises(ValueError, match="Product uses matrix in no linear map, convolution or BatchNorm"):
        spectral_norms(Product(), (2,))
