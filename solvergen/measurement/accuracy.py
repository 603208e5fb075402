"""How accurate the coefficients of an emitted module are, measured against mpmath."""

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray

from solvergen.algebra import precision
from solvergen.algebra.evaluation import as_mp
from solvergen.scalars.formulas import Formulas
from solvergen.scalars.quadrature import choose
from solvergen.scalars.reference import Reference, ReferenceScalars
from solvergen.scalars.rows import exact_rows, steps_of
from solvergen.schedules.values import at_time
from solvergen.specification.solver import Solver

INSIDE = 0.02
"""The part of the domain that is left out at both ends, where the definitions have poles or roots
in time that a quadrature in time resolves slowly."""

GRIDS = (8, 64)
"""Long steps, whose integrals are hard, and short ones, whose differences cancel."""

GRIDS_WITH_KINKS = (64, 512)
"""Fine ones, whose steps hold few of the kinks at which 30-digit quadrature has to stop."""


def coefficient_error(
    solver: Solver, found: NDArray[Any], timesteps: Sequence[float], steps: Sequence[int]
) -> float:
    """The worst error of the coefficients of some steps in the table ``found`` of a run.

    It is the difference from the same products of scalars in mpmath, with every scalar computed
    from its definition (``solvergen.scalars.reference``), relative to the largest coefficient of
    the pass.
    """
    table, grid = solver.table, [float(time) for time in timesteps]
    laid_out = steps_of(solver.program, table, _gamma(solver, grid))
    reference = Reference(solver.weights, solver.prediction)
    worst = 0.0
    with mpmath.workdps(precision.MEASUREMENT):
        for n in steps:
            number, first = laid_out[n]
            phase = table.phases[number]
            rows = found[first : first + len(phase.rows)]
            times = rows[:, 0].tolist()
            scalars = ReferenceScalars.over(reference, phase.program, grid, n, times)
            for row, exact in zip(rows, exact_rows(table, phase, scalars), strict=True):
                factors = row[table.first_factor :][: len(exact)]
                worst = max(worst, _relative(factors, exact))
    return worst


def _gamma(solver: Solver, timesteps: Sequence[float]) -> list[float]:
    """The expansion variable on a grid, infinite at an end of the schedule where its limit is."""
    schedule, variable = solver.schedule, solver.expansion.variable
    ends = {float(end) for end in schedule.domain if not solver.weights.is_finite_at(end)}
    return [
        np.inf if time in ends else float(at_time(variable, schedule, as_mp(time)))
        for time in timesteps
    ]


def statement(solver: Solver, module: ModuleType) -> str:
    """A sentence for the docstring: the measured error on a coarse and a fine grid."""
    schedule, program = solver.schedule, solver.program
    width = schedule.t_max - schedule.t_min
    ends = (
        float(schedule.t_max - INSIDE * width),
        float(schedule.t_min + INSIDE * width),
    )
    errors = []
    grids = GRIDS_WITH_KINKS if schedule.kinks else GRIDS
    for steps in grids:
        grid = np.linspace(*ends, steps + 1)
        closing = range(steps - len(program.closing), steps)
        chosen = sorted({0, min(program.history, steps - 1), steps - 2, *closing})
        errors.append(coefficient_error(solver, module.coefficients(grid), grid.tolist(), chosen))
    found = ", ".join(
        f"{_bound(error):.0e} on {steps} steps" for error, steps in zip(errors, grids, strict=True)
    )
    rows = Formulas.of(solver).integrals.rows
    means = f" Means over q: {choose(solver.weights)}." if rows else ""
    return (
        f"The coefficients were compared with {precision.MEASUREMENT}-digit quadrature of their "
        f"definitions. Relative to the largest of a pass, they differ by less than {found} that "
        f"are uniform in time from {ends[0]:.3g} to {ends[1]:.3g}.{means}"
    )


def _bound(error: float) -> float:
    """The next power of ten, 1e-15 at least: the same text on every machine."""
    return float(10.0 ** np.ceil(np.log10(max(1.5 * error, 1e-15))))


def _relative(row: Sequence[float], exact: list[Any]) -> float:
    largest = max(abs(value) for value in exact)
    return max(
        float(abs(mpmath.mpf(float(number)) - value) / largest)
        for number, value in zip(row, exact, strict=True)
    )
