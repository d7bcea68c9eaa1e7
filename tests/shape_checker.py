"""The run-time check of jaxtyping's shapes in the tests: what the import hook of pyproject.toml wraps around each function."""

import inspect
from collections.abc import Callable
from typing import Any, Self

import numba
from beartype import BeartypeConf, beartype

_checked = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is a fine float
_njit = numba.njit


def checked(function: Callable) -> Callable:
    """Checks the arguments and the result of `function`, whatever its `Self`: methods come one by one, without their class."""
    hints = function.__annotations__
    function.__annotations__ = {name: Any if hint is Self else hint for name, hint in hints.items()}
    return _checked(function)


def njit(*functions: Callable, **options: Any) -> Callable:
    """`numba.njit` for functions that may be wrapped by the check: it compiles what they wrap, which numba checks itself."""

    def compiled(function: Callable) -> Callable:
        return _njit(**options)(inspect.unwrap(function))

    return compiled(*functions) if functions else compiled
