"""Reads values down to their code and numbers, and says so in one text: see `identity`."""

import contextlib
import copyreg
import functools
import hashlib
import logging
import sys
import types
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import type_before_parametrizations

from goodminima.core.bytecode import modules_imported, names_read, text_of_code
from goodminima.core.checkpoint import digest
from goodminima.core.installed import package_of
from goodminima.core.introspection import (
    KNOWN_ONLY_WHEN_RUN,
    ORDINARY_BUILTIN,
    UNDEFINED,
    WRAPPERS,
    closure_of,
    defaults_of,
    is_at_its_name,
    members_of,
    module_of,
    name_of,
    resolved,
    without_checkers,
    wrapped_by,
)

_LONGEST = 1000  # characters of data that are written out; of more there is a digest
_SIMPLE = (type(None), type(...), bool, int, float, complex, str, bytes, range)
_CONTAINERS = (list, tuple, set, frozenset, dict, types.MappingProxyType)
_OF_C_CLASSES = (types.MethodDescriptorType, types.WrapperDescriptorType, types.ClassMethodDescriptorType)
_PARTS = frozenset(vars(nn.Module())) - {"training"}  # what every module has: parameters, buffers, children, hooks
_HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")
_PLAINLY = vars(copyreg)["__newobj__"]  # how `pickle` makes an object whose class says nothing else
_HEAP_TYPE = 1 << 9  # the flag of classes that are made while Python runs


class Unreadable(Exception):
    """Something has no text, and what."""


