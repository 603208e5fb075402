"""One grid in a scheduler of diffusers and a sampler of k-diffusion: the baked module's run."""

from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import torch_extras  # noqa: F401
from diffusers import (
    DDIMInverseScheduler,
    DDPMScheduler,
    FlowMatchEulerDiscreteScheduler,
    UniPCMultistepScheduler,
)

import solvergen as sg
from solvergen.compiler import load_text
from solvergen.errors import EmissionError
from solvergen.measurement import contract

FLOW_TIMES = [1.0, 0.93, 0.7, 0.41, 0.15, 0.05, 0.0]
TIMES = [0.98, 0.9, 0.7, 0.4, 0.15, 0.05, 0.01]
CHOICES = {
    "unipc": ("rectified_flow", "flow", "velocity", "theta", "unipc:3:exact:ramp:ramp"),
    "2m": ("rectified_flow", "flow", "data", "half_log_snr", "multistep:2:ramp"),
    "heun": ("rectified_flow", "flow", "flow", "time", "heun"),
    "3s": ("vp_alphabar", "noise", "data", "half_log_snr", "singlestep:3"),
    "4m": ("vp_linear", "noise", "velocity", "theta", "multistep:4:ramp"),
    "straight": ("vp_alphabar", "velocity", "straight", "time", "unipc:2:exact:ramp"),
    "ddim": ("vp_linear", "data", "data", "half_log_snr", "multistep:1"),
}
X = torch.randn(3, 4, 2, generator=torch.Generator().manual_seed(0)).double()


INVERSE = {"_class_name": "DDIMInverseScheduler", **DDIMInverseScheduler().config}


def solver(name: str) -> tuple[sg.Solver, list[float]]:
    spec = sg.Solver(*CHOICES[name])
    return spec, FLOW_TIMES if spec.schedule.name == "rectified_flow" else TIMES


@lru_cache
def module(name: str, target: str) -> ModuleType:
    spec, times = solver(name)
    return sg.compile(spec, target, timesteps=times)


def network(x: Any, level: float) -> Any:
    """Smooth, and a function of the noise level."""
    return np.tanh(np.asarray(x) * (1 + level)) - 0.3 * level


def expected(name: str) -> np.ndarray:
    """The run of numpy's baked module."""
    spec, times = solver(name)
    level = level_of(spec)
    found: np.ndarray = sg.compile(spec, "numpy", timesteps=times).sample(
        lambda x, t: network(x, level(t)), X.numpy()
    )
    return found


def level_of(spec: sg.Solver) -> Any:
    """sigma/(alpha+sigma) at a time."""
    one = sg.compile(spec, "numpy")
    return lambda t: float(one.sigma(t) / (one.alpha(t) + one.sigma(t)))


@pytest.mark.slow_but(3)
@pytest.mark.parametrize("name", CHOICES)
def test_a_scheduler_takes_the_steps_of_the_baked_module(name: str) -> None:
    one = module(name, "diffusers")
    scheduler = one.Scheduler()
    scheduler.set_timesteps(len(one.ROWS))
    x = X
    for t, (level, *_) in zip(scheduler.timesteps, one.ROWS, strict=True):
        fraction = level if "rectified" in str(one.SPEC) else 1 / (1 + np.exp(level))
        x = scheduler.step(torch.tensor(network(x, fraction)), t, x, return_dict=False)[0]
    np.testing.assert_allclose(x.numpy(), expected(name), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "target", "most"),
    [("2m", "k-diffusion", 2), ("ddim", "k-diffusion", 1), ("ddim", "diffusers", 1),
     ("heun", "diffusers", 2), ("3s", "k-diffusion", 3)],
)  # fmt: skip
def test_no_step_reads_more_than_its_scheme(name: str, target: str, most: int) -> None:
    """Where the network predicts what is integrated: what cancels is 0 behind the last digit, and
    no prediction is multiplied by that."""
    rows = [row[1:] for row in module(name, target).ROWS]
    assert max(map(len, rows)) == 1 + most
    for _, *factors in rows:
        assert all(abs(one) > 1e-12 for one in factors)


