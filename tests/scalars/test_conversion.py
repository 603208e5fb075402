"""A and B of N = A x + B P keep their digits, whatever is predicted and integrated."""

from itertools import permutations

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import solvergen as sg
from solvergen.algebra.evaluation import time_of
from solvergen.derivation.parameterization import NAMED, conversion, get
from solvergen.measurement.certificate import draft
from solvergen.measurement.grids import falling
from solvergen.measurement.row_errors import errors_of_step, shifted
from solvergen.measurement.search import conversion_errors
from solvergen.scalars.conversion import SLOPES, Conversion, in_float
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.schedules.values import at_time, numeric_limit

WARP = "t - 1.29*(cos(pi/2*(1 - t))**2 - t)"
SIGMOID = "(1/(1 + exp(-6)) - 1/(1 + exp(-6*t)))/(1/(1 + exp(-6)) - 1/2)"
HARD = {
    "root of a sigmoid": (f"sqrt({SIGMOID})", "sqrt(1 - alpha**2)"),
    "warp": (f"1 - ({WARP})", WARP),
    "an end that is no float": ("sqrt(1 - sqrt(t + 1/10000))", "(t + 1/10000)**(1/4)", "0.9999"),
    "infinite slope of alpha": ("sqrt(1 - t**2)", "t"),
    "square of a distance": ("(1 - t)**2", "1 - cos(t)", "0.9"),
    "flat at both ends": ("sqrt(0.99998*(1 - t**2)**2 + 0.00001)", "sqrt(1 - alpha**2)"),
}
PAIRS = list(permutations([one.name for one in NAMED], 2))


def hard(name: str) -> NoiseSchedule:
    alpha, sigma, *end = HARD[name]
    return NoiseSchedule(alpha, sigma, (0, *(end or [1])), name=name)


def times_of(schedule: NoiseSchedule) -> np.ndarray:
    """To 10^-14 of the width from both ends."""
    low, high = map(float, schedule.domain)
    return falling(time_of(np.linspace(-32.0, 32.0, 120), low, high), low, high)


def error(schedule: NoiseSchedule, prediction: str, integrand: str) -> float:
    """The worst of A and B, relative to the largest value at a time and its neighbours."""
    both, times, worst = (get(prediction), get(integrand)), times_of(schedule), [0.0]
    for formula, form in zip(conversion(*both), Conversion.of(*both, schedule).forms, strict=True):
        found, gaps, sizes = in_float(form, schedule, times), [], []
        for value, time in zip(found.tolist(), times.tolist(), strict=True):
            with mpmath.workdps(80):
                meant = {mpmath.mpf(time), shifted(time, schedule)}
                truths = [at_time(formula, schedule, one, 80) for one in meant]
                gaps.append(float(min(abs(value - one) for one in truths)))
                sizes.append(float(abs(truths[0])))
        around = np.pad(sizes, 1)
        largest = np.max([around[:-2], sizes, around[2:]], axis=0)
        assert np.all(np.isfinite(found))
        worst += [gap / size for gap, size in zip(gaps, largest, strict=True) if size > 1e-60]
    return max(worst)


@settings(max_examples=10, derandomize=True)
@given(st.sampled_from(sg.schedules.names()), st.sampled_from(PAIRS))
def test_named_schedules(name: str, pair: tuple[str, str]) -> None:
    assert error(sg.schedules.get(name), *pair) < 5e-14


@pytest.mark.parametrize("pair", [("data", "flow"), ("flow", "score"), ("straight", "flow")])
@pytest.mark.parametrize("name", HARD)
def test_where_a_form_in_time_cancels(name: str, pair: tuple[str, str]) -> None:
    assert error(hard(name), *pair) < 1e-13


def test_modules_compute_these_forms() -> None:
    solver = sg.Solver("vp_sigmoid", "data", "flow", "time", "multistep:1", limiter=None)
    found = conversion_errors(solver, draft(solver), times_of(solver.schedule))
    assert found.shape[0] == 2
    assert found.max() < 1e-14
    grid = [0.9999822887245056, 0.99997, 0.99]
    rows = draft(solver).coefficients(np.array(grid))
    assert max(one.error for n in (0, 1) for one in errors_of_step(solver, rows, grid, n)) < 1e-14


@pytest.mark.parametrize("name", HARD)
@pytest.mark.parametrize("pair", [("straight", "flow"), ("data", "flow"), ("noise", "flow")])
def test_finite_limits_at_floats_are_kept(name: str, pair: tuple[str, str]) -> None:
    """Whatever is infinite in alpha' there."""
    schedule = hard(name)
    general = conversion(*map(get, pair))
    forms = Conversion.of(*map(get, pair), schedule).forms
    for end in schedule.domain:
        for formula, form in zip(general, forms, strict=True):
            limit = numeric_limit(formula, schedule, end)
            if limit is not None and limit.is_finite and float(end) == end:
                found = in_float(form, schedule, np.array([float(end)]))
                assert found == pytest.approx(float(limit), rel=1e-9, abs=1e-9)


def test_slopes_are_those_that_are_read() -> None:
    found = Conversion.of(get("data"), get("flow"), sg.schedules.get("vp_sigmoid"))
    read = {one for form in found.forms for one in form.free_symbols & SLOPES.keys()}
    assert read == dict(found.slopes).keys()
    assert found.proved(True, False).slopes == ()
