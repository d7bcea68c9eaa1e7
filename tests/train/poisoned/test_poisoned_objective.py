"""The objective is equation 3 on what is drawn for the step, whatever the net."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from goodminima.tasks import Examples, FreshRolls, swiss_roll
from goodminima.train import ExtraBatches, PoisonedObjective


def literally(net: nn.Module, batch: Examples, extra: Examples, beta: float) -> torch.Tensor:
    """Equation 3, term by term."""
    p = net(batch.x).softmax(1)[torch.arange(len(batch)), batch.y]
    q = net(extra.x).softmax(1)[torch.arange(len(extra)), extra.y]
    return (1 - beta) / len(batch) * -p.log().sum() + beta / len(extra) * -(1 - q).log().sum()


@pytest.mark.parametrize("beta", [0.0, 0.1, 0.5, 1.0])
def test_it_is_equation_3_on_the_examples_of_the_step(beta: float) -> None:
    torch.manual_seed(0)
    net, draw, batch = (
        nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 3)),
        FreshRolls(seed=1),
        swiss_roll(seed=0).train,
    )
    for step in (0, 3):
        found = PoisonedObjective(beta=beta, draw=draw)(net, batch, step)
        torch.testing.assert_close(found, literally(net, batch, draw(step), beta))


def test_with_beta_0_nothing_is_drawn() -> None:
    net, batch = nn.Linear(2, 2), swiss_roll(seed=0).train

    def refuse(step: int) -> Examples:
        raise AssertionError(f"drawn for step {step}")

    found = PoisonedObjective(beta=0, draw=refuse)(net, batch, 0)
    assert found == F.cross_entropy(net(batch.x), batch.y)


def test_batch_norm_sees_both_kinds_of_examples_together() -> None:
    torch.manual_seed(0)
    net, draw, batch = (
        nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)),
        FreshRolls(seed=1),
        swiss_roll(seed=0).train,
    )
    PoisonedObjective(beta=0.3, draw=draw)(net, batch, 2)
    hidden = net[0](torch.cat([batch.x, draw(2).x]))
    torch.testing.assert_close(net[1].running_mean, 0.1 * hidden.mean(0))


def test_each_pass_shows_every_extra_example_once_in_an_order_of_its_own() -> None:
    extra = Examples(torch.arange(12.0), torch.arange(12) % 3)
    draw = ExtraBatches(extra, batch_size=3, seed=4)
    passes = [torch.cat([draw(4 * number + part).x for part in range(4)]) for number in range(3)]
    for each in passes:
        assert sorted(each.tolist()) == list(range(12))
    assert not torch.equal(passes[0], passes[1])
    for step in (11, 0, 7):  # in any order of the steps
        again = ExtraBatches(extra, batch_size=3, seed=4)(step)
        assert torch.equal(draw(step).x, again.x)
        assert torch.equal(again.x.long() % 3, again.y)


def test_what_is_left_over_of_a_pass_is_left_out() -> None:
    draw = ExtraBatches(Examples(torch.arange(7.0), torch.zeros(7).long()), batch_size=3, seed=0)
    assert [len(draw(step)) for step in range(5)] == [3] * 5


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match=r"PoisonedObjective.beta must lie in \[0, 1\], got -0.1"):
        PoisonedObjective(beta=-0.1, draw=FreshRolls(seed=0))
    with pytest.raises(ValueError, match="batch_size must lie between 1 and 200, all there are, got 201"):
        ExtraBatches(swiss_roll(seed=0).train, batch_size=201, seed=0)
