"""What a level asks for."""

import math

import pytest
import torch

from goodminima.volume import Level


def test_margins_are_strict_and_unasked_ones_do_not_matter() -> None:
    level = Level(torch.tensor([0.5, -math.inf, 0.0], dtype=torch.float64))
    margins = torch.tensor([[0.6, -9.0, 0.1], [0.5, 9.0, 0.1], [0.6, math.nan, 0.1], [0.6, 0.0, math.nan]])
    assert level.holds(margins, torch.zeros(4)).tolist() == [True, False, True, False]


def test_losses_lie_in_a_half_open_interval() -> None:
    level = Level(torch.zeros(1, dtype=torch.float64), loss_at_least=0.3, loss_below=0.5)
    losses = torch.tensor([0.2999, 0.3, 0.4999, 0.5, math.nan], dtype=torch.float64)
    assert level.holds(torch.ones(5, 1), losses).tolist() == [False, True, True, False, False]


def test_everything_asks_for_nothing() -> None:
    level = Level.everything(3)
    assert not level.asks_for_loss
    assert level.holds(torch.full((2, 3), math.nan), torch.full((2,), math.nan)).all()


def test_an_interval_without_a_loss_is_refused() -> None:
    with pytest.raises(ValueError, match="loss_at_least must be less than loss_below"):
        Level(torch.zeros(1, dtype=torch.float64), loss_at_least=0.5, loss_below=0.5)
