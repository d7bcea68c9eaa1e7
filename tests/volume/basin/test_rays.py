"""Rays end where the loss first rises above a cutoff."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goodminima.volume.basin.rays import Crossings, Stride, first_crossings

FAR = 100.0


def follow(
    loss: Callable[[np.ndarray, np.ndarray], np.ndarray],
    cutoffs: list[float],
    rays: int,
    *,
    at_centre: float = 0.0,
    growth: float = 1.5,
    tolerance: float = 1e-6,
    first: float = 1e-3,
) -> Crossings:
    stride = Stride(first=first, growth=growth, tolerance=tolerance)
    limits = np.full(rays, FAR)
    return first_crossings(loss, np.array(cutoffs), limits=limits, at_centre=at_centre, stride=stride)


@pytest.mark.parametrize(
    ("loss", "crossing"),
    [
        (lambda a, t: a * t**2, lambda a, c: math.sqrt(c / a)),
        (lambda a, t: a * t**0.3, lambda a, c: (c / a) ** (1 / 0.3)),
        (lambda a, t: np.expm1(a * t), lambda a, c: math.log1p(c) / a),
        (lambda a, t: np.logaddexp(0, 20 * (a * t - 1)), lambda a, c: (1 + math.log(math.expm1(c)) / 20) / a),
        (lambda a, t: a * t - 3, lambda a, c: (c + 3) / a),
        (lambda a, t: 1e-6 * t + (a * t > 1), lambda a, c: 1 / a),
        (lambda a, t: np.where(a * t > 1, np.nan, 1e-6), lambda a, c: 1 / a),
        (lambda a, t: np.where(a * t > 1, np.inf, 0.0), lambda a, c: 1 / a),
    ],
    ids=["square", "root", "exponential", "softplus", "from below zero", "jump", "nan", "infinity"],
)
def test_crossings_are_where_they_are(
    loss: Callable[[np.ndarray, np.ndarray], np.ndarray], crossing: Callable[[float, float], float]
) -> None:
    scales, cutoffs = np.geomspace(0.5, 50, 40), [0.05, 0.1, 0.9]
    start = float(loss(np.ones(1), np.full(1, 1e-300))[0])
    found = follow(lambda rays, t: loss(scales[rays], t), cutoffs, 40, at_centre=start)
    truth = np.array([[crossing(a, c) for a in scales] for c in cutoffs])
    assert found.crossed.all()
    assert np.abs(np.log(found.radius / truth)).max() < 2e-6


@given(
    power=st.floats(0.3, 8), scale=st.floats(-3, 3), wobble=st.floats(0, 0.5), cutoff=st.floats(1e-3, 10),
    growth=st.floats(1.05, 4.0), tolerance=st.sampled_from([1e-2, 1e-4, 1e-7]),
)  # fmt: skip
@settings(max_examples=150)
def test_the_loss_crosses_within_the_tolerance(
    power: float, scale: float, wobble: float, cutoff: float, growth: float, tolerance: float
) -> None:
    def loss(
        rays: np.ndarray, t: np.ndarray
    ) -> np.ndarray:  # increasing, its slope in log t between (1 -+ wobble) power
        log_t = np.log(t) - scale
        return np.exp(power * (log_t + wobble * np.sin(5 * log_t + rays) / 5))

    found = follow(loss, [cutoff], 5, growth=growth, tolerance=tolerance, first=1e-5)
    rays = np.arange(5)
    inside = found.crossed[0]
    assert (loss(rays, found.radius[0] * (1 - 3 * tolerance))[inside] <= cutoff).all()
    assert (loss(rays, found.radius[0] * (1 + 3 * tolerance))[inside] > cutoff).all()
    assert (loss(rays, np.full(5, FAR))[~inside] <= cutoff).all()


def test_a_power_law_takes_one_loss_after_its_bracket() -> None:
    scales = np.geomspace(0.5, 2, 10)
    found = follow(lambda rays, t: scales[rays] * t**2, [0.1], 10, first=0.9 * math.sqrt(0.05), growth=4.0)
    assert found.evaluations == 3 * 10


def test_rays_without_a_crossing_are_kept() -> None:
    found = follow(lambda rays, t: np.where(rays == 1, 0.0, t), [0.1, 1.0], 3)
    assert found.crossed.tolist() == [[True, False, True]] * 2
    assert found.radius[:, 1].tolist() == [FAR, FAR]


def test_a_ray_ends_at_its_own_limit() -> None:
    limits = np.array([1e-9, 0.05, 0.2])
    stride = Stride(first=0.01, growth=1.5, tolerance=1e-9)
    found = first_crossings(lambda rays, t: t, np.array([0.1]), limits=limits, at_centre=0.0, stride=stride)
    assert found.crossed.tolist() == [[False, False, True]]
    assert found.radius[0] == pytest.approx([1e-9, 0.05, 0.1])


def test_the_first_crossing_counts_and_a_ridge_within_one_step_does_not() -> None:
    def ridge(low: float, high: float) -> Crossings:
        return follow(lambda rays, t: np.where((t > low) & (t < high), 1.0, 0.01 * t), [0.1], 1, first=1.0, growth=2.0)

    assert ridge(1.9, 2.1).radius.item() == pytest.approx(1.9, rel=1e-5)
    assert ridge(2.1, 3.9).radius.item() == pytest.approx(10.0, rel=1e-5)


def test_a_crossing_before_the_first_step_is_found() -> None:
    found = follow(lambda rays, t: t, [1e-6], 1, first=1.0)
    assert found.radius.item() == pytest.approx(1e-6, rel=2e-6)


def test_higher_cutoffs_are_not_crossed_earlier() -> None:
    found = follow(
        lambda rays, t: t + 0.4 * np.sin(40 * t + rays), [0.1, 0.3, 0.5, 2.0], 50, at_centre=-1.0, growth=3.0
    )
    assert (np.diff(found.radius, axis=0) >= 0).all()


def test_company_changes_nothing() -> None:
    def loss(rays: np.ndarray, t: np.ndarray) -> np.ndarray:
        return t * (1 + rays) + t**3

    together = follow(loss, [0.1, 1.0], 6)
    alone = [follow(lambda rays, t, k=k: loss(rays + k, t), [0.1, 1.0], 1).radius for k in range(6)]
    assert together.radius == pytest.approx(np.concatenate(alone, axis=1), rel=1e-14)
