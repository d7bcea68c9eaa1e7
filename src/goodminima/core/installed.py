"""Which package a module belongs to: what is installed is known by its version, what is not by its code."""

import importlib.metadata
import importlib.util
import site
import sys
import sysconfig
from functools import cache
from pathlib import Path

_ALWAYS = ("torch", "numpy")  # what everything here is computed with; what they promise holds from release to release


@cache
def package_of(module: str) -> str | None:
    """What is to be said of the package of a module.

    Returns:
        "name version", or "" for the standard library, PyTorch and NumPy, whose names say enough; None for code that is
        not installed and may change between two runs: scripts, notebooks, packages installed as editable.

    >>> package_of("math"), package_of("torch.nn.functional"), package_of("__main__")
    ('', '', None)
    """
    top = module.partition(".")[0]
    if top in ("__main__", "__mp_main__"):
        return None
    origin = _origin_of(module) or _origin_of(top)  # parts of a compiled module have no file of their own
    if origin in ("built-in", "frozen"):
        return ""
    if origin is None:
        return None
    path = Path(origin).resolve()
    if any(path.is_relative_to(folder) for folder in _folders_of_packages()):
        return "" if top in _ALWAYS else _with_version(top)
    return "" if any(path.is_relative_to(folder) for folder in _folders("stdlib", "platstdlib")) else None


def _origin_of(module: str) -> str | None:
    """The file of a module, or what stands for it."""
    known = sys.modules.get(module)
    if isinstance(file := getattr(known, "__file__", None), str) and Path(file).is_absolute():
        return file
    try:
        spec = getattr(known, "__spec__", None) or importlib.util.find_spec(module.partition(".")[0])
    except (ImportError, ValueError):
        return None
    origin = getattr(spec, "origin", None)
    return origin if isinstance(origin, str) else None


def _with_version(top: str) -> str | None:
    for name in (top, *importlib.metadata.packages_distributions().get(top, ())):
        try:
            return f"{name} {importlib.metadata.version(name).partition('+')[0]}"
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


@cache
def _folders_of_packages() -> tuple[Path, ...]:
    sites = (*site.getsitepackages(), site.getusersitepackages())
    return (*_folders("purelib", "platlib"), *(Path(folder).resolve() for folder in sites))


@cache
def _folders(*names: str) -> tuple[Path, ...]:
    return tuple(Path(folder).resolve() for name in names if (folder := sysconfig.get_path(name)))
