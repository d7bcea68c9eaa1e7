"""The compiled module, as pyright sees it; the folders of `goodminima.population.native` are what the rest of the house calls."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

def instruction_sets() -> list[str]: ...
def spin(set: str, rounds: int, /) -> float: ...

class Net:
    def __init__(
        self,
        layers: Sequence[tuple[str | int, ...]],
        input_shape: Sequence[int],
        num_parameters: int,
        weights: Sequence[tuple[int, int]],
        unit: float,
        /,
    ) -> None: ...
    @property
    def num_classes(self) -> int: ...
    @property
    def multiply_adds(self) -> int: ...

# ------------------------------------------------------------------------------------------------------------- evaluation

def logits(set: str, net: Net, theta: NDArray[np.float32], images: NDArray[np.float32], /) -> NDArray[np.float32]: ...

# -------------------------------------------------------------------------------------------------------------- screening

def draw(
    set: str, half_width: NDArray[np.float32], seed: int, indices: NDArray[np.uint64], /
) -> NDArray[np.float32]: ...
def generate(
    set: str, half_width: NDArray[np.float32], weights: Sequence[tuple[int, int]], seed: int, count: int, /
) -> None: ...

class Screener:
    def __init__(
        self,
        set: str,
        net: Net,
        half_width: NDArray[np.float32],
        images: NDArray[np.float32],
        labels: NDArray[np.int64],
        seed: int,
        loss_below: float,
        slack: float,
        /,
    ) -> None: ...
    def run(
        self, start: int, count: int, /
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32], int]: ...

# --------------------------------------------------------------------------------------------------------------- training

def gradient(
    set: str,
    net: Net,
    theta: NDArray[np.float32],
    images: NDArray[np.float32],
    labels: NDArray[np.int64],
    /,
) -> NDArray[np.float32]: ...
def train(
    set: str,
    net: Net,
    theta: NDArray[np.float32],
    images: NDArray[np.float32],
    labels: NDArray[np.int64],
    rows: NDArray[np.int64],
    batches: Sequence[int],
    rate: float,
    momentum: float,
    bins: Sequence[tuple[float, float, int]],
    callback: Callable[[int, list[int]], Any],
    /,
) -> tuple[list[tuple[int, NDArray[np.int64], NDArray[np.float32]]], int]: ...

# ----------------------------------------------------------------------------------------------------------- local search

class IncrementalPatternSearch:
    def __init__(
        self,
        set: str,
        net: Net,
        theta: NDArray[np.float32],
        images: NDArray[np.float32],
        labels: NDArray[np.int64],
        seed: int,
        stream: int,
        radius: float,
        best_of: int,
        proceed: bool,
        patience: int,
        /,
    ) -> None: ...
    def run(self, candidates: int, steps: int, fitted: bool, loss_below: float, threads: int, /) -> None: ...
    @property
    def theta(self) -> NDArray[np.float32]: ...
    @property
    def loss(self) -> float: ...
    @property
    def num_correct(self) -> int: ...
    @property
    def candidates(self) -> int: ...
    @property
    def steps(self) -> int: ...
    @property
    def failures(self) -> int: ...
    @property
    def num_halvings(self) -> int: ...
    @property
    def drift(self) -> float: ...
    @property
    def by_tangent(self) -> int: ...
    @property
    def by_partial_sum(self) -> int: ...

class MemberScorer:
    def __init__(self, set: str, net: Net, images: NDArray[np.float32], labels: NDArray[np.int64], /) -> None: ...
    def score(
        self, theta: NDArray[np.float32], limit: float, first: bool, threads: int, /
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]: ...

# ------------------------------------------------------------------------------------------------------------ Gibbs walks

class GibbsWalker:
    def __init__(
        self,
        set: str,
        net: Net,
        half_width: NDArray[np.float32],
        images: NDArray[np.float32],
        labels: NDArray[np.int64],
        /,
    ) -> None: ...
    @property
    def multiply_adds(self) -> int: ...
    def evaluate(
        self, theta: NDArray[np.float32], threads: int, /
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]: ...
    def walk(
        self,
        theta: NDArray[np.float32],
        above: NDArray[np.float32],
        loss_at_least: float,
        loss_below: float,
        seed: int,
        streams: NDArray[np.uint64],
        sweeps: int,
        threads: int,
        /,
    ) -> tuple[NDArray[np.float32], list[int], list[int], int]: ...
