"""How accurate the coefficients of an emitted module's adaptive steps are, seen from outside.

What a step computes, y_1, y_2, .., the landing and the estimate e, is linear in the sample and in
the predictions. With unit vectors for these, the arrays that the module asks the network about are
rows of coefficients. The estimate it shows to nobody; but it takes a step if the norm of e is at
most the tolerance, so that the norm lies between two tolerances, of which it keeps one.
"""

from types import ModuleType
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray

from solvergen.algebra import precision
from solvergen.measurement.arrays import as_input, as_numpy
from solvergen.program.interpreter import State, run_step
from solvergen.program.program import PhaseProgram
from solvergen.scalars.reference import Reference, ReferenceScalars
from solvergen.specification.solver import Solver

LOOSE = 1e300
"""A tolerance that every step keeps."""
MARGIN = 1e-6
"""How closely the norm of the estimate is enclosed."""
NOTHING = 1e-12
"""The part of the largest coefficient that is taken for a rounding error of 0."""


def pair_error(solver: Solver, module: ModuleType, start: float, end: float) -> float:
    """The worst error of the coefficients of the first adaptive step from start towards end.

    Relative to the largest of a landing. ``MARGIN`` if the estimate is not what it should be.
    """
    phase = solver.program.pairs[0]
    found, times = _landings(module, phase, start, end)
    with mpmath.workdps(precision.MEASUREMENT):
        reference = Reference(solver.weights, solver.prediction)
        scalars = ReferenceScalars.over(reference, phase, [start, times[-1]], 0)
        landings, error = _exact(phase, scalars)
        worst = max(
            float(max(abs(a - b) for a, b in zip(one, exact, strict=True)) / max(map(abs, exact)))
            for one, exact in zip(found, landings, strict=True)
        )
    largest = max(map(abs, error))
    measured = [n for n, one in enumerate(error) if abs(one) > NOTHING * largest]
    for n in measured:
        if not _encloses(module, phase, (start, end), n, float(abs(error[n]))):
            return max(worst, MARGIN)
    return worst


def _landings(
    module: ModuleType, phase: PhaseProgram, start: float, end: float
) -> tuple[list[NDArray[Any]], list[float]]:
    """Every landing of a step as its coefficients, and the times of these."""
    units = np.eye(len(phase.evaluations) + 1)
    stepper = module.AdaptiveStepper(as_input(module, units[0]), 0.0, LOOSE, start, end)
    found, times = [], []
    for one in units[1:]:
        stepper.step(as_input(module, one))
        found.append(np.array(as_numpy(module, stepper.x)))
        times.append(float(stepper.t))
    count = len(phase.combines)
    return found[:count], times[:count]


def _exact(phase: PhaseProgram, scalars: ReferenceScalars) -> tuple[list[Any], Any]:
    """The same and the estimate, in many digits."""
    units = [np.array([mpmath.mpf(x) for x in row]) for row in np.eye(len(phase.evaluations) + 1)]
    state, seen = State(units[0]), []

    def network(x: Any, time: Any) -> Any:
        seen.append(x)
        return units[len(seen)]

    run_step(phase, scalars, network, state)
    return [*seen[1:], state.x][: len(phase.combines)], state.error


def _encloses(
    module: ModuleType, phase: PhaseProgram, ends: tuple[float, float], n: int, norm: float
) -> bool:
    """Whether the n-th coefficient of the estimate has this absolute value: one element, on which
    nothing but that coefficient acts.
    """
    units = np.eye(len(phase.evaluations) + 1)[:, n : n + 1]
    taken = []
    for tolerance in (norm * (1 + MARGIN), norm * (1 - MARGIN)):
        stepper = module.AdaptiveStepper(as_input(module, units[0]), 0.0, tolerance, *ends)
        for one in units[1:]:
            stepper.step(as_input(module, one))
        taken.append(stepper.accepted == 1)
    return taken == [True, False]
