"""Functions of time in the forms that keep their digits and take the fewest operations.

A closed inverse is taken if its round trip in float64 closes wherever it was measured, ends of the
domain left out: which of two branches is right is decided by values, and one that is not there at
a single point has decided for the wrong one. Without one the module looks the time up in a table
of the function, which costs no digits either.
"""

from functools import lru_cache

import mpmath
import numpy as np
from sympy import Expr, Symbol

from solvergen.algebra import precision
from solvergen.algebra.collection import collected
from solvergen.algebra.evaluation import evaluate_float, evaluate_mp, is_real, points_near_ends
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.symbols import t

CLOSES = 1e-10
"""The error of an inverse beyond which it is none: good ones have some 1e-15, ones that lose half
of their digits at an end 1e-9, ones with a lost branch 1."""

ROUNDINGS, BESIDE = 1e12, 1e-3
"""What is not counted against an inverse: a hundred roundings of the value, and 1e-13 of the
domain, which digits of t_min + d in t_max - t are."""


def in_time(expression: Expr, schedule: NoiseSchedule) -> Expr:
    """The form of a function of t that is most accurate in float64 over the domain."""
    if not expression.has(t):
        return expression
    return with_parameters(schedule.stable(expression), schedule)


def with_parameters(expression: Expr, schedule: NoiseSchedule) -> Expr:
    """The same formula with the schedule's parameters collected: they are numbers in code."""
    return collected(expression, frozenset(symbol for symbol, _ in schedule.parameters))


def inverse(variable: Expr, value: Symbol, schedule: NoiseSchedule) -> Expr | None:
    """The time at which a function of t has a value; None without a closed form that is right."""
    found = schedule.stable_inverse(variable, value)
    return None if found is None else closing(found, variable, value, schedule)


def closing(found: Expr, variable: Expr, value: Symbol, schedule: NoiseSchedule) -> Expr | None:
    """A form of the inverse of a function of t, or None if it is none somewhere in the domain."""
    form = with_parameters(found, schedule)
    return form if round_trip_error(form, variable, value, schedule) <= CLOSES else None


@lru_cache(maxsize=256)
def round_trip_error(form: Expr, variable: Expr, value: Symbol, schedule: NoiseSchedule) -> float:
    """The worst distance of time(value(t)) in float64 from t, relative to t, over the domain.

    Or to what ``ROUNDINGS`` of the value and ``BESIDE`` of the domain are, where that is larger;
    infinite where the form has no value.
    """
    exact = schedule.substitute(variable)
    low, high = map(float, schedule.domain)
    rows = []
    with mpmath.workdps(precision.SENSITIVITY):
        for time in points_near_ends(low, high):
            step = (high - low) * precision.DIFFERENCE * 1e-10
            near, at = (
                evaluate_mp(exact, t, mpmath.mpf(time) + shift, precision.SENSITIVITY)
                for shift in (step, 0)
            )
            if is_real(near) and is_real(at) and near != at and abs(at) < 1e300:
                rounding = abs(float(at)) * 2.0**-52 * abs(float(step / (near - at)))
                rows.append(
                    (time, float(at), max(abs(time), ROUNDINGS * rounding, BESIDE * (high - low)))
                )
    if not rows:
        return float("inf")
    times, images, scales = np.array(rows).T
    back = evaluate_float(form, value, images, schedule.parameters)
    return float(np.max(np.where(np.isfinite(back), np.abs(back - times) / scales, np.inf)))
