"""Steepest descent in l_p: the step against duality, the path against a transcription, the end against the optimum."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from goodminima.theory.convex import dual_exponent, max_margin
from goodminima.theory.steepest import NORMS, margin_gaps, norms_apart, others, steepest_path

ENTRIES = st.floats(-10, 10).filter(lambda x: x == 0 or abs(x) > 1e-3)


@settings(max_examples=50)
@given(g=arrays(float, 4, elements=ENTRIES).filter(np.any), p=st.sampled_from([*NORMS, 1.2, 5.0]))
def test_a_step_has_unit_norm_and_reaches_the_dual_norm(g: np.ndarray, p: float) -> None:
    v = steepest_path(g[None], p=p, times=np.array([1]), step=1.0)[0]  # one row: the pull is the row itself
    assert np.linalg.norm(v, ord=p) == pytest.approx(1)
    assert v @ g == pytest.approx(np.linalg.norm(g, ord=dual_exponent(p)))


@pytest.mark.parametrize("p", NORMS)
def test_the_path_equals_a_literal_loop(p: float) -> None:
    z, q, w = norms_apart(0), dual_exponent(p), np.zeros(10)
    for t in range(30):
        losses = np.exp(-z @ w)
        g = losses @ z / losses.sum()
        if p == 1:
            v = np.where(np.abs(g) == np.abs(g).max(), np.sign(g), 0)
        else:
            v = np.sign(g) * np.abs(g) ** (q - 1) / np.linalg.norm(g, ord=q) ** (q - 1)
        w = w + 0.3 / math.sqrt(t + 1) * v
    assert steepest_path(z, p=p, times=np.array([30]))[0] == pytest.approx(w, rel=1e-9)


@pytest.mark.parametrize("p", NORMS)
def test_its_own_margin_is_maximised_and_the_others_are_not(p: float) -> None:
    z = norms_apart(3)
    gaps = dict(zip(NORMS, margin_gaps(z, steepest_path(z, p=p, times=np.array([3 * 10**5]))[0]), strict=True))
    assert -1e-8 < gaps[p] < 5e-3
    assert min(gaps[other] for other in others(p)) > 0.015


def test_gaps_are_relative_to_each_norms_optimum() -> None:
    z = norms_apart(1)
    for number, p in enumerate(NORMS):
        gaps = margin_gaps(z, max_margin(z, p=p).direction)
        assert abs(gaps[number]) < 1e-8
        assert all(gaps[NORMS.index(other)] > 0.025 for other in others(p))


def test_one_dimension_has_one_norm() -> None:
    with pytest.raises(ValueError, match="in one dimension all norms are one"):
        norms_apart(0, n=3, d=1)
