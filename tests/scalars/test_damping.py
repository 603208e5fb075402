"""K by quadrature: eta(t) of which int eta^2 dlog(alpha/R) has no closed form."""

import mpmath
import numpy as np
import pytest
from some_schedules import custom_schedule

import solvergen as sg
from solvergen.algebra.evaluation import as_mp
from solvergen.measurement.accuracy import coefficient_error
from solvergen.measurement.certificate import draft
from solvergen.measurement.ends import interior
from solvergen.measurement.gaussian_law import law
from solvergen.scalars.damping import damping_of
from solvergen.schedules.values import at_time
from solvergen.targets.files import load_text

BOUND = 1e-13
TERMS = ("t", "sqrt(t)", "t**2", "sigma", "alpha*sigma", "exp(-t)", "sin(3*t)", "cos(t)", "1/2")
STEPS = {"data": "singlestep:2", "flow": "multistep:2:ramp", "velocity": "multistep:2:ramp"}
SCHEDULES = ("vp_linear", "rectified_flow", "ve", "edm", "trigonometric", "custom")
SPACES = {"data": "half_log_snr", "flow": "time", "velocity": "theta"}


def drawn(count: int, seed: int = 5) -> list[tuple[str, str, str]]:
    """Schedules, integrands and texts of eta: sums, products, quotients and intervals of terms."""
    random = np.random.default_rng(seed)
    found = []
    for n in range(count):
        first, second, third = random.choice(TERMS, 3)
        a, b = random.integers(1, 5, 2)
        formula = (
            f"{first}/{a} + {second}/{b}",
            f"({first} + 1/{a})/(1 + {second})",
            f"where(t < {a}/8, {first}, {second}/{b})",
            f"where(t < 1/5, 0, where(t < {a + 3}/8, {first}, {third}*{second}))",
        )[n % 4]
        found.append((str(random.choice(SCHEDULES)), str(random.choice([*STEPS])), formula))
    return found


@pytest.mark.slow_but(4)
@pytest.mark.parametrize(("schedule", "integrand", "formula"), drawn(24))
def test_rows_are_those_of_the_definitions(schedule: str, integrand: str, formula: str) -> None:
    """Phi, M0, weights and nu, inside and across the ends of intervals of eta."""
    found = custom_schedule() if schedule == "custom" else sg.schedules.get(schedule)
    choices = (integrand, SPACES[integrand], STEPS[integrand])
    solver = sg.Solver(found, "data", *choices, None, f"eta: {formula}")
    module = draft(solver)
    start, end = interior(module)
    grid = np.geomspace(start, end, 7)
    error = coefficient_error(solver, module.coefficients(grid), grid.tolist(), [0, 2, 5])
    assert error < BOUND


@pytest.mark.parametrize(
    ("schedule", "integrand", "formula"),
    [
        ("vp_linear", "data", "t"),
        ("rectified_flow", "data", "where(t < 1/2, 1, 1/4)"),
        ("vp_cosine", "flow", "t*sigma"),
    ],
)
def test_kappa_in_many_digits_is_the_integral(schedule: str, integrand: str, formula: str) -> None:
    """What references read, against mpmath's quadrature of eta^2 dlog(alpha/R)/dt."""
    solver = sg.Solver(schedule, "data", integrand, stochasticity=f"eta: {formula}")
    ode = solver.ode
    assert ode.base is not None
    assert ode.damping is not None
    with mpmath.workdps(40):
        start, end = mpmath.mpf("0.8"), mpmath.mpf("0.17")
        path = [start, *sorted(map(as_mp, ode.kinks), reverse=True), end]
        exact = mpmath.quad(lambda u: at_time(ode.damping, ode.schedule, u, 40), path)
        found = damping_of(ode, mpmath.mp.prec)(end, start)
        assert mpmath.almosteq(found, exact, 1e-30)


def test_steps_between_the_ends_of_intervals_add_no_noise() -> None:
    """Where eta is 0 nothing is drawn, and e^-kappa of a step is the product of its parts."""
    text = "where(t < 1/5, 0, where(t < 4/5, 1, 0))"
    solver = sg.Solver("rectified_flow", "data", "data", scheme="multistep:1", stochasticity=text)
    module = draft(solver)
    grid = np.array([0.95, 0.85, 0.7, 0.4, 0.15, 0.05])
    nu, phi = module.coefficients(grid)[:, 1:3].T
    assert (nu[[0, 4]] == 0).all()
    kept = phi * grid[:-1] / grid[1:]  # e^-kappa
    np.testing.assert_allclose(kept[[0, 4]], 1.0, rtol=1e-14)
    whole = module.coefficients(grid[[0, -1]])[0, 2] * grid[0] / grid[-1]
    np.testing.assert_allclose(np.prod(kept), whole, rtol=1e-14)
    level = module.half_log_snr(np.array([0.2, 0.8]))
    np.testing.assert_allclose(whole, np.exp(level[1] - level[0]), rtol=1e-14)


