"""What is derived from alpha and sigma is what the definitions say, for schedules of every kind."""

import pickle

import mpmath
import pytest
import sympy
from hypothesis import given, settings
from some_schedules import assert_derived, schedules
from sympy import Rational, Symbol, cos, exp, pi, sin, sqrt

from solvergen.algebra.evaluation import evaluate_mp
from solvergen.errors import ScheduleError
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.symbols import half_log_snr_symbol, t


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


@pytest.mark.slow
@settings(max_examples=25)
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
