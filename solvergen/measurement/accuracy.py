"""How accurate the coefficients of an emitted module are, measured against mpmath."""

from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray
from sympy import Symbol

from solvergen.algebra import precision
from solvergen.algebra.evaluation import compiled
from solvergen.program.columns import Columns
from solvergen.program.fusion import Pass
from solvergen.scalars.formulas import Formulas
from solvergen.scalars.quadrature import choose
from solvergen.scalars.reference import Reference, ReferenceScalars
from solvergen.scalars.rows import evaluate, phase_numbers, symbol_values
from solvergen.specification.solver import Solver
from solvergen.symbols import alpha, sigma, t

INSIDE = 0.02
"""The part of the domain that is left out at both ends, where the definitions have poles or roots
in time that a quadrature in time resolves slowly."""

GRIDS = (8, 64)
"""Long steps, whose integrals are hard, and short ones, whose differences cancel."""

GRIDS_WITH_KINKS = (64, 512)
"""Fine ones, whose steps hold few of the kinks at which 30-digit quadrature has to stop."""


def coefficient_error(
    solver: Solver, module: ModuleType, timesteps: Sequence[float], steps: Sequence[int]
) -> float:
    """The worst error of the coefficients of some steps.

    It is the difference from the same products of scalars in mpmath, with every scalar computed
    from its definition (``solvergen.scalars.reference``), relative to the largest coefficient of
    the pass.
    """
    table = module.coefficients(timesteps)
    phases = phase_numbers(solver.program, _gamma(solver, module, timesteps))
    reference = Reference(solver.weights, solver.prediction)
    worst = 0.0
    with mpmath.workdps(precision.MEASUREMENT):
        for n in steps:
            number = phases[n]
            phase = solver.program.all_phases[number]
            scalars = ReferenceScalars.over(reference, phase, [float(u) for u in timesteps], n)
            values = symbol_values(scalars, phase)
            worst = max(worst, _rows_error(table[n], solver.passes[number], values))
    return worst


def _gamma(solver: Solver, module: ModuleType, timesteps: Sequence[float]) -> NDArray[np.float64]:
    """The expansion variable on a grid, from the module's functions of time."""
    times = np.array(timesteps, dtype=np.float64)
    with np.errstate(all="ignore"):
        if solver.expansion.name == "half_log_snr":
            return np.asarray(module.half_log_snr(times))
        values = (times, module.alpha(times), module.sigma(times))
        found = compiled(solver.expansion.variable, (t, alpha, sigma), "numpy")(*values)
        return np.broadcast_to(found, times.shape)


def _rows_error(
    rows: Iterable[Sequence[float]], fused: Sequence[Pass], values: dict[Symbol, Any]
) -> float:
    """The worst error of the rows of one step's passes."""
    worst = 0.0
    for row, one in zip(rows, fused, strict=False):
        columns = Columns.of(one)
        exact = [evaluate(term.coefficient, values) for _, term in columns.all]
        worst = max(worst, _relative(row[1 : columns.width], exact))
    return worst


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
        errors.append(coefficient_error(solver, module, grid.tolist(), chosen))
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
