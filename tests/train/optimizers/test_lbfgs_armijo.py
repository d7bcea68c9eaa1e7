"""L-BFGS: the recursion against its matrix, Armijo's condition at every step, and known minima."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from goodminima.nets import MLP
from goodminima.train.optimizers import LBFGSArmijo
from goodminima.train.optimizers.lbfgs_armijo import two_loop


def course(theta: nn.Parameter, f: Callable[[Tensor], Tensor], *, steps: int, **options) -> LBFGSArmijo:
    optimizer = LBFGSArmijo([theta], **options)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = f(theta)
        loss.backward()
        return loss

    for _ in range(steps):
        optimizer.step(closure)
    return optimizer


def point(*numbers: float) -> nn.Parameter:
    return nn.Parameter(torch.tensor(numbers, dtype=torch.float64))


@pytest.mark.parametrize("pairs", [1, 5])
def test_two_loops_are_the_matrix_of_bfgs(pairs: int) -> None:
    """H <- (I - rho s y^T) H (I - rho y s^T) + rho s s^T, written out."""
    generator = torch.Generator().manual_seed(0)
    root = torch.randn(7, 7, generator=generator, dtype=torch.float64)
    steps = torch.randn(pairs, 7, generator=generator, dtype=torch.float64)
    changes = steps @ (root @ root.T)
    gradient = torch.randn(7, generator=generator, dtype=torch.float64)
    identity = torch.eye(7, dtype=torch.float64)
    inverse = identity * (steps[-1] @ changes[-1]) / (changes[-1] @ changes[-1])
    for s, y in zip(steps, changes, strict=True):
        rho = 1 / (s @ y)
        left = identity - rho * torch.outer(s, y)
        inverse = left @ inverse @ left.T + rho * torch.outer(s, s)
    torch.testing.assert_close(two_loop(gradient, steps, changes), inverse @ gradient)


def test_every_step_satisfies_armijo_and_no_longer_try_does() -> None:
    torch.manual_seed(0)
    net = MLP(in_features=4, hidden=(6,), num_classes=3).double()
    x, y = torch.randn(40, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64), torch.arange(40) % 3
    optimizer, seen = (
        LBFGSArmijo(net.parameters(), lr=8.0),
        [],
    )  # far too long a first try: there is something to shorten

    def vector() -> Tensor:
        return nn.utils.parameters_to_vector(net.parameters()).detach().clone()

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        gradient = torch.cat([p.grad.flatten() for p in net.parameters() if p.grad is not None])
        seen.append((vector(), loss.item(), gradient))
        return loss

    shortened = 0
    for _ in range(50):
        seen.clear()
        optimizer.step(closure)
        (start, before, gradient), *rejected, (end, after, _) = seen
        assert torch.equal(end, vector())
        assert after <= before + 1e-4 * float(gradient @ (end - start)) + 1e-13
        assert after < before
        for tried, loss, _ in rejected:
            assert loss > before + 1e-4 * float(gradient @ (tried - start)) - 1e-13
        shortened += len(rejected)
    assert shortened > 0, "the course must have shortened a step to mean anything"


def test_rosenbrocks_valley_is_followed_to_its_end() -> None:
    theta = point(-1.2, 1.0)
    course(theta, lambda t: 100 * (t[1] - t[0] ** 2) ** 2 + (1 - t[0]) ** 2, steps=60)
    torch.testing.assert_close(theta.detach(), torch.ones(2, dtype=torch.float64), atol=1e-8, rtol=0)


def test_iterations_within_a_step_are_those_of_as_many_steps() -> None:
    def f(t: Tensor) -> Tensor:
        return (t[0] - 3) ** 4 + (t[0] * t[1] - 1) ** 2

    one, many = point(0.3, -0.4), point(0.3, -0.4)
    course(one, f, steps=12)
    course(many, f, steps=3, max_iter=4)
    assert torch.equal(one, many)


def test_pairs_of_negative_curvature_are_not_kept() -> None:
    optimizer = course(point(0.3), lambda t: t.cos().sum(), steps=1)  # concave there
    assert len(next(iter(optimizer.state.values())).get("steps", ())) == 0
    theta = point(0.3)
    course(theta, lambda t: t.cos().sum(), steps=40)
    assert theta.cos().item() == pytest.approx(-1.0)


def test_history_is_no_longer_than_asked_for() -> None:
    optimizer = course(point(-1.2, 1.0, 0.5), lambda t: (t**4).sum() + t.prod(), steps=15, history_size=3)
    (state,) = optimizer.state.values()
    assert state["steps"].shape == state["changes"].shape == (3, 3)


def test_tries_that_are_no_numbers_are_shortened() -> None:
    """t - log t: beyond 0 it is none, and its minimum is at 1."""
    theta = point(5.0)
    course(theta, lambda t: (t - t.log()).sum(), steps=30, lr=100.0)
    assert theta.item() == pytest.approx(1.0)


def test_weight_decay_shifts_the_minimum() -> None:
    """(t - 3)^2 / 2 + w t^2 / 2 is least at 3 / (1 + w)."""
    theta = point(0.0)
    course(theta, lambda t: (t - 3).square().sum() / 2, steps=20, weight_decay=0.5)
    assert theta.item() == pytest.approx(2.0)


def test_pairs_belong_to_one_batch() -> None:
    """Alternating quadratics: y is the Hessian of the step's own batch times s, not a difference between batches."""
    theta, optimizer_of = point(4.0, -3.0), []
    hessians = [torch.diag(torch.tensor(d, dtype=torch.float64)) for d in ((1.0, 2.0), (3.0, 1.0))]
    optimizer = LBFGSArmijo([theta])
    for step in range(6):
        hessian = hessians[step % 2]

        def closure(hessian: Tensor = hessian) -> Tensor:
            optimizer.zero_grad()
            loss = theta @ hessian @ theta / 2
            loss.backward()
            return loss

        optimizer.step(closure)
        (state,) = optimizer.state.values()
        optimizer_of.append((state["steps"][-1], state["changes"][-1], hessian))
    for s, y, hessian in optimizer_of:
        torch.testing.assert_close(y, hessian @ s)


def test_at_a_minimum_nothing_moves() -> None:
    theta = point(0.0, 0.0)
    course(theta, lambda t: t.square().sum(), steps=3)
    assert theta.tolist() == [0.0, 0.0]


def test_an_error_in_a_try_leaves_the_parameters_as_they_were() -> None:
    theta, calls = point(2.0), []
    optimizer = LBFGSArmijo([theta])

    def closure() -> Tensor:
        calls.append(1)
        if len(calls) > 1:
            raise RuntimeError("out of memory")
        loss = theta.square().sum()
        loss.backward()
        return loss

    with pytest.raises(RuntimeError, match="out of memory"):
        optimizer.step(closure)
    assert theta.item() == 2.0
