"""A net as units and edges, and a walk along every single path: what path norms are, with nothing clever about it."""

import itertools
from collections.abc import Iterator

import numpy as np


class Units:
    """Units by number; the edges into each, from unit or from the unit that is always 1 (None), with their weights."""

    def __init__(self) -> None:
        self.into: list[list[tuple[int | None, float]]] = []
        self.inputs: set[int] = set()

    def new(self, edges: list[tuple[int | None, float]]) -> int:
        self.into.append(edges)
        return len(self.into) - 1

    def image(self, *shape: int) -> np.ndarray:
        units = np.array([self.new([]) for _ in range(int(np.prod(shape)))]).reshape(shape)
        self.inputs |= set(units.flat)
        return units

    def linear(self, units: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
        rows = [list(zip(units.flatten().tolist(), row.tolist(), strict=True)) for row in weight]
        return np.array([self.new(row + _from_one(bias, o)) for o, row in enumerate(rows)])

    def convolution(
        self,
        units: np.ndarray,  # (C, H, W)
        weight: np.ndarray,  # (O, C, k, k)
        bias: np.ndarray | None = None,
        *,
        stride: int = 1,
        padding: int = 0,
    ) -> np.ndarray:
        channels, height, width = units.shape
        side = weight.shape[2]
        rows, columns = ((length + 2 * padding - side) // stride + 1 for length in (height, width))
        made = np.empty((len(weight), rows, columns), dtype=int)
        for o, i, j in np.ndindex(*made.shape):
            edges = _from_one(bias, o)
            for c, a, b in itertools.product(range(channels), range(side), range(side)):
                y, x = stride * i + a - padding, stride * j + b - padding
                if 0 <= y < height and 0 <= x < width:
                    edges.append((int(units[c, y, x]), float(weight[o, c, a, b])))
            made[o, i, j] = self.new(edges)
        return made

    def batch_norm(self, units: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> np.ndarray:
        made = [
            self.new([(int(unit), float(scale[c])), (None, float(shift[c]))])
            for c, channel in enumerate(units)
            for unit in channel.flat
        ]
        return np.array(made).reshape(units.shape)

    def add(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        pairs = zip(left.flat, right.flat, strict=True)
        return np.array([self.new([(int(a), 1.0), (int(b), 1.0)]) for a, b in pairs]).reshape(left.shape)

    def average(self, units: np.ndarray, side: int) -> np.ndarray:
        """Of windows side by side."""
        return np.array(
            [[self.new([(int(u), 1 / side**2) for u in w]) for w in row] for row in _windows(units, side)]
        ).reshape(len(units), units.shape[1] // side, units.shape[2] // side)

    def products(self, unit: int, *, biases: bool) -> Iterator[float]:
        """The product of weights of every path that ends in a unit."""
        if unit in self.inputs:
            yield 1.0
        for source, weight in self.into[unit]:
            if source is None:
                if biases:
                    yield weight
            else:
                for product in self.products(source, biases=biases):
                    yield product * weight

    def norm(self, outputs: np.ndarray, *, order: int, biases: bool) -> float:
        every = [abs(product) for unit in outputs.flat for product in self.products(int(unit), biases=biases)]
        return float(np.sum(np.array(every) ** order) ** (1 / order))


def choices(units: np.ndarray, side: int) -> Iterator[np.ndarray]:
    """Every choice of one unit in each window of max pooling."""
    windows = [window for row in _windows(units, side) for window in row]
    for chosen in itertools.product(*windows):
        yield np.array(chosen).reshape(len(units), units.shape[1] // side, units.shape[2] // side)


def _windows(units: np.ndarray, side: int) -> list[list[list[int]]]:
    channels, height, width = units.shape
    return [
        [
            units[c, i : i + side, j : j + side].flatten().tolist()
            for i in range(0, height, side)
            for j in range(0, width, side)
        ]
        for c in range(channels)
    ]


def _from_one(bias: np.ndarray | None, output: int) -> list[tuple[int | None, float]]:
    return [] if bias is None else [(None, float(bias[output]))]
