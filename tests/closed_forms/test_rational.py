"""Integrals of rational functions: always found, their derivative, their value, their form."""

import contextlib
import random

import mpmath
import pytest
import sympy
from sympy import Integer, Poly, Rational, Symbol, atan, cancel, diff, log, polylog, sqrt, symbols

import solvergen as sg
from solvergen.algebra import precision
from solvergen.algebra.evaluation import compiled
from solvergen.algebra.root_sums import integral_over_roots, root_logarithms
from solvergen.closed_forms.rational import (
    NotElementaryError,
    integrate_rational,
    integrate_with_primitive,
)
from solvergen.closed_forms.taylor import taylor_integral
from solvergen.reports import derivation, document
from solvergen.symbols import s, t

z = Symbol("z", positive=True)
theta = Symbol("theta", real=True)
a = Symbol("a", positive=True)


def value(function: sympy.Expr, low: int, high: int) -> mpmath.mpf:
    """int_low^high by quadrature."""
    integrand = compiled(function, (z,), "mpmath")
    return mpmath.quad(integrand, mpmath.linspace(low, high, 5))


def change(function: sympy.Expr, low: int, high: int) -> mpmath.mpf:
    found = compiled(function, (z,), "mpmath")
    return found(mpmath.mpf(high)) - found(mpmath.mpf(low))


def random_function(draw: random.Random) -> sympy.Expr:
    """Linear, quadratic and other factors, some repeated, none with a root above 0."""
    factors = [
        z + draw.randint(1, 4),
        z**2 + draw.randint(1, 3) * z + draw.randint(1, 9),
        z**3 + draw.randint(0, 3) * z + draw.randint(1, 5),
        z**4 + draw.randint(-1, 3) * z**2 + draw.randint(1, 9),
        z**6 + draw.randint(1, 3) * z**3 + draw.randint(1, 4),
    ]
    bottom = sympy.prod(one ** draw.choice((1, 1, 2)) for one in draw.sample(factors, 2))
    return sum(draw.randint(-5, 5) * z**k for k in range(7)) / bottom


@pytest.mark.slow_but(6)
@pytest.mark.parametrize("seed", range(24))
def test_every_rational_function_is_integrated(seed: int) -> None:
    """F' = f exactly, and [F] is the integral to 45 digits."""
    function = random_function(random.Random(seed))
    found = integrate_rational(function, z).expression
    assert cancel(diff(found, z) - function) == 0
    with mpmath.workdps(precision.REFERENCE):
        assert abs(change(found, 1, 3) - value(function, 1, 3)) < mpmath.mpf(10) ** -45


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (1 / (z**2 + 3), sqrt(3) * atan(sqrt(3) * z / 3) / 3),
        (z**2 / (z**3 + 2), log(z**3 + 2) / 3),
        (z / (z**4 - z**2 + 1), sqrt(3) * atan(sqrt(3) * (2 * z**2 - 1) / 3) / 3),
        (
            1 / (z**4 + 1),
            sqrt(2) * (log(z**2 + sqrt(2) * z + 1) - log(z**2 - sqrt(2) * z + 1)) / 8
            + sqrt(2) * (atan(sqrt(2) * z + 1) + atan(sqrt(2) * z - 1)) / 4,
        ),
        (z**2 / (z**6 + z**3 + 1), 2 * sqrt(3) * atan(sqrt(3) * (2 * z**3 + 1) / 3) / 9),
    ],
)
def test_what_a_person_would_write(function: sympy.Expr, expected: sympy.Expr) -> None:
    """Logarithms and arcus tangents where the roots are square roots, or those of a power."""
    found = integrate_rational(function, z).expression
    assert not found.has(root_logarithms)
    assert sympy.expand(sympy.simplify(found - expected)) == 0


