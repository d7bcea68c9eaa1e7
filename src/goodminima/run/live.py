"""The live line of a run, on stderr: how far it is, what each worker is at, how long it will take."""

import statistics
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from types import TracebackType
from typing import Self, final

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from goodminima.core.progress import Progress
from goodminima.run.executors import Finished, Result, Unit
from goodminima.run.observer import Observer, Plan

QUIET_FOR = 2.0  # seconds; a run that is over by then shows nothing
LINE_EVERY = 10.0  # seconds between lines where stderr is no terminal


@dataclass(slots=True)
class _Active:
    """A replicate under way, and when the work began whose units its progress counts."""

    name: str
    started: float
    began: float
    progress: Progress | None = None

    def hear(self, progress: Progress) -> None:
        """A replicate that goes over to other work, told by its units or by less effort, begins it at its first report of it."""
        before = self.progress
        if before is not None and (
            (before.unit, before.effort_unit) != (progress.unit, progress.effort_unit)
            or progress.effort < before.effort
        ):
            self.began = time.monotonic()
        self.progress = progress


@final
class LiveLine(Observer):
    """Shows how a run goes while its `with` block lasts.

    On a terminal an overall bar and a line per active replicate, redrawn in place; elsewhere a plain line now and
    then. A thread does the showing, so that a replicate that reports nothing cannot stop the clock.

    Args:
        console: Where to show it; stderr by default.
        quiet_for: Seconds in which nothing is shown.
        line_every: Seconds between plain lines.
    """

    def __init__(
        self, console: Console | None = None, *, quiet_for: float = QUIET_FOR, line_every: float = LINE_EVERY
    ) -> None:
        self.console = console or Console(stderr=True)
        self.quiet_for = quiet_for
        self.line_every = line_every
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._show, name="live line", daemon=True)
        self._plan: Plan | None = None
        self._left: Counter[str] = Counter()  # by cell
        self._elsewhere = 0
        self._active: dict[tuple[str, int], _Active] = {}
        self._seconds_of: defaultdict[str, list[float]] = defaultdict(list)

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
            self._plan, self._left = plan, Counter(plan.missing)
        if plan.stored:
            told = f"{plan.stored} of {plan.wanted} replicates are in the store already: skipped"
            self.console.print(told, soft_wrap=True, highlight=False)

    def started(self, unit: Unit) -> None:
        with self._lock:
            name = f"{unit.cell} #{unit.context.replicate}"
            now = time.monotonic()
            self._active[_key(unit)] = _Active(name=name, started=now, began=now)
            self._elsewhere = 0

    def progressed(self, unit: Unit, progress: Progress) -> None:
        with self._lock:
            self._active[_key(unit)].hear(progress)

    def ended(self, result: Result) -> None:
        with self._lock:
            del self._active[_key(result.unit)]
            self._left[result.unit.cell] -= 1
            if isinstance(result, Finished):
                self._seconds_of[result.unit.cell].append(result.seconds)

    def waiting(self, elsewhere: int) -> None:
        with self._lock:
            self._elsewhere = elsewhere

    def _show(self) -> None:
        if self._over.wait(self.quiet_for):
            return
        if self.console.is_terminal:
            with Live(get_renderable=self._picture, console=self.console, refresh_per_second=4, transient=True):
                self._over.wait()
            return
        while not self._over.wait(self.line_every):
            with self._lock:
                active = [_described(each) for each in self._active.values()]
                self.console.print(
                    " | ".join([self._overall(), *active]), soft_wrap=True, highlight=False, markup=False
                )

    def _picture(self) -> Table:
        """What a terminal shows now: the overall bar, and under it the replicates under way."""
        with self._lock:
            picture = Table.grid(padding=(0, 1))
            wanted, left = (self._plan.wanted, self._left.total()) if self._plan else (1, 1)
            bar = ProgressBar(total=wanted, completed=wanted - left, width=30)
            overall = Table.grid(padding=(0, 1))
            overall.add_row(bar, self._overall())
            picture.add_row(overall)
            for each in self._active.values():
                picture.add_row(Text(f"  {_described(each)}"))  # not a str: names may look like markup
            return picture

    def _overall(self) -> str:
        if self._plan is None:
            return "loading"
        left = self._left.total()
        words = [f"{self._plan.wanted - left} of {self._plan.wanted} replicates"]
        seconds = self._seconds_left(self._plan.slots)
        if self._elsewhere:
            words.append(f"waiting for {self._elsewhere} that another run on this store computes")
        elif seconds is not None:
            words.append(f"about {duration(seconds)} left")
        return ", ".join(words)

    def _seconds_left(self, slots: int) -> float | None:
        """What the cells' replicates have taken so far, times what is left of them; None before the first is done."""
        known = {cell: statistics.mean(seconds) for cell, seconds in self._seconds_of.items()}
        if not known:
            return None
        usual = statistics.mean(known.values())
        work = sum(known.get(cell, usual) * count for cell, count in self._left.items())
        spent = sum(time.monotonic() - each.started for each in self._active.values())
        return max(work - spent, 0.0) / slots


def _key(unit: Unit) -> tuple[str, int]:
    return unit.cell, unit.context.replicate


def _described(active: _Active) -> str:
    """`n=4/gc #3: 2 of 5 solutions, 1.2M guesses, 310k guesses/s, about 2 min left`."""
    progress = active.progress
    if progress is None:
        return active.name
    seconds = max(time.monotonic() - active.began, 1e-3)
    words = [f"{active.name}: {count(progress.done)} of {count(progress.total)} {progress.unit}"]
    if progress.effort:
        words.append(f"{count(progress.effort)} {progress.effort_unit}")
        words.append(f"{count(progress.effort / seconds)} {progress.effort_unit}/s")
    if 0 < progress.done < progress.total:
        words.append(f"about {duration(seconds * (progress.total - progress.done) / progress.done)} left")
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


def duration(seconds: float) -> str:
    """A span of time in few characters.

    >>> duration(8.2), duration(140), duration(9000)
    ('8 s', '2 min', '2.5 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:.1f} h"
