"""The losses at many points of a line or plane: made a chunk at a time, and kept in a file where that takes long."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import safetensors.numpy
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from goodminima.core.progress import Callback, Progress
from goodminima.population.net_loss import Loss

_CHUNK_NUMBERS = (
    1_000_000  # floats of the points that are held at once: 4 MB; large nets take long, and are heard of often
)
_CHUNK_POINTS = 128  # activations of a small net stay in cache, and a call comes back soon enough to tell how far it is


@final
@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """centre + sum of coordinates times steps, for every row of coordinates.

    Args:
        centre: theta at the origin.
        steps: What each coordinate of one adds.
        coordinates: Of every point.
    """

    centre: Float[Tensor, "D"]
    steps: Float[Tensor, "k D"]
    coordinates: Float64[np.ndarray, "P k"]

    def chunks(self, done: int) -> Iterator[Float[Tensor, "p D"]]:
        """The points from number `done` on; chunks depend on D alone, so that none rounds otherwise when resumed."""
        size = max(1, min(_CHUNK_POINTS, _CHUNK_NUMBERS // len(self.centre)))
        for start in range(done, len(self.coordinates), size):
            weights = torch.from_numpy(self.coordinates[start : start + size]).to(self.centre)
            points = self.centre.repeat(len(weights), 1)
            for axis, step in enumerate(self.steps):
                points.addcmul_(weights[:, axis, None], step)
            yield points

    def fingerprint(self, *others: Tensor | str) -> str:
        """A digest of the grid and of whatever else the losses depend on."""
        digest = hashlib.sha256()
        for part in (self.centre, self.steps, torch.from_numpy(self.coordinates), *others):
            if isinstance(part, str):
                digest.update(f"{len(part)} {part}".encode())
            else:
                digest.update(str((part.dtype, tuple(part.shape))).encode())
                digest.update(part.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()


@torch.no_grad()
def evaluate(
    grid: Grid,
    loss: Loss,
    *,
    callback: Callback | None = None,
    checkpoint: Path | None = None,
    identity: Sequence[Tensor | str] = (),
) -> Float64[np.ndarray, "P"]:
    """The loss at every point; what is not finite stays what it is.

    Args:
        grid: The points.
        loss: Of many parameter vectors.
        callback: Called after each chunk with a `Progress` in points.
        checkpoint: A file that holds what is done so far; a call that finds one goes on from there.
        identity: What else losses depend on, so that a file of something else is refused.
    """
    total, fingerprint = len(grid.coordinates), grid.fingerprint(*identity) if checkpoint else ""
    losses = np.empty(0) if checkpoint is None else _kept(checkpoint, fingerprint)
    for points in grid.chunks(len(losses)):
        losses = np.concatenate([losses, loss(points).double().cpu().numpy()])
        if checkpoint is not None:
            _write(checkpoint, losses, fingerprint)
        if callback is not None:
            callback(Progress(done=len(losses), total=total, unit="points"))
    return losses


def _kept(file: Path, fingerprint: str) -> Float64[np.ndarray, "p"]:
    if not file.exists():
        return np.empty(0)
    with safetensors.safe_open(file, framework="np") as stored:
        facts = json.loads((stored.metadata() or {}).get("grid", "{}"))
        if facts.get("fingerprint") != fingerprint:
            raise ValueError(
                f"checkpoint={str(file)!r} holds points of another net, batch, criterion or grid: name another file"
            )
        return stored.get_tensor("losses")


def _write(file: Path, losses: np.ndarray, fingerprint: str) -> None:
    """Whole or not at all: a run that is killed while it writes leaves what was there before."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    facts = {"grid": json.dumps({"fingerprint": fingerprint})}
    safetensors.numpy.save_file({"losses": losses}, unfinished, facts)
    os.replace(unfinished, file)
