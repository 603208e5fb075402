"""Numbers in text are exact whatever their length, and every size in text has a bound."""

import time
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Rational

import solvergen as sg
from solvergen.algebra import size
from solvergen.algebra.expressions import exact, parse, rational

t = sg.t
DECIMALS = st.from_regex(r"[0-9]{0,90}\.[0-9]{1,90}(e-?[0-9]{1,2})?", fullmatch=True)


@settings(max_examples=200)
@given(DECIMALS)
def test_decimals_of_any_length_are_what_they_say(text: str) -> None:
    expected = Fraction(text)
    for found in (rational(text), parse(f"t*{text}").subs(t, 1)):
        assert (found.p, found.q) == (expected.numerator, expected.denominator)


def test_long_decimals_of_the_issue() -> None:
    digits = "1234567890" * 6 + "12345"
    assert rational(f"0.{digits}e-10") == Rational(int(digits), 10 ** (len(digits) + 10))
    assert rational("1" + "0" * 70 + ".5") == Rational(2 * 10**70 + 1, 2)


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("1e999999999", "number of ordinary size"),
        ("t*1e-000000000000999999999", "number of ordinary size"),
        ("1e301*t", "10^300"),
        ("exp(1000000)*t", "10^300"),
        ("exp(-1000000)*t", "10^300"),
        ("2**exp(60)", "10^300"),
        ("9" * 700, "2048 bits"),
        ("t**51", "at most 50"),
        ("(1-t**20)**20", "degree 400; expected at most 32"),
        ("t**(97/89)", "denominator 89; expected at most 60"),
        ("t**(1/7) + t**(1/11)", "denominator 77; expected at most 60"),
        ("t" + "+sin(t)" * 100, "at most 160"),
        ("tanh(t*" * 7 + "t" + ")" * 7, "nested 7 levels deep; expected at most 6"),
        ("sin(" * 40 + "t" + ")" * 40, "nested 7 levels deep"),
        ("t" + "+t" * 998, "more than 160 operations"),
        ("t+" * 1000 + "t", "at most 2000"),
        ("(" * 70 + "t" + ")" * 70 + "+1", "cannot read|expected|^$"),
        ("-" * 70 + "t", "nested more than 60"),
    ],
)
def test_every_size_has_a_bound_that_the_error_states(text: str, bound: str) -> None:
    started = time.process_time()
    if "|" in bound:  # parentheses leave no trace in a syntax tree
        assert parse(text) == t + 1
    else:
        with pytest.raises(sg.ScheduleError, match=bound.replace("^", r"\^")):
            parse(text)
    assert time.process_time() - started < 2


def test_the_bounds_hold_for_formulas_of_sympy_and_for_parameters() -> None:
    with pytest.raises(sg.ScheduleError, match="degree 100; expected at most 32"):
        sg.NoiseSchedule(1 - t**100, t)
    with pytest.raises(sg.ScheduleError, match="denominator 89; expected at most 60"):
        sg.NoiseSchedule(1 - t ** Rational(97, 89) / 2, t ** Rational(83, 79))
    with pytest.raises(sg.ScheduleError, match="denominator 3127; expected at most 60"):
        sg.NoiseSchedule("1-t**(2/59)/2", "t**(1/53)")
    with pytest.raises(sg.ScheduleError, match="degree 601"):
        sg.NoiseSchedule("1-t**20/2", "t*alpha**30")
    many = {f"k{n}": 1 for n in range(size.MAX_PARAMETERS + 1)}
    with pytest.raises(sg.ScheduleError, match=f"more than {size.MAX_PARAMETERS} parameters"):
        sg.NoiseSchedule("1-t", "t", parameters=many)
    with pytest.raises(sg.ScheduleError, match="k: got '1e999999999'"):
        sg.NoiseSchedule("1-t", "k*t", parameters={"k": "1e999999999"})


@pytest.mark.parametrize(
    "number", [1, 0.25, Fraction(1, 3), Decimal("0.1"), np.float32(0.1), np.int64(7), "1/3", " 2 "]
)
def test_numbers_of_every_kind_are_read(number: object) -> None:
    text = str(number)
    assert rational(number) == Rational(*Fraction(text.strip()).as_integer_ratio())


CODE = "__import__('os').system('false')"


@pytest.mark.parametrize(
    "given",
    [CODE, [CODE], (CODE,), {CODE: 1}, np.array([CODE]), True, None, b"1", 1j, "k", [1]],
)
def test_nothing_is_given_to_sympy_to_evaluate(given: object) -> None:
    """A list with text in it is code to sympify."""
    calls = (
        lambda: sg.NoiseSchedule(given, t),
        lambda: sg.NoiseSchedule(1 - t, t, domain=(0, given)),
        lambda: sg.NoiseSchedule("1-t", "k*t", parameters={"k": given}),
        lambda: sg.schedules.vp_linear(beta_min=given),
        lambda: sg.schedules.vp_sigmoid(temperature=given),
        lambda: sg.Parameterization(data=given, noise=1),
        lambda: sg.rate(given),
        lambda: sg.Solver("ve", expansion=given),
        lambda: rational(given),
    )
    for call in calls:
        with pytest.raises(sg.SolvergenError):
            call()


def test_text_is_in_the_derivations_own_symbols() -> None:
    """Harmless text made another symbol t before."""
    assert sg.rate("t") == sg.rate(t)
    assert sg.Parameterization(data="-sigma", noise="alpha", name="velocity") == sg.VELOCITY


def test_what_people_write_is_read() -> None:
    assert parse("1 - t^2") == 1 - t**2 == parse("1\n - t**2")
    assert parse("np.exp(-t) + math.sin(numpy.pi*t)") == sympy.exp(-t) + sympy.sin(sympy.pi * t)
    assert parse("np.arctan2(t, 1) + abs(t)") == sympy.atan2(t, 1) + t
    assert parse("2^-t") == 2 ** (-t)
    for text in ("os.exp(t)", "np.linalg.norm(t)", "np", "math.e", "t ^ ^ 2"):
        with pytest.raises(sg.ScheduleError):
            parse(text)


def test_one_formula_may_be_written_in_the_other() -> None:
    found = sg.NoiseSchedule("cos(pi*t/2)", "sqrt(1-alpha**2)")
    assert found.sigma.subs(t, Rational(1, 3)) == Rational(1, 2)
    assert sg.NoiseSchedule("1-sigma", "t^2") == sg.NoiseSchedule(1 - t**2, t**2)
    assert sg.NoiseSchedule(1 - sg.sigma, t) == sg.NoiseSchedule(1 - t, t)
    with pytest.raises(sg.ScheduleError, match="written in each other"):
        sg.NoiseSchedule("1-sigma", "1-alpha")


def test_floats_in_formulas_stay_decimals() -> None:
    assert exact(0.1 * t) == t / 10
