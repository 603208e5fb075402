"""Every option of the configs of diffusers' schedulers is read, or refused by name."""

import inspect
import json
import logging
import runpy
from pathlib import Path
from types import ModuleType
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
import torch_extras  # noqa: F401
from diffusers import (
    CogVideoXDDIMScheduler,
    DDIMInverseScheduler,
    DDIMScheduler,
    DPMSolverMultistepInverseScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    LCMScheduler,
    TCDScheduler,
    UniPCMultistepScheduler,
)

import solvergen as sg
from solvergen.targets.diffusers_options import DISCRETE, FLOW, Options, markdown

X = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
CHOICES = {
    "epsilon": ("vp_alphabar", "noise", "data", "half_log_snr", "multistep:2"),
    "v_prediction": ("trigonometric", "velocity", "data", "sigma/(alpha+sigma)", "multistep:2"),
    "flow_prediction": ("rectified_flow", "flow", "data", "time", "multistep:2"),
}


def module(prediction: str) -> ModuleType:
    return sg.compile(sg.Solver(*CHOICES[prediction]), "diffusers")


def read(config: Any, prediction: str = "epsilon", **options: Any) -> Any:
    return module(prediction).Scheduler.from_config(config, **options)


def network(x: torch.Tensor, t: Any) -> torch.Tensor:
    return torch.tanh(x) * (0.5 + float(t) / 2000) + 0.1 * x


def classes() -> dict[str, dict[str, Any]]:
    """The options of every scheduler class of diffusers, with their defaults."""
    found = {}
    for name in dir(diffusers):
        one = getattr(diffusers, name)
        if name.endswith("Scheduler") and inspect.isclass(one):
            parameters = list(inspect.signature(one.__init__).parameters.values())[1:]
            found[name] = {p.name: p.default for p in parameters if p.kind is not p.VAR_KEYWORD}
    return found


def family(name: str, options: dict[str, Any]) -> list[Options]:
    """The families that a config of a class may be one of."""
    discrete, flow = "beta_schedule" in options, {"shift", "use_flow_sigmas"} & {*options}
    return [*([DISCRETE] if discrete else []), *([FLOW] if flow else [])]


def test_every_option_of_every_class_is_in_the_table() -> None:
    found = classes()
    assert len(found) > 20
    for name, options in found.items():
        for one in family(name, options):
            assert set(options) <= one.names, (name, set(options) - one.names)
    assert DISCRETE.names | FLOW.names <= {
        option for options in found.values() for option in options
    }
    for one in (DISCRETE, FLOW):
        assert len(one.names) == len((*one.read, *one.plain, *one.idle))


def test_the_page_is_the_table() -> None:
    page = Path(__file__).parents[2] / "docs" / "diffusers_options.md"
    assert page.read_text() == markdown() + "\n"


@pytest.mark.parametrize("prediction", ["epsilon", "flow_prediction"])
def test_options_that_are_read_are_arguments(prediction: str) -> None:
    one = FLOW if prediction == "flow_prediction" else DISCRETE
    arguments = set(inspect.signature(module(prediction).Scheduler.__init__).parameters)
    arguments -= {"self", "inverse", "clip"}  # which classes of configs and other options say
    assert arguments <= set(one.read)
    assert set(one.read) - arguments <= {
        "use_flow_sigmas", "flow_shift", "clip_sample", "clip_sample_range", "set_alpha_to_one",
    }  # fmt: skip


@pytest.mark.parametrize("spacing", ["linspace", "leading", "trailing"])
@pytest.mark.parametrize(
    ("table", "counts"), [(100, range(1, 101)), (1000, (217, 434, 497, 499, 500, 805, 868, 1000))]
)
def test_every_count_of_steps_runs(spacing: str, table: int, counts: Any) -> None:
    one = module("epsilon").Scheduler(
        num_train_timesteps=table, beta_schedule="scaled_linear", timestep_spacing=spacing,
        steps_offset=1,
    )  # fmt: skip
    for count in counts:
        one.set_timesteps(count)
        assert len(one.timesteps) == count
        assert one.sigmas.isfinite().all()
        assert 0 <= one.timesteps.min() <= one.timesteps.max() < table


