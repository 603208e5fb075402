"""The modules that the compiler writes stay as short as they are: what a user has to read."""

from pathlib import Path

import numpy as np
import pytest

import solvergen as sg

FOLDER = Path(__file__).parents[2] / "generated"
LINES = {
    "rectified_flow_multistep3_numba": 181,
    "rectified_flow_multistep3_torch": 196,
    "custom_flow_multistep3_numba": 185,
    "vp_linear_multistep3_numba": 235,
    "vp_linear_multistep3_torch": 247,
    "vp_linear_multistep3_jax": 240,
    "vp_linear_unipc2_torch": 250,
    "vp_linear_dpm23_numba": 334,
    "ve_singlestep2_numpy": 181,
    "ve_multistep3_k_diffusion": 253,
    "vp_multistep2_diffusers": 429,  # and what trainers and pipelines ask of a scheduler
    "vp_linear_multistep3_20_steps_numba": 109,
    "vp_linear_multistep3_20_steps_torch": 104,
    "vp_linear_multistep3_20_steps_jax": 105,
}
"""Lines that are not blank, with the docstring."""


@pytest.mark.parametrize("name", LINES)
def test_a_module_is_no_longer_than_it_has_to_be(name: str) -> None:
    lines = (FOLDER / f"{name}.py").read_text().splitlines()
    assert sum(bool(line.strip()) for line in lines) <= LINES[name]


@pytest.mark.parametrize("target", ["numpy", "numba", "torch", "jax", "k-diffusion"])
def test_a_module_of_one_grid_is_a_page(target: str) -> None:
    solver = sg.Solver("vp_linear", "noise", "data", "half_log_snr", "multistep:3")
    grid = np.linspace(1.0, 0.01, 21).tolist()
    lines = sg.emit(solver, target, timesteps=grid).splitlines()
    assert sum(bool(line.strip()) for line in lines) <= 110


def test_every_module_has_a_bound() -> None:
    assert set(LINES) == {one.stem for one in FOLDER.glob("*.py")} - {"regenerate"}
