"""Long runs: the times looked at, and that looking changes nothing."""

import numpy as np
import pytest

from goodminima.theory.loops import log_spaced, slope, snapshots


def test_times_begin_and_end_where_asked_and_never_repeat() -> None:
    times = log_spaced(1234, start=7, per_decade=9)
    assert (times[0], times[-1]) == (7, 1234)
    assert (np.diff(times) > 0).all()
    assert log_spaced(1).tolist() == [1]
    with pytest.raises(ValueError, match="needs 1 <= start <= stop"):
        log_spaced(0)


def test_snapshots_tell_every_time_and_see_each_step_once() -> None:
    state, steps, heard = np.zeros(1), [], []

    def advance(begin: int, end: int) -> None:
        for step in range(begin, end):
            steps.append(step)
            state[0] += step

    path = snapshots(advance, state, times=np.array([1, 4, 6]), callback=lambda progress: heard.append(progress.done))
    assert steps == [0, 1, 2, 3, 4, 5]
    assert path.tolist() == [[0.0], [6.0], [15.0]]
    assert heard == [1, 4, 6]


def test_the_slope_of_a_power_law_is_its_exponent() -> None:
    x = np.geomspace(1, 100, 30)
    assert slope(np.log(x), np.log(5 * x**-1.5)) == pytest.approx(-1.5)
