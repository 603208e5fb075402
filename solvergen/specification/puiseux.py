"""A schedule at an end of its domain as power series in a root of the distance in gamma.

With u the distance in time, everything is expanded in v = u^(1/d), d the least denominator of the
leading powers of gamma, alpha and sigma there. The coefficients are those of the polynomials
through values at v = k 2^-40 in many digits; another value decides whether there is such a series.
Then tau = |gamma - gamma_end| = g v^m (1 + ..) is turned round, w = tau^(1/m), and powers that no
function has are left out, w^n for w.
"""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from math import gcd, lcm
from operator import mul
from typing import Any

import mpmath
from sympy import Expr, Pow, Tuple, acos, asin, log

from solvergen.algebra.evaluation import as_mp
from solvergen.derivation.parameterization import Parameterization
from solvergen.program.ends import End
from solvergen.program.laurent import Laurent
from solvergen.program.series import DECIMAL, Series
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.schedules.values import at_time, numeric_limit
from solvergen.symbols import alpha, sigma, t

CLOSE, CLOSER, LIMIT = 60, 120, 1500
"""Powers of 1/2: where leading powers are read off, and what counts as the end itself."""

BITS, SPARE = 40, 12
"""Values lie at multiples of 2^-BITS, and there are so many more than coefficients: the last one
that is kept is off by 10^-140 or so of those that follow it."""

LARGEST = 12
"""Denominators beyond are none that a person writes."""

LONGEST = 160
"""Coefficients; more take seconds."""


@lru_cache(maxsize=128)
def end_of(
    schedule: NoiseSchedule, integrand: Parameterization, variable: Expr, role: str, order: int
) -> End | None:
    """The series at the end with this role, for orders up to ``order``; None if there are none,
    or none with small denominators.

    Args:
        schedule: alpha and sigma.
        integrand: N.
        variable: gamma, which is finite there.
        role: ``start`` or ``end`` of a run.
        order: what their length is made for.
    """
    leads = [_lead(schedule, role, one) for one in (variable, alpha, sigma)]
    if any(one is None for one in leads) or not leads[0]:
        return None
    root = lcm(*(one.denominator for one in leads if one is not None))
    m = int(leads[0] * root)
    length = m * (order + 4) + 2 * max(int(one * root) for one in leads if one is not None)
    if root > LARGEST or m < 1 or length > LONGEST:
        return None
    formulas = (variable, alpha, sigma, integrand.data, integrand.noise)
    series = [_series(schedule, role, one, root, length) for one in formulas]
    if any(one is None for one in series):
        return None
    with DECIMAL.context():
        known = [one for one in series if one is not None]
        return _turned(role, m, known)


@lru_cache(maxsize=256)
def has_branch(schedule: NoiseSchedule, variable: Expr, role: str) -> bool:
    """Whether alpha or sigma may be no power series in gamma at an end where neither vanishes:
    t^(3/2) at t = 0, or gamma flat there."""
    end = schedule.t_min if role == "end" else schedule.t_max
    if _lead(schedule, role, variable) != 1:
        return True
    parts = Tuple(schedule.alpha, schedule.sigma)
    bases = [one.base for one in parts.atoms(Pow) if one.has(t) and not one.exp.is_Integer]
    bases += [one.args[0] for one in parts.atoms(log)]
    bases += [1 - one.args[0] ** 2 for one in parts.atoms(acos, asin)]
    return any(one.has(t) and numeric_limit(one, schedule, end) == 0 for one in bases)


def _at(schedule: NoiseSchedule, role: str, formula: Expr, distance: Any, digits: int) -> Any:
    """The value at a distance in time, which is exact in so many digits."""
    low, high = map(as_mp, schedule.domain)
    return at_time(formula, schedule, low + distance if role == "end" else high - distance, digits)


@lru_cache(maxsize=512)
def _lead(schedule: NoiseSchedule, role: str, formula: Expr) -> Fraction | None:
    """The leading power of u in a formula less its limit."""
    digits = LIMIT
    with mpmath.workdps(digits):
        near, nearer, end = (
            _at(schedule, role, formula, mpmath.mpf(2) ** -k, digits)
            for k in (CLOSE, CLOSER, LIMIT)
        )
        if not all(isinstance(one, mpmath.mpf) and mpmath.isfinite(one) for one in (near, end)):
            return None
        if near == nearer == end:
            return Fraction(0)
        slope = float(mpmath.log(abs((near - end) / (nearer - end)), 2) / (CLOSER - CLOSE))
        found = Fraction(slope).limit_denominator(LARGEST)
        return found if abs(slope - found) < 1e-6 else None


@lru_cache(maxsize=512)
def _series(
    schedule: NoiseSchedule, role: str, formula: Expr, root: int, length: int
) -> Laurent | None:
    """Coefficients in v = u^(1/root); None if another value is not theirs."""
    if formula.is_number:
        return _laurent([formula, *[0] * (length - 1)], 0)
    count = length + SPARE
    digits = int(BITS * 0.302 * count) + 140
    with mpmath.workdps(digits):
        points = [mpmath.mpf(k) * mpmath.mpf(2) ** -BITS for k in range(1, count + 2)]
        values = [_at(schedule, role, formula, v**root, digits) for v in points]
        if not all(isinstance(one, mpmath.mpf) and mpmath.isfinite(one) for one in values):
            return None
        pole = _pole(values)
        values = [one * v**pole for one, v in zip(values, points, strict=True)]
        found = _interpolated(values[:-1])
        scale = max(map(abs, values))
        if abs(mpmath.polyval(found[::-1], points[-1]) - values[-1]) > scale * 1e-60:
            return None
        return _laurent(found[:length], -pole)


