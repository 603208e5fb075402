"""Random valid schedules compile within their budget, or are refused with a reason."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from some_schedules import schedules

import solvergen as sg
from solvergen import compiler

BUDGET_SECONDS = 30
CHOICES = st.sampled_from(
    [
        (sg.NOISE, sg.DATA, "half_log_snr"),
        (sg.FLOW, sg.NOISE, "time"),
        (sg.DATA, sg.STRAIGHT, "theta"),
        (sg.VELOCITY, sg.VELOCITY, "sigma/alpha"),
    ]
)


@pytest.mark.slow
@settings(max_examples=25, derandomize=True)
@given(schedules(), CHOICES, st.sampled_from(["multistep:2", "multistep:3"]))
def test_random_schedule_compiles_or_is_refused(schedule, choice, scheme) -> None:
    if isinstance(schedule, sg.ScheduleError):
        return
    started = time.process_time()
    try:
        spec = sg.Solver(schedule, *choice, scheme)
        source = sg.emit(spec, "numpy")
    except sg.SolvergenError as error:
        assert "expected" in str(error) or "use" in str(error)  # noqa: PT017
        return
    assert time.process_time() - started < BUDGET_SECONDS
    module = compiler.load_text(source, "random_schedule")
    assert sg.from_specification(module.SPEC) == spec
    width = module.T_MAX - module.T_MIN
    grid = np.linspace(module.T_MAX - 0.02 * width, module.T_MIN + 0.02 * width, 9)
    assert np.isfinite(module.coefficients(grid)).all()
    back = module.time_at_half_log_snr(module.half_log_snr(grid))
    assert np.abs(back - grid).max() < 1e-11 * width
