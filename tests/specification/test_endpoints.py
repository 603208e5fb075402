"""Runs from exactly alpha = 0 to exactly sigma = 0: the order that is left is the one computed."""

from fractions import Fraction

import numpy as np
import pytest

import solvergen as sg
from solvergen import compiler
from solvergen.measurement.problems import GaussianMixture, digits, model

MIXTURE = GaussianMixture(np.array([0.4, 0.6]), np.array([[-1.0], [0.8]]), np.array([0.09, 0.16]))
FULL = [
    ("rectified_flow", "flow", "time"),
    ("rectified_flow", "straight", "theta"),
    ("rectified_flow", "flow", "sigma/(alpha+sigma)"),
    ("trigonometric", "flow", "time"),
    ("trigonometric", "straight", "sigma/(alpha+sigma)"),
    ("trigonometric", "flow", "theta"),
]


def errors(spec: sg.Solver, steps: tuple[int, ...], spacing: str) -> np.ndarray:
    """Errors at t_min of runs over the whole domain, against the exact flow."""
    module = sg.compile(spec, "numpy")
    grid = module.timesteps(1, "time")
    ends = [(float(module.alpha(t)), float(module.sigma(t))) for t in grid]
    x = ends[0][1] * np.linspace(-1.5, 1.5, 13)[:, None] + ends[0][0] * 0.1
    exact = MIXTURE.exact_flow(x, *ends)
    predict = model(MIXTURE, spec)
    found = [module.sample(predict, x, module.timesteps(n, spacing)) for n in steps]
    return np.array([np.sqrt(np.mean((one - exact) ** 2)) for one in found])


@pytest.mark.slow_but(8)
@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize(("schedule", "integrand", "expansion"), FULL)
def test_full_order_to_both_ends(schedule: str, integrand: str, expansion: str, order: int) -> None:
    spec = sg.Solver(schedule, integrand, integrand, expansion, f"multistep:{order}")
    assert spec.endpoints.order == order == spec.order
    found = errors(spec, (128, 256, 512), "time")
    rates = np.log2(found[:-1] / found[1:])
    assert abs(rates[-1] - order) <= 0.15, (found, rates)


@pytest.mark.slow_but(2)
@pytest.mark.parametrize(
    ("schedule", "prediction", "integrand", "expansion", "expected"),
    [
        ("rectified_flow", "flow", "data", "half_log_snr", 2),
        ("rectified_flow", "flow", "flow", "half_log_snr", 2),
        ("trigonometric", "velocity", "straight", "half_log_snr", 2),
        ("vp_linear", "noise", "noise", "time", 1),
        ("vp_linear", "noise", "data", "time", 1),  # weights are bounded there; else 3
        ("vp_linear", "noise", "noise", "half_log_snr", 1),
        ("vp_alphabar", "data", "data", "time", 1),
    ],
)
def test_order_that_is_left(
    schedule: str, prediction: str, integrand: str, expansion: str, expected: int
) -> None:
    """lambda is infinite at the ends, and sqrt(t) is no power series in t."""
    spec = sg.Solver(schedule, prediction, integrand, expansion, "multistep:3")
    assert spec.order == 3
    assert spec.endpoints.order == expected
    stated = sg.compile(spec, "numpy").ORDER_TO_THE_ENDS
    assert stated == expected
    found = errors(spec, (512, 1024, 2048, 4096), "time")
    rates = np.log2(found[:-1] / found[1:])
    assert abs(rates[-1] - expected) <= 0.2, (found, rates)


@pytest.mark.slow
@pytest.mark.parametrize("schedule", ["rectified_flow", "trigonometric"])
def test_full_order_on_digits(schedule: str) -> None:
    """64 dimensions, 1797 images: the median image converges at the stated order."""
    problem = digits(variance=0.03)
    x = np.random.default_rng(0).standard_normal((24, 64))
    reference = sg.Solver(schedule, "flow", "flow", "time", "multistep:5")
    module = sg.compile(reference, "numpy")
    exact = module.sample(model(problem, reference), x, module.timesteps(1200, "time"))
    for order, low, high in ((1, 80, 160), (2, 80, 160), (3, 320, 640), (4, 320, 640)):
        spec = sg.Solver(schedule, "flow", "flow", "time", f"multistep:{order}")
        module = sg.compile(spec, "numpy")
        found = [
            module.sample(model(problem, spec), x, module.timesteps(n, "time")) for n in (low, high)
        ]
        coarse, fine = (np.median(np.linalg.norm(one - exact, axis=1)) for one in found)
        assert abs(np.log2(coarse / fine) - order) <= 0.35, (order, coarse, fine)


