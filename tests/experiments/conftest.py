"""What experiments keep between cells goes to a folder of the tests."""

import pytest


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GOODMINIMA_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
