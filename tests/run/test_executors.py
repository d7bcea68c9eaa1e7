import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_experiment import DYING, FAILING, ODD, THREADS, TOY, Pause

from goodminima.core.progress import Progress
from goodminima.experiments.experiment import Context, Experiment
from goodminima.run import Failed, Finished, InlineExecutor, ProcessExecutor, find_experiment
from goodminima.run.executors import AbstractExecutor, Unit
from processes import environment

MAKERS: dict[str, Callable[[], AbstractExecutor]] = {
    "inline": InlineExecutor,
    "processes": lambda: ProcessExecutor(2),
}


@pytest.fixture(params=MAKERS, scope="module")
def executor(request: pytest.FixtureRequest) -> Iterator[AbstractExecutor]:
    made = MAKERS[request.param]()
    yield made
    made.close()


def units(experiment: Experiment, replicates: int = 2, pause: float = 0.0) -> list[Unit]:
    context = Context(experiment=experiment.name, scale_settings=Pause(pause=pause), replicate=0, seed=5, data=None)
    return [
        Unit(cell=cell.name, context=replace(context, replicate=replicate))
        for replicate in range(replicates)
        for cell in experiment.cells
    ]


def ignore(unit: Unit, progress: Progress) -> None:
    pass


def by_name(results) -> dict:
    return {(result.unit.cell, result.unit.context.replicate): result for result in results}


def test_numbers_are_those_of_the_function_itself(executor: AbstractExecutor):
    results = by_name(executor.map(TOY, units(TOY), ignore))
    assert len(results) == 6
    for unit in units(TOY):
        cell = next(cell for cell in TOY.cells if cell.name == unit.cell)
        direct = TOY.run_cell(cell, unit.context)
        result = results[unit.cell, unit.context.replicate]
        assert isinstance(result, Finished)
        assert result.outcome.values == direct.values
        assert np.array_equal(result.outcome.arrays["curve"], direct.arrays["curve"])


def test_progress_arrives_while_a_replicate_runs(executor: AbstractExecutor):
    heard: list[tuple[Unit, Progress]] = []
    (unit, *_) = units(TOY, pause=0.8)
    (result,) = executor.map(TOY, [unit], lambda unit, progress: heard.append((unit, progress)))
    assert isinstance(result, Finished)
    assert result.seconds >= 0.8
    assert len(heard) >= 2
    assert all(about == unit for about, _ in heard)
    efforts = [progress.effort for _, progress in heard]
    assert efforts == sorted(efforts)


def test_a_failure_names_its_replicate_and_leaves_the_others_alone(executor: AbstractExecutor):
    results = list(executor.map(FAILING, units(FAILING), ignore))
    (failed,) = [result for result in results if isinstance(result, Failed)]
    assert str(failed.unit) == "toy_experiment:FAILING n=2/a replicate 1"
    assert failed.error == "RuntimeError: the toy broke"
    assert "run_cell_failing" in failed.traceback
    assert len(results) == 6


def test_units_are_asked_for_only_when_there_is_a_free_slot(executor: AbstractExecutor):
    asked = 0

    def counted() -> Iterator[Unit]:
        nonlocal asked
        for unit in units(TOY, replicates=3):
            asked += 1
            yield unit

    for done, _ in enumerate(executor.map(TOY, counted(), ignore), start=1):
        assert asked <= done - 1 + executor.slots


def test_an_executor_can_be_used_again(executor: AbstractExecutor):
    for _ in range(2):
        assert len(list(executor.map(TOY, units(TOY, replicates=1), ignore))) == 3


def test_a_replicate_has_one_thread_and_the_caller_keeps_its_own(executor: AbstractExecutor):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        results = list(executor.map(THREADS, units(THREADS, replicates=1), ignore))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert [result.outcome.values["low"] for result in results if isinstance(result, Finished)] == [1.0] * 3


def test_a_value_that_is_not_finite_is_missing_and_noted(executor: AbstractExecutor):
    (result,) = executor.map(ODD, units(ODD)[:1], ignore)
    assert isinstance(result, Finished)
    assert result.outcome.values == {"low": None, "high": 0.5}
    assert result.outcome.note == "odd; not finite: low"


def test_an_undeclared_measure_is_a_failure(executor: AbstractExecutor):
    (result,) = executor.map(ODD, units(ODD)[1:2], ignore)
    assert isinstance(result, Failed)
    assert "'middle'" in result.error


def test_a_worker_that_dies_fails_its_replicate_only():
    executor = ProcessExecutor(2)
    results = list(executor.map(DYING, units(DYING), ignore))
    executor.close()
    (failed,) = [result for result in results if isinstance(result, Failed)]
    assert (failed.unit.cell, failed.unit.context.replicate) == ("n=2/a", 1)
    assert failed.error == "its worker process ended with exit code 7"
    assert len(results) == 6


def test_workers_refuse_an_experiment_that_is_not_what_its_name_finds():
    impostor = replace(TOY, claim="Not so.")
    with pytest.raises(ValueError, match="another experiment"):
        next(ProcessExecutor(1).map(impostor, units(impostor), ignore))


def test_at_least_one_worker_is_needed():
    with pytest.raises(ValueError, match="at least 1, got 0"):
        ProcessExecutor(0)


def test_close_ends_workers_at_once():
    executor = ProcessExecutor(1)
    started = time.perf_counter()
    for _ in executor.map(TOY, units(TOY), ignore):
        break
    (worker,) = [*executor._idle, *executor._busy]
    executor.close()
    assert not worker.process.is_alive()
    assert time.perf_counter() - started < 30


def test_experiments_are_found_by_catalogue_name_and_by_import():
    assert find_experiment("toy_experiment:TOY") is TOY
    assert find_experiment("chiang2023/table2").name == "chiang2023/table2"


@pytest.mark.parametrize(
    ("name", "message"),
    [("chiang2023/tabel2", "chiang2023/table2"), ("nowhere:X", "nowhere"), ("toy_experiment:MEASURES", "is a tuple")],
)
def test_an_experiment_that_is_not_found_says_so(name: str, message: str):
    with pytest.raises(ValueError, match=message):
        find_experiment(name)


SPAWNER = """
from toy_experiment import TOY
from test_executors import units, ignore
from goodminima.run import ProcessExecutor
if __name__ == "__main__":
    executor = ProcessExecutor(2)
    for number, _ in enumerate(executor.map(TOY, units(TOY, replicates=9, pause=0.2), ignore)):
        if number == 1:
            workers = [*executor._idle, *executor._busy]
            print(*(worker.process.pid for worker in workers), flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="kills by signal")
def test_workers_end_when_their_parent_is_killed(tmp_path: Path):
    script = tmp_path / "spawner.py"
    script.write_text(SPAWNER)
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=environment())
    assert parent.stdout is not None
    pids = [int(word) for word in parent.stdout.readline().split()]
    assert len(pids) == 2
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.time() + 10
    while any(is_running(pid) for pid in pids) and time.time() < deadline:
        time.sleep(0.05)
    assert not any(is_running(pid) for pid in pids)


def is_running(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be reaped, as orphans may in a container, does not."""
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
