"""Runs an experiment into a store: only what is missing, committed as it comes, resumable at every moment."""

import fnmatch
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from goodminima.experiments.experiment import SCALES, Cell, Context, Experiment, Progress
from goodminima.run.claims import Claims
from goodminima.run.executors import AbstractExecutor, Failed, Finished, InlineExecutor, Result, Unit
from goodminima.run.options import BadOption, unknown
from goodminima.run.provenance import configuration
from goodminima.run.results import Results, identity_of, load_results
from goodminima.run.store import Group, Identity, Store

ASK_AGAIN = 1.0  # seconds between two looks at what other runs have claimed


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What a run has before it: `wanted` replicates, of which `stored` are there already."""

    group: Group
    cells: tuple[Cell, ...]
    wanted: int
    stored: int
    slots: int


class Listener:
    """Hears how a run goes; this one does nothing about it."""

    def planned(self, plan: Plan) -> None:
        """The run begins."""

    def started(self, unit: Unit) -> None:
        """A replicate was handed to the executor."""

    def progressed(self, unit: Unit, progress: Progress) -> None:
        """A replicate tells where it stands."""

    def ended(self, result: Result) -> None:
        """A replicate is finished, and stored, or has failed."""

    def waiting(self, elsewhere: int) -> None:
        """Nothing is left to do but what other runs on the same store are at work on."""


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class RunReport:
    """How a run ended.

    Args:
        group: What ran: experiment, scale, data, seed, device.
        wanted: Replicates asked for.
        skipped: Of these, how many were stored before.
        computed: How many this run computed and stored.
        elsewhere: How many other runs on the same store computed meanwhile.
        failures: Replicates that raised.
        seconds: Wall time.
    """

    group: Group
    wanted: int
    skipped: int
    computed: int
    elsewhere: int
    failures: tuple[Failed, ...]
    seconds: float


class RunInterrupted(KeyboardInterrupt):
    """Ctrl-C ended a run; what had finished is stored."""

    def __init__(self, report: RunReport) -> None:
        super().__init__()
        self.report = report


def run(
    experiment: Experiment,
    *,
    store: Store,
    scale: str = "laptop",
    data: str | None = None,
    replicates: int | None = None,
    seed: int = 0,
    executor: AbstractExecutor | None = None,
    device: str = "cpu",
    only: str | None = None,
    fresh: bool = False,
    listen: Listener | None = None,
) -> RunReport:
    """Computes what the store does not hold yet of an experiment.

    Replicate 0 of every cell comes first, then replicate 1, and so on, so that a run stopped early leaves a table
    with every row begun; among the cells of one replicate those known to take longest start first.

    Args:
        experiment: What to run.
        store: Where each finished replicate is committed at once.
        scale: `smoke`, `laptop` or `paper`.
        data: Name or folder of a data set; the experiment's own by default.
        replicates: How many per cell; the scale's own number by default.
        seed: Together with a replicate's number it decides all its randomness.
        executor: Where replicates are computed; in this process by default. It is closed at the end.
        device: Where tensors live, `cpu` or `cuda`.
        only: A cell's name or a pattern such as `n=4/*`; all cells by default.
        fresh: Forget what is stored of these cells first.
        listen: Is told how the run goes.

    Raises:
        BadOption: An argument has a value that cannot be used.
        DataError: The data cannot be loaded. Like the former, before anything runs.
        RunInterrupted: Ctrl-C.
    """
    count = experiment.scales[known_scale(scale)].replicates if replicates is None else replicates
    if count < 1:
        raise BadOption("replicates", count, "at least 1 is needed")
    group = group_of(experiment, scale=scale, data=data, seed=seed, device=device)
    cells = chosen_cells(experiment, scale=scale, only=only)
    _check_device(device)
    _check_data(group.data)
    if fresh:
        store.delete(group, cells=[cell.name for cell in cells])
    work = _Run(
        experiment=experiment,
        store=store,
        group=group,
        cells=cells,
        count=count,
        executor=executor or InlineExecutor(),
        listen=listen or Listener(),
    )
    return work.run()


def known_scale(scale: str) -> str:
    """The scale, if there is one of this name; `BadOption` otherwise."""
    if scale not in SCALES:
        raise unknown("scale", scale, SCALES)
    return scale


def group_of(
    experiment: Experiment, *, scale: str = "laptop", data: str | None = None, seed: int = 0, device: str = "cpu"
) -> Group:
    """The table that these options name.

    Raises:
        BadOption: No such scale, a negative seed, or data for an experiment that makes its own.
    """
    if seed < 0:
        raise BadOption("seed", seed, "must not be negative")
    if data is not None and experiment.data is None:
        raise BadOption("data", data, f"{experiment.name} makes its own toy data; leave --data out")
    name = data or experiment.data or ""
    return Group(experiment=experiment.name, scale=known_scale(scale), data=_absolute(name), seed=seed, device=device)


def chosen_cells(experiment: Experiment, *, scale: str, only: str | None) -> tuple[Cell, ...]:
    """The cells of a scale that a name or pattern picks; `BadOption` if it picks none."""
    cells = experiment.cells_at(scale)
    names = [cell.name for cell in cells]
    picked = cells if only is None else tuple(cell for cell in cells if fnmatch.fnmatchcase(cell.name, only))
    # A name may hold brackets, which a pattern would read as a set of characters.
    picked = picked or tuple(cell for cell in cells if cell.name == only)
    if not picked:
        raise unknown("only", only or "", names)
    return picked


@dataclass(kw_only=True)
class _Run:
    """One run under way."""

    experiment: Experiment
    store: Store
    group: Group
    cells: tuple[Cell, ...]
    count: int
    executor: AbstractExecutor
    listen: Listener
    computed: int = 0
    failures: list[Failed] = field(default_factory=list)
    seconds_of: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def run(self) -> RunReport:
        started = time.perf_counter()
        missing = self._missing()
        wanted = len(self.cells) * self.count
        skipped = wanted - len(missing)

        def report(elsewhere: int) -> RunReport:
            return RunReport(
                group=self.group,
                wanted=wanted,
                skipped=skipped,
                computed=self.computed,
                elsewhere=elsewhere,
                failures=tuple(self.failures),
                seconds=time.perf_counter() - started,
            )

        plan = Plan(group=self.group, cells=self.cells, wanted=wanted, stored=skipped, slots=self.executor.slots)
        self.listen.planned(plan)
        try:
            with Claims(self.store) as claims:
                self._work_off(missing, claims)
        except KeyboardInterrupt:
            raise RunInterrupted(report(elsewhere=0)) from None
        finally:
            self.executor.close()
        return report(elsewhere=len(missing) - self.computed - len(self.failures))

    def _missing(self) -> dict[Identity, Cell]:
        """What is wanted and not stored, replicate by replicate."""
        stored = load_results(self.store, self.experiment, group=self.group)
        for replicate in stored.all_replicates():
            self.seconds_of[replicate.identity.cell].append(replicate.seconds)
        there = {replicate.identity for replicate in stored.all_replicates()}
        wanted = [(cell, replicate) for replicate in range(self.count) for cell in self.cells]
        identities = {identity_of(self.experiment, c, group=self.group, replicate=r): c for c, r in wanted}
        return {identity: cell for identity, cell in identities.items() if identity not in there}

    def _work_off(self, missing: dict[Identity, Cell], claims: Claims) -> None:
        """Computes what is missing; what other runs have claimed is waited for, and taken over if they die."""
        left = dict(missing)
        while left:
            before = self.computed + len(self.failures)
            self._pass(left, claims)
            if left and self.computed + len(self.failures) == before:
                self.listen.waiting(len(left))
                time.sleep(ASK_AGAIN)

    def _pass(self, left: dict[Identity, Cell], claims: Claims) -> None:
        """Takes each unit that is free; removes from `left` what was computed here or stored by others."""
        taken: dict[Unit, Identity] = {}
        ...
