"""By how much the weights of a step amplify errors of the model, against a bound."""

from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from solvergen.derivation.parameterization import Parameterization
from solvergen.measurement.checks import Check
from solvergen.methods.scheme import Kind, Node
from solvergen.program.columns import Columns
from solvergen.program.fusion import Array
from solvergen.specification.solver import Solver
from solvergen.targets import rendering
from solvergen.targets.files import load_text

STEPS = 20
"""Enough for main steps of every history, and as long as a sampler's."""

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
    The weights are those of the same solver with the integrand as prediction, where they stand
    alone in the landing. The run goes from start to end, where every quantity is finite.
    """
    plain = replaced(solver, solver.integrand)
    draft = load_text(rendering.coefficients_module(plain), "amplification")
    grid = module.timesteps(STEPS, "time", start=start, end=end)
    n = np.arange(solver.program.history, STEPS)
    table = draft.coefficients(grid)[n]
    combine, last = solver.program.main.combines[-1], plain.passes[len(solver.program.phases) - 1]
    weights = [
        table[:, len(last) - 1, column]
        for column, term in Columns.of(last[-1]).landing
        if isinstance(term.operand, Node) or term.operand is Array.PREDICTION
    ]
    found = float((np.sum(np.abs(weights), axis=0) / np.abs(np.sum(weights, axis=0))).max())
    times = [
        grid[n - one.index] if one.kind is Kind.PAST else table[:, one.index, 0]
        for one in combine.support
    ]
    gamma = [module.expansion_variable(time) for time in (grid[n], grid[n + 1], *times)]
    places = np.array([(one - gamma[0]) / (gamma[1] - gamma[0]) for one in gamma[2:]])
    bound = float(max(map(lebesgue_constant, places.T)))
    return Check(
        "amplification sum |ell_j|",
        f"<= {bound:.3g}, the Lebesgue constant",
        f"{found:.3g}",
        found <= bound * (1 + MARGIN),
    )


def replaced(solver: Solver, prediction: Parameterization) -> Solver:
    """The same solver for a network with another prediction."""
    choices = (solver.integrand, solver.expansion, solver.scheme)
    return Solver(solver.schedule, prediction, *choices)


def lebesgue_constant(places: NDArray[np.float64]) -> float:
    """max over [0, 1] of sum_j |L_j(theta)|."""
    theta = np.linspace(0.0, 1.0, 101)
    total = np.zeros_like(theta)
    for place in places:
        others = places[places != place]
        total += np.abs(np.prod([(theta - one) / (place - one) for one in others], axis=0))
    return float(total.max())
