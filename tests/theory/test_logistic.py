"""Soudry et al.: iterates, flow and asymptote against closed forms and a literal transcription."""

import numpy as np
import pytest
from scipy.optimize import brentq

from goodminima.theory.data import planted
from goodminima.theory.logistic import (
    angle,
    asymptote,
    gradient_descent,
    gradient_flow,
    log_loss,
    smoothness,
)
from goodminima.theory.loops import log_spaced


def test_iterates_equal_a_literal_loop() -> None:
    z = planted(0, n=9, d=4).z
    w, expected = np.full(4, 0.1), []
    for _ in range(50):
        w = w - 0.3 * sum(-row / (1 + np.exp(row @ w)) for row in z)
        expected.append(w)
    path = gradient_descent(z, step=0.3, times=np.array([1, 7, 50]), start=np.full(4, 0.1))
    assert path == pytest.approx(np.array(expected)[[0, 6, 49]], rel=1e-12)


def test_the_loss_is_exact_where_it_underflows_and_where_it_does_not() -> None:
    z = np.array([[1.0, 0.0], [0.0, 1.0]])
    w = np.array([[0.3, -2.0], [36.9, 37.1], [800.0, 801.0]])
    direct = np.log(np.log1p(np.exp(-w[:2])).sum(axis=1))
    assert log_loss(z, w)[:2] == pytest.approx(direct, rel=1e-14)
    assert log_loss(z, w)[2] == pytest.approx(-800 + np.log1p(np.exp(-1)), rel=1e-14)


def test_the_smoothness_bounds_the_hessian_and_is_reached_at_zero() -> None:
    z = planted(1, n=9, d=3).z
    hessian = z.T @ z / 4  # at w = 0, where p (1 - p) is largest
    assert smoothness(z) == pytest.approx(np.linalg.eigvalsh(hessian)[-1])


def test_flow_of_one_example_solves_its_equation() -> None:
    # dw/dt = step / (1 + e^w) has e^w + w = 1 + step t
    taus = np.array([1.0, 5.0, 30.0, 300.0])
    w = gradient_flow(np.array([[1.0]]), step=0.7, taus=taus)[:, 0]
    for tau, found in zip(taus, w, strict=True):
        total = 1 + 0.7 * np.expm1(tau)
        assert found == pytest.approx(
            brentq(lambda v, total=total: np.exp(v) + v - total, 0, 350, xtol=1e-12), rel=1e-9
        )


def test_descent_nears_its_asymptote_like_one_over_t() -> None:
    data = planted(2, n=40, d=3)
    step = 1 / smoothness(data.z)
    limit = asymptote(data.z, step=step)
    times = log_spaced(10**6, start=10**4, per_decade=1)
    residuals = np.linalg.norm(gradient_descent(data.z, step=step, times=times) - limit.at(times), axis=1)
    assert limit.margin == pytest.approx(1)
    assert residuals[-1] < 5e-3
    assert residuals[1:] / residuals[:-1] == pytest.approx([0.1, 0.1], abs=0.06)


def test_flow_reaches_its_angle_constant() -> None:
    data = planted(3, n=40, d=3)
    limit = asymptote(data.z, step=0.05)
    w = gradient_flow(data.z, step=0.05, taus=np.array([350.0, 700.0]))
    errors = np.abs(angle(w, data.direction) * [350, 700] / limit.angle_constant - 1)
    assert errors[1] < 0.01
    assert errors[1] / errors[0] == pytest.approx(0.5, abs=0.05)  # what is left of it closes like 1 / tau


def test_flow_and_descent_agree_where_steps_are_many() -> None:
    z = planted(4, n=40, d=3).z
    step, time = 1 / smoothness(z), np.array([10**5])
    descent = gradient_descent(z, step=step, times=time)
    flow = gradient_flow(z, step=step, taus=np.log1p(time))
    assert descent == pytest.approx(flow, abs=1e-3)


def test_the_asymptote_annuls_what_it_should() -> None:
    data = planted(5, n=20, d=4)
    limit = asymptote(data.z, step=0.02)
    pulls = 0.02 * np.exp(-data.z[:4] @ limit.offset)
    assert limit.rate == pytest.approx(pulls @ data.z[:4])


def test_no_closed_form_where_the_support_vectors_do_not_span() -> None:
    with pytest.raises(ValueError, match="must be a basis of the 2-dimensional space, got 1"):
        asymptote(np.array([[1.0, 0.0], [3.0, 1.0]]), step=0.1)


def test_small_angles_keep_their_digits() -> None:
    assert angle(np.array([[1.0, 3e-14], [-1.0, 0.0]]), np.array([5.0, 0.0])) == pytest.approx([3e-14, np.pi], rel=1e-9)
