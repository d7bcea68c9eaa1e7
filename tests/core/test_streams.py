import pytest

from goodminima.core.streams import stream


def test_every_word_changes_the_stream() -> None:
    """Also a zero at the end, which numpy's own list of seeds would ignore."""
    ways = [(0,), (0, 0), (0, 0, 0), (0, 1), (1, 0), (1,), (2**62, 0)]
    assert len({stream(*way).random() for way in ways}) == len(ways)


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="seed must be at least 0, got -3"):
        stream(-3)
