"""Noise that is raised before steps of the ODE: EDM's stochastic sampler, on every target."""

import itertools
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
import torch

import solvergen as sg
from solvergen.measurement.accuracy import coefficient_error
from solvergen.measurement.gaussian_law import law
from solvergen.measurement.verification import verify
from solvergen.program import interpreter
from solvergen.program.program import PhaseProgram
from solvergen.scalars.reference import Reference, ReferenceScalars
from solvergen.targets import rendering
from solvergen.targets.files import load_text

OWN = {"torch": torch.from_numpy, "jax": jnp.asarray}
CHOICES = (
    ("vp_linear", "noise", "data", "half_log_snr", "singlestep:3", "churn: h"),
    ("ve", "data", "noise", "sigma/alpha", "heun", "churn: 3/20"),
    ("rectified_flow", "flow", "flow", "time", "midpoint", "churn: where(sigma < 1/20, 0, 1/10)"),
    ("vp_cosine", "noise", "data", "half_log_snr", "multistep:1", "churn: h/2"),
    ("vp_linear", "noise", "velocity", "theta", "rk4", "churn: sigma/10"),
)


def made(solver: sg.Solver, target: str = "numpy") -> Any:
    text = rendering.render(solver, target, "")
    return load_text(text, f"churn_{target.replace('-', '_')}_{solver.content_hash}")


def levels(module: Any, steps: int, low: float = -3.0, high: float = 3.0) -> np.ndarray:
    return module.time_at_half_log_snr(np.linspace(low, high, steps + 1))


def algorithm_2(
    denoise: Any, x: Any, sigmas: Any, gammas: Any, normals: Any, s_noise: float
) -> Any:
    """Karras et al. 2022, as it is printed; ``denoise`` is D(x, sigma)."""
    for i, (first, last) in enumerate(itertools.pairwise(sigmas)):
        raised = first + gammas[i] * first
        x = x + (raised**2 - first**2) ** 0.5 * s_noise * normals[i]
        d = (x - denoise(x, raised)) / raised
        y = x + (last - raised) * d
        if last != 0:
            y = x + (last - raised) * (d / 2 + (y - denoise(y, last)) / last / 2)
        x = y
    return x


