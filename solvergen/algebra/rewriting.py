"""Rewritings that keep the value and may keep more of its digits in float64.

Each rule maps an expression to one that is equal where its branches hold; no rule checks them,
because every result is measured (``solvergen.algebra.accurate_form``). What they are for:

    1 - e^{-x}         -> -expm1(-x)                         x near 0
    1 - (1 - x)^c      -> -expm1(c log1p(-x))                x near 0
    log(1 + x)         -> log1p(x)                           x near 0
    cos(pi t/2)        -> sin(pi (1 - t)/2)                  t near 1
    cos^2 a - cos^2 b  -> sin(b - a) sin(b + a)              a near b
    a - sqrt(b)        -> (a^2 - b) / (a + sqrt(b))          b near a^2
    acos(A) - k        -> atan(..)                           A near cos k
    p(t)               -> (1 - t) q(t)                       t near a root
"""

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import permutations

import sympy
from sympy import Add, Expr, Mul, Pow, Rational, Symbol
from sympy.codegen.cfunctions import expm1, log1p
from sympy.core.traversal import bottom_up

from solvergen.algebra import bounded
from solvergen.algebra.distances import with_distance
from solvergen.algebra.readable import (
    area_argument,
    effort,
    has_square_root,
    operations,
    positive_sums,
)

MAX_TERMS = 5
"""Of a sum whose pairs are compared, and calls that are reflected one by one: longer ones come
from expanding, and are rewritten in factors instead."""
MAX_TURN = 120
"""The largest denominator of k/pi whose cosine is looked for in roots."""
Rewriting = Callable[[Expr, Symbol], Expr]


def rewritings(expression: Expr, symbol: Symbol) -> Iterator[Expr]:
    """Every rule applied everywhere in ``expression``, one rule at a time.

    |c| that a rule makes is written c: where that is wrong, so is the measured value. What is given
    stays.
    """
    is_given = expression.has(sympy.Abs)
    for rule in _RULES:
        found = _everywhere(rule, expression, symbol)
        is_made = not is_given and found.has(sympy.Abs)
        yield found.replace(sympy.Abs, lambda e: e) if is_made else found
    yield _outside_calls(_joined, expression, symbol)
    yield from _reflections(expression, symbol)
    yield from _without_overflow(expression, symbol)


def with_logarithms_near_one(expression: Expr, symbol: Symbol) -> Expr:
    """Every logarithm as log1p of how far its argument is from 1; sums of logarithms are joined."""
    joined = _everywhere(_logarithms_joined, expression, symbol)
    calls = [call for call in joined.atoms(sympy.log) if call.has(symbol)]
    return joined.xreplace({call: _near_one(call, symbol) for call in calls})


def _near_one(logarithm: Expr, symbol: Symbol) -> Expr:
    """log a = log1p(a - 1) for a sum, with differences of roots by their conjugates, over a sum:
    what is small in its terms costs no digits. log a = -log1p(a^-2 - 1)/2 for a product with
    roots, and log(p/q) = log1p((p - q)/q) for one without.
    """
    argument = logarithm.args[0]
    if not isinstance(argument, Add):
        if any(has_square_root(factor) for factor in Mul.make_args(argument)):
            return -log1p(sympy.expand(argument**-2) - 1) / 2
        above, below = sympy.fraction(sympy.together(argument))
        return log1p(_factored(sympy.expand(above - below)) / below)
    close = _everywhere(_logarithm_near_one, logarithm, symbol)
    close = _everywhere(_conjugate, close, symbol)
    if not isinstance(close, log1p):
        return close
    above, below = sympy.fraction(close.args[0])
    return log1p(above / sympy.expand(below))


@lru_cache(maxsize=50_000)
def _everywhere(rule: Rewriting, expression: Expr, symbol: Symbol) -> Expr:
    """``rule`` at every node that depends on the symbol, inner ones first."""
    if not expression.args or not expression.has(symbol):
        return expression
    arguments = [_everywhere(rule, e, symbol) for e in expression.args]
    if any(new is not old for new, old in zip(arguments, expression.args, strict=True)):
        expression = expression.func(*arguments)
    return rule(expression, symbol)


