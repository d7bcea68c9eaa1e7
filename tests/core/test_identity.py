"""Texts tell apart what differs in code or contents, are the same in every process, and refuse what cannot be read."""

# Functions and objects of all kinds get an `identity`, and stand where others are annotated.
# pyright: reportAttributeAccessIssue=false, reportFunctionMemberAccess=false, reportArgumentType=false, reportOperatorIssue=false

import copy
import functools
import math
import operator
import pickle
import subprocess
import sys
import threading
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property, partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from goodminima.core.checkpoint import digest
from goodminima.core.identity import architecture_of, text_of
from goodminima.tasks import Examples, FreshRolls
from goodminima.train import ExtraBatches, PoisonedObjective


@dataclass(frozen=True)
class Weighted:
    beta: float
    extra: Examples

    def __call__(self) -> float:
        return self.beta

    def method(self) -> float:
        return self.beta


class Plain:
    def __init__(self, seed: int, cache: float = 0.0) -> None:
        self.seed, self._cache = seed, [cache]


class Slotted:
    __slots__ = ("_beta",)

    def __init__(self, beta: float) -> None:
        self._beta = beta


class Child(Plain):
    pass


class Named:
    """What has an identity."""

    identity = "named v1"

    def __init__(self, beta: float, memory: object = None) -> None:
        self.beta, self._memory, self.lock = beta, memory, threading.Lock()


class Open:
    """What has an identity, and nothing that cannot be read."""

    identity = "open v1"


class Renamed(Named):
    identity = "named v2"


class Inherits(Named):
    pass


class Colour(Enum):
    RED = 1
    BLUE = 2


def closing_over(beta: float) -> Callable[[], float]:
    def objective() -> float:
        return beta

    return objective


def recursive() -> Callable[[int], int]:
    def down(n: int) -> int:
        return down(n - 1) if n else 0

    return down


def made(source: str, **names: Any) -> Any:
    """The `f` that some source defines, in a module of its own that has some names."""
    module = {"__name__": "theirs", "F": F, "torch": torch, "math": math, **names}
    exec(source, module)
    return module["f"]


def weighted(beta: float, first: float = 0.0) -> Weighted:
    return Weighted(beta, Examples(torch.tensor([first, 1.0]), torch.tensor([0, 1])))


