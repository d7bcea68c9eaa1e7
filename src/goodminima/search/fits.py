"""What makes a guess a solution."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import final

from jaxtyping import Bool, Float
from torch import Tensor

from goodminima.core.progress import Progress


@final
@dataclass(frozen=True, slots=True)
class Fits:
    """Every training example right, and the normalised loss in (loss_above, loss_below], nats per example.

    Args:
        loss_above: The normalised loss is above this, nats per example.
        loss_below: The normalised loss is at most this, nats per example.

    Raises:
        ValueError: If `loss_above` is not less than `loss_below`.

    Reference: Chiang et al. 2023, section 4.1.1; the bins of Tables 2 and 3.

    >>> str(Fits(0.3, 0.35))
    '(0.3, 0.35]'
    """

    loss_above: float = -math.inf
    loss_below: float = math.inf

    def __post_init__(self) -> None:
        if not self.loss_above < self.loss_below:
            raise ValueError(f"Fits: loss_above must be less than loss_below, got {self.loss_above}, {self.loss_below}")

    def __str__(self) -> str:
        return f"({self.loss_above:g}, {self.loss_below:g}]"

    def holds(self, loss: Float[Tensor, "P"], smallest_margin: Float[Tensor, "P"]) -> Bool[Tensor, "P"]:
        """Which members fit. NaN never fits.

        Args:
            loss: Normalised loss of each member, nats per example.
            smallest_margin: Smallest margin of each member over the training examples.

        Returns:
            Whether each member fits.
        """
        return (smallest_margin > 0) & (loss > self.loss_above) & (loss <= self.loss_below)


def as_fits(accept: Fits | Sequence[Fits]) -> tuple[Fits, ...]:
    """What counts as a solution, always as a tuple.

    Args:
        accept: One `Fits`, or several.

    Returns:
        All of them.

    Raises:
        ValueError: If there is none.
    """
    accepted = (accept,) if isinstance(accept, Fits) else tuple(accept)
    if not accepted:
        raise ValueError("accept needs at least one Fits")
    return accepted


def progress_of_hits(hits: tuple[int, ...], *, num_solutions: int, effort: int, effort_unit: str) -> Progress:
    """The progress record of a call that fills bins.

    Args:
        hits: Solutions found in each bin.
        num_solutions: Solutions asked for in each bin.
        effort: Work so far, in `effort_unit`.
        effort_unit: What work is counted in.

    Returns:
        How many of the solutions asked for are there, over all bins; its `detail` are the hits.
    """
    done = sum(min(count, num_solutions) for count in hits)
    total = num_solutions * len(hits)
    return Progress(done=done, total=total, unit="solutions", effort=effort, effort_unit=effort_unit, detail=hits)


def bins(edges: tuple[float, ...]) -> tuple[Fits, ...]:
    """Neighbouring bins with the given edges.

    Args:
        edges: Normalised losses, increasing, nats per example.

    Returns:
        The bin (low, high] between each edge and the next, in order.

    >>> [str(fits) for fits in bins((0.3, 0.35, 0.4))]
    ['(0.3, 0.35]', '(0.35, 0.4]']
    """
    return tuple(Fits(low, high) for low, high in pairwise(edges))
