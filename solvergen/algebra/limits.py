"""Limits of an expression at an end of a time domain, never by adding an epsilon.

Where nothing is singular the end is put in, else into the expression as one cancelled fraction.
Else the values in many digits along t = end -+ 2^-k decide: they settle, grow beyond bounds, or do
neither. A value that they settle at is told from its 40 digits where it is 0 or a plain number
times sqrt, pi or 1/pi; any other is said to be extrapolated.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import mpmath
import sympy
from sympy import Expr, Symbol

from solvergen.algebra import bounded, precision
from solvergen.algebra.evaluation import Domain, as_mp, evaluate_mp, evaluate_mp_at, is_real
from solvergen.algebra.tables import Table
from solvergen.algebra.zero import rational_near

TOWARDS_END = (20, 30, 40, 60, 80, 120, 160)
"""k of the distances 2^-k of ``approach``. Every other one is the square of the one before that, so
that a power of the distance is told from a logarithm, whose steps grow by the same factor; those
between tell what only oscillates."""
FALLS, GROWS = mpmath.mpf("1e-3"), mpmath.mpf("1.5")
"""How much smaller or larger than the step before the last one has to be: of tau^p it is smaller by
2^(-40 p), 10^-3 for p = 1/4; of a logarithm it is twice as large."""
SETTLED = 1e-20
"""A step smaller than this has no part in float64."""
DENOMINATOR = 10_000
"""The largest of a number that is told from its digits: a random value is that near to one of a
fraction, its square root, and a fraction times pi or 1/pi once in 10^30."""
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


@lru_cache(maxsize=1024)
@precision.own
def one_sided_limit(expression: Expr, symbol: Symbol, end: Expr, domain: Domain) -> Limit:
    """The limit of ``expression`` at ``end`` from inside the domain; nan where there is none."""
    end = sympy.sympify(end)
    forms = [expression]
    if expression.is_rational_function(symbol):
        forms.append(bounded.factor(bounded.cancel(expression)))
    for form in forms:
        plain = _substituted(form, symbol, end)
        if plain is not None:
            return Limit(plain, True)
    points = approach(end, domain)
    values = [evaluate_mp(forms[-1], symbol, point, precision.LIMIT) for point in points]
    found = trend(values)
    if found is None:
        return Limit(sympy.nan, False)
    told = found if found == 0 or not found.is_finite else _told(_settled(values))
    return Limit(found, False) if told is None else Limit(told, True)


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
        ladder = values[::2]
        steps = [b - a for a, b in pairwise(ladder)]
        if all(abs(b) <= abs(a) * FALLS for a, b in pairwise(ladder)):
            return sympy.S.Zero
        if abs(steps[2]) < abs(steps[1]) * FALLS or abs(steps[2]) < SETTLED:
            return sympy.Float(_settled(values), precision.LITERAL)
        if abs(steps[2]) > abs(steps[1]) * GROWS and _is_monotone(values):
            return sympy.oo if steps[2] > 0 else -sympy.oo
    return None


def _is_monotone(values: Sequence[Any]) -> bool:
    signs = {mpmath.sign(b - a) for a, b in pairwise(values)}
    return len(signs) == 1


def _settled(values: Sequence[Any]) -> Any:
    """The limit of the last three values, whose distance to the end falls by one factor: without
    the error that falls by one factor too.
    """
    with mpmath.workdps(precision.LIMIT):
        before, last = (b - a for a, b in pairwise(values[-3:]))
        return values[-1] - last**2 / (last - before) if last != before else values[-1]


def _told(value: Any) -> Expr | None:
    """The number that a value is to 40 digits, if it is a plain one."""
    with mpmath.workdps(precision.LIMIT):
        for factor in (sympy.S.One, sympy.pi, 1 / sympy.pi):
            ratio = value / as_mp(factor)
            if (found := rational_near(ratio, DENOMINATOR)) is not None:
                return sympy.Rational(found.numerator, found.denominator) * factor
        if (found := rational_near(value**2, DENOMINATOR)) is not None:
            root = sympy.sqrt(sympy.Rational(found.numerator, found.denominator))
            return root if value > 0 else -root
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
