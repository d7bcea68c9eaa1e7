import math

import pytest
import torch

from goodminima.tasks import rings


@pytest.mark.parametrize("gap", [0.001, 0.3])
def test_three_rings(gap: float) -> None:
    task = rings(gap=gap)
    radius = task.train.x.double().norm(dim=1)
    wanted = torch.tensor([0.4] * 40 + [0.95] * 80 + [0.4 + gap] * 10).double()
    torch.testing.assert_close(radius, wanted, rtol=1e-6, atol=0)
    assert task.train.y.tolist() == [0] * 40 + [1] * 90


def test_points_of_a_ring_are_evenly_spaced_and_the_inner_rings_alternate() -> None:
    x = rings(gap=0.1).train.x.double()
    angle = torch.atan2(x[:, 0], x[:, 1])
    for part, number in ((angle[:40], 40), (angle[40:120], 80), (angle[120:], 10)):
        steps = part.sort().values.diff()
        torch.testing.assert_close(steps, torch.full_like(steps, 2 * math.pi / number), rtol=1e-5, atol=0)
    apart = (angle[120:, None] - angle[:40] + math.pi) % (2 * math.pi) - math.pi
    torch.testing.assert_close(
        apart.abs().min(dim=1).values, torch.full((10,), math.pi / 40).double(), rtol=1e-5, atol=0
    )


def test_a_circle_in_the_gap_is_right_everywhere_and_a_larger_one_by_its_area() -> None:
    """A circle of radius 0.7 gives class 0 the part (0.7^2 - 0.45^2) / (0.95^2 - 0.45^2) of what is class 1."""
    test = rings(gap=0.05).test
    radius = test.x.norm(dim=1)
    assert torch.equal((radius > 0.425).long(), test.y)
    wrong = ((radius > 0.7).long() != test.y).double().sum() / (test.y == 1).sum()
    assert wrong == pytest.approx((0.49 - 0.2025) / (0.9025 - 0.2025), abs=1e-3)
    assert test.y.bincount().tolist() == [2000, 2000]


@pytest.mark.parametrize("gap", [0.0, 0.55, math.nan])
def test_a_gap_that_leaves_no_ring_is_refused(gap: float) -> None:
    with pytest.raises(ValueError, match=f"gap must lie above 0 and below 0.55, got {gap}"):
        rings(gap=gap)
