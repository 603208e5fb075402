"""Limits at the ends of a domain: sympy's where it has them, the value nearby where it has not."""

from itertools import pairwise

import mpmath
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Expr, Integer, Rational, Symbol, atan, cos, exp, log, oo, pi, sin, sqrt, tan

from solvergen.algebra import precision
from solvergen.algebra.evaluation import evaluate_mp
from solvergen.algebra.limits import Limit, approach, one_sided_limit, trend

t = Symbol("t", positive=True)
UNIT = (Integer(0), Integer(1))

LIMITS = {
    "no singularity": (exp(-t) + t, 0, 1),
    "removable": (sin(t) / t, 0, 1),
    "removable, twice": ((1 - cos(t)) / t**2, 0, Rational(1, 2)),
    "at the right end": ((1 - t**3) / (1 - t), 1, 3),
    "root over root": (sqrt(1 - t**2) / sqrt(1 - t), 1, sqrt(2)),
    "pole": (1 / t, 0, oo),
    "negative pole": (1 / (t - 1), 1, -oo),
    "logarithm": (log(t), 0, -oo),
    "logarithm against power": (t * log(t), 0, 0),
    "angle": (atan(t / (1 - t)), 1, pi / 2),
    "pole of a tangent against a zero": ((1 - t) * tan(pi * t / 2), 1, 2 / pi),
    "essential zero": (exp(-1 / t), 0, 0),
}


@pytest.mark.parametrize("name", LIMITS)
def test_known_limits_are_exact(name: str) -> None:
    expression, end, expected = LIMITS[name]
    found = one_sided_limit(expression, t, Integer(end), UNIT)
    assert found.exact
    assert found.value == expected
    assert found.is_finite == sympy.sympify(expected).is_finite


POLYNOMIALS = st.lists(st.integers(-4, 4), min_size=2, max_size=4)


@settings(max_examples=40)
@given(POLYNOMIALS, POLYNOMIALS, st.sampled_from([0, 1]))
def test_quotients_of_polynomials(tops: list[int], bottoms: list[int], end: int) -> None:
    """A common zero cancels; what is left is the value, or the sign of the pole, from inside."""
    near = t if end == 0 else 1 - t
    top, bottom = (sum(c * near**k for k, c in enumerate(one)) for one in (tops, bottoms))
    if bottom == 0 or top == 0:
        return
    first = [next(k for k, c in enumerate(one) if c) for one in (tops, bottoms)]
    leading = Rational(tops[first[0]], bottoms[first[1]])
    expected = {True: leading, False: Integer(0)}[first[0] == first[1]]
    if first[0] < first[1]:
        expected = oo if leading > 0 else -oo
    found = one_sided_limit(sympy.expand(top) / sympy.expand(bottom), t, Integer(end), UNIT)
    assert found.exact
    assert found.value == expected


def test_an_extrapolated_limit_says_so() -> None:
    assert str(Limit(sympy.Float("1.5"), False)).endswith("(extrapolated)")
    assert str(Limit(Integer(2), True)) == "2"


@pytest.mark.parametrize("domain", [UNIT, (Integer(0), pi / 2), (Rational(1, 3), Integer(5))])
@pytest.mark.parametrize("side", [0, 1])
def test_approach_stays_inside_and_comes_closer(domain: tuple[Expr, Expr], side: int) -> None:
    points = approach(domain[side], domain)
    with mpmath.workdps(precision.LIMIT):
        low, high = (sympy.N(end, precision.LIMIT)._to_mpmath(mpmath.mp.prec) for end in domain)
        gaps = [abs(point - (low, high)[side]) for point in points]
        assert all(low < point < high for point in points)
        assert all(near < far / 2**9 for far, near in pairwise(gaps))
        assert gaps[-1] < mpmath.mpf("1e-45")


@pytest.mark.parametrize(
    "wave", [sin(1 / t), cos(3 / t), 2 + sin(5 / t**2), sin(7 / t) / 5 - 1, cos(1 / sqrt(t)) * 9]
)
def test_what_oscillates_has_no_limit(wave: Expr) -> None:
    """It is neither infinite nor a number."""
    found = one_sided_limit(wave, t, Integer(0), UNIT)
    assert found.value is sympy.nan
    assert not found.exact


@pytest.mark.parametrize(
    "number", [Rational(7, 3), -sqrt(5), 3 * pi / 7, 2 / pi, exp(Rational(1, 3))]
)
@pytest.mark.parametrize("power", [Rational(1, 2), 1, 2])
def test_a_number_is_told_from_its_digits(number: Expr, power: Expr) -> None:
    """Where values settle as fast as a power of the distance; e^(1/3) is said to be a decimal."""
    found = one_sided_limit(number + t**power * sin(t) / t, t, Integer(0), UNIT)
    assert found.exact == (not number.has(exp) or power >= 1)
    assert abs(sympy.N(found.value - number, 30)) < 1e-20


TRENDS = {
    "settles": (exp(-t), 1),
    "grows": (1 / t, oo),
    "falls": (-1 / sqrt(t), -oo),
    "grows slowly": (-log(t), oo),
    "is complex": (sqrt(-t), None),
}


@pytest.mark.parametrize("name", TRENDS)
def test_trend(name: str) -> None:
    expression, expected = TRENDS[name]
    points = approach(Integer(0), UNIT)
    found = trend([evaluate_mp(expression, t, point, precision.LIMIT) for point in points])
    if expected is None or expected in (oo, -oo):
        assert found == expected
    else:
        assert abs(found - expected) < Rational(1, 10**20)
