"""Every named schedule compiles, and its emitted functions keep their digits to both ends."""

import numpy as np
import pytest

import solvergen as sg
from solvergen import compiler
from solvergen.algebra.evaluation import points_near_ends
from solvergen.measurement.verification import check_functions
from solvergen.targets import rendering

TOLERANCE = 1e-13


@pytest.fixture(scope="module", params=sg.schedules.names())
def emitted(request: pytest.FixtureRequest):
    """The solver of a named schedule and its numpy module."""
    spec = sg.Solver(request.param, sg.NOISE, sg.DATA, scheme="multistep:2")
    source = rendering.render(spec, "numpy", accuracy="Not measured.")
    return spec, compiler.load_text(source, f"emitted_{request.param}")


def test_functions_keep_their_digits(emitted) -> None:
    spec, module = emitted
    for check in check_functions(module, spec):
        assert check.passed, check


def test_round_trip_of_the_emitted_functions(emitted) -> None:
    """t -> lambda -> t to 1e-13 of t, or to what the last digit of lambda says of t."""
    spec, module = emitted
    low, high = (float(end) for end in spec.schedule.domain)
    points = np.array([*points_near_ends(low, high), high - 1e-8, low + 1e-8])
    images = module.half_log_snr(points)
    back = module.time_at_half_log_snr(images)
    nudged = module.time_at_half_log_snr(np.nextafter(images, np.inf))
    assert np.all(np.abs(back - points) <= TOLERANCE * points + 4 * np.abs(nudged - back))
    assert np.all(np.abs(back - points) <= TOLERANCE * (high - low))


def test_specification_says_the_same(emitted) -> None:
    spec, module = emitted
    assert sg.from_specification(module.SPEC) == spec


def test_coefficients_are_finite_inside(emitted) -> None:
    _, module = emitted
    width = module.T_MAX - module.T_MIN
    grid = np.linspace(module.T_MAX - 0.01 * width, module.T_MIN + 0.01 * width, 12)
    assert np.isfinite(module.coefficients(grid)).all()
