"""The integral of a fraction whose denominator has no roots in radicals: a sum over them.

For polynomials N and D, deg N < deg D, where D has simple roots,

    int_y^x N/D dz = sum_{D(c) = 0} N(c)/D'(c) log((x - c)/(y - c)),

by partial fractions. Roots that are not real come in pairs with conjugate terms, so that the sum is
real for x and y on one side of every real root. With y = 0 the argument is 1 - x/c, and the
integral that vanishes at 0.
"""

from typing import Any

import mpmath
from sympy import (
    Add,
    Expr,
    Function,
    Integer,
    Mul,
    Poly,
    Symbol,
    Tuple,
    cancel,
    count_ops,
    diff,
    factor,
    log,
)

NAMES = ("c", "r", "zeta")
"""What a root is called, the first that is not a parameter."""


class root_logarithms(Function):  # noqa: N801 - as sympy names its functions
    """root_logarithms(N, D, x, y): the sum above, N and D as coefficients, highest power first."""

    nargs = (4,)

    @classmethod
    def eval(cls, top: Tuple, bottom: Tuple, x: Expr, y: Expr) -> Expr | None:
        """No interval, no integral."""
        return Integer(0) if x == y else None

    def _eval_is_commutative(self) -> bool:
        return True

    def over(self, x: Expr, y: Expr) -> Expr:
        """The same integral over another interval."""
        return self.func(*self.args[:2], x, y)

    def integrand(self, z: Expr) -> Expr:
        """N(z)/D(z)."""
        top, bottom = (_polynomial(one, z) for one in self.args[:2])
        return top / bottom

    def _eval_derivative(self, symbol: Symbol) -> Expr:
        """x' N(x)/D(x) - y' N(y)/D(y), for coefficients that are constants."""
        x, y = self.args[2:]
        slopes = (diff(one, symbol) for one in (x, y))
        at_x, at_y = (
            Integer(0) if slope == 0 else slope * self.integrand(one)
            for slope, one in zip(slopes, (x, y), strict=True)
        )
        return at_x - at_y

    def parts(self) -> tuple[Symbol, Expr, Expr]:
        """A root c, D(c), and N(c)/D'(c) log(..)."""
        top, bottom, x, y = self.args
        taken = {symbol.name for symbol in self.free_symbols}
        c = Symbol(next(name for name in NAMES if name not in taken))
        polynomial = _polynomial(bottom, c)
        residue = cancel(_polynomial(top, c) / diff(polynomial, c))
        argument = 1 - x / c if y == 0 else Mul(c - x, 1 / (c - y))
        return c, polynomial, min(residue, factor(residue), key=count_ops) * log(argument)

    def _sympystr(self, printer: Any) -> str:
        c, polynomial, term = self.parts()
        return f"sum({printer.doprint(term)} for roots {c} of {printer.doprint(polynomial)})"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        _, polynomial, term = self.parts()
        shown = rf"\sum_{{{printer.doprint(polynomial)} = 0}} {printer.doprint(term)}"
        return shown if exp is None else rf"\left({shown}\right)^{{{exp}}}"


def integral_over_roots(top: Poly, bottom: Poly) -> tuple[Expr, Expr]:
    """(coefficient, call): the integral of a proper fraction from 0, as a function of its variable.

    Raises:
        ValueError: if the degree of ``top`` is not below that of ``bottom``.
    """
    if top.degree() >= bottom.degree():
        raise ValueError(
            f"a proper fraction is expected, got degrees {top.degree()} and {bottom.degree()}: "
            "divide the polynomials first"
        )
    numerator, denominator = top.primitive(), bottom.primitive()
    coefficients = (Tuple(*one[1].all_coeffs()) for one in (numerator, denominator))
    call = root_logarithms(*coefficients, bottom.gen, Integer(0))
    return numerator[0] / denominator[0], call


def in_many_digits(top: list[Any], bottom: list[Any], x: Any, y: Any) -> Any:
    """The value in the precision that is in force."""
    terms = []
    # five times the digits and four times the usual steps, for roots that lie near each other
    for c in mpmath.polyroots(bottom, maxsteps=200, extraprec=4 * mpmath.mp.prec):
        _, slope = mpmath.polyval(bottom, c, derivative=True)
        terms.append(mpmath.polyval(top, c) / slope * mpmath.log((x - c) / (y - c)))
    return mpmath.fsum(terms).real


def _polynomial(coefficients: Tuple, z: Expr) -> Expr:
    degree = len(coefficients) - 1
    return Add(*(one * z ** (degree - k) for k, one in enumerate(coefficients)))
