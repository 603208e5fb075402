"""Whole pipelines of diffusers, with small random networks, run with emitted schedulers."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import torch_extras  # noqa: F401
from diffusers import (
    AutoencoderKL,
    DDIMPipeline,
    DDIMScheduler,
    DDPMPipeline,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxImg2ImgPipeline,
    FluxPipeline,
    FluxTransformer2DModel,
    PNDMScheduler,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionPipeline,
    UNet2DConditionModel,
    UNet2DModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

import solvergen as sg

PROMPTS = ["a", "a a"]
SOLVERS = {
    "2m_midpoint": ("vp_alphabar", "noise", "data", "half_log_snr", "1:{0} | 1:{0,-1}~classical"),
    "3m": ("vp_alphabar", "noise", "data", "half_log_snr", "multistep:3"),
    "3m_ramp": ("vp_alphabar", "noise", "data", "half_log_snr", "multistep:3:ramp"),
    "2s": ("vp_alphabar", "noise", "data", "half_log_snr", "singlestep:2"),
    "unipc": ("vp_alphabar", "noise", "data", "half_log_snr", "unipc:2:bh2:ramp"),
    "ddim": ("vp_alphabar", "noise", "noise", "half_log_snr", "multistep:1"),
    "flow_euler": ("rectified_flow", "flow", "flow", "time", "multistep:1"),
    "flow_2m": ("rectified_flow", "flow", "flow", "time", "multistep:2"),
    "flow_heun": ("rectified_flow", "flow", "flow", "time", "heun"),
    "sde_2m": ("vp_alphabar", "noise", "data", "half_log_snr", "multistep:2:ramp"),
    "sde_2s": ("vp_alphabar", "noise", "data", "half_log_snr", "singlestep:2"),
    "flow_sde": ("rectified_flow", "flow", "flow", "time", "multistep:2:ramp"),
}
"""With ``sde`` in their names they add noise on the way."""
BOTH = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])


def module(name: str) -> ModuleType:
    """Without a limiter if it is compared with a peer, which has none."""
    noise = 1 if "sde" in name else None
    spec = sg.Solver(*SOLVERS[name], limiter=name != "2m_midpoint", stochasticity=noise)
    return sg.compile(spec, "diffusers")


def ours(name: str, pipe: Any) -> Any:
    """What the README says: the emitted scheduler with the pipeline's config."""
    return module(name).Scheduler.from_config(pipe.scheduler.config)


def quiet(pipe: Any, dtype: torch.dtype = torch.float32) -> Any:
    pipe.set_progress_bar_config(disable=True)
    return pipe.to(dtype)


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def close(found: Any, expected: Any, tolerance: float) -> bool:
    found, expected = (torch.as_tensor(one).float() for one in (found, expected))
    return bool((found - expected).abs().max() <= tolerance * expected.abs().max())


def decoder(channels: int, **options: Any) -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(4, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=channels,
        norm_num_groups=2,
        sample_size=16,
        **options,
    )


@pytest.fixture(scope="module")
def unconditional() -> UNet2DModel:
    torch.manual_seed(0)
    return UNet2DModel(
        sample_size=8,
        block_out_channels=(4, 8),
        layers_per_block=1,
        norm_num_groups=2,
        down_block_types=("DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D"),
    )


