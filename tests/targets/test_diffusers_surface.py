"""What pipelines and people ask of a scheduler beside its steps: hooks, outputs, names, folders."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import torch_extras  # noqa: F401
from diffusers import (
    DDIMScheduler,
    DDPMPipeline,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    PNDMScheduler,
    UNet2DModel,
)
from diffusers.utils import dynamic_modules_utils
from torch._dynamo.testing import CompileCounter
from typer.testing import CliRunner

import solvergen as sg
from solvergen.cli import app
from solvergen.targets.files import load
from solvergen.targets.solver_names import class_name

TABLE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
X = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
FAMILIES = {
    "epsilon": ("vp_alphabar", "noise"),
    "v_prediction": ("vp_alphabar", "velocity"),
    "sample": ("vp_alphabar", "data"),
    "flow_prediction": ("rectified_flow", "flow"),
}


def solver(kind: str, scheme: str = "multistep:2") -> sg.Solver:
    """Without a limiter, as its peers are."""
    return sg.Solver(*FAMILIES[kind], "data", "half_log_snr", scheme, limiter=None)


def scheduler(kind: str, scheme: str = "multistep:2", **options: Any) -> Any:
    options = options if kind == "flow_prediction" else {**TABLE, **options}
    return sg.compile(solver(kind, scheme), "diffusers").Scheduler(**options)


def network(x: torch.Tensor, t: Any) -> torch.Tensor:
    return 1.5 * torch.tanh(x) * (0.5 + float(t) / 2000) + 0.1 * x


def run(one: Any, steps: int = 8, x: torch.Tensor = X) -> list[Any]:
    """All outputs of a run."""
    one.set_timesteps(steps)
    outputs = []
    for t in one.timesteps:
        outputs.append(one.step(network(x, t), t, x))
        x = outputs[-1].prev_sample
    return outputs


@pytest.mark.parametrize(("ratio", "largest"), [(0.5, 1.7), (0.995, 50.0), (1.0, 1.0)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_dynamic_thresholding_is_that_of_diffusers(
    ratio: float, largest: float, dtype: torch.dtype
) -> None:
    options = {"dynamic_thresholding_ratio": ratio, "sample_max_value": largest}
    peer = DDIMScheduler(thresholding=True, **options)
    ours = scheduler("epsilon", thresholding=True, **options)
    for shape in ((3, 4, 8, 8), (1, 3, 2, 5, 5)):
        data = 2.0 * torch.randn(shape, generator=torch.Generator().manual_seed(1)).to(dtype)
        wide = torch.promote_types(dtype, torch.float32)
        found = ours.on_data(data.to(wide), data, 0).to(dtype)
        assert torch.equal(found, peer._threshold_sample(data))


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_thresholded_runs_are_those_of_diffusers(kind: str) -> None:
    options = {"thresholding": True, "dynamic_thresholding_ratio": 0.9, "sample_max_value": 1.5}
    peer = DPMSolverMultistepScheduler(
        **TABLE, **options, prediction_type=kind, solver_type="heun", lower_order_final=False
    )
    ours = type(scheduler(kind)).from_config(peer.config)
    found, expected = run(ours)[-1].prev_sample, run(peer)[-1].prev_sample
    assert (found - expected).abs().max() < 1e-5
    plain = run(scheduler(kind))[-1].prev_sample
    assert (found - plain).abs().max() > 1e-2


@pytest.mark.parametrize("largest", [1.0, 0.6])
@pytest.mark.parametrize("ends_in_data", [True, False])
def test_samples_are_clipped_and_end_where_ddim_does(largest: float, ends_in_data: bool) -> None:
    """With noise that follows from what was clipped, to the level that its config says."""
    peer = DDIMScheduler(
        **TABLE, clip_sample=True, clip_sample_range=largest, set_alpha_to_one=ends_in_data,
        timestep_spacing="trailing",
    )  # fmt: skip
    ours = type(scheduler("epsilon", "multistep:1")).from_config(peer.config)
    found = run(ours)
    peer.set_timesteps(8)
    x = X
    for one, t in zip(found, peer.timesteps, strict=True):
        x = peer.step(network(x, t), t, x, use_clipped_model_output=True).prev_sample
        assert (one.prev_sample - x).abs().max() < 1e-5
    assert float(ours.sigmas[-1]) == pytest.approx(0 if ends_in_data else 0.0292, abs=1e-4)
    assert all(one.pred_original_sample.abs().max() <= largest for one in found)


def test_what_nobody_chose_and_what_its_class_does_not_read_changes_nothing() -> None:
    """clip_sample, True in DDIM, was not said; of set_alpha_to_one PNDM's False is its default, and
    SDXL's config of Euler's method has it left from there."""
    cls = type(scheduler("epsilon"))
    assert cls.from_config(DDIMScheduler(**TABLE).config).on_data is None
    assert cls.from_config(DDIMScheduler(**TABLE).config, clip_sample=True).on_data is not None
    config = DDIMScheduler(**TABLE, set_alpha_to_one=False).config
    assert cls.from_config(config, final_sigmas_type="zero").config.final_sigmas_type == "zero"
    left = {
        **EulerDiscreteScheduler(**TABLE).config,
        "set_alpha_to_one": False,
        "skip_prk_steps": True,
    }
    for other in (PNDMScheduler(**TABLE, set_alpha_to_one=False).config, left):
        one = cls.from_config(other)
        one.set_timesteps(4)
        assert one.sigmas[-1] == 0


def test_thresholding_of_flow_networks() -> None:
    """Sana's and Wan's configs may have it; the data at the end are within its bound."""
    peer = DPMSolverMultistepScheduler(
        use_flow_sigmas=True, prediction_type="flow_prediction", thresholding=True, flow_shift=3.0
    )
    ours = type(scheduler("flow_prediction")).from_config(peer.config)
    outputs = run(ours)
    assert all(one.pred_original_sample.abs().max() <= 1.0 for one in outputs)
    assert outputs[-1].prev_sample.abs().max() <= 1.0 + 1e-6


@pytest.mark.parametrize("kind", FAMILIES)
def test_the_hook_changes_what_is_integrated(kind: str) -> None:
    """The same as a network that is changed before its scheduler sees it."""
    alpha, sigma, seen = 0.0, 0.0, []

    def halved(data: torch.Tensor, x: torch.Tensor, t: Any) -> torch.Tensor:
        seen.append(float(t))
        return 0.5 * data + 0.01 * x

    hooked, plain = scheduler(kind), scheduler(kind)
    hooked.on_data = halved
    outputs = run(hooked, x=X.double())
    plain.set_timesteps(8)
    x = X.double()
    for n, t in enumerate(plain.timesteps):
        level = float(plain.sigmas[n])
        alpha, sigma = (1 - level, level) if kind == "flow_prediction" else (
            1 / (1 + level**2) ** 0.5, level / (1 + level**2) ** 0.5,
        )  # fmt: skip
        p = network(x, t)
        factors = {
            "epsilon": (0, 1), "sample": (1, 0), "v_prediction": (-sigma, alpha),
            "flow_prediction": (-1, 1),
        }[kind]  # fmt: skip
        data = (factors[1] * x - sigma * p) / (alpha * factors[1] - sigma * factors[0])
        data = 0.5 * data + 0.01 * x
        p = factors[0] * data + factors[1] * (x - alpha * data) / sigma
        assert torch.allclose(outputs[n].pred_original_sample, data, rtol=1e-5, atol=1e-5)
        x = plain.step(p, t, x).prev_sample
    assert (outputs[-1].prev_sample - x).abs().max() < 1e-5
    assert seen == hooked.timesteps.tolist()


@pytest.mark.parametrize(
    "choices",
    [
        ("vp_alphabar", "noise", "data", "half_log_snr", "multistep:1"),
        ("stable_diffusion", "noise", "noise", "time", "multistep:1"),  # by way of its own time
    ],
)
def test_what_the_output_says_of_the_data_is_what_diffusers_says(choices: tuple[str, ...]) -> None:
    peer = DDIMScheduler(**TABLE, clip_sample=False, timestep_spacing="trailing")
    ours = sg.compile(sg.Solver(*choices), "diffusers").Scheduler.from_config(peer.config)
    for found, expected in zip(run(ours), run(peer), strict=True):
        for name in ("prev_sample", "pred_original_sample"):
            one, other = getattr(found, name), getattr(expected, name)
            assert (one - other).abs().max() < 1e-5 * other.abs().max()


def test_a_change_that_cannot_be_is_refused() -> None:
    one = scheduler("flow_prediction")
    one.on_data = lambda *_: None
    one.set_timesteps(3)
    with pytest.raises(ValueError, match="expected one like x"):
        one.step(X, one.timesteps[0], X)
    flow = sg.Solver("rectified_flow", "flow", "flow", "time", "multistep:2")
    one = sg.compile(flow, "diffusers").Scheduler()
    one.on_data = lambda data, *_: data
    one.set_timesteps(timesteps=[0, 500, 900])
    with pytest.raises(ValueError, match="at a sigma above 0"):
        one.step(X, one.timesteps[0], X)


@pytest.mark.parametrize("kind", ["exponential", "linear"])
def test_times_are_shifted_as_in_diffusers(kind: str) -> None:
    peer = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, time_shift_type=kind)
    ours = type(scheduler("flow_prediction")).from_config(peer.config)
    for t in (np.linspace(0.1, 1, 7), torch.linspace(0.1, 1, 7)):
        for power in (1.0, 1.4):
            found, expected = (one.time_shift(0.7, power, t) for one in (ours, peer))
            assert type(found) is type(expected)
            np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("spread", ["karras", "exponential", "beta"])
def test_ends_of_a_spread_of_a_flow_are_read(spread: str) -> None:
    options = {f"use_{spread}_sigmas": True, "sigma_min": 0.02, "sigma_max": 0.9}
    one = scheduler("flow_prediction", **options)
    one.set_timesteps(9)
    np.testing.assert_allclose(one.sigmas[[0, -2, -1]], [0.9, 0.02, 0.0], rtol=1e-6)
    assert (one.sigmas.diff() < 0).all()


def _pipeline(one: Any) -> DDPMPipeline:
    torch.manual_seed(0)
    unet = UNet2DModel(
        sample_size=8, in_channels=3, out_channels=3, layers_per_block=1,
        block_out_channels=(8, 16), norm_num_groups=4,
        down_block_types=("DownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "UpBlock2D"),
    )  # fmt: skip
    pipe = DDPMPipeline(unet=unet, scheduler=one)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _images(pipe: Any) -> np.ndarray:
    generator = torch.Generator().manual_seed(3)
    found: np.ndarray = pipe(generator=generator, num_inference_steps=3, output_type="np").images
    return found


def test_a_saved_pipeline_brings_its_scheduler_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loaded where the module is unknown, and saved again from there; not without being trusted."""
    monkeypatch.setattr(dynamic_modules_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    path = sg.write(solver("epsilon"), "diffusers", tmp_path / "my_scheduler.py", class_name="Mine")
    module = load(path)
    pipe = _pipeline(module.Mine(**TABLE, timestep_spacing="trailing"))
    expected = _images(pipe)
    folder, name = tmp_path / "first", module.__name__
    pipe.save_pretrained(folder)
    assert (folder / "scheduler" / f"{name}.py").read_text() == path.read_text()
    monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(ValueError, match="trust_remote_code"):
        DDPMPipeline.from_pretrained(folder)
    for further in ("second", "third"):
        again = DDPMPipeline.from_pretrained(folder, trust_remote_code=True)
        again.set_progress_bar_config(disable=True)
        assert type(again.scheduler).__name__ == "Mine"
        assert type(again.scheduler).__module__ != name
        # The network's weights lie elsewhere in memory now, which changes its last digits.
        np.testing.assert_allclose(_images(again), expected, atol=1e-4)
        folder, name = tmp_path / further, type(again.scheduler).__module__
        again.save_pretrained(folder)


def test_a_class_says_schedule_and_scheme() -> None:
    named = {
        ("vp_alphabar", "noise", "data", "half_log_snr", "multistep:2"): "VpAlphabarDataMultistep2",
        ("rectified_flow", "flow", "data", "time", "multistep:2"): "RectifiedFlowDataMultistep2",
        ("trigonometric", "velocity", "velocity", "theta", "heun"): "TrigonometricVelocityHeun",
    }
    for choices, name in named.items():
        found = class_name(sg.Solver(*choices))
        assert found.startswith(name)
        assert found.endswith("Scheduler")
    module = sg.compile(solver("epsilon"), "diffusers")
    assert getattr(module, class_name(solver("epsilon"))) is module.Scheduler
    t = sg.t
    for text in ("3d", "Ω", "x" * 90, "a b;c", "__"):
        schedule = sg.NoiseSchedule(1 - t, t, name=text)
        name = class_name(sg.Solver(schedule, "flow", "flow", "time"))
        assert name.isidentifier()
        assert name.isascii()


def test_a_class_is_called_as_it_is_asked_to_be(tmp_path: Path) -> None:
    options = ["compile", "--schedule", "vp_alphabar", "--target", "diffusers"]
    path = tmp_path / "named.py"
    done = CliRunner().invoke(app, [*options, "--class-name", "Sunrise", "-o", str(path)])
    assert done.exit_code == 0, done.output
    assert "--class-name Sunrise" in " ".join(path.read_text().split())
    module: ModuleType = load(path)
    assert module.Scheduler is module.Sunrise
    one, two = (sg.compile(solver("epsilon"), "diffusers", class_name=c) for c in ("One", "Two"))
    assert (one.Scheduler.__name__, two.Scheduler.__name__) == ("One", "Two")
    for wrong in ("torch", "2nd", "class", "a b", "ORDER", "print", "Scheduler", "_hidden", 7):
        with pytest.raises(sg.EmissionError, match="class name"):
            sg.emit(solver("epsilon"), "diffusers", class_name=wrong)
    with pytest.raises(sg.EmissionError, match="expected the target diffusers"):
        sg.emit(solver("epsilon"), "torch", class_name="One")


def _compiled(one: Any, steps: int = 6) -> tuple[int, int]:
    """(graph breaks, compilations) of a run whose steps are compiled."""
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    counter = CompileCounter()

    def step(p: torch.Tensor, t: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = one.step(p, t, x, return_dict=False)[0]
        return found

    compiled = torch.compile(step, backend=counter)
    one.set_timesteps(steps)
    one.set_begin_index(0)
    x = X
    for t in one.timesteps:
        x = compiled(0.5 * x, t, x)
    breaks = sum(torch._dynamo.utils.counters["graph_break"].values())
    return breaks, counter.frame_count


@pytest.mark.parametrize(
    ("kind", "scheme", "more"),
    [
        ("epsilon", "multistep:2", 0),
        ("flow_prediction", "multistep:2", 0),
        ("flow_prediction", "multistep:3", 1),  # the last step, whose value is not kept
    ],
)
def test_a_compiled_step_is_one_graph(kind: str, scheme: str, more: int) -> None:
    """With no more breaks and compilations than the step of Euler's method in diffusers."""
    breaks, frames = _compiled(scheduler(kind, scheme))
    assert breaks == 0
    peers = {"epsilon": EulerDiscreteScheduler, "flow_prediction": FlowMatchEulerDiscreteScheduler}
    theirs = _compiled(peers[kind]())
    assert breaks <= theirs[0]
    assert frames <= theirs[1] + more
