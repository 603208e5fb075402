"""The picture of a search, and what it is drawn from."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from searches import tuned

from solvergen.errors import SolvergenError
from solvergen.reports import tuning_picture
from solvergen.reports.tuning_picture import plot_tuned


@pytest.fixture(scope="module")
def once():
    return tuned(against=["flow_euler"])


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were saved."""
    figures = []
    monkeypatch.setattr(Figure, "savefig", lambda self, path, **_: figures.append(self))
    return figures


def test_dots_are_the_errors_and_ticks_the_grids_in_lambda(once, drawn):
    plot_tuned([once], "x.png")
    left, right = drawn[0].axes
    dots = [line for line in left.lines if line.get_marker() == "o"]
    for line, report in zip(dots, once.report.lines, strict=True):
        np.testing.assert_array_equal(line.get_ydata(), report.errors)
    bars = [line.get_ydata()[0] for line in left.lines if line.get_linewidth() == 2.2]
    assert bars == [one.score.geometric_mean for one in once.report.lines]
    assert left.get_yscale() == "log"
    assert len(right.lines) == 3
    t = np.array(once.timesteps[1:-1])  # at the ends lambda is infinite
    np.testing.assert_allclose(right.lines[0].get_xdata(), np.log((1 - t) / t), rtol=1e-12)
    names = [one.get_text() for one in right.get_yticklabels()]
    assert names[0] == "tuned"
    assert names[2] == "flow_euler"


def test_several_numbers_of_evaluations_are_lines(once, drawn):
    lines = tuple(
        replace(one, score=replace(one.score, geometric_mean=one.score.geometric_mean / 3))
        for one in once.report.lines
    )
    more = replace(once, report=replace(once.report, evaluations=9, lines=lines))
    plot_tuned([once, more], "x.svg")
    left, right = drawn[0].axes
    curves = [line for line in left.lines if line.get_linestyle() == "-"]
    assert [line.get_label() for line in curves] == ["tuned", "best published", "flow_euler"]
    for n, curve in enumerate(curves):
        assert list(curve.get_xdata()) == [5, 9]
        first, second = curve.get_ydata()
        assert first == once.report.lines[n].score.geometric_mean == pytest.approx(3 * second)
    assert len(right.lines) == 6


def test_a_picture_of_another_kind_is_refused_before_the_search(once, tmp_path):
    for path in (tmp_path / "x.txt", tmp_path / "x"):
        with pytest.raises(SolvergenError, match="name that ends in"):
            tuning_picture.require_picture(path)
    assert plot_tuned([once], tmp_path / "x.pdf").read_bytes().startswith(b"%PDF")