@pytest.mark.slow_but(3)
@pytest.mark.parametrize("name", sorted(set(CHOICES) - {"heun"}))
def test_a_sampler_of_k_diffusion_gives_the_same_whatever_is_predicted(name: str) -> None:
    """The network returns the denoised sample there: of x/alpha, unless alpha + sigma = 1."""
    spec, times = solver(name)
    one = module(name, "k-diffusion")
    (sample,) = (value for key, value in vars(one).items() if key.startswith("sample_"))
    plain = sg.compile(spec, "numpy")
    a = {float(s): float(plain.alpha(t)) for s, t in zip(one.SIGMAS, evaluated(spec), strict=True)}
    is_flow = spec.schedule.name == "rectified_flow"

    def denoised(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        assert sigma.shape == x.shape[:1]
        alpha = a[float(sigma[0])]
        scale = 1.0 if is_flow else alpha
        y, s = x.numpy() * scale, float(sigma[0]) * scale
        p = network(y, s / (alpha + s))
        given = {"noise": (y - s * p) / alpha if alpha else y, "data": p}
        given |= {"flow": y - s * p, "velocity": alpha * y - s * p}
        return torch.tensor(given[spec.prediction.name] / 1.0)

    start = X if is_flow else X / float(plain.alpha(times[0]))
    found = sample(denoised, start, disable=True).numpy()
    end = 1.0 if is_flow else float(plain.alpha(times[-1]))
    np.testing.assert_allclose(found * end, expected(name), rtol=1e-10, atol=1e-11)


def evaluated(spec: sg.Solver) -> list[float]:
    """Where a run asks, and where it ends."""
    times = FLOW_TIMES if spec.schedule.name == "rectified_flow" else TIMES
    return [*sg.compile(spec, "numpy", timesteps=times).COEFFICIENTS[:, 0].tolist(), times[-1]]


def test_the_sampler_reads_no_more_than_the_range_and_the_number() -> None:
    one = module("2m", "k-diffusion")
    sample = one.sample_data_multistep_2_ramp_in_6
    seen: list[dict[str, Any]] = []

    def model(x: torch.Tensor, sigma: torch.Tensor, scale: float) -> torch.Tensor:
        return scale * x / (1 + sigma[:, None, None])

    assert "those between are not read" in " ".join(sample.__doc__.split())
    options: dict[str, Any] = {"extra_args": {"scale": 0.5}, "disable": True}
    even = sample(model, X, torch.linspace(1, 0, 7), callback=seen.append, **options)
    assert torch.equal(even, sample(model, X, **options))
    assert [one["i"] for one in seen] == list(range(6))
    assert [one["sigma"] for one in seen] == FLOW_TIMES[:-1]
    assert set(seen[0]) == {"x", "i", "sigma", "sigma_hat", "denoised"}
    for wrong in (torch.linspace(1, 0, 9), torch.linspace(0.9, 0, 7), torch.linspace(1, 0.1, 7)):
        with pytest.raises(ValueError, match="expected 6 from sigma = 1"):
            sample(model, X, wrong, **options)
    half = sample(model, X.bfloat16(), **options)
    assert half.dtype == torch.bfloat16
    assert (half.double() - even).abs().max() < 0.05


@pytest.mark.parametrize("target", ["diffusers", "k-diffusion"])
def test_fitted_rows(target: str) -> None:
    """Any lower triangular matrix is a run."""
    spec = sg.Solver(*CHOICES["unipc"])
    random = np.random.default_rng(0)
    factors = np.tril(0.2 * random.standard_normal((4, 3)), -1)
    landings = np.column_stack([[1.0, 0.6, 0.2, 0.0], [1.0, 0.9, 1.1, 0.8], factors])
    text = sg.emit_fitted(spec, target, [1.0, 0.6, 0.2, 0.0], landings, "How it was fitted.")
    one = load_text(text, "fitted")
    assert one.ORDER is None
    assert "How it was fitted." in one.__doc__

    def model(x: torch.Tensor, sigma: float) -> torch.Tensor:
        return torch.tensor(network(x, float(sigma)))

    terms = [X]
    for t, *row in landings[:-1].tolist():
        terms.append(model(sum(a * b for a, b in zip(row, terms, strict=False)), t))
    exact = sum(a * b for a, b in zip(landings[-1, 1:].tolist(), terms, strict=True))
    if target == "diffusers":
        scheduler, x = one.Scheduler(), X
        scheduler.set_timesteps(3)
        for t in scheduler.timesteps:
            x = scheduler.step(model(x, t / 1000), t, x).prev_sample
        assert (x - exact).abs().max() < 1e-6  # asked at times that float32 holds
    else:
        (sample,) = (value for key, value in vars(one).items() if key.startswith("sample_"))
        found = sample(lambda x, s: x - s[0] * model(x, s[0]), X, disable=True)
        assert (found - exact).abs().max() < 1e-12


def test_places_are_those_of_the_config_s_table() -> None:
    one = module("ddim", "diffusers")
    config = DDPMScheduler(prediction_type="sample", clip_sample=False).config
    scheduler = one.Scheduler.from_config(config)
    scheduler.set_timesteps(6)
    # DDPM's betas are those of vp_linear at t = n/1000, up to O(1/1000)
    np.testing.assert_allclose(scheduler.timesteps, 1000 * np.array(TIMES[:-1]) - 1, atol=4)
    noise, x = torch.ones(2, 1), torch.zeros(2, 1)
    sigma = scheduler.add_noise(x, noise, scheduler.timesteps[[0, 3]])
    plain = sg.compile(solver("ddim")[0], "numpy")
    np.testing.assert_allclose(sigma[:, 0], plain.sigma(np.array([0.98, 0.4])), rtol=1e-5)
    assert scheduler.init_noise_sigma == pytest.approx(float(plain.sigma(0.98)), rel=1e-12)
    few = DDPMScheduler(prediction_type="sample", clip_sample=False, beta_end=0.001).config
    with pytest.raises(ValueError, match="the betas that the run was made for"):
        one.Scheduler.from_config(few)


@pytest.mark.parametrize(
    ("name", "config", "words"),
    [
        ("2m", DDPMScheduler(), "is not for flow networks"),
        ("ddim", FlowMatchEulerDiscreteScheduler(), "not for networks with a table"),
        ("ddim", DDPMScheduler(), "prediction_type is 'epsilon'"),
        ("2m", FlowMatchEulerDiscreteScheduler(stochastic_sampling=True), "stochastic_sampling"),
        ("ddim", UniPCMultistepScheduler(thresholding=True), "thresholding"),
        ("ddim", DDPMScheduler(clip_sample=True), "clip_sample"),
        ("ddim", INVERSE, "runs from data to noise"),
    ],
)
def test_configs_of_other_runs_are_refused(name: str, config: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        module(name, "diffusers").Scheduler.from_config(getattr(config, "config", config))


def test_misuse_is_refused() -> None:
    scheduler = module("2m", "diffusers").Scheduler()
    with pytest.raises(RuntimeError, match="before set_timesteps"):
        scheduler.step(X, 1.0, X)
    for wrong in ({"num_inference_steps": 8}, {"sigmas": [1.0, 0.5]}):
        with pytest.raises(ValueError, match="expected 6, those of the run"):
            scheduler.set_timesteps(**wrong)
    scheduler.set_timesteps(6)
    for call, words in (
        (lambda: scheduler.set_begin_index(2), "expected 0: the run is whole"),
        (lambda: scheduler.step(X, scheduler.timesteps[1], X), "not the next one"),
        (lambda: scheduler.step(X, scheduler.timesteps[0], X, eta=0.5), "adds no noise"),
        (lambda: scheduler.step(X[:1], scheduler.timesteps[0], X), "model_output is"),
        (lambda: scheduler.add_noise(X, X, torch.tensor([3.0])), "3.0 is not listed"),
    ):
        with pytest.raises(ValueError, match=words):
            call()
    for t in scheduler.timesteps:
        scheduler.step(X, t, X)
    with pytest.raises(RuntimeError, match="the run is done"):
        scheduler.step(X, t, X)


@pytest.mark.parametrize(
    ("choice", "target", "times", "words"),
    [
        (("vp_alphabar", "flow", "data"), "diffusers", FLOW_TIMES[1:-1], "v_prediction"),
        (CHOICES["heun"], "k-diffusion", FLOW_TIMES, "does not determine flow"),
        (("ve", "data", "data"), "diffusers", [9.0, 1.0, 0.0], r"alpha\^2 \+ sigma\^2 = 1"),
        (CHOICES["straight"], "k-diffusion", [1.0, 0.5, 0.0], "starts at alpha = 0"),
        (CHOICES["2m"], "diffusers", np.linspace(1, 0, 150), "at most 100"),
    ],
)
def test_solvers_without_a_place_are_refused(
    choice: tuple[str, ...], target: str, times: Any, words: str
) -> None:
    with pytest.raises(EmissionError, match=words):
        sg.emit(sg.Solver(*choice), target, timesteps=times)


def test_noise_and_many_calls_are_refused() -> None:
    spec = sg.Solver(
        "rectified_flow", "flow", "flow", "time", "multistep:2", stochasticity="eta: 1"
    )
    with pytest.raises(EmissionError, match="without stochasticity"):
        sg.emit(spec, "diffusers", timesteps=FLOW_TIMES)
    spec = sg.Solver(*CHOICES["unipc"]).whose_modules(parallel=True)
    with pytest.raises(EmissionError, match="stochasticity and parallel"):
        sg.emit(spec, "k-diffusion", timesteps=FLOW_TIMES)


@pytest.mark.parametrize("target", ["diffusers", "k-diffusion"])
def test_verify_says_which_module_is_measured(target: str, tmp_path: Any) -> None:
    path = sg.write(*(solver("2m")[0], target, tmp_path / "run.py"), timesteps=FLOW_TIMES)
    with pytest.raises(EmissionError, match="the module of the same solver and grid for torch"):
        contract.require(path)
    again = sg.emit(
        sg.from_specification(sg.compiler.load(path).SPEC), target, timesteps=FLOW_TIMES
    )
    assert again == path.read_text()
