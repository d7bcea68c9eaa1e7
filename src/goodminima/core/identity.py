"""What a training depends on, as texts: equal ones for the same thing in every process, others for anything else."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from goodminima.core.checkpoint import digest

_DEEPEST = 8  # levels of objects in objects; a closure may hold itself


def text_of(value: Any, *, depth: int = 0) -> str:
    """Names and numbers that tell a value from others of its kind, functions and what they hold included.

    Attributes whose names begin with an underscore are left out: they are what an object remembers, not what it is.

    >>> text_of(functools.partial(round, ndigits=2))
    'partial(builtins.round, ndigits=2)'
    """
    if depth > _DEEPEST:
        return "..."
    inner = functools.partial(text_of, depth=depth + 1)
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return repr(value)
    if isinstance(value, Tensor | np.ndarray):
        return f"tensor {digest([torch.as_tensor(value)])}"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{inner(key)}: {inner(each)}' for key, each in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"({', '.join(inner(each) for each in value)})"
    if isinstance(value, functools.partial):
        named = [f"{name}={inner(each)}" for name, each in sorted(value.keywords.items())]
        return f"partial({', '.join([*map(inner, (value.func, *value.args)), *named])})"
    if hasattr(value, "__qualname__"):
        return _function(value, inner)
    return f"{_name(type(value))}({_contents(value, inner)})"


def _function(function: Any, inner: Callable[[Any], str]) -> str:
    """A function or class: its name, and what it closes over or is bound to."""
    owner = getattr(function, "__self__", None)
    held = [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
    held += [] if owner is None or isinstance(owner, type(functools)) else [owner]
    return _name(function) + (f"[{', '.join(map(inner, held))}]" if held else "")


def _contents(value: Any, inner: Callable[[Any], str]) -> str:
    if isinstance(value, nn.Module):
        return digest(value.state_dict().values())
    if is_dataclass(value):
        held = {field.name: getattr(value, field.name) for field in fields(value)}
    else:
        held = {name: each for name, each in sorted(getattr(value, "__dict__", {}).items()) if name[0] != "_"}
    return ", ".join(f"{name}={inner(each)}" for name, each in held.items())


def _name(function: Any) -> str:
    return f"{function.__module__}.{function.__qualname__}"