def seeded(make: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make()


def net(seed: int) -> nn.Module:
    return seeded(lambda: nn.Linear(2, 2), seed)


def circle() -> list[Any]:
    found: list[Any] = [1]
    found.append(found)
    return found


def with_attribute(beta: float) -> Any:
    function = made("def f(): return f.beta")
    function.beta = beta
    return function


def decorated(repeats: int) -> Any:
    def twice(function: Any) -> Any:
        @functools.wraps(function)
        def wrapper() -> Any:
            return function() * repeats

        return wrapper

    return twice(made("def f(): return 1"))


def data() -> list[Any]:
    return [
        None, 0.1, "0.1", 1, True, 1.0, 1j, -0.0, b"1", (1, 2), [1, 2], {1, 2}, frozenset({1, 2}), range(2), ...,
        {"a": 1}, {"a": 2}, {1: "a"}, [[1], 2], [[1, 2]], circle(), "a" * 5000, "a" * 5001, Colour.RED, Colour.BLUE, Colour,
        torch.zeros(2), torch.zeros(2, 1), torch.zeros(2).double(), torch.zeros(2, requires_grad=True), torch.float32,
        nn.Parameter(torch.zeros(2)), torch.Generator().manual_seed(1), torch.Generator().manual_seed(2),
        np.ones(2), np.ones(2, np.float32), np.float64(0.1), np.float32(0.1), np.array(["a"]), np.array([{"a": 1}], object),
        np.random.default_rng(1), np.random.default_rng(2), Path("a"), Path("b"), types.SimpleNamespace(a=1),
    ]  # fmt: skip


def functions() -> list[Any]:
    return [
        closing_over(0.1), closing_over(0.2), recursive(), weighted, math.sin, math.cos, max, min, np.add, np.subtract,
        torch.add, torch.sub, F.relu, F.gelu, torch.Tensor.add, torch.Tensor.sub, str.upper, "a".upper, "b".upper,
        partial(weighted, 0.1), partial(weighted, beta=0.1), partial(weighted, beta=0.9), partial(weighted, beta=0.9, first=1.0),
        operator.itemgetter(1), operator.itemgetter(2), torch.func.grad(F.relu), torch.func.grad_and_value(F.relu),
        torch.func.grad(F.gelu),
        functools.lru_cache(weighted), decorated(2), decorated(3), with_attribute(1.0), with_attribute(2.0),
        made("f = lambda: 0.1"), made("f = lambda: 0.9"), made("f = lambda x: x"), made("f = lambda y: y"),
        made("def f(a=1): return a"), made("def f(a=2): return a"), made("def f(*, a=2): return a"),
        made("def f(x): return x < 1"), made("def f(x): return x <= 1"), made("def f(x): return x in (1, 2)"),
        made("def f(x): return x in {1, 2}"), made("def f(x): return x.a"), made("def f(x): return x.b"),
        made("def f(): return scale", scale=1.0), made("def f(): return scale", scale=2.0), made("def f(): return scale"),
        made("def f(): return scale", scale=max), made("def f(): return scale", scale=min),
        made("def f(): return helper()", helper=lambda: 1), made("def f(): return helper()", helper=lambda: 2),
        made("def f(): return [helper() for _ in range(2)]", helper=lambda: 1),
        made("def f(): return [helper() for _ in range(2)]", helper=lambda: 2),
        made("def f(): return (lambda: 1)"), made("def f(): return (lambda: 2)"),
        made("def f(x): return F.relu(x)"), made("def f(x): return F.gelu(x)"), made("def f(x): return F.relu(x)", F=torch),
        made("def f():\n try:\n  a(); b()\n except E:\n  pass"), made("def f():\n try:\n  a()\n except E:\n  pass\n b()"),
        made("class f:\n  a = 1"), made("class f:\n  a = 2"), made("class f:\n  def g(self): return 1"),
        made("class f:\n  def g(self): return 2"), made("class f:\n  @property\n  def g(self): return 1"),
        made("class f:\n  @property\n  def g(self): return 2"), made("class f:\n  @staticmethod\n  def g(): return 1"),
        made("class f:\n  @staticmethod\n  def g(): return 2"), made("class f(base): pass", base=Plain),
        made("class f(base): pass", base=Named), made("def f():\n  from math import sin\n  return sin"),
    ]  # fmt: skip


def objects() -> list[Any]:
    return [
        weighted(0.1), weighted(0.2), weighted(0.1, 5.0), weighted(0.1).method, weighted(0.2).method, Weighted,
        Plain(0), Plain(1), Plain(0, cache=1.0), Child(0), Slotted(0.1), Slotted(0.2), Named(0.1), Named(0.9), Renamed(0.1),
        made("class f(base):\n  def g(self): return 1", base=Open)(),
        made("class f(base):\n  def g(self): return 2", base=Open)(),
        made("class f:\n  def __call__(self): return 1")(), made("class f:\n  def __call__(self): return 2")(),
        made("@dataclass\nclass f:\n  a: int = 1", dataclass=dataclass),
        made("@dataclass\nclass f:\n  a: int = 2", dataclass=dataclass),
        made("@dataclass\nclass f:\n  a: list = field(default_factory=list)", dataclass=dataclass, field=field),
        made("@dataclass\nclass f:\n  a: list = field(default_factory=tuple)", dataclass=dataclass, field=field),
        PoisonedObjective(beta=0.1, draw=closing_over(0.1)), PoisonedObjective(beta=0.9, draw=closing_over(0.1)),
        PoisonedObjective(beta=0.1, draw=closing_over(0.9)), nn.CrossEntropyLoss(), nn.CrossEntropyLoss(label_smoothing=0.1),
    ]  # fmt: skip


class Twice(nn.Module):
    """Layers that are one and the same, or as many as there are names, or weights that are."""

    def __init__(self, first: nn.Module, second: nn.Module, *, tied: bool = False, buffer: bool | None = None) -> None:
        super().__init__()
        self.first, self.second = first, second
        if tied:
            self.second.weight = self.first.weight
        if buffer is not None:
            self.register_buffer("b", torch.zeros(1), persistent=buffer)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x))


class Backwards(Twice):
    def forward(self, x: Tensor) -> Tensor:
        return self.first(self.second(x))


def changed(module: nn.Module, change: Callable[[nn.Module], Any]) -> nn.Module:
    change(module)
    return module


