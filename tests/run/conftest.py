from pathlib import Path

import pytest

from goodminima.run import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store.db"))
