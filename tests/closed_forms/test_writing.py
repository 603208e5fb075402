"""Writing a sum of calls shorter changes neither its value nor, for antiderivatives, its slope."""

import mpmath
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import (
    Add,
    Expr,
    Rational,
    Symbol,
    acos,
    asin,
    asinh,
    atan,
    atanh,
    cos,
    cot,
    diff,
    exp,
    log,
    pi,
    polylog,
    sin,
    sqrt,
    tan,
)

from solvergen.algebra.evaluation import evaluate_mp
from solvergen.closed_forms.writing import (
    arcus,
    logarithm,
    normalized,
    shortest,
    split,
    sum_of,
    with_positive_sums,
    written_length,
)

x = Symbol("x", positive=True)
POINTS = ("0.137", "0.41", "0.83")
"""In (0, 1), the domain of everything here."""


def value(expression: Expr) -> float:
    """At a point of the domain: what decides signs."""
    return float(evaluate_mp(expression, x, POINTS[1]))


def gap(one: Expr, other: Expr) -> mpmath.mpf:
    """The largest difference at the points."""
    return max(abs(evaluate_mp(one - other, x, mpmath.mpf(point))) for point in POINTS)


SMALL = mpmath.mpf("1e-45")
RATIONALS = [
    1 / (1 - x) + 1 / (1 + x),
    (x**2 - 1) / (x - 1) ** 2 + x,
    sin(x) ** 2 / cos(x) + cos(x),
    exp(2 * x) * exp(-x) + 1 / exp(x),
    sqrt(1 - x) * sqrt(1 + x) / x,
    cot(x) ** -1 + x,
]


@pytest.mark.parametrize("expression", RATIONALS, ids=str)
def test_shortest_is_no_longer_and_the_same(expression: Expr) -> None:
    found = shortest(expression)
    assert written_length(found) <= written_length(expression)
    assert gap(found, expression) < SMALL


def test_shortest_joins_and_cancels() -> None:
    assert shortest(1 / (1 - x) + 1 / (1 + x)) == -2 / (x**2 - 1)
    assert shortest((x**2 - 1) / (x - 1)) == x + 1
    assert shortest(1 / cot(x)) == tan(x)


FACTORS = st.sampled_from([x, 1 - x, x - 1, 1 + x, x**2 - 2, 2 - x, sympy.Integer(-3)])
PRODUCTS = st.builds(
    lambda factors, powers: sympy.Mul(*(f**p for f, p in zip(factors, powers, strict=True))),
    st.lists(FACTORS, min_size=3, max_size=3),
    st.lists(st.sampled_from([-2, -1, 1, 2]), min_size=3, max_size=3),
)


@settings(max_examples=60)
@given(PRODUCTS, PRODUCTS)
def test_flipped_sums_are_positive_and_the_value_stays(one: Expr, other: Expr) -> None:
    """No power of a sum that is negative over the domain is left, but for the sign in front."""
    for expression in (one, one + other):
        assert gap(with_positive_sums(expression, value), expression) < SMALL
    bases = [
        factor.as_base_exp()[0] for factor in sympy.Mul.make_args(with_positive_sums(one, value))
    ]
    sums = [base for base in bases if isinstance(base, Add)]
    if not one.could_extract_minus_sign() and value(one) > 0:
        assert all(value(base) > 0 for base in sums)


@settings(max_examples=60)
@given(PRODUCTS)
def test_parts_of_a_logarithm_add_up(argument: Expr) -> None:
    """sum n F = log|argument|, and no F holds a power that could stand before it."""
    if not argument.has(x):
        return
    parts = list(logarithm(argument, value))
    whole = Add(*(coefficient * form for coefficient, form in parts))
    assert gap(whole, log(sympy.Abs(argument))) < SMALL
    for _, form in parts:
        inner = form.args[0] if isinstance(form, log) else sympy.Integer(1)
        assert not (inner.is_Pow and inner.exp.is_number)


def test_logarithms_of_area_functions_and_exponentials() -> None:
    (only,) = logarithm(x + sqrt(x**2 + 1), value)
    assert only == (1, asinh(x))
    (only,) = logarithm(sqrt(x**2 + 1) - x, value)
    assert only == (-1, asinh(x))
    parts = logarithm(exp(x) * (1 + x), value)
    whole = Add(*(coefficient * form for coefficient, form in parts))
    assert gap(whole, x + log(1 + x)) < SMALL


ARCUS = {
    atan(x / sqrt(1 - x**2)): asin(x),
    atan(sqrt(1 - x**2) / x): acos(x),
    atan(cot(x)): pi / 2 - x,
    atan((1 + cos(x)) / sin(x)): pi / 2 - x / 2,
    atan(x): atan(x),
    atan(2 * x / (1 - x**2)): None,
}


@pytest.mark.parametrize("call", ARCUS, ids=str)
def test_arcus_functions_keep_their_value(call: Expr) -> None:
    found = arcus(call.args[0])
    assert gap(found, call) < SMALL
    assert ARCUS[call] in (None, found)


SUMS = [
    log(1 + x) - log(1 - x),
    2 * log(x) - 2 * log(1 + x) + x * log(2 - x),
    (1 + x) / (1 - x) + 3 * log((1 - x) ** 2 / x**3) - log(x),
    atan(x / sqrt(1 - x**2)) * x + log(x + sqrt(x**2 + 1)),
    polylog(2, (x**2 - x) / (x - 1) / 2) + log(exp(x) * x),
]


@pytest.mark.parametrize("expression", SUMS, ids=str)
def test_split_and_sum_are_inverse(expression: Expr) -> None:
    terms = split(expression, x)
    assert sympy.expand(sum_of(terms) - expression) == 0
    calls = set(terms) - {sympy.Integer(1)}
    assert calls
    assert not any(coefficient.has(*calls) for coefficient in terms.values())


@pytest.mark.parametrize("expression", SUMS, ids=str)
def test_normalized_sums_are_no_longer_and_the_same(expression: Expr) -> None:
    """Up to the sign inside logarithms of negative numbers, which the derivative does not see."""
    found = sum_of(normalized(split(expression, x), value))
    assert gap(diff(found, x), diff(expression, x)) < SMALL
    assert written_length(found)[0] <= written_length(expression)[0]


def test_equal_coefficients_are_joined() -> None:
    assert normalized({log(1 + x): x, log(1 - x): -x}, value) == {atanh(x): 2 * x}
    joined = normalized({log(x): Rational(1), log(2 + x): Rational(1)}, value)
    assert joined == {log(x * (x + 2)): 1}
    joined = normalized({log(x): Rational(1), log(2 + x): Rational(-1)}, value)
    assert joined == {log(x / (x + 2)): 1}


def test_an_exponential_leaves_a_logarithm() -> None:
    """log(e^(3 x) y) = 3 x + log y."""
    x, y = sympy.symbols("x y", positive=True)
    terms = list(logarithm(sympy.exp(3 * x) * y, lambda _: 1.0))
    assert terms == [(3 * x, 1), (1, sympy.log(y))]
