"""Roots of an algebraic equation e(u) = y that come down to a linear or quadratic polynomial."""

from collections.abc import Callable, Iterator, Mapping

import sympy
from sympy import Dummy, Expr, Poly, Pow, Symbol

from solvergen.algebra.bounded import cancel, factor, is_small, multiples, units
from solvergen.algebra.readable import effort

MAX_RADICALS = 3
"""Each one that is eliminated doubles the degree: with four it is beyond what has formulas."""


def algebraic_roots(expression: Expr, u: Symbol, y: Symbol) -> Iterator[Expr]:
    """A superset of the roots u of ``expression = y`` that have a formula without cubics.

    Radicals of u are eliminated one by one: A + B R = 0 with R^2 = P gives A^2 - B^2 P = 0.
    """
    equation, constants = hide_constants(expression - y, {u, y})
    equation, radicals = _name_radicals(equation, u)
    if equation is None or len(radicals) > MAX_RADICALS or not is_small(equation):
        return
    numerator = _numerator(equation)
    for name, radicand in reversed(radicals):
        if not is_small(numerator):
            return
        numerator = _eliminate(numerator, name, radicand)
    if not (numerator.is_polynomial(u) and is_small(numerator)):
        return
    surds = {name: one for name, one in constants.items() if one.is_Pow and one.base.is_Rational}
    _, factors = sympy.factor_list(numerator)
    for one, _ in factors:
        if one.has(u):
            for root in _polynomial_roots(Poly(one, u), u, surds):
                yield root.xreplace(constants)


def _numerator(expression: Expr) -> Expr:
    return sympy.expand(sympy.fraction(sympy.together(expression))[0])


def hide_constants(expression: Expr, variables: set[Symbol]) -> tuple[Expr, dict[Symbol, Expr]]:
    """Name every constant that is not a rational function of symbols, and what the names stand
    for.

    Polynomials in the variables need not see inside. The names are positive symbols: a square
    root of the square of one is itself, up to the sign. Exponentials of multiples of one number
    are powers of one of them: e^-10 is 1/c where e^10 is c.
    """
    names: dict[Expr, Symbol] = {}

    def is_constant(e: Expr) -> bool:
        atomic = e.is_Function or e.is_NumberSymbol or (e.is_Pow and not e.exp.is_Integer)
        return bool(atomic) and not e.has(*variables)

    def name(e: Expr) -> Expr:
        if isinstance(e, sympy.exp) and len(multiples(e)) == 1:
            ((number, rest),) = multiples(e)
            return named(sympy.exp(steps[rest] * rest)) ** (number / steps[rest])
        return named(e)

    def named(e: Expr) -> Symbol:
        return names.setdefault(e, Dummy(f"c{len(names)}", positive=True))

    outermost = (e for e in _outermost(expression, is_constant) if isinstance(e, sympy.exp))
    steps = units(outermost)
    hidden = _replace_outermost(expression, is_constant, name)
    return hidden, {symbol: constant for constant, symbol in names.items()}


def _outermost(expression: Expr, matches: Callable[[Expr], bool]) -> Iterator[Expr]:
    if matches(expression):
        yield expression
    else:
        for e in expression.args:
            yield from _outermost(e, matches)


def _replace_outermost(
    expression: Expr, matches: Callable[[Expr], bool], name: Callable[[Expr], Expr]
) -> Expr:
    if matches(expression):
        return name(expression)
    if not expression.args:
        return expression
    return expression.func(*(_replace_outermost(e, matches, name) for e in expression.args))


def _name_radicals(expression: Expr, u: Symbol) -> tuple[Expr | None, list[tuple[Symbol, Expr]]]:
    """Name every square root of u, inner ones first; None if there is another radical or a
    function.
    """
    radicals: list[tuple[Symbol, Expr]] = []
    while True:
        varying = (u, *(name for name, _ in radicals))
        if any(e.has(*varying) for e in expression.atoms(sympy.Function)):
            return None, []
        powers = [e for e in expression.atoms(Pow) if e.base.has(*varying)]
        powers = [e for e in powers if not e.exp.is_Integer]
        if not powers:
            break
        inner = min(powers, key=lambda e: (len(e.atoms(Pow)), *effort(e)))
        if not (inner.exp.is_Rational and inner.exp.q == 2):
            return None, []
        radicand = factor(inner.base)
        name = Dummy("R", positive=True)
        same = {e: name**e.exp.p for e in powers if e.base == inner.base and e.exp.q == 2}
        for known, other in radicals:
            ratio = cancel(radicand / other)
            if ratio.is_Rational and ratio > 0:
                same = {e: (sympy.sqrt(ratio) * known) ** e.exp.p for e in same}
                break
        else:
            radicals.append((name, radicand))
        expression = expression.xreplace(same)
    return expression, radicals


def _eliminate(numerator: Expr, name: Symbol, radicand: Expr) -> Expr:
    """The numerator of A^2 - B^2 P, where ``numerator`` is A + B R."""
    polynomial = Poly(numerator, name)
    even, odd = sympy.Integer(0), sympy.Integer(0)
    for (power,), coefficient in polynomial.terms():
        term = coefficient * radicand ** (power // 2)
        even, odd = (even + term, odd) if power % 2 == 0 else (even, odd + term)
    if odd == 0:
        return _numerator(even)
    return _numerator(factor(even) ** 2 - factor(odd) ** 2 * radicand)


def _polynomial_roots(polynomial: Poly, u: Symbol, surds: Mapping[Symbol, Expr]) -> Iterator[Expr]:
    """The real roots of a polynomial that is linear or quadratic in a power of u, with what some
    names stand for put in, as 2 for the square of sqrt(2).

    Every root comes with both signs of each even root in it, so that |c| may be written c.
    """
    step = sympy.igcd(0, 0, *(power for (power,) in polynomial.monoms() if power))
    degree = polynomial.degree() // step
    coefficients = [
        factor(polynomial.coeff_monomial(u ** (k * step))).xreplace(dict(surds))
        for k in range(degree, -1, -1)
    ]
    if degree == 1:
        roots = [-coefficients[1] / coefficients[0]]
    elif degree == 2:
        roots = list(_quadratic_roots(*coefficients))
    else:
        return
    for root in roots:
        base = sympy.factor_terms(root) ** sympy.Rational(1, step)
        base = base.replace(sympy.Abs, lambda e: e)
        yield base
        if step % 2 == 0:
            yield -base


def _quadratic_roots(a: Expr, b: Expr, c: Expr) -> Iterator[Expr]:
    """Both roots of a u^2 + b u + c, each in the two forms that cancel at opposite ends; in one
    where the discriminant is a square.
    """
    square = sympy.expand(b**2 - 4 * a * c)
    root = sympy.powdenest(sympy.sqrt(factor(square)), force=True)
    if root.is_rational_function(*root.free_symbols):
        yield from (factor((-b + signed) / (2 * a)) for signed in (root, -root))
        return
    root = sympy.sqrt(sympy.factor_terms(square))
    for signed in (root, -root):
        yield (-b + signed) / (2 * a)
        yield 2 * c / (-b + signed)
