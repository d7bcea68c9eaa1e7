"""Runs an experiment into a store: only what is missing, committed as it comes, resumable at every moment."""

import math
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import final

from goodminima.experiments.experiment import Cell, Context, Experiment
from goodminima.run.claims import Claims
from goodminima.run.executors import AbstractExecutor, Failed, InlineExecutor, Result, Unit
from goodminima.run.observer import Observer, Plan
from goodminima.run.options import BadOption
from goodminima.run.provenance import configuration
from goodminima.run.request import check_data, check_device, chosen_cells, group_of
from goodminima.run.results import identity_of, load_results
from goodminima.run.store import Group, Identity, Store, StoreFailed
from goodminima.run.trainings import forget_trainings, trainings_folder

ASK_AGAIN = 1.0  # seconds between two looks at what other runs have claimed


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class RunReport:
    """How a run ended.

    Args:
        group: What ran: experiment, scale, data, seed, device.
        wanted: Replicates asked for, over all cells.
        skipped: Of these, how many were stored before.
        computed: How many this run computed and stored.
        elsewhere: How many other runs on the same store did meanwhile.
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

    @property
    def stored(self) -> int:
        """How many of the replicates asked for are in the store now."""
        return self.skipped + self.computed + self.elsewhere


class RunInterrupted(KeyboardInterrupt):
    """Ctrl-C ended a run; what had finished is stored."""

    def __init__(self, report: RunReport) -> None:
        super().__init__()
        self.report = report


class RunStopped(Exception):
    """The store failed under a run, which cannot go on; what had been stored by then stays."""

    def __init__(self, report: RunReport, failure: StoreFailed) -> None:
        super().__init__(f"{failure}; {report.stored} of {report.wanted} replicates are stored")
        self.report = report
        self.failure = failure


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
    observer: Observer | None = None,
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
        fresh: Forget what is stored of these cells first, and all trainings that entries of this paper share.
        observer: Is told how the run goes.

    Raises:
        BadOption: An argument has a value that cannot be used.
        DataError: The data cannot be loaded. Like the former, before anything runs.
        RunInterrupted: Ctrl-C.
        RunStopped: The store failed: its disk is full, say. A run of the same goes on where this one stopped.
    """
    if replicates is not None and replicates < 1:
        raise BadOption("replicates", replicates, "at least 1 is needed")
    group = group_of(experiment, scale=scale, data=data, seed=seed, device=device)
    cells = chosen_cells(experiment, scale=scale, only=only)
    counts = {cell.name: replicates or experiment.scales[scale].count(cell.name) for cell in cells}
    check_device(device)
    check_data(group.data)
    if fresh:
        forget(experiment, store=store, scale=scale, data=data, seed=seed, device=device, only=only)
    work = _Run(
        experiment=experiment,
        store=store,
        group=group,
        cells=cells,
        counts=counts,
        executor=executor or InlineExecutor(),
        observer=observer or Observer(),
    )
    return work.run()


def forget(
    experiment: Experiment,
    *,
    store: Store,
    scale: str = "laptop",
    data: str | None = None,
    seed: int = 0,
    device: str = "cpu",
    only: str | None = None,
) -> None:
    """Forgets what is stored of an experiment, and the trainings that it shares with other entries of its paper.

    The arguments are those of `run`.
    """
    group = group_of(experiment, scale=scale, data=data, seed=seed, device=device)
    store.delete(group, cells=[cell.name for cell in chosen_cells(experiment, scale=scale, only=only)])
    forget_trainings(store, group)


