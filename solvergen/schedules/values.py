"""Formulas in t, alpha, sigma, alpha', sigma' at single times of a schedule, in many digits.

The schedule is evaluated once at a time, and every formula from the five numbers: nothing is put
into one another, and no formula of one schedule is compiled.
"""

from functools import lru_cache
from typing import Any

import mpmath
from sympy import Expr, Tuple, diff

from solvergen.algebra import limits, precision
from solvergen.algebra.evaluation import as_mp, compiled, evaluate_mp, evaluate_mp_at, is_real
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.symbols import OF_TIME, alpha, alpha_dot, alpha_s, s, sigma, sigma_s, t

STARTS = {s: t, alpha_s: alpha, sigma_s: sigma}


def at_time(
    formula: Expr, schedule: NoiseSchedule, time: Any, digits: int = precision.REFERENCE
) -> Any:
    """A formula in the five symbols and the schedule's parameters at a time: an mpf, an mpc where
    it is complex, or nan.
    """
    formula, symbols = _prepared(formula, schedule)
    values = [_number(one, schedule, time, digits) for one in symbols]
    return evaluate_mp_at(formula, symbols, values, digits)


def all_at_time(
    formulas: tuple[Expr, ...], schedule: NoiseSchedule, time: Any, digits: int
) -> list[Any] | None:
    """Several formulas at a time, what they share computed once; None if one is no real number."""
    together, symbols = _prepared(Tuple(*formulas), schedule)
    functions = Tuple(*(_function(one, schedule) for one in symbols))
    with mpmath.workdps(digits):
        try:
            numbers = compiled(functions, (t,), "mpmath")(as_mp(time))
            found: list[Any] = compiled(together, symbols, "mpmath")(*map(as_mp, numbers))
        except (ZeroDivisionError, ValueError, OverflowError, TypeError):
            return None
        return [as_mp(one) for one in found] if all(map(_is_number, found)) else None


def _is_number(value: Any) -> bool:
    """Whether a value of a program is real: a number that it has by heart is an int."""
    return isinstance(value, int) or is_real(value)


@lru_cache(maxsize=1024)
def numeric_limit(formula: Expr, schedule: NoiseSchedule, end: Expr) -> Expr | None:
    """The limit of a formula in the five symbols at an end of the domain, from its values alone:
    oo, -oo, a number, or None if they do not settle.
    """
    points = limits.approach(end, schedule.domain)
    return limits.trend([at_time(formula, schedule, one, precision.LIMIT) for one in points])


def is_finite_at(formula: Expr, schedule: NoiseSchedule, end: Expr) -> bool:
    """Whether a formula in the five symbols has a finite limit at an end of the domain."""
    limit = numeric_limit(formula, schedule, end)
    return limit is not None and bool(limit.is_finite)


def between(
    formula: Expr, schedule: NoiseSchedule, end: Any, start: Any, digits: int = precision.REFERENCE
) -> Any:
    """A formula in t, alpha, sigma at ``end`` and s, alpha_s, sigma_s at ``start``."""
    formula = schedule.substitute(formula)
    symbols = tuple(one for one in (*STARTS, *STARTS.values()) if one in formula.free_symbols)
    values = [
        _number(STARTS[one], schedule, start, digits)
        if one in STARTS
        else _number(one, schedule, end, digits)
        for one in symbols
    ]
    return evaluate_mp_at(formula, symbols, values, digits)


@lru_cache(maxsize=1024)
def _prepared(formula: Expr, schedule: NoiseSchedule) -> tuple[Expr, tuple[Expr, ...]]:
    """A formula with the values of the schedule's parameters, and which of the five it reads."""
    formula = schedule.substitute(formula)
    present = formula.free_symbols
    return formula, tuple(one for one in OF_TIME if one in present)


@lru_cache(maxsize=8192)
def _number(symbol: Expr, schedule: NoiseSchedule, time: Any, digits: int) -> Any:
    """What one of the five symbols is at a time."""
    return evaluate_mp(_function(symbol, schedule), t, time, digits)


@lru_cache(maxsize=256)
def _function(symbol: Expr, schedule: NoiseSchedule) -> Expr:
    """One of the five symbols as a function of time, the parameters at their values."""
    functions = {t: t, alpha: schedule.alpha, sigma: schedule.sigma}
    if symbol in functions:
        return schedule.substitute(functions[symbol])
    return schedule.substitute(diff(schedule.alpha if symbol == alpha_dot else schedule.sigma, t))
