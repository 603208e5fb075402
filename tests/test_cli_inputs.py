"""The command line reaches what Python reaches, and answers bad input with one line."""

import shlex
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from typer.testing import CliRunner

import solvergen as sg
from solvergen import cli, compiler
from solvergen.measurement import contract, isolation

GENERATED = Path(__file__).parents[1] / "generated"


def run(*arguments: str) -> tuple[int, str]:
    """In this process; what ``main`` prints of an error is its text here."""
    done = CliRunner().invoke(cli.app, arguments)
    if isinstance(done.exception, sg.SolvergenError):
        return 2, str(done.exception)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


def emitted(folder: Path, *arguments: str) -> sg.Solver:
    path = folder / "x.py"
    code, output = run("compile", *arguments, "--target", "numpy", "-o", str(path))
    assert code == 0, output
    return sg.from_specification(compiler.load_text(path.read_text(), "emitted").SPEC)


def test_parameters_of_named_schedules(tmp_path: Path) -> None:
    found = emitted(tmp_path, "--schedule", "vp_linear", "--parameter", "beta_max=15")
    assert found.schedule == sg.schedules.get("vp_linear", beta_max=15)
    named = emitted(tmp_path, "--schedule", "ve", "--parameter", "sigma_max=1/2", "--name", "mine")
    assert (named.schedule.name, named.schedule.t_max) == ("mine", sg.schedules.ve(0.5).t_max)
    for given, reason in (("beta_mx=1", "Did you mean 'beta_max'"), ("beta_max=a", "got 'a'")):
        code, output = run("derive", "--schedule", "vp_linear", "--parameter", given)
        assert (code, reason in output) == (2, True)
    pair = ("--parameter", "k=1", "--parameter", "k=2")
    assert run("derive", "--alpha", "1-t", "--sigma", "k*t", *pair)[0] == 2


def test_formulas_as_people_write_them(tmp_path: Path) -> None:
    options = ("--alpha", "np.cos(math.pi*t/2)", "--sigma", "sqrt(1-alpha^2)")
    found = emitted(tmp_path, *options).schedule
    assert found.sigma**2 == 1 - found.alpha**2


def test_version_help_and_completion() -> None:
    assert run("--version") == (0, f"solvergen {sg.__version__}\n")
    for options in (("-h",), ("compile", "-h"), ("verify", "--help")):
        assert run(*options)[0] == 0
    assert "--install-completion" in run("--help")[1]
    assert "executes FILE" in run("verify", "-h")[1]
    assert "epsilon: noise" in run("list", "parameterizations")[1]
    assert "euler: edm_euler" in run("list", "presets")[1]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--name", 'x""";print(1234567);"""', "--schedule", "ve"), "schedule name: got"),
        (("--alpha", "1-t", "--sigma", "k*t", "--parameter", "k=1e999999999"), "ordinary size"),
        (("--alpha", "1-t", "--sigma", "K*t+k*t", "--parameter", "k=1", "--parameter", "K=5"),
         "would both be called K"),
        (("--schedule", "ve", "--scheme", "singlestep:2:1e99999999"), "20 digits"),
        (("--schedule", "ve", "--scheme", "multistep:1000"), "up to 10"),
        (("--schedule", "ve", "--force", "-o", "/dev/null"), "a device"),
        (("--alpha", "1-t^2", "--sigma", "sqrt(1-(1-t^2)^2)", "--target", "numpy"), ""),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_error(
    options: tuple[str, ...], reason: str, tmp_path: Path
) -> None:
    output = () if "-o" in options else ("-o", str(tmp_path / "x.py"))
    code, text = run("compile", *options, *output)
    assert reason in text
    assert code == (2 if reason else code)
    assert code in (0, 2)


def test_main_shows_warnings_and_system_errors_as_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)

    def shown(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "solvergen", *arguments],
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    options = ("--schedule", "rectified_flow", "--prediction", "velocity", "--target", "numpy")
    done = shown("compile", *options, "-o", str(tmp_path / "no" / "x.py"))
    warning, error = done.stderr.splitlines()
    assert warning.startswith("warning: the prediction velocity is alpha eps - sigma x0")
    assert error.startswith("error: cannot write")
    assert done.returncode == 2

    def fails() -> None:
        raise FileNotFoundError(2, "No such file", "x.png")

    monkeypatch.setattr(cli, "app", fails)
    with pytest.raises(SystemExit, match="2"):
        cli.main()
    assert capsys.readouterr().err == "error: [Errno 2] No such file: 'x.png'\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x = 1\n", "has no ORDER"),
        ("def", "is no Python module"),
        ("\0", "is no Python module"),
        ("(" * 5000, "is no Python module"),
    ],
)
def test_verify_does_not_run_what_cannot_be_a_module(
    text: str, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "numpy.py"
    path.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n{text}")
    code, output = run("verify", str(path))
    assert (code, reason in output) == (2, True)
    assert not (tmp_path / "ran").exists()


def test_verify_of_a_module_that_breaks_is_one_error(tmp_path: Path) -> None:
    source = (GENERATED / "ve_singlestep2_numpy.py").read_text()
    for old, new, reason in (
        ("def alpha(t):", "def alpha():", "cannot be measured, TypeError"),
        ('"prediction": "data"', '"prediction": None', "prediction is None"),
        ("import numpy as np", "import none_of_this as np", "none_of_this, which is not installed"),
    ):
        path = tmp_path / "changed.py"
        path.write_text(source.replace(old, new, 1))
        code, output = run("verify", str(path))
        assert (code, reason in output) == (2, True), output


def test_every_generated_module_keeps_the_contract() -> None:
    for path in GENERATED.glob("*_*.py"):
        assert contract.require(path) is ("_20_steps_" in path.stem)


PROBE = """
import socket
try:
    socket.create_connection(("192.0.2.1", 9), timeout=5)
