"""Two-layer networks: gradients against automatic differentiation, training against a literal loop."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from goodminima.theory.two_layer import TwoLayer, normal_start, train

X = np.random.default_rng(0).standard_normal((6, 3))
Y = np.array([1.0, -1.0, 1.0, 1.0, -1.0, -1.0])


def _outputs(theta: torch.Tensor, x: torch.Tensor, power: int) -> torch.Tensor:
    return torch.relu(x @ theta[:-1]) ** power @ theta[-1]


@pytest.mark.parametrize("power", [1, 2])
def test_gradients_are_those_of_automatic_differentiation(power: int) -> None:
    net, x = normal_start(1, d=3, width=5, power=power), torch.tensor(X)
    jacobian = torch.autograd.functional.jacobian(lambda theta: _outputs(theta, x, power), torch.tensor(net.theta))
    assert net(X) == pytest.approx(_outputs(torch.tensor(net.theta), x, power).numpy())
    assert net.gradients(X) == pytest.approx(jacobian.numpy())


@pytest.mark.parametrize("power", [1, 2])
def test_it_is_homogeneous_and_euler_holds(power: int) -> None:
    net = normal_start(2, d=3, width=5, power=power)
    assert TwoLayer(theta=3 * net.theta, power=power)(X) == pytest.approx(3**net.order * net(X))
    assert (net.gradients(X) * net.theta).sum(axis=(1, 2)) == pytest.approx(net.order * net(X))


def _literal(net: TwoLayer, steps: int, *, output_only: bool) -> tuple[np.ndarray, int]:
    """Steps of 1 / max ||grad q_i||^2 on -log sum exp(-q), or 5 % of the norm where that is less; and the falls."""
    x, y, theta = torch.tensor(X), torch.tensor(Y), torch.tensor(net.theta)
    order, margins = 1 if output_only else net.order, []
    for _ in range(steps):
        theta.requires_grad_()
        q = y * _outputs(theta, x, net.power)
        gradients = [torch.autograd.grad(each, theta, retain_graph=True)[0] for each in q]
        with torch.no_grad():
            moving = torch.zeros_like(theta)
            moving[-1 if output_only else 0 :] = 1
            gradients = [each * moving for each in gradients]
            rho, steepest = (theta * moving).norm(), max((each**2).sum() for each in gradients)
            margins.append(float(-torch.logsumexp(-q, 0) / rho**order))
            step = torch.minimum(1 / steepest, 0.05 * rho / steepest.sqrt())
            theta = theta + step * sum(p * each for p, each in zip(torch.softmax(-q, 0), gradients, strict=True))
    falls = sum(before > 0 and after < before for before, after in pairwise(margins))
    return theta.detach().numpy(), falls


@pytest.mark.parametrize("output_only", [False, True])
@pytest.mark.parametrize("power", [1, 2])
def test_training_equals_a_literal_loop_falls_included(power: int, output_only: bool) -> None:
    net = normal_start(3, d=3, width=8, power=power)
    expected, falls = _literal(net, 300, output_only=output_only)
    trained = train(net, X, Y, times=np.array([300]), output_only=output_only)
    assert trained.nets[0].theta == pytest.approx(expected, rel=1e-6, abs=1e-9)
    assert trained.falls == falls


def test_looking_changes_nothing() -> None:
    net = normal_start(4, d=3, width=8)
    often, once = (train(net, X, Y, times=np.array(times)) for times in ([1, 30, 500, 3000], [3000]))
    assert often.nets[-1].theta.tolist() == once.nets[-1].theta.tolist()
    assert often.falls == once.falls > 0


def test_the_start_has_the_scale_asked_for() -> None:
    theta = normal_start(5, d=4, width=20_000, scale=3.0).theta
    # 4.4 standard errors of a standard deviation, rows of 80,000 and 20,000: false alarm 1e-5 each
    assert theta[:-1].std() == pytest.approx(3 / 2, rel=4.4 / math.sqrt(2 * 80_000))
    assert theta[-1].std() == pytest.approx(3 / math.sqrt(20_000), rel=4.4 / math.sqrt(2 * 20_000))


def test_another_power_is_refused() -> None:
    with pytest.raises(ValueError, match=r"power must be 1 \(ReLU\) or 2 \(its square\), got 3"):
        TwoLayer(theta=np.ones((2, 2)), power=3)
