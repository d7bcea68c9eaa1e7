"""What tests of the compiled kernel share."""

import pytest

from goodminima.population import native


@pytest.fixture(params=native.instruction_sets())
def instruction_set(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Runs a test on every instruction set of the compiled kernel that this machine has."""
    monkeypatch.setenv(native.VARIABLE, request.param)
    return request.param
