"""The picture of a search: errors of the tuned solver beside others, and their grids in lambda."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from solvergen.errors import SolvergenError
from solvergen.reports.pictures import COLOURS, new_figure, require_matplotlib, styled
from solvergen.runs.scalars import Floats, ScheduleValues
from solvergen.tuning import Tuned
from solvergen.tuning.report import Line

PICTURES = (".png", ".svg", ".pdf")
WIDTH = 0.28
"""Of the dots of a solver, beside one another."""
LONGEST = 26
"""Of a name below an axis."""


def require_picture(path: str | Path) -> Path:
    """Refuse at the start, not after the search.

    Raises:
        SolvergenError: there is no such kind of picture, or matplotlib is not installed.
    """
    path = Path(path)
    if path.suffix not in PICTURES:
        raise SolvergenError(f"got {path}; expected a name that ends in {', '.join(PICTURES)}")
    require_matplotlib()
    return path


def plot_tuned(found: Sequence[Tuned], path: str | Path) -> Path:
    """Draw the report of one search, or of several for other numbers of evaluations.

    On the left every dot is a held-out sample and every bar a geometric mean; for several numbers
    of evaluations lines join these. On the right a row is a grid.

    Raises:
        SolvergenError: there is no such kind of picture, or matplotlib is not installed.
    """
    path = require_picture(path)
    with styled():
        figure = new_figure(7.6, max(2.9, 1.5 + 0.42 * len(_grids(found))))
        left, right = figure.subplots(1, 2, width_ratios=(1, 1.15))
        (_samples if len(found) == 1 else _curves)(left, found)
        left.set_yscale("log")
        left.set_ylabel("RMS error")
        _draw_grids(right, found)
        figure.savefig(path, dpi=150, facecolor="w")
    return path


def _samples(axes: Any, found: Sequence[Tuned]) -> None:
    """A column of dots for every solver of one report."""
    report = found[0].report
    for n, line in enumerate(report.lines):
        places = n + WIDTH * np.linspace(-1, 1, len(line.errors))
        colour = COLOURS[n % len(COLOURS)]
        axes.plot(places, line.errors, "o", ms=2.4, alpha=0.45, mew=0, color=colour)
        mean = line.score.geometric_mean
        axes.plot([n - 1.3 * WIDTH, n + 1.3 * WIDTH], [mean, mean], lw=2.2, color=colour)
    _floor(axes, report.difference)
    names = [_name(line) for line in report.lines]
    axes.set_xticks(range(len(names)), names, rotation=12, ha="right", fontsize=8)
    axes.set_title(f"{report.evaluations} evaluations, {report.noises[2]} samples held out")


def _curves(axes: Any, found: Sequence[Tuned]) -> None:
    """A line for every solver that all reports name."""
    reports = [one.report for one in found]
    counts = [one.evaluations for one in reports]
    for n in range(min(len(one.lines) for one in reports)):
        lines = [one.lines[n] for one in reports]
        colour = COLOURS[n % len(COLOURS)]
        means = [line.score.geometric_mean for line in lines]
        label = "best published" if n == 1 else lines[0].name
        axes.plot(counts, means, "o-", ms=4, color=colour, label=label)
        for count, line in zip(counts if n == 0 else (), lines, strict=False):
            axes.plot([count] * len(line.errors), line.errors, "o", ms=2, alpha=0.2, mew=0,
                      color=colour)  # fmt: skip
    _floor(axes, max(one.difference for one in reports))
    axes.set_xticks(counts)
    axes.set_xlabel("evaluations")
    axes.legend(fontsize=8)


def _floor(axes: Any, difference: float) -> None:
    """How well the flow itself is known."""
    if difference > 0:
        axes.axhline(difference, color="#aaaaaa", lw=0.9, ls=":", zorder=0)


def _draw_grids(axes: Any, found: Sequence[Tuned]) -> None:
    rows = _grids(found)
    for n, (_, levels, colour) in enumerate(rows):
        inside = levels[np.isfinite(levels)]
        axes.plot(inside, np.full(inside.size, -n), "|-", ms=9, mew=1.4, lw=0.7, color=colour)
    axes.set_yticks([-n for n in range(len(rows))], [name for name, *_ in rows], fontsize=8)
    axes.set_ylim(-len(rows) + 0.5, 0.5)
    axes.set_xlabel(r"$\lambda=\log(\alpha/\sigma)$, where it is finite")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)


def _grids(found: Sequence[Tuned]) -> list[tuple[str, Floats, str]]:
    """The grids of all solvers of all reports, from noise to data, with name and colour."""
    rows = []
    for one in found:
        values = ScheduleValues(one.solver.schedule)
        for n, line in enumerate(one.report.lines):
            _, alpha, sigma, *_ = values.at(np.array(line.timesteps))
            with np.errstate(all="ignore"):
                levels = np.log(alpha / sigma)
            name = _name(line) if len(found) == 1 else f"{one.report.evaluations}, {_name(line)}"
            rows.append((name, levels, COLOURS[n % len(COLOURS)]))
    return rows


def _name(line: Line) -> str:
    """Of a solver: what the user called it, or the published one that was the best."""
    name = line.solver.split(",")[0] if line.name == "published" else line.name
    name = name.removesuffix("_as_published")
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
