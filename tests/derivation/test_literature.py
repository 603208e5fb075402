"""Schedules of the literature, and others of their kind, derive in the forms that a person finds.

Inverses are compared with 50 digits of the schedule, and the time of a derivation is bounded.
"""

import random
import time

import mpmath
import pytest
import sympy
from some_schedules import assert_derived
from sympy import Piecewise, Rational, atan, cos, exp, log, pi, sin, sqrt, tan

import solvergen as sg
from solvergen.algebra.evaluation import evaluate_mp
from solvergen.closed_forms.antiderivatives import moment_antiderivative
from solvergen.derivation.semilinear import SemilinearODE
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.symbols import half_log_snr_symbol, t

SECONDS = 3
"""Of processor time, of which the literature's take one at most."""


def of_half_log_snr(formula: sympy.Expr, **options: object) -> NoiseSchedule:
    """The variance-preserving schedule with this lambda."""
    return NoiseSchedule(1 / sqrt(1 + exp(-2 * formula)), 1 / sqrt(1 + exp(2 * formula)), **options)


def preserving(alpha: sympy.Expr | str, **options: object) -> NoiseSchedule:
    return NoiseSchedule(alpha, "sqrt(1 - alpha**2)", **options)


def laplace(b: Rational) -> NoiseSchedule:
    early, late = -b * log(2 * t) / 2, b * log(2 - 2 * t) / 2
    formula = Piecewise((early, t < Rational(1, 2)), (late, True))
    return of_half_log_snr(formula, domain=(Rational(1, 1000), Rational(999, 1000)))


def cauchy(scale: Rational) -> NoiseSchedule:
    return of_half_log_snr(
        scale * tan(pi / 2 * (1 - 2 * t)), domain=(Rational(1, 20), Rational(19, 20))
    )


def linear(start: Rational, end: Rational) -> NoiseSchedule:
    return preserving(1 / sqrt(1 + exp(-2 * (start + (end - start) * t))))


def kumaraswamy(a: Rational, b: Rational) -> NoiseSchedule:
    return NoiseSchedule((1 - t**a) ** b, 1 - (1 - t**a) ** b)


def mode(scale: Rational) -> NoiseSchedule:
    sigma = t - scale * (cos(pi / 2 * (1 - t)) ** 2 - t)
    return NoiseSchedule(1 - sigma, sigma)


near, far = atan(exp(Rational(-15, 2))), atan(exp(Rational(15, 2)))
most = Rational("0.99")

SCHEDULES = {
    "Laplace": lambda: laplace(Rational(1, 2)),
    "Laplace, b = 1": lambda: laplace(Rational(1)),
    "Cauchy": lambda: cauchy(Rational(1)),
    "Cauchy, half": lambda: cauchy(Rational(1, 2)),
    "cosine, shifted": lambda: preserving(1 / sqrt(1 + 4 * tan(pi * t / 2) ** 2), domain=(0, most)),
    "cosine, bounded": lambda: NoiseSchedule(
        cos(near + (far - near) * t), sin(near + (far - near) * t)
    ),
    "sigmoid": lambda: sg.schedules.vp_sigmoid(0, 3, Rational(1, 2)),
    "spherical": lambda: preserving(sqrt(1 - t**2)),
    "slerp": lambda: NoiseSchedule(sin(1 - t) / sin(1), sin(t) / sin(1)),
    "polynomial": lambda: NoiseSchedule((1 - t) ** 2, t**2),
    "Karras": lambda: NoiseSchedule("1", "(0.4116 + 1.4586*t)**7"),
    "EDM c_noise": lambda: NoiseSchedule("1", "0.002*exp(4*t)", domain=(0, "2.65")),
    "tan": lambda: NoiseSchedule(1, tan(pi * t / 2), domain=(0, most)),
    "TrigFlow": lambda: NoiseSchedule(cos(t), sin(t), domain=(0, pi / 2)),
    "CosMap": lambda: NoiseSchedule(1 / (1 + tan(pi * t / 2)), 1 - 1 / (1 + tan(pi * t / 2))),
    "FLUX": lambda: NoiseSchedule(
        "1 - sigma", "exp(mu)/(exp(mu) + 1/t - 1)", parameters={"mu": 1.15}
    ),
    "Ornstein-Uhlenbeck": lambda: preserving(exp(-t), domain=(0, 5)),
    "Kumaraswamy": lambda: kumaraswamy(Rational(13, 10), Rational(17, 10)),
    "Kumaraswamy, roots": lambda: kumaraswamy(Rational(1, 2), Rational(2, 3)),
    "VDM": lambda: preserving("sqrt(1/(1 + exp(-13.3 + 18.3*t)))"),
    "VDM, by lambda": lambda: of_half_log_snr(Rational("6.65") - Rational("9.15") * t),
    "Lipman": lambda: NoiseSchedule("1 - t", "1e-5 + (1 - 1e-5)*t"),
    "Moebius": lambda: NoiseSchedule(sqrt((1 - t) / (1 + t)), sqrt(2 * t / (1 + t))),
    "Diffusion-LM": lambda: preserving("sqrt(1 - sqrt(t + 1e-4))", domain=(0, "0.9998")),
    "SD3 mode": lambda: mode(Rational("1.29")),
    "EDM molecules": lambda: preserving("sqrt((1 - 2e-5)*(1 - t**2)**2 + 1e-5)"),
    "simple diffusion": lambda: preserving(
        "1/sqrt(1 + (4*tan(pi*t/2))**2)", domain=("0.001", "0.999")
    ),
    "Stable Cascade": lambda: preserving(
        "cos((t + 0.008)/1.008*pi/2)/cos(0.008/1.008*pi/2)", domain=("0.01", "0.99")
    ),
}
WITHOUT_INVERSE = {"SD3 mode"}