def nets() -> list[nn.Module]:
    def two(*activations: nn.Module) -> nn.Module:
        return seeded(lambda: nn.Sequential(nn.Linear(2, 2), *activations, nn.Linear(2, 2)))

    def alike() -> nn.Module:
        return changed(net(0), lambda module: None)

    same = alike()
    return [
        net(0), net(1), net(0).eval(), net(0).double(), changed(net(0), lambda n: n.weight.requires_grad_(False)),
        changed(net(0), lambda n: n.register_forward_hook(lambda m, x, y: y)),
        changed(net(0), lambda n: n.register_forward_hook(lambda m, x, y: 2 * y)),
        changed(net(0), lambda n: n.register_forward_pre_hook(lambda m, x: None)),
        changed(net(0), lambda n: n.register_full_backward_hook(lambda m, x, y: None)),
        changed(net(0), lambda n: setattr(n, "_slope", 0.1)), changed(net(0), lambda n: setattr(n, "_slope", 0.9)),
        changed(net(0), lambda n: setattr(n, "scale", torch.ones(1))), changed(net(0), weight_norm),
        changed(net(0), lambda n: setattr(n, "forward", torch.relu)), two(nn.ReLU()), two(nn.Tanh()), two(nn.Dropout(0.0)),
        two(nn.Dropout(0.9)), two(nn.LeakyReLU(0.1)), two(nn.LeakyReLU(0.2)), two(), two(nn.ReLU(), nn.ReLU()),
        two(nn.BatchNorm1d(2)), two(nn.BatchNorm1d(2, eps=1e-3)), two(nn.BatchNorm1d(2, momentum=0.2)),
        Twice(same, same), Twice(alike(), alike()), Twice(alike(), alike(), tied=True), Backwards(alike(), alike()),
        Twice(alike(), alike(), buffer=True), Twice(alike(), alike(), buffer=False),
        seeded(lambda: nn.LSTM(2, 2)), seeded(lambda: nn.LSTM(2, 2, bidirectional=True)),
        seeded(lambda: nn.MultiheadAttention(2, 1)), seeded(lambda: nn.MultiheadAttention(2, 2)),
    ]  # fmt: skip


def everything() -> list[Any]:
    return [*data(), *functions(), *objects(), *nets()]


def test_what_differs_has_another_text() -> None:
    seen: dict[str, Any] = {}
    for value in everything():
        other = seen.setdefault(text_of(value), value)
        assert other is value, f"{value} has the text of {other}"


def test_architectures_differ_where_numbers_do_not() -> None:
    for one, other in combinations(map(architecture_of, nets()[1:]), 2):  # the first two differ in numbers alone
        assert one != other
    assert architecture_of(net(0)) == architecture_of(net(1))


def test_two_functions_on_one_line_differ() -> None:
    small, large = lambda net, batch, step: 0.1, lambda net, batch, step: 0.9
    assert text_of(small) != text_of(large)


@pytest.mark.parametrize("hashes", ["1", "2"])
def test_texts_are_the_same_in_every_process(hashes: str) -> None:
    code = "from test_identity import *; print('\\n'.join(map(text_of, everything())))"
    environment = {"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": hashes}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    here = [_as_if_imported(text_of(value)) for value in everything()]
    assert done.stdout.splitlines() == here
    assert " at 0x" not in done.stdout


def _as_if_imported(text: str) -> str:
    return text.replace(f"{__name__}.", "test_identity.")


HARMLESS = [
    (
        "def f(x):\n    return x + 1",
        "def f(x):  # one more\n\n    # the next\n    return (\n        x +\n        1\n    )",
    ),
    ("def f(x):\n    return x + 1", "def f(x):\n    '''Documented.'''\n    return x + 1"),
    ("def f(x):\n    '''One.'''\n    return None", "def f(x):\n    '''Other.'''\n    return None"),
    ("def f(x: int) -> int:\n    return x", "def f(x: float):\n    return x"),
    (
        "def f(x):\n  for i in x:\n    if i: g(i)\n    else: break",
        "def f(x):\n  for i in x:\n    if i:\n      g(i)\n    else:\n      break",
    ),
    ("class f:\n  a = 1\n  b = 2", "class f:\n  '''Documented.'''\n  b = 2\n\n  a = 1"),
]


@pytest.mark.parametrize(("one", "other"), HARMLESS)
def test_what_is_written_about_code_is_no_part_of_it(one: str, other: str) -> None:
    assert text_of(made(one)) == text_of(made(f"\n\n{other}"))


