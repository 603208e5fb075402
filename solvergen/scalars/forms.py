"""Functions of time in the forms that keep their digits and take the fewest operations.

A closed inverse is taken if its round trip in float64 closes wherever it was measured, ends of the
domain left out: which of two branches is right is decided by values, and one that is not there at
a single point has decided for the wrong one. Without one the module looks the time up in a table
of the function, which costs no digits either.
"""

from functools import lru_cache

import mpmath
import numpy as np
from sympy import Expr, Integer, Piecewise, Symbol, UnevaluatedExpr, Wild, cos, expand, sin

from solvergen.algebra import precision
from solvergen.algebra.accurate_form import ExactValues, exact_values, stable_form
from solvergen.algebra.collection import collected
from solvergen.algebra.evaluation import evaluate_float, evaluate_mp, is_real, points_near_ends
from solvergen.algebra.tables import Interpolate, Slope
from solvergen.schedules.flatness import has_flat_end
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.symbols import t

DISTANCE = Symbol("t_max - t", positive=True)
"""No parameter has this name."""

_ANGLE = Wild("angle")
_SQUARES = (
    (cos(_ANGLE) ** 2, 1 - sin(_ANGLE) ** 2),
    (sin(_ANGLE) ** 2, 1 - cos(_ANGLE) ** 2),
)

FAIR, GAIN = 1e-13, 8.0
"""The error of a form beyond which another is looked for, and what that has to win."""

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
    form = with_parameters(schedule.stable(expression), schedule)
    if expression.has(Piecewise, Interpolate, Slope):
        return form
    return _from_end(form, expression, schedule)


def error_in_float(form: Expr, expression: Expr, schedule: NoiseSchedule) -> float:
    """The worst error of a form of a function of t in float64, to the ends of the domain."""
    return exact_in_time(expression, schedule).error(form, schedule.parameters)


@lru_cache(maxsize=64)
def exact_in_time(expression: Expr, schedule: NoiseSchedule) -> ExactValues:
    """A function of t in many digits, to the ends of the domain."""
    low, high = (float(end) for end in schedule.domain)
    points = points_near_ends(low, high)
    return exact_values(schedule.substitute(expression), t, points, (low, high))


@lru_cache(maxsize=256)
def _from_end(form: Expr, expression: Expr, schedule: NoiseSchedule) -> Expr:
    """The form, or one in t_max - t if that keeps far more digits.

    In 229/100 (1 - t) - 129/100 sin(pi (1 - t)/2)^2 the distance 1 - t is not multiplied out.
    """
    exact = exact_in_time(expression, schedule)
    error = exact.error(form, schedule.parameters)
    if error <= FAIR:
        return form
    reversed_time = expand(expression.xreplace({t: schedule.t_max - DISTANCE}))
    width = schedule.t_max - schedule.t_min
    domain = (Integer(0), width)
    squares = tuple(expand(reversed_time.replace(*one)) for one in _SQUARES)
    found = stable_form(reversed_time, DISTANCE, domain, schedule.parameters, squares)
    other = with_parameters(
        found.xreplace({DISTANCE: UnevaluatedExpr(schedule.t_max - t)}), schedule
    )
    return other if exact.error(other, schedule.parameters) < error / GAIN else form


def with_parameters(expression: Expr, schedule: NoiseSchedule) -> Expr:
    """The same formula with the schedule's parameters collected: they are numbers in code."""
    return collected(expression, frozenset(symbol for symbol, _ in schedule.parameters))


def inverse(variable: Expr, value: Symbol, schedule: NoiseSchedule) -> Expr | None:
    """The time at which a function of t has a value; None without a closed form that is right.

    Where lambda is flat at an end it is a root that has no value a rounding beyond: there a table
    tells the time as well as lambda does.
    """
    if has_flat_end(schedule):
        return None
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
