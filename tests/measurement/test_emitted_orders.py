"""Emitted modules, alone in a process, reach the order that they state."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from subprocess import PIPE

import numpy as np
import pytest
from readers import TARGETS
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


Measure = Callable[[list[dict]], list[dict]]


@pytest.fixture(scope="module")
def measured() -> Iterator[Measure]:
    """A process without solvergen, which imports numba and torch once and measures many times."""
    command = [sys.executable, str(Path(__file__).parents[1] / "standalone.py")]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def ask(jobs: list[dict]) -> list[dict]:
            print(json.dumps(jobs), file=process.stdin, flush=True)
            return json.loads(process.stdout.readline())

        yield ask
        process.stdin.close()


CASES = list(enumerate(product(SCHEDULES, ["noise", "data", "flow"], ["half_log_snr", "time"])))


@pytest.mark.slow_but(6)
@pytest.mark.parametrize(
    ("number", "choice"),
    CASES,
    ids=lambda one: "-".join(one) if isinstance(one, tuple) else str(one),
)
def test_order_and_coefficients(
    number: int, choice: tuple[str, str, str], measured: Measure, tmp_path: Path
) -> None:
    """Every scheme is sampled for one target, another one in the next case: jax in the first case
    alone, where it compiles a run for each number of steps. numba compiles every scheme once, whose
    loops are those of all schedules. Coefficients are the same to the last bit for all."""
    schedule, integrand, expansion = choice
    start, end = RANGES[schedule]
    ends = {"start": start, "end": end}
    fixed = {"spacing": expansion, "interpreted": number >= len(TARGETS), **ends}
    jobs = []
    for place, scheme in enumerate(SCHEMES):
        spec = sg.Solver(SCHEDULES[schedule](), sg.VELOCITY, integrand, expansion, scheme)
        turn = TARGETS[(number + place) % len(TARGETS)]
        turn = "numpy" if turn == "jax" and number else turn
        modules = []
        for target in TARGETS if scheme == SCHEMES[-1] else (turn,):
            path = sg.write(spec, target, tmp_path / f"{target}_{place}.py")
            modules.append(load(path))
            if target == turn:
                jobs.append({"path": str(path), "target": target, **fixed})
        for steps in (6, 40):
            grid = modules[0].timesteps(steps, expansion, **ends)
            tables = [one.coefficients(grid) for one in modules]
            chosen = [*range(spec.program.history + 1), steps - 1]
            assert coefficient_error(spec, tables[0], grid.tolist(), chosen) < 1e-12
            assert all(np.array_equal(tables[0], table) for table in tables)
    for found in measured(jobs):
        assert abs(found["rates"][-1] - found["stated"]) <= 0.15, found


@pytest.mark.slow
def test_ramp_states_the_order_that_it_leaves(measured: Measure, tmp_path: Path) -> None:
    spec = sg.Solver("rectified_flow", sg.VELOCITY, sg.DATA, "half_log_snr", "multistep:3:ramp")
    path = sg.write(spec, "numpy", tmp_path / "ramp.py")
    job = {"target": "numpy", "start": 0.85, "end": 0.1, "spacing": "half_log_snr"}
    (found,) = measured([{"path": str(path), **job}])
    assert found["stated"] == 2
    assert abs(found["rates"][-1] - 2) <= 0.15
