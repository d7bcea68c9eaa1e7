import dataclasses
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from toy_experiment import FAILING, FAILS_UNLESS, TOY, WITH_DATA, Pause, make

from goodminima.experiments.experiment import Experiment, Outcome, Scale
from goodminima.run import (
    BadOption,
    InlineExecutor,
    Observer,
    Plan,
    ProcessExecutor,
    RunInterrupted,
    Store,
    load_results,
    run,
)
from goodminima.run import runner as runner_module
from goodminima.run.claims import Claims
from goodminima.run.executors import Result, Unit
from goodminima.run.results import identity_of
from goodminima.tasks import DataError


class Recorder(Observer):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.plan: Plan | None = None
        self.order: list[tuple[str, int]] = []
        self.ended_count = 0
        self.found_count = 0
        self.waited = threading.Event()

    def planned(self, plan: Plan) -> None:
        self.plan = plan

    def started(self, unit: Unit) -> None:
        self.order.append((unit.cell, unit.context.replicate))

    def ended(self, result: Result) -> None:
        self.ended_count += 1

    def found(self, cells: Mapping[str, int]) -> None:
        self.found_count += sum(cells.values())

    def waiting(self, elsewhere: int) -> None:
        self.waited.set()


def values(store: Store, experiment: Experiment = TOY, scale: str = "smoke", **options) -> Mapping[str, list]:
    """All stored values by cell, in replicate order."""
    report = run(experiment, store=store, scale=scale, **options)
    results = load_results(store, experiment, group=report.group)
    return {cell.name: [outcome.values for outcome in results.outcomes(cell.name)] for cell in results.cells}


def test_a_second_run_computes_nothing(store: Store):
    first = run(TOY, store=store, scale="smoke")
    assert (first.wanted, first.skipped, first.computed, first.failures) == (9, 0, 9, ())
    recorder = Recorder()
    second = run(TOY, store=store, scale="smoke", observer=recorder)
    assert (second.wanted, second.skipped, second.computed, second.stored) == (9, 9, 0, 9)
    assert recorder.plan is not None
    assert recorder.plan.stored == 9
    assert recorder.order == []


def test_more_replicates_add_to_those_there_are(store: Store, tmp_path: Path):
    run(TOY, store=store, scale="smoke", replicates=1)
    report = run(TOY, store=store, scale="smoke", replicates=4)
    assert (report.skipped, report.computed) == (3, 9)
    assert values(store) == values(Store(str(tmp_path / "other.db")), replicates=4)


def test_a_cell_may_take_a_number_of_replicates_of_its_own(store: Store):
    scale = dataclasses.replace(TOY.scales["smoke"], replicates_of={"n=2/a": 1})
    slow = dataclasses.replace(TOY, scales={**TOY.scales, "smoke": scale})
    assert [len(stored) for stored in values(store, slow).values()] == [1, 3, 3]
    assert [len(stored) for stored in values(store, slow, replicates=2).values()] == [2, 3, 3]
    with pytest.raises(ValueError, match="at least 1, got 0"):
        dataclasses.replace(scale, replicates_of={"n=2/a": 0})


def test_workers_do_not_change_numbers(store: Store, tmp_path: Path):
    other = Store(str(tmp_path / "other.db"))
    assert values(store, executor=InlineExecutor()) == values(other, executor=ProcessExecutor(3))


def test_seeds_are_kept_apart(store: Store):
    assert values(store, seed=0) != values(store, seed=1)
    assert {group.seed for group in store.groups()} == {0, 1}


def test_replicate_major_order_with_the_slowest_cell_first(store: Store):
    def run_cell(cell, context):
        time.sleep(0.1 if cell.name == "n=2/b" else 0.0)
        return Outcome(values={"low": 0.5})

    recorder = Recorder()
    run(make("SLEEPY", run_cell), store=store, scale="smoke", replicates=2, observer=recorder)
    assert [replicate for _, replicate in recorder.order] == [0, 0, 0, 1, 1, 1]
    assert [cell for cell, _ in recorder.order[:3]] == ["n=2/a", "n=2/b", "n=4/a"]
    assert recorder.order[3][0] == "n=2/b"


def test_only_picks_cells_by_name_and_by_pattern(store: Store):
    assert run(TOY, store=store, scale="smoke", only="n=2/b", replicates=1).computed == 1
    report = run(TOY, store=store, scale="smoke", only="n=2/*", replicates=1)
    assert (report.wanted, report.skipped, report.computed) == (2, 1, 1)


def test_a_name_with_brackets_is_a_name_first(store: Store):
    cells = tuple(dataclasses.replace(cell, name=f"[{cell.name}]") for cell in TOY.cells)
    bracketed = dataclasses.replace(TOY, cells=cells, scales=dict.fromkeys(TOY.scales, TOY.scales["smoke"]))
    assert run(bracketed, store=store, only="[n=2/b]").wanted == 3


def test_fresh_forgets_the_chosen_cells_alone(store: Store):
    run(TOY, store=store, scale="smoke")
    report = run(TOY, store=store, scale="smoke", only="n=4/a", fresh=True)
    assert (report.wanted, report.computed) == (3, 3)
    assert run(TOY, store=store, scale="smoke").skipped == 9


