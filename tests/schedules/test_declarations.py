"""A schedule is the same whichever way it is said, and what was said comes back."""

import json
from dataclasses import replace
from functools import cache

import mpmath
import numpy as np
import pytest
import sympy
from sympy import Rational, cos, exp, pi, sin, sqrt

import solvergen as sg
from solvergen.algebra.evaluation import evaluate_mp
from solvergen.compiler import load_text
from solvergen.errors import DerivationError, ScheduleError
from solvergen.scalars.rate_errors import half_log_snr_range
from solvergen.schedules import serialization
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.symbols import t

S = sg.schedules
LINEAR = {"b_min": 0.1, "b_max": 20}
BETA = "b_min + (b_max - b_min)*t"
B = "(b_min*t + (b_max - b_min)*t**2/2)"
half = Rational(1, 2)

SAME = {
    "beta, linear": (
        lambda: S.from_beta(BETA, parameters=LINEAR),
        (f"exp(-{B}/2)", f"sqrt(1 - exp(-{B}))", LINEAR),
    ),
    "beta, constant": (lambda: S.from_beta(5), (exp(-5 * t / 2), sqrt(1 - exp(-5 * t)))),
    "beta, a tangent": (lambda: S.from_beta("pi*tan(pi*t/2)"), (cos(pi * t / 2), sin(pi * t / 2))),
    "beta, a pole": (lambda: S.from_beta(1 / (1 - t)), (sqrt(1 - t), sqrt(t))),
    "drift of flow matching": (
        lambda: S.from_drift_diffusion("-1/(1 - t)", "2*t/(1 - t)"),
        (1 - t, t),
    ),
    "drift of ve": (lambda: S.from_drift_diffusion(0, 2 * t), (1, t)),
    "drift of vp": (
        lambda: S.from_drift_diffusion(f"-({BETA})/2", BETA, parameters=LINEAR),
        (f"exp(-{B}/2)", f"sqrt(1 - exp(-{B}))", LINEAR),
    ),
    "drift of sub-vp": (
        lambda: S.from_drift_diffusion(
            f"-({BETA})/2", f"({BETA})*(1 - exp(-2*{B}))", parameters=LINEAR
        ),
        (f"exp(-{B}/2)", f"1 - exp(-{B})", LINEAR),
    ),
    "Ornstein-Uhlenbeck": (
        lambda: S.from_drift_diffusion(-1, 3),
        (exp(-t), sqrt(Rational(3, 2) * (1 - exp(-2 * t)))),
    ),
    "lambda, vp": (
        lambda: S.from_half_log_snr("log((1 - t)/t)"),
        ("(1 - t)/sqrt(t**2 + (1 - t)**2)", "t/sqrt(t**2 + (1 - t)**2)"),
    ),
    "lambda, flow": (lambda: S.from_half_log_snr("log((1 - t)/t)", "flow"), (1 - t, t)),
    "lambda, ve": (lambda: S.from_half_log_snr("4 - 8*t", "ve"), (1, exp(8 * t - 4))),
    "sigma, a sine": (lambda: S.from_sigma(sin(pi * t / 2)), (cos(pi * t / 2), sin(pi * t / 2))),
    "sigma, a root": (lambda: S.from_sigma("sqrt(t)"), (sqrt(1 - t), sqrt(t))),
    "reversed": (lambda: S.reversed_time("t**2", "1 - t"), ((1 - t) ** 2, t)),
}


@cache
def said(case: str) -> NoiseSchedule:
    """What the first of a case makes."""
    return SAME[case][0]()


@pytest.mark.parametrize("case", SAME)
def test_is_the_same_as_in_alpha_and_sigma(case: str) -> None:
    """To 40 digits, with all that is derived of it."""
    _, (alpha, sigma, *parameters) = SAME[case]
    one, other = said(case), NoiseSchedule(alpha, sigma, parameters=dict(*parameters))
    for formula in ("alpha", "sigma", "f", "g_squared", "half_log_snr"):
        assert one.vanishes(getattr(one, formula) - getattr(other, formula)), formula
    has_inverse = one.time_at_half_log_snr is not None
    assert has_inverse == (other.time_at_half_log_snr is not None)


TWELVE = sorted(set(SAME) - {"beta, constant", "drift of vp", "drift of sub-vp"})
"""Emitting is what takes time; the formulas of those three are compared above."""


@pytest.mark.parametrize("case", TWELVE)
def test_module_is_the_same(case: str) -> None:
    """But for what it says of itself; by its numbers where its formulas have another form."""
    _, (alpha, sigma, *parameters) = SAME[case]
    written = NoiseSchedule(alpha, sigma, parameters=dict(*parameters))
    sources = [
        sg.emit(sg.Solver(one, "noise", "data", scheme="multistep:2"), "numpy")
        for one in (said(case), written)
    ]
    one, other = (source[source.index("T_MIN, T_MAX") :] for source in sources)
    if one != other:
        first, second = (load_text(source, "declared") for source in sources)
        grid = np.linspace(float(written.t_max) - 2e-3, 1e-3, 8)
        expected = second.coefficients(grid)
        np.testing.assert_allclose(first.coefficients(grid), expected, rtol=1e-13, atol=1e-15)


