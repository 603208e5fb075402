"""Emitted modules, alone in a process, reach the order that they state."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from some_schedules import SCHEDULES

import solvergen as sg
from solvergen.compiler import load
from solvergen.measurement.accuracy import coefficient_error

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
        [sys.executable, str(Path(__file__).parents[1] / "standalone.py"), str(listing)],
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
