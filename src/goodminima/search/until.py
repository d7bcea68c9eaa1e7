"""When a local search ends."""

import math
from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Until:
    """A local search ends with whatever comes first.

    Args:
        fitted: Every training example right: a goal.
        loss_below: The mean normalised loss at or below this, nats: a goal.
        steps: So many accepted steps: a budget.
        candidates: So many candidates tried: a budget.
        radius_below: A step size under this: the search is stuck, for float32 hardly moves any more.

    Raises:
        ValueError: If a number is out of range.

    >>> Until(fitted=False, steps=3000)
    Until(fitted=False, loss_below=-inf, steps=3000, candidates=None, radius_below=5.960464477539063e-08)
    """

    fitted: bool = True
    loss_below: float = -math.inf
    steps: int | None = None
    candidates: int | None = None
    radius_below: float = 2.0**-24

    def __post_init__(self) -> None:
        if math.isnan(self.loss_below):
            raise ValueError("Until.loss_below must be a number, got nan; leave it out for none")
        for name, value in (("steps", self.steps), ("candidates", self.candidates)):
            if value is not None and value < 0:
                raise ValueError(f"Until.{name} must be at least 0, or None for no limit, got {value}")
        if not 0 < self.radius_below < math.inf:
            raise ValueError(f"Until.radius_below must be positive and finite, got {self.radius_below}")
