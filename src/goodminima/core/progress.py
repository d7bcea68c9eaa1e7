"""The one record that every `callback` is called with."""

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
        effort: Work so far in `effort_unit`, where that is something else than `done`: a rate is told of this.
        effort_unit: What work is counted in.
        detail: What the call itself knows at this moment; each says in its docstring what that is.
    """

    done: float
    total: float
    unit: str = "solutions"
    effort: float = 0.0
    effort_unit: str = "guesses"
    detail: Any = None


Callback = Callable[[Progress], None]


def no_callback(progress: Progress) -> None:
    """The callback of whoever does not want to be told."""
    del progress
