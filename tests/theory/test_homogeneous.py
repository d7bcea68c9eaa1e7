"""Lyu and Li: KKT conditions in closed form, Clarke's residual against a quadratic programme, the theorem in small."""

import numpy as np
import pytest

from goodminima.theory.convex import import_cvxpy
from goodminima.theory.homogeneous import chord, clarke_residual, conditions, xor_on_sphere
from goodminima.theory.two_layer import TwoLayer, normal_start, train


@pytest.mark.parametrize("power", [1, 2])
def test_a_point_that_satisfies_kkt_is_recognised(power: int) -> None:
    # One example: f = a <w, x>^power is largest at given norm where ||w||^2 = power a^2 and w is along x.
    x, y = np.array([[3.0, 4.0]]), np.array([1.0])
    net = TwoLayer(theta=5 * np.array([[0.6], [0.8], [1 / np.sqrt(power)]]) * np.sqrt(power), power=power)
    found = conditions(net, x, y)
    assert found.epsilon == pytest.approx(0, abs=1e-12)
    assert found.delta == 0
    assert clarke_residual(net, x, y).residual == pytest.approx(0, abs=1e-12)
    assert found.log_loss == pytest.approx(-float(net(x)[0]))


@pytest.mark.parametrize("power", [1, 2])
def test_conditions_equal_the_definition_at_a_scaled_network(power: int) -> None:
    x, y = xor_on_sphere(1)
    net = train(normal_start(1, d=4, width=20, power=power), x, y, times=np.array([3000])).nets[0]
    q = y * net(x)
    scaled = TwoLayer(theta=net.theta / q.min() ** (1 / net.order), power=power)  # min q = 1
    pulls = np.exp(-(q - q.min())) / np.exp(-(q - q.min())).sum()
    gradients = scaled.gradients(x) * y[:, None, None]
    multipliers = pulls * scaled.norm / np.linalg.norm(np.tensordot(pulls, gradients, axes=1))
    missing = np.linalg.norm(scaled.theta - np.tensordot(multipliers, gradients, axes=1)) / scaled.norm
    found = conditions(net, x, y)
    assert found.epsilon == pytest.approx(missing)
    assert found.delta == pytest.approx((multipliers * (y * scaled(x) - 1)).max())
    assert found.smoothed_margin == pytest.approx(-np.log(np.exp(-q).sum()) / net.norm**net.order)


def test_at_a_kink_clarkes_condition_holds_where_the_gradients_does_not() -> None:
    # w = (1, 0), a = 1: with a half of (0, 2) at the kink, (1, 1) - (0, 1) is w; the flat gradient alone is (1, 1, 1).
    x, y, net = np.array([[1.0, 1.0], [0.0, 2.0]]), np.array([1.0, -1.0]), TwoLayer(theta=np.array([[1.0], [0], [1]]))
    with_kinks = clarke_residual(net, x, y)
    assert with_kinks.residual == pytest.approx(0, abs=1e-12)
    assert with_kinks.multipliers[0] == pytest.approx(1)
    assert with_kinks.multipliers[1] >= 0.5 - 1e-12
    assert with_kinks.kinks.tolist() == [[False], [True]]
    assert clarke_residual(net, x, y, kink=0.0).residual == pytest.approx(np.sqrt(1 / 3))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_clarkes_residual_equals_a_quadratic_programme(seed: int) -> None:
    cp = import_cvxpy()
    x, y = xor_on_sphere(seed, n=6, d=3)
    net = train(normal_start(seed, d=3, width=8), x, y, times=np.array([5000])).nets[0]
    found = clarke_residual(net, x, y, kink=0.2, slack=np.inf)  # many kinks, so that the choice matters
    assert found.kinks.sum() > 5
    size, parts = cp.Variable(6, nonneg=True), cp.Variable((6, 8), nonneg=True)
    active = (x @ net.hidden > 0) & ~found.kinks
    slopes = cp.multiply(parts, found.kinks) + cp.multiply(
        cp.reshape(size, (6, 1), order="C") @ np.ones((1, 8)), active
    )
    hidden = (x * y[:, None]).T @ cp.multiply(slopes, np.tile(net.output, (6, 1)))
    # The value of sigma is continuous at a kink: the output weights' gradient has no choice.
    output = (size @ (y[:, None] * np.maximum(x @ net.hidden, 0)))[None]
    left = (net.theta - cp.vstack([hidden, cp.reshape(output, (1, 8), order="C")])) / net.norm
    problem = cp.Problem(
        cp.Minimize(cp.sum_squares(left)), [parts <= cp.reshape(size, (6, 1), order="C") @ np.ones((1, 8))]
    )
    problem.solve(solver=cp.CLARABEL)
    assert found.residual == pytest.approx(np.sqrt(max(problem.value, 0)), abs=1e-5)


def test_relu_squared_never_loses_margin_and_nears_a_kkt_point() -> None:
    x, y = xor_on_sphere(7)
    trained = train(normal_start(7, d=4, width=20, power=2), x, y, times=np.array([1000, 100_000]))
    early, late = (conditions(net, x, y) for net in trained.nets)
    assert trained.falls == 0
    assert late.log_loss < -500
    assert late.epsilon < 0.9 * early.epsilon
    assert late.delta < 1e-2


def test_relu_needs_clarke() -> None:
    x, y = xor_on_sphere(7)
    before, after = train(normal_start(7, d=4, width=20), x, y, times=np.array([98_000, 100_000])).nets
    assert conditions(after, x, y).epsilon > 0.1
    assert clarke_residual(after, x, y).residual < 0.1
    assert chord(after.theta, after.theta - before.theta) < 0.1


def test_chords_keep_small_angles() -> None:
    assert chord(np.array([1.0, 0.0]), np.array([1.0, 1e-12])) == pytest.approx(1e-12, rel=1e-3)
    assert chord(np.array([1.0, 0.0]), np.array([-2.0, 0.0])) == pytest.approx(2)


def test_a_wrong_example_leaves_no_slackness_to_speak_of() -> None:
    net = TwoLayer(theta=np.ones((2, 1)))
    assert conditions(net, np.array([[1.0], [-1.0]]), np.array([1.0, 1.0])).delta == np.inf
