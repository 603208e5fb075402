"""Schedulers with noise: the steps of diffusers' own where these are right, and whole pipelines."""

from typing import Any

import pytest
import torch
import torch_extras  # noqa: F401
from diffusers import (
    DDIMScheduler,
    DDPMPipeline,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    UNet2DModel,
)

import solvergen as sg
from solvergen.targets.files import load_text

TABLE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
STEPS = 12


def scheduler(preset: str, **options: Any) -> Any:
    solver = sg.presets.get(preset, "stable_diffusion", "noise", **options)
    return load_text(sg.emit(solver, "diffusers"), f"d_{solver.content_hash}").Scheduler


def predicted(x: torch.Tensor, index: int) -> torch.Tensor:
    return 0.6 * x + 0.1 * torch.sin(3 * x + index)


def normals(seed: int = 1) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(2, 3, 4, 4, generator=generator) for _ in range(STEPS)]


def ran(ours: Any, timesteps: Any = None, sigmas: Any = None) -> torch.Tensor:
    """A run of one of ours with given noises."""
    ours.set_timesteps(timesteps=timesteps, sigmas=sigmas)
    x = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    for n, t in enumerate(ours.timesteps):
        x = ours.step(predicted(x, n), t, x, variance_noise=normals()[n]).prev_sample
    return x


@pytest.mark.parametrize(
    ("preset", "order", "kind"),
    [
        ("sde_dpm_solver_pp_1", 1, "midpoint"),
        ("sde_dpm_solver_pp_2m", 2, "heun"),
        ("sde_dpm_solver_pp_2m_midpoint", 2, "midpoint"),
    ],
)
@pytest.mark.parametrize("thresholding", [False, True])
def test_steps_of_sde_dpm_solver(preset: str, order: int, kind: str, thresholding: bool) -> None:
    theirs = DPMSolverMultistepScheduler(
        **TABLE, algorithm_type="sde-dpmsolver++", solver_order=order, solver_type=kind,
        final_sigmas_type="zero", lower_order_final=False, euler_at_final=True,
        thresholding=thresholding, sample_max_value=1.5,
    )  # fmt: skip
    theirs.set_timesteps(STEPS)
    x = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    for n, t in enumerate(theirs.timesteps):
        x = theirs.step(predicted(x, n), t, x, variance_noise=normals()[n]).prev_sample
    ours = scheduler(preset, limiter=None).from_config(theirs.config)
    found = ran(ours, sigmas=theirs.sigmas[:-1])
    assert (found - x).abs().max() < 2e-5 * x.abs().max()


@pytest.mark.parametrize("eta", [0.0, 0.4, 1.0])
def test_steps_of_ddim(eta: float) -> None:
    theirs = DDIMScheduler(**TABLE, clip_sample=False, set_alpha_to_one=True)
    theirs.set_timesteps(STEPS)
    x = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    for n, t in enumerate(theirs.timesteps):
        noise = normals()[n] if eta else None
        x = theirs.step(predicted(x, n), t, x, eta=eta, variance_noise=noise).prev_sample
    solver = {"stochasticity": f"ancestral: {eta}"} if eta else {"stochasticity": "ancestral: 1"}
    kind = scheduler("ddpm", **solver)
    if not eta:
        return
    found = ran(kind(**TABLE), timesteps=theirs.timesteps)
    assert (found - x).abs().max() < 2e-5 * x.abs().max()


def test_steps_of_euler_ancestral() -> None:
    """In their space x/alpha."""
    theirs = EulerAncestralDiscreteScheduler(**TABLE)
    theirs.set_timesteps(STEPS)
    start = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    scale = (1 + theirs.sigmas**2) ** 0.5
    y, drawn = start * scale[0], iter(normals())
    import diffusers.schedulers.scheduling_euler_ancestral_discrete as place

    patch = pytest.MonkeyPatch()
    patch.setattr(place, "randn_tensor", lambda *_, **__: next(drawn))
    for n, t in enumerate(theirs.timesteps):
        x = theirs.scale_model_input(y, t)
        y = theirs.step(predicted(x, n), t, y).prev_sample
    patch.undo()
    found = ran(scheduler("euler_ancestral")(**TABLE), sigmas=theirs.sigmas[:-1])
    assert (found - y).abs().max() < 3e-5 * y.abs().max()


def test_generators_and_config() -> None:
    """One, a list with one for each sample, the same alone; eta and scale of the config."""
    kind = scheduler("sde_dpm_solver_pp_2m")

    def run(x: torch.Tensor, generator: Any, **config: Any) -> torch.Tensor:
        ours = kind(**TABLE, **config)
        ours.set_timesteps(6)
        for n, t in enumerate(ours.timesteps):
            x = ours.step(predicted(x, n), t, x, generator=generator).prev_sample
        return x

    x = torch.randn(3, 2, 4, 4, generator=torch.Generator().manual_seed(0))

    def seeded(*seeds: int) -> list[torch.Generator]:
        return [torch.Generator().manual_seed(one) for one in seeds]

    whole = run(x, seeded(1, 2, 3))
    assert torch.equal(whole[1:2], run(x[1:2], seeded(2)))
    assert torch.equal(whole.flip(0), run(x.flip(0), seeded(3, 2, 1)))
    assert torch.equal(run(x, seeded(4)[0]), run(x, seeded(4)[0]))
    quiet = run(x, None, eta=0.0)
    assert torch.equal(quiet, run(x, None, eta=0.0))
    assert not torch.allclose(quiet, whole)
    ours = kind(**TABLE)
    ours.set_timesteps(6)
    with pytest.raises(ValueError, match="variance_noise"):
        ours.step(x, ours.timesteps[0], x, variance_noise=x[:1])


def test_from_a_config_that_asks_for_noise() -> None:
    theirs = DPMSolverMultistepScheduler(**TABLE, algorithm_type="sde-dpmsolver++")
    noisy = scheduler("sde_dpm_solver_pp_2m")
    assert noisy.from_config(theirs.config).config.beta_start == TABLE["beta_start"]
    solver = sg.presets.get("dpm_solver_pp_2m", "stable_diffusion", "noise")
    plain = load_text(sg.emit(solver, "diffusers"), "d_plain").Scheduler
    with pytest.raises(ValueError, match="not compiled in"):
        plain.from_config(theirs.config)


def test_pipeline_with_a_list_of_generators() -> None:
    torch.manual_seed(0)
    network = UNet2DModel(
        sample_size=8, in_channels=3, out_channels=3, layers_per_block=1,
        block_out_channels=(8, 16), norm_num_groups=4,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    )  # fmt: skip
    ours = scheduler("sde_dpm_solver_pp_2m")(**TABLE)
    pipe = DDPMPipeline(unet=network, scheduler=ours)
    pipe.set_progress_bar_config(disable=True)

    def images(*seeds: int) -> Any:
        generators = [torch.Generator().manual_seed(one) for one in seeds]
        return pipe(
            batch_size=len(seeds), generator=generators, num_inference_steps=4, output_type="np"
        ).images

    assert abs(images(5, 6)[1:] - images(6)).max() < 1e-5
