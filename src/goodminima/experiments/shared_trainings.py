"""Trainings, and what was measured of them, that several entries share: whoever comes first works, whoever comes later loads."""

import hashlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from goodminima.core import files
from goodminima.core.checkpoint import OtherTraining
from goodminima.core.progress import Progress
from goodminima.experiments.experiment import Context
from goodminima.train import Fit

Train = Callable[[Path | None], Fit]  # gets the file to keep its training in


def shared_training(context: Context, name: str, train: Train) -> Fit:
    """The training of this name, made once and then loaded; `train` should hand the file it gets to `fit`.

    While another worker trains the same, this one waits.

    Args:
        context: Its `keep` is the folder; where that is None, everything is trained. Its replicate is part of the
            training's identity: `replace(context, replicate=0)` for one that all replicates share.
        name: What tells the training from others of the same paper, scale, data and seed: "vanilla from random".
        train: Makes it, or goes on with what was begun.

    Raises:
        OtherTraining: Two different trainings have one name, or the recipe was changed since the first was kept.
    """
    file = _file(context, name)
    if file is None:
        return train(None)

    def waiting() -> None:
        context.callback(Progress(done=0, total=1, unit=f"epochs of {name}, trained by another worker"))

    with files.turn(file, waiting=waiting):
        return _explained(train, file)


def try_shared_training(context: Context, name: str, train: Train) -> Fit | None:
    """As `kept`, but None at once while another worker trains the same: do something else first."""
    file = _file(context, name)
    if file is None:
        return train(None)
    with files.turn_if_free(file) as is_ours:
        return _explained(train, file) if is_ours else None


def shared_tensors(
    context: Context, name: str, make: Callable[[], Mapping[str, Tensor]], *, made_by: Any
) -> Mapping[str, Tensor]:
    """What `make` gives, made once by whichever worker comes first and then read; made each time where nothing is kept.

    Args:
        context: Its `keep` is the folder.
        name: What tells it from others of the same replicate.
        make: Gives tensors on the CPU.
        made_by: All settings that decide them, in JSON's own types: other ones, and it is made again.
    """
    file = _file(context, name)
    if file is None:
        return make()

    def waiting() -> None:
        context.callback(Progress(done=0, total=1, unit=f"{name}, made by another worker"))

    with files.turn(file, waiting=waiting):
        stored = files.read_tensors(file)
        if stored is not None and stored[1] == made_by:
            return stored[0]
        made = make()
        files.write_tensors(file, made, made_by)
        return made


def _file(context: Context, name: str) -> Path | None:
    if context.trainings is None:
        return None
    return context.trainings / f"replicate-{context.replicate}" / f"{_as_file_name(name)}.safetensors"


def _as_file_name(name: str) -> str:
    """The name where every system takes it for a file's; otherwise something like it that no other name gives.

    >>> _as_file_name("vanilla-adversarial"), _as_file_name("a/b") == _as_file_name("a-b")
    ('vanilla-adversarial', False)
    """
    plain = re.sub(r"[^a-z0-9_=,+-]+", "-", name)
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def _explained(train: Train, file: Path) -> Fit:
    try:
        return train(file)
    except OtherTraining as error:
        raise OtherTraining(f"{error}. `--fresh` forgets all trainings that entries of this paper share") from error