def test_a_changed_budget_never_reuses_old_numbers(store: Store):
    run(TOY, store=store, scale="smoke")
    scales = {**TOY.scales, "smoke": Scale(replicates=3, settings=Pause(pause=0.001))}
    changed = dataclasses.replace(TOY, scales=scales)
    report = run(changed, store=store, scale="smoke")
    assert (report.skipped, report.computed) == (0, 9)
    results = load_results(store, changed, group=report.group)
    assert results.outdated == 9
    assert [len(results.outcomes(cell.name)) for cell in results.cells] == [3, 3, 3]


def test_a_failure_is_reported_the_rest_is_stored_and_the_next_run_makes_it_up(
    store: Store, monkeypatch: pytest.MonkeyPatch
):
    report = run(FAILING, store=store, scale="smoke")
    assert report.computed == 8
    (failed,) = report.failures
    assert "n=2/a replicate 1" in str(failed.unit)
    monkeypatch.setenv(FAILS_UNLESS, "1")
    again = run(FAILING, store=store, scale="smoke")
    assert (again.skipped, again.computed, again.failures) == (8, 1, ())


def test_ctrl_c_keeps_what_has_finished_and_gives_up_claims(store: Store):
    calls = 0

    def run_cell(cell, context):
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return Outcome(values={"low": 0.5})

    experiment = make("STOPPED", run_cell)
    with pytest.raises(RunInterrupted) as caught:
        run(experiment, store=store, scale="smoke")
    assert (caught.value.report.computed, caught.value.report.stored, caught.value.report.wanted) == (2, 2, 9)
    assert run(experiment, store=store, scale="smoke").computed == 7


def test_what_another_run_has_claimed_is_left_to_it_and_waited_for(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(runner_module, "ASK_AGAIN", 0.02)
    group = run(TOY, store=store, scale="smoke", replicates=1).group
    theirs = identity_of(TOY, TOY.cells[0], group=group, replicate=1)
    recorder = Recorder()
    reports = []

    def second_run() -> None:
        reports.append(run(TOY, store=store, scale="smoke", replicates=2, observer=recorder))

    with Claims(store) as other:
        assert other.take(theirs)
        thread = threading.Thread(target=second_run)
        thread.start()
        assert recorder.waited.wait(timeout=20)
        store.save(theirs, Outcome(values={"low": 0.5}), configuration={}, seconds=1.0, device="cpu")
        thread.join(timeout=20)
    (report,) = reports
    assert (report.skipped, report.computed, report.elsewhere, report.stored) == (3, 2, 1, 6)
    assert ("n=2/a", 1) not in recorder.order
    assert recorder.found_count == 1


def test_a_plan_knows_what_stored_replicates_took(store: Store):
    recorder = Recorder()
    run(TOY, store=store, scale="smoke", replicates=1, observer=recorder)
    assert recorder.plan is not None
    assert recorder.plan.seconds == {}
    run(TOY, store=store, scale="smoke", replicates=2, observer=recorder)
    assert set(recorder.plan.seconds) == {cell.name for cell in TOY.cells}
    assert all(seconds > 0 for seconds in recorder.plan.seconds.values())


def test_two_runs_at_once_share_the_work(tmp_path: Path):
    path = str(tmp_path / "store.db")
    Store(path)
    recorders = [Recorder(), Recorder()]

    def one(recorder: Recorder) -> None:
        run(TOY, store=Store(path), scale="laptop", observer=recorder)

    threads = [threading.Thread(target=one, args=(recorder,)) for recorder in recorders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done = recorders[0].order + recorders[1].order
    assert len(done) == len(set(done)) == 12
    assert min(len(recorder.order) for recorder in recorders) > 0


@pytest.mark.parametrize(
    ("options", "option", "message"),
    [
        ({"scale": "lptop"}, "scale", "did you mean 'laptop'"),
        ({"only": "n=3/a"}, "only", "no such cell; did you mean"),
        ({"replicates": 0}, "replicates", "at least 1"),
        ({"seed": -1}, "seed", "0 is the default"),
        ({"seed": 2**63}, "seed", "0 is the default"),
        ({"data": "mnist"}, "data", "toy data"),
        ({"device": "gpu"}, "device", "cpu always can"),
    ],
)
def test_a_bad_option_is_named(store: Store, options: dict, option: str, message: str):
    with pytest.raises(BadOption, match=message) as caught:
        run(TOY, store=store, **options)
    assert caught.value.option == option
    assert store.groups() == []


def test_data_that_cannot_be_loaded_stop_a_run_before_it_starts(store: Store):
    recorder = Recorder()
    with pytest.raises(DataError):
        run(WITH_DATA, store=store, scale="smoke", data="./no/such/folder", observer=recorder)
    assert recorder.plan is None


def test_data_of_the_experiment_are_the_default_and_part_of_the_identity(store: Store):
    report = run(WITH_DATA, store=store, scale="smoke", replicates=1)
    assert report.group.data == "digits"
    assert run(TOY, store=store, scale="smoke", replicates=1).group.data == ""
