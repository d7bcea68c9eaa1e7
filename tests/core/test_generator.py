"""The generator against plain integers, bit for bit, and against what uniform numbers must look like."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import plain_generator
from goodminima.core.generator import next_word, normal, stream_state, uniform


@settings(max_examples=30)
@given(
    seed=st.integers(0, 2**64 - 1),
    indices=st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=35),
    size=st.integers(1, 150),
)
def test_equals_plain_integers_bit_for_bit(seed: int, indices: list[int], size: int) -> None:
    drawn = uniform(seed, np.array(indices, np.uint64), size)
    for row, index in zip(drawn, indices, strict=True):
        np.testing.assert_array_equal(row, plain_generator.uniform(seed, index, size))


def test_a_draw_does_not_depend_on_its_company() -> None:
    together = uniform(5, np.arange(100, dtype=np.uint64), 77)
    for k in (0, 15, 16, 99):
        np.testing.assert_array_equal(uniform(5, np.array([k], np.uint64), 77)[0], together[k])


def test_numbers_are_uniform_within_and_across_guesses() -> None:
    """Kolmogorov-Smirnov at a false-alarm rate of 1e-6 each, fixed seed."""
    drawn = uniform(11, np.arange(2000, dtype=np.uint64), 50)
    for numbers in (drawn[:, 0], drawn[:, 49], drawn[0], drawn.ravel()):
        assert stats.kstest(numbers, stats.uniform(-1, 2).cdf).pvalue > 1e-6


def test_neighbouring_guesses_and_seeds_are_uncorrelated() -> None:
    """Correlations of 100,000 pairs lie within 5 standard errors of 0."""
    drawn = uniform(3, np.arange(1001, dtype=np.uint64), 100)
    other = uniform(4, np.arange(1001, dtype=np.uint64), 100)
    for a, b in ((drawn[:-1], drawn[1:]), (drawn, other), (drawn[:, :-1], drawn[:, 1:])):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 5 / np.sqrt(a.size)


@settings(max_examples=20)
@given(
    seed=st.integers(0, 2**64 - 1), index=st.integers(0, 2**63 - 1), size=st.integers(1, 150),
)  # fmt: skip
def test_normal_numbers_are_those_of_box_and_muller(seed: int, index: int, size: int) -> None:
    """Against the transform in float64: each pair (u, v) gives radius sqrt(-2 log((1 - u) / 2)) at the angle pi v."""
    u, v = plain_generator.uniform(seed, index, 2 * ((size + 1) // 2)).astype(np.float64).reshape(-1, 2).T
    radius = np.sqrt(-2 * np.log((1 - u) / 2))
    expected = np.stack([radius * np.cos(np.pi * v), radius * np.sin(np.pi * v)], axis=1).ravel()[:size]
    drawn = normal(seed, np.array([5, index], np.uint64), size)[1]
    np.testing.assert_allclose(drawn, expected, rtol=1e-6, atol=1e-6)


def test_normal_numbers_are_normal_within_and_across_guesses() -> None:
    """Kolmogorov-Smirnov at a false-alarm rate of 1e-6 each, fixed seed; neighbours and pairs are uncorrelated."""
    drawn = normal(11, np.arange(2000, dtype=np.uint64), 51)
    for numbers in (drawn[:, 0], drawn[:, 1], drawn[:, 50], drawn[0], drawn.ravel()):
        assert stats.kstest(numbers, "norm").pvalue > 1e-6
    for a, b in (
        (drawn[:-1], drawn[1:]),
        (drawn[:, 0:50:2], drawn[:, 1:50:2]),
        (drawn[:, 0:50:2] ** 2, drawn[:, 1:50:2] ** 2),
    ):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 5 / np.sqrt(a.size)


def test_a_normal_draw_does_not_depend_on_its_company() -> None:
    together = normal(5, np.arange(40, dtype=np.uint64), 131)
    for k in (0, 15, 16, 39):
        np.testing.assert_array_equal(normal(5, np.array([k], np.uint64), 131)[0], together[k])


def test_words_are_what_uniform_numbers_are_made_of() -> None:
    state = stream_state(9, 4)
    numbers = [(int(next_word(state)) >> 8) * 2.0**-23 - 1 for _ in range(20)]
    assert numbers == uniform(9, np.array([4], np.uint64), 20)[0].tolist()


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_out_of_range_is_refused(seed: int) -> None:
    with pytest.raises(ValueError, match="seed must lie in"):
        uniform(seed, np.zeros(1, np.uint64), 1)
