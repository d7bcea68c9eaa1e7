"""Settings: what is misspelt, missing or out of range is refused where it is written, and what is set is read and recorded."""

import ast
import functools
import importlib
import inspect
import json
import pkgutil
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import FrozenInstanceError, dataclass, field, fields, is_dataclass, replace
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

from goodminima import experiments
from goodminima.experiments.catalogue import EXPERIMENTS, find
from goodminima.experiments.chiang2023.two_class import BlockTraining, TwoClassCell, TwoClassScale
from goodminima.experiments.experiment import Cell, Experiment, Scale
from goodminima.experiments.settings import Count, NonNegative, Positive, Probability, Settings, as_json
from goodminima.population import AbstractPrior, Cube

IDS = [experiment.name for experiment in EXPERIMENTS]


@dataclass(frozen=True, kw_only=True)
class Inner(Settings):
    size: Count


@dataclass(frozen=True, kw_only=True)
class Outer(Settings):
    """One field of each kind that the catalogue has."""

    count: Count = 1
    number: float = 0.5
    positive: Positive = 0.5
    least: NonNegative = 0.0
    share: Probability = 0.5
    word: Literal["gc", "sgd"] = "gc"
    text: str = ""
    switch: bool = False
    many: tuple[Positive, ...] = ()
    two: tuple[Count, Count] = (1, 2)
    by_word: Mapping[Literal["gc", "sgd"], Mapping[Count, Positive]] = field(default_factory=dict)
    maybe: Count | None = None
    either: NonNegative | Literal["all"] = "all"
    inner: Inner | None = None
    prior: AbstractPrior | None = None


GOOD = [
    {},
    {"count": 7, "number": -2, "positive": 1, "least": 3.5, "share": 1, "word": "sgd", "text": "x", "switch": True},
    {"many": (1.0, 2), "two": (3, 4), "by_word": {"sgd": {2: 0.5}}, "maybe": 3, "either": 0.5},
    {"inner": Inner(size=1), "prior": Cube(2.0)},
]
BAD = [
    ("count", 0, "Outer: count must be an integer, at least 1, got 0"),
    ("count", 2.0, "an integer, at least 1, got 2.0"),
    ("count", True, "an integer, at least 1, got True"),
    ("count", "2", "an integer, at least 1, got '2'"),
    ("number", None, "number must be a number, got None"),
    ("number", float("inf"), "a number, got inf"),
    ("positive", 0.0, "a number, above 0, got 0.0"),
    ("positive", float("nan"), "a number, above 0, got nan"),
    ("least", -1, "a number, at least 0, got -1"),
    ("share", 1.5, r"a number, within \[0, 1\], got 1.5"),
    ("word", "sdg", r"one of 'gc', 'sgd' \(the nearest is 'sgd'\), got 'sdg'"),
    ("text", 3, "text must be text, got 3"),
    ("switch", 1, "True or False, got 1"),
    ("many", [1.0], r"a tuple, of a number, above 0, got \[1.0\]"),
    ("many", (1.0, -1.0), "a tuple, of a number, above 0"),
    ("two", (1, 2, 3), "a tuple, of an integer, at least 1 and an integer, at least 1"),
    ("by_word", {"sdg": {2: 0.5}}, "by_word must be a mapping from one of 'gc', 'sgd' to a mapping from"),
    ("by_word", {"sgd": {2: "0.5"}}, "by_word must be a mapping"),
    ("maybe", 0, "an integer, at least 1 or None, got 0"),
    ("either", "every", "a number, at least 0 or 'all'"),
    ("inner", {"size": 1}, "of type Inner or None"),
    ("prior", "cube", "of type AbstractPrior or None"),
]


@pytest.mark.parametrize("given", GOOD)
def test_what_is_as_declared_is_taken_and_recorded(given: dict[str, Any]) -> None:
    settings = Outer(**given)
    record = settings.as_record()
    assert list(record) == [each.name for each in fields(Outer)]
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert all(record[name] == as_json(value) for name, value in given.items())