def test_erf_in_alpha() -> None:
    """Its derivative is an exponential: f and g^2 at a time, by differences in many digits."""
    schedule = NoiseSchedule("1 - erf(t)/erf(1)", "t")
    with mpmath.workdps(40):
        slope = mpmath.diff(lambda x: mpmath.log(1 - mpmath.erf(x) / mpmath.erf(1)), 0.25)
        f = evaluate_mp(schedule.f, t, Rational(1, 4))
        g_squared = evaluate_mp(schedule.g_squared, t, Rational(1, 4))
        assert abs(f - slope) < 1e-15
        assert abs(g_squared - (mpmath.mpf(1) / 2 - slope / 8)) < 1e-15


@pytest.mark.parametrize("case", SAME)
def test_what_was_said_comes_back(case: str) -> None:
    """From SPEC, and as options of the command line."""
    schedule = said(case)
    plain = json.loads(json.dumps(serialization.to_dictionary(schedule)))
    again = serialization.from_dictionary(plain)
    assert (again, again.declaration) == (schedule, schedule.declaration)
    options = serialization.options(schedule)
    assert options is not None
    assert all(f"--{option}" in options for option, _ in schedule.declaration)


def test_what_was_said_of_another_domain_is_not_said() -> None:
    """An integral starts at t_min."""
    shorter = replace(said("beta, constant"), domain=("1/10", "1/2"))
    assert "--alpha" in (serialization.options(shorter) or ())


LAPLACE = sympy.sign(half - t) * sympy.log(1 - 2 * sympy.Abs(t - half)) / -2


@pytest.mark.parametrize(
    ("level", "domain"),
    [(LAPLACE, ("1/100", "99/100")), ("tan(pi*(1/2 - t))/2", ("1/20", "19/20"))],
    ids=["Laplace", "Cauchy"],
)
def test_importance_sampled_noise_levels(level: sympy.Expr | str, domain: tuple[str, str]) -> None:
    """Hang et al. 2024, table 1: signs, absolute values and tangents are resolved."""
    schedule = S.from_half_log_snr(level, domain=domain)
    assert not schedule.alpha.has(sympy.sign, sympy.Abs, sympy.cot)
    plain = sympy.sympify(level, {"t": t})
    for place in (Rational(1, 9), Rational(2, 5), Rational(7, 8)):
        alpha, sigma = (evaluate_mp(e, t, place) for e in (schedule.alpha, schedule.sigma))
        expected = evaluate_mp(plain, t, place)
        assert abs(mpmath.log(alpha / sigma) - expected) < 1e-13
        assert abs(alpha**2 + sigma**2 - 1) < 1e-40
    assert schedule.time_at_half_log_snr is not None


REFUSED = {
    "no antiderivative": (lambda: S.from_beta("sqrt(1 + t**3)"), "no antiderivative was found"),
    "Dawson": (lambda: S.from_drift_diffusion("-t", 1), "diffusion-squared/alpha.2.*no antideriv"),
    "infinite": (lambda: S.from_beta("1/t"), "infinite integral from t_min = 0"),
    "complex": (lambda: NoiseSchedule(-sympy.I * sqrt(t - 1), sqrt(t)), "written through I"),
    "negative": (lambda: S.from_beta("t - 1/2"), "sigma = .*expected"),
    "process": (lambda: S.from_half_log_snr("1 - t", "edm"), "expected one of vp, flow, ve"),
    "grows": (lambda: S.from_half_log_snr("t"), "strictly decreases"),
    "sigma beyond 1": (lambda: S.from_sigma("2*t"), "alpha = .*expected"),
    "two times": (lambda: S.from_beta(t + sympy.Symbol("u")), "one time symbol"),
    "kink": (lambda: S.from_sigma((t + sympy.Abs(t - half)) / 2), "expected sigma|kink"),
    "nonlinear sign": (
        lambda: NoiseSchedule(1 - t, t + sympy.Abs(t**2 - half)),
        "not linear in t; expected where",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_one_named_refusal(case: str) -> None:
    declared, reason = REFUSED[case]
    with pytest.raises(ScheduleError, match=reason):
        declared()


def test_lost_digits_are_refused_by_name() -> None:
    """The terms of B = 10 t - 10 sin(pi t)/pi cancel at t = 0: there is a B, and no module."""
    with pytest.raises(DerivationError, match="do not cancel"):
        half_log_snr_range(S.from_beta("20*sin(pi*t/2)**2"))


def test_straight_is_exact_in_one_step() -> None:
    """For data of that spread one Euler step of the flow goes from noise to data."""
    for spread in (0.05, 3):
        schedule = S.straight(spread)
        solver = sg.Solver(schedule, "flow", expansion="time", scheme="euler")
        module = sg.compile(solver, "numpy")
        x = np.linspace(-2, 2, 5)

        def network(x: np.ndarray, time: float, s: float = spread) -> np.ndarray:
            r = (1 - time) * s + time  # of N(7/10, s^2) at t: alpha 7/10, and this spread
            return -0.7 + (1 - s) * (x - 0.7 * (1 - time)) / r

        found = module.sample(network, x, np.array([1.0, 0.0]))
        np.testing.assert_allclose(found, 0.7 + spread * x, atol=4e-15)
    assert S.straight(1).is_variance_preserving
    assert S.straight(0).vanishes(S.straight(0).sigma - t)
