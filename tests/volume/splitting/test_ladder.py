"""The next level against a literal search for it, and against the theory of order statistics."""

import math

import numpy as np
import pytest
import torch

from goodminima.volume import Level, TargetValues
from goodminima.volume.splitting.ladder import fit_rung, loss_rung, next_above, rising_loss_rung


def naive_fit_rung(margins: np.ndarray, order: list[int]) -> tuple[list[float], list[bool]]:
    """Example by example, threshold by threshold, until at most half of the particles are left."""
    particles, num = margins.shape
    alive = [True] * particles
    thresholds = [-math.inf] * num
    for example in order:
        still = alive
        for threshold in [*sorted(m for m, a in zip(margins[:, example], alive, strict=True) if a and m <= 0), 0.0]:
            thresholds[example] = threshold
            still = [a and m > threshold for m, a in zip(margins[:, example], alive, strict=True)]
            if 2 * sum(still) <= particles:
                return thresholds, still
        alive = still
    return thresholds, alive


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("shift", [0.0, 1.5, 3.0])
def test_the_next_level_is_where_half_are_left(seed: int, shift: float) -> None:
    rng = np.random.default_rng(seed)
    margins, order = rng.normal(shift, 1, (30, 5)), rng.permutation(5)
    thresholds, survivors = naive_fit_rung(margins, order.tolist())
    values = TargetValues(torch.from_numpy(margins), torch.zeros(30, dtype=torch.float64))
    rung = fit_rung(values, Level.everything(5), torch.from_numpy(order))
    assert rung.level.margin_above.tolist() == thresholds
    assert rung.survivors.tolist() == survivors
    assert torch.equal(rung.level.holds(values.margins, values.losses), rung.survivors)


def test_shares_of_all_that_have_the_first_k_right_are_told_in_passing() -> None:
    margins = torch.tensor([[1.0, 1.0, -2.0], [1.0, 1.0, -1.0], [1.0, -1.0, 1.0], [1.0, 1.0, 1.0], [1.0, 1.0, -3.0]])
    rung = fit_rung(TargetValues(margins, torch.zeros(5)), Level.everything(3), torch.arange(3))
    assert rung.level.margin_above.tolist() == [0.0, 0.0, -3.0]  # the second of five to go
    assert rung.fitted == {1: 1.0, 2: 0.8}
    again = fit_rung(TargetValues(margins, torch.zeros(5)), rung.level, torch.arange(3))
    assert again.fitted == {}


def test_nan_is_the_first_to_go() -> None:
    margins = torch.tensor([[math.nan], [-1.0], [-2.0], [1.0]])
    rung = fit_rung(TargetValues(margins, torch.zeros(4)), Level.everything(1), torch.arange(1))
    assert rung.survivors.tolist() == [False, True, False, True]


def test_losses_fall_by_halves_and_then_to_the_goal() -> None:
    losses = torch.tensor([0.1, 0.2, 0.3, 0.4, math.nan, 0.5], dtype=torch.float64)
    values, level = TargetValues(torch.ones(6, 1), losses), Level(torch.zeros(1, dtype=torch.float64))
    rung = loss_rung(values, level, loss_below=0.15)
    assert rung.level.loss_below == 0.4
    assert rung.survivors.tolist() == [True, True, True, False, False, False]
    rung = loss_rung(values, level, loss_below=0.4)
    assert rung.level.loss_below == next_above(0.4)
    assert rung.survivors.tolist() == [True, True, True, True, False, False]


def test_losses_rise_to_the_lower_edge_of_a_bin() -> None:
    losses = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    values, level = TargetValues(torch.ones(4, 1), losses), Level(torch.zeros(1, dtype=torch.float64), loss_below=0.45)
    rung = rising_loss_rung(values, level, loss_above=0.35)
    assert rung.level.loss_at_least == next_above(0.2)
    assert rung.survivors.tolist() == [False, False, True, True]
    rung = rising_loss_rung(values, level, loss_above=0.1)
    assert rung.level.loss_at_least == next_above(0.1)
    assert rung.survivors.tolist() == [False, True, True, True]


def test_where_all_particles_are_one_none_goes_on() -> None:
    values = TargetValues(torch.full((4, 1), -1.0), torch.zeros(4))
    assert not fit_rung(values, Level.everything(1), torch.arange(1)).survivors.any()