@pytest.mark.parametrize(("name", "value", "message"), BAD)
def test_a_value_of_another_type_or_out_of_range_is_refused_when_built(name: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Outer(**{name: value})
    with pytest.raises(ValueError, match=message):
        replace(Outer(), **{name: value})


def test_a_misspelt_or_missing_setting_is_a_type_error_and_settings_stay_as_they_are() -> None:
    with pytest.raises(TypeError, match="coutn"):
        Outer(coutn=1)  # pyright: ignore[reportCallIssue]
    with pytest.raises(TypeError, match="size"):
        Inner()  # pyright: ignore[reportCallIssue]
    with pytest.raises(FrozenInstanceError):
        Inner(size=1).size = 2  # pyright: ignore[reportAttributeAccessIssue]


def test_nested_settings_are_recorded_by_their_fields_and_other_dataclasses_with_their_type() -> None:
    record = Outer(inner=Inner(size=3), prior=Cube(2.0), by_word={"gc": {2: 0.5}}).as_record()
    assert record["inner"] == {"size": 3}
    assert record["prior"] == {"type": "Cube", "radius": 2.0}
    assert record["by_word"] == {"gc": {"2": 0.5}}
    assert Settings().as_record() == {}


def test_settings_may_hold_numbers_text_tuples_mappings_and_dataclasses() -> None:
    settings = {1: (0.5, "x"), "net": Cube(3.0), "lowest": {2: None}}
    assert as_json(settings) == {"1": [0.5, "x"], "net": {"type": "Cube", "radius": 3.0}, "lowest": {"2": None}}


def test_settings_without_a_stable_text_are_refused() -> None:
    with pytest.raises(ValueError, match="settings hold a object"):
        as_json({"x": object()})


def toy(**changes: Any) -> Experiment:
    settings = TwoClassCell(samples=2, net="LeNet", optimizer="G&C", method="gc", edges=(0.3, 0.4))
    scale = Scale(replicates=1, settings=TwoClassScale(num_solutions=1, keep=1, budget=10))
    given = {
        "cells": (Cell(name="row", settings=settings, measures=("a",)),),
        "scales": dict.fromkeys(("smoke", "laptop", "paper"), scale),
    }
    return replace(find("chiang2023/table2"), **(given | changes))


@pytest.mark.usefixtures("unchecked")
def test_dictionaries_are_no_settings() -> None:
    settings: Any = {"samples": 2}
    with pytest.raises(TypeError, match="Cell 'row': settings must be Settings, got a dict"):
        Cell(name="row", settings=settings, measures=())
    with pytest.raises(TypeError, match="Scale: settings must be Settings, got a dict"):
        Scale(replicates=1, settings=settings)


def test_a_row_label_that_a_cell_does_not_set_is_refused_when_the_experiment_is_built() -> None:
    assert toy(row_labels=("samples", "optimizer")).row_labels == ("samples", "optimizer")
    with pytest.raises(ValueError, match="labelled by 'sample', which cell 'row' does not set; it sets samples, net"):
        toy(row_labels=("sample",))


def test_a_scale_that_lacks_what_a_cells_method_needs_is_refused_when_the_experiment_is_built() -> None:
    lacking = Scale(replicates=1, settings=TwoClassScale(num_solutions=1, keep=1))
    with pytest.raises(ValueError, match=r"scale 'laptop' cannot run cell 'row': .*'gc' needs budget"):
        toy(scales={**toy().scales, "laptop": lacking})
    elsewhere = replace(lacking, cells=())
    assert toy(scales={**toy().scales, "laptop": elsewhere}).cells_at("laptop") == ()


@pytest.mark.parametrize(
    ("method", "changes", "missing"),
    [
        ("gc", {"prior": find("chiang2023/table7").cells[-1].settings.prior}, "sphere_budget"),
        ("sgd", {}, "lenet_lr and sgd"),
        ("linear", {}, "linear"),
        ("splitting", {}, "splitting"),
    ],
)
def test_each_method_says_what_it_needs(method: str, changes: dict[str, Any], missing: str) -> None:
    cell = next(cell for cell in every_cell() if cell.method == method)
    scale = TwoClassScale(num_solutions=1, keep=1, budget=10)
    with pytest.raises(ValueError, match=f"method '{method}' needs {missing}"):
        scale.check_cell(replace(cell, **changes))


def test_settings_that_contradict_each_other_are_refused() -> None:
    cell = next(cell for cell in every_cell() if cell.method == "gc")
    with pytest.raises(ValueError, match="of method 'sgd' must be"):
        replace(cell, method="sgd")
    with pytest.raises(ValueError, match="edges must be at least 2, each above the one before"):
        replace(cell, edges=(0.4, 0.3))


def every_cell() -> Iterator[TwoClassCell]:
    for experiment in EXPERIMENTS:
        yield from (cell.settings for cell in experiment.cells if isinstance(cell.settings, TwoClassCell))


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=IDS)
def test_settings_are_of_the_types_that_run_cell_declares_and_recorded_whole(experiment: Experiment) -> None:
    declared = declared_by(experiment)
    for cell in experiment.cells:
        assert type(cell.settings) in (declared[Cell] or {Settings}), cell.name
        assert_recorded(cell.settings)
    for name, scale in experiment.scales.items():
        assert type(scale.settings) in (declared[Scale] or {Settings}), name
        assert_recorded(scale.settings)


