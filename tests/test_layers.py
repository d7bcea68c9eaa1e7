"""The house as CONTRIBUTING draws it: data walks one way, and nothing imports upwards."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import goodminima

ROOT = Path(goodminima.__file__).parent
MAY_IMPORT = {
    "core": set(),
    "tasks": {"core"},
    "nets": {"core"},
    "population": {"core", "tasks", "nets"},
    "search": {"core", "tasks", "nets", "population"},
    "train": {"core", "tasks", "nets", "population", "search"},
    "theory": {"core", "tasks", "nets", "population"},
    "volume": {"core", "tasks", "nets", "population", "search", "train"},
    "landscape": {"core", "tasks", "nets", "population", "search", "train"},
    "measure": {"core", "tasks", "nets", "population", "search", "train"},
    "experiments": {
        "core",
        "tasks",
        "nets",
        "population",
        "search",
        "train",
        "theory",
        "volume",
        "landscape",
        "measure",
    },
}
MAY_IMPORT["run"] = {"experiments", *MAY_IMPORT["experiments"]}
MAY_IMPORT["report"] = {"run", *MAY_IMPORT["run"]}
MAY_IMPORT["cli"] = {"report", *MAY_IMPORT["report"]}
MAY_IMPORT["__main__"] = {"cli"}


def _imports(path: Path) -> set[str]:
    nodes = list(_walk(ast.parse(path.read_text())))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    from_ = {node.module for node in nodes if isinstance(node, ast.ImportFrom) if node.module and not node.level}
    return plain | from_


def _walk(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that only type checkers see."""
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            yield node
            yield from _walk(node)


def _room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def test_every_room_is_in_the_drawing() -> None:
    rooms = {_room(path) for path in ROOT.rglob("*.py")} - {"__init__"}
    assert rooms == set(MAY_IMPORT)


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_nothing_imports_upwards(room: str) -> None:
    files = [path for path in ROOT.rglob("*.py") if _room(path) == room]
    upwards = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files
        for name in _imports(path)
        if name.startswith("goodminima.") and name.split(".")[1] not in MAY_IMPORT[room] | {room}
    }
    assert not upwards


def test_only_reports_and_plots_draw() -> None:
    drawing = {
        str(path.relative_to(ROOT))
        for path in ROOT.rglob("*.py")
        if any(name.split(".")[0] == "matplotlib" for name in _imports(path))
    }
    assert all(name.startswith("report/") or Path(name).name.startswith("plot") for name in drawing), drawing


def test_only_tasks_reads_data_sets_and_only_native_is_compiled() -> None:
    reading = {_room(path) for path in ROOT.rglob("*.py") if "datasets" in {n.split(".")[0] for n in _imports(path)}}
    assert reading <= {"tasks"}
    assert {path.relative_to(ROOT).parts[:2] for path in ROOT.rglob("*.cpp")} == {("population", "native")}
