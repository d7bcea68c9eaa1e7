"""What tests rely on: shapes are checked in every function of the package, but for those that numba compiles."""

import importlib
import pkgutil
from types import FunctionType

import jaxtyping
import numpy as np
import pytest

import goodminima
from goodminima.theory.ascent import minus_log_loss, softmin


def test_every_function_is_checked() -> None:
    unchecked = []
    for info in pkgutil.walk_packages(goodminima.__path__, "goodminima."):
        if info.name.endswith(("__main__", "_kernel")):
            continue
        for name, value in vars(importlib.import_module(info.name)).items():
            own = isinstance(value, FunctionType) and value.__module__ == info.name and value.__name__ != "<lambda>"
            if own and not hasattr(value, "__wrapped__"):
                unchecked.append(f"{info.name}.{name}")
    assert unchecked == []


def test_what_an_annotation_forbids_is_refused() -> None:
    with pytest.raises(jaxtyping.TypeCheckError, match="minus_log_loss"):
        minus_log_loss(np.array([1, 2]))


@pytest.mark.usefixtures("unchecked")
def test_but_not_where_a_test_asks_for_it() -> None:
    assert minus_log_loss(np.array([1, 2])) < 1


def test_compiled_functions_are_as_they_were_written() -> None:
    assert type(softmin).__name__ == "CPUDispatcher"
    assert not hasattr(softmin.py_func, "__wrapped__")