def assert_recorded(settings: Settings) -> None:
    record = settings.as_record()
    assert set(record) == {each.name for each in fields(settings)}
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def declared_by(experiment: Experiment) -> dict[type, set[type]]:
    """The classes of settings in `run_cell(cell: Cell[...], context: Context[...])`."""
    cell, context, _ = get_type_hints(experiment.run_cell).values()
    return {Cell: set(settings_in(cell)), Scale: set(settings_in(context))}


# What no `run_cell` reads, and why; labels of rows and tags with one value are left out as such.
NOT_READ = {
    ("VolumeCell", "edges"): "bins that the picture draws; the cell's measures name the same ones",
}


def test_every_setting_is_read() -> None:
    """A setting that nobody reads is a promise that a scale does not keep.

    What counts is an attribute of that name in a function whose annotations mention the class, one that holds it, or a base
    of either. Checks of settings do not count.
    """
    labels = {
        (type(cell.settings), label)
        for experiment in EXPERIMENTS
        for cell in experiment.cells
        for label in experiment.row_labels
    }
    unread = [
        (cls.__name__, each.name)
        for cls in sorted(used_classes(), key=lambda cls: cls.__name__)
        for each in fields(cls)
        if each.name not in names_read_of(cls) and (cls, each.name) not in labels and not is_tag(cls, each.name)
    ]
    assert unread == list(NOT_READ)


def is_tag(cls: type, name: str) -> bool:
    hint = get_type_hints(cls)[name]
    return get_origin(hint) is Literal and len(get_args(hint)) == 1


def used_classes() -> set[type[Settings]]:
    """Classes of all settings of the catalogue, nested ones too."""
    found: set[type[Settings]] = set()
    waiting = [each.settings for e in EXPERIMENTS for each in (*e.cells, *e.scales.values())]
    while waiting:
        settings = waiting.pop()
        found.add(type(settings))
        waiting += [value for each in fields(settings) if isinstance(value := getattr(settings, each.name), Settings)]
    return found


def names_read_of(cls: type[Settings]) -> set[str]:
    near = {cls, *holders_of(cls)}
    seeing = (names for seen, names in readers() if any(issubclass(each, other) for each in near for other in seen))
    return set().union(*seeing)


def holders_of(cls: type[Settings]) -> set[type[Settings]]:
    """Classes with a field that may be of this class, or of one that holds it."""
    direct = {each for each in used_classes() if any(cls in settings_in(h) for h in get_type_hints(each).values())}
    return direct | {holder for each in direct for holder in holders_of(each)}


@functools.cache
def readers() -> list[tuple[set[type[Settings]], set[str]]]:
    """Of each function of the catalogue: the classes of settings that its annotations mention, and attributes it reads."""
    found = []
    for info in pkgutil.walk_packages(experiments.__path__, f"{experiments.__name__}."):
        for value in vars(importlib.import_module(info.name)).values():
            if getattr(value, "__module__", None) != info.name:
                continue
            if inspect.isfunction(value):
                found.append((mentioned(value), attributes_of(value)))
            elif inspect.isclass(value) and is_dataclass(value):
                own = set(settings_in(value)) | {
                    c for hint in get_type_hints(value).values() for c in settings_in(hint)
                }
                found += [(own | mentioned(method), attributes_of(method)) for method in methods_of(value)]
    return [(seen - {Settings}, names) for seen, names in found if seen - {Settings}]


def methods_of(cls: type) -> Iterator[Callable[..., Any]]:
    for name, value in vars(cls).items():
        method = getattr(value, "func", value)  # of a cached property
        if inspect.isfunction(method) and name not in ("check_cell",) and not name.startswith("__"):
            yield method


def mentioned(function: Callable[..., Any]) -> set[type[Settings]]:
    return {cls for hint in get_type_hints(function).values() for cls in settings_in(hint)}


def settings_in(hint: Any) -> Iterator[type[Settings]]:
    """Every class of settings within an annotation."""
    if inspect.isclass(hint) and get_origin(hint) is None and issubclass(hint, Settings):
        yield hint
    for each in get_args(hint):
        yield from settings_in(each)


def attributes_of(function: Callable[..., Any]) -> set[str]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    return {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


def test_the_scan_sees_what_is_not_read() -> None:
    """Of `BlockTraining`, both fields; of a class that nobody mentions, none."""
    assert {"members", "member_images"} <= names_read_of(BlockTraining)
    assert names_read_of(Outer) == set()