@pytest.mark.slow_but(2)
@pytest.mark.parametrize("name", SCHEDULES)
def test_derives_in_seconds(name: str) -> None:
    started = time.process_time()
    schedule = SCHEDULES[name]()
    inverse = schedule.time_at_half_log_snr
    assert "N = data" in str(SemilinearODE.derive(schedule, sg.DATA))
    assert time.process_time() - started < SECONDS
    assert (inverse is None) == (name in WITHOUT_INVERSE)
    assert_derived(schedule)
    if inverse is None:
        return
    low, high = (float(end) for end in schedule.domain)
    for fraction in (0.03, 0.48, 0.71, 0.97):
        point = low + fraction * (high - low)
        level = evaluate_mp(schedule.substitute(log(schedule.alpha / schedule.sigma)), t, point)
        back = evaluate_mp(schedule.substitute(inverse), half_log_snr_symbol, level)
        assert abs(back - point) < mpmath.mpf("1e-30")


def drawn(seed: int) -> tuple[Rational, Rational]:
    """(start, end) of a linear lambda, in tenths."""
    generator = random.Random(seed)
    return Rational(generator.randint(30, 90), 10), -Rational(generator.randint(30, 90), 10)


@pytest.mark.parametrize("ends", [(5, -5), *map(drawn, range(3))])
def test_a_linear_half_log_snr_is_seen(ends: tuple[Rational, Rational]) -> None:
    """Also where alpha hides it: the inverse is linear, and so are lambda and its integrals."""
    start, end = map(sympy.sympify, ends)
    for schedule in (linear(start, end), of_half_log_snr(start + (end - start) * t)):
        level = half_log_snr_symbol
        assert sympy.expand(schedule.half_log_snr - start - (end - start) * t) == 0
        assert sympy.expand(schedule.time_at_half_log_snr - (level - start) / (end - start)) == 0
        weights = sg.Solver(schedule, "noise", "noise", "time", "multistep:2").weights
        assert moment_antiderivative(weights, 0) is not None
        assert moment_antiderivative(weights, 1) is not None


@pytest.mark.parametrize(
    ("alpha", "sigma", "expected"),
    [
        (sqrt((1 - t) / (1 + t)), sqrt(2 * t / (1 + t)), -1 / (1 - t**2)),
        (sqrt((2 - t) / (2 + t)), sqrt(2 * t / (2 + t)), -2 / (4 - t**2)),
        ((1 - t) / sqrt(1 + t), sqrt(t), -(3 + t) / (2 * (1 - t**2))),
    ],
)
def test_the_linear_coefficient_of_noise_is_the_drift(alpha, sigma, expected) -> None:
    """a = f, without roots."""
    ode = SemilinearODE.derive(NoiseSchedule(alpha, sigma), sg.NOISE)
    assert not any(
        e.exp.is_Rational and e.exp.q == 2 for e in ode.linear_coefficient.atoms(sympy.Pow)
    )
    assert sympy.simplify(ode.linear_coefficient - expected) == 0
    assert ode.linear_coefficient.count_ops() <= expected.count_ops() + 4
