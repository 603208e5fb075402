"""Reports that people read and cite, as functions: ``sg.report.page(solver, "page.html")``.

They import what draws and typesets when they are called.
"""

from pathlib import Path

from solvergen.specification.solver import Solver


def page(solver: Solver, path: str | Path | None = None, title: str | None = None) -> str:
    """The derivation of a solver as one HTML file, offline, with the proof of its order.

    Args:
        solver: what is derived.
        path: a file to write; only the text is returned if it is left out.
        title: the heading; the scheme and the schedule if left out.

    Raises:
        SolvergenError: math-core or matplotlib is not installed, or the file is not a page.
    """
    from solvergen.reports.page import page as write

    return write(solver, path, title)
