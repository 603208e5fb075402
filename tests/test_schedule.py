"""What is derived from alpha and sigma is what the definitions say, for schedules of every kind."""

import pickle

import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sympy import Rational, Symbol, cos, exp, log, pi, sin, sqrt

from solvergen.algebra.evaluation import evaluate_float, evaluate_mp, points_near_ends
from solvergen.errors import ScheduleError
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.symbols import half_log_snr_symbol, t


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


def test_rectified_flow_as_a_person_would_write_it() -> None:
    schedule = NoiseSchedule(1 - t, t)
    assert str(schedule.f) == "-1/(1 - t)"
    assert str(schedule.g_squared) == "2*t/(1 - t)"
    assert str(schedule.half_log_snr) == "log((1 - t)/t)"
    assert str(schedule.time_at_half_log_snr) == "1/(exp(lambda) + 1)"
    assert str(schedule) == "custom: alpha = 1 - t, sigma = t, 0 <= t <= 1"


def test_input_is_read_in_every_form() -> None:
    x, k = Symbol("x"), Symbol("k")
    schedule = NoiseSchedule("1 - t**2", t, name="mine")
    assert schedule == NoiseSchedule(1 - x**2, x, (0, 1), "mine")
    assert schedule == NoiseSchedule(1 - t**2, "t", ("0", "1"), "mine")
    assert hash(schedule) == hash(NoiseSchedule(1 - x**2, x, name="mine"))
    one = NoiseSchedule(1, k * x, (0, 0.5), parameters={"k": 0.3})
    two = NoiseSchedule(1.0, "k*t", (0, Rational(1, 2)), parameters=[(k, Rational(3, 10))])
    assert one == two
    assert one.parameters == ((Symbol("k", positive=True), Rational(3, 10)),)
    assert one.read(k * x) == one.read("k*t") == one.sigma


def test_value_semantics() -> None:
    schedule = NoiseSchedule(exp(-t), sqrt(1 - exp(-2 * t)), parameters=())
    assert schedule.g_squared == 2
    again = pickle.loads(pickle.dumps(schedule))
    assert again == schedule
    assert again.f == schedule.f
    with pytest.raises(AttributeError):
        schedule.alpha = t  # type: ignore[misc]


def test_variance_preserving_is_recognised() -> None:
    assert NoiseSchedule(cos(pi * t / 2), sin(pi * t / 2)).is_variance_preserving
    assert not NoiseSchedule(1 - t, t).is_variance_preserving


def test_domain_may_end_in_an_irrational_number() -> None:
    schedule = NoiseSchedule(cos(t), sin(t), (0, pi / 2))
    assert schedule.time_at_half_log_snr == sympy.atan(exp(-half_log_snr_symbol))
    assert_derived(schedule)


LIMITS = {
    "lambda at no noise": (lambda s: s.half_log_snr, 0, sympy.oo),
    "lambda at no signal": (lambda s: s.half_log_snr, 1, -sympy.oo),
    "f at no signal": (lambda s: s.f, 1, -sympy.oo),
    "sigma/alpha at no noise": (lambda s: s.sigma / s.alpha, 0, 0),
    "theta at no signal": (lambda s: sympy.atan2(s.sigma, s.alpha), 1, pi / 2),
    "straight clock at no signal": (lambda s: s.sigma / (s.alpha + s.sigma), 1, 1),
    "sigma lambda' at no noise": (lambda s: s.sigma * sympy.diff(s.half_log_snr, t), 0, None),
    "(1 - alpha)/sigma at no noise": (lambda s: (1 - s.alpha) / s.sigma, 0, None),
}


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("pair", [(1 - t, t), (cos(pi * t / 2), sin(pi * t / 2)), (1 - t**2, t)])
def test_limits_at_the_ends(name: str, pair: tuple[sympy.Expr, sympy.Expr]) -> None:
    schedule = NoiseSchedule(*pair)
    make, end, expected = LIMITS[name]
    expression = make(schedule)
    limit = schedule.limit_at(expression, end)
    if expected is None:
        near = Rational(1, 10**30)
        expected = evaluate_mp(expression, t, near, 120)
        assert abs(sympy.N(limit) - sympy.sympify(expected)) < 1e-20
    else:
        assert limit == expected


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


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(schedules())
def test_random_schedule_derives_and_inverts_or_is_refused(schedule) -> None:
    if isinstance(schedule, ScheduleError):
        assert "expected" in str(schedule)
        return
    assert_derived(schedule)
    inverse = schedule.time_at_half_log_snr
    if inverse is None:
        return
    for point in (0.1, 0.5, 0.85):
        exact = schedule.substitute(schedule.half_log_snr)
        image = evaluate_mp(exact, t, point)
        back = evaluate_mp(schedule.substitute(inverse), half_log_snr_symbol, image)
        assert abs(back - point) < mpmath.mpf("1e-30")
