"""Executors: where replicates are computed. The seam at which a cluster will be joined on.

Two rules hold for each of them: a replicate runs on one thread, so that its numbers do not depend on how many workers
there are, and a replicate that fails is a result like any other, so that the rest goes on.
"""

import importlib
import itertools
import math
import multiprocessing
import os
import signal
import threading
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import final

from goodminima.core.progress import Progress
from goodminima.experiments.experiment import Cell, Context, Experiment, Outcome

REPORT_EVERY = 0.25  # seconds between two progress messages of a worker


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Unit:
    """One replicate of one cell, to be computed."""

    cell: str
    context: Context

    def __str__(self) -> str:
        return f"{self.context.experiment} {self.cell} replicate {self.context.replicate}"


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """A replicate that was computed, and the seconds it took."""

    unit: Unit
    outcome: Outcome
    seconds: float


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Failed:
    """A replicate that raised: the error in one line, and its traceback."""

    unit: Unit
    error: str
    traceback: str


Result = Finished | Failed
OnProgress = Callable[[Unit, Progress], None]


def find_experiment(name: str) -> Experiment:
    """The experiment of a catalogue name `paper/entry`, or of an importable `module:ATTRIBUTE`.

    Raises:
        ValueError: There is none of this name.
    """
    module, colon, attribute = name.partition(":")
    if not colon:
        from goodminima.experiments.catalogue import find

        return find(name)
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{name}: no such experiment ({error}); write it as module:ATTRIBUTE") from error
    if not isinstance(found, Experiment):
        raise ValueError(f"{name}: is a {type(found).__name__}, not an Experiment")
    return found


def find_experiments(name: str) -> tuple[Experiment, ...]:
    """Every experiment of a paper for `paper/all`; otherwise the one that `find_experiment` finds.

    Raises:
        ValueError: There is none of this name.
    """
    from goodminima.experiments.catalogue import of_paper

    return of_paper(name.removesuffix("/all")) if name.endswith("/all") else (find_experiment(name),)


def compute(experiment: Experiment, unit: Unit, report: Callable[[Progress], None]) -> Result:
    """Runs one replicate here and now; an exception in it becomes a `Failed`."""
    started = time.perf_counter()
    try:
        cell = next(cell for cell in experiment.cells if cell.name == unit.cell)
        outcome = _checked(cell, experiment.run_cell(cell, replace(unit.context, callback=report)))
    except Exception as error:  # whatever an experiment raises: the others' work must go on
        return Failed(unit=unit, error=_in_one_line(error), traceback=traceback.format_exc())
    return Finished(unit=unit, outcome=outcome, seconds=time.perf_counter() - started)


class AbstractExecutor(ABC):
    """Computes replicates. `slots` of them at once; `close` ends whatever still runs, at once."""

    slots: int

    @abstractmethod
    def map(self, experiment: Experiment, units: Iterable[Unit], on_progress: OnProgress) -> Iterator[Result]:
        """Computes units and gives each result as soon as it is there.

        A unit is taken from `units` only when there is a free slot for it.
        """

    @abstractmethod
    def close(self) -> None:
        """Ends whatever still runs, at once."""


@final
class InlineExecutor(AbstractExecutor):
    """Computes one replicate after the other in this process."""

    slots = 1

    def map(self, experiment: Experiment, units: Iterable[Unit], on_progress: OnProgress) -> Iterator[Result]:
        for unit in units:
            with _one_thread():
                result = compute(experiment, unit, lambda progress, unit=unit: on_progress(unit, progress))
            yield result

    def close(self) -> None:
        """Nothing runs between two calls."""


