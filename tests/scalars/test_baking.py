"""Modules for one grid: their coefficients are exact numbers, rounded once."""

import subprocess
from pathlib import Path

import mpmath
import numpy as np
import pytest
import torch
from ruff import find_ruff_bin
from solvergen.program.columns import Columns
from typer.testing import CliRunner

import solvergen as sg
from solvergen import compiler
from solvergen.cli import app
from solvergen.errors import EmissionError
from solvergen.measurement.accuracy import evaluate, symbol_values
from solvergen.measurement.verification import verify
from solvergen.scalars import baking
from solvergen.scalars.reference import Reference, ReferenceScalars

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
    table = module.coefficients()
    with mpmath.workdps(50):
        for n, number in enumerate(sg.compile(spec, "numpy").Plan(grid, np.float64).phases):
            phase = spec.program.all_phases[number]
            scalars = ReferenceScalars.over(exact, phase, grid.tolist(), n)
            values = symbol_values(scalars, phase)
            for stage, one in enumerate(spec.passes[number]):
                factors = [evaluate(term.coefficient, values) for _, term in Columns.of(one).all]
                row = [float(scalars.time(stage)), *baking.rounded(factors)]
                assert table[n, stage, : len(row)].tolist() == row


@pytest.mark.parametrize("choice", CHOICES)
def test_near_the_coefficients_in_float64(choice: str) -> None:
    spec, grid = specification(choice)
    exact = sg.compile(spec, "numpy", grid).coefficients()
    found = sg.compile(spec, "numpy").coefficients(grid)
    scale = np.abs(exact[:, :, 1:]).max(axis=2, keepdims=True)
    assert (np.abs(found - exact)[:, :, 1:] <= 1e-13 * scale).all()


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
    exact = sg.compile(spec, "numpy", grid).coefficients()
    np.testing.assert_allclose(exact, sg.compile(spec, "numpy").coefficients(grid), atol=1e-14)


@pytest.mark.parametrize("target", ["numpy", "numba", "torch"])
def test_a_run_needs_no_grid_and_takes_no_other(target: str) -> None:
    spec, grid = specification("multistep")
    baked, free = sg.compile(spec, target, grid), sg.compile(spec, target)
    x = np.linspace(-1, 1, 5)
    given = torch.from_numpy(x) if target == "torch" else x
    found = baked.sample(lambda y, t: y * float(t), given)
    expected = free.sample(lambda y, t: y * float(t), given, grid)
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), rtol=1e-12)
    assert np.array_equal(baked.TIMESTEPS, grid)
    assert len(baked._PASSES) < len(free._PASSES)
    assert not hasattr(baked, "expansion_variable")
    stepper = baked.Stepper(given)
    assert float(stepper.t) == grid[0]
    with pytest.raises(ValueError, match="expected TIMESTEPS"):
        baked.Stepper(given, grid[1:])


@pytest.mark.parametrize("target", ["numpy", "numba", "torch"])
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
        (["--steps", "0"], "num_steps is 0"),
        (["--steps", "4", "--spacing", "wavy"], "spacing is 'wavy'"),
    ):
        result = CliRunner().invoke(app, [*arguments, *wrong])
        assert message in str(result.exception)


def test_what_cannot_be_baked() -> None:
    spec, grid = specification("multistep")
    with pytest.raises(EmissionError, match="gets its time grid from the library"):
        sg.emit(spec, "diffusers", timesteps=grid)
    with pytest.raises(EmissionError, match="followed by"):
        sg.emit(spec, "numpy", timesteps=grid[::-1])


def test_a_wrong_coefficient_is_noticed(monkeypatch) -> None:
    """The 50 digits are compared with float64 before they are printed."""
    spec, grid = specification("multistep")
    monkeypatch.setattr(baking.PreciseReference, "gamma", lambda self, time: time)
    with pytest.raises(EmissionError, match="differ by"):
        sg.emit(spec, "numpy", timesteps=grid - 0.01)
