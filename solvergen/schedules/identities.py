"""Identities between functions of t, decided without open-ended simplification.

Two analytic expressions that agree to 40 digits at several random points of the domain are taken
to be equal: for expressions of this size a coincidence has probability below 1e-100. The points
are drawn from a fixed seed, so an answer never changes between runs.
"""

import random
from fractions import Fraction
from typing import Any

import mpmath
from sympy import Expr, Rational

from solvergen.algebra.evaluation import DIGITS, as_mp, evaluate_mp
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.symbols import t

TOLERANCE = mpmath.mpf(10) ** -40
POINTS = 5


def sample_points(schedule: NoiseSchedule, count: int = POINTS) -> list[mpmath.mpf]:
    """Random points inside the domain, the same ones in every run."""
    generator = random.Random(20231123)
    with mpmath.workdps(DIGITS):
        low, high = as_mp(schedule.t_min), as_mp(schedule.t_max)
        return [
            low + (high - low) * mpmath.mpf(generator.randrange(10**6, 99 * 10**6)) / 10**8
            for _ in range(count)
        ]


def values(expression: Expr, schedule: NoiseSchedule, count: int = POINTS) -> list[Any]:
    """The expression at ``count`` sample points, to 50 digits."""
    exact = schedule.substitute(expression)
    return [evaluate_mp(exact, t, point) for point in sample_points(schedule, count)]


def is_zero(expression: Expr, schedule: NoiseSchedule) -> bool:
    """Whether the expression vanishes for every t."""
    if expression == 0:
        return True
    return all(abs(value) < TOLERANCE for value in values(expression, schedule))


def constant_ratio(numerator: Expr, denominator: Expr, schedule: NoiseSchedule) -> Expr | None:
    """The rational c with  numerator = c denominator  for every t, or None."""
    if denominator == 0:
        return None
    tops, bottoms = values(numerator, schedule), values(denominator, schedule)
    if any(abs(bottom) < TOLERANCE for bottom in bottoms):
        return None
    with mpmath.workdps(DIGITS):
        ratios = [top / bottom for top, bottom in zip(tops, bottoms, strict=True)]
        if any(abs(ratio - ratios[0]) > TOLERANCE * (1 + abs(ratios[0])) for ratio in ratios):
            return None
        fraction = Fraction(mpmath.nstr(ratios[0], DIGITS - 5)).limit_denominator(1000)
        if abs(ratios[0] - mpmath.mpf(fraction.numerator) / fraction.denominator) > TOLERANCE:
            return None
    return Rational(fraction.numerator, fraction.denominator)
