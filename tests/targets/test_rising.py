"""Runs from data to noise: rising grids, on every target, and the way there and back."""

import itertools
import random

import numpy as np
import pytest
import torch
from readers import ADAPTIVE, TARGETS, as_target, for_target, from_target

import solvergen as sg
from solvergen.algebra.evaluation import time_of
from solvergen.compiler import load_text
from solvergen.errors import EmissionError
from solvergen.measurement import problems
from solvergen.measurement.row_errors import errors_of_step
from solvergen.targets import rendering

MIXTURE = problems.GaussianMixture(np.ones(2), np.array([[-1.0], [0.8]]), np.full(2, 0.2))
CHOICES = list(
    itertools.product(
        ["rectified_flow", "vp_linear", "vp_cosine", "ve", "sub_vp", "edm", "tables"],
        ["noise", "data", "velocity", "straight", "flow", "score"],
        ["half_log_snr", "time", "theta", "sigma/(alpha+sigma)"],
    )
)


def schedule(name: str) -> sg.NoiseSchedule:
    """One with a name, or one with many kinks."""
    if name == "tables":
        return sg.schedules.tabulated(betas=np.linspace(1e-3, 0.08, 40))
    return sg.schedules.get(name)


@pytest.mark.slow_but(3)
@pytest.mark.parametrize("choices", random.Random(5).sample(CHOICES, 10), ids="-".join)
def test_rows_of_rising_grids_are_their_definitions(choices: tuple[str, str, str]) -> None:
    """To the same digits as those of falling ones, in steps of all lengths."""
    name, integrand, variable = choices
    spec = sg.Solver(schedule(name), "data", integrand, variable, "multistep:3", limiter=None)
    module = load_text(rendering.coefficients_module(spec), "rising")
    low, high = map(float, spec.schedule.domain)
    rng = np.random.default_rng(CHOICES.index(choices))
    for reach in (2.0, 14.0):
        grid = np.sort(time_of(rng.uniform(-reach, reach, 6), low, high))
        rows = module.coefficients(grid)
        errors = [one for n in range(5) for one in errors_of_step(spec, rows, grid.tolist(), n)]
        assert max(one.error for one in errors) < 1e-13


@pytest.mark.parametrize("integrand", ["noise", "data", "velocity", "straight", "flow", "score"])
@pytest.mark.parametrize(
    "name", ["rectified_flow", "trigonometric", "flow_shifted", "vp_sigmoid", "vp_alphabar"]
)
@pytest.mark.parametrize(
    ("variable", "grid"),
    [("time", [0.3, 0.6, 0.9, 1.0]), ("half_log_snr", [0.02, 0.03, 1 - 1e-8, 1 - 9e-9])],
)
def test_rows_up_to_noise_alone_are_their_definitions(
    name: str, integrand: str, variable: str, grid: list[float]
) -> None:
    """To alpha = 0, where the clock of the score has run infinitely far, its rows were 0; in a step
    to beside there M0 was that of a ratio near 0, from the logarithm of 1 - (1 - ratio^2)."""
    for scheme in ("multistep:2", "singlestep:2"):
        spec = sg.Solver(name, "data", integrand, variable, scheme, limiter=None)
        rows = load_text(rendering.coefficients_module(spec), "up").coefficients(grid)
        errors = [one for n in range(3) for one in errors_of_step(spec, rows, grid, n)]
        assert max(one.error for one in errors) < 1e-13


def there_and_back(spec: sg.Solver, target: str, steps: int, scale: float) -> tuple[float, float]:
    """The errors of a run up in noise, and of that and one down again."""
    module = sg.compile(spec, target)
    start, end = (float(module.time_at_half_log_snr(one)) for one in (1.5, -1.0))
    grid = module.timesteps(steps, "half_log_snr", start=start, end=end)
    assert (np.diff(grid) > 0).all()
    x = np.linspace(-2.0, 2.0, 7)[:, None] * scale
    network = for_target(target, problems.model(MIXTURE, spec))
    up = module.sample(network, as_target(target, x), grid)
    back = module.sample(network, up, grid[::-1])
    ends = [(float(module.alpha(one)), float(module.sigma(one))) for one in (start, end)]
    exact = MIXTURE.exact_flow(x, *ends)
    errors = from_target(target, up) - exact, from_target(target, back) - x
    return tuple(float(np.sqrt(np.mean(one**2))) for one in errors)


