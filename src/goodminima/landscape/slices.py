"""What was measured on a line or a plane through parameter space: plain arrays, which can be kept and drawn."""

import json
import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np
import safetensors.numpy
from jaxtyping import Float64

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True, eq=False)
class _Slice:
    """Keeping and drawing: what lines and surfaces share."""

    loss: np.ndarray
    batch_norm: str
    num_examples: int

    def save(self, path: Path | str) -> None:
        """Into a safetensors file: arrays, and beside them what they are."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        arrays = {name: np.ascontiguousarray(value) for name, value in values.items() if isinstance(value, np.ndarray)}
        facts = {name: value for name, value in values.items() if name not in arrays}
        header = {"slice": json.dumps({"kind": type(self).__name__, **facts})}
        safetensors.numpy.save_file(arrays, path, header)

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """What `save` kept.

        Raises:
            ValueError: Where the file holds something else.
        """
        with safetensors.safe_open(path, framework="np") as stored:
            facts: dict[str, Any] = json.loads((stored.metadata() or {}).get("slice", "{}"))
            if facts.pop("kind", None) != cls.__name__:
                raise ValueError(f"{path} holds no {cls.__name__}")
            # JSON knows no tuples.
            facts = {name: tuple(fact) if isinstance(fact, list) else fact for name, fact in facts.items()}
            return cls(**{name: stored.get_tensor(name) for name in stored.keys()}, **facts)  # noqa: SIM118

    @property
    def num_nan(self) -> int:
        """Points where the loss is not a number."""
        return int(np.isnan(self.loss).sum())

    @property
    def num_infinite(self) -> int:
        """Points where the loss is infinite."""
        return int(np.isinf(self.loss).sum())

    def share_below(self, cutoff: float) -> float:
        """Share of the points whose loss is at most `cutoff`; what is no number is not below it."""
        return float((self.loss <= cutoff).mean())


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Line(_Slice):
    """The loss along a line.

    Args:
        x: (n,) coordinates.
        loss: (n,) mean loss, nats per example where it is cross entropy; NaN and inf where it is.
        unit: What a coordinate of one means.
        length: Euclidean length of a coordinate of one.
        batch_norm: The mode of BatchNorm.
        num_examples: Size of the batch.
    """

    x: Float64[np.ndarray, "n"]
    unit: str
    length: float

    def plot(self, path: Path | str | None = None) -> "Figure":
        """A picture. Matplotlib is imported here and only now.

        Args:
            path: Where it is written; None not to write it.

        Returns:
            The figure.
        """
        from goodminima.landscape.plots import lines

        return _written(lines({"": self}), path)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Surface(_Slice):
    """The loss on a plane.

    Args:
        x: (n,) coordinates along the first direction.
        y: (m,) coordinates along the second.
        loss: (m, n) mean loss at (x, y): a row for each y, as pictures have it; NaN and inf where it is.
        units: What a coordinate of one means, along each.
        lengths: Euclidean lengths of a coordinate of one.
        cosine: Of the angle between the two directions.
        batch_norm: The mode of BatchNorm.
        num_examples: Size of the batch.

    Raises:
        ValueError: If `loss` is not (m, n).
    """

    x: Float64[np.ndarray, "n"]
    y: Float64[np.ndarray, "m"]
    units: tuple[str, str]
    lengths: tuple[float, float]
    cosine: float

    def __post_init__(self) -> None:
        if self.loss.shape != (len(self.y), len(self.x)):
            raise ValueError(f"Surface.loss must have shape {(len(self.y), len(self.x))}, got {self.loss.shape}")

    @property
    def area_of_cell(self) -> float:
        """Euclidean area, in parameter space, of a cell of the grid."""
        sides = (self.x[1] - self.x[0]) * self.lengths[0] * (self.y[1] - self.y[0]) * self.lengths[1]
        return float(sides) * math.sqrt(max(0.0, 1 - self.cosine**2))

    def plot(self, path: Path | str | None = None) -> "Figure":
        """A picture. Matplotlib is imported here and only now.

        Args:
            path: Where it is written; None not to write it.

        Returns:
            The figure.
        """
        from goodminima.landscape.plots import surfaces

        return _written(surfaces({"": self}), path)


def _written(figure: "Figure", path: Path | str | None) -> "Figure":
    if path is not None:
        figure.savefig(path, dpi=150)
    return figure
