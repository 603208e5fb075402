"""Homogeneous functions of (alpha, sigma), and what they are as functions of lambda.

e(c alpha, c sigma) = c^k e(alpha, sigma) holds by construction: k of a product is the sum of those
of its factors, a sum has the k of its terms, and a function has k = 0 if its arguments do. Where
terms differ and what is left over cancels, Euler's identity alpha e_alpha + sigma e_sigma = k e is
decided at points.

Such a function is sigma^k e(u, 1) with u = alpha/sigma = e^lambda, and on a schedule with the
scale alpha^2 + sigma^2, alpha + sigma, alpha or sigma constant, sigma is a function of u too.
"""

from itertools import pairwise

import sympy
from sympy import Expr, Integer, Rational, Symbol, collect, cosh, diff, exp
from sympy.simplify.fu import TR5, TR6

from solvergen.algebra import precision
from solvergen.algebra.bounded import expand, factor
from solvergen.algebra.evaluation import evaluate_mp_at, is_real
from solvergen.algebra.readable import shortest
from solvergen.algebra.roots import hide_constants
from solvergen.algebra.zero import rational_near
from solvergen.symbols import alpha, sigma
from solvergen.symbols import half_log_snr_symbol as l

PLACES = ((3, 7), (11, 5), (2, 13))
"""(alpha, sigma) off every curve that a schedule may keep to, in different ratios."""

DENOMINATOR = 100
"""Of a degree; those of a sum that is homogeneous after all come from roots in a formula."""

U = Symbol("u", positive=True)
"""alpha/sigma = e^lambda."""


def degree(expression: Expr) -> Expr | None:
    """k, or None if the function is not homogeneous."""
    built = _built(expression)
    return _measured(expression) if built is None else built


def _built(expression: Expr) -> Expr | None:
    """k as the construction says, or None if it does not."""
    if expression in (alpha, sigma):
        return Integer(1)
    if not expression.has(alpha, sigma):
        return Integer(0)
    if expression.is_Pow:
        base = _built(expression.base)
        constant = not expression.exp.has(alpha, sigma)
        return base * expression.exp if base is not None and constant else None
    parts = [_built(one) for one in expression.args]
    if any(one is None for one in parts):
        return None
    if expression.is_Mul:
        return sympy.Add(*parts)
    if any(one != other for one, other in pairwise(parts)):
        return None
    if expression.is_Add:
        return parts[0]
    is_ratio = parts[0] == 0 or isinstance(expression, sympy.atan2)
    return Integer(0) if is_ratio else None


def _measured(expression: Expr) -> Expr | None:
    """k by Euler's identity at points."""
    euler = (alpha * diff(expression, alpha) + sigma * diff(expression, sigma)) / expression
    if euler.free_symbols - {alpha, sigma}:
        return None
    found = [evaluate_mp_at(euler, (alpha, sigma), place) for place in PLACES]
    if not all(is_real(one) and abs(one - found[0]) < precision.ZERO for one in found):
        return None
    k = rational_near(found[0], DENOMINATOR)
    return None if k is None else Rational(k.numerator, k.denominator)


def in_half_log_snr(expression: Expr, sigma_of_u: Expr) -> Expr:
    """A homogeneous function of (alpha, sigma) in lambda, with sigma a function of ``U``."""
    curve = expression.subs({alpha: U * sigma, sigma: sigma}, simultaneous=True)
    return of_exponential(curve.subs(sigma, sigma_of_u), exp(l))


def of_exponential(expression: Expr, exponential: Expr) -> Expr:
    """A function of ``U`` at U = e^p, factored, with u/(1 + u^2) as 1/(2 cosh p)."""
    hidden, constants = hide_constants(expression, {U})
    factors = factor(sympy.powdenest(hidden, force=True))
    if constants:
        factors = factors.replace(lambda e: e.is_Add, lambda e: collect(e, U, factor))
        factors = factors.xreplace(constants).replace(lambda e: e.is_Add, _with_one_angle)
    found = _hyperbolic(factors, exponential.args[0])
    return found.subs(U, exponential)


def _with_one_angle(polynomial: Expr) -> Expr:
    """sin^2 for 1 - cos^2 in the coefficients."""
    if not polynomial.has(sympy.cos, sympy.sin):
        return polynomial
    turned = (collect(expand(turn(expand(polynomial))), U, factor) for turn in (TR5, TR6))
    return shortest((polynomial, *turned))


def _hyperbolic(product: Expr, exponent: Expr) -> Expr:
    """u^n (1 + u^2)^-n as (2 cosh p)^-n, and u^n (1 + u)^-2n as (2 cosh(p/2))^-2n."""
    powers = {one.as_base_exp()[0]: one.as_base_exp()[1] for one in sympy.Mul.make_args(product)}
    n = powers.get(U, Integer(0))
    for base, step in ((1 + U**2, 1), (1 + U, 2)):
        if n.is_positive and powers.get(base) == -step * n:
            return product * (base**step / U / (2 * cosh(exponent / step)) ** step) ** n
    return product