def _outside_calls(rule: Rewriting, expression: Expr, symbol: Symbol) -> Expr:
    """``rule`` at sums that are in no root and no function, whose arguments stay: the factors of
    1 - t^2 beside sqrt((1 - t^2)^2 + c), which multiplied out has lost the digits of c."""
    if expression.is_Mul or (expression.is_Pow and expression.exp.is_Integer):
        return expression.func(*(_outside_calls(rule, e, symbol) for e in expression.args))
    return rule(expression, symbol) if expression.is_Add else expression


def _joined(expression: Expr, symbol: Symbol) -> Expr:
    """One fraction, with factored numerator and denominator."""
    return _factored(expression) if isinstance(expression, Add) else expression


def _exponential_difference(expression: Expr, symbol: Symbol) -> Expr:
    """a e^q - a = a expm1(q), for two terms of a sum whose ratio is -e^q."""
    if not isinstance(expression, Add) or len(expression.args) > MAX_TERMS:
        return expression
    for one, other in permutations(_longest_first(expression.args), 2):
        if not (one + other).has(sympy.exp) or not (one + other).has(symbol):
            continue
        ratio = sympy.powsimp(-one / other, combine="exp")
        if isinstance(ratio, sympy.exp):
            return expression - one - other - other * expm1(with_distance(_factored(ratio.args[0])))
    return expression


def _power_difference(expression: Expr, symbol: Symbol) -> Expr:
    """a b^c - a = a expm1(c log1p(b - 1)) for a sum b: that of x^c inside b is another rule's."""
    return _difference_of_power(expression, symbol, lambda base: base.is_Add)


def _power_difference_inside(expression: Expr, symbol: Symbol) -> Expr:
    """a x^c - a = a expm1(c log1p(x - 1))."""
    return _difference_of_power(expression, symbol, lambda base: base == symbol)


def _difference_of_power(
    expression: Expr, symbol: Symbol, is_meant: Callable[[Expr], bool]
) -> Expr:
    """For two terms of a sum whose ratio is -b^c, c no integer and no half of one."""
    if not isinstance(expression, Add) or len(expression.args) > MAX_TERMS:
        return expression
    for one, other in permutations(_longest_first(expression.args), 2):
        base, exponent = (-one / other).as_base_exp()
        is_power = exponent.is_Rational and exponent.q > 2 and exponent > 0
        if is_power and base.has(symbol) and is_meant(base):
            power = exponent * log1p(_factored(base - 1))
            return expression - one - other - other * expm1(power)
    return expression


def _longest_first(terms: Iterable[Expr]) -> list[Expr]:
    return sorted(terms, key=lambda e: (-operations(e), effort(e)))


def _logarithm_near_one(expression: Expr, symbol: Symbol) -> Expr:
    """log(1 + x) = log1p(x)."""
    if isinstance(expression, sympy.log):
        return log1p(_factored(expression.args[0] - 1))
    return expression


def _logarithm_of_product(expression: Expr, symbol: Symbol) -> Expr:
    """log(a b^c) = log a + c log b, where no factor is taken for negative: 2 - e^-x is
    -e^-x (1 - 2 e^x), whose logarithms have the wrong branch.
    """
    if isinstance(expression, sympy.log):
        factors = Mul.make_args(_factored(expression.args[0]))
        found = Add(*map(_logarithm_of_power, factors))
        return expression if found.has(sympy.I) else found
    return expression


def _logarithm_of_power(factor: Expr) -> Expr:
    """log b^c = c log b."""
    base, power = factor.as_base_exp()
    if isinstance(factor, sympy.exp):
        return factor.args[0]
    if factor.is_number:
        return sympy.expand_log(sympy.log(factor))
    return power * sympy.log(base)


def _logarithms_joined(expression: Expr, symbol: Symbol) -> Expr:
    """log a - log b = log(a/b), where the coefficients are numbers."""
    if not isinstance(expression, Add):
        return expression
    logs = {e: e.as_coeff_Mul() for e in expression.args}
    logs = {e: pair for e, pair in logs.items() if isinstance(pair[1], sympy.log)}
    if len(logs) < 2:
        return expression
    product = Mul(*(call.args[0] ** coefficient for coefficient, call in logs.values()))
    return expression - Add(*logs) + sympy.log(product)


