"""Schedules compared: what is straight is exact in one step, and what sees lambda alone sees no
schedule."""

import re
from pathlib import Path

import numpy as np
import pytest
from sympy import sqrt
from typer.testing import CliRunner

import solvergen as sg
from solvergen import cli
from solvergen.errors import SolvergenError
from solvergen.measurement.problems import GaussianMixture, model
from solvergen.reports import comparison
from solvergen.reports.comparison import METHODS
from solvergen.reports.exact_data import data, quantile_paths


def only(monkeypatch: pytest.MonkeyPatch, *methods: comparison.Method) -> None:
    """Few methods, for each one compiles a module for every schedule."""
    monkeypatch.setattr(comparison, "METHODS", methods)
    monkeypatch.setattr(comparison, "BEST", methods[-1:])


def test_straight_paths_are_exact_in_one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the spread that they are made for, and for no other."""
    only(monkeypatch, METHODS[0])
    found = comparison.compare(["straight:0.3"], ["gaussian:0.3", "gaussian:1"], [1, 4])
    made_for, other = (found.cells["straight:0.3", name] for name in found.data)
    assert made_for.bend < 1e-12
    assert made_for.runs[0].needed(1e-12) == 1
    assert other.bend > 0.05
    assert (other.runs[0].at(1) or 0) > 0.1
    assert "| straight:0.3 | 0 | 0.14 |" in found.markdown()


def test_tables_of_the_docs_are_what_the_command_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bends and Euler's row, of two schedules and the data that take no time."""
    only(monkeypatch, METHODS[0])
    page = (Path(__file__).parents[2] / "docs" / "schedules.md").read_text()
    bends, *costs = re.findall(r"(?:^\|.*\n)+", page, re.MULTILINE)
    written = re.search(r"--schedules (\S+) .*?--data (\S+)", page, re.DOTALL)
    assert written is not None
    assert [row.split(" | ")[0].strip("| ") for row in bends.splitlines()[2:]] == (
        written[1].split(",")
    )
    assert bends.splitlines()[0].strip(" |").split(" | ")[1:] == written[2].split(",")
    names, kinds = ["vp_linear", "straight:0.3"], ["gaussian:0.05", "gaussian:0.3", "gaussian:1"]
    found = comparison.compare(names, kinds, [1]).markdown()
    tables = re.findall(r"(?:^\|.*\n)+", f"{found}\n", re.MULTILINE)
    for shown, ours in zip((bends, *costs), tables, strict=False):
        for row in ours.splitlines()[2:]:
            name, *cells = row.strip("| ").split(" | ")
            if "best" not in name:
                (line,) = (one for one in shown.splitlines() if one.startswith(f"| {name} |"))
                assert line.strip("| ").split(" | ")[1:4] == cells, name


def test_solvers_in_lambda_see_no_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, METHODS[2])
    found = comparison.compare(["trigonometric", "rectified_flow"], ["mixture"], [10])
    one, other = (found.cells[name, "mixture"].runs[0].errors for name in found.schedules)
    assert [n for n, _ in one] == [n for n, _ in other]
    np.testing.assert_allclose([e for _, e in one], [e for _, e in other], rtol=1e-9)
    reached = found.cells["trigonometric", "mixture"].runs[0]
    assert reached.needed(1e-2) in (24, 32, 48), "the numbers of docs/schedules.md"


@pytest.mark.parametrize("method", [*METHODS[::2], *comparison.BEST[:2]], ids=lambda one: one.name)
def test_samples_of_what_sees_alpha_over_sigma_alone(method: comparison.Method) -> None:
    """c_data : c_noise constant, and a variable of alpha/sigma: samples are the same for every
    schedule on the same noise levels, to rounding. Velocity and time see the schedule."""
    kind, levels, found = data("two:0.3"), np.linspace(-3, 3, 9), []
    for name in ("vp_linear", "straight:0.3"):
        module = comparison._module(name, method)
        network = model(kind.problem, comparison._solver(name, method))
        times = module.time_at_half_log_snr(levels)
        start, end = (float(module.alpha(one)) for one in (times[0], times[-1]))
        last = module.sample(lambda x, t, f=network: f(x, float(t)), kind.start * start, times)
        found.append(last / end)
    apart = np.abs(found[1] - found[0]).max()
    assert (apart < 1e-14) == (method.integrand not in ("velocity", "flow")), apart
    assert apart < 1e-14 or apart > 1e-3


