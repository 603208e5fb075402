"""The command line: what it prints, its exit codes, what it leaves behind."""

import subprocess
import sys
from pathlib import Path

import pytest


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "solvergen", *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
    )


def test_compile_then_verify(tmp_path: Path) -> None:
    options = ["--alpha", "1-t**2", "--sigma", "t", "--scheme", "multistep:3", "--target", "torch"]
    done = run("compile", *options, "-o", "x.py", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "order 3" in done.stdout
    checked = run("verify", "x.py", folder=tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "order, measured" in checked.stdout
    broken = (tmp_path / "x.py").read_text().replace("ORDER = 3", "ORDER = 4")
    (tmp_path / "x.py").write_text(broken)
    refused = run("verify", "x.py", folder=tmp_path)
    assert refused.returncode == 1
    assert "FAILED" in refused.stdout


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
        ("--schedule ve --target jax", "unknown target"),
        ("--alpha b*(1-t) --sigma t --parameter b", "NAME=VALUE"),
        ("--alpha 1-t --sigma t --domain 1 0", "t_min < t_max"),
    ],
)
def test_wrong_input(options: str, message: str, tmp_path: Path) -> None:
    """One clear error, exit code 2, and nothing left behind."""
    done = run("compile", *options.split(), "-o", "x.py", folder=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert message in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_existing_file_that_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text("mine")
    done = run("compile", "--schedule", "ve", "-o", "x.py", folder=tmp_path)
    assert done.returncode == 2
    assert "--force" in done.stderr
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


def test_verify_refuses_what_is_no_module(tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text("x = 1\n")
    done = run("verify", "other.py", folder=tmp_path)
    assert done.returncode == 2
    assert "has no ORDER" in done.stderr
    assert run("verify", "absent.py", folder=tmp_path).returncode == 2


def test_derive(tmp_path: Path) -> None:
    options = ["--alpha", "1-t", "--sigma", "t", "--integrand", "noise"]
    shown = run("derive", *options, folder=tmp_path).stdout
    for line in ("f(t)      = -1/(1 - t)", "g(t)**2   = 2*t/(1 - t)", "q(t)      = t/(1 - t)"):
        assert line in shown
    for line in (
        "I_1(t, s)  = -h**2*t*phi_2(h)",
        "= -t*(exp(h) - h - 1)",
        "mu_1(t, s) = phi_2(h)/phi_1(h)",
    ):
        assert line in shown
    in_time = run("derive", *options, "--expansion", "time", folder=tmp_path).stdout
    assert "I_1(t, s)  = t - s + (1 - t)*log((1 - t)/(1 - s))" in in_time
    assert "proved: I_0, I_1, I_2 symbolically" in in_time
    in_theta = run("derive", *options, "--expansion", "theta", folder=tmp_path).stdout
    assert "J_2(gamma) = not an elementary function (proved); evaluated numerically" in in_theta
    latex = run("derive", *options, "--latex", folder=tmp_path).stdout
    assert r"\[ \alpha{\left(t \right)} = 1 - t \]" in latex
    assert r"I_{1}{\left(t,s \right)} = - h^{2} t \varphi_{2}\left(h\right) = - t \left(" in latex


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
def test_list(kind: str, expected: str, tmp_path: Path) -> None:
    done = run("list", kind, folder=tmp_path)
    assert done.returncode == 0
    assert expected in done.stdout
