"""AdaGrad and Adam: against literal loops and PyTorch's own, and where they end."""

import math

import numpy as np
import pytest
import torch

from goodminima.theory.adaptive import adagrad, adam_path
from goodminima.theory.mirror import positive_problem
from goodminima.theory.steepest import NORMS, margin_gaps, norms_apart


def test_adagrad_equals_a_literal_loop() -> None:
    a, b, _ = positive_problem(0)
    w, squares = np.zeros(30), np.full(30, 2.0)
    for _ in range(40):
        g = a.T @ (a @ w - b)
        squares += g * g
        w = w - 0.3 * g / np.sqrt(squares)
    run = adagrad(a, b, step=0.3, initial=2.0, max_steps=40)
    assert run.steps == 40
    assert run.w == pytest.approx(w, rel=1e-11)


def test_adagrads_limit_depends_on_its_start() -> None:
    a, b, _ = positive_problem(1)
    runs = [adagrad(a, b, step=0.1, initial=initial) for initial in (1.0, 100.0)]
    assert max(run.residual for run in runs) < 1e-12
    assert np.linalg.norm(runs[0].w - runs[1].w) > 0.05 * np.linalg.norm(runs[0].w)


@pytest.mark.parametrize(("epsilon", "betas"), [(1e-3, (0.9, 0.999)), (1e-30, (0.5, 0.8))])
def test_adam_is_pytorchs(epsilon: float, betas: tuple[float, float]) -> None:
    z = norms_apart(0)
    w = torch.zeros(10, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([w], lr=0.3, betas=betas, eps=epsilon)
    for t in range(60):
        optimizer.param_groups[0]["lr"] = 0.3 / math.sqrt(t + 1)
        optimizer.zero_grad()
        torch.exp(-torch.from_numpy(z) @ w).mean().backward()
        optimizer.step()
    ours = adam_path(z, epsilon=epsilon, times=np.array([60]), step=0.3, beta1=betas[0], beta2=betas[1])[0]
    assert ours == pytest.approx(w.detach().numpy(), rel=1e-9)


@pytest.mark.parametrize("epsilon", [0.0, 1e-60])
def test_moments_relative_to_the_loss_are_the_moments(epsilon: float) -> None:
    z = norms_apart(1)
    w, m, v = np.zeros(10), np.zeros(10), np.zeros(10)
    for t in range(4000):
        g = -(np.exp(-z @ w) @ z) / len(z)
        m, v = 0.9 * m + 0.1 * g, 0.9 * v + 0.1 * g * g
        w = w - 3 / math.sqrt(t + 1) * (m / (1 - 0.9 ** (t + 1))) / (np.sqrt(v / (1 - 0.9 ** (t + 1))) + epsilon)
    assert 100 < (z @ w).min() < 340  # far down, but where squares of gradients still are numbers
    assert adam_path(z, epsilon=epsilon, times=np.array([4000]), step=3.0)[0] == pytest.approx(w, rel=1e-8)


def test_without_epsilon_adam_maximises_the_supremum_margin_and_with_it_leaves_again() -> None:
    z, times = norms_apart(2), np.array([10**3, 10**5])
    gaps = {epsilon: margin_gaps(z, adam_path(z, epsilon=epsilon, times=times)) for epsilon in (0.0, 1e-8)}
    sup, euclidean = NORMS.index(math.inf), NORMS.index(2.0)
    assert gaps[0.0][1, sup] < 0.01 < gaps[0.0][1, euclidean]
    assert gaps[1e-8][1, sup] > 1.5 * gaps[1e-8][0, sup]
    assert gaps[1e-8][1, euclidean] < 0.8 * gaps[1e-8][0, euclidean]
