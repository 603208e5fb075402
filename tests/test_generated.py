"""The committed modules are what the compiler writes today (`make generated` updates them)."""

import runpy
from pathlib import Path

import pytest
import torch
import torch_extras  # noqa: F401

import solvergen as sg
from solvergen import compiler

FOLDER = Path(__file__).parent.parent / "generated"


@pytest.mark.usefixtures("certified")
def test_generated_modules_are_up_to_date(tmp_path: Path) -> None:
    regenerate = runpy.run_path(str(FOLDER / "regenerate.py"))["regenerate"]
    for path in regenerate(tmp_path):
        assert path.read_text() == (FOLDER / path.name).read_text(), path.name


def test_manifest_names_every_module(tmp_path: Path) -> None:
    listed = (FOLDER / "MANIFEST.toml").read_text()
    for path in FOLDER.glob("*.py"):
        assert path.name == "regenerate.py" or path.name in listed


def test_the_committed_scheduler_samples_as_its_torch_twin() -> None:
    """The loop of a pipeline on its table of betas, and a module that has never heard of one."""
    found = compiler.load(FOLDER / "vp_multistep2_diffusers.py")
    twin = sg.compile(sg.from_specification(found.SPEC), "torch")
    table = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    scheduler = found.Scheduler(**table)
    scheduler.set_timesteps(9)
    noise = torch.linspace(-2.0, 2.0, 24, dtype=torch.float64).reshape(2, 3, 4)
    latents = noise * scheduler.init_noise_sigma
    for t in scheduler.timesteps:
        asked = scheduler.scale_model_input(latents, t)
        latents = scheduler.step(0.3 * torch.tanh(asked), t, latents, return_dict=False)[0]
    grid = [*twin.time_at_half_log_snr(scheduler._levels[:-1]), 0.0]
    expected = twin.sample(lambda y, _: 0.3 * torch.tanh(y), noise, grid)
    assert len(grid) == len(scheduler.timesteps) + 1
    torch.testing.assert_close(latents, expected, rtol=1e-12, atol=1e-12)