def test_paths_keep_their_quantiles() -> None:
    """Of a Gaussian in closed form, of a mixture in many digits."""
    alpha, sigma = np.linspace(0.1, 1, 7), np.linspace(1, 0.1, 7)
    start = np.array([-1.4, 0.2, 2.0])
    normal = GaussianMixture(np.ones(1), np.array([[0.7]]), np.array([0.25]))
    found = quantile_paths(normal, alpha, sigma, start)
    spread = np.sqrt(alpha**2 * 0.25 + sigma**2)
    exact = 0.7 * alpha[:, None] + spread[:, None] / spread[0] * (start - 0.7 * alpha[0])
    np.testing.assert_allclose(found, exact, atol=1e-11)
    mixture = data("mixture").problem
    found = quantile_paths(mixture, alpha, sigma, start)
    exact = mixture.exact_flow(start[:, None], (alpha[0], sigma[0]), (alpha[-1], sigma[-1]))
    np.testing.assert_allclose(found[-1], exact[:, 0], atol=1e-10)


def test_bend_of_a_parabola() -> None:
    """t - t^2 is 1/sqrt(30) from its chord, in the root mean square."""
    times = np.linspace(0, 1, 4001)
    paths = np.stack([times - times**2, 1 + times - times**2], axis=1)
    assert abs(comparison.bend(times, paths) - 2 / np.sqrt(30)) < 1e-6
    assert comparison.bend(times[::-1], np.stack([times, 2 * times], axis=1)) < 1e-12


def test_spread_of_the_data() -> None:
    assert data("gaussian:0.3").spread == pytest.approx(0.3)
    assert data("two:3").spread == pytest.approx(float(sqrt(9 + 0.04)))
    assert 0.5 < data("digits").spread < 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((["nope"], ["mixture"], [1]), "unknown schedule"),
        ((["ve"], ["gaussian:x"], [1]), "expected gaussian:S"),
        ((["ve"], ["two:-1"], [1]), "two:M"),
        ((["ve"], ["mixture:2"], [1]), "expected"),
        ((7 * ["ve"], ["mixture"], [1]), "expected 1 to 6"),
        (([], ["mixture"], [1]), "expected 1 to 6"),
        ((["straight:a"], ["mixture"], [1]), "got 'a'"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_bad_input(arguments: tuple, reason: str) -> None:
    with pytest.raises(SolvergenError, match=reason):
        comparison.compare(*arguments)


def test_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, METHODS[0])
    options = ("--schedules", "rectified_flow,ve", "--data", "two:1", "--evaluations", "1,8")
    files = ("--plot", str(tmp_path / "paths.svg"), "--markdown", str(tmp_path / "tables.md"))
    done = CliRunner().invoke(cli.app, ["compare", *options, *files], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "| rectified_flow, Euler in t, 8 |" in (tmp_path / "tables.md").read_text()
    assert (tmp_path / "paths.svg").read_text().count("<path") > 40
    refused = CliRunner().invoke(cli.app, ["compare", "--evaluations", "0"])
    assert isinstance(refused.exception, SolvergenError)
    for name in ("x.png", "x.svg"):
        command = ["plot", "schedule", "--beta", "5", "-o", str(tmp_path / name)]
        done = CliRunner().invoke(cli.app, command, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        assert "alpha = exp(-5*t/2)" in done.output
        assert (tmp_path / name).stat().st_size > 10_000
    command = ["plot", "schedule", "--schedule", "ve", "-o", "x.txt"]
    assert "expected a name" in str(CliRunner().invoke(cli.app, command).exception)


def test_named_schedules_are_drawn(tmp_path: Path) -> None:
    from solvergen.reports.page_pictures import plot_schedule

    for name in ("vp_sigmoid", "flow_shifted", "ve_geometric"):
        assert plot_schedule(sg.schedules.get(name), tmp_path / f"{name}.svg").exists()
