"""Operations on rational functions take a foreseen time, and leave what is too large as it is."""

import time

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Rational, Symbol, exp, sqrt

from solvergen.algebra import bounded
from solvergen.algebra.bounded import MAX_DEGREE, is_small, spread_size, units

t, a, b, c = (Symbol(name, positive=True) for name in "tabc")
SECONDS = 3

HUGE = {
    "degree": t ** (2 * MAX_DEGREE) - 1,
    "product of sums": (1 + a * t + b * t**2 + c) ** 30 / (1 - a * b * t + c**2) ** 9,
    "roots of one base": t ** Rational(97, 89) + t ** Rational(83, 79),
    "exponents": exp(Rational(1331, 10) * t) + exp(Rational(777, 7) * t) + exp(t) - a,
    "inside a root": 1 + sqrt((1 + a * t + b + t**2) ** 30 + (1 + c * t + a) ** 21),
}


@pytest.mark.parametrize("name", HUGE)
@pytest.mark.parametrize("operation", ["factor", "cancel", "together", "expand"])
def test_what_is_too_large_comes_back(name: str, operation: str) -> None:
    started = time.process_time()
    assert not is_small(HUGE[name])
    assert getattr(bounded, operation)(HUGE[name]) == HUGE[name]
    assert time.process_time() - started < SECONDS


@settings(max_examples=20, derandomize=True)
@given(st.integers(11, 300), st.integers(11, 300))
def test_decimals_in_exponents_are_as_good_as_parameters(p: int, q: int) -> None:
    """(1 + e^(p/10 - q t/10)) and its reciprocal meet, in bounded time."""
    started = time.process_time()
    power = exp(Rational(p, 10) - Rational(q, 10) * t)
    assert bounded.factor((1 + power) * (1 + 1 / power) - 2 - 1 / power - power) == 0
    assert bounded.cancel((power**2 - 1) / (power - 1) - 1 - power) == 0
    assert time.process_time() - started < SECONDS


def test_a_generator_inside_another_is_no_error() -> None:
    odd = exp(2 * sqrt(1 - t) / t) + sqrt(1 - t) + t
    for operation in (bounded.factor, bounded.cancel, bounded.together):
        assert sympy.simplify(operation(odd) - odd) == 0


@pytest.mark.parametrize("power", [2, 3, 5])
def test_the_number_of_terms_is_foreseen(power: int) -> None:
    sums = (1 + a + b * t) ** power
    assert len(sympy.Add.make_args(sympy.expand(sums))) == spread_size(sums)
    assert spread_size(1 / sums + c) >= len(sympy.Add.make_args(sympy.expand(1 + c * sums)))


def test_the_largest_common_exponentials() -> None:
    assert units([exp(6 * t - 4), exp(-9 * t)]) == {t: 3, sympy.Integer(1): 4}