@pytest.fixture(scope="module")
def stable_diffusion(tmp_path_factory: pytest.TempPathFactory) -> StableDiffusionPipeline:
    """All components small and random; the tokenizer knows one letter."""
    torch.manual_seed(0)
    folder: Path = tmp_path_factory.mktemp("tokenizer")
    words = {"<|startoftext|>": 0, "<|endoftext|>": 1, "a</w>": 2, "a": 3}
    (folder / "vocab.json").write_text(json.dumps(words))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    files = str(folder / "vocab.json"), str(folder / "merges.txt")
    text = CLIPTextConfig(
        vocab_size=4,
        hidden_size=8,
        intermediate_size=16,
        num_attention_heads=2,
        num_hidden_layers=1,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(4, 8),
        layers_per_block=1,
        norm_num_groups=2,
        cross_attention_dim=8,
        attention_head_dim=2,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    )
    return StableDiffusionPipeline(
        vae=decoder(4),
        text_encoder=CLIPTextModel(text),
        tokenizer=CLIPTokenizer(*files, model_max_length=77),
        unet=unet,
        scheduler=PNDMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            steps_offset=1,
            skip_prk_steps=True,
            timestep_spacing="leading",
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


@pytest.fixture(scope="module")
def flux() -> FluxPipeline:
    """A small random transformer, asked with embeddings of its own."""
    torch.manual_seed(0)
    transformer = FluxTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=8,
        pooled_projection_dim=8,
        axes_dims_rope=(4, 4, 8),
    )
    return FluxPipeline(
        transformer=transformer,
        vae=decoder(4, use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.06),
        text_encoder=None,
        tokenizer=None,
        text_encoder_2=None,
        tokenizer_2=None,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True),
    )


def with_scheduler(pipe: Any, scheduler: Any, kind: Any = None) -> Any:
    """The same networks in another pipeline."""
    parts = {**pipe.components, "scheduler": scheduler}
    extra = {} if "safety_checker" not in parts else {"requires_safety_checker": False}
    return (kind or type(pipe))(**parts, **extra)


@BOTH
@pytest.mark.parametrize("name", ["ddim", "2s", "3m", "unipc"])
def test_unconditional(unconditional: UNet2DModel, name: str, dtype: torch.dtype) -> None:
    pipe = DDPMPipeline(unconditional, DDPMScheduler())
    pipe = quiet(DDPMPipeline(unconditional, ours(name, pipe)), dtype)
    images = pipe(batch_size=2, num_inference_steps=4, output_type="pt", generator=seeded()).images
    assert images.shape == (2, 3, 8, 8)
    assert images.isfinite().all()


def test_ddim_pipeline_gives_the_sample_of_ddim(unconditional: UNet2DModel) -> None:
    scheduler = DDIMScheduler(clip_sample=False, timestep_spacing="trailing")
    pipe = quiet(DDIMPipeline(unconditional, scheduler))
    options = {"batch_size": 2, "num_inference_steps": 5, "output_type": "np"}
    expected = pipe(**options, generator=seeded()).images
    pipe.scheduler = ours("ddim", pipe)
    found = pipe(**options, generator=seeded()).images
    assert close(found, expected, 1e-5)


@BOTH
@pytest.mark.parametrize("name", ["2m_midpoint", "3m", "2s", "unipc", "sde_2m", "sde_2s"])
def test_text_to_image(stable_diffusion: Any, name: str, dtype: torch.dtype) -> None:
    pipe = quiet(with_scheduler(stable_diffusion, ours(name, stable_diffusion)), dtype)
    images = pipe(PROMPTS, num_inference_steps=3, output_type="np", generator=seeded()).images
    assert images.shape == (2, 16, 16, 3)
    assert np.isfinite(images).all()


@pytest.mark.parametrize("steps", [1, 2, 20])
def test_text_to_image_gives_the_sample_of_dpm_solver(stable_diffusion: Any, steps: int) -> None:
    peer = DPMSolverMultistepScheduler.from_config(
        stable_diffusion.scheduler.config, lower_order_final=False
    )
    options = {"prompt": PROMPTS, "num_inference_steps": steps, "output_type": "latent"}
    one = quiet(with_scheduler(stable_diffusion, peer))
    expected = one(**options, generator=seeded()).images
    two = quiet(with_scheduler(stable_diffusion, ours("2m_midpoint", one)))
    found = two(**options, generator=seeded()).images
    assert close(found, expected, 2e-5)


def test_noise_has_a_generator_for_every_sample(stable_diffusion: Any) -> None:
    pipe = quiet(with_scheduler(stable_diffusion, ours("sde_2m", stable_diffusion)))

    def latents(prompts: list[str], *seeds: int) -> torch.Tensor:
        generators = [torch.Generator().manual_seed(one) for one in seeds]
        options = {"num_inference_steps": 4, "output_type": "latent"}
        return pipe(prompts, generator=generators, **options).images

    whole = latents(PROMPTS, 1, 2)
    assert close(whole[1:], latents(PROMPTS[1:], 2), 1e-4)
    assert not close(whole, latents(PROMPTS, 3, 2), 1e-2)


