"""Population tests run on both paths: the compiled kernel, where it is built, and PyTorch."""

import pytest

from goodminima.population import native


@pytest.fixture(params=["native", "torch"])
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "torch":
        monkeypatch.setenv(native.VARIABLE, "0")
    elif not native.available():
        pytest.skip(native.why_not())
    return request.param
