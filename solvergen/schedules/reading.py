"""What a user gives of a schedule, read: parameters, the domain, formulas of one time symbol."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import sympy
from sympy import Expr, Rational, Symbol

from solvergen import naming, symbols
from solvergen.algebra import namespace, size
from solvergen.algebra.evaluation import Parameters
from solvergen.algebra.expressions import exact, parse, rational
from solvergen.errors import ScheduleError
from solvergen.symbols import t


def read_parameters(given: Any) -> Parameters:
    """Pairs of a symbol, positive if its value is, and an exact number.

    Raises:
        ScheduleError: they are no such pairs, or too many.
    """
    pairs = given.items() if isinstance(given, Mapping) else given
    if not isinstance(pairs, Iterable) or isinstance(pairs, str):
        raise ScheduleError(
            f"parameters: got {naming.shown(given)}; expected a mapping of names to numbers"
        )
    parameters: dict[str, tuple[Symbol, Rational]] = {}
    for pair in pairs:
        if not (isinstance(pair, tuple | list) and len(pair) == 2):
            raise ScheduleError(
                f"parameters: got {naming.shown(pair)}; expected a pair (name, number)"
            )
        key, number = pair
        name = namespace.parameter(key.name if isinstance(key, Symbol) else key)
        if name in parameters:
            raise ScheduleError(f"parameter {name} is given twice; expected one value")
        try:
            value = rational(number)
        except ScheduleError as error:
            raise ScheduleError(f"parameter {name}: {error}") from error
        symbol = Symbol(name, positive=True) if value > 0 else Symbol(name, real=True)
        parameters[name] = (symbol, value)
        if len(parameters) > size.MAX_PARAMETERS:
            raise ScheduleError(
                f"got more than {size.MAX_PARAMETERS} parameters; expected at most that many"
            )
    return tuple(parameters.values())


def read_domain(given: Any) -> tuple[Expr, Expr]:
    """t_min and t_max.

    Raises:
        ScheduleError: they are no two times, t_min < t_max.
    """
    try:
        low, high = given if isinstance(given, tuple | list | np.ndarray) else ()
    except ValueError as error:
        raise ScheduleError(
            f"domain: got {naming.shown(given)}; expected two times (t_min, t_max)"
        ) from error
    low, high = (_read_end(end) for end in (low, high))
    if low < 0:
        raise ScheduleError(
            f"domain: got t_min = {low}; expected times >= 0: shift the time variable"
        )
    if not low < high:
        raise ScheduleError(f"domain: got ({low}, {high}); expected t_min < t_max")
    return low, high


def _read_end(given: Any) -> Expr:
    if isinstance(given, str):
        given = parse(given)
    if isinstance(given, Expr):
        end = exact(given)
        if end.free_symbols or end.is_real is not True:
            raise ScheduleError(
                f"domain: got the end {naming.shown(given)}; expected a finite real number"
            )
        return end
    try:
        return rational(given)
    except ScheduleError as error:
        raise ScheduleError(f"domain: {error}") from error


def read_formulas(alpha: Any, sigma: Any, parameters: Parameters) -> tuple[Expr, Expr]:
    """alpha and sigma, each of which may be written in the other.

    Raises:
        ScheduleError: they are written in each other, or too large.
    """
    a = read_formula("alpha", alpha, parameters, symbols.sigma)
    b = read_formula("sigma", sigma, parameters, symbols.alpha)
    if a.has(symbols.sigma) and b.has(symbols.alpha):
        raise ScheduleError(
            f"alpha = {a} and sigma = {b} are written in each other; expected one of the two in "
            "time alone"
        )
    found = a.xreplace({symbols.sigma: b}), b.xreplace({symbols.alpha: a})
    for name, formula in zip(("alpha", "sigma"), found, strict=True):
        if excess := size.excess_of_formula(formula):
            raise ScheduleError(f"{name} is too large a formula: {excess}")
    if (common := size.root(*found)) > size.MAX_ROOT:
        raise ScheduleError(
            f"the exponents of alpha and sigma have the common denominator {common}; expected at "
            f"most {size.MAX_ROOT}"
        )
    return found


def read_formula(
    what: str, given: Any, parameters: Parameters, other: Symbol | None = None
) -> Expr:
    """alpha or sigma as an exact expression in the parameters' own symbols, and in the ``other``
    of the two.

    Raises:
        ScheduleError: it is no formula of time, or written through the imaginary unit.
    """
    found = _read_expression(what, given, parameters, other)
    if found.has(sympy.I):
        raise ScheduleError(
            f"{what} = {naming.shown(found)} is written through I, the root of -1; expected real "
            "roots and logarithms: sqrt(1 - t), not -I*sqrt(t - 1)"
        )
    return found


def _read_expression(what: str, given: Any, parameters: Parameters, other: Symbol | None) -> Expr:
    """The same, of complex numbers too."""
    named = {symbol.name: symbol for symbol, _ in parameters}
    if isinstance(given, str):
        return parse(given, [*named.values(), *([other] if other else [])])
    if isinstance(given, bool) or (isinstance(given, sympy.Basic) and not isinstance(given, Expr)):
        raise ScheduleError(f"{what}: got {naming.shown(given)}; expected a formula of time")
    if isinstance(given, Expr):
        expression = exact(given)
        return expression.xreplace(
            {e: named[e.name] for e in expression.free_symbols if e.name in named}
        )
    try:
        return rational(given)
    except ScheduleError as error:
        raise ScheduleError(f"{what}: {error}; or a formula of time") from error


def time_symbol(alpha: Expr, sigma: Expr, parameters: Parameters) -> Symbol:
    """The one symbol that is not a parameter.

    Raises:
        ScheduleError: there are others.
    """
    known = {symbol for symbol, _ in parameters}
    free = sorted((alpha.free_symbols | sigma.free_symbols) - known, key=str)
    if len(free) > 1:
        raise ScheduleError(
            f"got the symbols {', '.join(map(str, free))}; expected one time symbol "
            "(give every other symbol a value in parameters)"
        )
    return free[0] if free else t
