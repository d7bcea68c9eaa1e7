"""Means of numbers known by their logarithms."""

import math

import numpy as np
import pytest
from scipy import stats

from goodminima.volume.basin.log_mean import LogMean, _hall


def of_one_kind(terms: np.ndarray) -> LogMean:
    return LogMean(terms, np.ones(len(terms), dtype=bool))


def test_logarithms_far_from_any_float_are_averaged() -> None:
    mean = of_one_kind(np.array([-5000.0, -5000.0 + math.log(3.0), -math.inf, -math.inf]))
    assert mean.log_value == pytest.approx(-5000.0)
    assert mean.largest_share == pytest.approx(0.75)
    assert mean.effective == pytest.approx(16 / 10)


@pytest.mark.parametrize("skewness", [-0.3, 1e-3, 0.1, 0.5])
@pytest.mark.parametrize("z", [-1.96, 0.0, 1.96])
def test_halls_transformation_is_inverted(skewness: float, z: float) -> None:
    t = _hall(z, skewness)
    assert t + skewness * t**2 / 3 + skewness**2 * t**3 / 27 + skewness / 6 == pytest.approx(z)


@pytest.mark.parametrize(("spread", "number"), [(0.3, 50), (1.0, 1000), (1.5, 3000)])
def test_intervals_cover(spread: float, number: int) -> None:
    """400 intervals of 95 %: between 90 and 98.5 % hold the truth; Binomial(400, .95) is outside with chance 1e-3."""
    rng = np.random.default_rng(1)
    terms = spread * rng.standard_normal((400, number)) - spread**2 / 2  # of expectation 1
    volumes = [of_one_kind(row).volume() for row in terms]
    assert np.mean([volume.estimate is not None for volume in volumes]) > 0.95  # the others are bounds
    assert 0.9 <= np.mean([volume.low <= 0 <= volume.high for volume in volumes]) <= 0.985


def test_a_mean_of_few_terms_is_a_lower_bound_that_holds() -> None:
    """Heavy tails: the bound fails in at most 5 % of 400 runs, or Binomial(400, .05) is above 32 with chance 3e-3."""
    rng = np.random.default_rng(2)
    volumes = [of_one_kind(4 * rng.standard_normal(1000) - 8).volume() for _ in range(400)]
    assert all(volume.estimate is None and volume.high == math.inf for volume in volumes)
    assert sum(volume.low > 0 for volume in volumes) <= stats.binom.ppf(0.997, 400, 0.05)


def test_a_few_equal_terms_are_no_bound() -> None:
    mean = of_one_kind(np.full(10, -7.0))
    volume = mean.volume()
    assert (volume.estimate, volume.low, volume.high) == pytest.approx((-7.0, -7.0, -7.0))


def test_how_many_terms_are_of_either_kind_is_no_error() -> None:
    kinds = np.arange(200) % 10 == 0
    volume = LogMean(np.where(kinds, -math.inf, 0.0), kinds).volume()
    assert (volume.low, volume.high) == pytest.approx((math.log(0.9), math.log(0.9)))
