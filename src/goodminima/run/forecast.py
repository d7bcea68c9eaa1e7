"""How long a run will take, as far as it can be known from what it has told so far."""

import heapq
import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from goodminima.core.progress import Progress
from goodminima.run.executors import Finished, Result, Unit
from goodminima.run.observer import Plan


@final
@dataclass(frozen=True, slots=True)
class TimeLeft:
    """Seconds until the whole run is over; only the least they can be where something in it cannot be timed yet."""

    seconds: float
    is_bound: bool


@final
@dataclass(slots=True)
class Active:
    """A replicate under way.

    Args:
        cell: Name of its cell.
        name: What the live line calls it.
        started: When it began.
        began: When the work began whose units its progress counts.
        works: How many works it has told of, one after the other: trainings, say, and then their measures.
        first: What it told when the present work began; None in its first one, which begins with it and at nothing.
        progress: What it told last.
        work_ends: When the present work ends if it goes on as it has; None where that cannot be told.
    """

    cell: str
    name: str
    started: float
    began: float
    works: int = 1
    first: Progress | None = None
    progress: Progress | None = None
    work_ends: float | None = None

    def hear(self, progress: Progress, now: float) -> None:
        """Takes in where the replicate stands."""
        if self.progress is not None and _is_other_work(self.progress, progress):
            self.began, self.first, self.works = now, progress, self.works + 1
        self.progress = progress
        gone, done = now - self.began, progress.done - (self.first.done if self.first else 0.0)
        rest = gone * (progress.total - progress.done) / done if done > 0 and gone > 0 else math.inf
        self.work_ends = now + rest if 0 < rest < math.inf else None


def _is_other_work(before: Progress, now: Progress) -> bool:
    """Whether a replicate has gone over to other work, as other units or less effort tell.

    What follows a comma in a unit is news about the work: `guesses, 12 hits`.
    """
    units = [(each.unit.partition(",")[0], each.effort_unit) for each in (before, now)]
    return units[0] != units[1] or now.effort < before.effort


@final
class Forecast:
    """Follows a run, event by event, and tells how long it will take. All times are of one clock, in seconds.

    A replicate that waits is taken to need what others of its cell took: in this run, or else those in the store. One that
    runs is taken to need the rest of that, or of the work it is at, where it is at its last one as far as others tell.
    """

    def __init__(self) -> None:
        self.plan: Plan | None = None
        self.left = Counter[str]()  # by cell, those under way among them
        self.failed = 0
        self.active: dict[tuple[str, int], Active] = {}
        self._seconds_of: defaultdict[str, list[float]] = defaultdict(list)
        self._works_of: dict[str, int] = {}  # the most that a finished replicate of the cell told of

    def planned(self, plan: Plan) -> None:
        """The run begins."""
        self.plan, self.left = plan, Counter(plan.missing)

    def started(self, unit: Unit, now: float) -> None:
        """A replicate begins."""
        name = f"{unit.cell} #{unit.context.replicate}"
        self.active[_key(unit)] = Active(cell=unit.cell, name=name, started=now, began=now)

    def progressed(self, unit: Unit, progress: Progress, now: float) -> None:
        """A replicate tells where it stands."""
        self.active[_key(unit)].hear(progress, now)

    def ended(self, result: Result) -> None:
        """A replicate is over; one that failed tells nothing of how long others take."""
        active = self.active.pop(_key(result.unit))
        self.left[active.cell] -= 1
        if isinstance(result, Finished):
            self._seconds_of[active.cell].append(result.seconds)
            self._works_of[active.cell] = max(active.works, self._works_of.get(active.cell, 0))
        else:
            self.failed += 1

    def found(self, cells: Mapping[str, int]) -> None:
        """Other runs have finished replicates of these cells."""
        self.left -= Counter(cells)

    def time_left(self, now: float) -> TimeLeft | None:
        """How long the run will take from `now` on; None before it begins and when nothing is left.

        As long as nothing happens, it never grows. It is a schedule: whoever is free next takes the longest that waits.
        """
        if self.plan is None or not self.left.total():
            return None
        rests = [self._rest(active, now) for active in self.active.values()]
        waiting = self.left - Counter(active.cell for active in self.active.values())
        usual = {cell: self._usual(cell) for cell in waiting}
        timed = sorted(((seconds, cell) for cell, seconds in usual.items() if seconds is not None), reverse=True)
        free_in = [seconds for seconds, _ in rests] + [0.0] * (self.plan.slots - len(rests))
        heapq.heapify(free_in)
        for seconds, cell in timed:
            for _ in range(waiting[cell]):
                heapq.heapreplace(free_in, free_in[0] + seconds)
        is_known = len(timed) == len(waiting) and all(known for _, known in rests)
        return TimeLeft(max(free_in), is_bound=not is_known)

    def _usual(self, cell: str) -> float | None:
        """Seconds that a replicate of a cell takes; None where none has finished."""
        here = self._seconds_of.get(cell)
        if here:
            return statistics.mean(here)
        return self.plan.seconds.get(cell) if self.plan else None

    def _rest(self, active: Active, now: float) -> tuple[float, bool]:
        """Seconds that a replicate under way still takes, at least, and whether they are known."""
        of_work = None if active.work_ends is None else max(active.work_ends - now, 0.0)
        if of_work is not None and active.works >= self._works_of.get(active.cell, math.inf):
            return of_work, of_work > 0
        usual, least = self._usual(active.cell), of_work or 0.0
        if usual is None:
            return least, False
        rest = usual - (now - active.started)
        return max(rest, least), rest >= least and rest > 0


def _key(unit: Unit) -> tuple[str, int]:
    return unit.cell, unit.context.replicate
