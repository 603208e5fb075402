"""Formulas in t, alpha, sigma, alpha', sigma' at single times of a schedule, in many digits.

The schedule is evaluated once at a time, and every formula from the five numbers: nothing is put
into one another, and no formula of one schedule is compiled.
"""

from collections.abc import Callable
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


def together_at(
    formulas: tuple[Expr, ...], schedule: NoiseSchedule
) -> Callable[[Any], list[Any] | None]:
    """Several formulas as a function of time in the precision that is in force, what they share
    computed once; None where one is no real number.
    """
    together, symbols = _prepared(Tuple(*formulas), schedule)
    functions = Tuple(*(_function(one, schedule) for one in symbols))
    numbers, values = compiled(functions, (t,), "mpmath"), compiled(together, symbols, "mpmath")

    def at(time: Any) -> list[Any] | None:
        try:
            found = values(*map(_as_real, numbers(time)))
        except (ZeroDivisionError, ValueError, OverflowError, TypeError):
            return None
        return list(map(_as_real, found)) if all(map(_is_number, found)) else None

    return at


def _as_real(value: Any) -> Any:
    """A value of a program, which is rounded as it is, as a number; an error if it is complex."""
    return value if isinstance(value, mpmath.mpf) else as_mp(value)


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
