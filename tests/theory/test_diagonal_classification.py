"""Diagonal networks on separable data: the dual path against gradient descent and against its optimum."""

import numpy as np
import pytest
from scipy.special import logsumexp

from goodminima.theory.convex import margin, max_margin
from goodminima.theory.diagonal_classification import classification_flow, descend_to
from goodminima.theory.diagonal_networks import sparse
from goodminima.theory.hypentropy import least_hypentropy
from goodminima.theory.logistic import angle

Z = sparse(3, n=20, d=50, nonzero=3).z
LEVELS = np.geomspace(0.1, 1e6, 15)


def test_every_level_is_met() -> None:
    path = classification_flow(Z, alpha=8.0, levels=LEVELS)
    log_inverse_loss = -logsumexp(-path.w @ Z.T, axis=1)
    assert log_inverse_loss == pytest.approx(64 * LEVELS, rel=1e-9, abs=1e-5)
    assert path.w == pytest.approx(128 * np.sinh(path.s @ Z), rel=1e-12)
    assert (path.s >= 0).all()
    assert (np.diff(path.s, axis=0) >= 0).all(), "s only grows"


def test_small_steps_on_u_and_v_follow_the_same_path() -> None:
    flow = classification_flow(Z, alpha=1.0, levels=np.array([10.0])).w[0]
    errors = [
        np.linalg.norm(descend_to(Z, alpha=1.0, level=10.0, step=step) - flow) / np.linalg.norm(flow)
        for step in (1e-3, 2.5e-4)
    ]
    assert errors[0] < 2e-3
    assert errors[1] < errors[0] / 2


def test_the_flow_is_at_the_optimum_until_a_point_that_held_the_margin_leaves() -> None:
    path = classification_flow(Z, alpha=32.0, levels=LEVELS)
    optima = [least_hypentropy(Z, np.full(20, level), scale=2.0, at_least=True) for level in LEVELS]
    angles = np.array([float(angle(w, optimum)) for w, optimum in zip(path.w, optima, strict=True)])
    settled, departed = (path.left == 0) & (LEVELS >= 1), (path.left > 0) & (LEVELS >= 1)
    assert angles[settled].max() < 5e-3 < angles[departed].max()


def test_margins_go_from_l2_to_l1_and_collapse() -> None:
    ratios = {alpha: _l1_ratio(alpha) for alpha in (16.0, 32.0)}
    kernel = float(margin(Z, max_margin(Z).direction, p=1)) / max_margin(Z, p=1).margin
    assert np.interp(0.0, np.log(LEVELS), ratios[32.0]) == pytest.approx(kernel, abs=2e-3)
    assert ratios[32.0][-1] > 0.97
    late = LEVELS > 9
    assert ratios[16.0][late] == pytest.approx(ratios[32.0][late], abs=1e-3)


def _l1_ratio(alpha: float) -> np.ndarray:
    return margin(Z, classification_flow(Z, alpha=alpha, levels=LEVELS).w, p=1) / max_margin(Z, p=1).margin


def test_bad_arguments_and_data_that_no_line_separates_are_refused() -> None:
    with pytest.raises(ValueError, match="alpha must be above 0"):
        classification_flow(Z, alpha=0.0, levels=LEVELS)
    with pytest.raises(ValueError, match="levels must increase"):
        classification_flow(Z, alpha=1.0, levels=np.array([2.0, 1.0]))
    with pytest.raises(RuntimeError, match="not reached"):
        classification_flow(np.array([[1.0, 0.0], [-1.0, 0.0]]), alpha=1.0, levels=np.array([1.0]))
    with pytest.raises(RuntimeError, match="not reached in 10 steps"):
        descend_to(Z, alpha=1.0, level=10.0, step=1e-3, max_steps=10)
