"""Counting against the binomial distribution itself."""

import math

import numpy as np
import pytest
from scipy import stats

from goodminima.volume import Count


def _coverage(p: float, n: int) -> float:
    """Exactly: the probabilities of all outcomes whose interval holds the truth."""
    covered = 0.0
    first, last = stats.binom.ppf([1e-12, 1 - 1e-12], n, p)
    for hits in range(int(first), int(last) + 1):
        volume = Count(hits, n).log_volume(0.95)
        if volume.low <= math.log(p) <= volume.high:
            covered += float(stats.binom.pmf(hits, n, p))
    return covered


@pytest.mark.parametrize(("p", "n"), [(0.5, 30), (0.02, 200), (0.3, 7)])
def test_the_interval_covers_at_least_as_often_as_it_says(p: float, n: int) -> None:
    assert _coverage(p, n) >= 0.95 - 1e-11


@pytest.mark.parametrize("hits", [8, 20, 50, 200])
def test_with_eight_expected_hits_and_more_it_is_not_much_wider(hits: int) -> None:
    """Of hits that are hardly ever none or one, an exact interval must hold more than 95 %; from eight on, below 99 %."""
    assert max(_coverage(hits * factor / 100_000, 100_000) for factor in (0.95, 1.0, 1.05)) < 0.99


def test_ends_of_the_interval_are_tail_probabilities() -> None:
    volume = Count(7, 100).log_volume(0.9)
    assert stats.binom.sf(6, 100, math.exp(volume.low)) == pytest.approx(0.05)
    assert stats.binom.cdf(7, 100, math.exp(volume.high)) == pytest.approx(0.05)
    assert volume.estimate == pytest.approx(math.log(0.07))


def test_no_hit_is_an_upper_bound() -> None:
    volume = Count(0, 10**12).log_volume(0.95)
    assert volume.is_bound
    assert volume.low == -math.inf
    assert volume.high == pytest.approx(math.log(-math.log(0.05)) - 12 * math.log(10))


def test_all_hits_reach_up_to_one() -> None:
    assert Count(20, 20).log_volume().high == 0


def test_counts_add() -> None:
    parts = [Count(int(h), 50) for h in np.random.default_rng(0).integers(0, 9, 20)]
    assert sum(parts[1:], parts[0]) == Count(sum(c.hits for c in parts), 1000)


@pytest.mark.parametrize(("hits", "guesses"), [(-1, 3), (4, 3)])
def test_impossible_counts_are_refused(hits: int, guesses: int) -> None:
    with pytest.raises(ValueError, match="hits must lie in"):
        Count(hits, guesses)


def test_bad_questions_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one guess"):
        Count(0, 0).log_volume()
    with pytest.raises(ValueError, match="confidence must lie"):
        Count(1, 2).log_volume(1.0)
