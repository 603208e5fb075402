"""The audit as a table, in a terminal or in markdown, and as a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from solvergen.reports.audit.measure import Finding
from solvergen.reports.pictures import new_figure, save

SHOWN = 2
"""Which number of steps' error is shown."""
TOLERANCE = 0.15
"""A measured order this far below a claim misses it."""
LEFT = ("solver", "our preset")
WIDTH = 104
"""Of the table in a terminal, so that no number is broken."""
THEIRS, OURS, QUIET = "#D55E00", "#0072B2", "0.55"
"""Vermillion and blue of Okabe and Ito, which the colour-blind can tell apart."""


HEADINGS = ("solver", "claims", "has", "error", "our preset", "proved", "has", "error")
"""Of the columns: orders claimed, measured and proved, and errors."""


def caption(rows: Sequence[Finding]) -> str:
    """What the columns are."""
    return f"orders claimed, measured, proved; errors at {rows[0].steps[SHOWN]} steps"


def misses(row: Finding) -> bool:
    """Whether the peer is below what it claims."""
    return row.measured < row.peer.claimed - TOLERANCE


def cells(row: Finding) -> tuple[str, ...]:
    """A row as text."""
    return (
        str(row.peer),
        str(row.peer.claimed),
        f"{row.measured:.2f}",
        f"{row.theirs[SHOWN]:.1e}",
        row.peer.ours,
        str(row.order),
        f"{row.our_measured:.2f}",
        f"{row.ours[SHOWN]:.1e}",
    )


def table(rows: Sequence[Finding]) -> Table:
    """For a terminal; what misses its claim is red."""
    note = f"{caption(rows)}; red: below the order that it claims"
    shown = Table(*HEADINGS, caption=note, min_width=WIDTH)
    for row in rows:
        shown.add_row(*cells(row), style="red" if misses(row) else None)
    return shown


def markdown(rows: Sequence[Finding]) -> str:
    """For a page; what misses its claim is bold."""
    rule = tuple("---" if name in LEFT else "---:" for name in HEADINGS)
    lines = [HEADINGS, rule]
    for row in rows:
        text = list(cells(row))
        if misses(row):
            text[2] = f"**{text[2]}**"
        text[4] = f"`{text[4]}`"
        lines.append(tuple(text))
    shown = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return f"{shown}\n*{caption(rows)}; bold: below the order that it claims*\n"


def plot(rows: Sequence[Finding], path: str | Path) -> Path:
    """Orders and errors of every solver and of ours.

    Raises:
        SolvergenError: matplotlib is not installed.
    """
    places = range(len(rows))
    figure = new_figure(10.5, 0.27 * len(rows) + 1.7)
    orders, errors = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    for place, row in zip(places, rows, strict=True):
        colour = THEIRS if misses(row) else QUIET
        _pair(orders, place, row.measured, row.our_measured, colour)
        orders.plot(row.peer.claimed, place, "|", color="black", ms=11, mew=1.6, zorder=2)
        _pair(errors, place, row.theirs[SHOWN], row.ours[SHOWN], colour)
    orders.set_yticks(places, [str(row.peer) for row in rows], fontsize=8.5)
    orders.set_ylim(len(rows) - 0.4, -0.6)
    orders.set_xticks(range(1, 1 + max(row.peer.claimed for row in rows)))
    orders.set_xlabel("order")
    errors.set_xscale("log")
    errors.minorticks_off()
    errors.set_xlabel(f"error at {rows[0].steps[SHOWN]} steps")
    for axes in (orders, errors):
        axes.grid(axis="x", color="0.9")
        axes.set_axisbelow(True)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    figure.legend(handles=_legend(), loc="outside upper center", ncols=4, frameon=False, fontsize=9)
    save(figure, path, dpi=130)
    return Path(path)


def _pair(axes: Any, place: int, theirs: float, ours: float, colour: str) -> None:
    """What the peer has, what ours has, and the way from one to the other."""
    axes.plot((theirs, ours), (place, place), color="0.8", lw=2, zorder=1)
    axes.plot(theirs, place, "o", color=colour, ms=6.5, zorder=3)
    axes.plot(ours, place, "D", color=OURS, ms=4, zorder=4)


def _legend() -> list[Any]:
    from matplotlib.lines import Line2D

    marks = (
        ("claimed", "|", "black"),
        ("measured, as claimed", "o", QUIET),
        ("measured, below the claim", "o", THEIRS),
        ("ours on the same grid", "D", OURS),
    )
    return [
        Line2D([], [], linestyle="", marker=marker, color=colour, label=label)
        for label, marker, colour in marks
    ]