@pytest.mark.parametrize("target", ["numpy", "numba", "torch", "jax"])
def test_edm_stochastic_is_algorithm_2(target: str) -> None:
    """With S_tmin = 0.05, S_tmax = 50, S_noise = 1.003, its own grid and the same normals."""
    module = made(sg.presets.get("edm_stochastic", "ve", "data"), target)
    grid = np.append(
        (80 ** (1 / 7) + np.linspace(0, 1, 12) * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7, 0.0
    )
    gammas = np.where((grid[:-1] > 0.05) & (grid[:-1] < 50), min(4.0 / 12, 2**0.5 - 1), 0.0)
    normals = np.random.default_rng(0).standard_normal((13, 2, 5))
    x = 80 * np.random.default_rng(1).standard_normal((2, 5))

    def denoise(x: Any, sigma: float) -> Any:
        return 0.4 * x / (0.3 + sigma**2) + 0.01 * x

    expected = algorithm_2(denoise, x, grid, gammas, normals, 1.003)
    own = OWN.get(target, np.array)
    plan = module.Plan(grid, own(x).dtype, churn=np.log1p(gammas), noise_scale=1.003)
    stepper, step = module.Stepper(own(x), plan), 0
    while not stepper.done:
        stepper.step(denoise(stepper.x, stepper.t), noise=own(normals[step // 2 + 1]))
        step += 1
    np.testing.assert_allclose(np.asarray(stepper.x), expected, rtol=1e-12)


def test_variance_has_the_order_of_the_step() -> None:
    """Churn by the length of the step: the noise of eta = 1, with a rate of 3."""
    solver = sg.Solver(
        "vp_linear", integrand="data", scheme="singlestep:3", stochasticity="churn: h"
    )
    module = made(solver)
    found = {steps: law(module, solver, levels(module, steps)) for steps in (20, 160, 320)}
    assert all(abs(one.mean - one.exact_mean) < 1e-12 for one in found.values())
    assert abs(100 * found[20].variance_error / 0.0856 - 1) < 0.1
    measured = np.log2(found[160].variance_error / found[320].variance_error)
    assert abs(measured - 3) < 0.1
    assert solver.weak_report is not None
    assert solver.weak_report.order == 3 == module.WEAK_ORDER
    assert module.NOISES_PER_STEP == 1


@pytest.mark.parametrize("choice", CHOICES)
def test_rows_are_those_of_the_definitions(choice: tuple[str, ...]) -> None:
    *choices, noise = choice
    solver = sg.Solver(*choices, stochasticity=noise)
    module = made(solver)
    grid = levels(module, 6, -2.5, 2.0)
    rows = module.coefficients(grid)
    assert coefficient_error(solver, rows, grid.tolist(), [0, 1, 5]) < 1e-13
    count = len(rows) // 6
    raised, level = module.half_log_snr(rows[::count, 0]), module.half_log_snr(grid[:-1])
    t, h = grid[:-1], np.diff(module.half_log_snr(grid))
    number = 0.1 if "where" in noise else 0.15
    kappa = {
        "churn: h": h,
        "churn: h/2": h / 2,
        "churn: sigma/10": module.sigma(t) / 10,
    }.get(noise, np.where(module.sigma(t) < 1 / 20, 0.0, number))
    expected = np.minimum(kappa, level - level[0])
    np.testing.assert_allclose(level - raised, expected, atol=1e-13)
    assert expected[0] == 0 < expected[1]


@pytest.mark.parametrize("choice", CHOICES[:3])
def test_targets_and_interpreter_have_one_result(choice: tuple[str, ...]) -> None:
    *choices, noise = choice
    solver = sg.Solver(*choices, stochasticity=noise)
    module = made(solver)
    grid = levels(module, 5, -2.0, 2.0)
    x = np.random.default_rng(0).standard_normal((2, 3))
    normals = np.random.default_rng(1).standard_normal((5, 2, 3))
    count = len(module.coefficients(grid)) // 5
    found = []
    for target in ("numpy", "numba", "torch", "jax"):
        other, own = made(solver, target), OWN.get(target, np.array)
        stepper = other.Stepper(own(x), grid)
        while not stepper.done:
            z = own(normals[stepper.index // count])
            stepper.step(0.3 * stepper.x + 0.1, noise=z)
        found.append(np.asarray(stepper.x))
    starts = module.coefficients(grid)[::count, 0]
    reference = Reference(solver.weights, solver.prediction)

    def scalars(phase: Any, n: int) -> Any:
        return ReferenceScalars.over(reference, phase, grid.tolist(), n, (), starts)

    exact = interpreter.run(
        solver.program, scalars, lambda x, t: 0.3 * x + 0.1, x.astype(object), 5, iter(normals)
    )
    for one in found:
        np.testing.assert_allclose(one, exact.astype(float), rtol=1e-12)


@pytest.mark.parametrize("target", ["numpy", "numba", "torch", "jax"])
def test_churn_0_is_the_ode(target: str) -> None:
    solver = sg.Solver(
        "vp_linear", integrand="data", scheme="singlestep:2", stochasticity="churn: 1/5"
    )
    plain = sg.Solver("vp_linear", integrand="data", scheme="singlestep:2")
    module, own = made(solver, target), OWN.get(target, np.array)
    grid, x = np.linspace(1.0, 0.0, 6), own(np.random.default_rng(0).standard_normal((2, 3)))

    def model(x: Any, t: Any) -> Any:
        return 0.3 * x

    quiet = module.sample(model, x, module.Plan(grid, x.dtype, churn=0.0), noise=1)
    expected = made(plain, target).sample(model, x, grid)
    np.testing.assert_allclose(np.asarray(quiet), np.asarray(expected), rtol=1e-12)
    loud = module.sample(model, x, grid, noise=1)
    assert np.abs(np.asarray(loud) - np.asarray(quiet)).max() > 1e-3


@pytest.mark.slow
def test_baked_modules_raise_as_others_do() -> None:
    solver = sg.Solver(
        "vp_linear", integrand="data", scheme="singlestep:2", stochasticity="churn: h"
    )
    grid, x = np.linspace(1.0, 0.0, 6), np.random.default_rng(0).standard_normal((2, 3))
    for target in ("numpy", "numba"):
        full, text = made(solver, target), sg.emit(solver, target, timesteps=grid)
        baked = load_text(text, f"churn_baked_{target}")
        found = baked.sample(lambda x, t: 0.3 * x, x, 7)
        expected = full.sample(lambda x, t: 0.3 * x, x, grid, noise=7)
        np.testing.assert_allclose(found, expected, rtol=1e-11)


def test_what_is_refused() -> None:
    for scheme in ("multistep:2", "unipc:2:bh2", "pece:2"):
        with pytest.raises(sg.SchemeError, match="without history"):
            sg.Solver("vp_linear", integrand="data", scheme=scheme, stochasticity="churn: 1/5")
    for wrong in ("churn: -1/5", "churn: 3", "churn: t - 1/2", "churn:", "churn: h*(sigma - 1/2)"):
        with pytest.raises(sg.DerivationError, match="stochasticity"):
            sg.Solver("vp_linear", integrand="data", scheme="heun", stochasticity=wrong)
    assert sg.Solver("ve", scheme="heun", stochasticity="churn: 0").stochasticity is None
    module = made(sg.presets.get("edm_stochastic", "ve", "data"))
    for wrong in (-0.1, [0.1, 0.1], np.nan, np.inf):
        with pytest.raises(ValueError, match="churn is"):
            module.coefficients([3.0, 2.0, 1.0, 0.5], churn=wrong)


def test_k_diffusion_sampler_has_the_arguments_of_theirs() -> None:
    """s_churn, s_tmin, s_tmax and s_noise of sample_heun."""
    module = made(sg.presets.get("edm_stochastic", "ve", "data"), "k-diffusion")
    sample = next(f for name, f in vars(module).items() if name.startswith("sample_"))
    sigmas = torch.tensor([14.6, 7.0, 2.0, 0.4, 0.0], dtype=torch.float64)
    x = 14.6 * torch.randn(2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def denoise(x: Any, sigma: Any) -> Any:
        sigma = torch.as_tensor(sigma).reshape(-1, 1)
        return x / (1 + sigma**2)

    torch.manual_seed(0)
    found = sample(
        denoise, x, sigmas, disable=True, s_churn=1.0, s_tmin=0.5, s_tmax=10, s_noise=1.1
    )
    torch.manual_seed(0)
    drawn = [torch.randn(2, 3, dtype=torch.float64) for _ in range(2)]
    gammas = [0.0, 0.25, 0.25, 0.0]
    expected = algorithm_2(denoise, x, sigmas, gammas, [x, *drawn, x], 1.1)
    assert torch.allclose(found, expected, rtol=1e-12)
    quiet = algorithm_2(denoise, x, sigmas, [0.0] * 4, [x] * 4, 1.0)
    assert torch.allclose(sample(denoise, x, sigmas, disable=True), quiet, rtol=1e-12)


def test_scheduler_lists_where_networks_are_asked_and_begins_inside() -> None:
    """The raised levels; image-to-image begins at one of them, with the rows of the whole run."""
    solver = sg.Solver(
        "rectified_flow", "flow", "flow", "time", "midpoint", stochasticity="churn: 1/5"
    )
    ours = made(solver, "diffusers").Scheduler()
    ours.set_timesteps(4)
    listed = ours.timesteps.tolist()
    starts = np.array(listed[::2]) / 1000
    plain = np.linspace(1, 0, 5)[:-1] if len(listed) == 8 else None
    assert plain is not None
    levels = np.array(ours._levels[:-1])
    ratio = starts[1:] / (1 - starts[1:]) / (levels[1:] / (1 - levels[1:]))
    np.testing.assert_allclose(np.log(ratio), 0.2, rtol=1e-3)
    x = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
    normals, seen = torch.randn(8, 2, 3, generator=torch.Generator().manual_seed(1)), {}
    whole = x
    for n, t in enumerate(ours.timesteps):
        seen[n] = whole
        whole = ours.step(0.5 * whole, t, whole, variance_noise=normals[n]).prev_sample
    ours.set_timesteps(4)
    ours.set_begin_index(4)
    part = seen[4]
    for n in range(4, 8):
        t = ours.timesteps[n]
        part = ours.step(0.5 * part, t, part, variance_noise=normals[n]).prev_sample
    assert torch.allclose(part, whole, rtol=1e-6)


@pytest.mark.parametrize("schedule", ["vp_linear", "rectified_flow", "ve"])
def test_variance_of_a_point_is_exact(schedule: str) -> None:
    """Data in one point: x0 is known, and the variance is sigma^2 after every step of any grid."""
    solver = sg.Solver(schedule, "data", scheme="singlestep:2", stochasticity="churn: 1/2")
    module = made(solver)
    low, high = module.time_at_half_log_snr([2.0, -2.0])
    grid = np.sort(np.random.default_rng(3).uniform(low, high, 7))[::-1]
    for steps in range(1, 7):
        found = law(module, solver, grid[: steps + 1], (0.7, 0.0))
        assert abs(found.variance_error) < 1e-12


def test_verify_measures_it(tmp_path: Any) -> None:
    solver = sg.presets.get("edm_stochastic", "ve", "data")
    path = tmp_path / "edm.py"
    path.write_text(rendering.render(solver, "numpy", ""))
    assert verify(path).passed
    text = path.read_text()
    path.write_text(text.replace("np.expm1(-2.0 *", "np.expm1(-1.9 *"))
    assert not verify(path).passed


def test_checker_refuses_a_raise_inside_of_a_step_or_beside_history() -> None:
    program = sg.Solver("ve", "data", scheme="heun", stochasticity="churn: 1/5").program
    raised, *others = program.main.instructions
    wrong = PhaseProgram("late", (*others[:1], raised, *others[1:]))
    with pytest.raises(sg.SchemeError, match="raises the noise"):
        replace(program, phases=(wrong,))
    two = sg.Solver("ve", "data", scheme="multistep:2").program
    wrong = PhaseProgram("history", (raised, *two.main.instructions))
    with pytest.raises(sg.SchemeError, match="raises the noise"):
        replace(two, phases=(two.phases[0], wrong))
