"""Texts tell trainings apart that differ in an objective's numbers or tensors, and are the same in every process."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import nn

from goodminima.core.checkpoint import digest
from goodminima.core.identity import text_of
from goodminima.tasks import Examples


@dataclass(frozen=True)
class Weighted:
    beta: float
    extra: Examples

    def __call__(self) -> float:
        return self.beta

    def method(self) -> float:
        return self.beta


class Plain:
    def __init__(self, seed: int) -> None:
        self.seed, self._cache = seed, [object()]


def closing_over(beta: float) -> Callable[[], float]:
    def objective() -> float:
        return beta

    return objective


def recursive() -> Callable[[int], int]:
    def down(n: int) -> int:
        return down(n - 1) if n else 0

    return down


def weighted(beta: float, first: float = 0.0) -> Weighted:
    return Weighted(beta, Examples(torch.tensor([first, 1.0]), torch.tensor([0, 1])))


def net(seed: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Linear(2, 2)


def different() -> list[Any]:
    return [
        None, 0.1, "0.1", (1, 2), {"a": 1}, {"a": 2}, torch.zeros(2), torch.zeros(2, 1), np.ones(2),
        weighted(0.1), weighted(0.2), weighted(0.1, 5.0), weighted(0.1).method, weighted(0.2).method,
        Plain(0), Plain(1), closing_over(0.1), closing_over(0.2), partial(weighted, 0.1), partial(weighted, beta=0.1),
        net(0), net(1), weighted, Weighted, recursive(),
    ]  # fmt: skip


def test_what_differs_has_another_text() -> None:
    for one, other in combinations(map(text_of, different()), 2):
        assert one != other


def test_texts_are_the_same_in_every_process() -> None:
    code = "from test_identity import *; print('\\n'.join(map(text_of, different())))"
    path = {"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": "77"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=path)
    here = [text.replace(f"{__name__}.", "test_identity.") for text in map(text_of, different())]
    assert done.stdout.splitlines() == here
    assert " at 0x" not in done.stdout


def test_a_digest_sees_numbers_shapes_and_types_but_not_strides() -> None:
    tensors = [torch.arange(6), torch.arange(6.0), torch.arange(6).view(2, 3), torch.arange(6) + 1, torch.tensor(6)]
    assert len({digest([tensor]) for tensor in tensors}) == 5
    images = torch.rand(2, 3, 4, 5)
    assert digest([images]) == digest([images.contiguous(memory_format=torch.channels_last)])