def _reflections(expression: Expr, symbol: Symbol) -> Iterator[Expr]:
    """cos(p) = sin(pi/2 - p), and so on, for each kind of call and each call."""
    calls = [e for e in expression.atoms(sympy.cos, sympy.sin, sympy.tan) if e.has(symbol)]
    calls.sort(key=str)
    groups = [[e for e in calls if e.func == kind] for kind in (sympy.cos, sympy.sin, sympy.tan)]
    groups += [[e] for e in calls[:MAX_TERMS]] if len(calls) > 2 else []
    for group in groups:
        if group:
            yield expression.xreplace({e: _reflected(e) for e in group})


def _reflected(call: Expr) -> Expr:
    other = _factored(sympy.pi / 2 - call.args[0])
    if call.func == sympy.cos:
        return sympy.sin(other, evaluate=False)
    if call.func == sympy.sin:
        return sympy.cos(other, evaluate=False)
    return sympy.sin(call.args[0]) / sympy.sin(other, evaluate=False)


def _circle_identity(expression: Expr, symbol: Symbol) -> Expr:
    """1 - cos^2 p = sin^2 p; in general cos^2 k - cos^2 p = sin(p - k) sin(p + k)."""
    if not isinstance(expression, Add) or len(expression.args) != 2:
        return expression
    for call in expression.atoms(sympy.cos, sympy.sin):
        coefficient = expression.coeff(call, 2)
        rest = expression - coefficient * call**2
        if not call.has(symbol) or coefficient == 0 or rest.has(symbol):
            continue
        p, level = call.args[0], sympy.cancel(-rest / coefficient)
        if level == 1:
            other = sympy.sin if call.func == sympy.cos else sympy.cos
            return -coefficient * other(p) ** 2
        k = _angle_of(level, call.func)
        if k is not None:
            sign = -1 if call.func == sympy.cos else 1
            product = sympy.sin(_factored(p - k)) * sympy.sin(_factored(p + k))
            return sign * coefficient * product
    return expression


def _angle_of(level: Expr, function: type[Expr]) -> Expr | None:
    """k where the level is cos^2 k, or sin^2 k, also where sympy has written that in roots."""
    if isinstance(level, Pow) and level.exp == 2 and level.base.func == function:
        return level.base.args[0]
    if not (level.is_number and level.has(sympy.sqrt(2).func) and 0 < level < 1):
        return None
    inverse = sympy.acos if function == sympy.cos else sympy.asin
    turns = sympy.N(inverse(sympy.sqrt(level)) / sympy.pi, 40)
    simple = Rational(str(turns)).limit_denominator(MAX_TURN)
    return simple * sympy.pi if abs(turns - simple) < sympy.Float("1e-35") else None


def _half_angle(expression: Expr, symbol: Symbol) -> Expr:
    """1 - cos p = 2 sin^2(p/2), 1 + cos p = 2 cos^2(p/2)."""
    if not isinstance(expression, Add) or len(expression.args) != 2:
        return expression
    for call in expression.atoms(sympy.cos):
        coefficient = expression.coeff(call)
        rest = expression - coefficient * call
        if call.has(symbol) and coefficient != 0 and rest in (coefficient, -coefficient):
            function = sympy.cos if rest == coefficient else sympy.sin
            return 2 * rest * function(call.args[0] / 2) ** 2
    return expression


def _difference_of_squares(expression: Expr, symbol: Symbol) -> Expr:
    """a^2 - b^2 = (a - b)(a + b), where b^2 is written as a square and a is free of the symbol."""
    if not isinstance(expression, Add) or len(expression.args) != 2:
        return expression
    constant, square = expression.as_independent(symbol, as_Add=True)
    if constant == 0 or not any(
        e.is_Pow and e.exp == 2 and isinstance(e.base, Add) for e in Mul.make_args(square)
    ):
        return expression
    a, b = (_positive_root(e, sympy.S.Half) for e in (constant, -square))
    if (a * b).has(sympy.I):
        return expression
    return _factored(a - b) * _factored(a + b)


def _square_root_of_square(expression: Expr, symbol: Symbol) -> Expr:
    """sqrt(a^2 b) = a sqrt(b) for a > 0."""
    if isinstance(expression, Pow) and expression.exp.is_Rational and not expression.exp.is_Integer:
        return _positive_root(_factored(expression.base), expression.exp)
    return expression


