"""From runs to an interval: against known laws."""

import math

import numpy as np
import pytest
from scipy import stats

from goodminima.core.status import Status
from goodminima.volume import Count
from goodminima.volume.splitting.interval import combine, status_of
from goodminima.volume.splitting.sampler import RunEstimate


def _readings(logs: np.ndarray, *, families: int = 100, levels: int = 9) -> list[RunEstimate]:
    return [RunEstimate(log_volume=log, ceiling=-1.0, levels=levels, families=families) for log in logs.tolist()]


@pytest.mark.parametrize("spread", [0.05, 0.3, 1.0])
def test_intervals_of_lognormal_runs_cover(spread: float) -> None:
    """log V-hat ~ N(log V - s^2 / 2, s^2), five runs, 2,000 times: 95 % up to five standard errors (2.4 %)."""
    rng, truth, held = np.random.default_rng(0), -30.0, 0
    for _ in range(2000):
        volume = combine(_readings(rng.normal(truth - spread**2 / 2, spread, 5)), particles=256)
        held += volume.low <= truth <= volume.high
    assert abs(held / 2000 - 0.95) < 5 * math.sqrt(0.95 * 0.05 / 2000)


def test_one_level_is_counting() -> None:
    logs = np.log(np.array([150, 160, 155]) / 256)
    assert combine(_readings(logs, levels=1), particles=256) == Count(465, 768).log_volume()
    assert combine(_readings(np.zeros(3), levels=1), particles=256).low < 0


def test_a_single_run_has_no_upper_end_but_one() -> None:
    volume = combine(_readings(np.array([-5.0])), particles=256)
    assert volume.estimate == -5.0
    assert volume.high == 0.0
    assert volume.low == pytest.approx(-5.0 + math.log(0.025))


def test_runs_that_stopped_mixing_give_a_lower_bound() -> None:
    estimates = _readings(np.array([-9.0, -11.0]), families=2)
    volume = combine(estimates, particles=256)
    assert status_of(estimates) is Status.STOPPED_MIXING
    assert volume.is_bound
    assert volume.low == pytest.approx(-10 + math.log(0.025) / 2)
    assert str(volume).startswith("log V >= -11.844")


def test_a_run_that_did_not_arrive_counts_as_zero() -> None:
    estimates = _readings(np.array([-9.0, -math.inf]))
    assert status_of(estimates) is Status.STOPPED_MIXING
    assert combine(estimates, particles=256).low == pytest.approx(-9 - math.log(2) + math.log(0.025))


@pytest.mark.parametrize("spread", [0.5, 2.0, 6.0])
def test_the_lower_bound_holds_at_least_as_often_as_it_says(spread: float) -> None:
    rng, held = np.random.default_rng(1), 0
    for _ in range(1000):
        volume = combine(_readings(rng.normal(-(spread**2) / 2, spread, 5), families=1), particles=256)
        held += volume.low <= 0
    assert stats.binomtest(held, 1000, 0.95, alternative="less").pvalue > 1e-6


def test_no_arrival_is_an_upper_bound() -> None:
    estimates = [RunEstimate(log_volume=-math.inf, ceiling=c, levels=9, families=100) for c in (-40.0, -38.0)]
    volume = combine(estimates, particles=256)
    assert status_of(estimates) is Status.EMPTY
    assert (volume.estimate, volume.low) == (None, -math.inf)
    assert volume.high == pytest.approx(-38.0 + stats.norm.ppf(0.95) * 3 / 16)


def test_confidence_is_checked() -> None:
    with pytest.raises(ValueError, match="confidence must lie between 0 and 1, got 1"):
        combine(_readings(np.zeros(2)), particles=256, confidence=1.0)
