"""What functions and classes are made of: what they close over and read, what of a class is part of what it does."""

import functools
import sys
import types
from collections.abc import Iterator
from dataclasses import MISSING
from enum import EnumType
from typing import Any

WRAPPERS = (staticmethod, classmethod, property, functools.cached_property, functools.partialmethod)
UNDEFINED = object()
ORDINARY_BUILTIN = object()
KNOWN_ONLY_WHEN_RUN = ("eval", "exec", "globals", "locals", "vars", "open", "input", "__import__", "import_module")

_CHECKERS = ("jaxtyping", "beartype", "typeguard")  # packages that wrap functions without changing what they give
_SLOTS = (types.MemberDescriptorType, types.GetSetDescriptorType)
_SAYS_NOTHING = ("__repr__", "__str__", "__annotate__", "__annotate_func__", "_abc_impl", "_autograd_function_id")
_GENERATED = "__create_fn__."  # how the names of the methods begin that `dataclass` writes


def name_of(value: Any, package: str | None = None) -> str:
    """The full name of a function or class, the same in a process that another one started."""
    module = (getattr(value, "__module__", None) or "").replace("__mp_main__", "__main__")
    return f"{module}.{value.__qualname__}{f'@{package}' if package else ''}"


def module_of(function: types.FunctionType) -> str:
    """Where its code was written; `functools.wraps` changes the name alone."""
    return function.__globals__.get("__name__") or ""


def without_checkers(function: Any) -> Any:
    """A function without what checks the types and shapes of its arguments."""
    while module_of(function).partition(".")[0] in _CHECKERS and "identity" not in vars(function):
        if not isinstance(inner := getattr(function, "__wrapped__", None), types.FunctionType):
            break
        function = inner
    return function


def closure_of(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """What a function closes over, by name."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # not bound yet
            yield name, UNDEFINED


def defaults_of(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """The defaults of a function's arguments, by name."""
    code, defaults = function.__code__, function.__defaults__ or ()
    yield from zip(code.co_varnames[code.co_argcount - len(defaults) : code.co_argcount], defaults, strict=True)
    yield from sorted((function.__kwdefaults__ or {}).items())


def resolved(function: types.FunctionType, chain: tuple[str, ...]) -> tuple[str, Any]:
    """What a global name of a function stands for; of a module, what is read of it.

    Returns:
        The name as far as it was followed, and its value; `UNDEFINED` where there is none, `ORDINARY_BUILTIN` for one of
        Python's own that does what the code says.
    """
    scope, (root, *rest) = function.__globals__, chain
    builtins = scope.get("__builtins__", {})
    inherited = vars(builtins) if isinstance(builtins, types.ModuleType) else builtins
    if root == "__name__" or (root not in scope and root in inherited and root not in KNOWN_ONLY_WHEN_RUN):
        return root, ORDINARY_BUILTIN
    value, dotted = scope.get(root, inherited.get(root, UNDEFINED)), root
    for attribute in rest:
        if not isinstance(value, types.ModuleType):
            break
        value, dotted = getattr(value, attribute, UNDEFINED), f"{dotted}.{attribute}"
    return dotted, value


def is_at_its_name(kind: type) -> bool:
    """Whether a class is what its module has under its name, and not one that was made on the way."""
    found: Any = sys.modules.get(kind.__module__)
    for name in kind.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is kind


def members_of(kind: type) -> Iterator[tuple[str, Any]]:
    """What in a class is part of what it does, in the order of the names; of an enumeration, its values too."""
    if isinstance(kind, EnumType):
        known: Any = kind.__members__  # stubs take members for classes
        yield from ((name, member.value) for name, member in known.items())
    for name, member in sorted(vars(kind).items()):
        if _counts(name, member) and not (isinstance(kind, EnumType) and _is_of_enum(name, member)):
            yield name, member
    if "__dataclass_fields__" in vars(kind):  # its own methods are written from these
        yield "dataclass", repr(vars(kind)["__dataclass_params__"])
        for name, each in vars(kind)["__dataclass_fields__"].items():
            factory = None if each.default_factory is MISSING else each.default_factory
            yield f"field {name}", (each.init, each.kw_only, each.compare, each.hash, factory)


def _counts(name: str, member: Any) -> bool:
    if isinstance(member, _SLOTS) or name in _SAYS_NOTHING:
        return False
    if isinstance(member, types.FunctionType):
        return not without_checkers(member).__code__.co_qualname.startswith(_GENERATED)
    return not (name[:2] == name[-2:] == "__") or callable(member) or isinstance(member, WRAPPERS)


def _is_of_enum(name: str, member: Any) -> bool:
    """Whether it is one of the members, or the machinery of an enumeration."""
    return name.startswith("_") or not isinstance(member, (types.FunctionType, *WRAPPERS))


def wrapped_by(value: Any) -> tuple[Any, ...]:
    """What a wrapper of methods wraps."""
    match value:
        case property():
            return value.fget, value.fset, value.fdel
        case functools.partialmethod():
            return value.func, value.args, value.keywords
        case functools.cached_property():
            return (value.func,)
        case _:
            return (value.__func__,)
