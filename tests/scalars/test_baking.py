"""Modules for one grid: their coefficients are exact numbers, rounded once."""

import subprocess
from pathlib import Path

import mpmath
import numpy as np
import pytest
from readers import TARGETS, as_target, from_target
from ruff import find_ruff_bin
from typer.testing import CliRunner

import solvergen as sg
from solvergen import compiler, targets
from solvergen.cli import app
from solvergen.errors import EmissionError
from solvergen.measurement.verification import verify
from solvergen.scalars import baking
from solvergen.scalars.reference import Reference, ReferenceScalars
from solvergen.scalars.rows import exact_rows, steps_of

CHOICES = {
    "multistep": ("vp_linear", "noise", "data", "half_log_snr", "multistep:3"),
    "singlestep": ("trigonometric", "velocity", "velocity", "theta", "singlestep:3"),
    "corrector": ("rectified_flow", "flow", "straight", "sigma/(alpha+sigma)", "unipc:3:bh2"),
    "no clock": ("ve", "score", "score", "half_log_snr", "multistep:2"),
}


def specification(choice: str) -> tuple[sg.Solver, np.ndarray]:
    spec = sg.Solver(*CHOICES[choice])
    low, high = float(spec.schedule.t_min), float(spec.schedule.t_max)
    width = high - low
    return spec, compiler.grid(spec, 6, "time", high - 0.05 * width, low + 0.05 * width)


@pytest.mark.parametrize("choice", CHOICES)
def test_coefficients_are_the_exact_ones_rounded_once(choice: str) -> None:
    """By another quadrature, over time and not over v: every float is the same."""
    spec, grid = specification(choice)
    module, exact = sg.compile(spec, "numpy", grid), Reference(spec.weights, spec.prediction)
    table, found = spec.table, iter(module.COEFFICIENTS.tolist())
    with mpmath.workdps(50):
        for n, (number, _) in enumerate(steps_of(spec.program, table, grid)):
            phase = table.phases[number]
            scalars = ReferenceScalars.over(exact, phase.program, grid.tolist(), n).rounded()
            for row, factors in zip(phase.rows, exact_rows(table, phase, scalars), strict=True):
                numbers = next(found)
                assert numbers[0] == float(scalars.time(row.stage))
                own = numbers[table.first_factor :][: len(factors)]
                assert own == list(baking.rounded(factors))
                assert len(table.kinds) == 1 or table.kinds[int(numbers[1])] == row.kind
    assert list(found) == []


@pytest.mark.parametrize("choice", CHOICES)
def test_near_the_coefficients_in_float64(choice: str) -> None:
    spec, grid = specification(choice)
    exact, first = sg.compile(spec, "numpy", grid).COEFFICIENTS, spec.table.first_factor
    found = sg.compile(spec, "numpy").coefficients(grid)
    scale = np.abs(exact[:, first:]).max(axis=1, keepdims=True)
    assert (np.abs(found - exact)[:, first:] <= 1e-13 * scale).all()
    np.testing.assert_allclose(found[:, :first], exact[:, :first], rtol=1e-14)


@pytest.mark.slow_but(1)
@pytest.mark.parametrize(
    "choice",
    [
        ("trigonometric", "flow", "flow", "theta", "multistep:3"),
        ("rectified_flow", "flow", "data", "half_log_snr", "multistep:3"),
        ("vp_linear", "noise", "noise", "time", "multistep:2"),
    ],
    ids=lambda choice: choice[0],
)
def test_from_end_to_end(choice: tuple) -> None:
    """Steps that touch alpha = 0 and sigma = 0 are baked too, and agree with float64."""
    spec = sg.Solver(*choice)
    grid = compiler.grid(spec, 5, "time")
    exact = sg.compile(spec, "numpy", grid).COEFFICIENTS
    np.testing.assert_allclose(exact, sg.compile(spec, "numpy").coefficients(grid), atol=1e-14)


