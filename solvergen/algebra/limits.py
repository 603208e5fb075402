"""Limits of an expression at an end of a time domain, never by adding an epsilon.

Three ways in turn: put the end in; sympy's limit, in a bounded time; extrapolation in many digits
along t = end -+ 2^-k, which says that it is numeric.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import mpmath
import sympy
from sympy import Expr, Symbol

from solvergen.algebra.budget import within
from solvergen.algebra.evaluation import as_mp, evaluate_mp, evaluate_mp_at, is_real
from solvergen.algebra.tables import Table

BUDGET_SECONDS = 1.0
DIGITS = 120
ZERO_DIGITS = 90
_TABLE_DIGITS = 30
_INDETERMINATE = (sympy.nan, sympy.zoo, sympy.oo, -sympy.oo)


@dataclass(frozen=True)
class Limit:
    """A one-sided limit; ``exact`` is False for a value that was extrapolated."""

    value: Expr
    exact: bool

    @property
    def is_finite(self) -> bool:
        return bool(self.value.is_finite)

    def __str__(self) -> str:
        return str(self.value) if self.exact else f"{self.value} (extrapolated)"


def limit_at(expression: Expr, symbol: Symbol, end: Expr, domain: tuple[Expr, Expr]) -> Limit:
    """The limit of ``expression`` at ``end`` from inside the domain; nan where there is none."""
    end = sympy.sympify(end)
    inwards = 1 if sympy.N(end - domain[0]) < sympy.N(domain[1] - end) else -1
    plain = _substituted(expression, symbol, end)
    if plain is not None:
        return Limit(plain, True)
    points = approach(end, domain)
    numeric = trend([evaluate_mp(expression, symbol, point, DIGITS) for point in points])
    if numeric is not None and not numeric.is_finite:
        return Limit(numeric, True)
    symbolic = within(BUDGET_SECONDS, _symbolic, expression, symbol, end, inwards, default=None)
    if symbolic is not None and (numeric is None or _agree(symbolic, numeric)):
        return Limit(symbolic, True)
    return Limit(sympy.nan if numeric is None else numeric, False)


@lru_cache(maxsize=64)
def approach(end: Expr, domain: tuple[Expr, Expr]) -> tuple[Any, ...]:
    """Points inside the domain, ever closer to an end, for values in ``DIGITS`` digits."""
    with mpmath.workdps(DIGITS):
        at, low, high = (as_mp(sympy.sympify(one)) for one in (end, *domain))
        inwards = 1 if at - low < high - at else -1
        return tuple(at + inwards * (high - low) * mpmath.mpf(2) ** -k for k in (20, 40, 80, 160))


def trend(values: Sequence[Any]) -> Expr | None:
    """Where the values at the points of ``approach`` tend to: oo, -oo, a number, or None if they
    do not settle.
    """
    if not all(is_real(value) for value in values):
        return None
    with mpmath.workdps(DIGITS):
        steps = [b - a for a, b in pairwise(values)]
        if abs(steps[2]) < abs(steps[1]) * mpmath.mpf("1e-3") or abs(steps[2]) < 1e-20:
            return sympy.Float(values[-1], 30)
        if abs(steps[2]) > abs(steps[1]) * mpmath.mpf("1.5"):
            return sympy.oo if steps[2] > 0 else -sympy.oo
    return None


def _substituted(expression: Expr, symbol: Symbol, end: Expr) -> Expr | None:
    """The value at the end, where no part of the expression is singular there.

    It is a float if a table says it, so that it is known to be finite.
    """
    value = expression.subs(symbol, end)
    if not value.free_symbols and value.atoms(Table):
        value = sympy.N(value, _TABLE_DIGITS)
    if value.has(*_INDETERMINATE, sympy.AccumBounds) or value.is_finite is False:
        return None
    for power in expression.atoms(sympy.Pow):
        if power.exp.is_negative and _may_vanish(power.base.subs(symbol, end)):
            return None
    return value


def _may_vanish(value: Expr) -> bool:
    """Whether a number is 0 to many digits, or is none."""
    found = evaluate_mp_at(value, (), (), DIGITS)
    return not (is_real(found) and abs(found) > mpmath.mpf(10) ** -ZERO_DIGITS)


def _symbolic(expression: Expr, symbol: Symbol, end: Expr, inwards: int) -> Expr | None:
    try:
        value = sympy.limit(expression, symbol, end, "+" if inwards > 0 else "-")
    except Exception:  # sympy's limit fails in many ways; each of them means "unknown" here
        return None
    return None if value.has(sympy.Limit, symbol, sympy.AccumBounds) else value


def _agree(symbolic: Expr, numeric: Expr) -> bool:
    return abs(sympy.N(symbolic - numeric)) <= 1e-6 * (1 + abs(numeric))
