"""The rows of a run: which phase each step takes, and the numbers behind a row's symbols."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import mpmath
from numpy.typing import ArrayLike, NDArray
from sympy import Expr, Symbol

from solvergen.algebra.evaluation import as_mp
from solvergen.program.drafts import shifted
from solvergen.program.instructions import node_of
from solvergen.program.phase_numbers import phase_numbers
from solvergen.program.program import StepProgram
from solvergen.program.table import (
    UP,
    Table,
    TablePhase,
    columns_of,
    conversion,
    phi,
    rival_weight,
    spread,
    weight,
    weight_before,
    zeroth_moment,
)
from solvergen.scalars.reference import ReferenceScalars


def steps_of(program: StepProgram, table: Table, gamma: ArrayLike) -> list[tuple[int, int]]:
    """For every step the number of its phase in the table, and its first row."""
    numbers = phase_numbers(program, gamma)
    found, row = [], 0
    for number, before in zip(numbers, [None, *numbers], strict=False):
        chosen = number if before is None else table.variants.get((number, before), number)
        found.append((chosen, row))
        row += len(table.phases[chosen].rows)
    return found


def starts_of(
    program: StepProgram, laid_out: Sequence[tuple[int, int]], rows: NDArray[Any]
) -> list[float]:
    """Where the steps of a run start, as its rows say, if noise is raised before them."""
    return [float(rows[first, 0]) for _, first in laid_out] if program.raises else []


def exact_rows(table: Table, phase: TablePhase, scalars: ReferenceScalars) -> list[list[Any]]:
    """The rows of a step in many digits: the columns of factors, without the time and the kind."""
    values = symbol_values(phase, scalars)
    return [
        [evaluate(factor, values) for factor in columns_of(row, table.shapes[row.shape])]
        for row in phase.rows
    ]


def symbol_values(phase: TablePhase, scalars: ReferenceScalars) -> dict[Symbol, Any]:
    """The number behind every symbol of a phase's factors."""
    program, values = phase.program, dict[Symbol, Any]()
    for i in program.evaluations:
        values |= zip(conversion(i), scalars.conversion_at(i), strict=True)
    for combine in program.landings:
        i = combine.stage
        values[phi(i)] = scalars.integrating_factor(combine)
        values[zeroth_moment(i)] = scalars.zeroth_moment(combine)
        values |= {weight(i, j): ell for j, ell in enumerate(scalars.weights(combine))}
        for j in program.evaluations[1:]:
            if j < i and phi(i, j) in phase.read:
                from_stage = replace(combine, base=node_of(j))
                values[phi(i, j)] = scalars.integrating_factor(from_stage)
    values |= {spread(draw.stage): scalars.spread(draw) for draw in program.draws}
    if program.raises:
        values |= zip((UP, spread(0)), scalars.raised_before(scalars.n + 1), strict=True)
    if phase.before is not None:
        before = scalars.weights(shifted(phase.before))
        values |= {weight_before(j): ell for j, ell in enumerate(before)}
    if program.rival is not None:
        rival = scalars.weights(program.rival)
        values |= {rival_weight(j): ell for j, ell in enumerate(rival)}
    return values


def evaluate(factor: Expr, values: dict[Symbol, Any]) -> Any:
    """A factor, of sums, products and powers, with the numbers of ``symbol_values``."""
    if factor.is_Symbol:
        return values[factor]
    if factor.is_Number:
        return as_mp(factor)
    parts = [evaluate(one, values) for one in factor.args]
    if factor.is_Add:
        return mpmath.fsum(parts)
    return mpmath.fprod(parts) if factor.is_Mul else parts[0] ** parts[1]
