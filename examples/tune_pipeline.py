"""A solver tuned for a pipeline of diffusers: its network, its prompt, its guidance, six calls.

The pipeline here is a small one with random weights, so that the example runs anywhere; of a
trained one everything below ``pipeline`` stays as it is.
"""

import json
import tempfile
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

import solvergen as sg
from solvergen.compiler import load

PROMPT, GUIDANCE, EVALUATIONS, SHAPE = "a a", 5.0, 6, (4, 8, 8)
TABLE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


class Denoiser(UNet2DConditionModel):
    """What a network of random weights is not, nearly the noise prediction of data N(0, 1)."""

    def forward(self, sample, timestep, encoder_hidden_states, **options):
        change = super().forward(sample, timestep, encoder_hidden_states, return_dict=False)[0]
        noise = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
        kept = np.interp(float(timestep), np.arange(1000), torch.cumprod(1 - noise, 0))
        found = (1 - kept) ** 0.5 * sample + 0.3 * kept**0.5 * change
        return (found,) if options.get("return_dict") is False else [found]


def pipeline():
    """All components small and random; the tokenizer knows one letter."""
    torch.manual_seed(0)
    folder = Path(tempfile.mkdtemp())
    words = {"<|startoftext|>": 0, "<|endoftext|>": 1, "a</w>": 2, "a": 3}
    (folder / "vocab.json").write_text(json.dumps(words))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    files = str(folder / "vocab.json"), str(folder / "merges.txt")
    text = CLIPTextConfig(vocab_size=4, hidden_size=8, intermediate_size=16, num_attention_heads=2,
                          num_hidden_layers=1, bos_token_id=0, eos_token_id=1,
                          pad_token_id=1)  # fmt: skip
    unet = Denoiser(sample_size=8, block_out_channels=(4,), layers_per_block=1, norm_num_groups=2,
                    cross_attention_dim=8, attention_head_dim=2,
                    down_block_types=("CrossAttnDownBlock2D",),
                    up_block_types=("CrossAttnUpBlock2D",))  # fmt: skip
    vae = AutoencoderKL(block_out_channels=(4, 8), latent_channels=4, norm_num_groups=2,
                        sample_size=16, down_block_types=("DownEncoderBlock2D",) * 2,
                        up_block_types=("UpDecoderBlock2D",) * 2)  # fmt: skip
    scheduler = DDIMScheduler(**TABLE, steps_offset=1, clip_sample=False)
    found = StableDiffusionPipeline(
        vae, CLIPTextModel(text), CLIPTokenizer(*files, model_max_length=77), unet, scheduler,
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    found.set_progress_bar_config(disable=True)
    return found


pipe = pipeline()
given, negative = pipe.encode_prompt(PROMPT, "cpu", 1, True)
kept = pipe.scheduler.alphas_cumprod.double().numpy()
levels = np.log(kept / (1 - kept)) / 2  # log(alpha/sigma) at the steps of the pipeline's table


def guided(x, time):
    """The noise prediction that the pipeline follows; vp_alphabar's time is sigma^2."""
    time = float(time)
    step = np.interp(np.log(time / (1 - time)) / 2, -levels, np.arange(len(levels)))
    texts = torch.cat([negative.expand(len(x), -1, -1), given.expand(len(x), -1, -1)])
    without, with_prompt = pipe.unet(torch.cat([x, x]), torch.tensor(step), texts)[0].chunk(2)
    return without + GUIDANCE * (with_prompt - without)


def noise(count, seed):
    """What the pipeline starts with."""
    return torch.randn(count, *SHAPE, generator=torch.Generator().manual_seed(seed))


methods = [sg.Method(one, "theta", "unipc:2:exact:ramp") for one in ("data", "velocity")]
tuned = sg.tune(guided, "vp_alphabar", sg.NOISE, EVALUATIONS, noise=noise, start=1 - kept[-1],
                end=1 - kept[0], search=methods, validate=8, teacher=(methods[1], 50))  # fmt: skip
print(tuned.report)

path = tuned.write(Path(tempfile.mkdtemp()) / "tuned.py", "diffusers")
pipe.scheduler = load(path).Scheduler.from_config(pipe.scheduler.config)
x = noise(1, 7)
options = {"num_inference_steps": EVALUATIONS, "guidance_scale": GUIDANCE, "latents": x}
found = pipe(PROMPT, **options, output_type="latent").images
x = x * pipe.scheduler.init_noise_sigma
expected = tuned.compile("torch").sample(guided, x)
print(f"the pipeline's latents differ from the solver's by {(found - expected).abs().max():.1e}")
image = pipe(PROMPT, **options, output_type="pt").images
print("an image of shape", tuple(image.shape))
