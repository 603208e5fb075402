"""Noise levels that clients choose: facts of their own code, and what a run needs of them."""

import numpy as np
import pytest

from solvergen.errors import SolvergenError
from solvergen.measurement import client_grids
from solvergen.measurement.client_grids import Levels

EPS, FLOW = Levels.eps(), Levels.flow(3.0)
KNOWN = {
    (EPS, "normal"): [14.6146, 6.6780, 3.5221, 2.0606, 1.2768, 0.7913, 0.4397, 0.0292, 0.0],
    (EPS, "simple"): [14.6146, 7.2974, 4.0817, 2.4925, 1.6129, 1.0690, 0.6932, 0.3977, 0.0],
    (EPS, "karras"): [14.6146, 7.9029, 4.0277, 1.9104, 0.8289, 0.3211, 0.1072, 0.0292, 0.0],
    (EPS, "beta"): [14.6146, 10.4835, 5.6866, 2.9636, 1.6183, 0.9198, 0.5154, 0.2433, 0.0],
    (EPS, "leading"): [7.3718, 4.1167, 2.5109, 1.6237, 1.0760, 0.6984, 0.4022, 0.0413, 0.0],
    (FLOW, "simple"): [1.0, 0.9545, 0.9, 0.8333, 0.75, 0.6429, 0.5, 0.3, 0.0],
    (FLOW, "flow_match_euler"): [1.0, 0.9475, 0.8828, 0.8008, 0.6938, 0.5480, 0.3380, 0.0089, 0.0],
    (FLOW, "linear_quadratic"): [1.0, 0.9937, 0.9875, 0.9812, 0.975, 0.9094, 0.725, 0.4219, 0.0],
    (FLOW, "kl_optimal"): [1.0, 0.7982, 0.6295, 0.4832, 0.3518, 0.2305, 0.1153, 0.0030, 0.0],
}
"""Eight steps, as the clients themselves print them."""


@pytest.mark.parametrize("known", KNOWN, ids=lambda one: f"{one[0].kind}-{one[1]}")
def test_levels_are_those_of_the_client(known: tuple[Levels, str]) -> None:
    np.testing.assert_allclose(client_grids.grid(*known, 8), KNOWN[known], atol=6e-5)


@pytest.mark.parametrize("levels", [EPS, FLOW], ids=lambda one: one.kind)
@pytest.mark.parametrize("denoise", [0.05, 0.4, 1.0])
def test_every_grid_falls_from_noise_to_zero(levels: Levels, denoise: float) -> None:
    for name in client_grids.names(levels.kind):
        for steps in range(1, 51, 3):
            found = client_grids.grid(levels, name, steps, denoise)
            assert found[-1] == 0.0
            assert np.isfinite(found).all()
            assert (np.diff(found) < 0.0).all(), (name, steps)
            assert found[0] <= levels.ends[0] * (1.0 + 1e-12)
            if denoise < 1.0:
                assert found.size == steps + 1
                assert found[0] <= client_grids.grid(levels, name, steps)[0] * (1.0 + 1e-12)


def test_diffusers_computes_the_same() -> None:
    diffusers = pytest.importorskip("diffusers")
    config = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    for options, name in (
        ({"timestep_spacing": "linspace"}, "linspace"),
        ({"timestep_spacing": "trailing"}, "trailing"),
        ({"timestep_spacing": "leading", "steps_offset": 1}, "leading"),
        ({"use_karras_sigmas": True}, "use_karras_sigmas"),
    ):
        scheduler = diffusers.EulerDiscreteScheduler(**config, **options)
        for steps in (4, 9, 25):
            scheduler.set_timesteps(steps)
            found = client_grids.grid(EPS, name, steps)
            np.testing.assert_allclose(found, scheduler.sigmas.numpy(), rtol=2e-5, atol=1e-6)
    flow = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)
    flow.set_timesteps(11)
    found = client_grids.grid(FLOW, "flow_match_euler", 11)
    np.testing.assert_allclose(found, flow.sigmas.numpy(), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "steps", "denoise"), [("nromal", 5, 1.0), ("normal", 0, 1.0), ("normal", 5, 0.0)]
)
def test_other_grids_are_refused(name: str, steps: int, denoise: float) -> None:
    with pytest.raises(SolvergenError, match="expected"):
        client_grids.grid(EPS, name, steps, denoise)
