"""Options that are one of a few words."""

import difflib
from collections.abc import Sequence


def check_choice(option: str, value: str, choices: Sequence[str]) -> None:
    """Checks that an option is one of a few words.

    Args:
        option: Name of the option, for the error message.
        value: What was given.
        choices: The words it may be, at least one.

    Raises:
        ValueError: If `value` is none of them; it lists them, and the nearest one.

    >>> check_choice("directions", "filter", ["filter", "plain"])
    """
    if value not in choices:
        near = difflib.get_close_matches(value, choices, n=1, cutoff=0.0)[0]
        raise ValueError(f"{option} {value!r}: choose from {', '.join(choices)}; the nearest is {near!r}")
