"""The command line: what it prints, its exit codes, what it leaves behind."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from solvergen import cli


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it printed."""

    code: int
    output: str
    error: str


Run = Callable[..., Done]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """``solvergen ARGUMENTS`` in the test's folder and in this process."""
    monkeypatch.chdir(tmp_path)

    def called(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["solvergen", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return Done(int(ended.value.code or 0), printed.out, printed.err)

    return called


def test_in_a_process_of_its_own(tmp_path: Path) -> None:
    """Once what succeeds, and once what does not: exit codes, and which stream says what."""

    def called(*arguments: str) -> Done:
        command = [sys.executable, "-m", "solvergen", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
        return Done(done.returncode, done.stdout, done.stderr)

    listed = called("list", "targets")
    assert (listed.code, listed.error) == (0, "")
    assert "numba" in listed.output.splitlines()
    refused = called("compile", "--schedule", "nope", "-o", "x.py")
    assert (refused.code, refused.output) == (2, "")
    assert refused.error.startswith("error: ")
    assert list(tmp_path.iterdir()) == []


def test_compile_then_verify(run: Run, tmp_path: Path) -> None:
    options = ["--alpha", "1-t**2", "--sigma", "t", "--scheme", "multistep:3", "--target", "torch"]
    done = run("compile", *options, "-o", "x.py")
    assert (done.code, done.error) == (0, "")
    assert "order 3" in done.output
    checked = run("verify", "x.py")
    assert checked.code == 0, checked.output + checked.error
    assert "order, measured" in checked.output
    source, stated = (tmp_path / "x.py").read_text(), "ORDER, ORDER_TO_THE_ENDS = 3"
    assert source.count(stated) == 1
    (tmp_path / "x.py").write_text(source.replace(stated, stated.replace("3", "4")))
    refused = run("verify", "x.py")
    assert refused.code == 1
    assert "FAILED" in refused.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--alpha t-2 --sigma t", "expected alpha > 0"),
        ("--alpha 1 --sigma 1+sin(20*t)", "strictly decreases"),
        ("--alpha 1-t --sigma t*q", "unknown name 'q'"),
        ("--alpha t.real --sigma t", "t.real"),
        ("--alpha __import__('os').getcwd() --sigma t", "expected"),
        ("--alpha open(1) --sigma t", "open"),
        ("--alpha 9**9**9 --sigma t", "expected"),
        ("--alpha 1-t", "--sigma"),
        ("--schedule nope", "expected one of"),
        ("--schedule ve --alpha 1", "expected one of the two"),
        ("--schedule ve --prediction v", "unknown parameterization"),
        ("--schedule ve --expansion gamma", "unknown name"),
        ("--schedule ve --expansion clock --integrand -t,1", "clock"),
        ("--schedule ve --scheme rk:4", "unknown scheme"),
        ("--schedule ve --target mojo", "unknown target"),
        ("--alpha b*(1-t) --sigma t --parameter b", "NAME=VALUE"),
        ("--alpha 1-t --sigma t --domain 1 0", "t_min < t_max"),
    ],
)
def test_wrong_input(options: str, message: str, run: Run, tmp_path: Path) -> None:
    """One clear error, exit code 2, and nothing left behind."""
    done = run("compile", *options.split(), "-o", "x.py")
    assert done.code == 2
    assert done.output == ""
    assert done.error.count("\n") == 1
    assert message in done.error
    assert list(tmp_path.iterdir()) == []


def test_existing_file_that_is_not_ours(run: Run, tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text("mine")
    done = run("compile", "--schedule", "ve", "-o", "x.py")
    assert done.code == 2
    assert "--force" in done.error
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


def test_verify_refuses_what_is_no_module(run: Run, tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text("x = 1\n")
    done = run("verify", "other.py")
    assert done.code == 2
    assert "has no ORDER" in done.error
    assert run("verify", "absent.py").code == 2


def test_derive(run: Run) -> None:
    options = ["--alpha", "1-t", "--sigma", "t", "--integrand", "noise"]
    shown = run("derive", *options).output
    for line in ("f(t)      = -1/(1 - t)", "g(t)**2   = 2*t/(1 - t)", "q(t)      = t/(1 - t)"):
        assert line in shown
    for line in (
        "I_1(t, s)  = -h**2*t*phi_2(h)",
        "= t*(h - exp(h) + 1)",
        "mu_1(t, s) = phi_2(h)/phi_1(h)",
    ):
        assert line in shown
    in_time = run("derive", *options, "--expansion", "time").output
    assert "I_1(t, s)  = t - s + (1 - t)*log((1 - t)/(1 - s))" in in_time
    assert "proved: I_0, I_1, I_2 symbolically" in in_time
    in_theta = run("derive", *options, "--expansion", "theta").output
    assert "J_2(gamma) = not an elementary function (proved); evaluated numerically" in in_theta
    latex = run("derive", *options, "--latex").output
    assert r"\alpha(t) &= 1 - t" in latex
    assert r"I_{1}(t, s) &= - h^{2} t \varphi_{2}(h) \\" in latex
    preset = run("derive", *options[:4], "--preset", "ddim", "--prediction", "noise").output
    assert "x_t = Phi(t, s)*x_s + M_0(t, s)*N_s" in preset
    assert run("derive", *options, "--preset", "ddim").code == 2


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("schedules", "rectified_flow: alpha = 1 - t"),
        ("parameterizations", "velocity"),
        ("expansions", "half_log_snr"),
        ("schemes", "multistep:K"),
        ("targets", "numba"),
    ],
)
def test_list(kind: str, expected: str, run: Run) -> None:
    done = run("list", kind)
    assert done.code == 0
    assert expected in done.output
