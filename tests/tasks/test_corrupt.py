"""Random labels: uniform, independent of the true ones, a function of the seed."""

import pytest
import torch
from scipy.stats import chisquare

from goodminima.tasks import Examples
from goodminima.tasks.corrupt import with_random_labels

TRUE = Examples(torch.zeros(20_000, 1), torch.arange(20_000) % 4)


def test_labels_are_uniform_and_know_nothing_of_the_true_ones() -> None:
    """False-alarm rate 1e-5: counts of all 16 pairs of true and random label."""
    random = with_random_labels(TRUE, num_classes=4, seed=1)
    pairs = torch.bincount(4 * TRUE.y + random.y, minlength=16)
    assert chisquare(pairs.numpy()).pvalue > 1e-5
    assert random.x is TRUE.x


def test_the_seed_decides() -> None:
    first, again, other = (with_random_labels(TRUE, num_classes=4, seed=seed).y for seed in (5, 5, 6))
    assert (first == again).all()
    assert (first != other).any()


def test_one_class_is_refused() -> None:
    with pytest.raises(ValueError, match="num_classes must be at least 2, got 1"):
        with_random_labels(TRUE, num_classes=1, seed=0)
