"""Forms of functions of time, and inverses that are inverses."""

import numpy as np
import pytest
from sympy import sqrt

import solvergen as sg
from solvergen.compiler import load_text
from solvergen.derivation.parameterization import at_schedule
from solvergen.scalars.forms import CLOSES, closing, error_in_float, in_time, round_trip_error
from solvergen.symbols import alpha, gamma, sigma, t
from solvergen.targets import rendering

CIRCLES = {
    "linear": ("1 - t", "sqrt(t*(2 - t))"),
    "square": ("(1 - t)**2", "sqrt(1 - alpha**2)"),
    "root": ("sqrt(1 - t)", "sqrt(t)"),
}


@pytest.mark.slow_but(2)
@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("linear", "sigma/(alpha+sigma)"),
        ("linear", "alpha - sigma"),
        ("root", "theta"),
        ("root", "alpha**2"),
        ("square", "sigma/alpha"),
    ],
)
def test_inner_evaluations_are_where_they_should_be(name: str, variable: str) -> None:
    """Whatever branch an inverse has, and also where it has no closed form."""
    schedule = sg.NoiseSchedule(*CIRCLES[name], name=name)
    solver = sg.Solver(schedule, "straight", "straight", variable, "singlestep:2")
    module = load_text(rendering.coefficients_module(solver), "emitted")
    times = np.array([1e-6, 0.02, 0.293, 0.5, 0.81, 0.9999])
    back = module.time_at_expansion_variable(module.expansion_variable(times))
    assert back == pytest.approx(times, rel=1e-9)


def test_another_branch_is_no_inverse() -> None:
    schedule = sg.NoiseSchedule("1 - t**2", "t")
    variable = at_schedule(1 - alpha, schedule)
    assert round_trip_error(sqrt(gamma), variable, gamma, schedule) < 1e-14
    for wrong in (-sqrt(gamma), sqrt(gamma) * (1 + 1e-8), sqrt(gamma - 1)):
        assert round_trip_error(wrong, variable, gamma, schedule) > CLOSES
        assert closing(wrong, variable, gamma, schedule) is None


@pytest.mark.parametrize("scale", ["1.29", "-0.5"])
def test_distances_to_the_end_are_not_multiplied_out(scale: str) -> None:
    """alpha of SD3's warp falls to 0 as a multiple of 1 - t, in a sum of three terms."""
    warp = f"t - ({scale})*(cos(pi/2*(1 - t))**2 - t)"
    schedule = sg.NoiseSchedule(f"1 - ({warp})", warp)
    for formula in (schedule.alpha, schedule.sigma):
        assert error_in_float(in_time(formula, schedule), formula, schedule) < 1e-13
    module = load_text(
        rendering.coefficients_module(sg.Solver(schedule, "flow", "data", "time", "multistep:2")),
        "emitted",
    )
    near = 1 - 2.0 ** -np.arange(20.0, 47.0)
    assert module.alpha(near) == pytest.approx((1 + float(scale)) * (1 - near), rel=1e-5)


@pytest.mark.parametrize(("a", "b"), [("1.3", "1.7"), ("2", "1.4")])
def test_one_minus_a_power_near_one_keeps_its_digits(a: str, b: str) -> None:
    schedule = sg.NoiseSchedule(f"(1 - t**{a})**{b}", f"1 - (1 - t**{a})**{b}")
    for formula in (schedule.alpha, schedule.sigma):
        assert error_in_float(in_time(formula, schedule), formula, schedule) < 1e-14


def test_symbols_of_the_plane_are_no_function_of_time() -> None:
    schedule = sg.schedules.get("rectified_flow")
    assert in_time(alpha + sigma, schedule) == alpha + sigma
    assert not in_time(alpha, schedule).has(t)
