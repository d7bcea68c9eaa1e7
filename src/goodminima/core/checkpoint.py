"""A training on disk: weights, optimizer, random numbers and what was measured, in one safetensors file."""

import glob
import hashlib
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor

from goodminima.core import files

_MOST_OF_THE_TIME = 0.05  # that writing may take
_LONGEST = 160  # characters of a text that a message shows


class OtherTraining(ValueError):
    """A file holds another training than the one that was asked for."""


@final
class Checkpoint:
    """The file of one training. It is written whole or not at all: whoever is killed meanwhile leaves the one before.

    Args:
        file: Where it is.
        training: All that decides the training's numbers, as texts by name: whoever asks for another is told so.
    """

    def __init__(self, file: Path, training: Mapping[str, str]) -> None:
        self.file, self._training = file, dict(training)
        self._not_before = 0.0

    def read(self) -> dict[str, Any] | None:
        """Reads what was written last, and removes what killed processes left unfinished.

        Returns:
            The state by name, as `write` got it, tensors on the CPU; None where there is no file that can be read.

        Raises:
            OtherTraining: The file holds something else.
        """
        for unfinished in self.file.parent.glob(
            f".{glob.escape(self.file.name)}.*.part"
        ):  # of a process that was killed writing
            unfinished.unlink(missing_ok=True)
        stored = files.read_tensors(self.file)
        if stored is None:
            return None
        tensors, facts = stored
        self._check(facts["training"])
        return _unpacked(facts["state"], tensors)

    def write(self, state: Mapping[str, Any], *, at_once: bool = True) -> None:
        """Replaces the file, whole or not at all; where that cannot be, a warning is logged.

        Args:
            state: What the training goes on from: tensors, numbers, texts, and lists and mappings of them, by name.
            at_once: Whether to write now; otherwise only if writing takes less than 5 % of the time.

        Raises:
            TypeError: The state holds something else.
        """
        started = time.monotonic()
        if not at_once and started < self._not_before:
            return
        tensors: dict[str, Tensor] = {}
        packed = _packed(state, tensors)
        files.write_tensors(self.file, tensors, {"training": self._training, "state": packed})
        ended = time.monotonic()
        self._not_before = ended + (ended - started) / _MOST_OF_THE_TIME

    def _check(self, held: Mapping[str, str]) -> None:
        for name in sorted({*held, *self._training}):
            theirs, ours = held.get(name), self._training.get(name)
            if theirs != ours:
                there, here = _where_they_differ(str(theirs), str(ours))
                raise OtherTraining(
                    f"{self.file} holds another training: its {name} is {there}, and here it is {here}; "
                    "delete that file, or name another one"
                )


def _where_they_differ(one: str, other: str) -> tuple[str, ...]:
    """Both texts, or of long ones what is around the first difference."""
    if max(len(one), len(other)) <= _LONGEST:
        return one, other
    alike = next(
        (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
    start = max(0, alike - _LONGEST // 2)
    return tuple(
        f"{'... ' if start else ''}{text[start : start + _LONGEST]}{' ...' if start + _LONGEST < len(text) else ''}"
        for text in (one, other)
    )


def digest(tensors: Iterable[Tensor]) -> str:
    """A digest of tensors that differs when a number, a shape or a type does.

    Args:
        tensors: Any tensors, in an order that counts.

    Returns:
        Sixteen hexadecimal digits.
    """
    found = hashlib.sha256()
    for tensor in tensors:
        found.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(tensor.detach().cpu().reshape(-1).contiguous().view(torch.uint8).numpy().data)
    return found.hexdigest()[:16]


def _packed(value: Any, tensors: dict[str, Tensor]) -> Any:
    """`value` in JSON's own types; its tensors go into `tensors`, each under a number.

    Strides are kept: an optimizer may take its state and the parameter to lie alike in memory.
    """
    if isinstance(value, Tensor):
        name = str(len(tensors))
        tensors[name] = value.detach().clone(memory_format=torch.contiguous_format)
        return {"tensor": name, "strides": list(value.stride())}
    if isinstance(value, Mapping):
        return {"items": [[key, _packed(each, tensors)] for key, each in value.items()]}
    if isinstance(value, list | tuple):
        return [_packed(each, tensors) for each in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a training's state holds a {type(value).__name__} ({value!r}), which cannot be kept")


def _unpacked(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [_unpacked(each, tensors) for each in value]
    if not isinstance(value, dict):
        return value
    if "items" in value:
        return {key: _unpacked(each, tensors) for key, each in value["items"]}
    stored = tensors[value["tensor"]]
    return torch.empty_strided(stored.shape, value["strides"], dtype=stored.dtype).copy_(stored)
