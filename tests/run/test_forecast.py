"""The time left of a run, on a clock that the tests turn."""

import heapq
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_live import GROUP, unit

from goodminima.core.progress import Progress
from goodminima.experiments.experiment import Outcome
from goodminima.run import Failed, Finished, Plan
from goodminima.run.forecast import Forecast, TimeLeft


def forecast(missing: dict[str, int], *, slots: int = 1, seconds: dict[str, float] | None = None) -> Forecast:
    made = Forecast()
    made.planned(Plan(group=GROUP, wanted=sum(missing.values()), missing=missing, slots=slots, seconds=seconds or {}))
    return made


def finish(run: Forecast, cell: str, replicate: int, seconds: float) -> None:
    run.ended(Finished(unit=unit(cell, replicate), outcome=Outcome(values={}), seconds=seconds))


def at(done: float, wanted: float = 10, *, of: str = "steps") -> Progress:
    return Progress(done=done, total=wanted, unit=of, effort=done, effort_unit="steps")


def test_nothing_is_known_before_anything_has_finished_or_told():
    run = forecast({"a": 2}, slots=2)
    run.started(unit("a", 0), 0.0)
    assert run.time_left(5.0) == TimeLeft(0.0, is_bound=True)


def test_replicates_that_wait_count_however_long_those_under_way_have_run():
    run = forecast({"a": 4})
    run.started(unit("a", 0), 0.0)
    finish(run, "a", 0, 10.0)
    run.started(unit("a", 1), 10.0)
    assert run.time_left(10.0) == TimeLeft(30.0, is_bound=False)
    assert run.time_left(15.0) == TimeLeft(25.0, is_bound=False)
    assert run.time_left(500.0) == TimeLeft(
        20.0, is_bound=True
    )  # far too long: only of the other two is anything known


def test_workers_share_what_waits():
    run = forecast({"a": 4}, slots=2)
    run.started(unit("a", 0), 0.0)
    finish(run, "a", 0, 10.0)
    assert run.time_left(10.0) == TimeLeft(20.0, is_bound=False)  # three replicates on two workers


def test_the_longest_of_few_replicates_decides():
    run = forecast({"a": 1, "b": 1}, slots=4, seconds={"a": 10.0, "b": 60.0})
    assert run.time_left(0.0) == TimeLeft(60.0, is_bound=False)


def test_a_cell_not_yet_timed_leaves_a_bound():
    run = forecast({"a": 2, "b": 2})
    run.started(unit("a", 0), 0.0)
    finish(run, "a", 0, 10.0)
    run.started(unit("b", 0), 10.0)
    assert run.time_left(12.0) == TimeLeft(10.0, is_bound=True)
    finish(run, "b", 0, 30.0)
    assert run.time_left(40.0) == TimeLeft(40.0, is_bound=False)


def test_a_run_that_goes_on_knows_what_the_store_tells_until_it_knows_better():
    run = forecast({"a": 3}, seconds={"a": 10.0})
    assert run.time_left(0.0) == TimeLeft(30.0, is_bound=False)
    run.started(unit("a", 0), 0.0)
    finish(run, "a", 0, 5.0)
    assert run.time_left(5.0) == TimeLeft(10.0, is_bound=False)


def test_the_progress_of_a_first_replicate_is_a_bound_for_more_work_may_come():
    run = forecast({"a": 1})
    run.started(unit("a", 0), 0.0)
    run.progressed(unit("a", 0), at(2), 10.0)
    assert run.time_left(10.0) == TimeLeft(40.0, is_bound=True)
    assert run.time_left(30.0) == TimeLeft(20.0, is_bound=True)


def test_progress_decides_where_others_show_that_it_is_of_the_last_work():
    run = forecast({"a": 2})
    run.started(unit("a", 0), 0.0)
    run.progressed(unit("a", 0), at(5), 5.0)
    finish(run, "a", 0, 10.0)
    run.started(unit("a", 1), 10.0)
    run.progressed(unit("a", 1), at(5), 40.0)  # slower than the first, which its own progress tells
    assert run.time_left(40.0) == TimeLeft(30.0, is_bound=False)


def test_the_first_of_two_works_says_nothing_of_the_second():
    run = forecast({"a": 2})
    run.started(unit("a", 0), 0.0)
    run.progressed(unit("a", 0), at(5, of="epochs"), 5.0)
    run.progressed(unit("a", 0), at(1, of="rays"), 11.0)
    finish(run, "a", 0, 100.0)
    run.started(unit("a", 1), 100.0)
    run.progressed(unit("a", 1), at(9, of="epochs"), 109.0)
    assert run.time_left(109.0) == TimeLeft(91.0, is_bound=False)
    run.progressed(unit("a", 1), at(0, of="rays"), 110.0)
    run.progressed(unit("a", 1), at(2, of="rays"), 112.0)
    assert run.time_left(112.0) == TimeLeft(8.0, is_bound=False)


