"""Data with a planted limit: what is promised of them is true."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goodminima.theory.data import planted, teacher


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6), d=st.integers(2, 6), spread=st.floats(0.5, 5))
def test_what_is_planted_holds(seed: int, d: int, spread: float) -> None:
    data = planted(seed, n=12, d=d, spread=spread)
    support, margins = data.z[:d], data.z @ data.direction
    assert margins[:d] == pytest.approx(np.ones(d))
    assert margins[d:].min() >= 2
    assert data.weights @ support == pytest.approx(data.direction)
    sideways = support - data.direction
    # spread on the complement of the direction, 0 along it
    expected = spread * (np.eye(d) - np.outer(data.direction, data.direction))
    assert (sideways.T * data.weights) @ sideways == pytest.approx(expected, abs=1e-9)


def test_teachers_data_are_separable_and_reproducible() -> None:
    from goodminima.theory.convex import max_margin

    z = teacher(5, n=30, d=8)
    assert max_margin(z).margin > 0
    assert (z == teacher(5, n=30, d=8)).all()


@pytest.mark.parametrize("wrong", [{"n": 3, "d": 4}, {"n": 3, "d": 1}, {"n": 3, "d": 2, "spread": 0.0}])
def test_data_that_cannot_be_made_are_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match="planted: "):
        planted(0, **wrong)