def test_custom_timesteps_and_sigmas(stable_diffusion: Any) -> None:
    pipe = quiet(with_scheduler(stable_diffusion, ours("2m_midpoint", stable_diffusion)))
    options = {"prompt": PROMPTS, "output_type": "latent"}
    listed = [999, 700, 333, 50]
    by_timesteps = pipe(**options, timesteps=listed, generator=seeded()).images
    assert pipe.scheduler.timesteps.tolist() == listed
    levels = pipe.scheduler.sigmas[:-1].double().tolist()
    by_sigmas = pipe(**options, sigmas=levels, generator=seeded()).images
    assert close(by_sigmas, by_timesteps, 1e-4)


@BOTH
@pytest.mark.parametrize(
    "name", ["2m_midpoint", "3m", "3m_ramp", "2s", "unipc", "sde_2m", "sde_2s"]
)
def test_image_to_image(stable_diffusion: Any, name: str, dtype: torch.dtype) -> None:
    scheduler = ours(name, stable_diffusion)
    pipe = with_scheduler(stable_diffusion, scheduler, StableDiffusionImg2ImgPipeline)
    image = torch.rand(2, 3, 16, 16, generator=seeded())
    options = {"num_inference_steps": 5, "output_type": "np", "generator": seeded()}
    found = quiet(pipe, dtype)(PROMPTS, image=image, strength=0.6, **options).images
    assert np.isfinite(found).all()
    assert scheduler.begin_index == 2 * scheduler.order
    assert scheduler.step_index == len(scheduler.timesteps)


def test_image_to_image_gives_the_sample_of_dpm_solver(stable_diffusion: Any) -> None:
    image = torch.rand(2, 3, 16, 16, generator=seeded())
    found = {}
    peer = DPMSolverMultistepScheduler.from_config(
        stable_diffusion.scheduler.config, lower_order_final=False
    )
    for name, scheduler in (("peer", peer), ("ours", ours("2m_midpoint", stable_diffusion))):
        pipe = quiet(with_scheduler(stable_diffusion, scheduler, StableDiffusionImg2ImgPipeline))
        options = {"num_inference_steps": 10, "output_type": "latent", "generator": seeded()}
        found[name] = pipe(PROMPTS, image=image, strength=0.7, **options).images
    assert close(found["ours"], found["peer"], 2e-5)


def test_inpainting(stable_diffusion: Any) -> None:
    """The part outside the mask comes back as it was, up to the decoder."""
    scheduler = ours("2m_midpoint", stable_diffusion)
    pipe = quiet(with_scheduler(stable_diffusion, scheduler, StableDiffusionInpaintPipeline))
    image, mask = torch.rand(1, 3, 16, 16, generator=seeded()), torch.zeros(1, 1, 16, 16)
    mask[..., 8:] = 1.0
    options = {"height": 16, "width": 16, "num_inference_steps": 5, "output_type": "latent"}
    found = pipe("a", image=image, mask_image=mask, generator=seeded(), **options).images
    again = pipe("a a", image=image, mask_image=mask, generator=seeded(), **options).images
    assert found.isfinite().all()
    assert torch.equal(found[..., :4], again[..., :4])
    assert not torch.equal(found[..., 4:], again[..., 4:])


