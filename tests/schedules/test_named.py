"""The named schedules: derived, inverted, accurate to their ends, within a second."""

import pickle
import time

import numpy as np
import pytest
import sympy
from some_schedules import assert_derived, assert_round_trip, assert_stable
from sympy import Rational, cos, log, pi

from solvergen.algebra.evaluation import evaluate_float, evaluate_mp
from solvergen.errors import ScheduleError
from solvergen.schedules import named
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.symbols import half_log_snr_symbol, t


@pytest.fixture(params=named.names())
def schedule(request: pytest.FixtureRequest) -> NoiseSchedule:
    return named.get(request.param)


def test_derivatives_against_many_digits(schedule: NoiseSchedule) -> None:
    assert_derived(schedule)


def test_round_trip(schedule: NoiseSchedule) -> None:
    assert_round_trip(schedule)


def test_stable_to_the_ends(schedule: NoiseSchedule) -> None:
    assert_stable(schedule)


def test_derives_in_a_second(schedule: NoiseSchedule) -> None:
    """With room for a slow machine: three times what is asked."""
    fresh = named.get(schedule.name)
    started = time.process_time()
    for value in (fresh.f, fresh.g_squared, fresh.half_log_snr, fresh.time_at_half_log_snr):
        assert value is not None
    assert time.process_time() - started < 3


def test_name_and_parameters(schedule: NoiseSchedule) -> None:
    assert schedule.name in named.names()
    symbols = (schedule.alpha.free_symbols | schedule.sigma.free_symbols) - {t}
    assert symbols == {symbol for symbol, _ in schedule.parameters}


def test_unknown_name_lists_the_known() -> None:
    with pytest.raises(ScheduleError, match=r"unknown schedule 'vp_lineer'.*vp_linear"):
        named.get("vp_lineer")


def test_variance_preserving_ones() -> None:
    names = {name for name in named.names() if named.get(name).is_variance_preserving}
    expected = {"vp_linear", "vp_cosine", "vp_sigmoid", "vp_alphabar", "zero_terminal_snr"}
    assert names == expected | {"trigonometric", "stable_diffusion", "straight"}


def test_terminal_signal_to_noise() -> None:
    """Which schedules end in pure noise: exactly, not nearly."""
    pure = {
        name
        for name in named.names()
        if named.get(name).limit_at(named.get(name).alpha, named.get(name).t_max) == 0
    }
    assert pure == {
        "rectified_flow", "flow_shifted", "vp_cosine", "vp_sigmoid", "vp_alphabar",
        "zero_terminal_snr", "trigonometric", "straight",
    }  # fmt: skip


def test_zero_terminal_snr_is_the_rescaled_table() -> None:
    """Algorithm 1 of Lin et al.: shift sqrt(alpha_bar) so that the last is 0, scale back the
    first.
    """
    linear, rescaled = named.vp_linear(), named.zero_terminal_snr()
    first, last = (linear.substitute(linear.alpha).subs(t, x) for x in (0, 1))
    for x in (Rational(1, 7), Rational(1, 2), Rational(9, 10)):
        a = linear.substitute(linear.alpha).subs(t, x)
        expected = (a - last) * first / (first - last)
        assert abs(sympy.N(rescaled.substitute(rescaled.alpha).subs(t, x) - expected, 40)) < 1e-35


def test_shift_moves_the_half_log_snr_by_a_constant() -> None:
    """Esser et al.: a shift by k is lambda - log k at the same time."""
    plain, shifted = named.rectified_flow(), named.flow_shifted(shift=3)
    for point in (0.1, 0.5, 0.9):
        difference = evaluate_mp(
            plain.half_log_snr - shifted.substitute(shifted.half_log_snr), t, point
        )
        assert abs(difference - sympy.N(log(3), 50)) < 1e-45


def test_cosine_without_offset_is_trigonometric() -> None:
    schedule = named.vp_cosine(offset=1e-9)
    assert abs(evaluate_mp(schedule.substitute(schedule.alpha) - cos(pi * t / 2), t, 0.3)) < 1e-8


def test_sigmoid_is_the_difference_of_sigmoids() -> None:
    """The formula of the paper against the one that is free of differences."""
    schedule = named.vp_sigmoid(start=-3, end=3, temperature=Rational(9, 10))

    def sigmoid(x: sympy.Expr) -> sympy.Expr:
        return 1 / (1 + sympy.exp(-x / Rational(9, 10)))

    paper = (sigmoid(3) - sigmoid(-3 + 6 * t)) / (sigmoid(3) - sigmoid(-3))
    for point in (0.01, 0.4, 0.99):
        difference = evaluate_mp(schedule.substitute(schedule.alpha) ** 2 - paper, t, point)
        assert abs(difference) < 1e-45


