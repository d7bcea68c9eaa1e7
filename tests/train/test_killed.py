"""A training that is killed, again and again, ends in the weights of one that was left alone."""

import multiprocessing
import os
import signal
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import torch
from tiny_training import digits, tiny_net

from goodminima.train import CropFlip, Fit, MultiStep, OptimizerConfig, Recipe, fit

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kills by signal")

AUGMENT = CropFlip(pad=2, flip=True, fill=-0.4)
RECIPES = {
    "SGD with momentum": Recipe(
        epochs=30,
        batch_size=16,
        optimizer=OptimizerConfig(lr=0.05, options={"momentum": 0.9}),
        schedule=MultiStep(at=(0.5, 0.8)),
        weight_decay=1e-3,
        augment=AUGMENT,
    ),
    "Adam": Recipe(epochs=30, batch_size=16, optimizer=OptimizerConfig(name="Adam", lr=0.003), augment=AUGMENT),
}


def trained(name: str, file: Path | None, pause: float = 0.0) -> Fit:
    """The training; it rests after each step, so that there is time to kill it."""
    torch.set_num_threads(1)
    return fit(
        tiny_net(),
        digits(),
        recipe=RECIPES[name],
        seed=1,
        checkpoint=file,
        checkpoint_every=2,
        callback=lambda progress: time.sleep(pause),
    )


def work(name: str, file: Path, pause: float) -> None:
    trained(name, file, pause)


def started(name: str, file: Path, pause: float) -> BaseProcess:
    # Forked off a server that has imported everything but trained nothing: a start takes milliseconds.
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["goodminima.train.fitting", "sklearn.datasets"])
    process = server.Process(target=work, args=(name, file, pause))
    process.start()
    return process


def wait_for_another(file: Path, before: int) -> int:
    """Waits until the file is another one; its time of writing."""
    deadline = time.time() + 60
    while time.time() < deadline:
        if file.exists() and (now := file.stat().st_mtime_ns) != before:
            return now
        time.sleep(0.002)
    raise AssertionError(f"{file} was not written within a minute")


@pytest.mark.parametrize("name", RECIPES)
def test_killed_again_and_again_it_ends_in_the_same_weights(name: str, tmp_path: Path) -> None:
    file, written = tmp_path / "kept.safetensors", 0
    for kill in range(4):
        process = started(name, file, 0.003)
        written = wait_for_another(file, written)
        time.sleep(0.007 * kill)  # somewhere between two writings, or in one
        assert process.pid is not None
        assert process.is_alive()
        os.kill(process.pid, signal.SIGKILL)
        process.join()
    begun: list[float] = []
    resumed = fit(
        tiny_net(),
        digits(),
        recipe=RECIPES[name],
        seed=1,
        checkpoint=file,
        checkpoint_every=2,
        callback=lambda progress: begun.append(progress.done),
    )
    alone = trained(name, None)
    assert begun[0] > 4 * 2 * 101  # each of the four went on from where the one before was
    assert resumed.history == alone.history
    for (word, ours), theirs in zip(resumed.net.state_dict().items(), alone.net.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs), word
    assert sorted(path.name for path in tmp_path.iterdir()) == [file.name]
