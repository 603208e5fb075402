"""What every test starts with: one thread, no hub, a cache of its own."""

import one_thread  # noqa: F401 - before anything imports numpy
import pytest
import torch_extras  # noqa: F401 - before any test imports diffusers
from hypothesis import HealthCheck, settings

settings.register_profile("no clock", deadline=None, suppress_health_check=list(HealthCheck))
settings.load_profile("no clock")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of a test that is ``slow_but(n)`` n cases, evenly spread, stay quick; the others are slow."""
    cases: dict[str, list[pytest.Item]] = {}
    for one in items:
        if one.get_closest_marker("slow_but"):
            cases.setdefault(one.nodeid.partition("[")[0], []).append(one)
    for found in cases.values():
        marker = found[0].get_closest_marker("slow_but")
        count = len(found)
        kept = {k * count // marker.args[0] for k in range(marker.args[0])}
        for k, one in enumerate(found):
            if k not in kept:
                one.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", autouse=True)
def _private_cache(tmp_path_factory: pytest.TempPathFactory):
    """Emitted modules of the tests do not go to the user's cache."""
    patch = pytest.MonkeyPatch()
    patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    yield
    patch.undo()


@pytest.fixture(scope="session", autouse=True)
def _unsearched():
    """Modules are written without the search for their worst row, which takes a second each: what
    it finds, measurement/test_certificate asks, and tests that are ``certified``."""
    from solvergen import compiler
    from solvergen.measurement import schedulers

    patch = pytest.MonkeyPatch()
    for one in (compiler, schedulers):
        patch.setattr(one, "accuracy", lambda _: "Not searched.")
    yield
    patch.undo()


@pytest.fixture
def certified(monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules are written as they are for users."""
    from solvergen import compiler
    from solvergen.measurement import certificate, schedulers

    for one in (compiler, schedulers):
        monkeypatch.setattr(one, "accuracy", certificate.accuracy)


@pytest.fixture(scope="session", autouse=True)
def _jax_float64():
    """jax measures in float64 in every test, whichever ran before: to_array turns it on anyway."""
    import jax

    jax.config.update("jax_enable_x64", True)


@pytest.fixture
def new_jax():
    """jax as a new process has it, for what a reader types."""
    import jax

    jax.config.update("jax_enable_x64", False)
    yield
    jax.config.update("jax_enable_x64", True)