def _pole(values: Sequence[Any]) -> int:
    """The power of 1/v that values at v, 2 v, .. grow with."""
    if values[0] == 0 or values[1] == 0:
        return 0
    return max(0, round(float(mpmath.log(abs(values[0] / values[1]), 2))))


def _interpolated(values: Sequence[Any]) -> list[Any]:
    """The coefficients of the polynomial through values at the multiples of 2^-BITS, by Newton's
    differences, in integers: in these multiples all divisors are whole."""
    count, places = len(values), mpmath.mp.prec
    ell = [int(mpmath.ldexp(one, places)) for one in values]
    for k in range(1, count):
        for j in range(count - 1, k - 1, -1):
            ell[j] = (ell[j] - ell[j - 1]) // k
    found = [ell[-1]]
    for point in range(count - 1, 0, -1):
        found = [a - point * b for a, b in zip([0, *found], [*found, 0], strict=True)]
        found[0] += ell[point - 1]
    return [mpmath.ldexp(mpmath.mpf(c), BITS * k - places) for k, c in enumerate(found)]


def _laurent(numbers: Sequence[Any], lead: int) -> Laurent:
    """Numbers as decimals; what is rounding, as 0."""
    with DECIMAL.context(), mpmath.workdps(DECIMAL.digits):
        exact = [Decimal(mpmath.nstr(as_mp(one), DECIMAL.digits)) for one in numbers]
        return Laurent.of([Decimal(0) if DECIMAL.is_zero(one) else one for one in exact], lead)


def _turned(role: str, m: int, series: Sequence[Laurent]) -> End:
    """From series in v to series in w."""
    gamma, *functions = series
    moved = gamma.coefficients(m, gamma.end)
    scale = abs(moved[0])
    unit = Series(tuple(c / moved[0] for c in moved), DECIMAL)
    w = _power(unit, Fraction(1, m))  # times scale^(1/m) v
    stretch = scale ** (Decimal(1) / m)
    inverse = _reversed(Series(tuple(c * stretch for c in w.coefficients), DECIMAL))
    found = [_composed(one, inverse) for one in functions]
    step = gcd(m, *(power for one in found for power in _powers(one)))
    return End(role, m // step, *(_every(one, step) for one in found))


def _power(unit: Series, exponent: Fraction) -> Series:
    """(1 + ..)^exponent: n p_n = sum_k (k (e + 1) - n) c_k p_(n-k)."""
    e, c = DECIMAL.of(exponent), unit.coefficients
    if not any(c[1:]):
        return unit
    rising = [k * (e + 1) * one for k, one in enumerate(c)]
    found = [Decimal(1)]
    for n in range(1, len(c)):
        backwards = found[::-1]
        first, second = (sum(map(mul, one[1:], backwards), Decimal(0)) for one in (rising, c))
        found.append(first / n - second)
    return Series(tuple(found), DECIMAL)


def _reversed(factor: Series) -> Series:
    """g with v = w g(w) for w = v f(v): the coefficient of w^n in v is that of v^(n-1) in
    f^(-n)/n (Lagrange).
    """
    first = factor.coefficients[0]
    unit = tuple(c / first for c in factor.coefficients)
    found = [
        _power(Series(unit[:n], DECIMAL), Fraction(-n)).coefficients[-1] / (n * first**n)
        for n in range(1, len(unit) + 1)
    ]
    return Series(tuple(found), DECIMAL)


def _composed(one: Laurent, inverse: Series) -> Laurent:
    """A series in v = w g(w), as one in w: v^lead by powers of g, the rest by Horner's scheme."""
    if one.is_zero:
        return one
    count = min(len(one.series.coefficients), len(inverse.coefficients))
    g = Series(inverse.coefficients[:count], DECIMAL)
    v = Series((Decimal(0), *g.coefficients[:-1]), DECIMAL)
    total = Series.of([0], 1, DECIMAL)
    for k, c in enumerate(one.series.coefficients[count - 1 :: -1], start=1):
        known = (*total.coefficients, Decimal(0))[:k]  # what is left multiplies it by v^(count - k)
        total = Series(known, DECIMAL) * Series(v.coefficients[:k], DECIMAL) + c
    unit = Series(tuple(c / g.coefficients[0] for c in g.coefficients), DECIMAL)
    front = _power(unit, Fraction(one.lead)) * (g.coefficients[0] ** one.lead)
    found = (total * front).coefficients
    return Laurent.of([Decimal(0) if DECIMAL.is_zero(c) else c for c in found], one.lead)


def _powers(one: Laurent) -> list[int]:
    """The powers that are there."""
    return [one.lead + i for i, c in enumerate(one.series.coefficients) if c]


def _every(one: Laurent, step: int) -> Laurent:
    """The series in w^step."""
    if step == 1 or one.is_zero:
        return one if step == 1 else Laurent(one.lead // step, one.series)
    return Laurent.of(one.series.coefficients[::step], one.lead // step)
