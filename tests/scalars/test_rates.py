"""The rates of the three clocks in lambda, against differentiation in time and many digits."""

import mpmath
import numpy as np
import pytest
from some_schedules import weights
from sympy import Expr, Rational, diff, log

import solvergen as sg
from solvergen.algebra.evaluation import as_mp, evaluate_mp, evaluate_mp_at
from solvergen.derivation.parameterization import at_schedule
from solvergen.derivation.weights import Weights
from solvergen.scalars.rate_errors import (
    GOOD,
    errors,
    half_log_snr_range,
    half_log_snrs,
    most_accurate,
    values,
)
from solvergen.scalars.rates import TAIL, Rates, time_rate
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.symbols import half_log_snr_symbol as l
from solvergen.symbols import t

CASES = [
    ("vp_linear", "data", "half_log_snr"),
    ("vp_linear", "velocity", "time"),
    ("vp_cosine", "noise", "theta"),
    ("vp_alphabar", "data", "clock"),
    ("rectified_flow", "noise", "time"),
    ("rectified_flow", "flow", "sigma/(alpha+sigma)"),
    ("edm", "data", "theta"),
    ("ve_geometric", "noise", "time"),
    ("flow_shifted", "data", "half_log_snr"),
]
NAMES = ("vp_linear", "vp_cosine", "vp_sigmoid", "rectified_flow", "edm", "ve_geometric", "sub_vp")


def inner_points(schedule: NoiseSchedule) -> list[mpmath.mpf]:
    low, high = (as_mp(end) for end in schedule.domain)
    return [low + (high - low) * mpmath.mpf(part) for part in ("0.13", "0.38", "0.66", "0.9")]


def at(form: Expr, schedule: NoiseSchedule, time: mpmath.mpf) -> mpmath.mpf:
    """A function of t in many digits."""
    return evaluate_mp(schedule.substitute(at_schedule(form, schedule)), t, time)


def rate_at(form: Expr, schedule: NoiseSchedule, time: mpmath.mpf) -> mpmath.mpf:
    """A rate in lambda and t, in many digits."""
    level = at(schedule.half_log_snr, schedule, time)
    return evaluate_mp_at(schedule.substitute(form), (l, t), (level, time))


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_rates_are_the_derivatives_in_time_over_that_of_lambda(case: tuple[str, str, str]) -> None:
    """Exactly for q and t; for gamma up to the constant that drops out of every ratio."""
    found = weights(*case)
    schedule, rates = found.schedule, Rates.derive(found)
    clock, variable = found.ode.clock_rate, found.expansion.variable
    ratios = []
    with mpmath.workdps(50):
        for time in inner_points(schedule):
            slope = at(diff(schedule.half_log_snr, t), schedule, time)
            expected = at(clock, schedule, time) / slope
            assert abs(rate_at(rates.clock, schedule, time) / expected - 1) < mpmath.mpf("1e-40")
            inverse = rate_at(rates.time, schedule, time) * slope
            assert abs(inverse - 1) < mpmath.mpf("1e-40")
            moved = at(diff(at_schedule(variable, schedule), t), schedule, time) / slope
            ratios.append(rate_at(rates.expansion, schedule, time) / moved)
        assert all(abs(one / ratios[0] - 1) < mpmath.mpf("1e-40") for one in ratios)


@pytest.mark.parametrize(
    ("case", "is_even"),
    [
        (("vp_linear", "data", "half_log_snr"), True),
        (("vp_linear", "data", "theta"), False),
        (("rectified_flow", "data", "time"), False),
    ],
)
def test_even_where_theta_is_linear_in_lambda(case: tuple[str, str, str], is_even: bool) -> None:
    assert Rates.derive(weights(*case)).is_even == is_even


@pytest.mark.parametrize("name", NAMES)
def test_rate_of_time_in_float64(name: str) -> None:
    """1e-12 over the domain, as far as lambda = +-36, from 1/lambda' in 100 digits."""
    schedule = sg.schedules.get(name)
    (error,) = errors([time_rate(schedule)], schedule)
    assert error < 1e-12


@pytest.mark.slow
def test_rate_of_time_where_powers_cancel_at_both_ends() -> None:
    """t has lost the digits of 1 - t^a at one end, and 1 - u^(1/b) those of t^a at the other."""
    schedule = sg.NoiseSchedule("(1 - t**0.6)**1.4", "1 - (1 - t**0.6)**1.4")
    (error,) = errors([time_rate(schedule)], schedule)
    assert error < 1e-14


def test_errors_are_measured() -> None:
    """A form that is wrong by 1e-9 is said to be, and loses."""
    schedule = sg.schedules.get("vp_linear")
    right = time_rate(schedule)
    wrong = right * (1 + Rational(1, 10**9))
    found = errors([right, wrong], schedule)
    assert found[0] < GOOD * 100
    assert found[1] == pytest.approx(1e-9, rel=1e-3)
    assert most_accurate([wrong, right], schedule) == right


def test_points_span_the_domain() -> None:
    for name, ends in (("vp_linear", (None, 36)), ("rectified_flow", (-36, 36))):
        schedule = sg.schedules.get(name)
        low, high = half_log_snr_range(schedule)
        exact = at(schedule.half_log_snr, schedule, as_mp(schedule.t_max))
        assert low == (float(exact) if ends[0] is None else ends[0])
        assert high == ends[1]
        points = half_log_snrs(schedule)
        assert len(points) == 40
        assert np.all(np.diff(points) > 0)
        assert low < points[0] < points[-1] < high


def fallen(found: Weights, distance: float) -> list[float]:
    """How much of each rate is left so far beyond lambda = +-1, on the slower side."""
    schedule, rates = found.schedule, Rates.derive(found)
    inverse = schedule.stable_inverse(log(schedule.alpha / schedule.sigma), l)
    shares = []
    for form in (rates.clock, rates.time):
        for sign in (-1, 1):
            near, far = np.abs(values(form, [sign, sign * (1 + distance)], inverse, schedule))
            shares.append(far / near)
    return shares


def test_tail_is_as_long_as_the_slowest_rate_needs() -> None:
    """On the flow with t = 1/(1 + e^lambda) dt/dlambda falls as e^-|lambda|: 40 for e^-40."""
    flow = weights("rectified_flow", "flow", "time")
    tail = Rates.derive(flow).tail(flow.schedule)
    assert tail == TAIL
    assert max(fallen(flow, 30.0)) < np.exp(-29)
    assert min(fallen(flow, 30.0)) > np.exp(-32)


def test_table_takes_the_place_of_time_where_nothing_else_reads_it() -> None:
    """Kinks remain only where a rate reads t, whose table is piecewise linear."""
    smooth = weights("stable_diffusion", "data", "half_log_snr")
    rough = weights("stable_diffusion", "data", "time")
    assert smooth.schedule.kinks
    assert Rates.derive(smooth).table is not None
    assert not Rates.derive(smooth).is_rough(smooth.schedule)
    assert Rates.derive(rough).table is None
    assert Rates.derive(rough).is_rough(rough.schedule)
