"""Algebraic functions of one variable with square roots: every root of an irreducible polynomial.

    sqrt(P/Q) = prod p_i^(k_i/2)        over the factors p_i of P and Q

Each sqrt(p_i) is then a name R_i with R_i^2 = p_i, and the function a quotient of polynomials in
the names that holds no square of one. Which sign a factor has is looked up at one place, so that a
form holds where no factor changes sign; it is for the caller to compare values.
"""

from collections.abc import Callable

import sympy
from sympy import Dummy, Expr, Poly, Symbol

from solvergen.algebra.bounded import cancel, factor, is_small, together
from solvergen.algebra.roots import hide_constants

IsNegative = Callable[[Expr], bool]
"""Whether a function of the variable is negative at a place inside the domain."""

MAX_ROOTS = 4
"""Different square roots: nobody reads more, and each one doubles what is multiplied out."""


def reduced(expression: Expr, x: Symbol, is_negative: IsNegative) -> Expr | None:
    """An expression with square roots of rational functions of x, as above; None if it holds other
    functions of x, or more roots.
    """
    hidden, constants = hide_constants(expression, {x})

    def negative(e: Expr) -> bool:
        return is_negative(e.xreplace(constants))

    named = _Named(x, negative)
    rational = named.of(hidden)
    if rational is None or len(named.roots) > MAX_ROOTS or not is_small(rational):
        return None
    above, below = sympy.fraction(cancel(together(rational)))
    for name, square in named.roots.items():
        above, below = (_without_squares(e, name, square) for e in (above, below))
    found = factor(above) / factor(below)
    back = {name: sympy.sqrt(square) for name, square in named.roots.items()}
    return found.xreplace(back).xreplace(constants)


def _without_squares(e: Expr, name: Symbol, square: Expr) -> Expr:
    """A polynomial in the name with no power above the first."""
    terms = Poly(e, name).terms()
    return sympy.Add(*(c * name ** (power % 2) * square ** (power // 2) for (power,), c in terms))


class _Named:
    """Names for the square roots of polynomials in x."""

    def __init__(self, x: Symbol, is_negative: IsNegative) -> None:
        self.x = x
        self.is_negative = is_negative
        self.roots: dict[Symbol, Expr] = {}

    def of(self, e: Expr) -> Expr | None:
        """The expression, rational in x and the names; None if it is none."""
        if not e.has(self.x) or e == self.x:
            return e
        if e.is_Pow and e.exp.is_Rational and not e.exp.is_Integer:
            return self.power(e.base, e.exp) if e.exp.q == 2 else None
        if not (e.is_Add or e.is_Mul or (e.is_Pow and e.exp.is_Integer)):
            return None
        parts = [self.of(one) for one in e.args]
        return None if any(one is None for one in parts) else e.func(*parts)

    def power(self, base: Expr, power: Expr) -> Expr | None:
        """A half-integer power."""
        if not base.is_rational_function(self.x):
            return None
        found, sign = sympy.Integer(1), 1
        for one in sympy.Mul.make_args(factor(together(base))):
            inner, times = one.as_base_exp()
            if not times.is_Integer:
                return None
            if self.is_negative(inner):
                inner, sign = -inner, sign * (-1) ** int(times)
            root = self.root(inner) if inner.has(self.x) else sympy.sqrt(inner)
            found *= root ** (2 * times * power)
        return found if sign > 0 else None

    def root(self, polynomial: Expr) -> Expr:
        """sqrt(p), of a positive p."""
        for name, square in self.roots.items():
            ratio = cancel(polynomial / square)
            if not ratio.has(self.x):
                return name * sympy.sqrt(ratio)
        name = Dummy(f"R{len(self.roots)}", positive=True)
        self.roots[name] = polynomial
        return name
