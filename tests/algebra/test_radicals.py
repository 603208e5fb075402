"""Square roots of rational functions become products of roots of polynomials."""

import pytest
import sympy
from sympy import Expr, Rational, Symbol, diff, exp, log, sqrt

from solvergen.algebra.radicals import reduced

x, k = Symbol("x", positive=True), Symbol("k", positive=True)
PLACE = {x: Rational(37, 100), k: Rational(5, 7)}


def is_negative(e: Expr) -> bool:
    return bool(e.xreplace(PLACE) < 0)


root = sqrt((1 - x) / (1 + x))
CASES = {
    "a square": (sqrt(x**4 + 2 * x**2 + 1), x**2 + 1),
    "a square with a parameter": (sqrt(k**2 * x**2 + 2 * k * x + 1), 1 + k * x),
    "a negative square": (sqrt(sympy.expand((x - 1) ** 2 * (1 + x))), (1 - x) * sqrt(1 + x)),
    "logarithmic derivative": (diff(root, x) / root, -1 / (1 - x**2)),
    "common factor": (sqrt(1 - x**2) / sqrt(1 - x), sqrt(1 + x)),
    "cancels": (x / sqrt(1 + x**2) - x**3 / sqrt(1 + x**2) ** 3, x / sqrt(1 + x**2) ** 3),
    "root of x": ((1 + sqrt(x)) / (1 - x), 1 / (1 - sqrt(x))),
}


@pytest.mark.parametrize("name", CASES)
def test_reduced(name: str) -> None:
    given, expected = CASES[name]
    found = reduced(given, x, is_negative)
    assert found is not None
    assert abs(sympy.N((found - expected).xreplace(PLACE), 30)) < 1e-25
    assert found.count_ops() <= expected.count_ops() + 3


@pytest.mark.parametrize(
    "other", [sqrt(1 + sqrt(1 + x)), x ** Rational(1, 3), exp(x), log(1 + x), sqrt(x - 1)]
)
def test_others_are_left(other: Expr) -> None:
    assert reduced(other, x, is_negative) is None
