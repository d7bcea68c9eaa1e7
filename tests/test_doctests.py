"""Every example in a docstring does what it shows."""

import doctest
import importlib
import pkgutil

import pytest

import goodminima

MODULES = [
    module.name
    for module in pkgutil.walk_packages(goodminima.__path__, "goodminima.")
    if not module.name.endswith("__main__")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name: str) -> None:
    if name.endswith("._kernel"):
        pytest.skip("compiled: it has no docstrings")
    assert doctest.testmod(importlib.import_module(name)).failed == 0
