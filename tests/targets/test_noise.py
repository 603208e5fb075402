"""Modules with noise: where it comes from, and that it is the same alone and in any batch."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest
import torch

import solvergen as sg
from solvergen.targets.files import load_text

GRID = np.linspace(1.0, 0.0, 9)
TARGETS = ("numpy", "numba", "torch", "jax")
OWN = {"torch": torch.from_numpy, "jax": jnp.asarray}


def made(target: str, scheme: str = "multistep:2:ramp", **options: object):
    chosen = {"integrand": "data", "stochasticity": 1} | options
    grid = chosen.pop("timesteps", None)
    solver = sg.Solver("vp_linear", scheme=scheme, **chosen)
    return load_text(sg.emit(solver, target, timesteps=grid), f"{target}_{solver.content_hash}")


def model(x, t):
    return 0.3 * x


def run(module, target: str, x: np.ndarray, noise: object, **options: object) -> np.ndarray:
    own = OWN.get(target, np.array)(np.ascontiguousarray(x))
    return np.asarray(module.sample(model, own, GRID, noise=noise, **options))


@pytest.mark.slow_but(4)
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("scheme", ["multistep:2:ramp", "singlestep:3"])
def test_samples_are_the_same_alone_and_in_any_batch(target: str, scheme: str) -> None:
    """Bit by bit: each has a generator of its own."""
    module = made(target, scheme)
    x = np.random.default_rng(0).standard_normal((4, 3, 5))
    whole = run(module, target, x, 7)
    np.testing.assert_array_equal(whole, run(module, target, x, [7, 8, 9, 10]))
    np.testing.assert_array_equal(whole[::-1], run(module, target, x[::-1], [10, 9, 8, 7]))
    for i in range(4):
        np.testing.assert_array_equal(whole[i : i + 1], run(module, target, x[i : i + 1], 7 + i))
    assert np.abs(whole - run(module, target, x, 8)).max() > 1e-3


def test_numba_and_numpy_draw_the_same() -> None:
    x = np.random.default_rng(0).standard_normal((2, 6))
    for kind in (np.float32, np.float64):
        found = [run(made(target), target, x.astype(kind), 3) for target in ("numpy", "numba")]
        np.testing.assert_allclose(*found, rtol=1e-12 if kind is np.float64 else 1e-4)
    first, second = (made(target).Normals(5)(0, (1.0, 0.9), x) for target in ("numpy", "numba"))
    np.testing.assert_array_equal(first, second)


def test_threads_of_torch_change_nothing() -> None:
    module, x = made("torch"), np.random.default_rng(0).standard_normal((3, 4, 64, 64))
    threads = torch.get_num_threads()
    found = run(module, "torch", x, 7)
    torch.set_num_threads(4)
    try:
        np.testing.assert_array_equal(found, run(module, "torch", x, 7))
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("target", TARGETS)
def test_eta_0_is_the_deterministic_module(target: str) -> None:
    module = made(target)
    plain = made(target, stochasticity=None)
    x = np.random.default_rng(1).standard_normal((2, 5))
    own = OWN.get(target, np.array)(x)
    quiet = np.asarray(module.sample(model, own, module.Plan(GRID, own.dtype, eta=0.0), noise=1))
    np.testing.assert_allclose(quiet, np.asarray(plain.sample(model, own, GRID)), rtol=1e-12)


@pytest.mark.parametrize("target", ["numpy", "numba", "torch"])
def test_noise_is_asked_for_by_landing_and_only_where_it_is_read(target: str) -> None:
    module, asked = made(target, "singlestep:2"), []

    def noise(draw, times, x):
        asked.append((draw, *map(float, times)))
        return x * 0 + 1

    own = OWN.get(target, np.array)(np.ones((1, 3)))
    stepper = module.Stepper(own, GRID, noise)
    times = []
    while not stepper.done:
        times.append(float(stepper.t))
        stepper.step(model(stepper.x, stepper.t))
    after = [*times[1:], float(stepper.t)]
    expected = [(n, *one) for n, one in enumerate(zip(times, after, strict=True))]
    assert asked == expected[:-1]  # the last landing, at sigma = 0, adds none


@pytest.mark.parametrize("target", TARGETS)
def test_missing_and_wrong_noise_is_named(target: str) -> None:
    module = made(target)
    own = OWN.get(target, np.array)(np.ones((2, 3)))
    with pytest.raises(ValueError, match="noise is None"):
        module.sample(model, own, GRID)
    stepper = module.Stepper(own, GRID)
    with pytest.raises(ValueError, match="noise is None"):
        stepper.step(0.3 * own)
    stepper.step(0.3 * own, noise=own)
    if target != "jax":
        with pytest.raises(ValueError, match="expected standard normals"):
            stepper.step(0.3 * own, noise=own[:1])
        with pytest.raises(ValueError, match="expected standard normals"):
            stepper.step(0.3 * own, noise=1.0)
    with pytest.raises(ValueError, match=r"argument|(one|seed) for each"):
        module.sample(model, own, GRID, noise=[1, 2, 3])


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_baked_modules_draw_what_others_do(target: str) -> None:
    full, baked = made(target), made(target, timesteps=GRID)
    x = np.random.default_rng(2).standard_normal((2, 5))
    own = OWN.get(target, np.array)(x)
    found = np.asarray(baked.sample(model, own, 7))
    np.testing.assert_allclose(found, run(full, target, x, 7), rtol=1e-11)


def made_of(kind: str):
    return made("numpy", scheme="multistep:1", stochasticity=kind)


def test_what_follows_from_each_step_is_not_baked() -> None:
    for kind in ("renoise", "ancestral: 1"):
        assert made_of(kind).coefficients(GRID)[-1, 1] == 0
        with pytest.raises(sg.EmissionError, match="another eta in every step"):
            made("numpy", "multistep:1", stochasticity=kind, timesteps=GRID)


def test_modules_without_noise_have_no_word_of_it() -> None:
    text = sg.emit(sg.Solver("vp_linear", integrand="data"), "torch")
    for word in ("noise=", "eta=", "WEAK_ORDER", "Normals"):
        assert word not in text


def test_k_diffusion_sampler() -> None:
    """noise_sampler(sigma, sigma_next) once a landing, eta and s_noise as its users say them."""
    solver = sg.presets.get("sde_dpm_solver_pp_2m", "ve", "data")
    module = load_text(sg.emit(solver, "k-diffusion"), "k_noise")
    sample = next(f for name, f in vars(module).items() if name.startswith("sample_"))
    sigmas = torch.tensor([14.6, 7.0, 2.0, 0.4, 0.0])
    x, asked = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0)), []

    def denoiser(x, sigma):
        return x / (1 + sigma[:, None, None, None] ** 2)

    def noise(first, second):
        asked.append((float(first), float(second)))
        return torch.ones_like(x)

    found = sample(denoiser, x, sigmas, disable=True, noise_sampler=noise)
    assert np.allclose(asked, [(14.6, 7.0), (7.0, 2.0), (2.0, 0.4)])
    assert torch.isfinite(found).all()
    quiet = sample(denoiser, x, sigmas, disable=True, eta=0.0)
    silent = sample(denoiser, x, sigmas, disable=True, s_noise=0.0, noise_sampler=noise)
    assert not torch.allclose(quiet, silent)
    torch.manual_seed(0)
    first = sample(denoiser, x, sigmas, disable=True)
    torch.manual_seed(0)
    assert torch.equal(first, sample(denoiser, x, sigmas, disable=True))


def test_a_tree_of_torchsde_is_a_noise_sampler() -> None:
    """k-diffusion's own, as diffusers has it: one path on every grid, a seed for each sample."""
    pytest.importorskip("torchsde")
    from diffusers.schedulers.scheduling_dpmsolver_sde import BrownianTreeNoiseSampler

    solver = sg.presets.get("sde_dpm_solver_pp_2m", "ve", "data")
    module = load_text(sg.emit(solver, "k-diffusion"), "k_tree")
    sample = next(f for name, f in vars(module).items() if name.startswith("sample_"))
    x = 10.0 * torch.randn(2, 64, generator=torch.Generator().manual_seed(0))

    def run(steps: int, x: torch.Tensor, seed: int | list[int]) -> torch.Tensor:
        sigmas = torch.logspace(1.0, -1.0, steps + 1)
        noise = BrownianTreeNoiseSampler(x, sigmas[-1], sigmas[0], seed)
        return sample(
            lambda x, s: 0.3 * x / (0.3 + s[:, None] ** 2), x, sigmas, disable=True,
            noise_sampler=noise,
        )  # fmt: skip

    whole = run(20, x, [5, 8])
    assert torch.equal(run(20, x[1:], [8]), whole[1:])
    same, other = run(40, x, [5, 8]) - whole, run(40, x, [6, 9]) - whole
    assert same.square().mean() < 0.1 * other.square().mean()
    assert abs(float(run(40, x, [5, 8]).var()) / 0.31 - 1) < 0.4


