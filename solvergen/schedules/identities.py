"""Expressions of time at a few points of a schedule's domain, and constant ratios of them.

Whether an expression is zero, and why values decide that: ``solvergen.algebra.zero``.
"""

from typing import Any

import mpmath
from sympy import Expr, Integer, Rational

from solvergen.algebra import precision, zero
from solvergen.algebra.evaluation import evaluate_mp
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.symbols import t

POINTS = 5
"""A ratio that is one rational number to 40 digits at so many points is constant."""

DENOMINATOR = 1000
"""The largest of a constant ratio: those of schedules are products of powers of 2 and 3, or the
user's, in thousandths. A random ratio is that near to such a fraction once in 10^34."""


def sample_points(schedule: NoiseSchedule, count: int = POINTS) -> list[Any]:
    """Random points inside the domain, the same ones in every run."""
    return zero.sample_points(schedule.domain, count)


def sampled(expression: Expr, schedule: NoiseSchedule, count: int = POINTS) -> list[Any]:
    """The values of an expression at ``count`` of them, to 50 digits."""
    exact = schedule.substitute(expression)
    return [evaluate_mp(exact, t, point) for point in sample_points(schedule, count)]


def constant_ratio(numerator: Expr, denominator: Expr, schedule: NoiseSchedule) -> Expr | None:
    """The rational c with  numerator = c denominator  for every t, or None."""
    if denominator == 0:
        return None
    tops, bottoms = sampled(numerator, schedule), sampled(denominator, schedule)
    if any(bottom == 0 for bottom in bottoms):
        return None
    with mpmath.workdps(precision.REFERENCE):
        ratios = [top / bottom for top, bottom in zip(tops, bottoms, strict=True)]
        limit = precision.ZERO * abs(ratios[0])
        if not all(abs(ratio - ratios[0]) <= limit for ratio in ratios):
            return Integer(0) if schedule.vanishes(numerator) else None
    found = zero.rational_near(ratios[0], DENOMINATOR)
    if found is None or (found == 0 and ratios[0] != 0):
        return None
    return Rational(found.numerator, found.denominator)
