"""By how much the weights of a step amplify errors of the model, against a bound."""

from types import ModuleType

import mpmath
import numpy as np
from numpy.typing import NDArray

from solvergen.algebra import precision
from solvergen.measurement.checks import Check
from solvergen.scalars.reference import Reference, ReferenceScalars
from solvergen.specification.solver import Solver

STEPS = 20
"""Enough for main steps of every history, and as long as a sampler's."""

SAMPLES = 5
"""Of these steps: the first, the last and some between, whose weights take quadratures."""

MARGIN = 1e-3
"""Of the bound, which is computed in float64 from a maximum over points."""


def interpolates(solver: Solver) -> bool:
    """Whether the weights of a main step are means of a Lagrange basis over the clock."""
    last = solver.program.main.combines[-1]
    return last.rule.is_plain or len(last.support) == 1


def check_amplification(module: ModuleType, solver: Solver, start: float, end: float) -> Check:
    """sum_j |ell_j|, by which a step amplifies errors of the model, against its bound.

    ell_j is a mean of L_j over the step with positive weights, so the sum is at most the Lebesgue
    constant max over [0, 1] of sum_j |L_j(theta)|: 2^k - 1 for k nodes with equal steps in gamma.
    The weights are those that the coefficients of the module are compared with
    (``accuracy.coefficient_error``), on a grid of the module from start to end, where every
    quantity is finite.
    """
    grid = module.timesteps(STEPS, "time", start=start, end=end).tolist()
    reference = Reference(solver.weights, solver.prediction)
    main, history = solver.program.main, solver.program.history
    found = bound = 0.0
    with mpmath.workdps(precision.MEASUREMENT):
        for n in np.linspace(history, STEPS - 1, SAMPLES, dtype=int).tolist():
            scalars = ReferenceScalars.over(reference, main, grid, n)
            weights = scalars.weights(main.combines[-1])
            places = np.array(scalars.places(main.combines[-1]), dtype=np.float64)
            found = max(found, float(sum(map(abs, weights))))
            bound = max(bound, lebesgue_constant(places))
    return Check(
        "amplification sum |ell_j|",
        f"<= {bound:.3g}, the Lebesgue constant",
        f"{found:.3g}",
        found <= bound * (1 + MARGIN),
    )


def lebesgue_constant(places: NDArray[np.float64]) -> float:
    """max over [0, 1] of sum_j |L_j(theta)|."""
    theta = np.linspace(0.0, 1.0, 101)
    total = np.zeros_like(theta)
    for place in places:
        others = places[places != place]
        total += np.abs(np.prod([(theta - one) / (place - one) for one in others], axis=0))
    return float(total.max())