def test_whatever_was_done_before_texts_are_the_same() -> None:
    function = made("def f(x, n=3):\n  return [x * i for i in range(n)]")
    before = text_of(function)
    for _ in range(5000):  # the interpreter rewrites what runs often
        function(2)
    assert text_of(function) == before


@pytest.mark.parametrize("group", [data, objects, nets])
def test_copies_have_the_texts_of_what_they_are_copies_of(group: Callable[[], list[Any]]) -> None:
    for value in group():
        if not isinstance(value, Named):  # locks cannot be copied
            assert text_of(copy.deepcopy(value)) == text_of(value), value


def test_what_came_from_another_process_has_the_same_text() -> None:
    for value in (*objects()[:12], weighted(0.1), partial(weighted, beta=0.1), net(0)):
        if type(value).__module__ != "theirs" and "Named" not in str(type(value).__mro__):
            assert text_of(pickle.loads(pickle.dumps(value))) == text_of(value), value


def test_the_order_of_keywords_and_sets_is_no_part_of_a_text() -> None:
    assert text_of(partial(weighted, first=1.0, beta=0.9)) == text_of(partial(weighted, beta=0.9, first=1.0))
    assert text_of({"b", "a", "c"}) == text_of({"c", "b", "a"})


def test_calls_and_contents_may_go_deep() -> None:
    def deep(last: str) -> Any:
        function = made(f"def f(): return {last}")
        for _ in range(2000):
            function = made("def f(): return 1 + helper()", helper=function)
        return function

    assert text_of(deep("1")) != text_of(deep("2"))
    nested: list[Any] = []
    for _ in range(5000):
        nested = [nested]
    with pytest.raises(ValueError, match="value is too deep to be read"):
        text_of(nested)


def test_functions_that_know_their_gradients_are_read() -> None:
    sources = [
        "class Scaled(torch.autograd.Function):\n"
        "  @staticmethod\n  def forward(ctx, x): return x * 2\n"
        f"  @staticmethod\n  def backward(ctx, g): return g * {factor}\n"
        "def f(x): return Scaled.apply(x)"
        for factor in (2, 3, 3)
    ]
    one, other, again = (text_of(made(source)) for source in sources)
    assert one != other
    assert again == other


def test_compiled_functions_are_known_by_what_they_were_compiled_from() -> None:
    numba = pytest.importorskip("numba")
    one, other, again, fast = (
        text_of(numba.njit(**options)(made(f"def f(x): return x + {number}")))
        for number, options in ((1, {}), (2, {}), (2, {}), (2, {"fastmath": True}))
    )
    assert again == other
    assert len({one, other, fast}) == 3


def test_what_is_computed_once_is_no_part_of_an_object() -> None:
    class Costly:
        @cached_property
        def table(self) -> list[int]:
            return [1, 2]

    costly = Costly()
    before = text_of(costly)
    assert costly.table == [1, 2]
    assert text_of(costly) == before


def test_checked_shapes_are_no_part_of_a_function() -> None:
    """In the tests a checker of shapes is wrapped around what the library defines, methods of `Examples` among them."""
    assert "jaxtyping" not in text_of(Examples)


# What cannot be read, and what helps.


def capturing(value: Any) -> Callable[[], Any]:
    def objective() -> Any:
        return value

    return objective


