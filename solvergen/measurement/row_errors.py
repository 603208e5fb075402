"""The errors of single rows of a table of coefficients, against many digits.

The reference shares nothing with an emitted module: alpha, sigma and their derivatives from the
formulas that were given, Phi and M0 from their definitions, integrals by Gauss-Legendre panels in
the logit of time. The grid's floats are exact, and so is where the network is asked inside a step,
and at which places interpolation has its nodes.

An error is relative to the largest weight of its landing; of a column with several terms, as that
of x with Phi and A M0 ell, to the sum of their sizes, with that weight in them.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray
from sympy import Add, Expr, Rational, Symbol

from solvergen.algebra.evaluation import as_mp
from solvergen.program.table import Row, Table, columns_of
from solvergen.scalars.baking import PreciseReference
from solvergen.scalars.phase_formulas import is_factor
from solvergen.scalars.reference import ReferenceScalars
from solvergen.scalars.rows import evaluate, starts_of, steps_of, symbol_values
from solvergen.schedules.flatness import flatness
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.specification.solver import Solver

DIGITS = 50
"""At 10^-14 from an end 20 are left where squares cancel."""
DIGITS_AT_ENDS = 110
"""A step that touches an end is integrated to 10^-40 from it."""
NODES = ((0.05, 6), (0.3, 10), (1.01, 16))
"""Of panels up to a width: they leave 1e-20 of what is analytic at a distance of 1."""
ROUNDED = 1e-14
"""Up to which an error is one of roundings, whatever is meant."""
ROUNDINGS = 1024
FLATTEST = 16
"""The largest power of the distance from a flat end that is looked at in so many digits."""


@dataclass(frozen=True)
class RowError:
    """The worst error of a row.

    Attributes:
        error: relative; infinite where a coefficient is none.
        column: what it is an error of.
        start, end: of the step.
    """

    error: float
    column: Expr | str
    start: float
    end: float


@dataclass(frozen=True, eq=False)
class SearchReference(PreciseReference):
    """The reference on as many nodes as 20 digits take, and on more to check that.

    Attributes:
        refined: how many times narrower the panels are.
        is_shifted: whether times are meant by their distances from the ends (``shifted``).
    """

    refined: int = 1
    is_shifted: bool = False

    def exactly(self, time: float) -> Any:
        schedule = self.weights.schedule
        return shifted(time, schedule) if self.is_shifted else super().exactly(time)

    def panel_count(self, length: Any) -> int:
        return self.refined * super().panel_count(length)

    def node_count(self, width: Any) -> int:
        return next(count for most, count in NODES if width <= most)


def shifted(time: float, schedule: NoiseSchedule) -> Any:
    """A float of a grid in many digits, at its distance from the nearer end of the domain: an end
    that is no float64, as 0.9999, is the nearest one there, and what is beside it is beside it."""
    end = min(schedule.domain, key=lambda one: abs(time - float(one)))
    return as_mp(end) + (mpmath.mpf(time) - mpmath.mpf(float(end)))


def ends_between_floats(schedule: NoiseSchedule) -> bool:
    """Whether an end of the domain is no float64, so that times beside it have two meanings."""
    return any(Rational(float(end)) != end for end in schedule.domain)


def marks(solver: Solver, grid: Sequence[float]) -> list[float]:
    """Of a grid, where gamma is finite: 0 or infinity."""
    ends = {float(end) for end in solver.schedule.domain if not solver.weights.is_finite_at(end)}
    return [np.inf if time in ends else 0.0 for time in grid]


def touches(solver: Solver, grid: Sequence[float]) -> bool:
    """Whether a grid starts or ends at an end of the domain."""
    return bool({float(end) for end in solver.schedule.domain} & {grid[0], grid[-1]})


def errors_of_step(
    solver: Solver,
    found: NDArray[Any],
    grid: Sequence[float],
    n: int,
    refined: int = 1,
    kind: type[SearchReference] = SearchReference,
) -> list[RowError]:
    """The errors of all rows of step n in the table ``found`` of a run.

    Coefficients that are beyond float64 have none. ``kind`` is that of the reference. Where an end
    is no float64, ``sqrt(0.9999 - t)`` is right at another time than ``cos(t)``: by half a spacing
    of the end. A module may mean either.
    """
    if begins_anew(solver, grid[n]):
        return []
    errors = _errors(solver, found, grid, n, refined, kind)
    if ends_between_floats(solver.schedule) and _largest(errors) > ROUNDED:
        meant = partial(kind, is_shifted=True)
        return min(errors, _errors(solver, found, grid, n, refined, meant), key=_largest)
    return errors


def _largest(errors: Sequence[RowError]) -> float:
    return max((one.error for one in errors), default=0.0)


def _errors(
    solver: Solver,
    found: NDArray[Any],
    grid: Sequence[float],
    n: int,
    refined: int,
    kind: Callable[..., SearchReference],
) -> list[RowError]:
    """The same, with times as one kind of reference means them."""
    table = solver.table
    laid_out = steps_of(solver.program, table, marks(solver, grid))
    starts, (number, first) = starts_of(solver.program, laid_out, found), laid_out[n]
    phase = table.phases[number]
    rows = found[first : first + len(phase.rows)]
    ends = float(grid[n]), float(grid[n + 1])
    with mpmath.workdps(_digits(solver, touches(solver, grid))):
        reference = kind(solver.weights, solver.prediction, refined * _steepness(solver))
        scalars = ReferenceScalars.over(
            reference, phase.program, list(grid), n, rows[:, 0].tolist(), starts
        )
        try:
            values = symbol_values(phase, scalars)
        except ZeroDivisionError:
            return []  # two nodes are one float
        errors, enlarged = [], largest_weights(values)
        for row, line in zip(phase.rows, rows, strict=True):
            factors = line[table.first_factor :]
            pairs = column_errors(table, row, factors.tolist(), values, enlarged)
            errors += [RowError(error, column, *ends) for column, error in pairs]
            errors.append(RowError(_time_error(scalars, row.stage, line[0]), "time", *ends))
    return errors


def _digits(solver: Solver, is_at_end: bool) -> int:
    """Those of a step; beside a flat end lambda - lambda_end is the p-th power of a distance."""
    power = math.ceil(min(flatness(solver.schedule), FLATTEST)) - 1
    return DIGITS_AT_ENDS + 40 * power if is_at_end else DIGITS + 14 * power


def begins_anew(solver: Solver, start: float) -> bool:
    """Whether a step with noise starts at alpha = 0: nothing is left of its start, Phi = 0, which
    the reference, close to the end, comes near to as a power eta^2 of the distance."""
    schedule = solver.schedule
    at_end = start == float(schedule.t_max)
    return (
        solver.stochasticity is not None
        and at_end
        and schedule.limit_at(schedule.alpha, schedule.t_max) == 0
    )


def _steepness(solver: Solver) -> int:
    """How many times narrower panels have to be for e^(2 eta^2 lambda)."""
    noise = solver.stochasticity
    return 1 if noise is None or not noise.is_constant else max(1, math.ceil(noise.value**2))


def column_errors(
    table: Table,
    row: Row,
    found: Sequence[float],
    values: dict[Any, Any],
    enlarged: dict[Any, Any],
) -> Iterator[tuple[Expr, float]]:
    """The error of each column of a row, relative to its terms with the largest weights in them.

    Those are in ``enlarged`` (``largest_weights``).
    """
    for column, value in zip(columns_of(row, table.shapes[row.shape]), found, strict=False):
        terms = Add.make_args(column)
        truth = mpmath.fsum(evaluate(term, values) for term in terms)
        size = mpmath.fsum((evaluate(term, enlarged) for term in terms), absolute=True)
        if mpmath.isfinite(truth) and 1e-280 < size < 1e300:
            error = abs(mpmath.mpf(float(value)) - truth) / size
            yield column, float(error) if np.isfinite(value) else float("inf")


def largest_weights(values: dict[Symbol, Any]) -> dict[Symbol, Any]:
    """The numbers behind symbols, with the largest weight of a landing for each of its weights."""

    def landing(symbol: Symbol) -> str:
        return str(symbol.name.rpartition("_")[0])

    most = dict[str, Any]()
    for symbol, value in values.items():
        if symbol.name.startswith("ell_"):
            most[landing(symbol)] = max(most.get(landing(symbol), 0), abs(value))
    return {symbol: most.get(landing(symbol), value) for symbol, value in values.items()}


def is_weight(column: Expr) -> bool:
    """Whether a column is a weight of values, and has no Phi in it."""
    symbols = column.free_symbols
    return bool(symbols) and not any(is_factor(one) for one in symbols)


def _time_error(scalars: ReferenceScalars, stage: int, found: float) -> float:
    """How far an inner evaluation is from where it is meant, as a part of the step in gamma.

    Some roundings of the time are none.
    """
    position = scalars.phase.position(stage)
    if position in (0, 1):
        return 0.0
    gamma, time = scalars.reference.gamma, mpmath.mpf(float(found))
    ends = scalars.time(0), scalars.timesteps[scalars.n + 1]
    low, high = map(gamma, ends)
    meant = low + mpmath.mpf(position.numerator) / position.denominator * (high - low)
    at, beside = gamma(time), gamma(time + ROUNDINGS * float(np.spacing(found)))
    error = abs(at - meant)
    if error <= abs(beside - at) + ROUNDINGS * float(np.spacing(abs(float(at)))):
        return 0.0
    return float(error / abs(high - low)) if mpmath.isfinite(error) else float("inf")
