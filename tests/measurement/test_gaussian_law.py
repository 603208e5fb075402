"""The exact law of chains with noise on Gaussian data, through the code of modules."""

import numpy as np
import pytest

import solvergen as sg
from solvergen.measurement.gaussian_law import law
from solvergen.targets.files import load_text

LEVELS = (-3.0, 3.0)
RATES = {
    "multistep:1": (1, 0.05),
    "multistep:2:ramp": (2, 0.1),
    "multistep:3:ramp": (2, 0.1),
    "multistep:4:ramp": (2, 0.1),
    "singlestep:2": (2, 0.1),
    "singlestep:3": (2, 0.15),
    "unipc:2:exact:ramp": (2, 0.3),
}


def made(scheme: str, schedule: str = "vp_linear", noise: object = 1, **options: object):
    chosen = {"prediction": "noise", "integrand": "data", "limiter": None} | options
    solver = sg.Solver(schedule, scheme=scheme, stochasticity=noise, **chosen)
    text = sg.emit(solver, "numpy")
    return solver, load_text(text, f"law_{solver.content_hash}")


def even(module, steps: int) -> np.ndarray:
    return module.time_at_half_log_snr(np.linspace(*LEVELS, steps + 1))


@pytest.mark.parametrize("scheme", RATES)
def test_mean_is_exact_and_variance_has_its_rate(scheme: str) -> None:
    solver, module = made(scheme)
    found = [law(module, solver, even(module, steps)) for steps in (160, 320)]
    assert all(abs(one.mean - one.exact_mean) < 1e-12 for one in found)
    rate = np.log2(found[0].variance_error / found[1].variance_error)
    order, tolerance = RATES[scheme]
    assert abs(rate - order) < tolerance
    report = solver.weak_report
    assert report is not None
    assert report.order == order == module.WEAK_ORDER


@pytest.mark.parametrize(("scheme", "percent"), [("multistep:3:ramp", 1.7), ("singlestep:2", -1.4)])
def test_variance_at_20_steps(scheme: str, percent: float) -> None:
    solver, module = made(scheme)
    found = 100 * law(module, solver, even(module, 20)).variance_error
    assert abs(found / percent - 1) < 0.1


def test_flow_over_the_whole_domain() -> None:
    """Rectified flow from exactly 1 to exactly 0, the flow integrand in time, eta .495."""
    options = {"prediction": "flow", "integrand": "flow", "expansion": "time"}
    solver, module = made("multistep:2:ramp", "rectified_flow", 0.495, **options)
    for steps, percent in ((10, -3.4), (20, -0.67), (50, -0.07)):
        found = 100 * law(module, solver, np.linspace(1.0, 0.0, steps + 1)).variance_error
        assert abs(found / percent - 1) < 0.1


@pytest.mark.slow_but(5)
@pytest.mark.parametrize("schedule", ["vp_linear", "rectified_flow", "ve", "vp_cosine"])
@pytest.mark.parametrize(
    "noise", ["eta: 1", "eta: 2", "ancestral: 0.6", "renoise", "retention: sigma/(2*sigma+alpha)"]
)
def test_variance_of_a_point_is_exact(schedule: str, noise: str) -> None:
    """Data in one point: x0 is known, and the variance is sigma^2 after every step of any grid."""
    solver, module = made("multistep:2:ramp", schedule, noise, prediction="data")
    low, high = module.time_at_half_log_snr([2.0, -2.0])
    grid = np.sort(np.random.default_rng(3).uniform(low, high, 9))[::-1]
    for steps in range(1, 9):
        found = law(module, solver, grid[: steps + 1], (0.7, 0.0))
        assert abs(found.variance_error) < 1e-12


def test_eta_of_a_run_and_scale_of_the_noise() -> None:
    solver, module = made("multistep:2:ramp")
    grid = even(module, 30)
    plain = law(module, solver, grid, eta=0.0)
    assert abs(plain.variance_error) < 0.01
    louder, usual = (law(module, solver, grid, noise_scale=s).variance for s in (1.1, 1.0))
    assert louder > usual
    annealed = law(module, solver, grid, eta=np.linspace(1.0, 0.0, 30))
    assert abs(annealed.mean - annealed.exact_mean) < 1e-12


@pytest.mark.parametrize("target", ["numba", "torch", "jax"])
def test_targets_have_one_law(target: str) -> None:
    for scheme in ("multistep:2:ramp", "singlestep:3", "unipc:2:exact:ramp"):
        solver, module = made(scheme)
        grid = even(module, 12)
        other = load_text(sg.emit(solver, target), f"law_{target}_{solver.content_hash}")
        first, second = law(module, solver, grid), law(other, solver, grid)
        assert abs(first.variance / second.variance - 1) < 1e-13


def test_verify_measures_it(tmp_path) -> None:
    from solvergen.measurement.verification import verify

    solver = sg.presets.get("seeds_2", "vp_linear")
    path = sg.write(solver, "numpy", tmp_path / "seeds.py")
    found = verify(path)
    assert found.passed
    assert any("variance" in one.name for one in found.checks)
    text = path.read_text()
    path.write_text(text.replace("np.expm1(-2 * eta**2", "np.expm1(-1.9 * eta**2"))
    assert not verify(path).passed
