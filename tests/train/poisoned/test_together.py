"""Poisoned training of a population is, member by member, Adam on equation 3."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from goodminima.nets import MLP
from goodminima.population import Glorot, Population
from goodminima.tasks import FreshRolls, swiss_roll
from goodminima.train import PoisonedAdamConfig, PoisonedObjective, poison_together

NET = MLP(in_features=2, hidden=(7, 5), hidden_bias=True)
TASK, DRAW = swiss_roll(seed=0, num_train=40, num_test=10), FreshRolls(seed=1, num_points=20)
BETAS = (0.0, 0.1, 0.3, 0.6, 1.0)


def starts(count: int = len(BETAS)) -> Tensor:
    return Glorot().draw(NET, seed=0, indices=np.arange(count, dtype=np.uint64))


def by_torch(start: Tensor, beta: float, adam: PoisonedAdamConfig) -> Tensor:
    """One member by itself, with PyTorch's Adam, clipping and schedule."""
    net = Population(NET, start[None]).member(0)
    objective = PoisonedObjective(beta=beta, draw=DRAW)
    optimizer = torch.optim.Adam(net.parameters(), lr=adam.lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=adam.steps)
    for step in range(adam.steps):
        optimizer.zero_grad()
        objective(net, TASK.train, step).backward()
        nn.utils.clip_grad_norm_(net.parameters(), adam.clip)
        optimizer.step()
        schedule.step()
    return nn.utils.parameters_to_vector(net.parameters()).detach()


@pytest.mark.parametrize("clip", [8.0, 0.05])
def test_each_member_goes_where_it_would_go_alone_in_torch(clip: float) -> None:
    adam = PoisonedAdamConfig(lr=0.01, steps=20, clip=clip)
    found = poison_together(NET, TASK.train, start=starts(), betas=BETAS, draw=DRAW, adam=adam)
    for member, beta in enumerate(BETAS):
        torch.testing.assert_close(found[member], by_torch(starts()[member], beta, adam), rtol=1e-3, atol=2e-4)


def test_a_member_does_not_depend_on_its_company() -> None:
    adam = PoisonedAdamConfig(steps=60)
    all_ = poison_together(NET, TASK.train, start=starts(), betas=BETAS, draw=DRAW, adam=adam)
    four = poison_together(NET, TASK.train, start=starts()[1:], betas=BETAS[1:], draw=DRAW, adam=adam)
    assert torch.equal(all_[1:], four)


def test_starts_stay_as_they_were_and_steps_are_told() -> None:
    heard, theta = list[float](), starts()
    poison_together(
        NET,
        TASK.train,
        start=theta,
        betas=BETAS,
        draw=DRAW,
        adam=PoisonedAdamConfig(steps=25),
        callback=lambda progress: heard.append(progress.done),
    )
    assert torch.equal(theta, starts())
    assert heard == [10, 20]


def test_the_step_falls_from_lr_to_0_along_half_a_cosine() -> None:
    adam = PoisonedAdamConfig(lr=0.4, steps=100)
    assert [adam.lr_at(step) for step in (0, 50, 100)] == pytest.approx([0.4, 0.2, 0.0])


def test_what_is_refused() -> None:
    def train(net: nn.Module = NET, betas: tuple[float, ...] = BETAS) -> None:
        theta = Glorot().draw(net, seed=0, indices=np.arange(len(BETAS), dtype=np.uint64))
        poison_together(net, TASK.train, start=theta, betas=betas, draw=DRAW, adam=PoisonedAdamConfig(steps=1))

    with pytest.raises(ValueError, match="one beta a member is needed, got 2 for 5 members"):
        train(betas=(0.0, 0.1))
    with pytest.raises(ValueError, match=r"beta must lie in \[0, 1\], got 2"):
        train(betas=(0.0, 0.1, 0.1, 0.1, 2))
    with pytest.raises(ValueError, match="two classes are needed, got 3"):
        train(net=MLP(in_features=2, hidden=(4,), num_classes=3))
    with pytest.raises(ValueError, match=r"PoisonedAdamConfig\.lr must be finite and above 0, got nan"):
        PoisonedAdamConfig(lr=math.nan)
    with pytest.raises(ValueError, match=r"PoisonedAdamConfig\.steps must be at least 1, got 0"):
        PoisonedAdamConfig(steps=0)
