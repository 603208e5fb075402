"""Phi, M0, weights and nu of steps with noise, against their definitions in many digits."""

import numpy as np
import pytest
from some_schedules import custom_schedule

import solvergen as sg
from solvergen.measurement.accuracy import coefficient_error
from solvergen.measurement.certificate import draft
from solvergen.measurement.ends import interior

BOUND = 1e-13
CHOICES = (
    ("data", "half_log_snr", "eta: 1"),
    ("data", "half_log_snr", "eta: 0.3"),
    ("data", "sigma/(alpha+sigma)", "eta: 1"),
    ("data", "half_log_snr", "retention: sigma/(sigma + alpha/10)"),
    ("noise", "half_log_snr", "eta: 1"),
    ("flow", "time", "eta: 1/2"),
    ("velocity", "theta", "eta: 1"),
    ("straight", "sigma/(alpha+sigma)", "eta: 0.8"),
)
INTEGRATED = (
    ("rectified_flow", "data", "half_log_snr", "eta: 2*t*(1 - t)"),
    ("vp_linear", "flow", "time", "eta: sqrt(t)"),
    ("trigonometric", "data", "theta", "eta: sigma"),
)
"""eta(t) of which K is an antiderivative."""
SCHEDULES = ("vp_linear", "rectified_flow", "ve", "vp_cosine", "custom")


@pytest.mark.slow_but(13)
@pytest.mark.parametrize(
    ("schedule", "integrand", "expansion", "noise"),
    [*INTEGRATED, *((schedule, *choice) for choice in CHOICES for schedule in SCHEDULES)],
)
def test_rows_are_those_of_the_definitions(
    schedule: str, integrand: str, expansion: str, noise: str
) -> None:
    found = custom_schedule() if schedule == "custom" else sg.schedules.get(schedule)
    scheme = "multistep:2:ramp" if integrand != "data" else "singlestep:2"
    solver = sg.Solver(found, "data", integrand, expansion, scheme, None, noise)
    module = draft(solver)
    start, end = interior(module)
    grid = np.geomspace(start, end, 7)
    assert coefficient_error(solver, module.coefficients(grid), grid.tolist(), [0, 1, 5]) < BOUND


@pytest.mark.parametrize("value", [1e-3, 0.4, 2.0])
def test_eta_of_a_run_is_that_of_a_solver(value: float) -> None:
    """``coefficients(grid, eta=)`` are the rows of a solver with that eta."""
    one, other = (
        sg.Solver("vp_linear", integrand="data", scheme="multistep:3:ramp", stochasticity=noise)
        for noise in (1, value)
    )
    grid = np.linspace(0.9, 0.1, 8)
    found = draft(one).coefficients(grid, eta=value)
    np.testing.assert_allclose(found, draft(other).coefficients(grid), rtol=1e-14)


def test_eta_of_every_step() -> None:
    module = draft(
        sg.Solver("vp_linear", integrand="data", scheme="unipc:2:exact:ramp", stochasticity=1)
    )
    grid, eta = np.linspace(0.9, 0.1, 6), np.array([0.0, 1.0, 0.5, 0.0, 2.0])
    rows = module.coefficients(grid, eta=eta)
    assert (rows[:, module.np.flatnonzero(rows[0] == 0)[0]] >= 0).all()
    for value in (0.0, 1.0, 0.5, 2.0):
        steps = np.flatnonzero(eta == value)
        whole = module.coefficients(grid, eta=value)
        # a correction replaces the landing of the step before, which had its own eta
        same = [n for n in steps if n == 0 or eta[n - 1] == value]
        np.testing.assert_array_equal(rows[same], whole[same])


@pytest.mark.parametrize("wrong", [-0.1, [1.0, -1.0, 1.0], [1.0, 2.0], np.nan, np.inf])
def test_wrong_etas_are_refused(wrong: object) -> None:
    module = draft(sg.Solver("vp_linear", integrand="data", scheme="multistep:1", stochasticity=1))
    with pytest.raises(ValueError, match="eta is"):
        module.coefficients(np.linspace(0.9, 0.1, 4), eta=wrong)


@pytest.mark.parametrize("schedule", ["vp_linear", "rectified_flow", "zero_terminal_snr"])
@pytest.mark.parametrize("scheme", ["multistep:1", "multistep:2:ramp", "singlestep:2"])
def test_ends_are_limits(schedule: str, scheme: str) -> None:
    """From alpha = 0, where all noise is drawn anew, to sigma = 0, where none is added."""
    solver = sg.Solver(schedule, "data", "data", scheme=scheme, stochasticity=1)
    module = draft(solver)
    grid = module.timesteps(6)
    assert np.isfinite(module.coefficients(grid)).all()
    nu = module.coefficients(grid)[:, solver.table.first_factor]
    assert nu[-1] == 0
    if float(module.alpha(grid[0])) == 0 and scheme != "singlestep:2":
        np.testing.assert_allclose(nu[0], module.sigma(grid[1]), rtol=1e-15)
        assert np.isfinite(module.coefficients(grid, eta=0.0)).all()


def test_ancestral_noise_is_that_of_ddim() -> None:
    """nu^2 = e^2 (1 - e^-2h) sigma_t^2, and Phi^2 sigma_s^2 + nu^2 = sigma_t^2."""
    for e in (0.0, 0.3, 1.0):
        solver = sg.Solver("ve", "data", "data", scheme="multistep:1", stochasticity="ancestral: 1")
        module = draft(solver)
        grid = np.array([80.0, 14.0, 3.0, 0.4, 0.0])
        rows = module.coefficients(grid, e=e)
        nu, phi = rows[:, 1], rows[:, 2]
        kept = 1.0 - (grid[1:] / grid[:-1]) ** 2
        np.testing.assert_allclose(nu, e * grid[1:] * np.sqrt(kept), atol=1e-14)
        np.testing.assert_allclose((phi * grid[:-1]) ** 2 + nu**2, grid[1:] ** 2, atol=1e-12)


def test_powers_of_alpha_keep_their_digits_beside_noise() -> None:
    """alpha^(eta^2) in the rates of the flow, where t is near 1 and alpha nearly 0."""
    solver = sg.presets.get("flow_sde", "rectified_flow", "flow")
    module = draft(solver)
    grid = [1 - 2e-6, 1 - 8.5e-6, 1 - 1.8e-5, 1 - 1e-3, 0.5]
    assert coefficient_error(solver, module.coefficients(grid), grid, [0, 1, 2, 3]) < 2e-14
