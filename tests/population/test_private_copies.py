"""Copies are handed out to one at a time, used again, and thrown away where something broke."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import torch
from torch import nn

from goodminima.population import Population
from goodminima.population.private_copies import PrivateCopies


def _net() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.GELU(), nn.Linear(4, 2)).eval()


def test_every_thread_has_its_own_and_all_are_used_again() -> None:
    copies, together = PrivateCopies(_net()), Barrier(4)

    def borrow(wait: bool) -> int:
        with copies.borrowed() as net:
            if wait:
                together.wait(timeout=10)
            return id(net)

    with ThreadPoolExecutor(4) as pool:
        first = set(pool.map(borrow, [True] * 4))
    assert len(first) == 4
    assert {borrow(False) for _ in range(20)} <= first


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_copy_that_broke_is_not_used_again(error: type[BaseException]) -> None:
    net = _net()
    copies = PrivateCopies(net)

    def breaking() -> None:
        with copies.borrowed() as broken:
            broken[0].weight.data.zero_()
            raise error

    with pytest.raises(error):
        breaking()
    with copies.borrowed() as other:
        assert torch.equal(other[0].weight, net[0].weight)


def test_what_becomes_of_the_net_later_is_not_seen() -> None:
    net = _net()
    copies, weight = PrivateCopies(net), net[0].weight.detach().clone()
    net[0].weight.data.zero_()
    with copies.borrowed() as one, copies.borrowed() as other:
        assert torch.equal(one[0].weight, weight)
        assert torch.equal(other[0].weight, weight)


def test_buffers_go_with_members_of_another_type() -> None:
    net, x = _net(), torch.linspace(-1, 1, 12).view(4, 3)
    population = Population(net, torch.linspace(-1, 1, 34)[None].double())
    nn.utils.vector_to_parameters(population.theta[0].float(), net.parameters())
    assert torch.allclose(population.logits(x.double())[0], net.double()(x.double()), atol=1e-6)


def test_an_evaluated_population_can_be_sent_to_another_process() -> None:
    population, x = Population(_net(), torch.linspace(-1, 1, 34)[None]), torch.ones(2, 3)
    logits = population.logits(x)
    assert torch.equal(pickle.loads(pickle.dumps(population)).logits(x), logits)
