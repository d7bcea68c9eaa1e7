"""Gradients by shards: those of the plain loss, shard by shard, and the same whatever the threads."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from goodminima.nets import ResNet12
from goodminima.nets.resnet12 import DropBlock
from goodminima.train.few_shot.shards import Shards

GENERATOR = torch.Generator().manual_seed(0)
X, Y = torch.randn(12, 3, 16, 16, generator=GENERATOR), torch.arange(12) % 5


def _net(drop_rate: float = 0.0) -> ResNet12:
    with torch.random.fork_rng():
        torch.manual_seed(7)
        return ResNet12(width=1 / 16, num_classes=5, drop_rate=drop_rate, drop_size=1).train()


def _gradients(net: nn.Module) -> list[torch.Tensor]:
    return [parameter.grad for parameter in net.parameters() if parameter.grad is not None]


def test_without_batch_norm_the_shards_make_up_the_whole_batch() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(768, 8), nn.ReLU(), nn.Linear(8, 5)).double()
    plain = copy.deepcopy(net)
    loss = F.cross_entropy(plain(X.double()), Y)
    loss.backward()
    with Shards(net, 3) as shards:
        share = shards.gradient(X.double(), Y)
    assert share.loss == pytest.approx(loss.item(), rel=1e-6)
    assert share.right == int((plain(X.double()).argmax(1) == Y).sum())
    torch.testing.assert_close(_gradients(net), _gradients(plain))


def test_each_shard_is_normalised_by_itself_and_running_statistics_are_averaged() -> None:
    net, halves = _net(), [_net(), _net()]
    for half, x, y in zip(halves, X.chunk(2), Y.chunk(2), strict=True):
        F.cross_entropy(half(x), y).backward()
    with Shards(net, 2) as shards:
        shards.gradient(X, Y)
        shards.collect_buffers()
    mean = [(one + two) / 2 for one, two in zip(*map(_gradients, halves), strict=True)]
    torch.testing.assert_close(_gradients(net), mean)
    one, two = (dict(half.named_buffers()) for half in halves)
    for name, buffer in net.named_buffers():
        torch.testing.assert_close(buffer.double(), (one[name].double() + two[name].double()) / 2, msg=name)


def test_a_step_of_the_net_is_a_step_of_its_replicas() -> None:
    net = _net()
    with Shards(net, 2) as shards:
        before = shards.gradient(X, Y).loss
        torch.optim.SGD(net.parameters(), lr=0.1).step()
        after = shards.gradient(X, Y).loss
    assert after != before
    for replica in shards.replicas:
        assert all(torch.equal(a, b) for a, b in zip(replica.parameters(), net.parameters(), strict=True))


def test_the_same_seed_gives_the_same_bits_with_drop_block_too() -> None:
    runs = []
    for seed in (3, 3, 4):
        net = _net(drop_rate=0.5)
        with Shards(net, 4, seed=seed) as shards:
            shards.gradient(X, Y)
            shards.gradient(X, Y)
        runs.append(torch.cat([gradient.flatten() for gradient in _gradients(net)]))
    assert any(isinstance(module, DropBlock) for module in _net().modules())
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


def test_the_callers_number_of_threads_is_left_alone() -> None:
    before = torch.get_num_threads()
    with Shards(_net(), 2) as shards:
        shards.gradient(X, Y)
    assert torch.get_num_threads() == before


def test_batches_that_cannot_be_cut_are_named() -> None:
    with Shards(_net(), 5) as shards, pytest.raises(ValueError, match="a batch of 12 cannot be cut into 5 equal parts"):
        shards.gradient(X, Y)
    with pytest.raises(ValueError, match="count must be at least 1, got 0"):
        Shards(_net(), 0)
