"""Integrals of rational functions, and of rational functions times powers of a primitive.

A *primitive* over the rational functions of z is a function theta with a rational derivative: a
logarithm, an angle, or both added. With a = g' + L', g rational and L a sum of logarithms, arcus
tangents and sums over roots (Hermite's reduction and partial fractions, which always succeed),

    int a theta^k dz = g theta^k + L_k - k int g theta' theta^(k-1) dz,
    L_0 = L,        L_k = c theta^(k+1)/(k+1)  if  L = c theta,

and for k > 0 the integral is elementary only if L is a multiple of theta (Risch's theorem in the
case of a primitive; Bronstein, Symbolic Integration I). Each step lowers k, so that the
integral is found or proved not to be elementary. Where theta = kappa log z and z^m + A, A > 0,
stands under a logarithm, the dilogarithm and its successors close the recursion:

    L = c log(1 + z^m/A):   L_k = -c sum_j (-kappa/m)^j k!/(k-j)! theta^(k-j) Li_(j+1)(-z^m/A).
"""

from dataclasses import dataclass

from sympy import (
    Add,
    Expr,
    Integer,
    Poly,
    Symbol,
    apart,
    diff,
    ff,
    log,
    polylog,
)
from sympy.integrals.rationaltools import ratint_ratpart

from solvergen.algebra.bounded import cancel, expand, together
from solvergen.closed_forms.logarithms import logarithms

MAX_TERMS = 16
"""Of a numerator or a denominator, multiplied out. The integrals of the named schedules that
anybody would read have 7; Hermite's reduction of 26 with three symbols takes minutes."""


class NotElementaryError(Exception):
    """An integral was proved to be neither elementary nor a polylogarithm of the form above."""


class TooLongError(Exception):
    """A fraction has too many terms."""


@dataclass(frozen=True)
class Integral:
    """An antiderivative in z.

    Attributes:
        rational: the part that is a rational function of z.
        transcendental: (coefficient, call) of logarithms, arcus tangents and sums over roots.
    """

    rational: Expr
    transcendental: tuple[tuple[Expr, Expr], ...]

    @property
    def expression(self) -> Expr:
        return self.rational + Add(*(c * call for c, call in self.transcendental))


def integrate_rational(function: Expr, z: Symbol) -> Integral:
    """The antiderivative of a rational function of z.

    Raises:
        TooLongError: the function has more than ``MAX_TERMS``.
    """
    fraction = cancel(together(function)).as_numer_denom()
    if any(len(Add.make_args(expand(e))) > MAX_TERMS for e in fraction):
        raise TooLongError
    top, bottom = (Poly(e, z) for e in fraction)
    whole, top = top.div(bottom)
    found = whole.integrate(z).as_expr()
    if top.is_zero:
        return Integral(found, ())
    reduced, rest = ratint_ratpart(top, bottom, z)
    calls: list[tuple[Expr, Expr]] = []
    for term in Add.make_args(apart(cancel(rest), z)):
        calls += logarithms(*(Poly(e, z) for e in cancel(term).as_numer_denom()))
    return Integral(found + cancel(reduced), tuple(calls))


def integrate_with_primitive(function: Expr, k: int, theta: Symbol, rate: Expr, z: Symbol) -> Expr:
    """int a theta^k dz as a polynomial in ``theta``.

    Args:
        function: a, rational in z.
        theta: the symbol that stands for the primitive.
        rate: theta', rational in z.

    Raises:
        NotElementaryError: there is none.
        TooLongError: nobody would read it.
    """
    found = integrate_rational(function, z)
    if k == 0:
        return found.expression
    logarithmic = _logarithmic_part(found.transcendental, k, theta, rate, z)
    rest = integrate_with_primitive(-k * found.rational * rate, k - 1, theta, rate, z)
    return found.rational * theta**k + logarithmic + rest


def _logarithmic_part(
    calls: tuple[tuple[Expr, Expr], ...], k: int, theta: Symbol, rate: Expr, z: Symbol
) -> Expr:
    """L_k, for L the sum of ``calls``."""
    density = cancel(Add(*(c * diff(call, z) for c, call in calls)))
    multiple = cancel(density / rate)
    if not multiple.has(z):
        return multiple * theta ** (k + 1) / (k + 1)
    kappa = cancel(rate * z)
    if kappa.has(z):
        raise NotElementaryError
    total = Integer(0)
    for coefficient, call in calls:
        if call == log(z):
            total += coefficient * theta ** (k + 1) / (kappa * (k + 1))
            continue
        if call.func != log:
            raise NotElementaryError
        argument = call.args[0]
        power = Poly(argument, z).degree()
        ratio = cancel(z**power / (argument - z**power))
        if cancel(ratio / z**power).has(z) or not ratio.is_positive:
            raise NotElementaryError
        total -= coefficient * _polylogarithms(ratio, power, k, theta, kappa)
    return total


def _polylogarithms(ratio: Expr, power: int, k: int, theta: Symbol, kappa: Expr) -> Expr:
    """sum_j (-kappa/m)^j k!/(k-j)! theta^(k-j) Li_(j+1)(-z^m/A), with Li_1(x) = -log(1 - x)."""
    terms = []
    for j in range(k + 1):
        call = -log(1 + ratio) if j == 0 else polylog(j + 1, -ratio)
        terms.append((-kappa / power) ** j * ff(k, j) * theta ** (k - j) * call)
    return Add(*terms)
