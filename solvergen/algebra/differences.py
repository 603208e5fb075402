"""Differences f(t) - f(s) in all digits, for near times too.

In float64 f(t) - f(s) loses eps |f| / |f(t) - f(s)| of its digits. Written with d = s - t, which is
exact for near times, it loses none. As the product rule gives derivatives, rules give these forms:
with D f = f(t) - f(s), and f at s written f_s,

    D (f + g) = D f + D g             D (f g)   = f_t D g + g_s D f
    D f^n     = D f sum_i f_t^i f_s^(n-1-i)       D (1/f) = -D f/(f_t f_s)
    D sqrt f  = D f/(sqrt f_t + sqrt f_s)         D f^c   = f_s^c expm1(c log1p(D f/f_s))
    D exp f   = exp(f_s) expm1(D f)               D log f = log1p(D f/f_s)
    D sin f   = 2 cos((f_t + f_s)/2) sin(D f/2)   D atan f = atan2(D f, 1 + f_t f_s), ..

and the difference of what a table interpolates is the sum over its segments (``Rise``). A formula
with cases is the sum of the differences of its branches, each over its own part of [t, s].

No rule says that the sums it makes do not cancel: a form is a candidate, which is measured.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import pairwise, product
from math import prod

from sympy import (
    Add,
    Dummy,
    Expr,
    Function,
    Integer,
    Max,
    Min,
    Mul,
    Piecewise,
    Pow,
    Rational,
    Symbol,
    UnevaluatedExpr,
    acos,
    asin,
    atan,
    atan2,
    cos,
    cosh,
    default_sort_key,
    exp,
    factor,
    factor_terms,
    log,
    sin,
    sinh,
    sqrt,
    tan,
    tanh,
    together,
)
from sympy.codegen.cfunctions import expm1, log1p

from solvergen.algebra.readable import operations
from solvergen.algebra.tables import Interpolate, Rise
from solvergen.symbols import s, t

LARGEST_POWER = 8
"""The sum over f_t^i f_s^(n-1-i) is written out up to here; higher powers go through log1p."""
MOST_FORMS = 16
"""Forms of one difference that are tried: every logarithm has two."""

LARGEST_QUOTIENT = 120
"""Operations up to which the argument of a logarithm is made one fraction: d is independent of t
and s there, so that what cancels, cancels exactly."""

Forms = tuple[Expr, ...]
d = Symbol("d", positive=True)
"""s - t, the length of a step in time."""


@lru_cache(maxsize=256)
def differences(f: Expr) -> Forms:
    """Forms of f(t) - f(s) for an expression of t, in t, s and d; none if no rule applies."""
    return _forms(f)[:MOST_FORMS]


def _forms(f: Expr) -> Forms:
    if not f.has(t):
        return (Integer(0),)
    if f == t:
        return (-d,)
    rule = next((rule for kind, rule in _RULES if isinstance(f, kind)), None)
    return tuple(dict.fromkeys(rule(f))) if rule else ()


def at_start(f: Expr) -> Expr:
    """f at s."""
    return f.xreplace({t: s})


def _sum(f: Expr) -> Iterator[Expr]:
    """Every choice of forms of the terms, if they are few; else the first, second, .. of all."""
    parts = [differences(one) for one in f.args]
    if prod(map(len, parts)) <= MOST_FORMS:
        yield from (Add(*chosen) for chosen in product(*parts))
    else:
        yield from (
            Add(*(one[min(k, len(one) - 1)] for one in parts)) for k in range(max(map(len, parts)))
        )


def _product(f: Expr) -> Iterator[Expr]:
    constant, varying = f.as_independent(t, as_Add=False)
    first, rest = varying.as_two_terms() if varying.is_Mul else (varying, Integer(1))
    if rest == 1:
        yield from (constant * one for one in differences(first))
        return
    for left in differences(first):
        for right in differences(rest):
            yield constant * (first * right + at_start(rest) * left)


def _power(f: Expr) -> Iterator[Expr]:
    base, exponent = f.as_base_exp()
    if exponent.has(t):
        yield from _exponential(exp(exponent * log(base)))
        return
    if exponent.is_number and exponent < 0:
        inverse = Pow(base, -exponent)
        yield from (-one / (inverse * at_start(inverse)) for one in differences(inverse))
        return
    for one in differences(base):
        if exponent.is_Rational and exponent.p <= LARGEST_POWER and exponent.q <= 2:
            yield from _rational_power(base, one, exponent)
        else:
            yield at_start(f) * expm1(exponent * log1p(one / at_start(base)))


def _rational_power(base: Expr, difference: Expr, exponent: Rational) -> Iterator[Expr]:
    """D f^(p/q), q <= 2, from D f.

    f_t + f_s itself may cancel, as (1 - t) + (1 - s) does once it is 2 - t - s: then it is f_t (1 +
    f_s/f_t).
    """
    last, first = base, at_start(base)
    if exponent.q == 2:
        last, first = sqrt(last), sqrt(first)
        difference = difference / (last + first)
    n = exponent.p
    yield difference * Add(*(last**i * first ** (n - 1 - i) for i in range(n)))
    if n > 1:
        yield difference * last ** (n - 1) * Add(*((first / last) ** i for i in range(n)))


def _exponential(f: Expr) -> Iterator[Expr]:
    yield from (exp(at_start(f.args[0])) * expm1(one) for one in differences(f.args[0]))


def _logarithm(f: Expr) -> Iterator[Expr]:
    argument = f.args[0] if isinstance(f, log) else 1 + f.args[0]
    for one in differences(argument if isinstance(f, log) else f.args[0]):
        yield log1p(_fraction(one / at_start(argument)))
        yield -log1p(_fraction(-one / argument))


def _fraction(quotient: Expr) -> Expr:
    """A quotient as one fraction in lowest terms, if it is not long; the shorter of the two."""
    if operations(quotient) > LARGEST_QUOTIENT:
        return quotient
    forms = (quotient, factor_terms(quotient), _reduced(quotient))
    return min(forms, key=operations)


def _reduced(quotient: Expr) -> Expr:
    """Numerator and denominator factored: what is common to both cancels."""
    functions = sorted(quotient.atoms(Function, Pow), key=default_sort_key)
    kept = {one: Dummy(positive=True) for one in functions if not _is_rational(one)}
    found = factor(together(quotient.xreplace(kept)))
    return found.xreplace({name: one for one, name in kept.items()})


def _is_rational(one: Expr) -> bool:
    return one.is_Pow and one.exp.is_Integer


def _sine(f: Expr) -> Iterator[Expr]:
    u = f.args[0]
    yield from (2 * cos((u + at_start(u)) / 2) * sin(one / 2) for one in differences(u))


def _cosine(f: Expr) -> Iterator[Expr]:
    u = f.args[0]
    yield from (-2 * sin((u + at_start(u)) / 2) * sin(one / 2) for one in differences(u))


def _tangent(f: Expr) -> Iterator[Expr]:
    u = f.args[0]
    yield from (sin(one) / (cos(u) * cos(at_start(u))) for one in differences(u))


def _arc(f: Expr) -> Iterator[Expr]:
    u = f.args[0]
    if isinstance(f, atan):
        yield from (atan2(one, 1 + u * at_start(u)) for one in differences(u))
        return
    # With c = sqrt(1 - u^2), the sine of the difference is u_t c_s - u_s c_t = c_s D u - u_s D c.
    sign, c = 1 if isinstance(f, asin) else -1, sqrt(1 - u**2)
    for du, dc in zip(differences(u), differences(c), strict=False):
        sine, cosine = du * at_start(c) - at_start(u) * dc, c * at_start(c) + u * at_start(u)
        yield sign * atan2(sine, cosine)


def _angle(f: Expr) -> Iterator[Expr]:
    y, x = f.args
    for dy in differences(y):
        for dx in differences(x):
            yield atan2(dy * at_start(x) - at_start(y) * dx, x * at_start(x) + y * at_start(y))


def _hyperbolic(f: Expr) -> Iterator[Expr]:
    u = f.args[0]
    middle = (u + at_start(u)) / 2
    for one in differences(u):
        if isinstance(f, tanh):
            yield sinh(one) / (cosh(u) * cosh(at_start(u)))
        else:
            yield 2 * (cosh if isinstance(f, sinh) else sinh)(middle) * sinh(one / 2)


def _table(f: Expr) -> Iterator[Expr]:
    table, argument = f.args
    if argument == t:
        yield Rise(table, t, s)


def _kept(f: Expr) -> Iterator[Expr]:
    """A sum that is not multiplied out."""
    yield from differences(f.args[0])


def _cases(f: Expr) -> Iterator[Expr]:
    """The branches' differences over their parts of [t, s]."""
    if any(condition.lhs != t for _, condition in f.args[:-1]):
        return
    cuts = [None, *(condition.rhs for _, condition in f.args[:-1]), None]
    parts = [differences(branch) for branch, _ in f.args]
    if all(parts):
        pairs = zip(parts, pairwise(cuts), strict=True)
        yield Add(*(_within(one[0], *part) for one, part in pairs))


def _within(form: Expr, low: Expr | None, high: Expr | None) -> Expr:
    """A difference over the part of [t, s] between two times."""

    def cut(time: Expr) -> Expr:
        time = time if low is None else Max(time, low)
        return time if high is None else Min(time, high)

    return form.xreplace({t: cut(t), s: cut(s), d: cut(s) - cut(t)})


_RULES: tuple[tuple[type | tuple[type, ...], Callable[[Expr], Iterator[Expr]]], ...] = (
    (Add, _sum),
    (Mul, _product),
    (exp, _exponential),
    (expm1, _exponential),
    (Pow, _power),
    ((log, log1p), _logarithm),
    (sin, _sine),
    (cos, _cosine),
    (tan, _tangent),
    ((atan, asin, acos), _arc),
    (atan2, _angle),
    ((sinh, cosh, tanh), _hyperbolic),
    (UnevaluatedExpr, _kept),
    (Interpolate, _table),
    (Piecewise, _cases),
)
