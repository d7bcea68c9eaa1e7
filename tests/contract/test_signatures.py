"""One vocabulary: the same word means the same thing in every public signature, and every docstring says what comes back."""

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import goodminima as gm

# Words that public parameters no longer use, and the one that says it.
RETIRED = {
    "task": "data", "examples": "data", "batch": "data", "key": "seed", "random_state": "seed", "listen": "callback",
    "progress": "callback", "wanted": "num_solutions", "number": "num_…", "count": "num_…", "keep_every": "checkpoint_every",
    "file": "checkpoint", "lowest": "min_log_volume", "farthest": "max_radius", "optimiser": "optimizer", "workers": "threads",
    "n_jobs": "threads", "criteria": "accept",
}  # fmt: skip
# A word, and what its annotation must say and its default must be (`...`: any).
MEANS: dict[str, tuple[str, Any]] = {
    "seed": (r"^int$", ...),
    "threads": (r"^int$", 1),
    "device": (r"str", "cpu"),
    "callback": (r"^Callable\[\[Progress\], None\]( \| None)?$", ...),
    "checkpoint": (r"Path", None),
    "checkpoint_every": (r"^int$", ...),
    "keep": (r"^int$", ...),
    "budget": (r"^int$", ...),
    "prior": (r"^AbstractPrior( \| None)?$", ...),
    "accept": (r"^Fits \| Sequence\[Fits\]$", ...),
    "start": (r"Float\[(torch\.)?Tensor", ...),
    "data": (r"Task|Examples|str", ...),
    "net": (r"Module|^~N$", ...),
}
FUNCTIONS = {name: value for name in gm.__all__ if inspect.isfunction(value := getattr(gm, name))}
CLASSES = {name: value for name in gm.__all__ if inspect.isclass(value := getattr(gm, name))}


def _methods() -> Iterator[tuple[str, Callable[..., Any]]]:
    for name, owner in CLASSES.items():
        for method, value in vars(owner).items():
            plain = value.__func__ if isinstance(value, classmethod | staticmethod) else value
            ours = inspect.isfunction(plain) and plain.__module__.startswith("goodminima.")
            if ours and not method.startswith("_") and method not in ("forward", "step", "add_param_group"):
                yield f"{name}.{method}", plain


METHODS = dict(_methods())


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    given = inspect.signature(function).parameters.values()
    return [parameter for parameter in given if parameter.name not in ("self", "cls")]


def _annotation(parameter: inspect.Parameter) -> str:
    said = parameter.annotation
    text = said if isinstance(said, str) else inspect.formatannotation(said)
    text = text.replace("collections.abc.", "").replace("typing.", "")
    return re.sub(r"(?<![\w'\"])(?:\w+\.)+(?=[A-Z])", "", text)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_net_and_data_come_first_and_all_else_by_name(name: str) -> None:
    parameters = _parameters(FUNCTIONS[name])
    positional = [p.name for p in parameters if p.kind is not inspect.Parameter.KEYWORD_ONLY]
    assert len(positional) <= 2
    words = [p.name for p in parameters]
    if "net" in words:
        assert words[0] == "net"
        assert "data" not in words or positional == ["net", "data"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_word_means_one_thing(name: str) -> None:
    for parameter in _parameters(FUNCTIONS[name]):
        assert parameter.name not in RETIRED, f"{parameter.name}: say {RETIRED[parameter.name]}"
        if parameter.name in MEANS:
            says, default = MEANS[parameter.name]
            assert re.search(says, _annotation(parameter)), f"{parameter.name}: {_annotation(parameter)}"
            given = parameter.default
            assert default is ... or given is inspect.Parameter.empty or given == default, f"{parameter.name}={given}"


@pytest.mark.parametrize("name", [*FUNCTIONS, *METHODS])
def test_docstrings_name_every_argument_and_what_comes_back(name: str) -> None:
    function = FUNCTIONS.get(name) or METHODS[name]
    text = inspect.getdoc(function)
    assert text, "no docstring"
    returned = inspect.signature(function).return_annotation
    if returned not in (None, "None", inspect.Signature.empty):
        assert re.search(r"^(Returns|Yields):$", text, re.MULTILINE), "no Returns"
    if name in FUNCTIONS:
        missing = [p.name for p in _parameters(function) if not re.search(rf"^ +\**{p.name}:", text, re.MULTILINE)]
        assert not missing, f"not among the Args: {missing}"


AMERICAN = "normal|general|initial|standard|regular|minim|maxim|memor|random|summar|penal|organ|recogn|equal|symmetr"


def test_one_spelling_of_english() -> None:
    """British, but `optimizer` and its stem are PyTorch's; titles, in lines with a year, and quotations keep theirs."""
    wrong = re.compile(rf"\b\w*optimis\w*|\b(?:un|re)?(?:{AMERICAN})iz\w+\b(?!=)")
    root = Path(gm.__file__).parents[2]
    files = [*root.glob("src/**/*.py"), *root.glob("docs/**/*.md"), *root.glob("examples/*.py"), root / "README.md"]
    lines = ((path.relative_to(root), line) for path in files for line in path.read_text().splitlines())
    found = {f"{path}: {line}" for path, line in lines if wrong.search(line) and not re.search(r"\b20\d\d\b|\"", line)}
    assert not found
