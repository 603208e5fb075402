"""Whether an expression is zero, decided by values in many digits.

Simplification may take forever and may fail, so values have the last word. An analytic expression
below 10^-40 of what its terms are, in 50 digits at several random points of the domain, is taken to
be zero: for expressions of this size a coincidence has probability below 1e-100. e^(-2000 t) and
10^-200 t are small and not zero. The points are drawn from a fixed seed, so an answer never changes
between runs.
"""

import random
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

import mpmath
from sympy import Expr, Symbol, exp

from solvergen.algebra import precision
from solvergen.algebra.evaluation import Domain, as_mp, evaluate_mp_at

POINTS = 12
"""So many that they lie in every branch of a formula with a few cases, which is analytic in each
one alone."""

PAIRS = 4
"""Of two times: formulas of two times have no cases, and every value of theirs costs two."""


def sample_points(domain: Domain, count: int) -> list[Any]:
    """Random points inside the domain, the same ones in every run."""
    generator = random.Random(20231123)
    with mpmath.workdps(precision.REFERENCE):
        low, high = map(as_mp, domain)
        return [
            low + (high - low) * mpmath.mpf(generator.randrange(10**6, 99 * 10**6)) / 10**8
            for _ in range(count)
        ]


def vanishes(expression: Expr, symbol: Symbol, domain: Domain) -> bool:
    """Whether a function of one symbol is zero over the domain."""
    if expression == 0:
        return True
    points = ((point,) for point in sample_points(domain, POINTS))
    return _is_zero_at(expression, (symbol,), points)


def vanishes_between(expression: Expr, end: Symbol, start: Symbol, domain: Domain) -> bool:
    """Whether a function of two symbols is zero for all end < start in the domain."""
    points = sample_points(domain, 2 * PAIRS)
    pairs = zip(points[:PAIRS], points[PAIRS:], strict=True)
    return _is_zero_at(expression, (end, start), map(sorted, pairs))


def _is_zero_at(
    expression: Expr, symbols: tuple[Symbol, ...], places: Iterable[Sequence[Any]]
) -> bool:
    """A pole is nan, and nan is not zero."""
    for place in places:
        value = abs(evaluate_mp_at(expression, symbols, place))
        if not value < 1 or value > precision.ZERO * _magnitude(expression, symbols, place):
            return False
    return True


def _magnitude(e: Expr, symbols: tuple[Symbol, ...], place: Sequence[Any]) -> Any:
    """What a value would be if no terms cancelled; no zero can be told beside an infinity."""
    with mpmath.workdps(precision.REFERENCE):
        if e.is_Add or e.is_Mul:
            parts = [_magnitude(one, symbols, place) for one in e.args]
            return mpmath.fsum(parts) if e.is_Add else mpmath.fprod(parts)
        if e.is_Pow and e.exp.is_Rational and e.exp > 0:
            return _magnitude(e.base, symbols, place) ** as_mp(e.exp)
        value = abs(evaluate_mp_at(e, symbols, place))
        if e.is_Function and not isinstance(e, exp):
            value = max(value, mpmath.mpf(1))
        return value if mpmath.isfinite(value) else mpmath.mpf(0)


def rational_near(value: Any, largest_denominator: int) -> Fraction | None:
    """The fraction that a value in ``precision.REFERENCE`` digits is, or None if it is none with a
    denominator up to that.
    """
    with mpmath.workdps(precision.REFERENCE):
        digits = mpmath.nstr(value, precision.REFERENCE - 5)
        found = Fraction(digits).limit_denominator(largest_denominator)
        gap = abs(value - mpmath.mpf(found.numerator) / found.denominator)
    return found if gap < precision.ZERO else None
