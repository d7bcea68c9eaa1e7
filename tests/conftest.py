"""What all tests share."""

import os

# One thread for each process, whatever does its sums: the tests run on all cores at once already, replicates take one
# thread, and threads that wait for each other make tests slow on shared machines. Read when torch and numpy are loaded.
for _variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import jaxtyping
import numba
import pytest
import torch

import shape_checker

# Before anything compiled is imported: numba takes functions as they were written, not wrapped by the check of shapes.
numba.njit = shape_checker.njit

from goodminima.population import native

if TYPE_CHECKING:
    from goodminima.run import Store

torch.set_num_threads(1)

# Times vary on shared machines, and what is checked before a change lands must not depend on luck.
hypothesis.settings.register_profile("local", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Lets a test pass what an annotation forbids, to meet the error that users meet."""
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", before)


@pytest.fixture(params=["native", "torch"])
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Runs a test on both paths: the compiled kernel, where it is built, and PyTorch."""
    if request.param == "torch":
        monkeypatch.setenv(native.VARIABLE, "0")
    elif not native.available():
        pytest.skip(native.unavailable_reason())
    return request.param


@pytest.fixture
def store(tmp_path: Path) -> "Store":
    """A store of its own for every test."""
    from goodminima.run import Store

    return Store(str(tmp_path / "store.db"))
