"""Rewritings keep the value where their branches hold, and the promised form is among them."""

import mpmath
import pytest
import sympy
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sympy import Expr, Rational, Symbol, acos, asinh, cos, exp, log, pi, sin, sqrt, tan
from sympy.codegen.cfunctions import expm1, log1p

from solvergen.algebra.evaluation import evaluate_mp
from solvergen.algebra.rewriting import rewritings, with_logarithms_near_one

t = Symbol("t", positive=True)
POINTS = tuple(map(mpmath.mpf, ("0.11", "0.37", "0.52", "0.93")))
SMALL = mpmath.mpf("1e-40")

PROMISED = {
    "exponential": (1 - exp(-t), -expm1(-t)),
    "exponentials": (exp(-t) - exp(-2 * t), -exp(-t) * expm1(-t)),
    "logarithm": (log(1 + t), log1p(t)),
    "reflection": (cos(pi * t / 2), sin(pi * (1 - t) / 2, evaluate=False)),
    "circle": (1 - cos(t) ** 2, sin(t) ** 2),
    "two angles": (cos(1) ** 2 - cos(t) ** 2, sin(t - 1) * sin(t + 1)),
    "half angle": (1 - cos(t), 2 * sin(t / 2) ** 2),
    "other half angle": (2 + 2 * cos(t), 4 * cos(t / 2) ** 2),
    "conjugate": (1 - sqrt(1 - t), t / (sqrt(1 - t) + 1)),
    "polynomial": (1 - 2 * t + t**2, (1 - t) ** 2),
    "squares": (1 - (1 + t) ** 2, -t * (t + 2)),
    "root of a square": (sqrt(t**2 * (1 + t)), t * sqrt(1 + t)),
    "area function": (log(t + sqrt(t**2 + 1)), asinh(t)),
    "joined logarithms": (log(1 - t) - log(1 + t), log((1 - t) / (1 + t))),
}


@pytest.mark.parametrize("name", PROMISED)
def test_the_promised_form_is_found(name: str) -> None:
    expression, promised = PROMISED[name]
    found = list(rewritings(expression, t))
    alike = (form for form in found if form.func == promised.func)
    assert promised in found or any(sympy.expand(form - promised) == 0 for form in alike), found


def assert_same(form: Expr, expression: Expr) -> None:
    """To 40 digits, where both are real."""
    for point in POINTS:
        exact = evaluate_mp(expression, t, point, 60)
        assert abs(evaluate_mp(form, t, point, 60) - exact) < SMALL * (1 + abs(exact)), form


@pytest.mark.parametrize("name", PROMISED)
def test_every_rewriting_keeps_the_value(name: str) -> None:
    expression, _ = PROMISED[name]
    for form in rewritings(expression, t):
        assert_same(form, expression)


LEAVES = st.sampled_from([
    1 - exp(-t), exp(3 * t), log(1 + t), cos(pi * t / 2), sin(pi * t / 2), sqrt(1 + t),
    sqrt(1 - t / 2), 1 - t**2, t / (1 + t), 1 + t**2, Rational(3, 2), tan(t / 2),
])  # fmt: skip
"""All positive on (0, 1), so that no branch is left."""
COMPOSED = st.recursive(
    LEAVES,
    lambda inner: (
        st.builds(lambda a, b: a + b, inner, inner)
        | st.builds(lambda a, b: a * b, inner, inner)
        | st.builds(lambda a, b: a / b, inner, inner)
        | st.builds(sqrt, inner)
        | st.builds(lambda a: log(1 + a), inner)
    ),
    max_leaves=4,
)


def test_angle_is_rationalised() -> None:
    """acos(A) - k, for k in (0, pi), as one arcus tangent with no difference of near angles."""
    expression = acos(t) - 1
    found = [form for form in rewritings(expression, t) if not form.has(acos)]
    assert found
    for form in found:
        assert form.has(sympy.atan)
        assert_same(form, expression)


@settings(max_examples=40)
@given(COMPOSED)
@example(log(2 - exp(-t)))
@example(sqrt((1 - exp(-t)) ** 2))
@example(sqrt(sympy.Abs(t**2 - 1)))
def test_every_rewriting_of_a_positive_expression_keeps_the_value(expression: Expr) -> None:
    for form in rewritings(expression, t):
        assert_same(form, expression)


LOGARITHMS = [
    log(1 + t) - log(1 - t),
    log(t / (1 + t)),
    log(sqrt(1 + t**2) - t),
    log(sqrt(1 - t) / (1 + t)),
    3 + 2 * log(2 - t),
]


@pytest.mark.parametrize("expression", LOGARITHMS, ids=str)
def test_logarithms_near_one_are_the_same_logarithms(expression: Expr) -> None:
    found = with_logarithms_near_one(expression, t)
    assert found.has(log1p)
    assert not any(call.has(t) for call in found.atoms(sympy.log))
    assert_same(found, expression)