def _positive_root(square: Expr, power: Rational) -> Expr:
    """square^power, where sqrt(c^2) is c."""
    found = sympy.powdenest(square**power, force=True)
    return found if square.has(sympy.Abs) else found.replace(sympy.Abs, lambda e: e)


def _square_root_of_quotient(expression: Expr, symbol: Symbol) -> Expr:
    """sqrt(a/b) = sqrt(a)/sqrt(b) for a, b > 0."""
    if isinstance(expression, Pow) and expression.exp.is_Rational and not expression.exp.is_Integer:
        return sympy.expand_power_base(expression, force=True)
    return expression


def _area_function(expression: Expr, symbol: Symbol) -> Expr:
    """log(x + sqrt(x^2 + 1)) = asinh(x)."""
    if not isinstance(expression, sympy.log):
        return expression
    x = area_argument(sympy.expand(expression.args[0]))
    return expression if x is None else sympy.asinh(x)


def _conjugate(expression: Expr, symbol: Symbol) -> Expr:
    """A + S = (A^2 - S^2)/(A - S), where S is the terms with a square root."""
    if not isinstance(expression, Add) or len(expression.args) > MAX_TERMS:
        return expression
    roots = [e for e in expression.args if has_square_root(e)]
    if len(roots) != 1:
        return expression
    root, rest = roots[0], expression - roots[0]
    return _factored(sympy.expand(rest**2 - root**2)) / (rest - root)


def _angle_difference(expression: Expr, symbol: Symbol) -> Expr:
    """acos(A) - k = atan((C^2 - A^2) / ((R C + A S)(A C + R S))), R^2 = S^2 + C^2 - A^2,

    where C, S = cos k, sin k: the sine and cosine of the difference, the sine rationalised.
    """
    if not isinstance(expression, Add):
        return expression
    calls = [e for e in expression.atoms(sympy.acos) if e.has(symbol)]
    if len(calls) != 1:
        return expression
    call, a = calls[0], calls[0].args[0]
    coefficient = expression.coeff(call)
    k = sympy.factor(-(expression - coefficient * call) / coefficient)
    if k.has(symbol) or coefficient == 0:
        return expression
    c, s = sympy.cos(k), sympy.sin(k)
    difference = _factored(c**2 - a**2)
    r = sympy.sqrt(s**2 + difference)
    return coefficient * sympy.atan(difference / ((r * c + a * s) * (a * c + r * s)))


def _without_overflow(expression: Expr, symbol: Symbol) -> Iterator[Expr]:
    """Sums under powers with an exponential of the symbol taken out: no e^{2x} in them for large
    x.
    """
    calls = [e for e in expression.atoms(sympy.exp) if e.has(symbol)]
    for call in sorted(calls, key=effort)[:2]:
        yield _divided(expression, sympy.exp(-call.args[0]))


def _divided(expression: Expr, factor: Expr) -> Expr:
    """Each power (sum)^p as (sum factor)^p / factor^p."""

    def rewrite(e: Expr) -> Expr:
        if isinstance(e, Pow) and e.exp.is_Rational and isinstance(e.base, Add):
            base = sympy.powsimp(sympy.expand(e.base * factor ** _sign(e)), combine="exp")
            return base**e.exp * factor ** (-e.exp * _sign(e))
        return e

    return sympy.powsimp(bottom_up(expression, rewrite), combine="exp")


def _sign(power: Pow) -> int:
    return 2 if power.exp.q == 2 else 1


@lru_cache(maxsize=5_000)
def _factored(expression: Expr) -> Expr:
    """The factors of an expression, as a polynomial in whatever functions it holds.

    A sum with a negative number in it changes sign: 1 - t, not t - 1.
    """
    factors = Mul.make_args(bounded.factor(expression))
    sign, found = positive_sums(factors, lambda e: e.as_coeff_Add()[0].is_negative)
    return Mul(sign, *found)


_RULES: tuple[Rewriting, ...] = (
    _exponential_difference,
    _logarithm_near_one,
    _joined,
    _circle_identity,
    _half_angle,
    _difference_of_squares,
    _square_root_of_square,
    _area_function,
    _conjugate,
    _square_root_of_quotient,
    _logarithm_of_product,
    _logarithms_joined,
    _angle_difference,
    _power_difference,
    _power_difference_inside,
)
