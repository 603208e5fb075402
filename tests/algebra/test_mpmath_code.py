"""Expressions as programs in many digits: one program is right in every precision."""

import mpmath
import pytest
import sympy
from sympy import Expr, Rational, pi, sqrt

from solvergen.algebra.mpmath_code import program
from solvergen.symbols import t


@pytest.mark.parametrize(
    "formula",
    [
        sympy.cos(pi * (2 * t / 5 + Rational(1, 10))) / sqrt(sqrt(5) / 8 + Rational(5, 8)),
        (1 - t ** Rational(13, 10)) ** Rational(-17, 10) + sympy.E**-6,
        (t - 2) ** Rational(2, 3) * sympy.log(3),
        sympy.atan(sympy.exp(Rational(-15, 2))) + pi,
    ],
    ids=str,
)
def test_what_is_held_belongs_to_a_precision(formula: Expr) -> None:
    """Asked in few digits, in many, in few and in some between, with roots of what is negative."""
    run, place = program(formula, (t,)), Rational(1, 3)
    for digits in (15, 80, 15, 40):
        with mpmath.workdps(digits):
            found = run(mpmath.mpf(1) / 3)
            exact = mpmath.mpmathify(sympy.N(formula.subs(t, place), digits + 10))
            assert abs(found - exact) < abs(exact) * mpmath.mpf(10) ** (2 - digits)