@pytest.mark.parametrize(
    ("name", "integrand", "variable", "scheme"),
    [
        ("rectified_flow", "flow", "time", "multistep:3"),
        ("vp_linear", "data", "half_log_snr", "singlestep:3"),
        ("vp_cosine", "noise", "half_log_snr", "multistep:2"),
        ("ve", "straight", "sigma/(alpha+sigma)", "unipc:2:exact:ramp"),
        ("sub_vp", "velocity", "theta", "multistep:2:exact"),
    ],
)
def test_there_and_back_has_the_order_of_the_method(
    name: str, integrand: str, variable: str, scheme: str
) -> None:
    spec = sg.Solver(name, "noise", integrand, variable, scheme)
    coarse, fine = (there_and_back(spec, "numpy", steps, 0.5) for steps in (40, 80))
    up, both = np.log2(coarse) - np.log2(fine)
    assert spec.order - 0.3 < up < spec.order + 0.7
    assert spec.order - 0.4 < both
    assert fine[1] < 8 * fine[0]


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_runs_there_and_back(target: str) -> None:
    spec = sg.Solver("vp_cosine", "velocity", "data", "half_log_snr", "multistep:3")
    found = there_and_back(spec, target, 30, 1.0)
    np.testing.assert_allclose(found, there_and_back(spec, "numpy", 30, 1.0), atol=2e-6)
    assert max(found) < 3e-3


@pytest.mark.parametrize("target", ADAPTIVE)
def test_steps_of_controlled_error_go_up_too(target: str) -> None:
    spec = sg.Solver("rectified_flow", "flow", "flow", "time", "bogacki_shampine")
    module, x = sg.compile(spec, target), np.linspace(-2.0, 2.0, 7)[:, None]
    network = for_target(target, problems.model(MIXTURE, spec))
    up = module.sample_adaptive(network, as_target(target, x), 1e-6, 1e-6, start=0.1, end=0.9)
    exact = MIXTURE.exact_flow(x, (0.9, 0.1), (0.1, 0.9))
    np.testing.assert_allclose(from_target(target, up), exact, atol=2e-5)


def test_a_run_begins_at_data_where_the_limits_exist() -> None:
    """From sigma = 0 with the noise integrand; that of data grows without bound there."""
    grid = np.array([0.0, 0.1, 0.3, 0.5, 0.7, 1.0])
    x = np.linspace(-1.0, 1.0, 5)[:, None]
    for variable in ("time", "half_log_snr"):
        spec = sg.Solver("rectified_flow", "noise", "noise", variable, "multistep:2:ramp")
        module = sg.compile(spec, "numpy")
        up = module.sample(lambda x, t: np.full_like(x, 0.25), x, grid)
        np.testing.assert_allclose(up, np.full_like(x, 0.25), atol=1e-14)  # alpha = 0 there
        spec = sg.Solver("rectified_flow", "data", "data", variable, "multistep:2:ramp")
        with pytest.raises(ValueError, match=r"evaluation 0 at t = 0.0 has no finite coef"):
            sg.compile(spec, "numpy").coefficients(grid)


def test_noise_is_added_on_the_way_down_alone() -> None:
    spec = sg.Solver("vp_linear", "noise", "data", "half_log_snr", "multistep:2", stochasticity=1)
    with pytest.raises(ValueError, match="2 or more decreasing times"):
        sg.compile(spec, "numpy").coefficients([0.2, 0.4, 0.8])


def test_a_rising_grid_is_baked() -> None:
    spec = sg.Solver("vp_linear", "noise", "data", "half_log_snr", "multistep:2")
    grid = sg.compile(spec, "numpy").timesteps(6, start=0.05, end=0.9)
    baked = sg.compile(spec, "numpy", timesteps=grid)
    rows = sg.compile(spec, "numpy").coefficients(grid)
    np.testing.assert_allclose(baked.COEFFICIENTS, rows, rtol=1e-12, atol=1e-14)
    with pytest.raises(EmissionError, match="2 or more monotonic times"):
        sg.compile(spec, "numpy", timesteps=[0.1, 0.3, 0.2])


