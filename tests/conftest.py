"""What every test starts with: one thread, no hub, a cache of its own."""

import one_thread  # noqa: F401 - before anything imports numpy
import pytest
import torch_extras  # noqa: F401 - before any test imports diffusers


@pytest.fixture(scope="session", autouse=True)
def _private_cache(tmp_path_factory: pytest.TempPathFactory):
    """Emitted modules of the tests do not go to the user's cache."""
    patch = pytest.MonkeyPatch()
    patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    yield
    patch.undo()
