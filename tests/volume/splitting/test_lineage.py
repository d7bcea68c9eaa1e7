"""What particles remember, in cases that can be counted."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from goodminima.volume import Walked
from goodminima.volume.splitting.lineage import Lineage, correlation, memory


def test_correlation_is_that_of_the_columns() -> None:
    generator = torch.Generator().manual_seed(0)
    before = torch.randn(50, 3, generator=generator)
    after = torch.stack([before[:, 0], -before[:, 1], torch.full((50,), 2.0)], dim=1)
    assert abs(correlation(before, after) - (1 - 1 + 1) / 3) < 1e-6  # a column that never differs is remembered


def _walked(**accepted: int) -> Walked:
    tried = {name: 0 if name == "never_refused" else 10**6 for name in accepted}
    return Walked(torch.zeros(10, 1), tried, accepted, 0.0)


def test_a_block_that_stood_still_is_remembered() -> None:
    assert memory(0.0, _walked(a=0, b=10**6)) == 1.0
    assert memory(0.2, _walked(a=1, b=10**6)) == pytest.approx(math.exp(-0.1))
    assert memory(0.3, _walked(a=10**6, never_refused=0)) == 0.3
    assert memory(-0.5, _walked(a=10**6)) == 0.0
    assert memory(0.3, _walked(never_refused=0)) == 0.3


def test_families_are_ancestors_since_the_walk_last_forgot() -> None:
    halved = torch.tensor([0, 0, 2, 2])
    lineage = Lineage(4).after(halved, kept=1.0)
    assert lineage.families == 2
    lineage = lineage.after(torch.tensor([0, 0, 0, 0]), kept=0.2)
    assert lineage.families == 1
    assert lineage.after(halved, kept=0.4).families == 2  # 0.4 * 0.2 is forgotten, 0.4 alone is not
    assert lineage.after(halved, kept=0.05).families == 4


@given(st.lists(st.permutations(range(6)), max_size=5), st.floats(0, 1))
def test_permutations_lose_no_family(orders: list[list[int]], kept: float) -> None:
    lineage = Lineage(6)
    for order in orders:
        lineage = lineage.after(torch.tensor(order), kept)
    assert lineage.families == 6
