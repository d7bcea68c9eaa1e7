"""Mirror descent: potentials, projections against closed forms and the conic solver, limits against projections."""

import numpy as np
import pytest

from goodminima.theory.convex import import_cvxpy
from goodminima.theory.loops import slope
from goodminima.theory.mirror import (
    AbstractPotential,
    Entropy,
    Hypentropy,
    Power,
    bregman_projection,
    mirror_descent,
    natural_gradient,
    positive_problem,
    stable_step,
)

POTENTIALS = (Power(2.0), Power(1.5), Power(3.0), Entropy(), Hypentropy(0.1))


@pytest.mark.parametrize("potential", POTENTIALS, ids=str)
def test_potentials_invert_and_have_the_slope_they_say(potential: AbstractPotential) -> None:
    w = np.array([0.3, 1.0, 2.5])
    u = potential.mirror(w)
    assert potential.inverse(u) == pytest.approx(w, rel=1e-14)
    rise = (potential.inverse(u + 1e-6) - potential.inverse(u - 1e-6)) / 2e-6
    assert potential.slope(u) == pytest.approx(rise, rel=1e-7)


def _conic(potential: AbstractPotential, start: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The Bregman projection as the conic solver finds it: Phi(w) - <Phi'(start), w> is least on A w = b."""
    cp = import_cvxpy()
    w, tilt = cp.Variable(len(start)), potential.mirror(start)
    limits = [a @ w == b]
    match potential:
        case Power(p):
            phi = cp.sum(cp.power(cp.abs(w), p)) / p
        case Entropy():
            phi = cp.sum(-cp.entr(w) - w)
        case Hypentropy(beta):
            # the least entropy of (up, down) with w = up - down is the hypentropy, with up * down = beta^2 / 4
            up, down = cp.Variable(len(start)), cp.Variable(len(start))
            limits.append(w == up - down)
            phi = sum(cp.sum(-cp.entr(x) - (1 + np.log(beta / 2)) * x) for x in (up, down))
        case _:
            raise AssertionError(potential)
    cp.Problem(cp.Minimize(phi - tilt @ w), limits).solve(solver=cp.CLARABEL)
    return w.value


@pytest.mark.parametrize("potential", POTENTIALS, ids=str)
def test_projections_are_those_of_the_conic_solver(potential: AbstractPotential) -> None:
    a, b, starts = positive_problem(0)
    found = bregman_projection(a, b, potential=potential, start=starts[1])
    assert a @ found == pytest.approx(b, abs=1e-12)
    assert found == pytest.approx(_conic(potential, starts[1], a, b), abs=1e-4)


def test_the_euclidean_projection_is_the_pseudo_inverses() -> None:
    a, b, starts = positive_problem(1)
    expected = starts[1] + np.linalg.pinv(a) @ (b - a @ starts[1])
    assert bregman_projection(a, b, potential=Power(2.0), start=starts[1]) == pytest.approx(expected, abs=1e-13)


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("potential", POTENTIALS, ids=str)
def test_mirror_descent_ends_at_the_projection_of_its_start(potential: AbstractPotential, number: int) -> None:
    a, b, starts = positive_problem(2)
    target = bregman_projection(a, b, potential=potential, start=starts[number])
    step = stable_step(a, potential=potential, at=target)
    run = mirror_descent(a, b, potential=potential, start=starts[number], step=step)
    assert run.w == pytest.approx(target, abs=1e-10)
    half = mirror_descent(a, b, potential=potential, start=starts[number], step=step / 2)
    assert half.w == pytest.approx(target, abs=1e-10)  # whatever the step size
    assert half.steps > run.steps


def test_a_spent_budget_is_said() -> None:
    a, b, starts = positive_problem(2)
    run = mirror_descent(a, b, potential=Power(2.0), start=starts[0], step=1e-3, max_steps=3)
    w = starts[0]
    for _ in range(3):
        w = w - 1e-3 * a.T @ (a @ w - b)
    assert run.steps == 3
    assert run.w == pytest.approx(w, rel=1e-13)
    assert run.residual == pytest.approx(np.abs(a @ w - b).max() / np.abs(b).max())


def test_natural_gradient_is_off_in_proportion_to_its_step() -> None:
    a, b, starts = positive_problem(3)
    target = bregman_projection(a, b, potential=Entropy(), start=starts[0])
    steps = np.array([1e-3, 3e-4, 1e-4])
    runs = [natural_gradient(a, b, start=starts[0], step=step) for step in steps]
    distances = np.array([np.abs(run.w - target).max() for run in runs])
    assert max(run.residual for run in runs) < 1e-10
    assert slope(np.log(steps), np.log(distances)) == pytest.approx(1, abs=0.02)


def test_natural_gradient_equals_a_literal_loop() -> None:
    a, b, starts = positive_problem(4)
    w = starts[1]
    for _ in range(100_000):
        w = w - 1e-3 * w * (a.T @ (a @ w - b))
    run = natural_gradient(a, b, start=starts[1], step=1e-3, max_steps=100_000)
    assert run.steps == 100_000
    assert run.w == pytest.approx(w, rel=1e-9)


def test_a_problem_without_a_positive_solution_is_refused() -> None:
    with pytest.raises(ValueError, match="has A w = b a solution"):
        bregman_projection(np.ones((1, 2)), np.array([-1.0]), potential=Entropy(), start=np.ones(2))


@pytest.mark.parametrize("make", [lambda: Power(1.0), lambda: Hypentropy(0.0)])
def test_potentials_that_are_none_are_refused(make) -> None:
    with pytest.raises(ValueError, match="must be above"):
        make()
