"""Schedules that several tests ask about, and what has to hold of any."""

import mpmath
import numpy as np
import sympy
from hypothesis import strategies as st
from sympy import Rational, Symbol, cos, exp, log, pi, sin, sqrt

import solvergen as sg
from solvergen.algebra.evaluation import evaluate_float, evaluate_mp, points_near_ends
from solvergen.derivation.expansion import resolve
from solvergen.derivation.parameterization import get
from solvergen.derivation.semilinear import SemilinearODE
from solvergen.derivation.weights import Weights
from solvergen.errors import ScheduleError
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.symbols import half_log_snr_symbol, t


def custom_schedule() -> sg.NoiseSchedule:
    """A schedule that is in nobody's library."""
    return sg.NoiseSchedule(alpha=1 - sg.t**2, sigma=sg.t, domain=(0, 1), name="custom_flow")


SCHEDULES = {
    "rectified_flow": sg.schedules.rectified_flow,
    "vp_linear": sg.schedules.vp_linear,
    "ve": sg.schedules.ve,
    "custom_flow": custom_schedule,
}


def assert_derived(schedule: NoiseSchedule) -> None:
    """f, g^2 and lambda against differentiation in 50 digits, inside the domain."""
    alpha, sigma = (schedule.substitute(e) for e in (schedule.alpha, schedule.sigma))
    low, high = (float(end) for end in schedule.domain)
    for fraction in (0.11, 0.37, 0.62, 0.93):
        point = low + fraction * (high - low)
        with mpmath.workdps(50):
            a, b = (evaluate_mp(e, t, point) for e in (alpha, sigma))
            a_prime, b_prime = (
                mpmath.diff(lambda x, e=e: evaluate_mp(e, t, x, 80), point) for e in (alpha, sigma)
            )
            expected = {
                schedule.alpha_prime: a_prime,
                schedule.sigma_prime: b_prime,
                schedule.f: a_prime / a,
                schedule.g_squared: 2 * b * b_prime - 2 * a_prime / a * b**2,
                schedule.half_log_snr: mpmath.log(a / b),
                schedule.snr: (a / b) ** 2,
            }
            for expression, value in expected.items():
                derived = evaluate_mp(schedule.substitute(expression), t, point)
                assert abs(derived - value) <= mpmath.mpf("1e-20") * (1 + abs(value))


def assert_round_trip(schedule: NoiseSchedule, tolerance: float = 1e-13) -> None:
    """t -> lambda -> t in float64, relative to t and to what one rounding of lambda costs."""
    inverse = schedule.stable_inverse(log(schedule.alpha / schedule.sigma), half_log_snr_symbol)
    assert inverse is not None
    low, high = (float(end) for end in schedule.domain)
    points = np.array(points_near_ends(low, high))
    forward = schedule.stable(schedule.half_log_snr)
    images = evaluate_float(forward, t, points, schedule.parameters)
    slopes = evaluate_float(sympy.diff(forward, t), t, points, schedule.parameters)
    back = evaluate_float(inverse, half_log_snr_symbol, images, schedule.parameters)
    rounding = 4 * np.spacing(np.abs(images)) / np.abs(slopes)
    assert np.all(np.abs(back - points) <= tolerance * points + rounding)


def assert_stable(schedule: NoiseSchedule) -> None:
    """The stable forms to 1e-13 of many digits, relative to the value or to the way to the end."""
    low, high = (float(end) for end in schedule.domain)
    points = np.array(points_near_ends(low, high, closest=13))
    for expression in (schedule.alpha, schedule.sigma, schedule.half_log_snr, schedule.f):
        if not expression.has(t):
            continue
        values = evaluate_float(schedule.stable(expression), t, points, schedule.parameters)
        exact_form = schedule.substitute(expression)
        slope = sympy.diff(exact_form, t)
        for point, value in zip(points, values, strict=True):
            exact = evaluate_mp(exact_form, t, float(point), 80)
            way = min(point - low, high - point) * abs(evaluate_mp(slope, t, float(point), 80))
            assert abs(mpmath.mpf(float(value)) - exact) <= 1e-13 * max(abs(exact), way)


def schedules() -> st.SearchStrategy[NoiseSchedule | ScheduleError]:
    """Random formulas for alpha and sigma, most of them valid, each with a parameter."""
    k = Symbol("k", positive=True)
    falls = st.sampled_from([
        1 - t, 1 - t**2, sqrt(1 - t), cos(pi * t / 2), exp(-k * t), exp(-t), 1 / (1 + k * t),
        1 - t**k, (1 - t) ** 2, 1 / (1 + t**2), sympy.Integer(1), exp(-k * t - t**2), 1 - k * t,
    ])  # fmt: skip
    grows = st.sampled_from([
        t, t**2, sqrt(t), sin(pi * t / 2), 1 - exp(-k * t), sqrt(1 - exp(-t)), exp(k * t), k * t,
        log(1 + t), sympy.tanh(k * t), t / (1 + k * t), t + k * t**2, 1 - cos(t), t - k,
    ])  # fmt: skip
    alpha = falls | st.builds(lambda a, b: a * b, falls, falls)
    sigma = (
        grows
        | st.builds(lambda a, b: a * b, grows, grows)
        | st.builds(lambda a, b: a + b, grows, grows)
    )
    value = st.sampled_from([Rational(1, 3), 1, 2, Rational(5, 2)])

    def build(a: sympy.Expr, b: sympy.Expr, v: Rational) -> NoiseSchedule | ScheduleError:
        try:
            return NoiseSchedule(a, b, (0, Rational(9, 10)), parameters={k: v})
        except ScheduleError as error:
            return error

    return st.builds(build, alpha, sigma, value)


def weights(schedule: str, integrand: str, expansion: str) -> Weights:
    """The weights on a named schedule."""
    ode = SemilinearODE.derive(sg.schedules.get(schedule), get(integrand))
    return Weights.derive(ode, resolve(expansion, ode.clock))
