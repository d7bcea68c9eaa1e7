"""Rates of margin maximisation: each rule against a literal transcription, and each at its rate."""

import numpy as np
import pytest

from goodminima.theory.convex import margin, max_margin
from goodminima.theory.data import planted
from goodminima.theory.loops import log_spaced, slope
from goodminima.theory.margin_rates import Rule, margin_path


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    z = planted(7, n=12, d=3).z
    return z / np.linalg.norm(z, axis=1).max()


def _literal(z: np.ndarray, rule: Rule, steps: int) -> np.ndarray:
    """The rules as their papers write them, with the gradient of the loss itself."""
    w, momentum = np.zeros(z.shape[1]), np.zeros(z.shape[1])
    for t in range(steps):
        losses = np.exp(-z @ w) / len(z)
        gradient, loss = -losses @ z, losses.sum()
        match rule:
            case Rule.DESCENT:
                w = w - 0.5 * gradient
            case Rule.NORMALISED_DECAYING:
                w = w - 0.5 * gradient / np.linalg.norm(gradient) / np.sqrt(t + 1)
            case Rule.OVER_LOSS:
                w = w - 0.5 * gradient / loss
            case Rule.NORMALISED:
                w = w - 0.5 * gradient / np.linalg.norm(gradient)
            case Rule.ACCELERATED:
                q = -gradient / loss
                momentum = t / (t + 1) * (momentum + q)
                w = w + 0.5 * (momentum + q)
    return w


@pytest.mark.parametrize("rule", Rule)
def test_each_rule_equals_its_transcription(rows: np.ndarray, rule: Rule) -> None:
    path = margin_path(rows, rule=rule, times=np.array([3, 25]), step=0.5)
    assert path[0] == pytest.approx(_literal(rows, rule, 3), rel=1e-12)
    assert path[1] == pytest.approx(_literal(rows, rule, 25), rel=1e-10)


@pytest.mark.parametrize(
    ("rule", "exponent", "within"),
    [
        (Rule.NORMALISED_DECAYING, -0.5, 0.06),
        (Rule.OVER_LOSS, -1.0, 0.15),
        (Rule.NORMALISED, -1.0, 0.15),
        (Rule.ACCELERATED, -2.0, 0.02),
    ],
)
def test_gaps_close_at_their_rates(rows: np.ndarray, rule: Rule, exponent: float, within: float) -> None:
    times = log_spaced(10**5, start=10**3)
    gaps = 1 - margin(rows, margin_path(rows, rule=rule, times=times)) / max_margin(rows).margin
    assert slope(np.log(times), np.log(gaps)) == pytest.approx(exponent, abs=within)


def test_plain_descent_gains_in_the_norm_what_it_gains_in_the_margin(rows: np.ndarray) -> None:
    path = margin_path(rows, rule=Rule.DESCENT, times=np.array([10**4, 10**6]))
    gaps = 1 - margin(rows, path) / max_margin(rows).margin
    constant = gaps * np.linalg.norm(path, axis=1)
    assert gaps[1] / gaps[0] > 0.3  # two decades of steps
    assert constant[1] / constant[0] == pytest.approx(1, abs=0.15)


def test_rows_longer_than_one_are_refused() -> None:
    with pytest.raises(ValueError, match="rows must have norm at most 1, got 2; divide them by it"):
        margin_path(2 * np.eye(2), rule=Rule.OVER_LOSS, times=np.array([1]))
