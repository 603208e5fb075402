"""The coefficients of a row in many digits: the numbers behind their symbols."""

from typing import Any

from sympy import Expr, Symbol, lambdify

from solvergen.program.fusion import conversion, phi, rival_weight, weight, zeroth_moment
from solvergen.program.program import PhaseProgram
from solvergen.scalars.reference import ReferenceScalars


def symbol_values(scalars: ReferenceScalars, phase: PhaseProgram) -> dict[Symbol, Any]:
    """The number behind every symbol of a phase's coefficients."""
    values: dict[Symbol, Any] = {}
    for i in phase.evaluations:
        values |= zip(conversion(i), scalars.conversion(i), strict=True)
    for combine in phase.landings:
        i = combine.stage
        values[phi(i)] = scalars.integrating_factor(combine)
        values[zeroth_moment(i)] = scalars.zeroth_moment(combine)
        values |= {weight(i, j): ell for j, ell in enumerate(scalars.weights(combine))}
    if phase.rival is not None:
        values |= {rival_weight(j): ell for j, ell in enumerate(scalars.weights(phase.rival))}
    return values


def evaluate(coefficient: Expr, values: dict[Symbol, Any]) -> Any:
    """A coefficient with the numbers of ``symbol_values``."""
    symbols = sorted(coefficient.free_symbols, key=str)
    return lambdify(symbols, coefficient, "mpmath")(*(values[one] for one in symbols))
