"""Literals of baked modules, proved by ball arithmetic, where python-flint is installed."""

import sys
from pathlib import Path

import numpy as np
import pytest

import solvergen as sg

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
pytest.importorskip("flint", reason="python-flint, the extra certify, is not installed")
proved_tables = pytest.importorskip("proved_tables")

CASES = {
    "flow": ("rectified_flow", "flow", "flow", "time", "multistep:3"),
    "inner": ("vp_linear", "velocity", "noise", "half_log_snr", "singlestep:3"),
    "corrector": ("trigonometric", "noise", "data", "theta", "unipc:2"),
    "flat": (
        sg.NoiseSchedule("1 - t**4", "0.01 + t**4", name="flat"),
        "noise", "data", "half_log_snr", "singlestep:2",
    ),
}  # fmt: skip


@pytest.mark.parametrize("choice", CASES)
def test_literals_are_proved_to_be_correctly_rounded(choice: str) -> None:
    spec = sg.Solver(*CASES[choice], limiter=None)
    found = proved_tables.prove(spec, [0.93, 0.7, 0.41, 0.1, 0.07])
    assert found.wrong == found.unproved == 0
    assert found.proved > 15
    assert found.ties < found.proved / 4


def test_a_literal_that_is_one_spacing_off_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = sg.Solver(*CASES["inner"], limiter=None)
    module, compiled = sg.compile(spec, "numpy", np.array([0.9, 0.5, 0.2])), sg.compile
    module.COEFFICIENTS[1, 2] = np.nextafter(module.COEFFICIENTS[1, 2], 9.0)
    module.COEFFICIENTS[2, 0] = np.nextafter(module.COEFFICIENTS[2, 0], 0.0)
    monkeypatch.setattr(sg, "compile", lambda *_: module)
    found = proved_tables.prove(spec, [0.9, 0.5, 0.2])
    monkeypatch.setattr(sg, "compile", compiled)
    assert found.wrong >= 2
