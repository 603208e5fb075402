"""Formulas are rewritten to fewer operations on arrays, and to the same values."""

import pytest
from sympy import Expr, Symbol, cosh, exp, preorder_traversal, sqrt, symbols
from sympy.codegen.cfunctions import expm1

import solvergen as sg
from solvergen.algebra.collection import by_powers, collected
from solvergen.symbols import half_log_snr_symbol as l
from solvergen.symbols import t

a, b = symbols("a b", positive=True)
CONSTANTS = frozenset({a, b})

FORMULAS = [
    b * t - a * t + 2 * a,
    -b * t**2 / 4 + a * t**2 / 4 - a * t / 2,
    exp(-b * t**2 / 4) * exp(a * t**2 / 4) * exp(-a * t / 2) * exp(l),
    sqrt(b * l**2 - a * l**2 + 1) * expm1(-t * (b * t - a * t + 2 * a) / 4),
    exp(-a / 4) * exp(-b / 4) * (1 - exp(b * t) * exp(-a * t)),
    a * t**3 + b * t**3 - a * cosh(l) + b * cosh(l),
]


def operations_on_arrays(form: Expr) -> int:
    """How many nodes of a formula vary."""
    return sum(bool(node.free_symbols - CONSTANTS) for node in preorder_traversal(form))


@pytest.mark.parametrize("form", FORMULAS, ids=str)
def test_the_same_values_in_fewer_operations(form: Expr) -> None:
    found = collected(form, CONSTANTS)
    point = {t: 0.3, l: -1.7, a: 0.11, b: 19.0}
    assert float(found.evalf(30, subs=point)) == pytest.approx(
        float(form.evalf(30, subs=point)), rel=1e-15
    )
    assert operations_on_arrays(found) < operations_on_arrays(form)


def test_a_second_time_changes_nothing() -> None:
    for form in FORMULAS:
        once = collected(form, CONSTANTS)
        assert collected(once, CONSTANTS) == once


def test_exponentials_of_different_variables_stay_apart() -> None:
    assert collected(exp(a * t) * exp(l), CONSTANTS) == exp(a * t) * exp(l)


@pytest.mark.parametrize(
    "forms", [(exp(2 * l), exp(-l)), (exp(l / 2), exp(l), exp(2 * l)), (exp(2 * l), exp(6 * l))]
)
def test_exponentials_of_one_variable_are_powers_of_one(forms: tuple[Expr, ...]) -> None:
    [(u, unit)], left = by_powers(forms, {l})
    assert isinstance(u, Symbol)
    assert isinstance(unit, exp)
    assert not any(form.has(exp) for form in left)
    assert [form.subs(u, unit).powsimp() for form in left] == list(forms)


def test_one_exponential_and_those_of_constants_are_left_alone() -> None:
    forms = [exp(2 * l), exp(a) + exp(-a)]
    assert by_powers(forms, {l, t}) == ([], forms)


def test_the_parameters_of_a_module_meet_before_the_time() -> None:
    source = sg.emit(sg.Solver("vp_linear", sg.NOISE, "data", "half_log_snr", "multistep:2"))
    assert "(BETA_MAX - BETA_MIN)" in source
    assert "BETA_MAX * t" not in source.partition("T_MIN, T_MAX")[2]