def test_counts_of_steps_by_every_option() -> None:
    """Some of 72,000 combinations, which ``benchmarks/scheduler_counts.py`` runs all."""
    path = Path(__file__).parents[2] / "benchmarks" / "scheduler_counts.py"
    count, faults = runpy.run_path(str(path))["run"](draw=60, seed=5)
    assert (count, faults) == (60, [])


@pytest.mark.parametrize("spread", ["karras", "exponential", "beta", "lu"])
@pytest.mark.parametrize("zero_snr", [False, True])
@pytest.mark.parametrize("final", ["zero", "sigma_min"])
def test_spreads_run_to_either_end(spread: str, zero_snr: bool, final: str) -> None:
    name = "use_lu_lambdas" if spread == "lu" else f"use_{spread}_sigmas"
    one = module("v_prediction").Scheduler(
        beta_schedule="linear", rescale_betas_zero_snr=zero_snr, final_sigmas_type=final,
        **{name: True},
    )  # fmt: skip
    for count in (1, 2, 30):
        one.set_timesteps(count)
        x = X
        for t in one.timesteps:
            x = one.step(network(x, t), t, x).prev_sample
        assert x.isfinite().all(), count


def test_a_spacing_that_nobody_chose_is_ours() -> None:
    """DDIM's default would start a run from unit noise in the middle of this table."""
    cosine = {"num_train_timesteps": 100, "beta_schedule": "squaredcos_cap_v2"}
    ours = read(DDIMScheduler(**cosine).config)
    ours.set_timesteps(50)
    assert ours.timesteps[0] == 99
    chosen = read(DDIMScheduler(**cosine, timestep_spacing="leading").config)
    chosen.set_timesteps(50)
    assert chosen.timesteps[0] == 50


@pytest.mark.parametrize("shift", [1.0, 3.0, 8.0])
@pytest.mark.parametrize("steps", [1, 8, 20])
def test_flow_sigmas_have_their_own_grid(shift: float, steps: int) -> None:
    peer = UniPCMultistepScheduler(
        use_flow_sigmas=True, flow_shift=shift, prediction_type="flow_prediction"
    )
    ours = read(peer.config, "flow_prediction")
    peer.set_timesteps(steps)
    ours.set_timesteps(steps)
    np.testing.assert_allclose(ours.sigmas, peer.sigmas, rtol=2e-6, atol=1e-7)


def test_one_step_to_a_terminal_shift() -> None:
    ours = read(FlowMatchEulerDiscreteScheduler(shift_terminal=0.1).config, "flow_prediction")
    ours.set_timesteps(1)
    assert ours.sigmas.tolist() == [1.0, 0.0]


@pytest.mark.parametrize("zero_snr", [False, True])
def test_a_shifted_signal_to_noise_ratio_is_read(zero_snr: bool) -> None:
    peer = CogVideoXDDIMScheduler(
        prediction_type="v_prediction", rescale_betas_zero_snr=zero_snr, clip_sample=False
    )
    ours = read(peer.config, "v_prediction")
    steps, ones = torch.arange(1000), torch.ones(1000, 1)
    for x0, eps in ((ones, 0 * ones), (0 * ones, ones)):
        expected, found = (one.add_noise(x0, eps, steps) for one in (peer, ours))
        assert (found - expected).abs().max() < 3e-5


@pytest.mark.parametrize("spread", ["use_karras_sigmas", "use_exponential_sigmas"])
def test_ends_of_a_spread_are_read(spread: str) -> None:
    peer = EulerDiscreteScheduler(
        beta_schedule="scaled_linear", sigma_min=0.03, sigma_max=9.0, **{spread: True}
    )
    ours = read(peer.config)
    for steps in (2, 11):
        peer.set_timesteps(steps)
        ours.set_timesteps(steps)
        np.testing.assert_allclose(ours.sigmas, peer.sigmas, rtol=1e-5)


