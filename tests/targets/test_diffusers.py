"""The diffusers target: schedulers that pipelines run, and that agree with those of diffusers."""

from collections.abc import Callable
from inspect import signature
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import torch_extras  # noqa: F401
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EDMEulerScheduler,
    FlowMatchEulerDiscreteScheduler,
    UniPCMultistepScheduler,
)

import solvergen as sg
from solvergen import compiler

TABLE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
X = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
SOLVERS = {
    "ddim": ("vp_alphabar", "noise", "noise", "half_log_snr", "multistep:1"),
    "ddim_of_v": ("trigonometric", "velocity", "data", "theta", "multistep:1"),
    "euler_of_v": ("trigonometric", "velocity", "velocity", "theta", "multistep:2"),
    "2m": ("stable_diffusion", "noise", "data", "half_log_snr", "multistep:2"),
    "2m_midpoint": ("vp_alphabar", "noise", "data", "half_log_snr", "1:{0} | 1:{0,-1}~classical"),
    "3m": ("vp_alphabar", "noise", "data", "half_log_snr", "multistep:3"),
    "2s": ("vp_alphabar", "noise", "data", "half_log_snr", "singlestep:2"),
    "heun_in_theta": ("vp_alphabar", "noise", "velocity", "theta", "heun"),
    "unipc": ("vp_alphabar", "noise", "data", "half_log_snr", "unipc:2:bh2:ramp"),
    "tab3": ("stable_diffusion", "noise", "noise", "time", "multistep:3:ramp"),
    "flow_euler": ("rectified_flow", "flow", "flow", "time", "multistep:1"),
    "flow_3m": ("rectified_flow", "flow", "flow", "time", "multistep:3"),
    "flow_3m_exact": ("rectified_flow", "flow", "flow", "time", "multistep:3:exact"),
    "flow_heun": ("flow_shifted", "straight", "data", "sigma/(alpha+sigma)", "heun"),
}
FLOWS = tuple(name for name in SOLVERS if name.startswith("flow_"))
DISCRETE = tuple(name for name in SOLVERS if name not in FLOWS)


def solver(name: str) -> sg.Solver:
    """As it runs in a pipeline; without a limiter if it is compared with a peer, which has none."""
    spec = sg.Solver(*SOLVERS[name], limiter=name not in PEERS)
    return compiler.adapted(spec, "diffusers")


def module(name: str) -> ModuleType:
    return sg.compile(solver(name), "diffusers")


def scheduler(name: str, **options: Any) -> Any:
    if name in DISCRETE:
        options = {**TABLE, **options}
    return module(name).Scheduler(**options)


def network(x: torch.Tensor, t: Any) -> torch.Tensor:
    """Some smooth nonlinear network that looks at the time."""
    return torch.tanh(x) * (0.5 + float(t) / 2000) + 0.1 * x


def run(one: Any, steps: int | None = None, x: torch.Tensor = X, **places: Any) -> torch.Tensor:
    """The loop of every pipeline."""
    one.set_timesteps(steps, **places)
    for t in one.timesteps:
        x = one.step(network(x, t), t, x, return_dict=False)[0]
    return x


PEERS: dict[str, Callable[[], Any]] = {
    "ddim": lambda: DDIMScheduler(**TABLE, clip_sample=False, timestep_spacing="trailing"),
    "ddim_of_v": lambda: DDIMScheduler(
        clip_sample=False, timestep_spacing="trailing", prediction_type="v_prediction"
    ),
    "2m": lambda: DPMSolverMultistepScheduler(**TABLE, solver_type="heun", lower_order_final=False),
    "2m_midpoint": lambda: DPMSolverMultistepScheduler(**TABLE, lower_order_final=False),
    "unipc": lambda: UniPCMultistepScheduler(
        **TABLE, solver_order=2, lower_order_final=False, timestep_spacing="trailing"
    ),
    "flow_euler": lambda: FlowMatchEulerDiscreteScheduler(shift=3.0),
}