def test_an_interval_that_few_points_see_is_seen() -> None:
    """eta is no constant because it is one at five points."""
    solver = sg.Solver("vp_linear", "data", "data", stochasticity="where(t < 1/500, 0, 1)")
    assert solver.ode.base is not None
    rows = draft(solver).coefficients([0.9, 0.5, 0.0019, 0.001])
    assert rows[-1, 1] == 0 < rows[0, 1]


@pytest.mark.parametrize(
    ("formula", "is_forgotten"),
    [("where(t < 1/2, 1, 1/4)", True), ("(1 - t)*exp(t)", False), ("t*sqrt(1 + t)", True)],
)
def test_ends_are_limits(formula: str, is_forgotten: bool) -> None:
    """From alpha = 0 all noise is forgotten if eta is not 0 there; at sigma = 0 M0 is alpha. Data
    in a point have the variance sigma^2 after every step, of K with a closed form too."""
    solver = sg.Solver("rectified_flow", "data", "data", stochasticity=formula)
    module = load_text(sg.emit(solver, "numpy"), f"ends_{solver.content_hash}")
    grid = module.timesteps(5)
    nu, phi = module.coefficients(grid)[:, 1:3].T
    assert (phi[0] == 0) == is_forgotten
    assert nu[-1] == phi[-1] == 0
    for steps in range(1, 6):
        found = law(module, solver, grid[: steps + 1], (0.7, 0.0))
        assert abs(found.variance - module.sigma(grid[steps]) ** 2) < 1e-12
        assert abs(found.mean - 0.7 * module.alpha(grid[steps])) < 1e-12


@pytest.mark.parametrize(
    ("schedule", "integrand", "noise", "rate"),
    [
        ("vp_linear", "data", "eta: t", 2),
        ("rectified_flow", "flow", "eta: 1/2 + exp(-t)/4", 2),
        ("rectified_flow", "data", "eta: cos(t)", 1),
    ],
)
def test_variance_has_its_rate(schedule: str, integrand: str, noise: str, rate: int) -> None:
    """Measured without sampling, through the module's own code, from 80 to 160 steps."""
    scheme = f"multistep:{rate}" + (":ramp" if rate > 1 else "")
    choices = ("noise", integrand, "half_log_snr", scheme, None, noise)
    solver = sg.Solver(schedule, *choices)
    module = load_text(sg.emit(solver, "numpy"), f"rate_{solver.content_hash}")
    assert rate == module.WEAK_ORDER
    found = []
    for steps in (80, 160):
        levels = np.linspace(-3.0, 3.0, steps + 1)
        found.append(law(module, solver, module.time_at_half_log_snr(levels)))
    if integrand == "data":
        assert all(abs(one.mean - one.exact_mean) < 1e-12 for one in found)
    assert abs(np.log2(found[0].variance_error / found[1].variance_error) - rate) < 0.1


def test_what_is_said() -> None:
    solver = sg.Solver("vp_linear", integrand="data", stochasticity="eta: t")
    assert "K by quadrature" in str(solver)
    assert "int_s^t eta^2 dlambda: K by quadrature" in sg.emit(solver, "torch")
    closed = sg.Solver("vp_linear", integrand="data", stochasticity="eta: 1")
    assert "by quadrature" not in str(closed)


def test_short_steps_keep_their_digits() -> None:
    """nu = sigma sqrt(1 - e^-2kappa), relative to itself, however small it is."""
    solver = sg.Solver("vp_linear", "data", "data", scheme="multistep:1", stochasticity="t")
    module = draft(solver)
    for width in (1e-3, 1e-6, 1e-9):
        grid = [0.5, 0.5 - width]
        with mpmath.workdps(30):
            kappa = damping_of(solver.ode, mpmath.mp.prec)
            exact = kappa(mpmath.mpf(grid[1]), mpmath.mpf(grid[0]))
        nu = module.coefficients(grid)[0, 1] / module.sigma(grid[1])
        np.testing.assert_allclose(-0.5 * np.log1p(-(nu**2)), float(exact), rtol=1e-13)


def test_what_falls_slowly_at_an_end_is_forgotten_in_part() -> None:
    """From alpha = 0 with eta^2 ~ alpha^(2/5): K is finite, and e^-kappa of the first step is."""
    formula = "alpha**(1/5)*exp(-alpha/2)"
    solver = sg.Solver("rectified_flow", "flow", "flow", "time", "multistep:1", None, formula)
    assert solver.ode.base == 1
    row = draft(solver).coefficients([1.0, 0.6, 0.3])[0]
    with mpmath.workdps(20):
        width = mpmath.mpf("0.4")  # of alpha; the integral is one of w = alpha^(2/5)
        kappa = mpmath.quad(lambda w: mpmath.exp(-(w**2.5)) / width, [0, width**width])
    np.testing.assert_allclose(row[2], float(mpmath.exp(-kappa)), rtol=1e-12)
