"""Text is read as arithmetic and nothing else, and what is written reads back."""

import time

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Float, Rational, Symbol, atan2, cos, exp, pi, sqrt

from solvergen.algebra import size
from solvergen.algebra.expressions import FUNCTIONS, exact, parse, rational, to_text
from solvergen.errors import ScheduleError
from solvergen.symbols import t

k = Symbol("k", positive=True)

READ = {
    "1 - t**2": 1 - t**2,
    "0.1*t": t / 10,
    "1e-3 + t": Rational(1, 1000) + t,
    "2/3*t": Rational(2, 3) * t,
    "-t**2": -(t**2),
    "+t": t,
    "2**-t": 2 ** (-t),
    "exp(-k*t/2)": exp(-k * t / 2),
    "sqrt(1 - cos(pi*t/2)**2)": sqrt(1 - cos(pi * t / 2) ** 2),
    "atan2(t, 1 - t)": atan2(t, 1 - t),
    "  (t)  ": t,
    "where(t < 1/2, t, k)": sympy.Piecewise((t, t < Rational(1, 2)), (k, True)),
    "where(t >= k, 3, where(t > 2, 1, t))": sympy.Piecewise((3, t >= k), (1, t > 2), (t, True)),
    "1_000*t": 1000 * t,
}

REFUSED = [
    "", "t t", "1 -", "x", "t.real", "t.__class__", "().__class__.__bases__", "__import__('os')",
    "exec('1')", "open('f')", "lambda: t", "[t]", "(t, 1)", "{t: 1}", "t < 1", "t == 1", "not t",
    "t and 1", "t if t else 1", "t[0]", "t // 2", "t % 2", "t @ t", "~t", "t << 2", "1j*t", "'t'",
    "True", "None", "...", "f'{t}'", "exp", "exp()", "exp(t, t)", "exp(x=t)", "exp(*t)", "atan2(t)",
    "(exp)(t).real", "t := 2", "await t", "1/0", "log(0)", "0**-1", "9**9**9", "(9**99)**99",
    "t**1000", "1e999999", "1e-999999", "9" * 1000, "(" * 500 + "t" + ")" * 500, "-" * 1500 + "t",
    "t" + "+t" * 1500, "t\n+1; 2",
    "where(t, 1, 2)", "where(t < 1, 2)", "where(t == 1, 1, 2)", "where(0 < t < 1, 1, 2)",
    "where(t < 1 and t > 0, 1, 2)", "interpolate(table, t)", "interpolate(t, t)", "slope(t)",
    "t # comment \n import os",
]  # fmt: skip


@pytest.mark.parametrize("text", READ)
def test_reads_arithmetic_exactly(text: str) -> None:
    assert parse(text, [k]) == READ[text]


@pytest.mark.parametrize("text", REFUSED)
def test_refuses_everything_else_at_once(text: str) -> None:
    started = time.perf_counter()
    with pytest.raises(ScheduleError):
        parse(text, [k])
    assert time.perf_counter() - started < 1


def test_refusal_names_what_it_got_and_what_it_knows() -> None:
    with pytest.raises(ScheduleError, match=r"unknown name 'beta'; expected one of k, pi, t"):
        parse("beta*t", [k])


def test_floats_are_the_decimals_that_they_show() -> None:
    assert exact(0.1 * t + Float(2.5)) == t / 10 + Rational(5, 2)
    assert rational(0.008) == Rational(1, 125)
    assert rational("20") == 20
    for bad in (float("nan"), float("inf"), sympy.oo, sqrt(2), "x", None, [1]):
        with pytest.raises(ScheduleError):
            rational(bad)


def test_text_of_what_the_grammar_lacks_is_refused() -> None:
    both = sympy.And(t < 1, k < 2)
    for expression in (sympy.Piecewise((t, both), (1, True)), sympy.gamma(t)):
        with pytest.raises(ScheduleError, match="cannot be written"):
            to_text(expression)


def unary(inner: st.SearchStrategy) -> st.SearchStrategy:
    names = [name for name in FUNCTIONS if name not in ("atan2", "sqrt")]
    return st.builds(lambda name, e: FUNCTIONS[name](e), st.sampled_from(names), inner)


expressions = st.recursive(
    st.sampled_from([t, k, pi, sympy.Integer(2), Rational(1, 3), Rational(-7, 5), sympy.E]),
    lambda inner: (
        unary(inner)
        | st.builds(lambda a, b: a + b, inner, inner)
        | st.builds(lambda a, b: a * b, inner, inner)
        | st.builds(lambda a: a**2, inner)
        | st.builds(lambda a: 1 / (3 + a**2), inner)
        | st.builds(lambda a: sqrt(1 + a**2), inner)
        | st.builds(atan2, inner, inner)
    ),
    max_leaves=6,
)


@settings(max_examples=80)
@given(expressions)
def test_text_reads_back(expression: sympy.Expr) -> None:
    if expression.has(sympy.zoo, sympy.nan, sympy.oo, sympy.I, sympy.re, sympy.im, sympy.arg):
        return
    if size.excess(expression):
        return
    again = parse(to_text(expression), [k])
    assert again == expression or sympy.expand(again - expression) == 0


def test_reciprocal_functions_are_written_by_what_they_are_reciprocals_of() -> None:
    assert to_text(2 * sympy.cot(t) ** 2) == "2*(1/tan(t))**2"
    assert to_text(sympy.coth(t)) == "(1/tanh(t))"
