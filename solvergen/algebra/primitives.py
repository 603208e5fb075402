"""Antiderivatives of elementary formulas, constructed by rules whose cost is bounded.

    int f(u(x)) u'(x) dx = F(u(x)),        u one of the functions that the formula is written in,

down to rational functions, polynomials times e^(a x + b), sin or cos of one, and Gaussians. Nothing
is searched: at most ``MAX_DEPTH`` substitutions of at most ``MAX_CANDIDATES`` functions are tried,
``MAX_TRIES`` in all.
Logarithms are those of positive numbers on the domain: sympy's int dx/(1 - x) is -log(x - 1), a
complex number there. What is found is compared with the integrand in many digits, and is None if
it is another function.
"""

from collections.abc import Iterator
from itertools import count

import sympy
from sympy import Add, Dummy, Expr, Mul, Pow, Symbol, cos, diff, exp, log, pi, sin, sqrt, tan
from sympy.integrals.rationaltools import ratint
from sympy.simplify.fu import TR5, TR6, TR8

from solvergen.algebra import zero
from solvergen.algebra.bounded import cancel, expand, is_small, together
from solvergen.algebra.evaluation import Domain, Parameters, evaluate_mp, is_real, substitute
from solvergen.algebra.readable import effort
from solvergen.algebra.roots import hide_constants

MAX_DEPTH = 3
"""Substitutions inside one another: e^(-2 B) in B in t is two."""
MAX_CANDIDATES = 10
"""Of the functions in a formula, the shortest first."""
MAX_TRIES = 30
"""Of substitutions, in all terms and at all depths."""
MAX_POWER = 12
"""Of x beside an exponential or a sine: as many integrations by parts."""
MAX_FACTORS = 6
"""Sines and cosines in a product that becomes a sum of 2^5 of them."""


_CYCLES = {
    sin: lambda p: (-cos(p), -sin(p), cos(p), sin(p)),
    cos: lambda p: (sin(p), -cos(p), -sin(p), cos(p)),
}
"""What comes of a sine and a cosine by integrating them again and again."""


def antiderivative(
    integrand: Expr, symbol: Symbol, domain: Domain, parameters: Parameters = ()
) -> Expr | None:
    """A function with that derivative, real all over the domain; None if no rule finds one."""
    place = Dummy("x", positive=symbol.is_positive)
    plain = integrand.rewrite((sympy.sinh, sympy.cosh, sympy.tanh), exp)
    found = _integral(plain.xreplace({symbol: place}), place, MAX_DEPTH, iter(range(MAX_TRIES)))
    if found is None or found.has(sympy.I):
        return None
    points = zero.sample_points(domain, zero.POINTS)

    def is_negative(e: Expr) -> bool:
        values = [evaluate_mp(substitute(e, parameters), symbol, one) for one in points]
        return all(is_real(one) and one < 0 for one in values)

    found = found.xreplace({place: symbol}).replace(
        log, lambda e: log(-e) if is_negative(e) else log(e)
    )
    found = found.replace(sympy.atan, lambda e: e.args[0] if isinstance(e, tan) else sympy.atan(e))
    plain = substitute(found, parameters)
    difference = diff(plain, symbol) - substitute(integrand, parameters)
    is_found = all(is_real(evaluate_mp(plain, symbol, one)) for one in points)
    return found if is_found and zero.vanishes(difference, symbol, domain) else None


def _integral(e: Expr, x: Symbol, depth: int, tries: Iterator[int]) -> Expr | None:
    """By the first rule that knows how."""
    if not e.has(x):
        return e * x
    for rule in (_of_rational, _of_product, _of_waves):
        found = rule(e, x)
        if found is not None:
            return found
    found = _by_substitution(e, x, depth, tries) if depth else None
    return _by_terms(expand(e), x, depth, tries) if found is None else found


def _by_terms(e: Expr, x: Symbol, depth: int, tries: Iterator[int]) -> Expr | None:
    """Term by term, the rational ones together."""
    terms = Add.make_args(e)
    rational = Add(*(one for one in terms if one.is_rational_function(x)))
    others = [one for one in terms if not one.is_rational_function(x)]
    if len(terms) < 2 or not others:
        return None
    parts = [_integral(one, x, depth, tries) for one in (rational, *others)]
    return None if any(one is None for one in parts) else Add(*parts)


def _of_waves(e: Expr, x: Symbol) -> Expr | None:
    """Of a product of sines and cosines, as a sum of them."""
    powers = [one.as_base_exp() for one in Mul.make_args(e) if one.has(sin, cos)]
    if not all(isinstance(b, sin | cos) and n.is_Integer and n > 0 for b, n in powers):
        return None
    if not 1 < sum(n for _, n in powers) <= MAX_FACTORS:
        return None
    return _by_terms(expand(TR8(e)), x, 0, iter(()))


def _of_rational(e: Expr, x: Symbol) -> Expr | None:
    """Of a rational function with constants of any kind; powers of x may be roots."""
    hidden, constants = hide_constants(e, {x})
    if all(_is_power(one, x) for one in Add.make_args(hidden)):
        return Add(*(_of_power(one, x) for one in Add.make_args(hidden))).xreplace(constants)
    if not hidden.is_rational_function(x) or not is_small(hidden):
        return None
    found = ratint(cancel(together(hidden)), x, real=True)
    return None if found.has(sympy.RootSum, sympy.Integral) else found.xreplace(constants)


