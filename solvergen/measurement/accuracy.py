"""How accurate the coefficients of a table are on its grid, measured against mpmath."""

from collections.abc import Sequence
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray
from sympy import Rational

from solvergen.algebra import precision
from solvergen.algebra.evaluation import as_mp
from solvergen.scalars.reference import Reference, ReferenceScalars
from solvergen.scalars.rows import exact_rows, starts_of, steps_of
from solvergen.schedules.values import at_time
from solvergen.specification.solver import Solver


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
    starts = starts_of(solver.program, laid_out, found)
    reference = Reference(solver.weights, solver.prediction)
    worst = 0.0
    with mpmath.workdps(precision.MEASUREMENT):
        for n in steps:
            number, first = laid_out[n]
            phase = table.phases[number]
            rows = found[first : first + len(phase.rows)]
            times = rows[:, 0].tolist()
            if solver.stochasticity is not None and solver.stochasticity.varies:
                reference = _with_eta_of(solver, grid[n : n + 2])
            scalars = ReferenceScalars.over(reference, phase.program, grid, n, times, starts)
            for row, exact in zip(rows, exact_rows(table, phase, scalars), strict=True):
                factors = row[table.first_factor :][: len(exact)]
                worst = max(worst, _relative(factors, exact))
    return worst


def _with_eta_of(solver: Solver, times: Sequence[float]) -> Reference:
    """The functions of a step with the eta of its length: e^-2kappa = 1 - e^2 (1 - e^-2h)."""
    noise = solver.stochasticity
    assert noise is not None
    level = solver.schedule.half_log_snr
    last, first = (at_time(level, solver.schedule, as_mp(one)) for one in reversed(times))
    h, e = last - first, as_mp(noise.formula)
    eta = mpmath.sqrt(-mpmath.log1p(e**2 * mpmath.expm1(-2 * h)) / (2 * h))
    exact = Rational(mpmath.nstr(eta, precision.MEASUREMENT))
    return Reference(solver.with_eta(exact).weights, solver.prediction)


def _gamma(solver: Solver, timesteps: Sequence[float]) -> list[float]:
    """The expansion variable on a grid, infinite at an end of the schedule where its limit is."""
    schedule, variable = solver.schedule, solver.expansion.variable
    ends = {float(end) for end in schedule.domain if not solver.weights.is_finite_at(end)}
    return [
        np.inf if time in ends else float(at_time(variable, schedule, as_mp(time)))
        for time in timesteps
    ]


def _relative(row: Sequence[float], exact: list[Any]) -> float:
    largest = max(abs(value) for value in exact)
    return max(
        float(abs(mpmath.mpf(float(number)) - value) / largest)
        for number, value in zip(row, exact, strict=True)
    )
