"""Stable forms keep their digits to within 1e-15 of the width from both ends, and at the ends."""

import mpmath
import numpy as np
import pytest
import sympy
from sympy import cos, exp, log, pi, sin, sqrt, tan

from solvergen.algebra.accurate_form import stable_form
from solvergen.algebra.differences import d, differences
from solvergen.algebra.distances import Kept
from solvergen.algebra.evaluation import evaluate_float, evaluate_mp
from solvergen.symbols import t

UNIT = (sympy.Integer(0), sympy.Integer(1))

FORMS = {
    "exponential": (1 - exp(-5 * t), 0, None),
    "root of an exponential": (sqrt(1 - exp(-t)), 0, None),
    "logarithm": (log(1 + t), 0, None),
    "logarithm of an exponential": (-log(exp(10 * t) - 1) / 2, np.inf, None),
    "exponentials": (exp(-t) - exp(-1), None, 0),
    "exponentials whose rate rounds products": (exp(-6 * t) - exp(-6), None, 0),
    "sigmoid": (sqrt(1 / (1 + exp(-6)) - 1 / (1 + exp(-6 * t))), None, 0),
    "circle": (sqrt(1 - cos(pi * t / 2) ** 2), 0, 1),
    "cosine at its zero": (cos(pi * t / 2), 1, 0),
    "tangent at its pole": (log(tan(pi * t / 2)), -np.inf, np.inf),
    "polynomial": (1 - t**3, 1, 0),
    "root": (sqrt(1 + t) - 1, 0, None),
    "difference of squares": (1 - ((exp(-t) - exp(-2)) / (1 - exp(-2))) ** 2, 0, None),
    "sines": (sin(pi * t) / cos(pi * t / 2), 0, 2),
    "factors beside a root": (
        (1 - t**2) / sqrt(9 * (1 - t**2) ** 2 + sympy.Rational(1, 10**6)),
        None,
        0,
    ),
    "factors over a root": (
        t * sqrt((1 - t) ** 4 + sympy.Rational(1, 10**7)) / (1 - t**3),
        0,
        np.inf,
    ),
    "already stable": (t / (1 + t), 0, None),
}


@pytest.mark.parametrize("name", FORMS)
def test_digits_are_kept_near_both_ends(name: str) -> None:
    expression, _, _ = FORMS[name]
    form = stable_form(expression, t, UNIT)
    close = 10.0 ** -np.arange(1, 16)
    points = np.concatenate([close, np.linspace(0.02, 0.98, 25), 1 - close])
    for point, value in zip(points, evaluate_float(form, t, points), strict=True):
        exact = evaluate_mp(expression, t, float(point), 80)
        sensitivity = min(point, 1 - point) * abs(
            evaluate_mp(sympy.diff(expression, t), t, float(point), 80)
        )
        assert abs(mpmath.mpf(float(value)) - exact) <= 1e-13 * max(abs(exact), sensitivity)


@pytest.mark.parametrize("name", FORMS)
def test_ends_are_exact(name: str) -> None:
    expression, at_zero, at_one = FORMS[name]
    values = evaluate_float(stable_form(expression, t, UNIT), t, [0.0, 1.0])
    for value, expected in zip(values, (at_zero, at_one), strict=True):
        if expected is not None:
            assert value == expected or abs(value - expected) < 1e-15 * abs(expected)


def test_the_form_is_the_same_function() -> None:
    for expression, _, _ in FORMS.values():
        form = stable_form(expression, t, UNIT)
        for point in (0.123, 0.456, 0.789):
            difference = evaluate_mp(form - expression, t, point)
            assert abs(difference) < mpmath.mpf("1e-45")


def test_a_form_with_a_distance_that_is_kept_has_derivatives_and_differences() -> None:
    form = stable_form(log(exp(6) - exp(6 * t)), t, UNIT)
    assert form.has(Kept)
    slope = sympy.diff(form, t)
    assert not slope.has(sympy.Derivative)
    assert abs(evaluate_mp(slope + 6 / (exp(6 - 6 * t) - 1), t, 0.3, 50)) < mpmath.mpf("1e-45")
    assert all(one.has(d) for one in differences(form))
    assert differences(form)


def test_a_good_form_is_left_alone() -> None:
    assert stable_form(t / (1 + t), t, UNIT) == t / (1 + t)


def test_constants_and_broadcasting() -> None:
    assert evaluate_float(sympy.Integer(1), t, np.zeros((2, 3))).shape == (2, 3)
    assert np.isnan(evaluate_float(sqrt(t - 1), t, 0.0))
