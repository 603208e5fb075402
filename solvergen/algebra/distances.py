"""Distances to the end of a domain, whose digits a product with a number loses.

sympy multiplies 6 (1 - t) out. In float64 1 - t is exact near 1, and 6 - 6 t is not: 6 t is
rounded.
"""

from sympy import Add, Expr, Rational, Symbol, UnevaluatedExpr


class Kept(UnevaluatedExpr):
    """A sum that is not multiplied out; a function of its symbols in all else."""

    def _eval_derivative(self, symbol: Symbol) -> Expr:
        return self.args[0].diff(symbol)


def with_distance(difference: Expr) -> Expr:
    """c - c t as c (1 - t) for a number c whose products are rounded; all else as it is."""
    number, term = difference.as_coeff_Add()
    c, varying = term.as_coeff_Mul()
    if number == 0 or isinstance(varying, Add) or not c.is_Rational or _is_power_of_two(c):
        return difference
    place = -number / c
    if place.is_negative:
        return c * Kept(varying - place)
    return -c * Kept(place - varying)


def _is_power_of_two(number: Rational) -> bool:
    """Whether a product with a number is exact."""
    return all(abs(part) & (abs(part) - 1) == 0 for part in (number.p, number.q))
