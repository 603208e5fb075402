"""Figures for the commands that draw."""

from pathlib import Path
from typing import Any

from solvergen.errors import SolvergenError


def new_figure(width: float, height: float) -> Any:
    """An empty matplotlib figure of a size in inches, of no window.

    Raises:
        SolvergenError: matplotlib is not installed.
    """
    require_matplotlib()
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


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
