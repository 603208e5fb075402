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

from solvergen.algebra import precision
from solvergen.algebra.budget import within
from solvergen.algebra.evaluation import Domain, as_mp, evaluate_mp, evaluate_mp_at, is_real
from solvergen.algebra.tables import Table

BUDGET_SECONDS = 1.0
"""Of sympy's limit, which has no bound of its own: without a limit from it the values decide."""
TOWARDS_END = (20, 40, 80, 160)
"""k of the distances 2^-k of ``approach``: each is the square of the one before, so that a power
of the distance is told from a logarithm, whose steps grow by the same factor."""
FALLS, GROWS = mpmath.mpf("1e-3"), mpmath.mpf("1.5")
"""How much smaller or larger than the step before the last one has to be: of tau^p it is smaller by
2^(-40 p), 10^-3 for p = 1/4; of a logarithm it is twice as large."""
SETTLED = 1e-20
"""A step smaller than this has no part in float64."""
SAME_LIMIT = 1e-6
"""How near sympy's limit and the values have to be: a wrong limit is another number."""
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


def one_sided_limit(expression: Expr, symbol: Symbol, end: Expr, domain: Domain) -> Limit:
    """The limit of ``expression`` at ``end`` from inside the domain; nan where there is none."""
    end = sympy.sympify(end)
    inwards = 1 if sympy.N(end - domain[0]) < sympy.N(domain[1] - end) else -1
    plain = _substituted(expression, symbol, end)
    if plain is not None:
        return Limit(plain, True)
    points = approach(end, domain)
    numeric = trend([evaluate_mp(expression, symbol, point, precision.LIMIT) for point in points])
    if numeric is not None and not numeric.is_finite:
        return Limit(numeric, True)
    symbolic = within(BUDGET_SECONDS, _symbolic, expression, symbol, end, inwards, default=None)
    if symbolic is not None and (numeric is None or _agree(symbolic, numeric)):
        return Limit(symbolic, True)
    return Limit(sympy.nan if numeric is None else numeric, False)


@lru_cache(maxsize=64)
def approach(end: Expr, domain: Domain) -> tuple[Any, ...]:
    """Points inside the domain, ever closer to an end, for values in
    ``precision.LIMIT`` digits."""
    with mpmath.workdps(precision.LIMIT):
        at, low, high = (as_mp(sympy.sympify(one)) for one in (end, *domain))
        inwards = 1 if at - low < high - at else -1
        return tuple(at + inwards * (high - low) * mpmath.mpf(2) ** -k for k in TOWARDS_END)


def trend(values: Sequence[Any]) -> Expr | None:
    """Where the values at the points of ``approach`` tend to: oo, -oo, a number, or None if they
    do not settle.
    """
    if not all(is_real(value) for value in values):
        return None
    with mpmath.workdps(precision.LIMIT):
        steps = [b - a for a, b in pairwise(values)]
        if abs(steps[2]) < abs(steps[1]) * FALLS or abs(steps[2]) < SETTLED:
            return sympy.Float(values[-1], precision.LITERAL)
        if abs(steps[2]) > abs(steps[1]) * GROWS:
            return sympy.oo if steps[2] > 0 else -sympy.oo
    return None


def _substituted(expression: Expr, symbol: Symbol, end: Expr) -> Expr | None:
    """The value at the end, where no part of the expression is singular there.

    It is a float if a table says it, so that it is known to be finite.
    """
    value = expression.subs(symbol, end)
    if not value.free_symbols and value.atoms(Table):
        value = sympy.N(value, precision.LITERAL)
    if value.has(*_INDETERMINATE, sympy.AccumBounds) or value.is_finite is False:
        return None
    for power in expression.atoms(sympy.Pow):
        if power.exp.is_negative and _may_vanish(power.base.subs(symbol, end)):
            return None
    return value


def _may_vanish(value: Expr) -> bool:
    """Whether a number is 0 to many digits, or is none."""
    found = evaluate_mp_at(value, (), (), precision.LIMIT)
    return not (is_real(found) and abs(found) > precision.ZERO_AT_END)


def _symbolic(expression: Expr, symbol: Symbol, end: Expr, inwards: int) -> Expr | None:
    try:
        value = sympy.limit(expression, symbol, end, "+" if inwards > 0 else "-")
    except Exception:  # sympy's limit fails in many ways; each of them means "unknown" here
        return None
    return None if value.has(sympy.Limit, symbol, sympy.AccumBounds) else value


def _agree(symbolic: Expr, numeric: Expr) -> bool:
    return abs(sympy.N(symbolic - numeric)) <= SAME_LIMIT * (1 + abs(numeric))
