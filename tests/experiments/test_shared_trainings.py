"""Trainings that entries share are made once, by whoever comes first, even if that one dies."""

import multiprocessing
import multiprocessing.process
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from goodminima.core.checkpoint import OtherTraining
from goodminima.core.progress import Progress
from goodminima.experiments.experiment import Context
from goodminima.experiments.settings import Settings
from goodminima.experiments.shared_trainings import shared_training, try_shared_training
from goodminima.tasks import Examples, Task
from goodminima.train import Fit, OptimizerConfig, Recipe, fit

RECIPE = Recipe(epochs=20, batch_size=4, optimizer=OptimizerConfig(lr=0.1, options={"momentum": 0.9}))


def context(folder: Path, replicate: int = 0) -> Context:
    return Context(
        experiment="liu2020/table2", scale_settings=Settings(), replicate=replicate, seed=0, data=None, trainings=folder
    )


def task() -> Task:
    x = torch.arange(24.0).reshape(12, 2).sin()
    examples = Examples(x, (x[:, 0] > 0).long())
    return Task(train=examples, test=examples, num_classes=2, name="toy", origin="sines")


def trained(file: Path | None, *, log: Path | None = None, pause: float = 0.0, recipe: Recipe = RECIPE) -> Fit:
    """The training; each of its steps takes `pause` seconds, and is a line in the log."""
    torch.manual_seed(0)

    def callback(progress: Progress) -> None:
        time.sleep(pause)
        if log is not None:
            with log.open("a") as lines:
                lines.write(f"{os.getpid()} {progress.done}\n")

    return fit(nn.Linear(2, 2), task(), recipe=recipe, seed=1, checkpoint=file, checkpoint_every=2, callback=callback)


def test_two_entries_train_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    first = shared_training(context(tmp_path), "vanilla", lambda file: trained(file, log=log))
    second = shared_training(
        replace(context(tmp_path), experiment="liu2020/figure2"), "vanilla", lambda file: trained(file, log=log)
    )
    assert len(log.read_text().splitlines()) == 60
    assert first.history == second.history
    assert all(torch.equal(*pair) for pair in zip(first.net.parameters(), second.net.parameters(), strict=True))


def test_names_and_replicates_are_kept_apart(tmp_path: Path) -> None:
    seen: list[Path | None] = []

    def train(file: Path | None) -> Fit:
        seen.append(file)
        return trained(file)

    for name, replicate in (("DA/l2", 0), ("DA-l2", 0), ("DA l2", 0), ("da-l2", 1), ("da-l2", 0)):
        shared_training(context(tmp_path, replicate), name, train)
    assert len({str(file).lower() for file in seen}) == 5
    assert all(file is not None and file.is_relative_to(tmp_path) and file.exists() for file in seen)


def test_without_a_folder_everything_is_trained() -> None:
    files: list[Path | None] = []

    def train(file: Path | None) -> Fit:
        files.append(file)
        return trained(file)

    bare = Context(experiment="e", scale_settings=Settings(), replicate=0, seed=0, data=None)
    assert shared_training(bare, "vanilla", train).history == trained(None).history
    assert try_shared_training(bare, "vanilla", train) is not None
    assert files == [None, None]


def test_one_name_for_two_trainings_is_an_error_with_a_cure(tmp_path: Path) -> None:
    shared_training(context(tmp_path), "vanilla", trained)
    with pytest.raises(OtherTraining, match=r"its recipe is .*`--fresh` forgets"):
        shared_training(context(tmp_path), "vanilla", lambda file: trained(file, recipe=replace(RECIPE, epochs=3)))


def _worker(folder: Path, log: Path, pause: float) -> None:
    shared_training(context(folder), "vanilla", lambda file: trained(file, log=log, pause=pause))


def started(folder: Path, log: Path, pause: float) -> multiprocessing.process.BaseProcess:
    process = multiprocessing.get_context("spawn").Process(target=_worker, args=(folder, log, pause))
    process.start()
    return process


def wait_for(log: Path, lines: int) -> list[str]:
    deadline = time.time() + 60
    while time.time() < deadline:
        if log.exists() and len(found := log.read_text().splitlines()) >= lines:
            return found
        time.sleep(0.01)
    raise AssertionError(f"{log} has no {lines} lines after a minute")


def test_of_two_workers_one_trains_and_the_other_waits_and_loads(tmp_path: Path) -> None:
    log, heard = tmp_path / "log", []
    other = started(tmp_path, log, 0.02)
    wait_for(log, 1)
    assert try_shared_training(context(tmp_path), "vanilla", trained) is None
    mine = shared_training(
        replace(context(tmp_path), callback=heard.append), "vanilla", lambda file: trained(file, log=log)
    )
    other.join()
    assert len({line.split()[0] for line in log.read_text().splitlines()}) == 1
    assert mine.history == trained(None).history
    assert "trained by another worker" in heard[0].unit


@pytest.mark.skipif(os.name != "posix", reason="kills by signal")
def test_when_the_one_that_trains_is_killed_another_goes_on_from_there(tmp_path: Path) -> None:
    log = tmp_path / "log"
    other = started(tmp_path, log, 0.02)
    wait_for(log, 20)
    assert other.pid is not None
    os.kill(other.pid, signal.SIGKILL)
    other.join()
    mine = shared_training(context(tmp_path), "vanilla", lambda file: trained(file, log=log))
    lines = [line.split() for line in log.read_text().splitlines()]
    ours = [int(seen) for pid, seen in lines if pid != str(other.pid)]
    assert ours[0] > 4  # not from the beginning
    assert mine.history == trained(None).history
