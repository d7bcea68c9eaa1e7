"""What experiments keep between cells goes to a folder of the tests."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for the whole run, so that no worker of pytest-xdist trains what another one has trained."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"


@pytest.fixture(scope="session", autouse=True)
def _own_cache(shared_folder: Path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GOODMINIMA_CACHE", str(shared_folder / "cache"))
        yield
