"""A cache of its own for every test, and one small data set."""

from pathlib import Path

import numpy as np
import pytest
from tiny_images import random_pixels, write_animals

from goodminima.tasks import images


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("GOODMINIMA_CACHE", str(folder))
    images._load.cache_clear()
    return folder


@pytest.fixture
def pixels() -> np.ndarray:
    return random_pixels(12, 6, 5)


@pytest.fixture
def animal_folder(tmp_path: Path, pixels: np.ndarray) -> Path:
    return write_animals(tmp_path / "animals", pixels)
