"""What is known of the stability of a scheme, in words and as a picture."""

from pathlib import Path

import numpy as np

from solvergen.methods.scheme import Scheme
from solvergen.program.lowering import lower
from solvergen.program.order import EVEN, report
from solvergen.program.program import StepProgram
from solvergen.program.stability import error_constants, growth, is_zero_stable, real_interval
from solvergen.reports.pictures import new_figure, save

FARTHEST = 12.0
"""How far to the left of 0 a picture reaches at most."""


def text(scheme: Scheme) -> str:
    """What is known of a scheme on equal steps, line by line."""
    lowered = lower(scheme)
    p = report(lowered, same_clock=True, ratios=EVEN).main
    constants = error_constants(lowered, p)
    stable = "satisfies" if is_zero_stable(lowered) else "VIOLATES"
    return "\n".join(
        (
            str(scheme),
            f"on equal steps in the clock its local error is O(h^{p + 1}):",
            f"  {constants.quadrature} h^{p + 1} for dx/dq = q^{p}/{p}!, "
            f"{constants.linear} h^{p + 1} for dx/dq = x",
            f"it {stable} the root condition (zero-stability)",
            f"the region of linear stability reaches z = -{real_interval(lowered):.4g} on the "
            "negative real axis",
        )
    )


def plot_region(
    program: StepProgram, path: str | Path, points: int = 161, scheme: str = ""
) -> Path:
    """Draw the region of linear stability, titled with the scheme's name.

    Raises:
        SolvergenError: matplotlib is not installed.
    """
    figure = new_figure(3.4, 5)
    reach = min(max(real_interval(program), 0.1), FARTHEST)
    x = np.linspace(-1.3 * reach, 0.6 * reach, points)
    y = np.linspace(0, 1.6 * reach, points)
    upper = growth(program, x + 1j * y[:, None])
    y, values = np.concatenate([-y[:0:-1], y]), np.concatenate([upper[:0:-1], upper])
    axes = figure.subplots()
    axes.axhline(0, color="0.8", lw=0.8, zorder=0)
    axes.axvline(0, color="0.8", lw=0.8, zorder=0)
    axes.contourf(x, y, values, levels=[0, 1], colors=["#0072B2"], alpha=0.25)
    axes.contour(x, y, values, levels=[1], colors=["#0072B2"])
    axes.set(xlabel="Re z", ylabel="Im z", aspect="equal")
    heading = "region of linear stability, z = h \N{GREEK SMALL LETTER LAMDA}"
    axes.set_title("\n".join((*filter(None, [scheme]), heading)), fontsize=10)
    axes.spines[:].set_color("0.8")
    save(figure, path, dpi=130)
    return Path(path)