@final
class Reader:
    """Reads one value. What it meets again it names by a number: nothing is read twice, and circles end.

    Functions and classes are read after what they occur in, so that code may call as deep as it likes.
    """

    def __init__(self, path: list[str]) -> None:
        self._path = path
        self._met: dict[int, int] = {}
        self._alive: list[Any] = []  # what has been met: ids of the dead are given to others
        self._open: list[int] = []  # containers that are being read
        self._later: deque[tuple[Callable[[Any], str], Any, list[str], bool]] = deque()
        self._forgiving = False  # whether somebody's `identity` stands for what cannot be read

    def all_of(self, read: "Callable[[Reader, Any], str]", value: Any) -> str:
        """The text of a value, and of all functions and classes that it leads to."""
        found = [read(self, value)]
        while self._later:
            describe, each, self._path, self._forgiving = self._later.popleft()
            found.append(f"#{self._met[id(each)]}: {describe(each)}")
        return "; ".join(found)

    def text(self, value: Any) -> str:
        """The text of anything."""
        match value:
            case _ if type(value) in _SIMPLE:
                return _short(repr(value))
            case _ if type(value) in _CONTAINERS:
                return self._container(value)
            case type():
                return self._class(value)
            case Enum():
                return f"{self.text(type(value))}.{value.name}={self.text(value.value)}"
            case Tensor():
                return self._tensor(value)
            case np.ndarray() | np.generic():
                return self._array(value)
            case nn.Module():
                met = id(value) in self._met
                return self.architecture(value) + ("" if met else f" weights {self._numbers(value)}")
            case types.ModuleType():
                return self._python_module(value)
            case torch.Generator():
                return f"generator {digest([value.get_state()])}"
            case logging.Logger():
                return f"logger {value.name!r}"  # what it says moves no number
            case weakref.ReferenceType():
                return f"reference({self.text(value())})"
            case types.GenericAlias() | types.UnionType():
                return repr(value)
            case _ if type(value).__module__ == "typing":
                return repr(value)
            case _:
                return self._callable(value) or self._once(value, self._object)

    def _callable(self, value: Any) -> str | None:
        """The text of what is called or bound; None for any other object."""
        match value:
            case functools.partial():
                return self._partial(value)
            case types.FunctionType():
                return self._function(without_checkers(value))
            case types.MethodType():
                return f"{self.text(value.__self__)}.{self.text(value.__func__)}"
            case types.BuiltinFunctionType() | types.MethodWrapperType():
                return self._builtin(value)
            case _ if type(value).__module__.startswith("numba.") and hasattr(value, "py_func"):
                return f"numba({self.text(value.targetoptions)}, {self.text(value.py_func)})"
            case functools._lru_cache_wrapper():
                return f"cached({self.text(value.__wrapped__)})"
            case contextlib._GeneratorContextManagerBase():
                called = vars(value)
                return f"context({', '.join(self.text(called[part]) for part in ('func', 'args', 'kwds'))})"
            case _ if isinstance(value, _OF_C_CLASSES):
                return f"{self.text(value.__objclass__)}.{value.__name__}"
            case _ if isinstance(value, WRAPPERS):
                return f"{type(value).__name__}({', '.join(map(self.text, wrapped_by(value)))})"
            case _:
                return None

    # Data and nets.

    def _container(self, value: Any) -> str:
        if id(value) in self._open:
            return f"^{len(self._open) - self._open.index(id(value))}"
        self._open.append(id(value))
        try:
            if isinstance(value, Mapping):
                items = [f"{self.text(key)}: {self._at(f'[{_label(key)}]', each)}" for key, each in value.items()]
                return f"{{{_short(', '.join(items))}}}"
            if isinstance(value, set | frozenset):
                return f"{type(value).__name__}({_short(', '.join(sorted(map(self._apart, value))))})"
            inside = _short(", ".join(self._at(f"[{place}]", each) for place, each in enumerate(value)))
            return f"[{inside}]" if isinstance(value, list) else f"({inside})"
        finally:
            self._open.pop()

    def _apart(self, value: Any) -> str:
        """The text of an element of a set, whichever comes first."""
        reader = Reader(self._path)
        reader._met, reader._open, reader._forgiving = dict(self._met), [*self._open], self._forgiving
        self._alive.append(reader)
        return reader.all_of(Reader.text, value)

    def _numbers(self, value: nn.Module | Tensor) -> str:
        try:
            return digest_of(value)
        except (RuntimeError, NotImplementedError, TypeError, ValueError):  # sparse ones, or none as yet
            return self._refused(value)

    def _tensor(self, tensor: Tensor) -> str:
        if id(tensor) in self._met:  # a net's own
            return f"#{self._met[id(tensor)]}"
        kind = "tensor" if type(tensor) is Tensor else self.text(type(tensor))
        return f"{kind} {self._numbers(tensor)}{' to be trained' if tensor.requires_grad else ''}"

    def _array(self, array: np.ndarray | np.generic) -> str:
        if isinstance(array, np.generic) and array.dtype.kind not in "OV":
            return f"{array.dtype.str} {array!s}"
        if type(array) is not np.ndarray:
            return self._once(array, self._object)
        if array.dtype.hasobject:
            return f"array {array.shape} {self.text(array.tolist())}"
        return f"array {array.dtype} {array.shape} {_digest(array.tobytes())}"

    def architecture(self, net: nn.Module) -> str:
        """A net without its numbers."""
        return self._once(net, self._module)

    def _module(self, module: nn.Module) -> str:
        def parts() -> Iterator[str]:
            for name, tensor in (*module._parameters.items(), *module._buffers.items()):
                yield f"{name}={self._shape(tensor)}"
            if module._non_persistent_buffers_set:
                yield f"not saved: {sorted(module._non_persistent_buffers_set)}"
            for name, child in module._modules.items():
                with self._inside(f".{name}"):
                    yield f"{name}={None if child is None else self.architecture(child)}"
            for kind in _HOOKS:
                for key, hook in vars(module)[kind].items():
                    marks = sorted(each for each in _PARTS if each.startswith(f"{kind}_") and key in vars(module)[each])
                    yield f"{kind}{marks}={self._at(f'.{kind}', hook)}"

        settings = {name: each for name, each in vars(module).items() if name not in _PARTS}
        return self._described(module, settings, parts)

    def _shape(self, tensor: Tensor | None) -> str:
        if tensor is None:
            return "None"
        frozen = " frozen" if isinstance(tensor, nn.Parameter) and not tensor.requires_grad else ""
        return self._once(tensor, lambda each: f"{each.dtype} {list(each.shape)}{frozen}")

    # Code.

    def _partial(self, value: functools.partial) -> str:
        identity = _identity_in(vars(value))
        with self._forgiven(bool(identity)):
            parts = [*map(self.text, (value.func, *value.args)), *self._at_all(sorted(value.keywords.items()))]
        return f"partial({', '.join([identity, *parts] if identity else parts)})"

    def _function(self, function: types.FunctionType) -> str:
        package = package_of(module_of(function))
        if package == "" and function.__qualname__ in KNOWN_ONLY_WHEN_RUN:
            return self._refused(None, f"{''.join(self._path)} reads or runs what is not written in the code")
        if package is None or _identity_in(vars(function)):
            return self._described_later(function, name_of(function), self._code)
        name = f"{module_of(function)}.{function.__code__.co_qualname}{f'@{package}' if package else ''}"
        if not function.__closure__:
            return name
        # What is installed is always the same in one version, but not what it was made to close over.
        return self._described_later(function, name, lambda each: ", ".join(self._at_all(closure_of(each), " > ")))

    def _code(self, function: types.FunctionType) -> str:
        identity, code = _identity_in(vars(function)), function.__code__
        parts = [identity or f"code {_digest(text_of_code(code))}"]
        held = dict(closure_of(function)) | dict(defaults_of(function))
        held |= {f".{name}": each for name, each in sorted(vars(function).items())}
        with self._forgiven(bool(identity)):
            for name, each in held.items():
                if name not in (".identity", ".__wrapped__") and not (identity and name.lstrip(".").startswith("_")):
                    parts.append(f"{name}={self._at(f' > {name}', each)}")
        return ", ".join([*parts, *(() if identity else self._globals(function))])

    def _globals(self, function: types.FunctionType) -> Iterator[str]:
        """What a function reads of its module and of others."""
        for module in modules_imported(function.__code__):
            yield f"import {module} {package_of(module)}"
            if package_of(module) is None:
                self._refused(None, f"{name_of(function)} imports {module or 'its package'} when it runs, not before")
        for chain in names_read(function.__code__):
            dotted, value = resolved(function, chain)
            if value is UNDEFINED:
                yield f"{dotted} undefined"
            elif value is not ORDINARY_BUILTIN:  # the code says which
                yield f"{dotted}={self._at(f' > {dotted}', value)}"

    def _builtin(self, value: Any) -> str:
        owner = value.__self__
        if not (owner is None or isinstance(owner, types.ModuleType)):
            return f"{self.text(owner)}.{value.__name__}"
        module = value.__module__ or getattr(owner, "__name__", "")
        if package_of(module) == "" and value.__qualname__ in KNOWN_ONLY_WHEN_RUN:
            self._refused(None, f"{''.join(self._path)} reads or runs what is not written in the code")
        return f"{module}.{value.__qualname__}{self._version_of(module)}"

    def _version_of(self, module: str) -> str:
        """Of compiled code: its package's, or else a digest of its file."""
        package, file = package_of(module), getattr(sys.modules.get(module), "__file__", None)
        if package is not None:
            return f"@{package}" if package else ""
        if file is None or not Path(file).is_file():
            return self._refused(None, f"{''.join(self._path)} is of {module or 'no module'}, whose code is in no file")
        return f"@{_digest(Path(file).read_bytes())}"

    def _python_module(self, module: types.ModuleType) -> str:
        if package_of(module.__name__) is None:
            return self._refused(None, f"{''.join(self._path)} is a whole module, {module.__name__}")
        return f"module {module.__name__}{self._version_of(module.__name__)}"

    def _class(self, kind: type) -> str:
        package = package_of(kind.__module__)
        if package is not None and is_at_its_name(kind):
            return name_of(kind, package)
        if not kind.__flags__ & _HEAP_TYPE:
            return f"{name_of(kind)}{self._version_of(kind.__module__)}"
        return self._described_later(kind, name_of(kind), self._bases)

    def _bases(self, kind: type) -> str:
        """A class and those that it is derived from, up to what is installed or has an `identity`."""
        if identity := _identity_in(vars(kind)):
            return identity
        bases = [self.text(each) for each in kind.__bases__ if each is not object]
        if isinstance(made_in := type(kind).__module__, str) and package_of(made_in) is None:
            bases.append(f"metaclass={self.text(type(kind))}")
        return f"({', '.join(bases)}) {', '.join(self._at_all(members_of(kind)))}"

    # Objects.

    def _object(self, value: Any) -> str:
        try:
            registered = copyreg.dispatch_table.get(type(value))
            reduced: Any = registered(value) if registered else value.__reduce_ex__(2)
        except Exception:  # whatever an object raises that does not want to be written down
            refusal = self._refused(value) if not _identity_of(value) else "unread"
            return self._described(value, getattr(value, "__dict__", {}), lambda: [refusal])
        if isinstance(reduced, str):
            module = getattr(value, "__module__", "") or ""
            return f"{self.text(type(value))} {module}.{reduced}{self._version_of(module)}"
        make, args, *rest = reduced
        state, entries, pairs = (*rest, None, None, None)[:3]
        made = args[1:] if make is _PLAINLY else args if make is type(value) else (make, *args)

        def parts() -> Iterator[str]:
            yield from map(self.text, made)
            yield from map(self.text, entries or ())
            yield from (f"{self.text(key)}: {self.text(each)}" for key, each in pairs or ())

        return self._described(value, _by_name(value, state), parts)

    def _described(self, value: Any, settings: Mapping[str, Any], parts: Callable[[], Iterable[str]]) -> str:
        """An object's class, its parts, and its attributes by name."""
        # A parametrised module has a class of its own, which holds the module that it was first made for.
        kind = type_before_parametrizations(value) if isinstance(value, nn.Module) else type(value)
        own = _identity_in(settings)
        declared = own or _identity_in(vars(kind))
        called = f"{name_of(kind)} {own}" if own else self.text(kind)
        left_out = {name for name in settings if isinstance(getattr(kind, name, None), functools.cached_property)}
        with self._forgiven(bool(declared)):
            found = list(parts())
            for name, each in sorted(settings.items()):
                if name != "identity" and name not in left_out and not (declared and name.startswith("_")):
                    found.append(f"{name}={self._at(f'.{name}', each)}")
        return f"{called}({', '.join(found)})"

    # How it reads.

    def _once(self, value: Any, read: Callable[[Any], str]) -> str:
        if id(value) in self._met:
            return f"#{self._met[id(value)]}"
        self._met[id(value)] = len(self._met)
        self._alive.append(value)
        return read(value)

    def _described_later(self, value: Any, name: str, describe: Callable[[Any], str]) -> str:
        if id(value) not in self._met:
            self._once(value, lambda each: "")
            self._later.append((describe, value, [*self._path], self._forgiving))
        return f"{name}#{self._met[id(value)]}"

    def _at_all(self, items: Iterable[tuple[str, Any]], mark: str = ".") -> list[str]:
        return [f"{name}={self._at(f'{mark}{name}', each)}" for name, each in items]

    def _at(self, place: str, value: Any) -> str:
        with self._inside(place):
            return self.text(value)

    @contextmanager
    def _inside(self, place: str) -> Iterator[None]:
        self._path.append(place)
        yield
        self._path.pop()

    @contextmanager
    def _forgiven(self, forgiven: bool) -> Iterator[None]:
        before, self._forgiving = self._forgiving, self._forgiving or forgiven
        yield
        self._forgiving = before

    def _refused(self, value: Any, why: str | None = None) -> str:
        if self._forgiving:
            return "unread" if why else f"unread {name_of(type(value))}"
        raise Unreadable(why or f"{''.join(self._path)} is a {name_of(type(value))}, which cannot be read")