@pytest.mark.parametrize(
    ("peer", "prediction", "message"),
    [
        (EulerDiscreteScheduler(timestep_type="continuous"), "epsilon", "timestep_type = cont"),
        (EulerDiscreteScheduler(interpolation_type="log_linear"), "epsilon", "interpolation_type"),
        (DPMSolverMultistepScheduler(lambda_min_clipped=-5.1), "epsilon", "lambda_min_clipped"),
        (
            DPMSolverMultistepScheduler(algorithm_type="sde-dpmsolver++"),
            "epsilon",
            "algorithm_type = sde-dpm",
        ),
        (LCMScheduler(), "epsilon", "timestep_scaling = 10.0"),
        (TCDScheduler(), "epsilon", "timestep_scaling = 10.0"),
        (
            FlowMatchEulerDiscreteScheduler(stochastic_sampling=True),
            "flow_prediction",
            "stochastic_sampling = True",
        ),
        (FlowMatchEulerDiscreteScheduler(invert_sigmas=True), "flow_prediction", "invert_sigmas"),
        (
            UniPCMultistepScheduler(use_flow_sigmas=True, final_sigmas_type="sigma_min"),
            "flow_prediction",
            "final_sigmas_type = sigma_min",
        ),
    ],
)
def test_what_is_not_compiled_in_is_refused_by_name(
    peer: Any, prediction: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        read(peer.config, prediction)


@pytest.mark.parametrize("kind", [DDIMInverseScheduler, DPMSolverMultistepInverseScheduler])
def test_a_saved_config_says_its_class(kind: Any, tmp_path: Path) -> None:
    kind().save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "scheduler_config.json").read_text())
    assert read(saved).config.inverse
    assert read(kind.from_pretrained(tmp_path).config).config.inverse
    assert not read(saved, inverse=False).config.inverse
    noisy = sg.Solver(*CHOICES["epsilon"], stochasticity="eta: 1")
    with pytest.raises(ValueError, match=f"{kind.__name__} runs from data to noise"):
        sg.compile(noisy, "diffusers").Scheduler.from_config(saved)
    with pytest.raises(ValueError, match="timesteps that rise"):
        read(FlowMatchEulerDiscreteScheduler().config, "flow_prediction", inverse=True)


@pytest.mark.parametrize("spread", [None, "use_karras_sigmas", "use_exponential_sigmas"])
@pytest.mark.parametrize("spacing", ["linspace", "leading", "trailing"])
@pytest.mark.parametrize("steps", [1, 2, 7, 50])
def test_inverse_runs_go_up_the_levels_of_runs_down(
    spread: str | None, spacing: str, steps: int
) -> None:
    options = {"timestep_spacing": spacing, **({spread: True} if spread else {})}
    peer = DPMSolverMultistepInverseScheduler(beta_schedule="scaled_linear", **options)
    up, down = read(peer.config, inverse=True), read(peer.config)
    for one in (up, down, peer):
        one.set_timesteps(steps)
    assert len(up.timesteps) == steps
    assert (up.timesteps.diff() > 0).all()
    assert up.timesteps[0] == 0  # of the table
    ends = up.sigmas[-1], down.sigmas[0]
    torch.testing.assert_close(*ends)
    if spread is None:  # all of them
        torch.testing.assert_close(up.sigmas[1:], down.sigmas[:-1].flip(0))
    if spread is None and spacing == "linspace":
        assert up.timesteps.tolist() == peer.timesteps.tolist()


@pytest.mark.parametrize("count", [100, 999, 1000])
def test_inverse_runs_through_a_whole_table(count: int) -> None:
    """Repeated steps are dropped, as there."""
    peer = DPMSolverMultistepInverseScheduler(beta_schedule="scaled_linear")
    ours = read(peer.config, inverse=True)
    peer.set_timesteps(count)
    ours.set_timesteps(count)
    assert ours.timesteps.tolist() == peer.timesteps.tolist()


def test_there_and_back_by_schedulers() -> None:
    """Inversion, then the run down from there: the data again, by the order of the method."""
    cosine = {"beta_schedule": "squaredcos_cap_v2", "rescale_betas_zero_snr": True}
    errors = []
    for steps in (25, 50, 100):
        x, start = X.double(), X.double()
        for inverse in (True, False):
            one = module("v_prediction").Scheduler(
                **cosine, inverse=inverse, final_sigmas_type="sigma_min"
            )
            one.set_timesteps(steps)
            for t in one.timesteps:
                x = one.step(network(x, t), t, x).prev_sample
        errors.append(float((x - start).abs().max()))
    assert errors[0] > 2 * errors[1] > 4 * errors[2]


