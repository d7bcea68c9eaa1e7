import io
import time

import pytest
from rich.console import Console

from goodminima.core.progress import Progress
from goodminima.experiments.experiment import Context, Outcome
from goodminima.experiments.settings import Settings
from goodminima.run import Failed, Finished, Group, Plan
from goodminima.run.executors import Unit
from goodminima.run.live import LiveLine

GROUP = Group(experiment="e", scale="smoke", data="", seed=0, device="cpu")
PLAN = Plan(group=GROUP, wanted=6, missing={"n=2 [red]": 2, "n=4": 2}, slots=2)


def unit(cell: str, replicate: int) -> Unit:
    return Unit(
        cell=cell, context=Context(experiment="e", scale_settings=Settings(), replicate=replicate, seed=0, data=None)
    )


class Clock:
    """One that the tests turn."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def live_line(clock: Clock) -> LiveLine:
    """That of a run whose plan is made."""
    live = LiveLine(Console(file=io.StringIO()), clock=clock)
    live.planned(PLAN)
    return live


def shown(*, terminal: bool, quiet_for: float = 0.0, seconds: float = 0.4) -> str:
    """What is shown of a run of four replicates, one finished, one under way."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=120, color_system=None)
    with LiveLine(console, quiet_for=quiet_for, line_every=0.1) as live:
        live.planned(PLAN)
        first, second = unit("n=2 [red]", 0), unit("n=4", 1)
        live.started(first)
        live.ended(Finished(unit=first, outcome=Outcome(values={}), seconds=600.0))
        live.started(second)
        live.progressed(second, Progress(done=2, total=5, unit="solutions", effort=1_250_000, effort_unit="guesses"))
        time.sleep(seconds)
    return out.getvalue()


def test_a_plain_line_tells_how_far_each_replicate_is_and_one_time():
    line = shown(terminal=False).splitlines()[1]
    assert line.startswith("3 of 6 replicates, at least 10 min left | n=4 #1: 2 of 5 solutions, 1.2M guesses, ")
    assert line.endswith("guesses/s")
    assert line.count(" left") == 1


def test_what_is_skipped_is_said_at_once():
    assert shown(terminal=False, quiet_for=60, seconds=0) == "2 of 6 replicates are in the store already: skipped\n"


def test_a_terminal_shows_the_bar_and_a_line_per_replicate():
    text = shown(terminal=True)
    assert "3 of 6 replicates" in text
    assert "n=4 #1: 2 of 5 solutions" in text


def test_waiting_for_another_run_is_said():
    live = LiveLine(Console(file=io.StringIO()))
    live.planned(PLAN)
    live.waiting(3)
    assert "waiting for 3 that another run on this store computes" in live._overall()


def test_names_are_not_taken_for_markup():
    live = LiveLine(Console(file=io.StringIO()))
    live.planned(PLAN)
    live.started(unit("n=2 [red]", 0))
    out = io.StringIO()
    Console(file=out, width=80).print(live._picture())
    assert "n=2 [red] #0" in out.getvalue()


@pytest.mark.parametrize(
    ("before", "first", "pace"),
    [
        (Progress(done=7, total=9, unit="images", effort=7, effort_unit="images"), {"effort": 0}, 15),
        (Progress(done=7, total=9, unit="episodes of another", effort=7, effort_unit="heads"), {"effort": 8}, 11),
        (Progress(done=7, total=9, unit="episodes", effort=7, effort_unit="heads"), {"effort": 0}, 15),
    ],
    ids=["other effort", "other unit", "from the beginning"],
)
def test_the_time_of_other_work_does_not_count_in_a_rate(before, first, pace):
    clock = Clock()
    live = live_line(clock)
    live.started(unit("n=4", 0))
    live.progressed(unit("n=4", 0), before)
    clock.now = 1000.0
    live.progressed(unit("n=4", 0), Progress(done=0, total=9, unit="episodes", effort_unit="heads", **first))
    clock.now = 1002.0
    live.progressed(unit("n=4", 0), Progress(done=3, total=9, unit="episodes", effort=30, effort_unit="heads"))
    assert live._replicates() == [f"n=4 #0: 3 of 9 episodes, 30 heads, {pace} heads/s"]


@pytest.mark.parametrize(
    ("progress", "words"),
    [
        (Progress(done=40, total=90, unit="epochs", effort=40, effort_unit="epochs"), "40 of 90 epochs, 2 epochs/s"),
        (Progress(done=4, total=9, unit="episodes"), "4 of 9 episodes, 12 episodes/min"),
        (Progress(done=0, total=1, unit="epochs of it, trained by another worker"), None),
    ],
)
def test_a_rate_is_in_the_unit_of_the_work(progress, words):
    clock = Clock()
    live = live_line(clock)
    live.started(unit("n=4", 0))
    clock.now = 20.0
    live.progressed(unit("n=4", 0), progress)
    assert live._replicates() == [f"n=4 #0: {words or '0 of 1 epochs of it, trained by another worker'}"]


def test_the_time_left_is_never_0_while_replicates_wait():
    clock = Clock()
    live = live_line(clock)
    live.started(unit("n=4", 0))
    live.ended(Finished(unit=unit("n=4", 0), outcome=Outcome(values={}), seconds=0.1))
    live.started(unit("n=4", 1))
    live.progressed(unit("n=4", 1), Progress(done=1, total=5, unit="solutions", effort=10))
    for clock.now in (0.0, 0.05, 60.0, 6000.0):  # the other cell waits, and nobody knows how long it takes
        assert "left" not in live._overall()
    live.ended(Finished(unit=unit("n=4", 1), outcome=Outcome(values={}), seconds=6000.0))
    live.started(unit("n=2 [red]", 0))
    live.ended(Finished(unit=unit("n=2 [red]", 0), outcome=Outcome(values={}), seconds=0.3))
    live.started(unit("n=2 [red]", 1))
    assert live._overall() == "5 of 6 replicates, about 1 s left"
    clock.now += 0.2
    assert live._overall() == "5 of 6 replicates, about 1 s left"
    clock.now += 10.0
    assert live._overall() == "5 of 6 replicates"


def test_failures_are_counted():
    live = live_line(Clock())
    live.started(unit("n=4", 0))
    live.ended(Failed(unit=unit("n=4", 0), error="RuntimeError: it broke", traceback=""))
    assert live._overall() == "3 of 6 replicates, 1 failed"


def test_what_other_runs_finish_is_done():
    live = live_line(Clock())
    live.waiting(4)
    live.found({"n=4": 2})
    assert live._overall().startswith("4 of 6 replicates")
