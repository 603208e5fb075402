"""A closed-form inverse takes every value back to its point."""

import time

import mpmath
import pytest
import sympy
from sympy import Symbol, asinh, atan2, cos, exp, log, pi, sin, sqrt, tanh

from solvergen.algebra.evaluation import evaluate_mp, points_near_ends, substitute
from solvergen.algebra.inversion import invert
from solvergen.symbols import gamma, t

low, high = Symbol("beta_min", positive=True), Symbol("beta_max", positive=True)
BETAS = ((low, sympy.Rational(1, 10)), (high, sympy.Integer(20)))
total = low * t + (high - low) * t**2 / 2
angle = pi * (t + sympy.Rational(1, 125)) / 2 / (1 + sympy.Rational(1, 125))
cosine = cos(angle) / cos(angle.subs(t, 0))
UNIT = (sympy.Integer(0), sympy.Integer(1))

SCHEDULES = {
    "rectified_flow": (1 - t, t),
    "vp_linear": (exp(-total / 2), sqrt(1 - exp(-total))),
    "vp_alphabar": (sqrt(1 - t), sqrt(t)),
    "ve": (sympy.Integer(1), t),
    "vp_cosine": (cosine, sqrt(1 - cosine**2)),
    "trigonometric": (cos(pi * t / 2), sin(pi * t / 2)),
    "sub_vp": (exp(-total / 2), 1 - exp(-total)),
    "parabola": (1 - t**2, t),
    "square": ((1 - t) ** 2, t**2),
    "root": (1 - sqrt(t), sqrt(t)),
    "hyperbolic": (1 / sympy.cosh(t), tanh(t)),
}

CLOCKS = {
    "half_log_snr": lambda a, b: log(a / b),
    "half_log_snr, expanded": lambda a, b: sympy.expand_log(log(a) - log(b), force=True),
    "sigma/alpha": lambda a, b: b / a,
    "straight": lambda a, b: b / (a + b),
    "theta": lambda a, b: atan2(b, a),
}

OTHERS = {
    "own power": t**3 + 1,
    "own logarithm": log(1 + t) - log(2 - t),
    "own quadratic": t**2 + 3 * t,
    "own root": sqrt(t) + t,
    "own exponential": exp(2 * t) - exp(-t * 2),
    "own asinh": asinh(3 * t) + 1,
    "own power of a base": 2**t + 4**t,
}


def assert_inverts(expression: sympy.Expr, parameters: tuple) -> None:
    started = time.process_time()
    inverse = invert(expression, t, gamma, UNIT, parameters)
    assert time.process_time() - started < 3
    assert inverse is not None
    assert inverse.free_symbols <= {gamma} | {symbol for symbol, _ in parameters}
    for point in points_near_ends(0.0, 1.0, closest=6, interior=7):
        image = evaluate_mp(substitute(expression, parameters), t, point)
        back = evaluate_mp(substitute(inverse, parameters), gamma, image)
        assert abs(back - point) < mpmath.mpf("1e-30")


@pytest.mark.slow_but(14)
@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize("name", SCHEDULES)
def test_clock_of_schedule_inverts(name: str, clock: str) -> None:
    assert_inverts(
        CLOCKS[clock](*SCHEDULES[name]), BETAS if low in SCHEDULES[name][0].atoms() else ()
    )


@pytest.mark.parametrize("name", OTHERS)
def test_other_expressions_invert(name: str) -> None:
    assert_inverts(OTHERS[name], ())


@pytest.mark.parametrize("expression", [t + exp(t), t * sin(t), t**5 + t, sympy.erf(t) + t])
def test_no_closed_form_is_none(expression: sympy.Expr) -> None:
    assert invert(expression, t, gamma, UNIT) is None


def test_branch_follows_the_domain() -> None:
    wide = invert(cos(t), t, gamma, (sympy.pi, 2 * sympy.pi))
    assert wide is not None
    assert sympy.simplify(wide - (2 * pi - sympy.acos(gamma))) == 0