def test_ends_that_cannot_be_touched() -> None:
    noise = sg.Solver("rectified_flow", "noise", "noise", "time")
    assert noise.endpoints.order is None
    assert "Phi(t, s) of the integrand noise" in str(noise.endpoints.start)
    assert noise.endpoints.end.order == 2
    with pytest.raises(sg.DerivationError, match="flow, straight as both") as refused:
        sg.emit(noise, "numpy", to_the_ends=True)
    assert "start before t = 1" in str(refused.value)
    lost = sg.Solver("rectified_flow", "noise", "data", "time")
    with pytest.raises(sg.DerivationError, match="does not determine data"):
        sg.emit(lost, "numpy", to_the_ends=True)
    module = sg.compile(noise, "numpy")
    assert module.ORDER_TO_THE_ENDS is None
    with pytest.raises(ValueError, match=r"no finite coefficients.*Use data, velocity"):
        module.coefficients([1.0, 0.5, 0.0])
    assert np.isfinite(module.coefficients([0.99, 0.5, 0.0])).all()


@pytest.mark.parametrize("spacing", ["time", "quadratic", "half_log_snr", "exponential", "karras"])
def test_grid_is_uniform_in_its_variable(spacing: str) -> None:
    spec = sg.Solver("vp_linear", "noise", "data", "theta", "singlestep:2")
    module, grid = sg.compile(spec, "numpy"), compiler.grid(spec, 7, spacing, start=0.9, end=0.01)
    rho = module.sigma(grid) / module.alpha(grid)
    variable = {
        "time": grid,
        "quadratic": np.sqrt(grid),
        "half_log_snr": np.log(rho),
        "exponential": np.log(rho),
        "karras": rho ** (1 / 7),
    }[spacing]
    assert (grid[0], grid[-1]) == (0.9, 0.01)
    assert np.ptp(np.diff(variable)) < 1e-12 * np.abs(variable).max()


def test_expansion_beta_and_shifted_grids() -> None:
    from scipy.stats import beta

    spec = sg.Solver("rectified_flow", "flow", "data", "theta", "singlestep:2")
    module = sg.compile(spec, "numpy")
    grid = module.timesteps(6, "expansion")
    theta = np.arctan2(module.sigma(grid), module.alpha(grid))
    assert np.ptp(np.diff(theta)) < 1e-14
    quantiles = beta.ppf(np.linspace(1, 0, 11), 0.6, 0.6)
    assert np.abs(compiler.grid(spec, 10, "beta") - quantiles).max() < 2e-4
    uniform = np.linspace(1, 0, 9)
    shifted = module.timesteps(8, "time", shift=3.0)
    assert np.abs(shifted - 3 * uniform / (1 + 2 * uniform)).max() < 1e-15


def test_karras_grid_ends_at_sigma_zero() -> None:
    module = sg.compile(sg.Solver("edm", "data", "data", "sigma/alpha", "multistep:2"), "numpy")
    grid = module.timesteps(5, "karras", end=0.0) if module.T_MIN == 0 else module.timesteps(5)
    assert np.all(np.diff(grid) < 0)


def test_end_orders_are_exact_numbers() -> None:
    spec = sg.Solver("vp_alphabar", "data", "data", "half_log_snr", "multistep:3")
    assert spec.endpoints.start.order == Fraction(1)
    assert str(spec.endpoints.end).startswith("A run may end at t = 0, where sigma = 0")


def test_a_stage_at_the_end_asks_the_network_there() -> None:
    """Heun evaluates at sigma = 0, where a data prediction says nothing of the flow."""
    heun, euler = (
        sg.Solver("rectified_flow", "data", "flow", "time", scheme) for scheme in ("heun", "euler")
    )
    assert heun.endpoints.end.obstacle == "the prediction data does not determine flow there"
    assert euler.endpoints.end.obstacle == ""
    assert sg.Solver("rectified_flow", "flow", "flow", "time", "heun").endpoints.order == 2