@pytest.mark.parametrize(
    ("prediction", "options", "message"),
    [
        ("epsilon", {"algorithm_type": "sde-dpmsolver"}, "sde-dpmsolver"),
        ("epsilon", {"use_flow_sigmas": True}, "flow sigmas"),
        ("flow_prediction", {"stochastic_sampling": True}, "stochastic_sampling = True"),
    ],
)
def test_keywords_are_read_as_the_config_is(prediction: str, options: dict, message: str) -> None:
    peer = DDIMScheduler() if prediction == "epsilon" else FlowMatchEulerDiscreteScheduler()
    with pytest.raises(ValueError, match=message):
        read(peer.config, prediction, **options)


def test_nothing_that_is_read_is_said_to_be_ignored(caplog: pytest.LogCaptureFixture) -> None:
    peers = (
        DDIMScheduler(), DPMSolverMultistepScheduler(), EulerDiscreteScheduler(sigma_max=9.0),
        CogVideoXDDIMScheduler(prediction_type="epsilon"), FlowMatchEulerDiscreteScheduler(shift=2),
        UniPCMultistepScheduler(use_flow_sigmas=True, prediction_type="flow_prediction"),
    )  # fmt: skip
    with caplog.at_level(logging.WARNING):
        for peer in peers:
            is_flow = "shift" in peer.config or peer.config.get("use_flow_sigmas")
            read(peer.config, "flow_prediction" if is_flow else "epsilon")
    assert "will be ignored" not in caplog.text


@pytest.mark.parametrize("kind", ["learned", "learned_range"])
def test_a_learned_variance_is_left_out(kind: str) -> None:
    plain, wide = (read(DDIMScheduler().config, variance_type=v) for v in ("fixed_small", kind))
    samples = []
    for one in (plain, wide):
        one.set_timesteps(4)
        x = X
        for t in one.timesteps:
            output = network(x, t)
            output = torch.cat([output, 7 * output], dim=1) if one is wide else output
            x = one.step(output, t, x).prev_sample
        samples.append(x)
    assert torch.equal(*samples)


@pytest.mark.parametrize("kind", ["expanded", "repeated"])
def test_a_timestep_for_each_of_the_batch(kind: str) -> None:
    one, two = read(DDIMScheduler().config), read(DDIMScheduler().config)
    samples = []
    for scheduler in (one, two):
        scheduler.set_timesteps(4)
        x = X
        for t in scheduler.timesteps:
            given = t.expand(2) if kind == "expanded" else t.repeat(2)
            x = scheduler.step(network(x, t), given if scheduler is two else t, x).prev_sample
        samples.append(x)
    assert torch.equal(*samples)


@pytest.mark.parametrize("given", [7, torch.tensor(7), torch.tensor([7, 7]), np.array([7.0])])
@pytest.mark.parametrize("prediction", ["epsilon", "flow_prediction"])
def test_noise_is_added_at_any_kind_of_time(prediction: str, given: Any) -> None:
    peer = DDIMScheduler() if prediction == "epsilon" else FlowMatchEulerDiscreteScheduler()
    one = read(peer.config, prediction)
    expected = one.add_noise(X, 2 * X, torch.tensor([7, 7]))
    assert torch.equal(one.add_noise(X, 2 * X, given), expected)


def test_grids_in_any_precision() -> None:
    one = read(FlowMatchEulerDiscreteScheduler().config, "flow_prediction")
    one.set_timesteps(sigmas=torch.tensor([1.0, 0.75, 0.5], dtype=torch.bfloat16))
    assert one.sigmas.tolist() == [1.0, 0.75, 0.5, 0.0]
    two = read(DDIMScheduler().config)
    two.set_timesteps(sigmas=torch.tensor([4.0, 1.0, 0.25], dtype=torch.float16))
    np.testing.assert_allclose(two.sigmas, [4.0, 1.0, 0.25, 0.0], rtol=1e-6)
