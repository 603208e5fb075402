"""Expressions with cases: cut at their conditions, and worked on branch by branch.

    e(t) = A_1 for t < c_1,  A_2 for c_1 <= t < c_2,  ..,  A_n otherwise

Whatever is done to a smooth expression over a domain is done to each branch over its part.
"""

from collections.abc import Callable
from itertools import pairwise

import sympy
from sympy import Expr, Piecewise, Symbol
from sympy.core.relational import Relational

from solvergen.algebra.evaluation import Domain, Parameters, substitute
from solvergen.errors import ScheduleError


def breakpoints(
    expression: Expr, symbol: Symbol, domain: Domain, parameters: Parameters = ()
) -> tuple[Expr, ...]:
    """Where the conditions switch inside the domain, in increasing order.

    Raises:
        ScheduleError: a condition is not linear in ``symbol``.
    """
    conditions = {one for e in expression.atoms(Piecewise) for one in e.atoms(Relational)}
    places: dict[float, Expr] = {}
    for condition in sorted(conditions, key=str):
        difference = sympy.expand(condition.lhs - condition.rhs)
        if not difference.has(symbol):
            continue
        slope = difference.coeff(symbol, 1)
        if (rest := sympy.expand(difference - slope * symbol)).has(symbol):
            raise ScheduleError(
                f"the condition {condition} is not linear in {symbol}; expected a comparison of "
                f"{symbol} with a number, as in {symbol} < 1/2"
            )
        place = -rest / slope
        value = substitute(place, parameters)
        if domain[0] < value < domain[1]:
            places.setdefault(float(value), place)
    return tuple(places[value] for value in sorted(places))


def branches(
    expression: Expr, symbol: Symbol, domain: Domain, parameters: Parameters = ()
) -> tuple[tuple[Expr, Domain], ...]:
    """The branches from left to right, each with its part of the domain; equal neighbours are
    joined.
    """
    cuts = breakpoints(expression, symbol, domain, parameters)
    ends = (domain[0], *cuts, domain[1])
    found: list[tuple[Expr, Domain]] = []
    for low, high in pairwise(ends):
        inside = substitute((low + high) / 2, parameters)
        branch = _branch(expression, {symbol: inside, **dict(parameters)})
        if found and found[-1][0] == branch:
            low = found.pop()[1][0]
        found.append((branch, (low, high)))
    return tuple(found)


def _branch(expression: Expr, point: dict[Symbol, Expr]) -> Expr:
    """The expression with every case chosen as at ``point``."""

    def chosen(cases: Expr) -> Expr:
        for value, test in cases.args:
            if test.subs(point) == True:  # noqa: E712 - a sympy truth value
                return value
        raise ScheduleError(f"{cases} has no case for {point}; expected one for every time")

    return expression.replace(lambda e: isinstance(e, Piecewise), chosen)


def by_branch(
    function: Callable[[Expr, Domain], Expr],
    expression: Expr,
    symbol: Symbol,
    domain: Domain,
    parameters: Parameters = (),
) -> Expr:
    """``function`` of each branch over its part of the domain, joined."""
    cases = [
        (function(branch, _numbers(part, parameters)), symbol < part[1])
        for branch, part in branches(expression, symbol, domain, parameters)
    ]
    return Piecewise(*cases[:-1], (cases[-1][0], True))


def inverse_by_branch(
    function: Callable[[Expr, Domain], Expr | None],
    expression: Expr,
    symbol: Symbol,
    value: Symbol,
    domain: Domain,
    parameters: Parameters = (),
) -> Expr | None:
    """The inverse of each branch, joined over the images of the parts; None if one has none."""
    parts = branches(expression, symbol, domain, parameters)
    found = [function(branch, _numbers(part, parameters)) for branch, part in parts]
    if any(back is None for back in found):
        return None
    cases = []
    for (branch, part), back in zip(parts[:-1], found, strict=False):
        level = branch.subs(symbol, part[1])
        inside = branch.subs(symbol, (part[0] + part[1]) / 2)
        falls = sympy.N(substitute(inside - level, parameters)) > 0
        cases.append((back, value > level if falls else value < level))
    return Piecewise(*cases, (found[-1], True))


def _numbers(part: Domain, parameters: Parameters) -> Domain:
    """A part of the domain with the parameters at their values."""
    return substitute(part[0], parameters), substitute(part[1], parameters)
