"""What all tests share."""

import pytest
import torch

from goodminima.population import native

# Replicates run on one thread, and threads that wait for each other make tests slow on shared machines.
torch.set_num_threads(1)


@pytest.fixture(params=["native", "torch"])
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Runs a test on both paths: the compiled kernel, where it is built, and PyTorch."""
    if request.param == "torch":
        monkeypatch.setenv(native.VARIABLE, "0")
    elif not native.available():
        pytest.skip(native.unavailable_reason())
    return request.param
