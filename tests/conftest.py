"""Shared by the tests: schedules of the acceptance matrix."""

import os

import pytest
import torch_extras  # noqa: F401 - before any test imports diffusers

import solvergen as sg

os.environ.setdefault("NUMBA_NUM_THREADS", "1")


@pytest.fixture(scope="session", autouse=True)
def _private_cache(tmp_path_factory: pytest.TempPathFactory):
    """Emitted modules of the tests do not go to the user's cache."""
    patch = pytest.MonkeyPatch()
    patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    yield
    patch.undo()


def custom_schedule() -> sg.NoiseSchedule:
    """A schedule that is in nobody's library."""
    return sg.NoiseSchedule(alpha=1 - sg.t**2, sigma=sg.t, domain=(0, 1), name="custom_flow")


SCHEDULES = {
    "rectified_flow": sg.schedules.rectified_flow,
    "vp_linear": sg.schedules.vp_linear,
    "ve": sg.schedules.ve,
    "custom_flow": custom_schedule,
}
