"""Antiderivatives have the integrand as their derivative, are real, or are not given."""

import mpmath
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Integer, Rational, Symbol, cos, exp, log, sin, sqrt, tan

from solvergen.algebra import primitives
from solvergen.algebra.evaluation import Domain, evaluate_mp, is_real
from solvergen.algebra.primitives import antiderivative
from solvergen.symbols import t

UNIT: Domain = (Integer(0), Integer(1))
k = Symbol("k", positive=True)
VALUES = ((k, Rational(7, 3)),)

KNOWN = (
    k + (3 - k) * t,
    1 / (1 - t),
    1 / (1 + t**3),
    t**3 * exp(-k * t),
    t**2 * sin(3 * t),
    exp(3 * t) / (1 + exp(3 * t)),
    sin(k * t) ** 2 * cos(k * t),
    tan(t / 2),
    t * sqrt(1 + k * t),
    t / sqrt(2 - t**2),
    exp(-(t**2)),
    sympy.tanh(k * t),
    (k + t) * (exp(2 * k * t + t**2) - exp(-2 * k * t - t**2)),
    sqrt(t) + 1 / sqrt(t),
    log(1 + t) / (1 + t),
)


@pytest.mark.parametrize("integrand", KNOWN, ids=str)
def test_against_quadrature(integrand: sympy.Expr) -> None:
    """Differences of the antiderivative are integrals, to 25 digits."""
    found = antiderivative(integrand, t, UNIT, VALUES)
    assert found is not None
    plain, rate = (e.xreplace(dict(VALUES)) for e in (found, integrand))
    with mpmath.workdps(30):
        low, high = mpmath.mpf(1) / 9, mpmath.mpf(8) / 9
        difference = evaluate_mp(plain, t, high) - evaluate_mp(plain, t, low)
        integral = mpmath.quad(lambda x: evaluate_mp(rate, t, x), [low, high / 2, high])
        assert abs(difference - integral) < mpmath.mpf("1e-25") * abs(integral)


UNKNOWN = (sqrt(1 + t**3), exp(t**2), sin(t) / t, exp(-t) / t, t**t, exp(exp(t)), sympy.sign(t - 1))


@pytest.mark.parametrize("integrand", UNKNOWN, ids=str)
def test_what_is_not_elementary_or_not_known_is_not_given(integrand: sympy.Expr) -> None:
    found = antiderivative(integrand, t, UNIT)
    assert found is None or sympy.diff(found, t).equals(integrand)


def test_a_search_that_leads_nowhere_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Terms in terms have substitutions in substitutions; all of them together are few."""
    tried = []
    written_in = primitives._written_in
    monkeypatch.setattr(primitives, "_written_in", lambda *a: tried.append(a) or written_in(*a))
    wild = t**2 * (1 - t) ** 2 * (k + t) / (1 - exp(-k * t - t**2)) * sin(t)
    assert antiderivative(wild, t, UNIT, VALUES) is None
    assert len(tried) <= 2 * primitives.MAX_TRIES


def test_the_branch_is_the_real_one_of_the_domain() -> None:
    """sympy's is log(t - 1), whatever the domain is."""
    assert antiderivative(1 / (1 - t), t, UNIT) == -log(1 - t)
    beyond = antiderivative(1 / (1 - t), t, (Integer(2), Integer(3)))
    assert is_real(evaluate_mp(beyond, t, Rational(5, 2)))
    assert antiderivative(1 / (1 - 2 * t), t, UNIT) is None, "it changes its sign inside"


atoms = st.sampled_from([t, 1 - t, k, 1 + t**2, exp(k * t), exp(-t), sin(t), cos(2 * t), sqrt(t)])
formulas = st.builds(lambda a, b: a * b, atoms, atoms) | st.builds(
    lambda a, b, c: a + b * c, atoms, atoms, atoms
)


@settings(max_examples=25, derandomize=True)
@given(formulas)
def test_of_random_formulas(integrand: sympy.Expr) -> None:
    found = antiderivative(integrand, t, UNIT, VALUES)
    if found is None:
        return
    rate = (sympy.diff(found, t) - integrand).xreplace(dict(VALUES))
    for place in (Rational(1, 7), Rational(5, 6)):
        assert abs(evaluate_mp(rate, t, place)) < 1e-30