@BOTH
def test_one_grid(stable_diffusion: Any, dtype: torch.dtype) -> None:
    """A run with its own timesteps: so many steps and no others, and no image to begin with."""
    spec = sg.Solver(*SOLVERS["unipc"][:4], "unipc:2:exact:ramp")
    run = sg.compile(spec, "diffusers", timesteps=[0.99, 0.9, 0.5, 0.1, 0.01])
    scheduler = run.Scheduler.from_config(stable_diffusion.scheduler.config)
    pipe = quiet(with_scheduler(stable_diffusion, scheduler), dtype)
    options = {"output_type": "np", "generator": seeded()}
    images = pipe(PROMPTS, num_inference_steps=4, **options).images
    assert np.isfinite(images).all()
    levels = 1 / (1 + np.exp(2 * np.array([row[0] for row in run.ROWS])))
    np.testing.assert_allclose(levels, [0.99, 0.9, 0.5, 0.1])
    with pytest.raises(ValueError, match="expected 4, those of the run"):
        pipe(PROMPTS, num_inference_steps=5, **options)
    pipe = quiet(with_scheduler(pipe, scheduler, StableDiffusionImg2ImgPipeline), dtype)
    image = torch.rand(2, 3, 16, 16, generator=seeded())
    with pytest.raises(ValueError, match="image-to-image"):
        pipe(PROMPTS, image=image, strength=0.5, num_inference_steps=4, **options)


def test_one_grid_of_a_flow_gives_the_sample_of_its_sigmas(flux: Any) -> None:
    times = [1.0, 0.8, 0.3, 0.05, 0.0]
    spec = sg.Solver("rectified_flow", "flow", "flow", "time", "multistep:2:ramp")
    options = {"height": 16, "width": 16, "num_inference_steps": 4, "output_type": "latent"}
    one = sg.compile(spec, "diffusers", timesteps=times).Scheduler.from_config(
        flux.scheduler.config
    )
    pipe = quiet(with_scheduler(flux, one))
    found = pipe(**embeddings(torch.float32), **options, generator=seeded()).images
    assert one.timesteps.tolist() == [1000.0, 800.0, 300.0, 50.0]
    free = sg.compile(spec, "diffusers").Scheduler(num_train_timesteps=1000)
    pipe = quiet(with_scheduler(flux, free))
    options.pop("num_inference_steps")
    expected = pipe(
        **embeddings(torch.float32), **options, sigmas=times[:-1], generator=seeded()
    ).images
    assert close(found, expected, 1e-5)


def embeddings(dtype: torch.dtype) -> dict[str, torch.Tensor]:
    generator = seeded()
    return {
        "prompt_embeds": torch.randn(2, 4, 8, generator=generator).to(dtype),
        "pooled_prompt_embeds": torch.randn(2, 8, generator=generator).to(dtype),
    }


@BOTH
@pytest.mark.parametrize("name", ["flow_euler", "flow_2m", "flow_heun", "flow_sde"])
def test_flow(flux: Any, name: str, dtype: torch.dtype) -> None:
    pipe = quiet(with_scheduler(flux, ours(name, flux)), dtype)
    options = {"height": 16, "width": 16, "output_type": "np", "generator": seeded()}
    for places in ({"num_inference_steps": 4}, {"sigmas": [1.0, 0.6, 0.1]}):
        images = pipe(**embeddings(dtype), **places, **options).images
        assert images.shape == (2, 16, 16, 3)
        assert np.isfinite(images).all()


@pytest.mark.parametrize("steps", [1, 2, 20])
def test_flow_gives_the_sample_of_flow_matching(flux: Any, steps: int) -> None:
    options = {"height": 16, "width": 16, "num_inference_steps": steps, "output_type": "latent"}
    expected = quiet(flux)(**embeddings(torch.float32), **options, generator=seeded()).images
    pipe = quiet(with_scheduler(flux, ours("flow_euler", flux)))
    found = pipe(**embeddings(torch.float32), **options, generator=seeded()).images
    assert close(found, expected, 1e-5)


def test_flow_from_an_image(flux: Any) -> None:
    image = torch.rand(2, 3, 16, 16, generator=seeded())
    found = {}
    for name, scheduler in (("peer", flux.scheduler), ("ours", ours("flow_euler", flux))):
        pipe = quiet(with_scheduler(flux, scheduler, FluxImg2ImgPipeline))
        options = {"height": 16, "width": 16, "num_inference_steps": 6, "output_type": "latent"}
        found[name] = pipe(
            image=image, strength=0.5, **embeddings(torch.float32), **options, generator=seeded()
        ).images
    assert close(found["ours"], found["peer"], 1e-5)
