"""What a scale and a cell of an experiment set: frozen, typed, checked when they are built, and recorded as JSON."""

import difflib
import functools
import math
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Annotated, Any, Literal, Union, final, get_args, get_origin, get_type_hints


@final
@dataclass(frozen=True, slots=True)
class Constraint:
    """What a value must be beyond its type: how it reads after "must be", and whether a value keeps it."""

    text: str
    holds: Callable[[Any], bool]


Count = Annotated[int, Constraint("at least 1", lambda value: value >= 1)]
Positive = Annotated[float, Constraint("above 0", lambda value: value > 0)]
NonNegative = Annotated[float, Constraint("at least 0", lambda value: value >= 0)]
Probability = Annotated[float, Constraint("within [0, 1]", lambda value: 0 <= value <= 1)]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Base of what a scale or a cell sets; itself the settings of one that sets nothing.

    A subclass is a frozen, keyword-only dataclass, so that a misspelt or missing setting is a TypeError where it is written.
    Each field is checked against its annotation: `Count`, `float`, `Literal["gc", "sgd"]`, `tuple[Positive, ...]`,
    `Mapping[str, Count]`, another dataclass, any of these or None. A subclass with rules between fields adds them in a
    `__post_init__` of its own, after this one.

    Raises:
        ValueError: A value is of another type than declared, or breaks a rule; numbers must be finite, as JSON's are.

    >>> @dataclass(frozen=True, kw_only=True)
    ... class Budget(Settings):
    ...     guesses: Count
    >>> Budget(guesses=10).as_record()
    {'guesses': 10}
    >>> Budget(guesses=0)
    Traceback (most recent call last):
    ValueError: Budget: guesses must be an integer, at least 1, got 0
    """

    def __post_init__(self) -> None:
        for name, declared in _declared(type(self)).items():
            value = getattr(self, name)
            if not _is(value, declared):
                raise ValueError(f"{type(self).__name__}: {name} must be {_said(declared, value)}, got {value!r}")

    def as_record(self) -> dict[str, Any]:
        """Name of each field -> its value in JSON's own types; defaults too, for they decide numbers as well."""
        return {each.name: as_json(getattr(self, each.name)) for each in fields(self)}

    def check_cell(self, cell: Any) -> None:
        """Of a scale's settings: raises ValueError where a cell that the scale runs needs what is not set here.

        Args:
            cell: The cell's settings.
        """


def as_json(value: Any) -> Any:
    """`value` in JSON's own types, the same for equal settings in every process.

    Raises:
        ValueError: A setting is of a type whose text may differ between processes, so that no hash could be trusted.

    >>> as_json({"bins": (0.3, 0.35), "net": None})
    {'bins': [0.3, 0.35], 'net': None}
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Settings):
        return value.as_record()
    if isinstance(value, Mapping):
        return {str(key): as_json(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(each) for each in value]
    if is_dataclass(value) and not isinstance(value, type):
        # Field by field, so that a dataclass in a dataclass has its type as well: two schedules may have no fields at all.
        return {
            "type": type(value).__name__,
            **{each.name: as_json(getattr(value, each.name)) for each in fields(value)},
        }
    raise ValueError(
        f"settings hold a {type(value).__name__} ({value!r}): use numbers, text, tuples and dataclasses only"
    )


@functools.cache
def _declared(cls: type[Settings]) -> Mapping[str, Any]:
    """The annotation of each field."""
    hints = get_type_hints(cls, include_extras=True)
    return {each.name: hints[each.name] for each in fields(cls)}


def _is(value: Any, declared: Any) -> bool:
    """Whether a value is what an annotation declares, rules included."""
    origin, arguments = get_origin(declared), get_args(declared)
    if origin is Annotated:
        kind, *rules = arguments
        return _is(value, kind) and all(rule.holds(value) for rule in rules)
    if origin in (Union, types.UnionType):
        return any(_is(value, kind) for kind in arguments)
    if origin is Literal:
        return any(type(value) is type(choice) and value == choice for choice in arguments)
    if origin is tuple:
        kinds = arguments[:1] * len(value) if arguments[1:] == (...,) and isinstance(value, tuple) else arguments
        return isinstance(value, tuple) and len(value) == len(kinds) and all(map(_is, value, kinds))
    if origin is not None and issubclass(origin, Mapping):
        key, kind = arguments
        return isinstance(value, Mapping) and all(_is(k, key) and _is(each, kind) for k, each in value.items())
    if declared in (int, float):
        kinds = int if declared is int else int | float
        return isinstance(value, kinds) and not isinstance(value, bool) and math.isfinite(value)
    return isinstance(value, declared)


_NOUNS = {int: "an integer", float: "a number", str: "text", bool: "True or False", types.NoneType: "None"}


def _said(declared: Any, value: Any) -> str:
    """How an annotation reads after "must be"; of a few words, the one nearest to `value` is named."""
    origin, arguments = get_origin(declared), get_args(declared)
    if origin is Annotated:
        kind, *rules = arguments
        return ", ".join([_said(kind, value), *(rule.text for rule in rules)])
    if origin in (Union, types.UnionType):
        return " or ".join(_said(kind, value) for kind in arguments)
    if origin is Literal:
        near = difflib.get_close_matches(str(value), [str(choice) for choice in arguments], n=1)
        hint = f" (the nearest is {near[0]!r})" if near else ""
        return f"{'one of ' if len(arguments) > 1 else ''}{', '.join(map(repr, arguments))}{hint}"
    if origin is tuple:
        kinds = arguments[:1] if arguments[1:] == (...,) else arguments
        return f"a tuple, of {' and '.join(_said(kind, None) for kind in kinds)}"
    if origin is not None and issubclass(origin, Mapping):
        key, kind = arguments
        return f"a mapping from {_said(key, None)} to {_said(kind, None)}"
    return _NOUNS.get(declared, f"of type {declared.__name__}")
