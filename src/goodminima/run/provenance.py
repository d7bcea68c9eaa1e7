"""Where numbers came from: versions of the software, the revision of its source, and a hash of the configuration."""

import functools
import hashlib
import importlib.metadata
import json
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from goodminima.experiments.experiment import Cell
from goodminima.experiments.settings import Settings


def configuration(cell: Cell, scale_settings: Settings, *, device: str) -> dict[str, Any]:
    """Everything beside data, seed and replicate that a replicate's numbers depend on."""
    return {"cell": cell.settings.as_record(), "scale": scale_settings.as_record(), "device": device}


def hash_of(configured: Mapping[str, Any]) -> str:
    """Sixteen hexadecimal digits that differ when a configuration does.

    >>> hash_of({"a": 1, "b": 2}) == hash_of({"b": 2, "a": 1}), hash_of({"a": 1}) == hash_of({"a": 2})
    (True, False)
    """
    return hashlib.sha256(json.dumps(configured, sort_keys=True).encode()).hexdigest()[:16]


@functools.cache
def versions() -> dict[str, str]:
    """Versions of what computes the numbers, and the platform it runs on."""
    from goodminima.population import native

    packages = ("goodminima", "torch", "numpy")
    return {
        **{name: importlib.metadata.version(name) for name in packages},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "kernel": native.instruction_set() if native.available() else "none",
    }


@functools.cache
def revision() -> str:
    """The git revision of this source, `+dirty` if files differ from it; the version where there is no repository.

    A package installed into an environment inside somebody's own repository is not of that repository: this very file
    has to be tracked.
    """
    here = Path(__file__)
    try:
        _git(here.parent, "ls-files", "--error-unmatch", here.name)
        commit = _git(here.parent, "rev-parse", "HEAD")
        changed = _git(here.parent, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return versions()["goodminima"]
    return commit + ("+dirty" if changed else "")


def _git(folder: Path, *arguments: str) -> str:
    command = ("git", "-C", str(folder), *arguments)
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
