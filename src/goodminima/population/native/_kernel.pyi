"""The compiled module, as pyright sees it; `goodminima.population.native` is what the rest of the house calls."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

def instruction_sets() -> list[str]: ...
def draw(
    set: str, half_width: NDArray[np.float32], seed: int, indices: NDArray[np.uint64], /
) -> NDArray[np.float32]: ...
def screen(
    set: str,
    layers: Sequence[tuple[str | int, ...]],
    input_shape: Sequence[int],
    half_width: NDArray[np.float32],
    weights: Sequence[tuple[int, int]],
    unit: float,
    images: NDArray[np.float32],
    labels: NDArray[np.int64],
    seed: int,
    start: int,
    count: int,
    loss_below: float,
    slack: float,
    /,
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32], int]: ...
def logits(
    set: str,
    layers: Sequence[tuple[str | int, ...]],
    input_shape: Sequence[int],
    theta: NDArray[np.float32],
    images: NDArray[np.float32],
    /,
) -> NDArray[np.float32]: ...
def gradient(
    set: str,
    layers: Sequence[tuple[str | int, ...]],
    input_shape: Sequence[int],
    theta: NDArray[np.float32],
    images: NDArray[np.float32],
    labels: NDArray[np.int64],
    /,
) -> NDArray[np.float32]: ...
def train(
    set: str,
    layers: Sequence[tuple[str | int, ...]],
    input_shape: Sequence[int],
    theta: NDArray[np.float32],
    weights: Sequence[tuple[int, int]],
    unit: float,
    images: NDArray[np.float32],
    labels: NDArray[np.int64],
    rows: NDArray[np.int64],
    batches: Sequence[int],
    rate: float,
    momentum: float,
    bins: Sequence[tuple[float, float, int]],
    callback: Callable[[int, list[int]], None],
    /,
) -> tuple[list[tuple[int, NDArray[np.int64], NDArray[np.float32]]], int]: ...
def multiply_adds(layers: Sequence[tuple[str | int, ...]], input_shape: Sequence[int], parameters: int, /) -> int: ...
def spin(set: str, rounds: int, /) -> float: ...
def generate(
    set: str, half_width: NDArray[np.float32], weights: Sequence[tuple[int, int]], seed: int, count: int, /
) -> None: ...

class PatternSearch:
    def __init__(
        self,
        set: str,
        layers: Sequence[tuple[str | int, ...]],
        input_shape: Sequence[int],
        theta: NDArray[np.float32],
        weights: Sequence[tuple[int, int]],
        unit: float,
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
    def right(self) -> int: ...
    @property
    def candidates(self) -> int: ...
    @property
    def steps(self) -> int: ...
    @property
    def failures(self) -> int: ...
    @property
    def halvings(self) -> int: ...
    @property
    def drift(self) -> float: ...
    @property
    def by_tangent(self) -> int: ...
    @property
    def by_partial_sum(self) -> int: ...

class Jury:
    def __init__(
        self,
        set: str,
        layers: Sequence[tuple[str | int, ...]],
        input_shape: Sequence[int],
        num_parameters: int,
        weights: Sequence[tuple[int, int]],
        unit: float,
        images: NDArray[np.float32],
        labels: NDArray[np.int64],
        /,
    ) -> None: ...
    def score(
        self, theta: NDArray[np.float32], limit: float, first: bool, threads: int, /
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]: ...

class Neurons:
    def __init__(
        self,
        set: str,
        layers: Sequence[tuple[str | int, ...]],
        input_shape: Sequence[int],
        half_width: NDArray[np.float32],
        weights: Sequence[tuple[int, int]],
        unit: float,
        images: NDArray[np.float32],
        labels: NDArray[np.int64],
        /,
    ) -> None: ...
    @property
    def multiply_adds(self) -> int: ...
    def see(self, theta: NDArray[np.float32], threads: int, /) -> tuple[NDArray[np.float32], NDArray[np.float64]]: ...
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
