"""Two Gaussians: where their points are, and how far a boundary can stay from them."""

import math

import pytest
import torch

from goodminima.tasks import Examples
from goodminima.tasks.gaussians import largest_margin, two_gaussians, with_noisy_copies


def test_points_are_normal_about_their_centres() -> None:
    """Five standard errors of means and variances, fixed seed."""
    task = two_gaussians(seed=3, num_test=40_000)
    for label, centre in ((0, -3.0), (1, 3.0)):
        points = task.test.x[task.test.y == label].double()
        assert len(points) == 20_000
        assert points.mean(0).tolist() == pytest.approx([centre, 0.0], abs=5 / math.sqrt(20_000))
        assert points.var(0).tolist() == pytest.approx([1.0, 1.0], abs=5 * math.sqrt(2 / 20_000))
    wrong = ((task.test.x[:, 0] > 0) != task.test.y.bool()).double().mean()
    assert float(wrong) == pytest.approx(0.00135, abs=5 * math.sqrt(0.00135 / 40_000))  # Phi(-3)


def test_a_longer_sample_begins_with_the_shorter_and_seeds_differ() -> None:
    short, long = two_gaussians(seed=1, num_train=10), two_gaussians(seed=1, num_train=50)
    assert torch.equal(short.train.x, long.train.x[:10])
    assert not torch.equal(short.train.x, two_gaussians(seed=2, num_train=10).train.x)
    assert not torch.equal(short.train.x, short.test.x[:10])


def test_copies_are_the_points_with_noise_of_their_own() -> None:
    points = two_gaussians(seed=0, num_train=10_000).train
    copied = with_noisy_copies(points, copies=2, std=0.5, seed=1)
    first, second = ((part - points.x).double() for part in copied.x[len(points) :].split(len(points)))
    assert torch.equal(copied.x[: len(points)], points.x)
    for noise in (first, second):
        assert float(noise.std()) == pytest.approx(0.5, abs=0.5 * 5 / math.sqrt(2 * 20_000))
    correlation = float((first * second).mean()) / 0.25
    assert abs(correlation) < 5 / math.sqrt(20_000)


def test_the_largest_margin_is_half_of_the_least_distance_between_classes() -> None:
    points = two_gaussians(seed=5, num_train=20).train
    pairs = [
        math.dist(one.tolist(), other.tolist())
        for one, y in zip(points.x, points.y, strict=True)
        for other, z in zip(points.x, points.y, strict=True)
        if y != z
    ]
    assert largest_margin(points) == pytest.approx(min(pairs) / 2)


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="num_train must be even"):
        two_gaussians(seed=0, num_train=3)
    with pytest.raises(ValueError, match="distance must be finite and above 0"):
        two_gaussians(seed=0, distance=0.0)
    with pytest.raises(ValueError, match="copies must be at least 1 and std positive"):
        with_noisy_copies(two_gaussians(seed=0).train, copies=0, std=1.0, seed=0)
    with pytest.raises(ValueError, match="points of two classes are needed"):
        largest_margin(Examples(torch.zeros(2, 2), torch.zeros(2, dtype=torch.int64)))
