"""The live line of a run, on stderr: how far it is, what each worker is at, how long it will take."""

import math
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self, final

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from goodminima.core.progress import Progress
from goodminima.run.executors import Result, Unit
from goodminima.run.forecast import Active, Forecast, TimeLeft
from goodminima.run.observer import Observer, Plan

QUIET_FOR = 2.0  # seconds; a run that is over by then shows nothing
LINE_EVERY = 10.0  # seconds between lines where stderr is no terminal


@final
class LiveLine(Observer):
    """Shows how a run goes while its `with` block lasts.

    On a terminal an overall bar and a line per active replicate, redrawn in place; elsewhere a plain line now and
    then. A thread does the showing, so that a replicate that reports nothing cannot stop the clock.

    Args:
        console: Where to show it; stderr by default.
        quiet_for: Seconds in which nothing is shown.
        line_every: Seconds between plain lines.
        clock: Tells the seconds from which rates and the time left are made.
    """

    def __init__(
        self,
        console: Console | None = None,
        *,
        quiet_for: float = QUIET_FOR,
        line_every: float = LINE_EVERY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.console = console or Console(stderr=True)
        self.quiet_for = quiet_for
        self.line_every = line_every
        self.clock = clock
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._show, name="live line", daemon=True)
        self._forecast = Forecast()
        self._elsewhere = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def planned(self, plan: Plan) -> None:
        with self._lock:
            self._forecast.planned(plan)
        if plan.stored:
            told = f"{plan.stored} of {plan.wanted} replicates are in the store already: skipped"
            with suppress(OSError):
                self.console.print(told, soft_wrap=True, highlight=False)

    def started(self, unit: Unit) -> None:
        with self._lock:
            self._forecast.started(unit, self.clock())
            self._elsewhere = 0

    def progressed(self, unit: Unit, progress: Progress) -> None:
        with self._lock:
            self._forecast.progressed(unit, progress, self.clock())

    def ended(self, result: Result) -> None:
        with self._lock:
            self._forecast.ended(result)

    def found(self, cells: Mapping[str, int]) -> None:
        with self._lock:
            self._forecast.found(cells)

    def waiting(self, elsewhere: int) -> None:
        with self._lock:
            self._elsewhere = elsewhere

    def _show(self) -> None:
        with suppress(OSError):  # a run does not end because stderr goes into a file on a full disk
            self._show_until_over()

    def _show_until_over(self) -> None:
        if self._over.wait(self.quiet_for):
            return
        if self.console.is_terminal:
            with Live(get_renderable=self._picture, console=self.console, refresh_per_second=4, transient=True):
                self._over.wait()
            return
        while not self._over.wait(self.line_every):
            with self._lock:
                line = " | ".join([self._overall(), *self._replicates()])
                self.console.print(line, soft_wrap=True, highlight=False, markup=False)

    def _picture(self) -> Table:
        """What a terminal shows now: the overall bar, and under it the replicates under way."""
        with self._lock:
            picture = Table.grid(padding=(0, 1))
            wanted, left = (plan.wanted, self._forecast.left.total()) if (plan := self._forecast.plan) else (1, 1)
            bar = ProgressBar(total=wanted, completed=wanted - left, width=30)
            overall = Table.grid(padding=(0, 1))
            overall.add_row(bar, self._overall())
            picture.add_row(overall)
            for line in self._replicates():
                picture.add_row(Text(f"  {line}"))  # not a str: names may look like markup
            return picture

    def _overall(self) -> str:
        """`12 of 60 replicates, 1 failed, about 2 min left`: the one time that is told."""
        forecast = self._forecast
        if forecast.plan is None:
            return "loading"
        words = [f"{forecast.plan.wanted - forecast.left.total()} of {forecast.plan.wanted} replicates"]
        if forecast.failed:
            words.append(f"{forecast.failed} failed")
        if self._elsewhere:
            words.append(f"waiting for {self._elsewhere} that another run on this store computes")
        elif left := forecast.time_left(self.clock()):
            words += _said(left)
        return ", ".join(words)

    def _replicates(self) -> list[str]:
        now = self.clock()
        return [_described(each, now) for each in self._forecast.active.values()]


def _said(left: TimeLeft) -> list[str]:
    """Never 0, for something is left; nothing where all that is known is that it takes some time."""
    if left.is_bound:
        return [f"at least {duration(left.seconds)} left"] if left.seconds >= 1 else []
    return [f"about {duration(max(left.seconds, 1.0))} left"]


def _described(active: Active, now: float) -> str:
    """`n=4/gc #3: 2 of 5 solutions, 1.2M guesses, 310k guesses/s`."""
    progress, first = active.progress, active.first
    if progress is None:
        return active.name
    of_total = f" of {count(progress.total)}" if math.isfinite(progress.total) else ""
    words = [f"{active.name}: {count(progress.done)}{of_total} {progress.unit}"]
    if progress.effort and progress.effort != progress.done:
        words.append(f"{count(progress.effort)} {progress.effort_unit}")
    if progress.effort:
        work, unit = progress.effort - (first.effort if first else 0.0), progress.effort_unit
    else:
        work, unit = progress.done - (first.done if first else 0.0), progress.unit
    if work > 0 and now > active.began:
        words.append(rate(work / (now - active.began), unit))
    return ", ".join(words)


def count(number: float) -> str:
    """A number in few characters.

    >>> count(7), count(0.25), count(12_345), count(9_870_000)
    ('7', '0.25', '12k', '9.9M')
    """
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.1f}{letter}" if number < 9.95 * size else f"{number / size:.0f}{letter}"
    return f"{number:.3g}" if number < 100 else f"{number:.0f}"


def rate(each_second: float, unit: str) -> str:
    """How fast work goes, in its own unit, by the second, the minute or the hour.

    >>> rate(310_000, "guesses"), rate(0.5, "epochs"), rate(0.001, "nets")
    ('310k guesses/s', '30 epochs/min', '3.6 nets/h')
    """
    for seconds, span in ((1, "s"), (60, "min")):
        if each_second * seconds >= 1:
            return f"{count(each_second * seconds)} {unit}/{span}"
    return f"{count(each_second * 3600)} {unit}/h"


def duration(seconds: float) -> str:
    """A span of time in few characters.

    >>> duration(8.2), duration(140), duration(9000)
    ('8 s', '2 min', '2.5 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:.1f} h"
