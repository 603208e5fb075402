"""Emitted modules, alone in a process, reach the order that they state."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import SCHEDULES

import solvergen as sg
from solvergen.accuracy import coefficient_error
from solvergen.compiler import load

RANGES = {
    "rectified_flow": (0.85, 0.1),
    "vp_linear": (0.8, 0.1),
    "ve": (4.0, 0.15),
    "custom_flow": (0.85, 0.1),
}
SCHEMES = [*(f"multistep:{k}" for k in (1, 2, 3, 4)), *(f"singlestep:{k}" for k in (1, 2, 3))]


@pytest.mark.slow
@pytest.mark.parametrize("expansion", ["half_log_snr", "time"])
@pytest.mark.parametrize("integrand", ["noise", "data", "flow"])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_order_and_coefficients(
    schedule: str, integrand: str, expansion: str, tmp_path: Path
) -> None:
    start, end = RANGES[schedule]
    jobs = []
    for scheme in SCHEMES:
        spec = sg.Solver(SCHEDULES[schedule](), sg.VELOCITY, integrand, expansion, scheme)
        for target in ("numba", "torch"):
            path = sg.write(spec, target, tmp_path / f"{target}_{scheme.replace(':', '_')}.py")
            jobs.append(
                {
                    "path": str(path),
                    "target": target,
                    "start": start,
                    "end": end,
                    "spacing": expansion,
                }
            )
            module = load(path)
            for steps in (6, 40):
                grid = module.timesteps(steps, expansion, start=start, end=end)
                chosen = [*range(spec.program.history + 1), steps - 1]
                assert coefficient_error(spec, module, grid.tolist(), chosen) < 1e-12
    for found in _measured(jobs, tmp_path):
        assert abs(found["rates"][-1] - found["stated"]) <= 0.15, found


def _measured(jobs: list[dict], folder: Path) -> list[dict]:
    listing = folder / "jobs.json"
    listing.write_text(json.dumps(jobs))
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("standalone.py")), str(listing)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_ramp_states_the_order_that_it_leaves(tmp_path: Path) -> None:
    spec = sg.Solver("rectified_flow", sg.VELOCITY, sg.DATA, "half_log_snr", "multistep:3:ramp")
    path = sg.write(spec, "numpy", tmp_path / "ramp.py")
    (found,) = _measured(
        [
            {
                "path": str(path),
                "target": "numpy",
                "start": 0.85,
                "end": 0.1,
                "spacing": "half_log_snr",
            }
        ],
        tmp_path,
    )
    assert found["stated"] == 2
    assert abs(found["rates"][-1] - 2) <= 0.15


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_full_order_from_alpha_zero_to_sigma_zero(order: int, tmp_path: Path) -> None:
    """Flow integrand, expanded in time: from exactly t_max to exactly t_min."""
    spec = sg.Solver("rectified_flow", sg.FLOW, sg.FLOW, "time", f"multistep:{order}")
    module = sg.compile(spec, "numpy")
    errors = np.array([_end_to_end(module, steps) for steps in (64, 128, 256)])
    rates = np.log2(errors[:-1] / errors[1:])
    assert abs(rates[-1] - module.ORDER) <= 0.2, (errors, rates)
    assert order == module.ORDER


def _end_to_end(module, steps: int) -> float:
    """One Gaussian N(m, v): x_t = alpha m + sqrt(alpha^2 v + sigma^2) z along the whole path."""
    mean, variance = 0.7, 0.3

    def flow(x, t):
        spread = (1 - t) ** 2 * variance + t**2
        return -mean + (t - (1 - t) * variance) / spread * (x - (1 - t) * mean)

    z = np.array([-1.3, 0.2, 0.9])
    grid = module.timesteps(steps, "time")
    assert (grid[0], grid[-1]) == (1.0, 0.0)
    found = module.sample(flow, z, grid)
    return float(np.abs(found - (mean + np.sqrt(variance) * z)).max())
