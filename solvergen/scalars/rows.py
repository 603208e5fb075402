"""The rows of a run: which phase each step takes, and the numbers behind a row's symbols."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sympy import Expr, Symbol, lambdify

from solvergen.program.fusion import (
    conversion_symbols,
    phi_symbol,
    rival_weight_symbol,
    weight_symbol,
    zeroth_moment_symbol,
)
from solvergen.program.program import PhaseProgram, StepProgram
from solvergen.scalars.reference import ReferenceScalars


def phase_numbers(program: StepProgram, gamma: ArrayLike) -> list[int]:
    """Which of ``program.all_phases`` each step of a run takes.

    Args:
        program: all phases.
        gamma: the expansion variable on the grid. A step that starts or ends where it is infinite
            runs ``at_infinity``; no later step reads the value at such a start.
    """
    finite = np.isfinite(gamma) | (program.at_infinity is None)
    steps = finite.size - 1
    last = len(program.all_phases) - 1
    return [
        program.number(int(finite[:n].sum()), steps - 1 - n) if finite[n : n + 2].all() else last
        for n in range(steps)
    ]


def symbol_values(scalars: ReferenceScalars, phase: PhaseProgram) -> dict[Symbol, Any]:
    """The number behind every symbol of a phase's coefficients."""
    values: dict[Symbol, Any] = {}
    for i in phase.evaluations:
        values |= zip(conversion_symbols(i), scalars.conversion_at(i), strict=True)
    for combine in phase.landings:
        i = combine.stage
        values[phi_symbol(i)] = scalars.integrating_factor(combine)
        values[zeroth_moment_symbol(i)] = scalars.zeroth_moment(combine)
        values |= {weight_symbol(i, j): ell for j, ell in enumerate(scalars.weights(combine))}
    if phase.rival is not None:
        rivals = scalars.weights(phase.rival)
        values |= {rival_weight_symbol(j): ell for j, ell in enumerate(rivals)}
    return values


def evaluate(coefficient: Expr, values: dict[Symbol, Any]) -> Any:
    """A coefficient with the numbers of ``symbol_values``."""
    symbols = sorted(coefficient.free_symbols, key=str)
    return lambdify(symbols, coefficient, "mpmath")(*(values[one] for one in symbols))
