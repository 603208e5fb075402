"""Closed-form inverses by unwinding.

``e(x) = y`` is peeled from the outside while ``x`` stands in one place: sums, products, powers
and functions go to the other side. Where ``x`` stands in several places, they are written in one
*generator* ``u = g(x)`` (an exponential, a cosine, a tangent, ``x`` itself, ..) in which ``e`` is
algebraic; radicals are eliminated by squaring; a linear or quadratic polynomial in ``u^k`` is
solved; and ``g(x) = u`` is unwound in turn. Squaring and periodic functions make extra solutions.
The right one is chosen by round trips at points of the domain, in many digits.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice
from math import inf

import mpmath
import sympy
from sympy import Add, Dummy, Expr, Mul, Piecewise, Pow, Symbol

from solvergen.algebra import precision
from solvergen.algebra.accurate_form import exact_values, most_accurate_rewriting
from solvergen.algebra.bounded import factor, together
from solvergen.algebra.evaluation import (
    Domain,
    Parameters,
    evaluate_mp,
    is_real,
    points_near_ends,
    substitute,
)
from solvergen.algebra.piecewise import inverse_by_branch
from solvergen.algebra.readable import effort
from solvergen.algebra.roots import algebraic_roots
from solvergen.algebra.substitutions import generators
from solvergen.algebra.tables import Interpolate

Y = Symbol("value_to_invert", real=True)
"""The value that is inverted, inside this module."""

MAX_DEPTH = 6
"""Substitutions inside one another: each one multiplies the candidates by the number of roots."""

MAX_STEPS = 60
"""Substitutions in all, for one expression. Those of the named schedules take 8 at most, a
bounded cosine 15."""

MAX_CANDIDATES = 200
"""Inverses that are tried, one round trip each and more for the right ones."""

MAX_FORMS = 10
"""Candidates after the first inverse, among which more accurate forms of it are looked for."""


def invert(
    expression: Expr,
    symbol: Symbol,
    value: Symbol,
    domain: Domain,
    parameters: Parameters = (),
) -> Expr | None:
    """``symbol`` as an expression of ``value``, where ``expression = value`` and symbol is in
    ``domain``.

    None if there is no closed form that this method finds. Parameters stay symbols in the result;
    the branch is the one that holds at their values.
    """
    if expression.has(Piecewise):
        return inverse_by_branch(
            lambda branch, part: invert(branch, symbol, value, part, parameters),
            expression,
            symbol,
            value,
            domain,
            parameters,
        )
    forms = inverses(expression, symbol, domain, parameters)
    return min(forms, key=effort).xreplace({Y: value}) if forms else None


@lru_cache(maxsize=256)
@precision.own
def stable_inverse(
    expression: Expr,
    symbol: Symbol,
    value: Symbol,
    domain: Domain,
    parameters: Parameters = (),
) -> Expr | None:
    """The closed form of ``invert`` that keeps most digits in float64 over the image of the
    domain.
    """
    if expression.has(Piecewise):
        return inverse_by_branch(
            lambda branch, part: stable_inverse(branch, symbol, value, part, parameters),
            expression,
            symbol,
            value,
            domain,
            parameters,
        )
    forms = inverses(expression, symbol, domain, parameters)
    if not forms:
        return None
    low, high = (float(sympy.N(end)) for end in domain)
    numeric = substitute(expression, parameters)
    images = [evaluate_mp(numeric, symbol, x) for x in (low, *points_near_ends(low, high), high)]
    values = sorted({float(y) for y in images if is_real(y)})
    limits = [float(limit) for limit in exact_values(numeric, symbol, (), (low, high)).values]
    ends = sorted(limits) if len(limits) == 2 else [-inf, inf]
    exact = substitute(forms[0], parameters)
    measure = exact_values(exact, Y, [y for y in values if y not in ends], (ends[0], ends[1]))
    return most_accurate_rewriting(forms, measure, parameters).xreplace({Y: value})


@lru_cache(maxsize=256)
@precision.own
def inverses(
    expression: Expr,
    symbol: Symbol,
    domain: Domain,
    parameters: Parameters = (),
) -> tuple[Expr, ...]:
    """Some forms of the inverse, as functions of ``Y``; empty if none is found.

    They are equal on the image of the domain and different in float64.
    """
    low, high = (float(sympy.N(end)) for end in domain)
    points = points_near_ends(low, high, closest=4, interior=9)
    numeric = substitute(expression, parameters)
    pairs = [(x, evaluate_mp(numeric, symbol, x, precision.INVERSION)) for x in points]
    pairs = [(x, y) for x, y in pairs if is_real(y)]
    x = Dummy("x", positive=True)
    found: dict[Expr, None] = {}
    after = 0
    for candidate in islice(unwind(expression.xreplace({symbol: x}), x, Y), MAX_CANDIDATES):
        if candidate not in found and _inverts(substitute(candidate, parameters), pairs):
            found[candidate] = None
        after += bool(found)
        if after > MAX_FORMS:
            break
    return tuple(found)


def _inverts(candidate: Expr, pairs: Sequence[tuple[float, object]]) -> bool:
    """Whether ``candidate`` takes each value back to its point."""
    if not pairs or candidate.free_symbols - {Y}:
        return False
    for point, image in pairs:
        back = evaluate_mp(candidate, Y, image, precision.INVERSION)
        with mpmath.workdps(precision.INVERSION):
            if not abs(back - point) <= precision.ROUND_TRIP * abs(point):
                return False
    return True


def unwind(left: Expr, x: Symbol, right: Expr) -> Iterator[Expr]:
    """A superset of the solutions x of ``left(x) = right``."""
    return _Unwinding(x).solutions(left, right, 0)


class _Unwinding:
    """One equation in x, and how many substitutions were made in it."""

    def __init__(self, x: Symbol) -> None:
        self.x = x
        self.steps = 0

    def solutions(self, left: Expr, right: Expr, depth: int) -> Iterator[Expr]:
        """A superset of the x where ``left`` is ``right``."""
        x = self.x
        if left == x:
            yield right
        elif depth > MAX_DEPTH or not left.has(x):
            return
        elif isinstance(left, Add | Mul):
            yield from self.of_terms(left, right, depth)
        elif isinstance(left, Pow) and not left.exp.has(x):
            for root in _powers_back(right, left.exp):
                yield from self.solutions(left.base, root, depth)
        elif isinstance(left, Pow) and not left.base.has(x):
            yield from self.solutions(left.exp, sympy.log(right) / sympy.log(left.base), depth)
        elif isinstance(left, sympy.atan2):
            yield from self.solutions(left.args[0] / left.args[1], sympy.tan(right), depth)
        elif isinstance(left, Interpolate):
            table, inner = left.args
            yield from self.solutions(inner, Interpolate(table.inverted(), right), depth)
        elif len(left.args) == 1:
            for back in _functions_back(left, right):
                yield from self.solutions(left.args[0], back, depth)

    def of_terms(self, left: Expr, right: Expr, depth: int) -> Iterator[Expr]:
        """Move what is free of x to the other side; then, if x is left in several terms,
        eliminate.
        """
        x, is_sum = self.x, isinstance(left, Add)
        constant, rest = left.as_independent(x, as_Add=is_sum)
        if not isinstance(rest, Add if is_sum else Mul):
            yield from self.solutions(rest, right - constant if is_sum else right / constant, depth)
            return
        if is_sum and rest.has(sympy.log):
            product = sympy.powsimp(sympy.exp(sympy.expand_log(left, force=True)))
            if not product.has(sympy.log):
                yield from self.solutions(product, sympy.exp(right), depth + 1)
                return
        y = Dummy("y", positive=True)
        for generator, u, equation in generators(left, x):
            self.steps += 1
            if self.steps > MAX_STEPS:
                return
            for root in algebraic_roots(equation, u, y):
                yield from self.solutions(generator, root.xreplace({y: right}), depth + 1)
                if isinstance(right, sympy.exp):
                    reduced = factor(together(root.xreplace({y: 1 / y})))
                    inverse = reduced.xreplace({y: 1 / right})
                    yield from self.solutions(generator, inverse, depth + 1)


def _powers_back(right: Expr, exponent: Expr) -> tuple[Expr, ...]:
    """The real bases whose power is ``right``."""
    root = right ** (1 / exponent)
    return (root, -root) if exponent.is_Rational and exponent.p % 2 == 0 else (root,)


def _functions_back(call: Expr, right: Expr) -> tuple[Expr, ...]:
    """The arguments, on the branches next to zero, at which a function has the value ``right``."""
    match call.func:
        case sympy.exp:
            back = sympy.log(right)
            return (sympy.expand_log(back, force=True), back)
        case sympy.sin:
            return (sympy.asin(right), sympy.pi - sympy.asin(right))
        case sympy.cos:
            back = sympy.acos(right)
            return (back, -back, 2 * sympy.pi - back)
        case sympy.tan:
            return (sympy.atan(right), sympy.atan(right) + sympy.pi)
        case sympy.cot:
            return (sympy.pi / 2 - sympy.atan(right),)
        case sympy.cosh:
            return (sympy.acosh(right), -sympy.acosh(right))
        case sympy.Abs:
            return (right, -right)
        case sympy.erf:
            return ()  # numpy has no inverse of it; bisection does without
        case _ if hasattr(call, "inverse"):
            return (call.inverse()(right),)
        case _:
            return ()
