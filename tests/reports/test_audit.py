"""Other libraries' solvers: presets take their steps, and have the orders that are measured."""

import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("diffusers", reason='pip install "solvergen[audit]"')
pytest.importorskip("azula", reason='pip install "solvergen[audit]"')

from typer.testing import CliRunner

from solvergen.cli import app
from solvergen.errors import SolvergenError
from solvergen.reports.audit import measure, report
from solvergen.reports.audit.peer import FLOAT64

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array_wrap__:DeprecationWarning", "ignore:.algorithm_types dpmsolver:FutureWarning"
)
PEERS = {str(peer): peer for peer in measure.installed()[0]}
AGREEING = [name for name, peer in PEERS.items() if peer.published]
FLOAT32_ROUNDING, FLOAT64_ROUNDING = 1e-6, 1e-11
FLOAT32_PEERS = {"diffusers Euler", "diffusers FlowMatchEuler"}
"""They compute in float32, and have errors above its rounding at every number of steps."""
BELOW_CLAIM = {
    "diffusers LMS": 2, "diffusers IPNDM": 2, "diffusers DPM++ 3M": 2, "diffusers DPM-Solver 3M": 2,
    "diffusers SDE-DPM++ 3M, noise off": 1, "diffusers UniPC 3, bh1, full last step": 3,
    "diffusers UniPC 3, bh2, full last step": 3, "diffusers UniPC 3, bh2": 2,
    "diffusers UniPC 4, bh2": 2, "diffusers DEIS 3, log rho": 2, "azula zAB 4": 2,
    "azula vAB 4": 2, "azula zEAB 4": 2, "azula xEAB 4": 2, "azula REAB 2": 1, "azula REAB 3": 1,
}  # fmt: skip
"""The order that a defect or an order-1 start leaves."""
PAGE = (Path(__file__).parents[2] / "docs" / "audit.md").read_text()


@pytest.fixture(scope="module")
def rows() -> dict[str, measure.Finding]:
    return {name: measure.row(peer) for name, peer in PEERS.items()}


@pytest.mark.parametrize("name", AGREEING)
def test_same_steps(name: str) -> None:
    """The published preset lands where the library does, to the library's rounding."""
    peer = PEERS[name]
    theirs = measure.run_peer(peer, 24)
    ours = measure.run_preset(peer, peer.published, 24)
    single = name in FLOAT32_PEERS or peer.floor > FLOAT64
    assert np.abs(theirs - ours).max() < (FLOAT32_ROUNDING if single else FLOAT64_ROUNDING)
    assert measure.error(ours, measure.exact_end(peer.problem)) > 10 * FLOAT32_ROUNDING


@pytest.mark.slow
@pytest.mark.parametrize("name", PEERS)
def test_orders(name: str, rows: dict[str, measure.Finding]) -> None:
    """The library is below its claim where we say so and nowhere else; our preset reaches it."""
    row = rows[name]
    expected = BELOW_CLAIM.get(name, row.peer.claimed)
    assert abs(row.measured - expected) <= 0.15
    assert report.misses(row) == (name in BELOW_CLAIM)
    assert row.order == row.peer.claimed
    assert abs(row.our_measured - row.order) <= 0.15


@pytest.mark.parametrize("name", AGREEING)
def test_published_order_is_computed(name: str) -> None:
    """The header of the published preset states what is measured on its grid.

    IPNDM has the weights of equal steps: its order 1 holds on every grid, and on its own, equal in
    another variable, one more is measured.
    """
    peer = PEERS[name]
    order = measure.solver(peer, peer.published).order
    expected = BELOW_CLAIM.get(name, peer.claimed)
    assert order == (1 if name == "diffusers IPNDM" else expected)


@pytest.mark.slow
def test_readme_shows_the_table(rows: dict[str, measure.Finding]) -> None:
    """Names, claims, proofs and presets as they are, rates as they are measured here."""
    shown = re.findall(r"^\| ((?:diffusers|azula) .*) \|$", PAGE, re.MULTILINE)
    table = [line.replace("*", "").replace("`", "").split(" | ") for line in shown]
    assert [line[0] for line in table] == list(rows)
    for line, row in zip(table, rows.values(), strict=True):
        cells = report.cells(row)
        for column in (1, 4, 5):
            assert line[column] == cells[column]
        for column in (2, 6):
            assert abs(float(line[column]) - float(cells[column])) <= 0.1
        for column in (3, 7):
            assert float(line[column]) == pytest.approx(float(cells[column]), rel=0.1)
    bold = {line.split(" | ")[0] for line in shown if "**" in line}
    assert bold == set(BELOW_CLAIM)


def test_drift_is_the_reverse_sde_without_noise() -> None:
    """The schedule (alpha, sigma^2/alpha) against the SDE's own formula, integrated by scipy."""
    peer = PEERS["diffusers SDE-DPM++ 3M, noise off"]
    found = measure.run_preset(peer, peer.preset, 192)
    assert measure.error(found, measure.exact_end(peer.problem)) < 1e-6


def test_command(tmp_path: Path) -> None:
    table, picture = tmp_path / "audit.md", tmp_path / "audit.png"
    options = ["--match", "FlowMatchEuler", "--markdown", str(table), "--plot", str(picture)]
    done = CliRunner().invoke(app, ["audit", *options], catch_exceptions=False)
    assert done.exit_code == 0
    assert "diffusers FlowMatchEuler" in done.output
    assert "| diffusers FlowMatchEuler | 1 | 0.99 |" in table.read_text()
    assert picture.stat().st_size > 5000


def test_no_such_solver() -> None:
    done = CliRunner().invoke(app, ["audit", "--match", "DPM-Solver-v9"])
    assert isinstance(done.exception, SolvergenError)
    assert "expected part of: diffusers DDIM" in str(done.exception)


def test_missing_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    known = measure.find_spec
    monkeypatch.setattr(measure, "find_spec", lambda name: known(name) if name != "azula" else None)
    peers, missing = measure.installed()
    assert missing == ("azula",)
    assert {peer.library for peer in peers} == {"diffusers"}
    monkeypatch.setattr(measure, "find_spec", lambda name: None)
    with pytest.raises(SolvergenError, match=r'pip install "solvergen\[audit\]"'):
        measure.installed()