def test_flipped_sigmas_run_in_k_diffusion() -> None:
    """ComfyUI's FlipSigmas: the other way round, 1e-4 for 0."""
    spec = sg.Solver("ve", "data", "data", "sigma/(alpha+sigma)", "unipc:2:exact:ramp")
    module = sg.compile(spec, "k-diffusion")
    name = next(one for one in vars(module) if one.startswith("sample_"))
    down = torch.tensor([*np.geomspace(14.6, 0.001, 60), 0.0], dtype=torch.float64)
    up = down.flip(0)
    up[0] = 1e-4
    predict = problems.model(MIXTURE, spec)

    def model(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(predict(x.numpy(), float(sigma[0])))

    x = torch.linspace(-1.5, 1.5, 7, dtype=torch.float64)[:, None]
    noise = getattr(module, name)(model, x, up, disable=True)
    exact = MIXTURE.exact_flow(x.numpy(), (1.0, 1e-4), (1.0, 14.6))
    np.testing.assert_allclose(noise.numpy(), exact, atol=0.03)
    again = getattr(module, name)(model, noise, down, disable=True)
    assert (again - x).abs().max() < 0.01


def test_levels_without_a_step_are_as_in_k_diffusion() -> None:
    """Repeated ones, one and none: its loops go over them, or do not begin."""
    spec = sg.Solver("ve", "data", "data", "half_log_snr", "multistep:2:ramp")
    run = sg.compile(spec, "k-diffusion").sample_data_multistep_2_ramp
    x, calls = torch.linspace(-1.0, 1.0, 5)[:, None], []

    def model(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        calls.append(float(sigma[0]))
        return 0.5 * x

    plain = run(model, x, torch.tensor([8.0, 3.0, 1.0, 0.0]), disable=True)
    again = run(model, x, torch.tensor([8.0, 8.0, 3.0, 1.0, 1.0, 1.0, 0.0, 0.0]), disable=True)
    assert torch.equal(plain, again)
    assert calls == 2 * [8.0, 3.0, 1.0]
    for sigmas in ([], [3.0], [3.0, 3.0]):
        assert torch.equal(run(model, x, torch.tensor(sigmas), disable=True), x)
    assert len(calls) == 6


@pytest.mark.parametrize("flow", [False, True])
def test_schedulers_of_diffusers_run_up(flow: bool) -> None:
    choices = ("rectified_flow", "flow") if flow else ("vp_alphabar", "noise")
    spec = sg.Solver(*choices, "data", "sigma/(alpha+sigma)", "unipc:2:exact:ramp")
    options = {} if flow else {"beta_schedule": "scaled_linear"}
    scheduler = sg.compile(spec, "diffusers").Scheduler(**options)
    last = len(scheduler) - 1

    def scales(place: float) -> tuple[float, float]:
        if flow:
            return 1 - place / (last + 1), place / (last + 1)
        a = float(scheduler.alphas_cumprod.double()[int(place)]) ** 0.5
        return a, (1 - a**2) ** 0.5

    def run(x: torch.Tensor, places: np.ndarray) -> torch.Tensor:
        scheduler.set_timesteps(timesteps=places)
        for place in scheduler.timesteps:
            alpha, sigma = scales(float(place))
            data, score = MIXTURE.posterior(x.numpy(), alpha, sigma)
            said = torch.from_numpy(-sigma * score - (data if flow else 0.0))
            x = scheduler.step(said, place, x).prev_sample
        return x

    places = np.unique(np.linspace(20, last, 60).round())
    x = torch.linspace(-1.5, 1.5, 7, dtype=torch.float64)[:, None]
    up = run(x, places)
    assert len(scheduler.timesteps) == len(places) - 1
    ends = scales(places[0]), scales(places[-1])
    np.testing.assert_allclose(up.numpy(), MIXTURE.exact_flow(x.numpy(), *ends), atol=0.01)
    down = run(up, places[::-1])  # and on to sigma = 0
    exact = MIXTURE.exact_flow(x.numpy(), ends[0], (1.0, 0.0))
    np.testing.assert_allclose(down.numpy(), exact, atol=0.02)
