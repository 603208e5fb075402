"""The stability of a scheme as a person reads it, and the picture of its region."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

import solvergen as sg
from solvergen.cli import app
from solvergen.program import lowering
from solvergen.reports.stability import plot_region
from solvergen.specification import schemes


def test_plot(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    assert (
        plot_region(lowering.lower(schemes.get("heun")), tmp_path / "heun.png", points=21)
        .stat()
        .st_size
        > 1000
    )


def test_command(tmp_path: Path) -> None:
    """What the textbook says of Adams-Bashforth 3, and the picture."""
    pytest.importorskip("matplotlib")
    picture = tmp_path / "region.png"
    options = ["--scheme", "multistep:3", "--plot", str(picture)]
    done = CliRunner().invoke(app, ["stability", *options], catch_exceptions=False)
    assert done.exit_code == 0
    assert "local error is O(h^4)" in done.output
    assert "3/8 h^4 for dx/dq = q^3/3!" in done.output
    assert "satisfies the root condition" in done.output
    assert "reaches z = -0.5455" in done.output
    assert picture.stat().st_size > 1000
    assert "region.png: the region of linear stability of multistep:3" in done.output


def test_a_picture_says_what_it_is_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its title is text in a drawing that keeps its letters."""
    matplotlib = pytest.importorskip("matplotlib")
    path = tmp_path / "x.svg"
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        plot_region(lowering.lower(schemes.get("heun")), path, points=21, scheme="heun")
    assert ">heun<" in path.read_text()


@pytest.mark.parametrize("name", ["x.unknown", "x.py", "x.png.old"])
def test_a_picture_of_no_format_is_one_error(name: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    with pytest.raises(sg.SolvergenError, match=r"cannot draw .*expected a name as x.png"):
        plot_region(lowering.lower(schemes.get("heun")), tmp_path / name, points=5)
    assert list(tmp_path.iterdir()) == []
