"""Limits of an expression at an end of a time domain, never by adding an epsilon.

Three ways in turn: put the end in; sympy's limit, in a bounded time; extrapolation in many digits
along t = end -+ 2^-k, which says that it is numeric.
"""

from dataclasses import dataclass
from itertools import pairwise

import mpmath
import sympy
from sympy import Expr, Symbol

from solvergen.budget import within
from solvergen.evaluation import as_mp, evaluate_mp, is_real

BUDGET_SECONDS = 1.0
_DIGITS = 120
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
    numeric = _extrapolated(expression, symbol, end, domain, inwards)
    if numeric is not None and not numeric.is_finite:
        return Limit(numeric, True)
    symbolic = within(BUDGET_SECONDS, _symbolic, expression, symbol, end, inwards, default=None)
    if symbolic is not None and (numeric is None or _agree(symbolic, numeric)):
        return Limit(symbolic, True)
    return Limit(sympy.nan if numeric is None else numeric, False)


def is_finite_at(expression: Expr, symbol: Symbol, end: Expr, domain: tuple[Expr, Expr]) -> bool:
    """Whether there is a finite limit at ``end``, from values alone: no symbolic limit is taken."""
    end = sympy.sympify(end)
    plain = _substituted(expression, symbol, end)
    if plain is not None:
        return True
    inwards = 1 if sympy.N(end - domain[0]) < sympy.N(domain[1] - end) else -1
    numeric = _extrapolated(expression, symbol, end, domain, inwards)
    return numeric is not None and bool(numeric.is_finite)


def _substituted(expression: Expr, symbol: Symbol, end: Expr) -> Expr | None:
    """The value at the end, where no part of the expression is singular there."""
    value = expression.subs(symbol, end)
    if value.has(*_INDETERMINATE, sympy.AccumBounds) or value.is_finite is False:
        return None
    for power in expression.atoms(sympy.Pow):
        if power.exp.is_negative and _may_vanish(power.base.subs(symbol, end)):
            return None
    return value


def _may_vanish(value: Expr) -> bool:
    """Whether a number is 0, or not known to be anything else in time."""
    return within(BUDGET_SECONDS, value.equals, 0, default=None) is not False


def _symbolic(expression: Expr, symbol: Symbol, end: Expr, inwards: int) -> Expr | None:
    try:
        value = sympy.limit(expression, symbol, end, "+" if inwards > 0 else "-")
    except Exception:  # sympy's limit fails in many ways; each of them means "unknown" here
        return None
    return None if value.has(sympy.Limit, symbol, sympy.AccumBounds) else value


def _agree(symbolic: Expr, numeric: Expr) -> bool:
    return abs(sympy.N(symbolic - numeric)) <= 1e-6 * (1 + abs(numeric))


def _extrapolated(
    expression: Expr, symbol: Symbol, end: Expr, domain: tuple[Expr, Expr], inwards: int
) -> Expr | None:
    """The trend of the values towards the end: oo, -oo, a number, or None if they do not settle."""
    with mpmath.workdps(_DIGITS):
        at, width = as_mp(end), as_mp(domain[1] - domain[0])
        points = [at + inwards * width * mpmath.mpf(2) ** -k for k in (20, 40, 80, 160)]
        values = [evaluate_mp(expression, symbol, point, _DIGITS) for point in points]
        if not all(is_real(value) for value in values):
            return None
        steps = [b - a for a, b in pairwise(values)]
        if abs(steps[2]) < abs(steps[1]) * mpmath.mpf("1e-3") or abs(steps[2]) < 1e-20:
            return sympy.Float(values[-1], 30)
        if abs(steps[2]) > abs(steps[1]) * mpmath.mpf("1.5"):
            return sympy.oo if steps[2] > 0 else -sympy.oo
    return None
