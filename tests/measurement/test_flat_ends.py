"""Schedules whose lambda is finite and flat at an end: t(lambda) is a root there."""

from itertools import pairwise

import mpmath
import numpy as np
import pytest

import solvergen as sg
from solvergen.algebra.evaluation import evaluate_mp
from solvergen.compiler import load_text
from solvergen.measurement.certificate import certified, draft
from solvergen.measurement.row_errors import errors_of_step
from solvergen.measurement.search import Effort
from solvergen.measurement.verification import check_functions
from solvergen.scalars.rates import Rates
from solvergen.schedules.flatness import flatness, has_flat_end
from solvergen.symbols import t
from solvergen.targets import rendering

SMALL = Effort(points=30, rounds=2, worst=3, random=6, panels=60)
CIRCLE = "sqrt(1 - alpha**2)"
FLAT = {
    "molecules": (("sqrt((1 - 2e-5)*(1 - t**2)**2 + 1e-5)", CIRCLE), 2.0),
    "quartic": (("1 - t**4", "0.01 + t**4"), 4.0),
    "cosine": (("(1 + cos(pi*t))/2", "0.001 + sin(pi*t/2)**2"), 2.0),
    "power": (("1 - t**2.5", "0.02 + t**2.5"), 2.5),
    "late": (("(1 - t)**3 + 0.01", "1.001 - (1 - t)**3"), 3.0),
    "rooted": (("1 - t**1.5", "sqrt(0.01 + t**3)"), 1.5),
    "steep": (("1 - t**8", "0.001 + t**8"), 8.0),
    "inside": (("1.1 - (t - 2)**2", "0.1 + (t - 2)**2", ("2", "2.9")), 2.0),
}
SCHEDULES = {name: sg.NoiseSchedule(*texts, name=name) for name, (texts, power) in FLAT.items()}
CASES = [
    ("molecules", "data", "time", "singlestep:2"),
    ("molecules", "noise", "half_log_snr", "unipc:2"),
    ("quartic", "noise", "time", "multistep:3:ramp"),
    ("quartic", "data", "half_log_snr", "singlestep:2"),
    ("cosine", "data", "half_log_snr", "multistep:2"),
    ("power", "data", "time", "unipc:2"),
    ("late", "straight", "sigma/alpha", "singlestep:2"),
    ("rooted", "velocity", "time", "multistep:2"),
    ("steep", "data", "time", "multistep:3:ramp"),
    ("inside", "data", "half_log_snr", "singlestep:2"),
    ("inside", "noise", "time", "multistep:2"),
]


def solver(name: str, integrand: str, variable: str, scheme: str) -> sg.Solver:
    return sg.Solver(SCHEDULES[name], "data", integrand, variable, scheme, limiter=None)


@pytest.mark.parametrize("name", FLAT)
def test_the_power_of_a_flat_end_is_measured(name: str) -> None:
    assert flatness(SCHEDULES[name]) == pytest.approx(FLAT[name][1], abs=0.02)


@pytest.mark.parametrize("name", ["rectified_flow", "trigonometric", "edm"])
def test_others_are_integrated_in_lambda(name: str) -> None:
    spec = sg.Solver(name, "data", "data", "time", "multistep:2")
    assert not has_flat_end(spec.schedule)
    assert Rates.derive(spec.weights).level is None


@pytest.mark.usefixtures("certified")
@pytest.mark.parametrize(("name", "integrand", "variable", "scheme"), CASES)
def test_no_digit_is_lost_beside_a_flat_end(
    name: str, integrand: str, variable: str, scheme: str
) -> None:
    spec = solver(name, integrand, variable, scheme)
    found = certified(spec, draft(spec), SMALL)
    assert found.steps > 4
    assert max(found.worst.error, found.beside.error) < 1e-13


@pytest.mark.parametrize("variable", ["half_log_snr", "time"])
@pytest.mark.parametrize("name", ["molecules", "quartic", "late"])
def test_steps_to_and_from_the_end_itself(name: str, variable: str) -> None:
    """Also after steps that are shorter than lambda tells in float64."""
    spec = solver(name, "data", variable, "multistep:2:ramp")
    distances = np.array([0.3, 3e-5, 2e-9, 1e-9, 0.0])
    late = FLAT[name][0][0].startswith("(1 - t)")
    grid = np.array([*(1 - distances[::-1]), 0.4] if late else [0.9, *distances]).tolist()
    rows = draft(spec).coefficients(np.array(grid))
    for n in range(len(grid) - 1):
        errors = errors_of_step(spec, rows, grid, n)
        assert errors
        assert max(one.error for one in errors) < 1e-13


@pytest.mark.parametrize("variable", ["half_log_snr", "theta"])
@pytest.mark.parametrize("name", ["quartic", "late", "power"])
def test_inner_times_are_where_they_are_meant(name: str, variable: str) -> None:
    """lambda tells times apart to 1e-4 alone where they are sought, three times nearer to 0."""
    spec = solver(name, "noise", variable, "singlestep:2")
    late = FLAT[name][0][0].startswith("(1 - t)")
    grid = 1 - np.array([1e-9, 0.02, 0.6]) if late else np.array([0.8, 1e-3, 4e-9])
    rows = draft(spec).coefficients(grid)
    gamma = spec.expansion.at(spec.schedule)
    for n, (start, end) in enumerate(pairwise(grid)):
        with mpmath.workdps(60):
            first, last, at = (
                evaluate_mp(gamma, t, float(one), 60) for one in (start, end, rows[2 * n + 1, 0])
            )
            assert abs((at - first) / (last - first) - 0.5) < 1e-12


def test_a_table_of_lambda_is_compared_as_well_as_lambda_tells() -> None:
    spec = solver("quartic", "data", "time", "multistep:2")
    module = load_text(rendering.coefficients_module(spec), "quartic")
    assert all(one.passed for one in check_functions(module, spec))
    module.time_at_half_log_snr = lambda levels: spec.schedule.t_max * 0.5 + 0 * levels
    assert not all(one.passed for one in check_functions(module, spec))


def test_a_prediction_that_says_nothing_at_a_flat_end_is_named() -> None:
    """dx/dt = 0 there whatever the data are."""
    spec = sg.Solver(SCHEDULES["molecules"], "flow", "data", "time", "multistep:2")
    module = load_text(sg.emit(spec, "numpy"), "molecules")
    with pytest.raises(ValueError, match="the prediction flow does not determine data there"):
        module.coefficients(np.array([1.0, 0.5, 0.2]))
    with pytest.raises(sg.SolvergenError, match="flow does not determine data"):
        sg.emit(spec, "numpy", to_the_ends=True)
