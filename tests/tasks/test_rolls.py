import math

import numpy as np
import pytest
import torch
from scipy.stats import chi2, kstest, norm

from goodminima.tasks import FreshRolls, swiss_roll


def test_numbers_of_points_classes_and_frame() -> None:
    task = swiss_roll(seed=0)
    assert (len(task.train), len(task.test), task.num_classes) == (200, 5000, 2)
    assert task.train.y.bincount().tolist() == [100, 100]
    assert task.train.x.abs().max() < 18
    assert task.name == "swiss roll n=200"


@pytest.mark.parametrize("label", [0, 1])
def test_without_noise_points_lie_on_their_arm_and_spread_evenly_over_the_area(label: int) -> None:
    """Radius 1.5 t at angle t, half a turn apart, t^2 uniform: Kolmogorov-Smirnov, false alarm 1 in 1,000."""
    examples = swiss_roll(seed=3, noise=0.0).test
    x, y = examples.x[examples.y == label].double().unbind(1)
    t = torch.hypot(x, y) / 1.5
    sign = 1 if label else -1
    torch.testing.assert_close(x, sign * 1.5 * t * t.cos(), rtol=0, atol=2e-5)
    torch.testing.assert_close(y, -sign * 1.5 * t * t.sin(), rtol=0, atol=2e-5)
    share = (t / math.radians(600)) ** 2
    assert kstest(share.numpy(), "uniform").pvalue > 1e-3


def test_the_noise_is_normal_along_both_axes() -> None:
    """The same seed with and without it; false alarm 1 in 1,000."""
    noisy, still = (swiss_roll(seed=5, noise=noise).test.x.double() for noise in (0.5, 0.0))
    noise = (noisy - still).numpy()
    assert kstest(noise.ravel(), norm(0, 0.5).cdf).pvalue > 1e-3
    assert abs(np.corrcoef(noise.T)[0, 1]) < 3.3 / math.sqrt(len(noise))


def test_training_test_and_fresh_points_have_nothing_in_common() -> None:
    task, fresh = swiss_roll(seed=0, num_test=200), FreshRolls(seed=0)
    sets = [task.train.x, task.test.x, fresh(0).x, fresh(1).x, FreshRolls(seed=1)(0).x]
    for first in range(len(sets)):
        for second in range(first):
            assert not torch.isin(sets[first], sets[second]).any()


def test_fresh_points_are_a_function_of_seed_and_step_and_of_the_same_distribution() -> None:
    """As many near the middle as of the task's own: a chi-square of one degree of freedom, false alarm 1 in 1,000."""
    fresh = FreshRolls(seed=7)
    for step in (40, 5, 31, 32):  # in any order
        assert torch.equal(fresh(step).x, FreshRolls(seed=7)(step).x)
    drawn = torch.cat([fresh(step).x for step in range(25)])
    inner = [(x.norm(dim=1) < 8).sum().item() for x in (drawn, swiss_roll(seed=8).test.x)]
    assert len(drawn) == 5000
    expected = sum(inner) / 2
    statistic = sum((count - expected) ** 2 / (expected * (1 - expected / 5000)) for count in inner)
    assert chi2.sf(statistic, 1) > 1e-3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: swiss_roll(seed=0, num_train=7),
            "swiss_roll: num_train must be even and at least 2, half of each class, got 7",
        ),
        (lambda: swiss_roll(seed=0, num_test=0), "num_test must be even and at least 2"),
        (lambda: swiss_roll(seed=0, noise=math.nan), "noise must be finite and at least 0, got nan"),
        (lambda: swiss_roll(seed=-1), "seed must be at least 0, got -1"),
        (lambda: FreshRolls(seed=0, num_points=3), "FreshRolls: num_points must be even"),
    ],
)
def test_bad_arguments_are_named(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
