"""Figures for the commands that draw."""

import io
from pathlib import Path
from typing import Any

from solvergen.errors import SolvergenError

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#555555")
"""Told apart by those who see no red or green (Okabe and Ito 2008)."""

STYLE = {
    "font.family": "STIXGeneral",
    "mathtext.fontset": "stix",
    "font.size": 10.5,
    "axes.titlesize": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.edgecolor": "#555555",
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "lines.linewidth": 1.6,
    "legend.frameon": False,
    "svg.hashsalt": "solvergen",
    "svg.fonttype": "path",
}
"""Of pictures in pages, beside a serif text."""


def new_figure(width: float, height: float) -> Any:
    """An empty matplotlib figure of a size in inches, of no window.

    Raises:
        SolvergenError: matplotlib is not installed.
    """
    require_matplotlib()
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def styled() -> Any:
    """A context in which figures look as in pages.

    Raises:
        SolvergenError: matplotlib is not installed.
    """
    require_matplotlib()
    import matplotlib

    return matplotlib.rc_context(STYLE)


def as_svg(figure: Any) -> bytes:
    """The same bytes in every run."""
    stream = io.BytesIO()
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None}, facecolor="w")
    return stream.getvalue()


def require_matplotlib() -> None:
    """Refuse at the start, not after the work.

    Raises:
        SolvergenError: matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise SolvergenError(
            "the pictures need matplotlib, which is not installed; "
            'install it with: pip install "solvergen[demo]"'
        ) from error


def save(figure: Any, path: str | Path, dpi: int) -> None:
    """Write a figure, in the format that the path's suffix says.

    Raises:
        SolvergenError: there is no such format.
    """
    try:
        figure.savefig(path, dpi=dpi)
    except ValueError as error:
        raise SolvergenError(f"cannot draw {path}: {error}; expected a name as x.png") from error