@dataclass(kw_only=True, slots=True)
class _Run:
    """One run under way."""

    experiment: Experiment
    store: Store
    group: Group
    cells: tuple[Cell, ...]
    counts: Mapping[str, int]
    executor: AbstractExecutor
    observer: Observer
    computed: int = 0
    elsewhere: int = 0
    failures: list[Failed] = field(default_factory=list)
    seconds_of: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def run(self) -> RunReport:
        started = time.perf_counter()
        missing = self._missing()
        wanted = sum(self.counts.values())
        skipped = wanted - len(missing)

        def report() -> RunReport:
            return RunReport(
                group=self.group,
                wanted=wanted,
                skipped=skipped,
                computed=self.computed,
                elsewhere=self.elsewhere,
                failures=tuple(self.failures),
                seconds=time.perf_counter() - started,
            )

        self.observer.planned(self._plan(wanted, missing))
        try:
            self._work_off(missing)
        except KeyboardInterrupt:
            # It may have come between a commit and its being counted: what the store holds is the truth.
            with suppress(StoreFailed):
                self.computed = len(self.store.identities(self.group) & set(missing)) - self.elsewhere
            raise RunInterrupted(report()) from None
        except StoreFailed as failure:
            raise RunStopped(report(), failure) from failure
        return report()

    def _missing(self) -> list[Identity]:
        """What is wanted and not stored, in table order."""
        stored = load_results(self.store, self.experiment, group=self.group).all_replicates()
        for replicate in stored:
            self.seconds_of[replicate.identity.cell].append(replicate.seconds)
        there = {replicate.identity for replicate in stored}
        wanted = [
            identity_of(self.experiment, cell, group=self.group, replicate=replicate)
            for cell in self.cells
            for replicate in range(self.counts[cell.name])
        ]
        return [identity for identity in wanted if identity not in there]

    def _plan(self, wanted: int, missing: list[Identity]) -> Plan:
        return Plan(
            group=self.group,
            wanted=wanted,
            missing=Counter(identity.cell for identity in missing),
            slots=self.executor.slots,
            seconds={cell: statistics.mean(seconds) for cell, seconds in self.seconds_of.items()},
        )

    def _work_off(self, missing: list[Identity]) -> None:
        """Computes what is missing; waits for what other runs have claimed, and takes it over if they die."""
        left = {(identity.cell, identity.replicate): identity for identity in missing}
        with Claims(self.store) as claims:
            try:
                while left:
                    self._compute(left, claims)
                    if left:
                        self._look_elsewhere(left)
            finally:
                self.executor.close()

    def _compute(self, left: dict[tuple[str, int], Identity], claims: Claims) -> None:
        """Computes all that nobody else has claimed, and takes it from `left`."""
        units = self._units(list(left.values()), claims)
        for result in self.executor.map(self.experiment, units, self.observer.progressed):
            identity = left.pop((result.unit.cell, result.unit.context.replicate))
            self._keep(identity, result, claims)
            self.observer.ended(result)

    def _look_elsewhere(self, left: dict[tuple[str, int], Identity]) -> None:
        """Takes from `left` what other runs have stored; waits a little if that is nothing."""
        there = self.store.identities(self.group) & set(left.values())
        for identity in there:
            del left[identity.cell, identity.replicate]
        self.elsewhere += len(there)
        if there:
            self.observer.found(Counter(identity.cell for identity in there))
        if left and not there:
            self.observer.waiting(len(left))
            time.sleep(ASK_AGAIN)

    def _units(self, left: list[Identity], claims: Claims) -> Iterator[Unit]:
        """Units to compute, each claimed at the moment that it is asked for."""
        for replicate in sorted({identity.replicate for identity in left}):
            row = [identity for identity in left if identity.replicate == replicate]
            for identity in sorted(row, key=self._expected_seconds, reverse=True):
                if claims.take(identity):
                    unit = self._unit(identity)
                    self.observer.started(unit)
                    yield unit

    def _expected_seconds(self, identity: Identity) -> float:
        known = self.seconds_of[identity.cell]
        return statistics.mean(known) if known else math.inf

    def _unit(self, identity: Identity) -> Unit:
        context = Context(
            experiment=self.experiment.name,
            scale_settings=self.experiment.scales[self.group.scale].settings,
            replicate=identity.replicate,
            seed=self.group.seed,
            data=self.group.data or None,
            device=self.group.device,
            trainings=trainings_folder(self.store, self.group),
        )
        return Unit(cell=identity.cell, context=context)

    def _keep(self, identity: Identity, result: Result, claims: Claims) -> None:
        if isinstance(result, Failed):
            claims.give_up(identity)
            self.failures.append(result)
            return
        cell = next(cell for cell in self.cells if cell.name == identity.cell)
        settings = self.experiment.scales[self.group.scale].settings
        self.seconds_of[identity.cell].append(result.seconds)
        is_new = self.store.save(
            identity,
            result.outcome,
            configuration=configuration(cell, settings, device=self.group.device),
            seconds=result.seconds,
            device=self.group.device,
        )
        self.computed += is_new
        self.elsewhere += not is_new
