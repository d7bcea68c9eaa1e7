"""Ji and Telgarsky: the parts of the data, the finite minimiser and the ray, each against another way to know them."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from goodminima.theory.logistic import gradient_descent, smoothness
from goodminima.theory.non_separable import (
    finite_minimiser,
    limit_of,
    non_separable,
    partly_separable,
    separable_rows,
)


@settings(max_examples=20)
@given(seed=st.integers(0, 10**6))
def test_the_planted_parts_are_found(seed: int) -> None:
    z, truth = partly_separable(seed, n=16, d=4)
    assert (separable_rows(z) == truth).all()
    assert not separable_rows(non_separable(seed, n=9, d=3)).any()


def test_no_direction_of_a_grid_separates_more_rows() -> None:
    # In the plane, with small whole numbers, the directions worth trying are finitely many.
    grid = np.array([(x, y) for x in range(-12, 13) for y in range(-12, 13)], dtype=float)
    points = [(1.0, 0.0), (-2.0, 0.0), (1.0, 1.0), (-1.0, -1.0), (0.0, 2.0), (3.0, 1.0)]
    for chosen in itertools.combinations(points, 4):
        z = np.array(chosen)
        harmless = grid[(grid @ z.T >= 0).all(axis=1)]
        assert (separable_rows(z) == (harmless @ z.T > 0).any(axis=0)).all(), chosen


def test_the_minimiser_has_no_gradient_and_is_scipys() -> None:
    z = non_separable(3, n=20, d=4)
    v = finite_minimiser(z)
    assert np.abs((1 / (1 + np.exp(z @ v))) @ z).max() < 1e-13
    other = minimize(lambda w: np.logaddexp(0, -z @ w).sum(), np.zeros(4), method="BFGS")
    assert v == pytest.approx(other.x, abs=1e-4)


def test_rows_in_a_subspace_have_their_minimiser_there() -> None:
    flat = np.hstack([non_separable(4, n=10, d=2), np.zeros((10, 2))])
    assert finite_minimiser(flat)[2:].tolist() == [0, 0]


def test_descent_reaches_the_limit_from_any_start() -> None:
    z, _ = partly_separable(1, n=20, d=4)
    step = 1 / smoothness(z)
    limit, times = limit_of(z, step=step), np.array([10**5, 10**6])
    for start in (np.zeros(4), np.array([1.0, -2.0, 0.5, 1.0])):
        w = gradient_descent(z, step=step, times=times, start=start)
        inside = np.linalg.norm((w - limit.minimiser) @ limit.inside, axis=1)
        across = np.linalg.norm(w @ limit.across - limit.ray.at(times), axis=1)
        assert inside[1] < 1e-4
        assert inside[1] / inside[0] == pytest.approx(0.1, abs=0.02)
        assert across[1] < 1e-2


def test_data_of_one_kind_only_are_told_so() -> None:
    with pytest.raises(ValueError, match="got 0 of 9 separable"):
        limit_of(non_separable(0, n=9, d=2), step=0.1)
    with pytest.raises(ValueError, match="are some rows separable"):
        finite_minimiser(np.eye(2))


@pytest.mark.parametrize("wrong", [{"n": 7, "d": 4}, {"n": 8, "d": 3}, {"n": 6, "d": 4}])
def test_sizes_that_cannot_be_are_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match="partly_separable: needs"):
        partly_separable(0, **wrong)