def test_what_cannot_be_read_is_refused_in_one_line_with_the_cure(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file:
        for value, kind in (
            (threading.Lock(), "_thread.lock"),
            (file, "_io.TextIOWrapper"),
            ((each for each in range(2)), "builtins.generator"),
            (memoryview(b"a"), "builtins.memoryview"),
            (torch.zeros(2).to_sparse(), "torch.Tensor"),
        ):
            what = rf"objective > value\._held is a {kind}, which cannot be read"
            message = rf"^objective cannot be told from others for sure: {what}; .*identity = .*$"
            holder = types.SimpleNamespace(_held=value)
            with pytest.raises(ValueError, match=message) as error:
                text_of(capturing(holder), name="objective")
            assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("def f(): return eval('1')", "reads or runs what is not written in the code"),
        ("def f(): return globals()['x']", "reads or runs what is not written in the code"),
        ("def f(): return open('x').read()", "reads or runs what is not written in the code"),
        ("def f():\n  import test_identity\n  return test_identity", "imports test_identity when it runs"),
        ("def f():\n  return helpers", "is a whole module, helpers"),
        (
            "import importlib\ndef f(): return importlib.import_module('x')",
            "reads or runs what is not written in the code",
        ),
    ],
)
def test_code_that_is_known_only_when_it_runs_is_refused(source: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        text_of(made(source, helpers=types.ModuleType("helpers")))


def test_compiled_modules_have_no_text_but_may_be_named() -> None:
    scripted = torch.jit.script(nn.Linear(1, 1))
    with pytest.raises(ValueError, match=r"^net cannot be told from others for sure: net\._c is a torch\.ScriptModule"):
        architecture_of(scripted, name="net")


def test_an_identity_stands_for_what_cannot_be_read() -> None:
    function = capturing(threading.Lock())
    with pytest.raises(ValueError, match="cannot be told from others"):
        text_of(function)
    function.identity = "locked, v1"
    first = text_of(function)
    function.identity = "locked, v2"
    assert text_of(function) != first


def test_a_partial_function_may_have_an_identity() -> None:
    def locked(lock: object, beta: float) -> float:
        return beta

    small, large = (partial(locked, threading.Lock(), beta=beta) for beta in (0.1, 0.9))
    with pytest.raises(ValueError, match="cannot be told from others"):
        text_of(small)
    small.identity = large.identity = "locked v1"
    assert text_of(small) != text_of(large)
    assert text_of(small) == text_of(small)


def test_methods_that_are_called_like_builtins_are_read() -> None:
    assert text_of(nn.Module.eval) == "torch.nn.modules.module.Module.eval"


def test_an_identity_of_a_function_stands_for_its_code_but_not_for_its_numbers() -> None:
    def named(source: str, **names: Any) -> Any:
        function = made(source, **names)
        function.identity = "mine, v1"
        return function

    assert text_of(named("def f(): return a", a=1)) == text_of(named("def f(): return a + 0", a=2))
    assert text_of(named("def f(a=1): return a")) != text_of(named("def f(a=2): return a"))
    factory = "def make(a):\n  def f(): return a\n  return f\n"
    assert text_of(named(f"{factory}f = make(1)")) != text_of(named(f"{factory}f = make(2)"))


def test_an_identity_of_a_class_stands_for_private_attributes_but_not_for_public_ones() -> None:
    assert text_of(Named(0.1, memory=1)) == text_of(Named(0.1, memory=2))
    assert text_of(Named(0.1)) != text_of(Named(0.2))
    assert text_of(Open()) == f"{__name__}.Open#1(); #1: identity='open v1'"


def test_a_subclass_needs_an_identity_of_its_own() -> None:
    with pytest.raises(ValueError, match=r"value\.lock is a _thread\.lock"):
        text_of(Inherits(0.1))


def test_an_identity_of_an_object_is_its_own() -> None:
    one, other = Plain(0, cache=1.0), Plain(0, cache=2.0)
    one.identity = other.identity = "plain v1"
    assert text_of(one) == text_of(other)
    other.identity = "plain v2"
    assert text_of(one) != text_of(other)


def test_a_module_called_identity_is_no_identity() -> None:
    skipping, dropping = (nn.ModuleDict({"identity": each}) for each in (nn.Identity(), nn.Dropout()))
    assert text_of(skipping) != text_of(dropping)


EXTRA = Examples(torch.zeros(4, 2), torch.zeros(4).long())


@pytest.mark.parametrize("draw", [ExtraBatches(EXTRA, batch_size=2, seed=0), FreshRolls(seed=0)])
def test_what_was_drawn_from_has_the_same_identity(draw: Callable[[int], Examples]) -> None:
    before = text_of(PoisonedObjective(beta=0.1, draw=draw))
    draw(3)
    assert text_of(PoisonedObjective(beta=0.1, draw=draw)) == before


def test_a_digest_sees_numbers_shapes_and_types_but_not_strides() -> None:
    tensors = [torch.arange(6), torch.arange(6.0), torch.arange(6).view(2, 3), torch.arange(6) + 1, torch.tensor(6)]
    assert len({digest([tensor]) for tensor in tensors}) == 5
    images = torch.rand(2, 3, 4, 5)
    assert digest([images]) == digest([images.contiguous(memory_format=torch.channels_last)])