@pytest.mark.parametrize("steps", [1, 2, 10, 50])
@pytest.mark.parametrize("name", PEERS)
def test_agrees_with_diffusers(name: str, steps: int) -> None:
    """Same grid, same sample within what float32 leaves diffusers, to the exact end sigma = 0."""
    peer = PEERS[name]()
    ours = module(name).Scheduler.from_config(peer.config)
    expected, found = run(peer, steps), run(ours, steps)
    np.testing.assert_allclose(ours.timesteps.numpy(), peer.timesteps.numpy(), rtol=1e-6)
    scale = expected.abs().max()
    assert (found - expected).abs().max() <= 5e-6 * scale
    assert ours.sigmas[-1] == 0


@pytest.mark.parametrize("spacing", ["linspace", "leading", "trailing"])
@pytest.mark.parametrize("option", [None, "use_karras_sigmas", "use_exponential_sigmas"])
def test_grids_are_those_of_diffusers(spacing: str, option: str | None) -> None:
    """Noise levels, in float32; diffusers rounds respaced timesteps, which are not compared."""
    options = {"timestep_spacing": spacing, **({option: True} if option else {})}
    peer = DPMSolverMultistepScheduler(**TABLE, steps_offset=1, **options)
    ours = module("2m").Scheduler.from_config(peer.config)
    for steps in (1, 5, 30):
        peer.set_timesteps(steps)
        ours.set_timesteps(steps)
        np.testing.assert_allclose(ours.sigmas, peer.sigmas, rtol=2e-4)
    if option is None:
        assert ours.timesteps.tolist() == peer.timesteps.tolist()


@pytest.mark.parametrize("kind", ["linear", "scaled_linear", "squaredcos_cap_v2"])
def test_tables_are_those_of_diffusers(kind: str) -> None:
    peer = DDPMScheduler(beta_schedule=kind, num_train_timesteps=500)
    ours = module("ddim").Scheduler.from_config(peer.config)
    noise = torch.ones(500, 1)
    steps = torch.arange(500)
    for x0, eps in ((noise, 0 * noise), (0 * noise, noise)):
        expected, found = (one.add_noise(x0, eps, steps) for one in (peer, ours))
        assert (found - expected).abs().max() < 3e-6


@pytest.mark.parametrize("kind", ["linear", "scaled_linear", "squaredcos_cap_v2"])
@pytest.mark.parametrize("zero_snr", [False, True])
def test_what_trainers_ask_for_is_that_of_diffusers(kind: str, zero_snr: bool) -> None:
    options = {"beta_schedule": kind, "rescale_betas_zero_snr": zero_snr}
    peer = DDIMScheduler(num_train_timesteps=200, **options)
    ours = module("ddim").Scheduler.from_config(peer.config)
    for name in ("alphas_cumprod", "betas"):
        expected, found = (getattr(one, name) for one in (peer, ours))
        assert found.dtype == expected.dtype
        assert torch.allclose(found, expected, rtol=2e-3 if zero_snr else 2e-5, atol=1e-6)
    steps = torch.tensor([150, 3])
    expected, found = (one.get_velocity(X, 2 * X + 1, steps) for one in (peer, ours))
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_shift_may_be_set_between_runs() -> None:
    peer, ours = FlowMatchEulerDiscreteScheduler(), module("flow_euler").Scheduler()
    for shift in (3.0, 1.5):
        peer.set_shift(shift)
        ours.set_shift(shift)
        places = np.linspace(1, 1 / 7, 7)
        peer.set_timesteps(sigmas=places)
        ours.set_timesteps(sigmas=places)
        np.testing.assert_allclose(ours.sigmas, peer.sigmas, rtol=1e-6, atol=1e-7)


def test_trained_betas_are_read() -> None:
    betas = np.linspace(1e-4, 0.03, 100).tolist()
    peer = DDPMScheduler(num_train_timesteps=100, trained_betas=betas)
    ours = module("2m").Scheduler.from_config(peer.config)
    expected = peer.alphas_cumprod[50].sqrt()
    found = ours.add_noise(torch.ones(1, 1), torch.zeros(1, 1), torch.tensor([50]))
    assert abs(float(found) - float(expected)) < 1e-6


