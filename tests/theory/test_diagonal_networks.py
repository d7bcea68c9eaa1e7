"""Diagonal networks on regression: twins by automatic differentiation, the flow's limit, what steps and noise conserve."""

import numpy as np
import pytest
import torch

from goodminima.theory import diagonal_networks
from goodminima.theory.diagonal_networks import (
    gradient_descent,
    gradient_flow,
    predicted_alpha,
    sharpness,
    sparse,
    stochastic_descent,
)
from goodminima.theory.hypentropy import least_hypentropy
from goodminima.theory.loops import slope

DATA = sparse(0, n=8, d=15, nonzero=2)


def _loss(u: torch.Tensor, v: torch.Tensor, rows: slice | list[int] = slice(None)) -> torch.Tensor:
    x, y = torch.from_numpy(DATA.x[rows]), torch.from_numpy(DATA.y[rows])
    return ((x @ (u**2 - v**2) - y) ** 2).mean() / 4


def _twin(alpha: float, step: float, batches: list) -> tuple[np.ndarray, np.ndarray, float]:
    """u and v after a gradient step on each batch, and the sum of the full loss before each."""
    u, v = (torch.full((15,), alpha, dtype=torch.float64, requires_grad=True) for _ in range(2))
    summed = 0.0
    for rows in batches:
        summed += float(_loss(u, v).detach())
        for parameter, gradient in zip((u, v), torch.autograd.grad(_loss(u, v, rows), (u, v)), strict=True):
            parameter.data -= step * gradient
    return u.detach().numpy(), v.detach().numpy(), summed


def test_gradient_descent_is_what_automatic_differentiation_says() -> None:
    u, v, _ = _twin(0.3, 0.02, [slice(None)] * 200)
    found = gradient_descent(DATA.x, DATA.y, alpha=0.3, step=0.02, max_steps=200)
    assert found.steps == 200
    assert found.u == pytest.approx(u, rel=1e-12)
    assert found.v == pytest.approx(v, rel=1e-12)
    assert found.residual == pytest.approx(np.abs(DATA.x @ (u**2 - v**2) - DATA.y).max(), rel=1e-10)


def test_stochastic_descent_is_too_on_one_example_at_a_time() -> None:
    order = np.random.default_rng(7).integers(8, size=300)
    u, v, summed = _twin(0.3, 0.01, [[i] for i in order])
    found = stochastic_descent(DATA.x, DATA.y, alpha=0.3, step=0.01, max_steps=300, seed=7)
    assert found.u == pytest.approx(u, rel=1e-12)
    assert found.v == pytest.approx(v, rel=1e-12)
    assert found.loss_integral == pytest.approx(0.01 * summed, rel=1e-12)


def test_slices_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = gradient_descent(DATA.x, DATA.y, alpha=0.3, step=0.02, max_steps=1000)
    heard: list[float] = []
    monkeypatch.setattr(diagonal_networks, "_SLICE", 64)
    parts = gradient_descent(
        DATA.x, DATA.y, alpha=0.3, step=0.02, max_steps=1000, callback=lambda progress: heard.append(progress.done)
    )
    assert (parts.u == whole.u).all()
    assert parts.steps == whole.steps == heard[-1]


def test_sharpness_is_the_largest_curvature_at_a_solution() -> None:
    """At zero residual the Hessian does not depend on how w is split into u and v but through u v = alpha^2."""
    alpha, w = 0.4, DATA.teacher
    u = np.sqrt((w + np.hypot(w, 2 * alpha**2)) / 2)
    both = torch.from_numpy(np.concatenate([u, alpha**2 / u]))
    hessian = torch.autograd.functional.hessian(lambda uv: _loss(uv[:15], uv[15:]), both)
    assert isinstance(hessian, torch.Tensor)
    assert sharpness(DATA.x, w, alpha=alpha) == pytest.approx(torch.linalg.eigvalsh(hessian)[-1].item(), rel=1e-12)


@pytest.mark.parametrize("alpha", [10.0, 1.0, 0.1, 1e-3, 1e-5])
def test_gradient_flow_ends_at_the_least_hypentropy(alpha: float) -> None:
    expected = least_hypentropy(DATA.x, DATA.y, scale=2 * alpha**2)
    assert gradient_flow(DATA.x, DATA.y, alpha=alpha) == pytest.approx(expected, abs=1e-8)


def test_gradient_descent_gets_there_up_to_its_step_and_knows_its_own_scale_better() -> None:
    alpha, shares = 0.3, np.array([0.4, 0.2, 0.1])
    expected = least_hypentropy(DATA.x, DATA.y, scale=2 * alpha**2)
    start, own = [], []
    for share in shares:
        step = share / sharpness(DATA.x, expected, alpha=alpha)
        found = gradient_descent(DATA.x, DATA.y, alpha=alpha, step=step, max_steps=10**6)
        start.append(np.linalg.norm(found.w - expected))
        own.append(np.linalg.norm(found.w - least_hypentropy(DATA.x, DATA.y, scale=found.scale)))
    assert slope(np.log(shares), np.log(start)) == pytest.approx(1, abs=0.15)
    assert slope(np.log(shares), np.log(own)) == pytest.approx(2, abs=0.2)


def test_noise_shrinks_alpha_by_what_the_loss_predicts() -> None:
    """Over 20 orders; inputs are normal, so that noise and loss are as strongly tied as the prediction assumes."""
    data, alpha, step = sparse(1, n=40, d=100, nonzero=5), 0.1, 0.005
    runs = [
        stochastic_descent(data.x, data.y, alpha=alpha, step=step, max_steps=10**6, seed=seed, tolerance=1e-4)
        for seed in range(20)
    ]
    measured = np.mean([np.log(run.effective_alpha / alpha) for run in runs])
    predicted = np.mean(
        [np.log(predicted_alpha(data.x, alpha=alpha, step=step, loss_integral=r.loss_integral) / alpha) for r in runs]
    )
    assert -0.05 < measured < -0.01
    assert predicted / measured == pytest.approx(1, abs=0.15)


def test_sparse_data_are_labelled_by_their_teacher() -> None:
    assert np.flatnonzero(DATA.teacher).tolist() == [0, 1]
    assert ((DATA.z @ DATA.teacher) > 0).all()
    assert np.abs(DATA.z) == pytest.approx(np.abs(DATA.x))


def test_bad_starts_and_steps_are_refused() -> None:
    with pytest.raises(ValueError, match="alpha must be above 0"):
        gradient_descent(DATA.x, DATA.y, alpha=0, step=0.1, max_steps=1)
    with pytest.raises(ValueError, match="step must be above 0, got -1"):
        stochastic_descent(DATA.x, DATA.y, alpha=1, step=-1, max_steps=1, seed=0)
    with pytest.raises(FloatingPointError, match="step 10 is too long"):
        gradient_descent(DATA.x, DATA.y, alpha=1, step=10, max_steps=10**4)