def test_inverse_of_sub_vp_is_quadratic_in_the_exponential() -> None:
    inverse = named.sub_vp().time_at_half_log_snr
    assert inverse is not None
    assert inverse.has(half_log_snr_symbol)


def test_table_of_betas_is_the_running_product() -> None:
    betas = np.linspace(1e-4, 0.02, 50)
    schedule = named.tabulated(betas=betas)
    again = named.tabulated(alphas_cumprod=np.cumprod(1 - betas))
    times = np.arange(1, 51) / 50
    for one in (schedule, again):
        alpha = evaluate_float(one.stable(one.alpha), t, times)
        np.testing.assert_allclose(alpha**2, np.cumprod(1 - betas), rtol=1e-14)
    assert (schedule.t_min, schedule.t_max) == (Rational(1, 50), 1)


def test_table_is_linear_between_its_steps() -> None:
    schedule = named.tabulated(betas=[0.1, 0.2, 0.3])
    halves = [float(evaluate_mp(log(schedule.alpha), t, x)) for x in (1 / 3, 0.5, 2 / 3)]
    assert abs(halves[1] - (halves[0] + halves[2]) / 2) < 1e-15
    assert abs(evaluate_mp(schedule.f, t, 0.5) - 3 * (halves[2] - halves[0])) < 1e-14


def test_table_is_a_value() -> None:
    schedule = named.tabulated(betas=[0.1, 0.2, 0.3])
    assert schedule == named.tabulated(betas=[0.1, 0.2, 0.3])
    assert schedule != named.tabulated(betas=[0.1, 0.2, 0.4])
    assert pickle.loads(pickle.dumps(schedule)) == schedule


@pytest.mark.parametrize(
    ("tables", "reason"),
    [
        ({}, "both tables or none"),
        ({"betas": [0.1, 0.2], "alphas_cumprod": [0.9, 0.8]}, "both tables or none"),
        ({"betas": [0.1]}, "expected one column"),
        ({"betas": [[0.1, 0.2]]}, "expected one column"),
        ({"betas": [0.1, 1.5]}, "1.5 at row 1"),
        ({"betas": [0.1, np.nan]}, "nan at row 1"),
        ({"betas": [0.0, 0.1]}, "0.0 at row 0"),
        ({"alphas_cumprod": [0.9, 0.95, 0.1]}, "at row 0; expected finite, strictly monotone"),
        ({"alphas_cumprod": [0.9, 0.5, 0.0]}, "0.0 at row 2"),
    ],
)
def test_bad_table_is_refused(tables: dict[str, object], reason: str) -> None:
    with pytest.raises(ScheduleError, match=reason):
        named.tabulated(**tables)


@pytest.mark.parametrize("name", [one for one in named.names() if one != "stable_diffusion"])
def test_derivation_against_automatic_differentiation(name: str) -> None:
    """f = alpha'/alpha, g^2 and lambda' from the derivatives that torch takes of the formulas."""
    import torch
    from sympy import diff, lambdify

    schedule = named.get(name)
    low, high = float(schedule.t_min), float(schedule.t_max)
    times = torch.linspace(low + 0.1 * (high - low), high - 0.1 * (high - low), 9).double()
    times.requires_grad_()

    def lifted(name: str):
        return lambda x: getattr(torch, name)(torch.as_tensor(x, dtype=torch.float64))

    known = {one: lifted(one) for one in ("sqrt", "exp", "log", "sin", "cos", "tan")}

    def value(expression) -> torch.Tensor:
        found = lambdify(t, schedule.substitute(expression), [known, "math"])(times)
        return torch.as_tensor(found, dtype=torch.float64).expand(times.shape)

    def slope(of: torch.Tensor) -> torch.Tensor:
        if not of.requires_grad:
            return torch.zeros_like(times)
        (found,) = torch.autograd.grad(of.sum(), times, create_graph=True)
        return found

    alpha, sigma = value(schedule.alpha), value(schedule.sigma)
    f = slope(alpha) / alpha
    expected = {
        schedule.f: f,
        schedule.g_squared: slope(sigma**2) - 2 * f * sigma**2,
        diff(schedule.half_log_snr, t): slope(torch.log(alpha / sigma)),
    }
    for expression, exact in expected.items():
        torch.testing.assert_close(value(expression), exact, rtol=1e-9, atol=1e-10)
