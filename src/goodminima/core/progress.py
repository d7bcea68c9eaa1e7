"""The one record that every `callback` is called with."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """Where a call stands.

    Args:
        done: How far it is, in `unit`.
        total: How far it has to go, at most; `math.inf` where nobody knows.
        unit: What is counted: "guesses", "steps", "points", ...
        effort: Work so far, which a rate is told of; `done` unless given.
        effort_unit: What work is counted in.
        detail: What the call itself knows at this moment; each says in its docstring what that is.
    """

    done: float
    total: float
    unit: str
    effort: float = math.nan
    effort_unit: str = ""
    detail: Any = None

    def __post_init__(self) -> None:
        if math.isnan(self.effort):
            object.__setattr__(self, "effort", self.done)
            object.__setattr__(self, "effort_unit", self.unit)


Callback = Callable[[Progress], None]


def no_callback(progress: Progress) -> None:
    """The callback of whoever does not want to be told.

    Args:
        progress: What is not looked at.
    """
    del progress
