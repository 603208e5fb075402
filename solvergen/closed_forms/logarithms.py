"""Integrals of proper fractions with an irreducible denominator D: logarithms and arcus tangents.

    deg D = 1:   A/(z - c) = A (log(z - c))'
    deg D = 2:   (A z + B)/(a z^2 + b z + c) = A/2a (log D)' + (B - A b/2a)/D,
                 1/D = (2/r) (atan((2 a z + b)/r))',     r^2 = 4 a c - b^2 > 0;
                 for r^2 < 0 the roots are real, (-b +- root)/2a.
    N = k D':    k log D
    D = E(z^m):  what N has of the form z^(m-1) n(z^m) is n(w)/(m E(w)) over w = z^m.
    D = z^4 + p z^2 + r^2 without real roots, r rational, and N even:
                 D = (z^2 + r)^2 - s^2 z^2 = D_+ D_-,   D_+- = z^2 +- s z + r,   s^2 = 2 r - p > 0,
                 (a z^2 + b)/D = (u z + v)/D_+ + (-u z + v)/D_-,   v = b/2r,   u = (v - a/2)/s.

The roots of every other D are not worth writing: ``solvergen.algebra.root_sums`` sums over them.
"""

from collections.abc import Iterator
from functools import reduce
from math import gcd

from sympy import Dummy, Expr, Poly, atan, cancel, factor, log, sqrt

from solvergen.algebra.root_sums import integral_over_roots

Calls = Iterator[tuple[Expr, Expr]]
"""(coefficient, call) pairs."""


def logarithms(top: Poly, bottom: Poly) -> Calls:
    """The integral of a proper fraction with an irreducible denominator, up to a constant."""
    if top.is_zero:
        return
    if bottom.degree() == 1:
        yield cancel(top.as_expr() / bottom.LC()), log(bottom.monic().as_expr())
        return
    multiple = cancel(top.as_expr() / bottom.diff().as_expr())
    if not multiple.has(bottom.gen):
        yield multiple, log(bottom.monic().as_expr())
    elif bottom.degree() == 2:
        yield from _over_quadratic(top, bottom)
    else:
        yield from _over_power(top, bottom)


def _over_quadratic(top: Poly, bottom: Poly) -> Calls:
    """Two logarithms, or one and an arcus tangent; over roots where the sign of r^2 is open."""
    z = bottom.gen
    a, b, c = bottom.all_coeffs()
    half = cancel(top.coeff_monomial(z) / (2 * a))
    rest = cancel(top.coeff_monomial(1) - half * b)
    square = factor(4 * a * c - b**2)
    if square.is_negative:
        root = sqrt(-square)
        for sign in (1, -1):
            yield half + sign * rest / root, log(z - (-b + sign * root) / (2 * a))
    elif square.is_positive:
        root = sqrt(square)
        if half != 0:
            yield half, log(bottom.monic().as_expr())
        yield 2 * rest / root, atan((2 * a * z + b) / root)
    else:
        yield integral_over_roots(top, bottom)


def _over_power(top: Poly, bottom: Poly) -> Calls:
    """The part that is a fraction in z^m times dz^m/dz, then the rest."""
    z, w = bottom.gen, Dummy("w", positive=True)
    m = reduce(gcd, (power for (power,) in bottom.monoms()))
    if m > 1:
        inner = {power: one for (power,), one in top.terms() if power % m == m - 1}
        lowered = Poly({(power // m,): one / m for power, one in inner.items()} or {(0,): 0}, w)
        outer = Poly({(power // m,): one for (power,), one in bottom.terms()}, w)
        for coefficient, call in logarithms(lowered, outer):
            yield coefficient, call.subs(w, z**m)
        top = top - Poly({(power,): one for power, one in inner.items()} or {(0,): 0}, z)
    if top.is_zero:
        return
    halves = list(_halves(top, bottom))
    for numerator, denominator in halves:
        yield from _over_quadratic(numerator, denominator)
    if not halves:
        yield integral_over_roots(top, bottom)


def _halves(top: Poly, bottom: Poly) -> Iterator[tuple[Poly, Poly]]:
    """The two quadratic fractions of an even quartic one without real roots, if r is rational."""
    z, lead = bottom.gen, bottom.LC()
    powers = {power for one in (top, bottom) for (power,) in one.monoms()}
    if bottom.degree() != 4 or any(power % 2 for power in powers):
        return
    p, end = (cancel(bottom.coeff_monomial(power) / lead) for power in (z**2, 1))
    a, b = (cancel(top.coeff_monomial(power) / lead) for power in (z**2, 1))
    r = sqrt(end)
    if not (r.is_Rational and (2 * r - p).is_positive and (2 * r + p).is_positive):
        return
    s, v = sqrt(2 * r - p), b / (2 * r)
    u = (v - a / 2) / s
    for sign in (1, -1):
        yield Poly(sign * u * z + v, z), Poly(z**2 + sign * s * z + r, z)
