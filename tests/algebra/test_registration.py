"""Functions that a user adds: checked, derived, emitted, and asked for where they are missing."""

import subprocess
import sys
from pathlib import Path

import mpmath
import pytest
from sympy import exp

import solvergen as sg
from solvergen import compiler
from solvergen.algebra import registration
from solvergen.algebra.expressions import parse, to_text
from solvergen.measurement.verification import verify
from solvergen.symbols import t

gudermann = sg.register_function(
    "gd",
    derivative="1/cosh(x)",
    numpy="2 * np.arctan(np.tanh(x / 2))",
    in_many_digits=lambda u: 2 * mpmath.atan(mpmath.tanh(u / 2)),
)
logistic = sg.register_function(
    "logistic",
    derivative="logistic(x)*logistic(-x)",
    numpy="1 / (1 + np.exp(-x))",
    in_many_digits=lambda u: 1 / (1 + mpmath.exp(-u)),
)
softplus = sg.register_function(
    "softplus",
    derivative=logistic(registration.x),
    numpy='def softplus(x):\n    """log(1 + e^x)."""\n    return np.logaddexp(0.0, x)',
    in_many_digits=lambda u: mpmath.log1p(mpmath.exp(u)),
)
SCHEDULES = {
    "inside": sg.NoiseSchedule(1 - t, gudermann(t), name="gudermann"),
    "by text": sg.NoiseSchedule("1 - t", "t*softplus(2*t)", name="soft"),
    "composed": sg.NoiseSchedule(1 - logistic(t), exp(gudermann(t**2)) * t, name="both"),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_module_verifies(name: str, tmp_path: Path) -> None:
    spec = sg.Solver(SCHEDULES[name], sg.NOISE, sg.DATA, scheme="multistep:2")
    path = sg.write(spec, "numpy", tmp_path / "user.py")
    assert sg.from_specification(compiler.load(path).SPEC) == spec
    result = verify(path)
    assert result.passed, str(result)


def test_text_reads_back() -> None:
    formula = 2 * gudermann(t**2) + softplus(t)
    assert parse(to_text(formula)) == formula
    assert formula.diff(t).subs(t, 0) == logistic(0)


def test_module_stands_alone_and_says_what_to_register(tmp_path: Path) -> None:
    spec = sg.Solver(SCHEDULES["inside"], sg.NOISE, sg.DATA)
    path = sg.write(spec, "numpy", tmp_path / "user.py")
    assert "from_specification(SPEC)" in path.read_text()
    code = "import user; user.timesteps(10); import solvergen; solvergen.from_specification"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}(user.SPEC)"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "ScheduleError: the schedule calls the function gd, which is not reg" in done.stderr
    assert "register_function('gd', derivative='1/cosh(x)', numpy=" in done.stderr


def test_registering_again_is_allowed_only_with_the_same() -> None:
    same = {"derivative": "1/cosh(x)", "numpy": "2 * np.arctan(np.tanh(x / 2))"}
    assert sg.register_function("gd", **same, in_many_digits=abs) is gudermann
    with pytest.raises(sg.ScheduleError, match="registered already"):
        sg.register_function("gd", derivative="1", numpy="x", in_many_digits=lambda u: u)


@pytest.mark.parametrize(
    ("name", "derivative", "numpy", "reason"),
    [
        ("cube", "3*x", "x**3", "derivative of cube at 0.125 is 0.375; expected 0.046875"),
        ("cube", "3*x**2", "x**2", "cube.0.125. in numpy is 0.015625"),
        ("cube", "3*y**2", "x**3", "unknown name 'y'"),
        ("sin", "cos(x)", "np.sin(x)", "has a meaning already"),
        ("alpha", "1", "x", "has a meaning already"),
        ("a b", "1", "x", "expected an identifier"),
    ],
)
def test_wrong_definitions_are_refused(name: str, derivative: str, numpy: str, reason: str) -> None:
    with pytest.raises(sg.ScheduleError, match=reason):
        sg.register_function(
            name, derivative=derivative, numpy=numpy, in_many_digits=lambda u: u**3
        )
    with pytest.raises(sg.ScheduleError, match="call of 'cube'"):
        parse("cube(t)")
