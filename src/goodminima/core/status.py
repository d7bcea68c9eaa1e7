"""How a search or a measurement ended."""

from enum import StrEnum


class Status(StrEnum):
    """How a search or a measurement ended: a value, never an exception."""

    SOLVED = "solved"
    BUDGET_SPENT = "budget spent"
    STUCK = "stuck"  # a local search whose steps have become too small to move it
    STOPPED_MIXING = "stopped mixing"  # particles that no longer forget, or runs that did not arrive: a lower bound
    EMPTY = "empty"  # or too small: no run arrived, an upper bound
