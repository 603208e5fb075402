"""An identity is told from what is none by arithmetic modulo a prime."""

import pytest
import sympy
from sympy import Symbol, atan, cos, cosh, exp, log, sin, sinh, sqrt, tan

from solvergen.algebra.prime_field import PRIME, SQUARES, is_zero

x, y = Symbol("x", positive=True), Symbol("y", positive=True)
u = Symbol("u", real=True)

ZERO = {
    "fractions": 1 / (x - y) - 1 / (x + y) - 2 * y / (x**2 - y**2),
    "logarithm of a product": log(x * y**3 / sqrt(2 * x)) - log(x) / 2 - 3 * log(y) + log(2) / 2,
    "exponentials": exp(x + 2 * y) - exp(x) * exp(y) ** 2,
    "powers of a base": 2 ** (x + y) - 2**x * 2**y,
    "exponential of a logarithm": exp(log(x) / 3 + y) ** 3 - x * exp(3 * y),
    "roots": sqrt(1 + u**2) ** 3 / (1 + u**2) - sqrt(1 + u**2),
    "root of a square": sqrt(x**2 * (1 + y)) - x * sqrt(1 + y),
    "circle": sin(u + x) ** 2 + cos(u + x) ** 2 - 1,
    "three halves": 4 * cos(u / 3) ** 3 - 3 * cos(u / 3) - cos(u),
    "quarter turn": sin(sympy.pi * (1 - u) / 2) - cos(sympy.pi * u / 2),
    "half angle": tan(u / 2) - (1 - cos(u)) / sin(u),
    "hyperbola": cosh(u) ** 2 - sinh(u) ** 2 - 1,
    "odd function": atan(x - y) + atan((y**2 - x**2) / (x + y)),
}
NOT_ZERO = {
    "sign of a root": sqrt((1 - u) ** 2) - (1 - u),
    "sum under a root": sqrt(x + y) - sqrt(x) - sqrt(y),
    "calls": sin(u) - u,
    "logarithm of a sum": log(1 + x) - log(x),
    "nearly": sympy.Rational(1, 10**80) * x,
    "numbers": sqrt(2) + sqrt(3) - sympy.Rational(31462643699, 10**10),
    "needs more": atan(x) + atan(1 / x) - sympy.pi / 2,
}


@pytest.mark.parametrize("name", ZERO)
def test_identities(name: str) -> None:
    assert is_zero(ZERO[name])
    assert not is_zero(ZERO[name] + sympy.Rational(1, 7))


@pytest.mark.parametrize("name", NOT_ZERO)
def test_what_is_none(name: str) -> None:
    assert not is_zero(NOT_ZERO[name])


def test_the_prime_is_safe() -> None:
    """So that squares have one root of every order among them."""
    assert sympy.isprime(PRIME)
    assert sympy.isprime(SQUARES)
    assert PRIME % 4 == 3
