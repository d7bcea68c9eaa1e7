"""What particles remember, in cases that can be counted."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from goodminima.volume.memory import Lineage, correlation, memory


def test_correlation_is_that_of_the_columns() -> None:
    generator = torch.Generator().manual_seed(0)
    before = torch.randn(50, 3, generator=generator)
    after = torch.stack([before[:, 0], -before[:, 1], torch.full((50,), 2.0)], dim=1)
    assert abs(correlation(before, after) - (1 - 1 + 1) / 3) < 1e-6  # a column that never differs is remembered


def test_a_block_that_stood_still_is_remembered() -> None:
    assert memory(0.0, {"a": 0, "b": 10**6}, particles=10) == 1.0
    assert memory(0.3, {"a": 10**6}, particles=10) == 0.3
    assert memory(-0.5, {"a": 10**6}, particles=10) == 0.0


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
