"""Who wants to hear how a run goes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

from goodminima.core.progress import Progress
from goodminima.run.executors import Result, Unit
from goodminima.run.store import Group


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What a run has before it.

    Args:
        group: What runs: experiment, scale, data, seed, device.
        wanted: Replicates asked for, over all cells.
        missing: Name of each cell -> how many of its replicates are not in the store yet.
        slots: How many run at once.
        seconds: Name of a cell -> seconds that its replicates in the store took, on average; of those that have any.
    """

    group: Group
    wanted: int
    missing: Mapping[str, int]
    slots: int
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def stored(self) -> int:
        """How many of the replicates asked for are in the store already, and are skipped."""
        return self.wanted - sum(self.missing.values())


class Observer:
    """Hears how a run goes, in the thread of the run; this one does nothing about it."""

    def planned(self, plan: Plan) -> None:
        """The run begins."""

    def started(self, unit: Unit) -> None:
        """A replicate was handed to the executor."""

    def progressed(self, unit: Unit, progress: Progress) -> None:
        """A replicate tells where it stands."""

    def ended(self, result: Result) -> None:
        """A replicate is finished, and stored, or has failed."""

    def found(self, cells: Mapping[str, int]) -> None:
        """Other runs on the same store have finished some: name of a cell -> how many of its replicates."""

    def waiting(self, elsewhere: int) -> None:
        """Nothing is left to do but what other runs on the same store are at work on."""
