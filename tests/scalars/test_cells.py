"""Break points of the quadrature, and times by a table."""

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
from sympy import Rational, cos, sin

import solvergen as sg
from solvergen.compiler import load_text
from solvergen.errors import SolvergenError
from solvergen.measurement.row_errors import errors_of_step
from solvergen.scalars.cells import cuts, simplest_between
from solvergen.scalars.rates import Rates
from solvergen.symbols import t
from solvergen.targets import rendering

GRIDS = ([0.98, 0.95, 0.05], [0.7, 0.6, 0.52, 0.47, 0.3], [0.999, 0.5, 0.4999, 0.2])


def warped(scale: str) -> sg.NoiseSchedule:
    warp = f"t - {scale}*(cos(pi/2*(1 - t))**2 - t)"
    return sg.NoiseSchedule(f"1 - ({warp})", warp, name="warped")


def emitted(solver: sg.Solver) -> ModuleType:
    return load_text(rendering.coefficients_module(solver), "emitted")


@pytest.mark.parametrize("name", ["rectified_flow", "vp_linear", "ve"])
def test_smooth_rates_are_not_cut(name: str) -> None:
    for integrand, variable in (("data", "time"), ("velocity", "half_log_snr")):
        weights = sg.Solver(name, "noise", integrand, variable, "multistep:2").weights
        assert cuts(weights) == ()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scale", "integrand", "variable"),
    [("1.29", "data", "time"), ("1.1", "flow", "half_log_snr")],
)
def test_a_branch_point_near_the_line_costs_no_digit(
    scale: str, integrand: str, variable: str
) -> None:
    """Panels that are not cut are wrong by 1e-3 here."""
    solver = sg.Solver(warped(scale), "flow", integrand, variable, "multistep:3:ramp")
    assert len(cuts(solver.weights)) > 3
    module = emitted(solver)
    for grid in GRIDS:
        found = module.coefficients(np.array(grid))
        errors = errors_of_step(solver, found, grid, len(grid) - 2)
        assert max(one.error for one in errors) < 2e-14


def test_rates_that_lose_their_digits_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """dt/dlambda from a difference that cancels, in place of the form that was chosen."""
    schedule = sg.NoiseSchedule("1 - t**3", "t + t**5/2", name="worse")
    weights = sg.Solver(schedule, "flow", "data", "time", "multistep:2").weights
    assert len(cuts(weights)) < 9
    rates = Rates.derive(weights)
    lossy = replace(rates, clock=rates.clock * (1 + 10**8 * (cos(t) ** 2 + sin(t) ** 2 - 1)))
    monkeypatch.setattr(Rates, "derive", lambda _: lossy)
    cuts.cache_clear()
    with pytest.raises(
        SolvergenError, match=r"worse: the rates .*half_log_snr is .* to .*expected"
    ):
        cuts(weights)
    cuts.cache_clear()


@pytest.mark.parametrize("seed", range(5))
def test_the_simplest_number_has_the_fewest_digits(seed: int) -> None:
    low, width = np.random.default_rng(seed).normal(size=2) * 4
    high = low + abs(width)
    found = simplest_between(low, high)
    assert low < found < high
    unit = 2.0**-40
    while (found / unit / 2).is_integer() and unit < 64:
        unit *= 2
    coarser = np.arange(-64, 64, 2 * unit)
    quarter = (high - low) / 4
    assert not ((coarser >= low + quarter) & (coarser <= high - quarter)).any()


@pytest.mark.parametrize(
    "schedule",
    [
        warped("1.29"),
        sg.NoiseSchedule("1 - t**3", "t + t**5/2", name="quintic"),
        sg.NoiseSchedule("exp(-t**2 - t)", "sin(t) + t**3", ("1/10", "3/2"), "inner"),
    ],
    ids=str,
)
def test_times_without_a_closed_inverse(schedule: sg.NoiseSchedule) -> None:
    """As exact as bisection, in a few evaluations of lambda."""
    module = emitted(sg.Solver(schedule, "flow", "data", "time", "multistep:2"))
    logits = np.random.default_rng(0).uniform(-25, 25, 500)
    low, high = module.T_MIN, module.T_MAX
    times = low + (high - low) / (1 + np.exp(-logits))
    times = times[(times > low) & (times < high)]
    levels = module.half_log_snr(times)
    module.time_at_half_log_snr(levels)
    calls, level = [], module.half_log_snr

    def counted(time: np.ndarray) -> np.ndarray:
        calls.append(np.size(time))
        return level(time)

    module._TABLES[counted] = module._TABLES[level]
    found = module._solve(counted, levels)
    assert sum(calls) <= 4 * times.size
    noise = 1e-13 * np.abs(levels) * times  # what a rounding of lambda may move
    exact = module._bisected(level, levels)
    assert np.all(np.abs(found - exact) <= 4e-15 * times + noise)


@pytest.mark.parametrize("rate", ["4", "1/3"])
def test_a_step_in_a_linear_half_log_snr_is_integrated_from_nothing(rate: str) -> None:
    """dt/dlambda is a number, and nothing else is integrated."""
    schedule = sg.NoiseSchedule("1", f"exp({rate}*t)/500", ("0", "log(40000)/4"), "linear")
    module = emitted(sg.Solver(schedule, "data", "data", "half_log_snr", "multistep:3:ramp"))
    times = np.array([2.0, 1.3, 1.2999, 0.1])
    assert np.isfinite(module.coefficients(times)).all()
    (row,) = module.coefficients(np.array([1.5, 1.25]))
    falls = np.exp(-0.25 * float(Rational(rate)))
    assert row[1:3] == pytest.approx([falls, 1 - falls], rel=1e-15)  # Phi, M0
