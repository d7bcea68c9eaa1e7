"""Least hypentropy: the conditions of its optimum, its two ends, another solver, and the least l1 norm."""

import numpy as np
import pytest

from goodminima.theory.hypentropy import hypentropy, least_hypentropy, least_l1
from goodminima.theory.mirror import Hypentropy, bregman_projection


def _problem(seed: int, *, n: int = 12, d: int = 30) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((n, d))
    return a, a @ (rng.standard_normal(d) * (rng.random(d) < 0.2))


def test_its_gradient_is_the_inverse_hyperbolic_sine() -> None:
    w, scale, step = np.array([0.3, -2.0, 0.0]), np.array([0.1, 1.0, 3.0]), 1e-6
    for which, direction in enumerate(np.eye(3)):
        rise = hypentropy(w + step * direction, scale=scale) - hypentropy(w - step * direction, scale=scale)
        assert rise / (2 * step) == pytest.approx(np.arcsinh(w / scale)[which], abs=1e-8)


@pytest.mark.parametrize("scale", [1e3, 1.0, 1e-3, 1e-10])
@pytest.mark.parametrize("seed", range(3))
def test_equations_hold_and_the_gradient_lies_in_the_span_of_the_rows(seed: int, scale: float) -> None:
    """The two conditions prove the optimum, the problem being convex."""
    a, y = _problem(seed)
    w = least_hypentropy(a, y, scale=scale)
    assert a @ w == pytest.approx(y, abs=1e-11)
    gradient = np.arcsinh(w / scale)
    nu = np.linalg.lstsq(a.T, gradient, rcond=None)[0]
    assert a.T @ nu == pytest.approx(gradient, abs=1e-9)


@pytest.mark.parametrize("scale", [100.0, 1.0, 1e-2])
@pytest.mark.parametrize("seed", range(3))
def test_inequalities_hold_with_weights_on_the_tight_ones_alone(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((20, 30))
    z = x * np.sign(x[:, 0])[:, None]
    w = least_hypentropy(z, np.ones(20), scale=scale, at_least=True)
    slack = z @ w - 1
    assert slack.min() > -1e-11
    tight = slack < 1e-9
    nu, residual = np.linalg.lstsq(z[tight].T, np.arcsinh(w / scale), rcond=None)[:2]
    assert 0 < tight.sum() < 20
    assert residual.item() < 1e-16
    assert nu.min() > 0


def test_each_coordinate_may_have_its_own_scale() -> None:
    a, y = _problem(4)
    scale = np.geomspace(1e-4, 10, 30)
    w = least_hypentropy(a, y, scale=scale)
    gradient = np.arcsinh(w / scale)
    assert a @ w == pytest.approx(y, abs=1e-11)
    assert a.T @ np.linalg.lstsq(a.T, gradient, rcond=None)[0] == pytest.approx(gradient, abs=1e-9)


def test_the_bregman_projection_of_the_origin_is_the_same_point() -> None:
    a, y = _problem(5)
    other = bregman_projection(a, y, potential=Hypentropy(0.5), start=np.zeros(30))
    assert least_hypentropy(a, y, scale=0.5) == pytest.approx(other, abs=1e-11)


def test_large_scales_give_the_least_l2_norm_and_small_ones_the_least_l1_norm() -> None:
    a, y = _problem(6)
    assert least_hypentropy(a, y, scale=1e6) == pytest.approx(np.linalg.pinv(a) @ y, abs=1e-11)
    norms = [np.abs(least_hypentropy(a, y, scale=scale)).sum() for scale in (1.0, 1e-3, 1e-10, 1e-100)]
    least = np.abs(least_l1(a, y)).sum()
    assert norms == sorted(norms, reverse=True)
    assert norms[-1] == pytest.approx(least, rel=1e-4)
    assert least <= norms[-1]


def test_the_least_l1_norm_is_proved_by_its_dual() -> None:
    """sum |w| = <nu, y> for a nu with |A^T nu| <= 1: no solution has less."""
    a, y = _problem(7)
    w = least_l1(a, y)
    used = np.abs(w) > 1e-9
    assert a @ w == pytest.approx(y, abs=1e-9)
    # As many entries are used as the dual needs to be determined, or fewer: the least-squares dual is one of them then.
    from scipy.optimize import linprog

    bounds = linprog(-y, A_ub=np.vstack([a.T, -a.T]), b_ub=np.ones(60), bounds=(None, None), method="highs")
    assert -bounds.fun == pytest.approx(np.abs(w).sum(), rel=1e-9)
    assert (a.T @ bounds.x)[used] == pytest.approx(np.sign(w[used]), abs=1e-8)


def test_what_cannot_be_met_is_refused() -> None:
    rows = np.array([[1.0, 0.0], [1.0, 0.0]])
    with pytest.raises(RuntimeError, match="consistent"):
        least_hypentropy(rows, np.array([1.0, 2.0]), scale=1.0)
    with pytest.raises(RuntimeError, match="linear programme"):
        least_l1(rows, np.array([1.0, 2.0]))
    with pytest.raises(ValueError, match=r"scale must be above 0, got 0\.0"):
        least_hypentropy(rows[:1], np.array([1.0]), scale=0.0)
