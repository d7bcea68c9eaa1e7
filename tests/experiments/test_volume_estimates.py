"""Volumes within an experiment: what is counted and what is split agree with exact truths, and draws are solutions."""

import math

import pytest
import torch

from goodminima.core.progress import Progress
from goodminima.experiments.experiment import Context
from goodminima.experiments.settings import Settings
from goodminima.experiments.volume_estimates import LOG10, Splitting, by_counting, by_splitting, in_log10
from goodminima.nets import LinearModel
from goodminima.tasks import Examples, Task
from goodminima.volume import LogVolume


def orthant_task(dimension: int) -> Task:
    """Two classes, a point on each axis: right on all of them means w0_i - w1_i + b0 - b1 > 0 for every i."""
    examples = Examples(torch.eye(dimension), torch.zeros(dimension, dtype=torch.int64))
    return Task(train=examples, test=examples, num_classes=2, name="axes", origin="test")


def exact_log10(dimension: int) -> float:
    """E over the biases' difference s of P(w0 - w1 > -s)^d, the differences being triangular on (-2, 2)."""
    s = torch.linspace(-2, 2, 400_001, dtype=torch.float64)
    density = (2 - s.abs()) / 4
    above = torch.where(s > 0, 1 - (2 - s) ** 2 / 8, (2 + s) ** 2 / 8)
    return math.log10(torch.trapezoid(density * above**dimension, s).item())


def context(callback=lambda progress: None) -> Context:
    return Context(experiment="test", scale_settings=Settings(), replicate=0, seed=0, data=None, callback=callback)


@pytest.mark.parametrize("dimension", [1, 3])
def test_counting_finds_the_exact_volume(dimension: int) -> None:
    """Fixed seed; five standard errors."""
    task, net = orthant_task(dimension), LinearModel(in_features=dimension)
    found = by_counting(net, task, context(), seed=1, budget=20_000, keep=50)
    assert found.log10 is not None
    assert found.error is not None
    assert abs(found.log10 - exact_log10(dimension)) < 5 * found.error
    assert found.error == pytest.approx(math.sqrt((1 / 10**found.log10 - 1) / 20_000) / LOG10)
    assert found.draws is not None
    assert len(found.draws) == 50
    assert (found.draws.accuracy(task.train.x, task.train.y) == 1).all()
    assert found.note == ""


def test_splitting_finds_the_exact_volume_and_draws_solutions() -> None:
    """Fixed seed; the 95 % interval, one seed in twenty would miss."""
    task, net, heard = orthant_task(12), LinearModel(in_features=12), []
    splitting = Splitting(particles=256, sweeps=2, repeats=4)
    found = by_splitting(net, task, context(heard.append), seed=3, splitting=splitting, keep=20)
    low, estimate, high = found.interval
    assert low < exact_log10(12) < high
    assert estimate == found.log10
    assert found.draws is not None
    assert len(found.draws) == 80
    assert (found.draws.accuracy(task.train.x, task.train.y) == 1).all()
    assert found.errors.keys() == {"log10 V"}
    last: Progress = heard[-1]
    assert (last.done, last.total) == (48, 48)


def test_no_hit_is_a_bound_that_is_told() -> None:
    task = orthant_task(1)
    both = Examples(torch.ones(2, 1), torch.tensor([0, 1]))  # one point in two classes: nothing fits
    empty = Task(train=both, test=task.test, num_classes=2, name="empty", origin="test")
    found = by_counting(LinearModel(in_features=1), empty, context(), seed=0, budget=1000, keep=5)
    assert (found.log10, found.error, found.draws) == (None, None, None)
    assert found.errors == {}
    assert found.note == "no hit in 1,000 guesses: log10 V <= -2.52 (95 %)"


def test_a_bound_has_no_estimate_in_log10() -> None:
    low, estimate, high = in_log10(LogVolume(None, -math.inf, -LOG10, 0.95))
    assert (low, high) == (-math.inf, -1.0)
    assert math.isnan(estimate)
