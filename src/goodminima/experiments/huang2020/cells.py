"""What rows of several figures set: a minimum by name, or by the poison that it was found with."""

from dataclasses import dataclass
from typing import Literal, final

from goodminima.experiments.settings import NonNegative, Settings


@final
@dataclass(frozen=True, kw_only=True)
class MinimumCell(Settings):
    """One of two minima that are compared.

    Args:
        minimum: Which, as the row is labelled.
        beta: Its poison.
    """

    minimum: Literal["good", "bad"]
    beta: NonNegative


@final
@dataclass(frozen=True, kw_only=True)
class BetaCell(Settings):
    """One of many minima, or what all of them say together.

    Args:
        beta: The minimum's poison; "all" for the row over all of them.
    """

    beta: NonNegative | Literal["all"]