def test_work_that_was_begun_before_its_first_report_is_no_part_of_its_pace():
    run = forecast({"a": 1})
    run.started(unit("a", 0), 0.0)
    run.progressed(unit("a", 0), at(9, of="epochs"), 50.0)
    run.progressed(unit("a", 0), at(4, of="rays"), 60.0)
    run.progressed(unit("a", 0), at(5, of="rays"), 61.0)
    assert run.time_left(61.0) == TimeLeft(5.0, is_bound=True)


def test_news_after_the_comma_of_a_unit_are_no_other_work():
    run = forecast({"a": 1})
    run.started(unit("a", 0), 0.0)
    run.progressed(unit("a", 0), at(2, of="guesses, 3 hits"), 10.0)
    run.progressed(unit("a", 0), at(4, of="guesses, 5 hits"), 20.0)
    assert run.time_left(20.0) == TimeLeft(30.0, is_bound=True)


@pytest.mark.parametrize("progress", [at(0), at(10), at(11), at(3, float("inf")), at(3, 0)])
def test_progress_from_which_no_end_can_be_told(progress: Progress):
    run = forecast({"a": 1})
    run.started(unit("a", 0), 0.0)
    run.progressed(unit("a", 0), progress, 10.0)
    assert run.time_left(10.0) == TimeLeft(0.0, is_bound=True)


def test_a_failure_tells_no_time_and_what_others_finished_is_left_no_more():
    run = forecast({"a": 3, "b": 1})
    run.started(unit("a", 0), 0.0)
    run.ended(Failed(unit=unit("a", 0), error="", traceback=""))
    assert (run.failed, run.time_left(1.0)) == (1, TimeLeft(0.0, is_bound=True))
    run.found({"a": 2})
    assert run.left == Counter({"b": 1})
    run.found({"b": 1})
    assert run.time_left(1.0) is None


COUNTS = st.integers(min_value=1, max_value=7)
SLOTS = st.integers(min_value=1, max_value=4)


@given(count=COUNTS, slots=SLOTS, seconds=st.sampled_from([1.0, 8.0, 64.0]), stored=st.booleans())
@settings(deadline=None)
def test_where_all_replicates_take_the_same_the_end_is_foretold_from_the_first_on(count, slots, seconds, stored):
    run = forecast({"a": count}, slots=slots, seconds={"a": seconds} if stored else {})
    end = -(-count // slots) * seconds
    ends, begun, finished, now = list[tuple[float, int]](), 0, 0, 0.0
    while finished < count:
        while begun < count and len(ends) < slots:
            run.started(unit("a", begun), now)
            heapq.heappush(ends, (now + seconds, begun))
            begun += 1
        now += seconds / 4
        for _, number in ends:
            run.progressed(unit("a", number), at((now % seconds or seconds) / seconds * 10), now)
        left = run.time_left(now)
        assert left is not None
        if (stored or finished) and now % seconds:
            assert (left.is_bound, left.seconds) == (False, pytest.approx(end - now))
        elif now % seconds:
            assert (left.is_bound, left.seconds <= end - now + 1e-9) == (True, True)
        while ends and ends[0][0] <= now:
            finish(run, "a", heapq.heappop(ends)[1], seconds)
            finished += 1
    assert run.time_left(now) is None


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["start", "tell", "tell other", "finish", "fail", "elsewhere"]),
        st.integers(min_value=0, max_value=3),
        st.floats(min_value=0.01, max_value=100),
    ),
    max_size=30,
)


@given(EVENTS, SLOTS, st.booleans())
@settings(deadline=None, max_examples=200)
def test_as_long_as_nothing_happens_the_time_left_never_grows_nor_outruns_the_clock(events, slots, resumed):
    run = forecast({"a": 5, "b": 3, "c": 2}, slots=slots, seconds={"a": 3.0, "b": 30.0} if resumed else {})
    now, number = 0.0, 0
    for what, which, seconds in events:
        active = list(run.active)
        if what == "start" and len(active) < slots:
            cell = "abc"[which % 3]
            if run.left[cell] > sum(name == cell for name, _ in active):
                run.started(unit(cell, number), now)
                number += 1
        elif what == "elsewhere" and not active and run.left["a"]:
            run.found({"a": 1})
        elif active:
            this = unit(*active[which % len(active)])
            if what == "finish":
                finish(run, this.cell, this.context.replicate, seconds)
            elif what == "fail":
                run.ended(Failed(unit=this, error="", traceback=""))
            else:
                told = at(min(seconds, 10), of="rays" if what == "tell other" else "steps")
                run.progressed(this, replace(told, effort=seconds), now)
        before, after = run.time_left(now), run.time_left(now + seconds)
        assert (before is None) == (run.left.total() == 0)
        if before is not None and after is not None:
            assert 0.0 <= after.seconds <= before.seconds + 1e-9
            assert before.seconds - after.seconds <= seconds + 1e-9
            assert before.is_bound <= after.is_bound
        now += seconds
