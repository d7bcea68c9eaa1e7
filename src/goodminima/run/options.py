"""Mistakes in what was asked for, told in one line that names the option, the value and the cure."""

import difflib
from collections.abc import Sequence


class BadOption(ValueError):
    """An option has a value that cannot be used.

    Args:
        option: Its name without dashes, `scale`.
        value: What it was given.
        problem: What is wrong with it and what to do.

    >>> str(BadOption("replicates", 0, "at least 1 is needed"))
    'replicates 0: at least 1 is needed'
    """

    def __init__(self, option: str, value: object, problem: str) -> None:
        super().__init__(f"{option} {value}: {problem}")
        self.option = option
        self.value = value
        self.problem = problem


def unknown(option: str, value: str, choices: Sequence[str], *, kind: str) -> BadOption:
    """The error for the name of a `kind` of thing that is none of `choices`: it lists them, and the nearest one.

    >>> unknown("only", "n=22", ["n=2", "n=4"], kind="cell").problem
    "no such cell; did you mean 'n=2'? Choose from: n=2, n=4"
    """
    near = difflib.get_close_matches(value, choices, n=1, cutoff=0.5)
    hint = f" did you mean {near[0]!r}?" if near else ""
    return BadOption(option, value, f"no such {kind};{hint} Choose from: {', '.join(choices)}")