@final
class ProcessExecutor(AbstractExecutor):
    """Computes replicates in worker processes, which end with this one even when it is killed.

    Workers find the experiment by its name, for what it runs need not be picklable.

    Args:
        workers: How many; as many as there are cores by default.
    """

    def __init__(self, workers: int | None = None) -> None:
        if workers is not None and workers < 1:
            raise ValueError(f"workers must be at least 1, got {workers}")
        self.slots = workers or available_cores()
        self._idle: list[_Worker] = []
        self._busy: dict[_Worker, Unit] = {}

    def map(self, experiment: Experiment, units: Iterable[Unit], on_progress: OnProgress) -> Iterator[Result]:
        if find_experiment(experiment.name) != experiment:
            raise ValueError(f"workers find another experiment than this one under the name {experiment.name!r}")
        waiting = iter(units)
        while True:
            for unit in itertools.islice(waiting, self.slots - len(self._busy)):
                self._start(unit)
            if not self._busy:
                return
            yield from self._results(on_progress)

    def close(self) -> None:
        for worker in [*self._idle, *self._busy]:
            worker.process.kill()
            worker.process.join()
            worker.pipe.close()
        self._idle, self._busy = [], {}

    def _start(self, unit: Unit) -> None:
        self._idle = [worker for worker in self._idle if worker.process.is_alive()]
        worker = self._idle.pop() if self._idle else _Worker.start()
        self._busy[worker] = unit
        worker.pipe.send(unit)

    def _results(self, on_progress: OnProgress) -> Iterator[Result]:
        """Waits for the workers' next messages; passes progress on, gives results."""
        by_pipe = {worker.pipe: worker for worker in self._busy}
        for pipe in wait(list(by_pipe)):
            worker = by_pipe[pipe]  # type: ignore[index]  # wait() gives back what it got
            message = worker.receive(self._busy[worker])
            if isinstance(message, Progress):
                on_progress(self._busy[worker], message)
                continue
            del self._busy[worker]
            if worker.process.is_alive():
                self._idle.append(worker)
            yield message


@final
@dataclass(frozen=True, eq=False, slots=True)
class _Worker:
    process: SpawnProcess
    pipe: Connection

    @staticmethod
    def start() -> "_Worker":
        spawn = multiprocessing.get_context("spawn")
        ours, theirs = spawn.Pipe()
        process = spawn.Process(target=_work, args=(theirs,), daemon=True)
        with _interrupts_held_back():
            process.start()
        theirs.close()  # so that reading ours ends when the worker does
        return _Worker(process, ours)

    def receive(self, unit: Unit) -> Result | Progress:
        """The next message; a `Failed` if the worker died instead."""
        try:
            return self.pipe.recv()
        except (EOFError, ConnectionError):
            self.process.join()
            self.pipe.close()
            code = self.process.exitcode or 0
            how = f"by signal {signal.Signals(-code).name} (out of memory?)" if code < 0 else f"with exit code {code}"
            return Failed(unit=unit, error=f"its worker process ended {how}", traceback="")


def _work(pipe: Connection) -> None:
    """The life of a worker process: units come in, progress and results go out."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the parent decides
    threading.Thread(target=_die_with_parent, daemon=True).start()
    os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", NUMBA_NUM_THREADS="1")
    while True:
        unit: Unit = pipe.recv()
        try:
            with _one_thread():
                result = compute(find_experiment(unit.context.experiment), unit, _throttled(pipe.send))
        except ValueError as error:
            result = Failed(unit=unit, error=_in_one_line(error), traceback=traceback.format_exc())
        pipe.send(result)


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _throttled(send: Callable[[Progress], None]) -> Callable[[Progress], None]:
    last = -math.inf

    def report(progress: Progress) -> None:
        nonlocal last
        if time.monotonic() - last >= REPORT_EVERY:
            last = time.monotonic()
            send(progress)

    return report


def _checked(cell: Cell, outcome: Outcome) -> Outcome:
    """The outcome, with measures of the cell alone, and each either finite or missing with a note that says so.

    A measure may be left out: the scale does not ask for it.
    """
    undeclared = sorted(set(outcome.values) - set(cell.measures))
    if undeclared:
        raise ValueError(f"cell {cell.name!r} returned {undeclared}, which are not among its measures {cell.measures}")
    bad = [name for name, value in outcome.values.items() if value is not None and not math.isfinite(value)]
    if not bad:
        return outcome
    note = "; ".join(filter(None, [outcome.note, f"not finite: {', '.join(bad)}"]))
    return replace(outcome, values={**outcome.values, **dict.fromkeys(bad)}, note=note)


def available_cores() -> int:
    """The cores that this process may use, which in a container may be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Has a process started here born deaf to Ctrl-C, which could otherwise hit it before it can say so itself."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _in_one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