def _is_power(term: Expr, x: Symbol) -> bool:
    _, power = term.as_independent(x, as_Add=False)
    return bool(power in (1, x) or (power.is_Pow and power.base == x and power.exp.is_Rational))


def _of_power(term: Expr, x: Symbol) -> Expr:
    factor, power = term.as_independent(x, as_Add=False)
    n = power.as_base_exp()[1] if power != 1 else sympy.S.Zero
    return factor * (log(x) if n == -1 else x ** (n + 1) / (n + 1))


def _of_product(e: Expr, x: Symbol) -> Expr | None:
    """Of a polynomial times e^p, sin p or cos p with p linear, and of e^p with p quadratic."""
    factor, rest = e.as_independent(x, as_Add=False)
    parts = Mul.make_args(rest)
    calls = [one for one in parts if isinstance(one, exp | sin | cos)]
    polynomial = Mul(*(one for one in parts if one not in calls))
    if not calls or (len(calls) > 1 and not all(isinstance(one, exp) for one in calls)):
        return None
    call = calls[0] if len(calls) == 1 else exp(Add(*(one.args[0] for one in calls)))
    argument = sympy.expand(call.args[0])
    if not (argument.is_polynomial(x) and polynomial.is_polynomial(x)):
        return None
    power, degree = sympy.degree(polynomial, x), sympy.degree(argument, x)
    if degree == 1 and power <= MAX_POWER:
        return factor * _by_parts(polynomial, call, x, diff(argument, x))
    if degree == 2 and power == 0 and isinstance(call, exp):
        return factor * polynomial * _gaussian(sympy.Poly(argument, x).all_coeffs(), x)
    return None


def _by_parts(polynomial: Expr, call: Expr, x: Symbol, slope: Expr) -> Expr:
    """sum_k (-1)^k p^(k) F_(k+1), with F_k the k-th antiderivative of the call."""
    found, sign = sympy.S.Zero, 1
    cycle = [call] if isinstance(call, exp) else _CYCLES[call.func](call.args[0])
    for k in count():
        if polynomial == 0:
            return found
        found += sign * polynomial * cycle[k % len(cycle)] / slope ** (k + 1)
        polynomial, sign = diff(polynomial, x), -sign
    raise AssertionError


def _gaussian(coefficients: list[Expr], x: Symbol) -> Expr:
    """int e^(a x^2 + b x + c) dx for a < 0."""
    a, b, c = coefficients
    root = sqrt(-a)
    scale = sqrt(pi) / (2 * root) * exp(c - b**2 / (4 * a))
    return scale * sympy.erf(root * x - b / (2 * root))


def _by_substitution(e: Expr, x: Symbol, depth: int, tries: Iterator[int]) -> Expr | None:
    u = Dummy("u", positive=True)
    for _, inner in zip(tries, _candidates(e, x), strict=False):
        above, below = (_written_in(one, inner, u, x) for one in (e, diff(inner, x)))
        over = cancel(together(above / below))
        if over.has(x):
            continue
        found = _integral(over, u, depth - 1, tries)
        if found is not None:
            return found.xreplace({u: inner})
    return None


def _candidates(e: Expr, x: Symbol) -> list[Expr]:
    """Functions that a formula is written in, and what they are functions of."""
    found: set[Expr] = set()
    for one in e.atoms(sympy.Function, Pow):
        if not one.has(x):
            continue
        inner = one.args[0] if one.is_Function else one.base
        found |= {one} if one.is_Function else set()
        found |= {inner} if inner.has(x) and inner != x else set()
        if one.is_Pow and one.exp.has(x):
            found.add(one)
        if isinstance(one, sin | cos | tan):
            found |= {sin(one.args[0]), cos(one.args[0]), tan(one.args[0])}
    return sorted(found, key=effort)[:MAX_CANDIDATES]


def _written_in(e: Expr, inner: Expr, u: Symbol, x: Symbol) -> Expr:
    """A formula with u for inner(x), and without x if that is all that it is written in."""
    if isinstance(inner, exp):
        return _in_exponential(e, inner.args[0], u)
    if isinstance(inner, sin | cos | tan):
        return _in_angle(e, inner, u)
    found = e.xreplace({inner: u})
    if found.has(x) and inner.is_polynomial(x):
        terms = sympy.Poly(inner, x).terms()
        power = sum(terms[0][0])
        if len(terms) == 1 or (len(terms) == 2 and sum(terms[1][0]) == 0):
            rest = terms[1][1] if len(terms) == 2 else 0
            found = found.xreplace({x: ((u - rest) / terms[0][1]) ** sympy.Rational(1, power)})
    return found


def _in_exponential(e: Expr, exponent: Expr, u: Symbol) -> Expr:
    def power(argument: Expr) -> Expr:
        rest, varying = sympy.expand(argument).as_independent(*exponent.free_symbols, as_Add=True)
        ratio = cancel(varying / exponent)
        return exp(rest) * u**ratio if ratio.is_Rational else exp(argument)

    return e.replace(exp, power)


def _in_angle(e: Expr, inner: Expr, u: Symbol) -> Expr:
    angle = inner.args[0]
    sine, cosine, tangent = sin(angle), cos(angle), tan(angle)
    e = e.xreplace({tangent: sine / cosine})
    if isinstance(inner, sin):
        return TR6(e).xreplace({sine: u})
    if isinstance(inner, cos):
        return TR5(e).xreplace({cosine: u})
    radius = sqrt(1 + u**2)
    return e.xreplace({sine: u / radius, cosine: 1 / radius})
