"""Schedules with cases: derived, inverted and emitted branch by branch."""

from pathlib import Path

import mpmath
import numpy as np
import pytest
from readers import TARGETS
from some_schedules import assert_derived, assert_round_trip, assert_stable
from sympy import Piecewise, Rational, cos, pi, sin
from typer.testing import CliRunner

import solvergen as sg
from solvergen import compiler
from solvergen.algebra.evaluation import evaluate_mp
from solvergen.algebra.expressions import parse, to_text
from solvergen.cli import app
from solvergen.measurement.accuracy import coefficient_error
from solvergen.measurement.verification import verify
from solvergen.symbols import t

HALF = Rational(1, 2)

SMOOTH = {
    "parabola after a line": sg.NoiseSchedule(
        "1 - t", "where(t < 1/2, t, 1/4 + t**2)", name="parabola"
    ),
    "three cases": sg.NoiseSchedule(
        1, Piecewise((t, t < 1), (t**2 / 2 + HALF, t <= 2), (2 * t - Rational(3, 2), True)), (0, 3)
    ),
    "at a parameter": sg.NoiseSchedule(
        1 - t / 2, "where(t > k, t**2/(2*k) + k/2, t)", parameters={"k": 0.3}
    ),
    "both with cases": sg.NoiseSchedule(
        "where(t < 1/4, 1 - t**2, 17/16 - t/2)", "where(3/4 >= t, t, t**2 - t/2 + 9/16)", (0, 1)
    ),
    "arcs": sg.NoiseSchedule(
        cos(pi * t / 2), Piecewise((sin(pi * t / 2), t < 1), (pi, True)), (0, Rational(9, 10))
    ),
}


@pytest.fixture(params=SMOOTH)
def schedule(request: pytest.FixtureRequest) -> sg.NoiseSchedule:
    return SMOOTH[request.param]


def test_derived_to_many_digits(schedule: sg.NoiseSchedule) -> None:
    assert_derived(schedule)


def test_inverted_branch_by_branch(schedule: sg.NoiseSchedule) -> None:
    assert_round_trip(schedule)


def test_stable_to_the_ends(schedule: sg.NoiseSchedule) -> None:
    assert_stable(schedule)


def test_text_reads_back(schedule: sg.NoiseSchedule) -> None:
    names = [symbol for symbol, _ in schedule.parameters]
    for formula in (schedule.alpha, schedule.sigma, schedule.half_log_snr):
        again = parse(to_text(formula), names)
        for point in (0.1, 0.3, 0.6):
            difference = evaluate_mp(schedule.substitute(again - formula), t, point)
            assert abs(difference) < mpmath.mpf("1e-40")


@pytest.mark.slow_but(1)
def test_module_verifies_and_its_specification_says_the_same(
    schedule: sg.NoiseSchedule, tmp_path: Path
) -> None:
    spec = sg.Solver(schedule, sg.NOISE, sg.DATA, scheme="multistep:2")
    path = sg.write(spec, "numpy", tmp_path / "cases.py")
    assert sg.from_specification(compiler.load(path).SPEC) == spec
    result = verify(path)
    assert result.passed, str(result)


@pytest.mark.slow
@pytest.mark.parametrize("integrand", ["-t, 1", "1, t**2"])
def test_an_integrating_factor_without_a_closed_form_stops_at_the_cases(integrand: str) -> None:
    """Of steps that hold the time at which the case changes."""
    solver = sg.Solver(SMOOTH["parabola after a line"], sg.FLOW, integrand, "time", "multistep:3")
    assert solver.ode.factor is None
    module = compiler.compile(solver, "numpy")
    grid = module.timesteps(7, start=0.93, end=0.1)
    assert min(abs(grid - 0.5)) > 0.01
    reads_both = [n for n in range(1, 7) if grid[n + 1] < 0.5 < grid[max(n - 2, 0)]]
    assert len(reads_both) == 3
    assert coefficient_error(solver, module.coefficients(grid), grid, [0, reads_both[1]]) < 1e-14
    there, back = (
        module.integrating_factor(0.3, [0.9, 0.2]),
        module.integrating_factor([0.9, 0.2], 0.3),
    )
    np.testing.assert_allclose(there * back, 1.0, rtol=1e-15)


def test_command_line(tmp_path: Path) -> None:
    path = tmp_path / "cases.py"
    spec = sg.Solver(SMOOTH["parabola after a line"], sg.FLOW, sg.DATA)
    sigma = "where(t < 1/2, t, 1/4 + t**2)"
    arguments = ["--alpha", "1-t", "--sigma", sigma, "--name", "parabola", "--prediction", "flow",
                 "--integrand", "data", "--target", "numpy", "-o", str(path)]  # fmt: skip
    done = CliRunner().invoke(app, ["compile", *arguments])
    assert done.exit_code == 0, done.output
    assert path.read_text() == sg.emit(spec, "numpy")
    assert "np.where(t < 1 / 2, " in path.read_text()


def test_cases_inside_the_last_case_and_a_complete_list_are_one_list() -> None:
    inner = Piecewise((t**2 / 2 + HALF, t <= 2), (2 * t - Rational(3, 2), t > 2))
    nested = sg.NoiseSchedule(1, Piecewise((t, t < 1), (inner, t >= 1)), (0, 3))
    assert nested == SMOOTH["three cases"]


@pytest.mark.parametrize(
    ("sigma", "reason"),
    [
        ("where(t < 1/2, t, 1 + t)", "jump at t = 0.5"),
        ("where(t < 0.3, t, 2*t - 0.3)", "kink at t = 0.3"),
        ("where(t**2 < 1/4, t, 1/4 + t**2)", "not linear in t"),
        ("where(t < 0.5, t, 1 - t)", "kink at t = 0.5"),
    ],
)
def test_rough_cases_are_refused_with_the_time(sigma: str, reason: str) -> None:
    with pytest.raises(sg.ScheduleError, match=reason):
        sg.NoiseSchedule("1 - t/2", sigma)


def test_every_target_prints_the_same_functions() -> None:
    spec = sg.Solver(SMOOTH["three cases"], sg.NOISE, sg.DATA, scheme="multistep:2")
    times = np.linspace(0.01, 3, 50)
    modules = [sg.compile(spec, target) for target in TARGETS]
    for name in ("alpha", "sigma", "half_log_snr"):
        values = [getattr(module, name)(times) for module in modules]
        for found in values[1:]:
            np.testing.assert_array_equal(values[0], found)
