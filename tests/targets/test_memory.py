"""The memory of a run is its history and two arrays; a numba module is ready in a moment."""

import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch

import solvergen as sg

SIZE = 250_000
SCHEMES = ("multistep:3", "multistep:5:ramp", "singlestep:2")


def specification(scheme: str) -> sg.Solver:
    return sg.Solver("rectified_flow", "noise", "data", "time", scheme)


def bound(scheme: str, array: int, samples: int = 2) -> int:
    """The integrand values that a step keeps, samples, and what Python needs."""
    solver = specification(scheme)
    kept = solver.table.places
    assert kept < len(solver.program.main.combines[-1].support)
    return (kept + samples) * array + 200_000


@pytest.mark.parametrize("scheme", SCHEMES)
def test_numba_allocates_its_history_and_two_arrays(scheme: str) -> None:
    module = sg.compile(specification(scheme), "numba")
    grid = module.timesteps(8, start=0.9, end=0.1)
    x, output = np.ones(SIZE, np.float32), np.ones(SIZE, np.float32)
    module.sample(lambda y, t: output[:4], x[:4], grid)  # compiled before it is measured
    tracemalloc.start()
    module.sample(lambda y, t: output, x, grid)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak <= bound(scheme, x.nbytes)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_numba_steps_allocate_nothing(scheme: str) -> None:
    module = sg.compile(specification(scheme), "numba")
    output = np.ones(SIZE, np.float32)
    module.sample(lambda y, t: output[:4], output[:4], module.timesteps(8, start=0.9, end=0.1))
    stepper = module.Stepper(output, module.timesteps(8, start=0.9, end=0.1))
    tracemalloc.start()
    while not stepper.done:
        stepper.step(output)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < output.nbytes / 20


@pytest.mark.parametrize(("scheme", "samples"), list(zip(SCHEMES, (5, 5, 6), strict=True)))
def test_torch_holds_its_history_and_what_a_step_computes(scheme: str, samples: int) -> None:
    """The oldest value is let go. Beside the history: the sample, at the start of a step with
    inner stages too, the next one, and a value, which is a sum of two products where nothing is
    compiled."""
    module = sg.compile(specification(scheme), "torch")
    x, output = torch.ones(SIZE), torch.ones(SIZE)
    plan = module.Plan(module.timesteps(8, start=0.9, end=0.1))
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
    ) as profile:
        module.sample(lambda y, t: output, x, plan)
    events = profile.profiler.kineto_results.events()
    sizes = [one.nbytes() for one in events if one.name() == "[memory]"]
    peak = int(np.cumsum(sizes).max())
    assert sum(size > x.nbytes / 2 for size in sizes) >= 8
    assert peak <= bound(scheme, x.nbytes, samples)


READY = """
import sys, time
import numpy as np
sys.path.insert(0, sys.argv[1])
import ready
x = np.zeros((1, 4, 64, 64), np.float32)
ready.Stepper(x, ready.timesteps(10)).step(x)
print(time.process_time())
"""


@pytest.mark.slow
def test_a_numba_module_is_ready_in_a_moment(tmp_path: Path) -> None:
    """Processor seconds of a process that imports it and takes a step: first, and from the cache
    of numba. They are 0.4 alone, and rise with what else the machine does: hence the margin."""
    spec = sg.Solver("vp_linear", "noise", "data", "half_log_snr", "multistep:3")
    sg.write(spec, "numba", tmp_path / "ready.py")
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    seconds = [
        float(
            subprocess.run(
                [sys.executable, "-c", READY, str(tmp_path)],
                env=environment, capture_output=True, text=True, check=True,
            ).stdout
        )
        for _ in range(3)
    ]  # fmt: skip
    assert seconds[0] < 1.5
    assert min(seconds[1:]) < 1.0