def test_euler_ancestral_is_that_of_k_diffusion() -> None:
    """sigma_up^2 = eta^2 sigma_to^2 (sigma_from^2 - sigma_to^2)/sigma_from^2."""
    module = load_text(
        sg.emit(sg.presets.get("euler_ancestral", "ve", "data"), "k-diffusion"), "k_ancestral"
    )
    sample = next(f for name, f in vars(module).items() if name.startswith("sample_"))
    sigmas = torch.tensor([14.6, 7.0, 2.0, 0.4, 0.0], dtype=torch.float64)
    x = 14.6 * torch.randn(2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    normals = torch.randn(4, 2, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for eta in (1.0, 0.5):
        drawn = iter(normals)
        found = sample(
            lambda x, s: x / (1 + s[:, None] ** 2), x, sigmas, disable=True, eta=eta,
            noise_sampler=lambda a, b, drawn=drawn: next(drawn),
        )  # fmt: skip
        y = x
        for n, (first, last) in enumerate(itertools.pairwise(sigmas)):
            up = min(last, eta * (last**2 * (first**2 - last**2) / first**2) ** 0.5)
            down = (last**2 - up**2) ** 0.5
            y = y + (y - y / (1 + first**2)) / first * (down - first) + up * normals[n]
        assert torch.allclose(found, y, rtol=1e-12)


QUADRATURE = "eta: where(t < 1/4, t, 1/2 + t*sigma)"


def test_eta_by_quadrature_is_the_same_on_every_target() -> None:
    """K by quadrature: runs with one noise, in float64, and baked."""
    grid = np.linspace(0.95, 0.05, 6)
    x, z = np.random.default_rng(3).standard_normal((2, 2, 5))
    found = []
    for target in TARGETS:
        own = OWN.get(target, np.array)
        module = made(target, "multistep:2", stochasticity=QUADRATURE)
        stepper = module.Stepper(own(x), module.Plan(grid, own(x).dtype))
        while not stepper.done:
            stepper.step(model(stepper.x, stepper.t), noise=own(z))
        found.append(np.asarray(stepper.x))
    for one in found[1:]:
        np.testing.assert_allclose(one, found[0], rtol=1e-12, atol=1e-13)
    baked = made("numpy", "multistep:2", stochasticity=QUADRATURE, timesteps=grid)
    drawn = baked.sample(model, x, noise=lambda draw, times, like: z)
    np.testing.assert_allclose(drawn, found[0], rtol=1e-12, atol=1e-13)


LEVELS = (
    ("diffusers", "stable_diffusion", "1/2 + alpha*sigma"),
    ("diffusers", "stable_diffusion", "t/(1 + t)"),
    ("diffusers", "rectified_flow", "where(t < 1/2, t, 1/2)"),
    ("k-diffusion", "ve", "exp(-sigma)"),
)


@pytest.mark.parametrize(("target", "schedule", "formula"), LEVELS)
def test_eta_by_quadrature_on_levels(target: str, schedule: str, formula: str) -> None:
    """Where noise levels take the place of time, and through time where eta reads that."""
    options = {"prediction": "data", "integrand": "data", "stochasticity": f"eta: {formula}"}
    solver = sg.Solver(schedule, scheme="multistep:2", **options)
    exact = load_text(sg.emit(solver, "numpy"), f"q_{solver.content_hash}")
    module = load_text(sg.emit(solver, target), f"l_{solver.content_hash}")
    grid = exact.time_at_half_log_snr(np.linspace(-2.0, 2.0, 6))
    levels = exact.half_log_snr(grid) if schedule == "stable_diffusion" else exact.sigma(grid)
    found, rows = module.coefficients(levels), exact.coefficients(grid)
    np.testing.assert_allclose(found[:, 1:], rows[:, 1:], rtol=1e-10, atol=1e-12)