except OSError as error:
    print("refused", type(error).__name__)
"""


def test_isolated_has_no_network_and_a_time_limit(tmp_path: Path) -> None:
    source = (GENERATED / "ve_singlestep2_numpy.py").read_text()
    path = tmp_path / "probe.py"
    path.write_text(source + PROBE)
    code, output = run("verify", "--isolated", str(path))
    assert code == 0, output
    assert "refused PermissionError" in output or "refused OSError" in output
    assert "without network, by " in output
    path.write_text(source + "while True:\n    pass\n")
    with pytest.raises(sg.EmissionError, match="not measured within 3 s"):
        isolation.verify(path, seconds=3)
    path.write_text("x = 1")
    assert isolation.verify(path)[1] == 2
    with pytest.raises(sg.EmissionError, match="not a Python file"):
        isolation.verify(tmp_path / "absent.py")


@pytest.mark.parametrize(
    "options",
    [
        ("--beta", "1/(1 - t)"),
        ("--half-log-snr", "log((1-t)/t)", "--process", "flow", "--name", "mine"),
        ("--alpha", "t", "--sigma", "1-t", "--reversed", "--domain", "1/10", "9/10"),
    ],
    ids=lambda options: options[0],
)
def test_other_ways_to_say_a_schedule(tmp_path: Path, options: tuple[str, ...]) -> None:
    """SPEC has what was said, and the command in the module says it again."""
    found = emitted(tmp_path, *options, "--prediction", "data")
    assert found.schedule.declaration[0] == (options[0][2:], found.schedule.declaration[0][1])
    assert found.arguments is not None
    again = emitted(tmp_path, *shlex.split(found.arguments))
    assert (again, again.schedule.declaration) == (found, found.schedule.declaration)


def test_half_a_declaration() -> None:
    for options, reason in (
        (("--drift", "0"), "expected one of: --beta"),
        (("--beta", "1", "--sigma", "t"), "got --sigma --beta; expected one of"),
        (("--process", "vp"), "got --process"),
        (("--drift", "0", "--diffusion-squared", "2*t", "--reversed"), "got --drift"),
        (("--schedule", "ve", "--beta", "1"), "together with formulas"),
        (("--reversed",), "got no schedule"),
    ):
        code, output = run("derive", *options)
        assert code == 2
        assert reason in output
