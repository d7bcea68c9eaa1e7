import io
import time

import pytest
from rich.console import Console

from goodminima.core.progress import Progress
from goodminima.experiments.experiment import Context, Outcome
from goodminima.experiments.settings import Settings
from goodminima.run import Finished, Group, Plan
from goodminima.run.executors import Unit
from goodminima.run.live import LiveLine, _described

GROUP = Group(experiment="e", scale="smoke", data="", seed=0, device="cpu")
PLAN = Plan(group=GROUP, wanted=6, missing={"n=2 [red]": 2, "n=4": 2}, slots=2)


def unit(cell: str, replicate: int) -> Unit:
    return Unit(
        cell=cell, context=Context(experiment="e", scale_settings=Settings(), replicate=replicate, seed=0, data=None)
    )


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
        live.progressed(second, Progress(done=2, total=5, effort=1_250_000))
        time.sleep(seconds)
    return out.getvalue()


def test_a_plain_line_tells_how_far_each_replicate_is():
    line = shown(terminal=False).splitlines()[1]
    assert line.startswith("3 of 6 replicates, about 15 min left | n=4 #1: 2 of 5 solutions, 1.2M guesses, ")
    assert "guesses/s, about" in line


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
    ("before", "first"),
    [
        (Progress(done=7, total=9, unit="images", effort=7, effort_unit="images"), {"effort": 0}),
        (Progress(done=7, total=9, unit="episodes of another", effort=7, effort_unit="heads"), {"effort": 8}),
        (Progress(done=7, total=9, unit="episodes", effort=7, effort_unit="heads"), {"effort": 0}),
    ],
    ids=["other effort", "other unit", "from the beginning"],
)
def test_the_time_of_other_work_does_not_count_in_a_rate(monkeypatch, before, first):
    clock = iter([0.0, 1000.0, 1002.0])
    live = LiveLine(Console(file=io.StringIO()))
    monkeypatch.setattr("goodminima.run.live.time.monotonic", lambda: next(clock))
    live.started(unit("n=4", 0))
    live.progressed(unit("n=4", 0), before)
    live.progressed(unit("n=4", 0), Progress(done=0, total=9, unit="episodes", effort_unit="heads", **first))
    live.progressed(unit("n=4", 0), Progress(done=3, total=9, unit="episodes", effort=30, effort_unit="heads"))
    (active,) = live._active.values()
    assert _described(active) == "n=4 #0: 3 of 9 episodes, 30 heads, 15 heads/s, about 4 s left"
