"""Reference solvers: each against brute force or a closed form, and each answer's own proof."""

import builtins
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goodminima.theory.convex import dual_exponent, import_cvxpy, margin, max_margin
from goodminima.theory.data import planted, teacher

NORMS = (1.0, 1.5, 2.0, 3.0, math.inf)


@pytest.mark.parametrize("p", NORMS)
def test_in_the_plane_no_direction_of_a_fine_grid_does_better(p: float) -> None:
    z = planted(0, n=12, d=2).z
    found = max_margin(z, p=p)
    turns = np.linspace(0, 2 * np.pi, 200_001)
    best = margin(z, np.column_stack([np.cos(turns), np.sin(turns)]), p=p).max()
    assert best <= found.margin * (1 + 1e-9)
    assert best == pytest.approx(found.margin, rel=1e-4)


@pytest.mark.parametrize("p", NORMS)
def test_the_answer_proves_itself(p: float) -> None:
    z = teacher(1, n=17, d=10)
    found = max_margin(z, p=p)
    assert np.linalg.norm(found.direction, ord=p) == pytest.approx(1, abs=1e-12)
    assert margin(z, found.direction, p=p) == pytest.approx(found.margin, rel=1e-12)
    assert found.weights.sum() == pytest.approx(1)
    assert found.weights.min() >= 0
    assert found.bound == pytest.approx(np.linalg.norm(found.weights @ z, ord=dual_exponent(p)))
    assert -1e-12 < found.gap < (1e-13 if p == 2 else 1e-8)


def test_the_planted_margin_is_found_to_the_last_digits() -> None:
    data = planted(3, n=40, d=5)
    found = max_margin(data.z)
    assert found.margin == pytest.approx(1, rel=1e-13)
    assert found.direction == pytest.approx(data.direction, abs=1e-13)
    assert found.support.tolist() == [0, 1, 2, 3, 4]
    assert found.weights[:5] == pytest.approx(data.weights, abs=1e-12)
    assert found.least_norm == pytest.approx(data.direction, abs=1e-13)


@pytest.mark.parametrize("p", [1.0, 2.0, math.inf])
def test_the_conic_solver_agrees_with_the_exact_ones(p: float) -> None:
    cp = import_cvxpy()
    z = teacher(2, n=20, d=6)
    w = cp.Variable(6)
    cp.Problem(cp.Minimize(cp.norm(w, p)), [z @ w >= 1]).solve(solver=cp.CLARABEL)
    found = max_margin(z, p=p)
    assert 1 / np.linalg.norm(w.value, ord=p) == pytest.approx(found.margin, rel=1e-7)
    assert w.value == pytest.approx(found.least_norm, abs=1e-5 * np.abs(w.value).max())


@settings(max_examples=20)
@given(seed=st.integers(0, 10**6), scale=st.floats(1e-3, 1e3))
def test_the_margin_scales_with_the_rows_and_forgets_their_order(seed: int, scale: float) -> None:
    z = planted(seed, n=10, d=3).z
    found, other = max_margin(z), max_margin(scale * z[::-1])
    assert other.margin == pytest.approx(scale * found.margin, rel=1e-9)
    assert other.direction == pytest.approx(found.direction, abs=1e-9)


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
def test_rows_that_no_direction_separates_are_refused(p: float) -> None:
    with pytest.raises(ValueError, match="the data are not linearly separable"):
        max_margin([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]], p=p)


def test_an_exponent_below_one_is_no_norm() -> None:
    with pytest.raises(ValueError, match=r"p must be at least 1 for a norm, got 0\.5"):
        max_margin(np.eye(2), p=0.5)


def test_a_missing_solver_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> object:
        if name == "cvxpy":
            raise ModuleNotFoundError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'goodminima\[theory\]'"):
        import_cvxpy()
