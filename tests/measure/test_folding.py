"""A folded net computes what the net does, without BatchNorm wherever it can be had in the weights."""

import pytest
import torch
import torch.nn.functional as F
from tiny_nets import Dense, Residual, lived
from torch import nn

from goodminima.measure import fold_batch_norm
from goodminima.nets import DenseNet40, ResNet12, ResNet18, SmallConv

MAKERS = {
    "conv1d": (lambda: nn.Sequential(nn.Conv1d(2, 3, 2), nn.BatchNorm1d(3), nn.ReLU()), (2, 5)),
    "conv2d, grouped": (lambda: nn.Sequential(nn.Conv2d(2, 4, 3, groups=2, bias=False), nn.BatchNorm2d(4)), (2, 5, 5)),
    "conv3d": (lambda: nn.Sequential(nn.Conv3d(1, 2, 2), nn.BatchNorm3d(2)), (1, 3, 3, 3)),
    "linear": (lambda: nn.Sequential(nn.Linear(3, 4, bias=False), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2)), (3,)),
    "no affine": (lambda: nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4, affine=False)), (3,)),
    "residual": (Residual, (1, 4, 4)),
    "small conv": (SmallConv, (3, 32, 32)),
    "ResNet18": (ResNet18, (3, 32, 32)),
    "ResNet12 with DropBlock": (lambda: ResNet12(width=1 / 16, num_classes=3, drop_rate=0.3), (3, 16, 16)),
}


class _Shared(nn.Module):
    """A convolution called twice, a convolution read twice, a tied weight, and dropout in between: nothing to fold."""

    def __init__(self) -> None:
        super().__init__()
        self.twice, self.one, self.other = nn.Linear(3, 3), nn.BatchNorm1d(3), nn.BatchNorm1d(3)
        self.read, self.behind = nn.Linear(3, 3), nn.BatchNorm1d(3)
        self.tied, self.normed = nn.Linear(3, 3), nn.BatchNorm1d(3)
        self.far = nn.Sequential(nn.Linear(3, 3), nn.Dropout(), nn.BatchNorm1d(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.other(self.twice(self.one(self.twice(x))))
        read = self.read(x)
        x = self.behind(read) + read
        return self.far(F.linear(self.normed(self.tied(x)), self.tied.weight.t()))


class _Branching(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if x.sum() > 0 else -x


def _num_norms(net: nn.Module) -> int:
    return sum(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in net.modules())


@pytest.mark.parametrize("name", MAKERS)
def test_folded_net_is_the_net_in_eval_mode_without_batch_norm(name: str) -> None:
    make, shape = MAKERS[name]
    net = lived(make())
    x = torch.randn(3, *shape, generator=torch.Generator().manual_seed(1))
    before = {key: tensor.clone() for key, tensor in net.state_dict().items()}
    found = fold_batch_norm(net)
    assert not found.training
    assert _num_norms(found) == 0
    assert net.training
    assert all(torch.equal(tensor, before[key]) for key, tensor in net.state_dict().items())
    expected = net.eval()(x).detach()
    torch.testing.assert_close(found(x), expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.parametrize(("make", "left", "shape"), [(Dense, 1, (2, 2, 2)), (_Shared, 5, (3,))])
def test_a_batch_norm_that_cannot_be_folded_stays(make: type[nn.Module], left: int, shape: tuple[int, ...]) -> None:
    net = lived(make()).double()
    x = torch.randn(4, *shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = fold_batch_norm(net)
    assert _num_norms(found) == left
    torch.testing.assert_close(found(x), net.eval()(x))


def test_of_a_densenet_only_the_norm_within_each_layer_is_folded() -> None:
    net = lived(DenseNet40(growth=2)).double()
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = fold_batch_norm(net)
    # First in its layer, in a transition or in front of the pooling: 18 + 2 + 1. The others are behind a convolution,
    # as is the very first, but what that one reads the concatenation reads as well.
    assert _num_norms(found) == 21
    torch.testing.assert_close(found(x), net.eval()(x))


def test_without_batch_norm_nothing_has_to_be_traced() -> None:
    net = nn.Sequential(_Branching(), nn.Linear(2, 2)).double()
    x = torch.randn(3, 2, dtype=torch.float64)
    assert torch.equal(fold_batch_norm(net)(x), net(x))


def test_what_cannot_be_folded_is_named() -> None:
    with pytest.raises(ValueError, match=r"Sequential cannot be traced by torch\.fx, so BatchNorm is not folded"):
        fold_batch_norm(nn.Sequential(_Branching(), nn.BatchNorm1d(2)))
    with pytest.raises(ValueError, match="BatchNorm 1 has no running statistics"):
        fold_batch_norm(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2, track_running_stats=False)))
