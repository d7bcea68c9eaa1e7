"""The public names: each means one thing, whatever was imported before."""

import ast
import importlib
import pkgutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

import goodminima as gm

ROOT = Path(gm.__file__).parent
PACKAGES = [
    "goodminima",
    *(f"goodminima.{module.name}" for module in pkgutil.iter_modules([str(ROOT)]) if module.ispkg),
]

RESOLVE = """
def resolve():
    names = {name: getattr(gm, name) for name in gm.__all__}
    modules = [name for name, value in names.items() if type(value).__name__ == "module"]
    assert not modules, modules
    return names
"""
IMPORT_ALL = """
for module in pkgutil.walk_packages(gm.__path__, "goodminima."):
    if not module.name.endswith(("__main__", "._kernel")):
        importlib.import_module(module.name)
"""
HEAD = "import importlib, pkgutil, sys\nimport goodminima as gm\n"


def _run(*parts: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "\n".join((HEAD, *parts))], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_names_stay_what_they_are_when_every_module_is_imported() -> None:
    same = "assert all(value is first[name] for name, value in resolve().items())"
    _run(RESOLVE, "first = resolve()", IMPORT_ALL, same)


def test_names_are_no_modules_when_every_module_was_imported_first() -> None:
    _run(RESOLVE, IMPORT_ALL, "resolve()")


def test_importing_the_package_imports_nothing_heavy() -> None:
    _run("assert not {'torch', 'numpy', 'scipy'} & set(sys.modules)")


@pytest.mark.parametrize("package", PACKAGES)
def test_no_name_of_a_room_is_also_a_module_of_it(package: str) -> None:
    room = importlib.import_module(package)
    modules = {module.name for module in pkgutil.iter_modules(room.__path__)}
    assert not modules & set(getattr(room, "__all__", ()))


def test_the_stub_names_what_there_is() -> None:
    stub = ast.parse((ROOT / "__init__.pyi").read_text())
    imported = {alias.name for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert imported | {"__version__"} == set(gm.__all__)
    listed = next(node.value for node in stub.body if isinstance(node, ast.Assign))
    assert sorted(ast.literal_eval(listed)) == sorted(gm.__all__)
    assert all(getattr(gm, name).__doc__ for name in imported)


def test_an_unknown_name_is_told_the_nearest() -> None:
    with pytest.raises(AttributeError, match="'patern_search'; the nearest is 'pattern_search'"):
        gm.patern_search  # noqa: B018  # pyright: ignore[reportAttributeAccessIssue]


def test_no_two_classes_share_a_name() -> None:
    homes = defaultdict(list)
    for path in ROOT.rglob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                homes[node.name].append(str(path.relative_to(ROOT)))
    assert not {name: places for name, places in homes.items() if len(places) > 1}