@pytest.mark.parametrize(
    "options",
    [
        {"shift": 3.0},
        {"use_karras_sigmas": True},
        {"shift_terminal": 0.1},
        {"use_dynamic_shifting": True},
        {"use_dynamic_shifting": True, "time_shift_type": "linear"},
    ],
)
def test_flow_grids_are_those_of_diffusers(options: dict) -> None:  # fmt: skip
    peer = FlowMatchEulerDiscreteScheduler(**options)
    ours = module("flow_euler").Scheduler.from_config(peer.config)
    mu = 0.8 if options.get("use_dynamic_shifting") else None
    for places in ({"num_inference_steps": 7}, {"sigmas": np.linspace(1, 1 / 7, 7)}):
        peer.set_timesteps(**places, mu=mu)
        ours.set_timesteps(**places, mu=mu)
        np.testing.assert_allclose(ours.sigmas, peer.sigmas, rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(ours.timesteps, peer.timesteps, rtol=1e-6)


@pytest.mark.parametrize("steps", [1, 2, 10])
def test_flow_network_with_time_in_the_unit_interval(steps: int) -> None:
    """Asked at sigma itself, evenly from 1; the sample of the one that is asked at 1000 sigma."""
    options = {"shift": 2.0}
    unit, thousand = (
        module("flow_3m").Scheduler(num_train_timesteps=n, **options) for n in (1, 1000)
    )
    levels = np.linspace(1, 1 / steps, steps)
    unit.set_timesteps(steps)
    thousand.set_timesteps(sigmas=levels)
    assert unit.timesteps.dtype == torch.float32
    np.testing.assert_allclose(unit.timesteps * 1000, thousand.timesteps, rtol=1e-6)
    assert torch.equal(unit.sigmas, thousand.sigmas)


@pytest.mark.parametrize("steps", [1, 2, 50])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", SOLVERS)
def test_finite_to_the_exact_end(name: str, dtype: torch.dtype, steps: int) -> None:
    one = scheduler(name)
    found = run(one, steps, X.to(dtype))
    assert found.isfinite().all()
    assert found.dtype == dtype
    assert one.sigmas[-1] == 0
    assert one.step_index == len(one.timesteps)


@pytest.mark.parametrize("name", ["2m", "3m", "2s", "heun_in_theta", "flow_3m", "flow_heun"])
def test_same_sample_as_the_stepper(name: str) -> None:
    """The compiled solver on its own schedule: Stepper, sample and Scheduler, in float64."""
    runner, scheduler = sg.compile(solver(name), "torch"), module(name).Scheduler()
    scheduler.set_timesteps(timesteps=[950, 700, 420, 200, 80, 15])
    grid = times_of(runner, scheduler)
    x = X.double()

    def asked(y: torch.Tensor, t: Any) -> torch.Tensor:
        level = runner.half_log_snr(float(t))
        return torch.tanh(y) * float(np.tanh(level))

    stepper = runner.Stepper(x, grid)
    while not stepper.done:
        stepper.step(asked(stepper.x, stepper.t))
    sampled = runner.sample(asked, x, grid)
    assert torch.equal(sampled, stepper.x)
    found = x
    for t, time in zip(scheduler.timesteps, runner.coefficients(grid)[:, 0], strict=False):
        found = scheduler.step(asked(found, time), t, found).prev_sample
    assert (found - sampled).abs().max() < 1e-13


def times_of(runner: ModuleType, scheduler: Any) -> np.ndarray:
    """The compiled schedule's times of a scheduler's run, as far as it goes."""
    levels = scheduler._levels
    if hasattr(scheduler, "scale_noise"):
        with np.errstate(divide="ignore"):
            levels = np.log1p(-levels) - np.log(levels)
    levels = levels[levels <= runner.half_log_snr(runner.T_MIN)]
    return np.where(levels < np.inf, runner.time_at_half_log_snr(levels), runner.T_MIN)


@pytest.mark.parametrize("name", ["2m", "3m", "2s", "unipc", "tab3", "flow_3m", "flow_heun"])
def test_a_run_that_begins_in_the_middle_is_a_run_of_its_own(name: str) -> None:
    """As image-to-image does: the same as a run through the later timesteps alone."""
    one, two = scheduler(name), scheduler(name)
    one.set_timesteps(6)
    begin = 2 * one.order
    one.set_begin_index(begin)
    found = X
    for t in one.timesteps[begin:]:
        found = one.step(network(found, t), t, found).prev_sample
    assert torch.allclose(found, _later(two, one, begin), rtol=1e-5, atol=1e-6)
    assert one.begin_index == begin


def _later(two: Any, one: Any, begin: int) -> torch.Tensor:
    levels = one.sigmas[begin : -1 : one.order].double().tolist()
    if hasattr(two, "scale_noise"):
        two.register_to_config(shift=1.0)
    return run(two, None, sigmas=levels)


def test_begin_is_found_from_the_timestep() -> None:
    """Without a begin index, by value or by place in memory."""
    for pick in (lambda one: one.timesteps[2], lambda one: int(one.timesteps[2])):
        one = scheduler("2m")
        one.set_timesteps(5)
        one.step(network(X, 0), pick(one), X)
        assert one.step_index == 3


def test_the_sample_may_change_between_steps() -> None:
    """Inpainting: the step starts from what it is given, so that two runs merge into one."""
    one, two = scheduler("2m_midpoint"), scheduler("2m_midpoint")
    first = run(one, 4)
    two.set_timesteps(4)
    x = X
    for i, t in enumerate(two.timesteps):
        given = x + (1.0 if i == 2 else 0.0)
        x = two.step(network(given, t), t, given).prev_sample
    assert not torch.allclose(x, first)
    euler = scheduler("flow_euler")
    euler.set_timesteps(2)
    t, s = euler.timesteps
    euler.step(X, t, X)
    moved = euler.step(X, s, X + 1).prev_sample
    assert torch.allclose(moved, X + 1 - float(euler.sigmas[1]) * X, atol=1e-6)


@pytest.mark.parametrize("name", ["2m", "tab3", "flow_3m"])
def test_saved_and_loaded(name: str, tmp_path: Path) -> None:
    peer = (
        FlowMatchEulerDiscreteScheduler(shift=2.5)
        if name == "flow_3m"
        else DDIMScheduler(**TABLE, timestep_spacing="leading")
    )
    one = module(name).Scheduler.from_config(peer.config)
    one.save_pretrained(tmp_path)
    again = module(name).Scheduler.from_pretrained(tmp_path)
    assert torch.equal(run(one, 5), run(again, 5))
    back = type(peer).from_config(again.config)
    assert torch.equal(run(back, 5), run(peer, 5))


def test_custom_timesteps_and_sigmas() -> None:
    one = scheduler("2m")
    listed = [999, 750, 300, 40]
    by_timesteps = run(one, timesteps=listed)
    assert one.timesteps.tolist() == listed
    levels = one.sigmas[:-1].double().tolist()
    by_sigmas = run(one, sigmas=levels)
    np.testing.assert_allclose(one.timesteps, listed, atol=1e-2)
    assert torch.allclose(by_sigmas, by_timesteps, atol=1e-4)
    to_zero = run(one, sigmas=[*levels, 0.0])
    assert torch.equal(to_zero, by_sigmas)


@pytest.mark.parametrize("name", ["2m", "2s", "heun_in_theta"])
def test_a_spread_to_the_first_level_ends_with_a_step_of_no_length(name: str) -> None:
    """As in diffusers, which lists it; inner stages of such a step lie apart."""
    one = scheduler(name, use_karras_sigmas=True, final_sigmas_type="sigma_min")
    one.set_timesteps(7)
    samples = [X.double()]
    for t in one.timesteps:
        samples.append(one.step(network(samples[-1], t), t, samples[-1]).prev_sample)
    assert len(one.timesteps) == 7 * one.order
    assert (samples[-1] - samples[6 * one.order]).abs().max() < 1e-11


def test_zero_terminal_snr_is_exact() -> None:
    """A v-prediction starts at alpha = 0 itself, where a noise prediction cannot."""
    options = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    one = scheduler("euler_of_v", **options)
    assert run(one, 4).isfinite().all()
    assert one.sigmas[0] == np.inf
    with pytest.raises(ValueError, match="has no finite coefficients"):
        scheduler("heun_in_theta", **options).set_timesteps(4)
    with pytest.raises(ValueError, match="has no finite coefficients; expected alpha > 0"):
        scheduler("2m", **options).set_timesteps(4)
    options["num_train_timesteps"] = 1000
    with pytest.raises(ValueError, match="not those of the compiled schedule"):
        scheduler("tab3", **options)


@pytest.mark.parametrize(
    "scheme",
    ["multistep:2", "multistep:2:ramp", "1:{0}|1:{0,-1}~classical", "unip:2:bh2",
     "multistep:3:ramp", "unipc:2:exact:ramp"],
)  # fmt: skip
def test_a_table_of_zero_snr_for_a_schedule_without(scheme: str) -> None:
    """The compiled schedule ends before alpha = 0, and the network's table does not: exact for a
    network that always says the same data, in any number of steps."""
    spec = sg.Solver("stable_diffusion", "velocity", "data", "half_log_snr", scheme)
    one = sg.compile(spec, "diffusers").Scheduler(
        beta_schedule="linear", rescale_betas_zero_snr=True, timestep_spacing="trailing"
    )
    data = 0.5 * X.tanh()
    for count in range(1, 8):
        one.set_timesteps(count)
        assert one.sigmas[0] == np.inf
        x = X
        for t, ratio in zip(one.timesteps, one.sigmas.double(), strict=False):
            a, s = 1 / (1 + ratio**2).sqrt(), 1 / (1 + ratio**-2.0).sqrt()
            x = one.step(a * (x - a * data) / s - s * data, t, x).prev_sample
        torch.testing.assert_close(x, data, rtol=0.0, atol=3e-6)


def test_arguments_stand_in_the_order_of_diffusers() -> None:
    given = [*signature(DDIMScheduler.__init__).parameters][1:6]
    assert [*signature(type(scheduler("2m")).__init__).parameters][1:6] == given
    by_place = type(scheduler("2m"))(500, 0.00085, 0.012, "scaled_linear")
    assert (by_place.config.num_train_timesteps, by_place.config.beta_end) == (500, 0.012)


def test_wrong_use_is_said() -> None:
    one = scheduler("2m")
    with pytest.raises(RuntimeError, match="before set_timesteps"):
        one.step(X, 999, X)
    one.set_timesteps(4)
    first, second = one.timesteps[:2]
    with pytest.raises(ValueError, match="is not listed"):
        one.step(X, 5, X)
    one.step(X, first, X)
    for wrong in (first, int(first), one.timesteps[3]):
        with pytest.raises(ValueError, match=r"is not the next one; expected timesteps\[1\] = 749"):
            one.step(X, wrong, X)
    with pytest.raises(ValueError, match="model_output is"):
        one.step(X[:1], second, X)
    with pytest.raises(ValueError, match="eta is 1"):
        one.step(X, second, X, eta=1.0)
    run(one, 2)
    with pytest.raises(RuntimeError, match="the run is done"):
        one.step(X, one.timesteps[-1], X)
    for places, message in (
        ({}, "num_inference_steps is None"),
        ({"num_inference_steps": 0}, "num_inference_steps is 0"),
        ({"timesteps": [5], "sigmas": [1.0]}, "both sigmas and timesteps"),
        ({"timesteps": [1000, 3]}, "timestep 1000.0 is not in the network's table"),
        ({"timesteps": [500, 3, 90]}, "falling or rising"),
    ):
        with pytest.raises(ValueError, match=message):
            one.set_timesteps(**places)


@pytest.mark.parametrize(
    ("name", "peer", "message"),
    [
        ("2m", FlowMatchEulerDiscreteScheduler(), "Compile the solver for rectified_flow"),
        ("2m", UniPCMultistepScheduler(use_flow_sigmas=True), "not for networks with a table"),
        ("2m", EDMEulerScheduler(), "no beta_schedule"),
        ("2m", DDIMScheduler(prediction_type="v_prediction"), "prediction_type is 'v_prediction'"),
        ("tab3", DDIMScheduler(), "not those of the compiled schedule"),
        ("flow_3m", DDIMScheduler(), "not for flow networks"),
        ("flow_3m", EDMEulerScheduler(), "not for flow networks"),
        ("flow_3m", FlowMatchEulerDiscreteScheduler(invert_sigmas=True), "invert_sigmas = True"),
        ("flow_3m", FlowMatchEulerDiscreteScheduler(stochastic_sampling=True), "stochastic"),
    ],
)
def test_configs_of_other_families_are_refused(name: str, peer: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        module(name).Scheduler.from_config(peer.config)


def test_flow_sigmas_of_other_schedulers_are_read() -> None:
    peer = UniPCMultistepScheduler(
        use_flow_sigmas=True, flow_shift=4.0, prediction_type="flow_prediction"
    )
    assert module("flow_3m").Scheduler.from_config(peer.config).config.shift == 4.0


@pytest.mark.parametrize("scheme", ["multistep:4", "unipc:3:bh2", "unip:3:exact", "unipc:2:bh1"])
@pytest.mark.parametrize("steps", [1, 2, 3, 10])
def test_steps_are_calls_of_the_network(scheme: str, steps: int) -> None:
    """Unless the scheme says exact, and then all that it spends is listed."""
    for schedule, prediction in (("vp_alphabar", "velocity"), ("rectified_flow", "flow")):
        spec = sg.Solver(schedule, prediction, "data", "half_log_snr", scheme)
        one = sg.compile(spec, "diffusers").Scheduler()
        one.set_timesteps(steps)
        assert len(one.timesteps) == steps
        assert one.__module__ == sg.compile(_named(spec, f"{scheme}:ramp"), "diffusers").__name__
        said = sg.compile(_named(spec, f"{scheme}:exact"), "diffusers").Scheduler()
        said.set_timesteps(steps)
        assert (len(said.timesteps) > steps) == (steps > 2)  # the last one is of first order


def _named(spec: sg.Solver, scheme: str) -> sg.Solver:
    return sg.Solver(spec.schedule, spec.prediction, spec.integrand, spec.expansion, scheme)


def test_no_run_begins_in_a_start_up() -> None:
    one = scheduler("flow_3m_exact")
    one.set_timesteps(6)
    one.set_begin_index(4)
    with pytest.raises(ValueError, match="spends extra evaluations in its first steps"):
        one.step(X, one.timesteps[4], X)
    two = scheduler("2s")
    two.set_timesteps(4)
    with pytest.raises(ValueError, match="not the start of a step"):
        two.step(X, two.timesteps[3], X)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (("ve", "noise"), r"expected alpha\^2 \+ sigma\^2 = 1"),
        (("vp_alphabar", "score"), r"expected noise \(epsilon\), data \(sample\), velocity"),
        (("flow_shifted", "flow"), r"straight \(flow_prediction\)"),
        (("rectified_flow", "flow", "flow", "time", "adams_moulton:2:tol=1e-3"), "in advance"),
    ],
)
def test_solvers_for_no_pipeline_are_refused(choice: tuple, message: str) -> None:
    with pytest.raises(sg.SolvergenError, match=message):
        sg.emit(sg.Solver(*choice), "diffusers")


def test_step_does_not_wait_for_the_device() -> None:
    """On the meta device every look at a value raises."""
    for name in ("3m", "unipc", "2s"):
        one = scheduler(name)
        one.set_timesteps(5)
        one.timesteps = one.timesteps.to("meta")
        x = X.to("meta")
        one.set_begin_index(0)
        for t in one.timesteps:
            x = one.step(x * 0.5, t, x).prev_sample
        assert x.device.type == "meta"