@pytest.mark.parametrize("bottom", [z**2 + a * z + 1, z**3 + a * z + 1, z**4 + z**2 + a])
def test_denominators_with_parameters(bottom: sympy.Expr) -> None:
    """A sum over the roots holds whether they are real or not."""
    found = integrate_rational((z + 2) / bottom, z).expression
    assert cancel(diff(found, z) - (z + 2) / bottom) == 0
    with mpmath.workdps(precision.REFERENCE):
        for size in (Rational(1, 5), 1, 3):
            at_size = (one.subs(a, size) for one in (found, (z + 2) / bottom))
            left, right = next(at_size), next(at_size)
            assert abs(change(left, 1, 3) - value(right, 1, 3)) < mpmath.mpf(10) ** -45


def test_sums_over_roots() -> None:
    """Their value, their derivatives in both ends, and how they are written."""
    coefficient, call = integral_over_roots(Poly(2 * z, z), Poly(3 * z**3 + 3 * z + 6, z))
    x, y, c = symbols("x y c")
    assert cancel(coefficient * call.integrand(x) - 2 * x / (3 * (x**3 + x + 2))) == 0
    between = call.over(x, y)
    assert diff(between, x) == x / (x**3 + x + 2)
    assert diff(between, y) == -y / (y**3 + y + 2)
    assert between.over(x, x) == 0
    shown = "sum(c*log((c - x)/(c - y))/(3*c**2 + 1) for roots c of c**3 + c + 2)"
    assert str(between) == shown
    assert str(call.over(x / c, Integer(0))).endswith("for roots r of r**3 + r + 2)")
    assert sympy.latex(2 * call).startswith(r"2 \sum_{c^{3} + c + 2 = 0} \frac{c")
    with pytest.raises(ValueError, match="divide the polynomials first"):
        integral_over_roots(Poly(z**3, z), Poly(z**3 + 2, z))


def test_a_schedule_of_third_degree() -> None:
    """I_1 of noise in time: one sum over the roots of alpha, real, proved, and by quadrature."""
    schedule = sg.NoiseSchedule(alpha=1 - t / 3 - t**3 / 3, sigma=t)
    weights = sg.Solver(schedule, "noise", "noise", "time").weights
    found = taylor_integral(weights, 1)
    assert found is not None
    shown = document.text(derivation.sections(weights)[3:])
    assert "no closed form" not in shown
    line = "t*(t - s) + (3 - t**3 - t)*sum(c*log((c - t)/(c - s))/(3*c**2 + 1) for roots c of"
    assert line in shown
    assert r"\sum_{c^{3} + c - 3 = 0}" in document.latex_text(derivation.sections(weights))
    with mpmath.workdps(precision.REFERENCE):
        alpha = compiled(schedule.alpha, (t,), "mpmath")
        clock = compiled(diff(t / schedule.alpha, t), (t,), "mpmath")
        end, start = mpmath.mpf("0.3"), mpmath.mpf("0.8")
        exact = alpha(end) * mpmath.quad(lambda u: (u - start) * clock(u), [start, end])
        measured = compiled(found.expression, (t, s), "mpmath")(end, start)
        assert abs(measured - exact) < mpmath.mpf(10) ** -45


@pytest.mark.parametrize(
    ("function", "rate", "elementary_until"),
    [
        (Integer(1), 1 / z, 9),  # z log^k z
        (1 / (1 + z) ** 2, 1 / z, 1),  # then dilogarithms
        (Integer(1), -1 / (1 + z**2), 1),  # z acot z; then not even those
        (1 / (1 + z**2), -1 / (1 + z**2), 9),  # powers of the angle
    ],
)
def test_powers_of_a_primitive(
    function: sympy.Expr, rate: sympy.Expr, elementary_until: int
) -> None:
    """(int a theta^k)' = a theta^k; None or polylogarithms where it is not elementary."""
    for k in (1, 2, 3):
        found = None
        with contextlib.suppress(NotElementaryError):
            found = integrate_with_primitive(function, k, theta, rate, z)
        is_elementary = found is not None and not found.has(polylog)
        assert is_elementary == (k <= elementary_until)
        if found is None:
            continue
        slope = diff(found, z) + diff(found, theta) * rate
        point = {z: Rational(3, 7), theta: Rational(5, 9)}
        gap = (slope - function * theta**k).subs(point)
        assert abs(sympy.N(gap, 30)) < 1e-25
