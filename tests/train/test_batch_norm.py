"""Statistics taken anew are those of the batch, at every depth."""

import torch
from torch import nn

from goodminima.train.batch_norm import with_statistics_of


def _net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4, momentum=0.3), nn.ReLU(), nn.Flatten(), nn.Linear(36, 6),
        nn.Dropout(0.9), nn.BatchNorm1d(6),
    )  # fmt: skip


def test_every_layer_has_the_statistics_of_what_it_reads() -> None:
    net, x = _net(), torch.randn(40, 2, 5, 5, generator=torch.Generator().manual_seed(1))
    net.train()(x)  # something to forget
    before = {name: value.clone() for name, value in net.state_dict().items()}
    fresh = with_statistics_of(net, x)
    maps = fresh[0](x)
    torch.testing.assert_close(fresh[1].running_mean, maps.mean((0, 2, 3)))
    torch.testing.assert_close(fresh[1].running_var, maps.var((0, 2, 3)))
    # Normalised by the batch itself as in training, and no dropout.
    features = fresh[4](fresh[3](torch.relu(fresh[1].train()(maps))))
    fresh.eval()
    torch.testing.assert_close(fresh[6].running_mean, features.mean(0))
    torch.testing.assert_close(fresh[6].running_var, features.var(0))
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert (fresh[1].momentum, fresh[6].momentum, fresh.training, net.training) == (0.3, 0.1, False, True)


def test_a_net_without_batch_norm_is_copied() -> None:
    net = nn.Linear(2, 2)
    copy = with_statistics_of(net, torch.zeros(3, 2))
    assert copy is not net
    assert torch.equal(copy.weight, net.weight)
