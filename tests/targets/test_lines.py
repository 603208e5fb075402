"""The modules that the compiler writes stay as short as they are: what a user has to read."""

from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "generated"
LINES = {
    "rectified_flow_multistep3_numba": 198,
    "rectified_flow_multistep3_torch": 216,
    "custom_flow_multistep3_numba": 202,
    "vp_linear_multistep3_numba": 256,
    "vp_linear_multistep3_torch": 271,
    "vp_linear_multistep3_jax": 277,
    "vp_linear_unipc2_torch": 274,
    "vp_linear_dpm23_numba": 344,
    "ve_singlestep2_numpy": 192,
    "ve_multistep3_k_diffusion": 274,
    "vp_multistep2_diffusers": 470,  # and what trainers and pipelines ask of a scheduler
    "vp_linear_multistep3_20_steps_numba": 109,
    "vp_linear_multistep3_20_steps_torch": 104,
    "vp_linear_multistep3_20_steps_jax": 109,
}
"""Lines that are not blank, with the docstring. A module may grow where it gains what it lacked:
the limiter takes 5 to 12 where it bounds weights of two or three nodes, runs up in
noise 3, levels that are repeated 4 in samplers for k-diffusion, rows that a GPU reads in place
2; ``on_data`` and a pass that compiles before the first step 7 there, and in schedulers 39 with
thresholding, clip_sample, the data of every output, and ``save_pretrained`` of the module."""


@pytest.mark.parametrize("name", LINES)
def test_a_module_is_no_longer_than_it_has_to_be(name: str) -> None:
    lines = (FOLDER / f"{name}.py").read_text().splitlines()
    assert sum(bool(line.strip()) for line in lines) <= LINES[name]


def test_every_module_has_a_bound() -> None:
    assert set(LINES) == {one.stem for one in FOLDER.glob("*.py")} - {"regenerate"}