@pytest.mark.slow_but(1)
@pytest.mark.parametrize("target", targets.names())
def test_a_table_of_a_schedule_is_in_the_specification(target: str) -> None:
    """Of betas: SPEC names its columns, and gives the solver back."""
    schedule = sg.schedules.tabulated(betas=np.linspace(0.01, 0.3, 8))
    prediction = targets.get(target).prediction
    spec = sg.Solver(schedule, prediction, "data", "half_log_snr", "multistep:2:ramp")
    module = sg.compile(spec, target, timesteps=[0.9, 0.5, 0.2])
    assert sg.from_specification(module.SPEC) == spec
    landings = [[0.9, 1.0, 0.0], [0.2, 0.9, 0.2]]
    text = sg.emit_fitted(spec, target, [0.9, 0.2], landings)
    assert sg.from_specification(compiler.load_text(text, "fitted").SPEC) == spec


@pytest.mark.parametrize("target", TARGETS)
def test_a_run_needs_no_grid_and_takes_no_other(target: str) -> None:
    spec, grid = specification("multistep")
    baked, free = sg.compile(spec, target, grid), sg.compile(spec, target)
    x = np.linspace(-1, 1, 5)
    given, times = as_target(target, x), []
    found = baked.sample(lambda y, t: y * t, given, lambda _, t: times.append(float(t)))
    expected = free.sample(lambda y, t: y * t, given, grid)
    results = (from_target(target, one) for one in (found, expected))
    np.testing.assert_allclose(*results, rtol=1e-12)
    np.testing.assert_array_equal(from_target(target, given), x)
    assert np.array_equal(baked.TIMESTEPS, grid)
    assert times == baked.COEFFICIENTS[:, 0].tolist()
    assert len(times) == len(free.coefficients(grid))
    for name in ("alpha", "half_log_snr", "timesteps", "coefficients", "Plan", "Stepper"):
        assert hasattr(free, name)
        assert not hasattr(baked, name)
    with pytest.raises(TypeError):
        baked.sample(lambda y, t: y, given, timesteps=grid[1:])


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("choice", ["multistep", "corrector"])
def test_baked_modules_are_lint_clean_and_verified(
    choice: str, target: str, tmp_path: Path
) -> None:
    spec, grid = specification(choice)
    path = sg.write(spec, target, tmp_path / "baked.py", timesteps=grid)
    rules = "--select=E,F,W,I,B,UP,SIM,RUF,C4,PIE,RET"
    for command in (
        ["check", "--isolated", rules, "--line-length=100", "--target-version=py311"],
        ["format", "--isolated", "--check", "--line-length=100"],
    ):
        done = subprocess.run([find_ruff_bin(), *command, str(path)], capture_output=True)
        assert done.returncode == 0, done.stdout.decode()
    result = verify(path)
    assert result.passed, str(result)


def test_command_line(tmp_path: Path) -> None:
    path = tmp_path / "baked.py"
    arguments = ["compile", "--schedule", "ve", "--target", "numpy", "-o", str(path)]
    grid = ["--steps", "4", "--spacing", "half_log_snr", "--start", "10", "--end", "0.1"]
    CliRunner().invoke(app, [*arguments, *grid], catch_exceptions=False)
    module = compiler.load(path)
    expected = compiler.grid(sg.Solver("ve"), 4, "half_log_snr", 10, 0.1)
    assert np.array_equal(module.TIMESTEPS, expected)
    for wrong, message in (
        (["--end", "0.1"], "without --steps"),
        (["--steps", "4", "--spacing", "wavy"], "got 4 steps, 'wavy' from"),
    ):
        result = CliRunner().invoke(app, [*arguments, *wrong])
        assert message in str(result.exception)


def test_what_cannot_be_baked() -> None:
    spec, grid = specification("multistep")
    with pytest.raises(EmissionError, match="repeats an evaluation to a tolerance"):
        sg.emit(sg.Solver("ve", scheme="trapezoidal:tol=1e-6"), "numpy", timesteps=[9.0, 5.0])
    with pytest.raises(
        EmissionError, match=r"cannot bake this grid: .* expected 2 or more monotonic times"
    ):
        sg.emit(spec, "numpy", timesteps=[*grid, grid[0]])


def test_a_wrong_coefficient_is_noticed(monkeypatch) -> None:
    """The 50 digits are compared with float64 before they are printed."""
    spec, grid = specification("multistep")
    monkeypatch.setattr(baking.PreciseReference, "gamma", lambda self, time: time)
    with pytest.raises(EmissionError, match="differ by"):
        sg.emit(spec, "numpy", timesteps=grid - 0.01)