def digest_of(value: nn.Module | Tensor) -> str:
    """Of the numbers in a tensor, or in a net's parameters and buffers."""
    return digest((*value.parameters(), *value.buffers()) if isinstance(value, nn.Module) else [value])


def _identity_in(names: Mapping[str, Any]) -> str:
    """What was declared among some attributes, or nothing."""
    found = names.get("identity")
    return f"identity={found!r}" if isinstance(found, str) and found else ""


def _identity_of(value: Any) -> str:
    return _identity_in(getattr(value, "__dict__", {})) or _identity_in(vars(type(value)))


def _by_name(value: Any, state: Any) -> dict[str, Any]:
    """What `pickle` calls the state of an object, attribute by attribute where it says so."""
    if is_dataclass(value) and isinstance(state, list) and len(state) == len(fields(value)):
        return dict(zip((each.name for each in fields(value)), state, strict=True))
    if isinstance(state, tuple) and len(state) == 2 and all(each is None or isinstance(each, dict) for each in state):
        return {**(state[0] or {}), **(state[1] or {})}
    if isinstance(state, dict) and all(isinstance(name, str) for name in state):
        return state
    return {} if state is None else {"state": state}


def _label(key: Any) -> str:
    return f"{key!r:.40}" if isinstance(key, str | int) else "..."


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:40]}... {_digest(text)}"


def _digest(data: str | bytes) -> str:
    return hashlib.sha256(data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data).hexdigest()[:16]
