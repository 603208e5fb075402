"""What is derived and emitted is a function of the input alone.

Neither how fast or busy the machine is decides, nor its processor, the seed of Python's hashes, the
precision that mpmath happens to have, or what was derived before.
"""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import house
import numpy as np
import pytest

SCRIPT = Path(__file__).parent / "derived_texts.py"
BUSY = "while True: pass"


def started(seed: int, *arguments: str, **further: str) -> subprocess.Popen[str]:
    """The script, running."""
    own = {"PYTHONHASHSEED": str(seed), "PYTHONPATH": str(SCRIPT.parent)}
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *arguments],
        env=os.environ | own | further,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def finished(process: subprocess.Popen[str]) -> dict[str, str]:
    """{name: hash of its text}."""
    out, _ = process.communicate("\n")
    assert process.returncode == 0
    return json.loads(out.splitlines()[-1])


@contextmanager
def eight_busy_processes() -> Iterator[None]:
    busy = [subprocess.Popen([sys.executable, "-S", "-c", BUSY]) for _ in range(8)]
    try:
        yield
    finally:
        for one in busy:
            one.kill()
            one.wait()


@pytest.fixture(scope="module")
def plain() -> dict[str, str]:
    return finished(started(0, "1", "15", "straight"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "speed", "dps", "order"), [(1, "20", "5", "reversed"), (7, "0.05", "200", "straight")]
)
def test_clocks_and_seeds_change_no_byte(
    plain: dict[str, str], seed: int, speed: str, dps: str, order: str
) -> None:
    assert finished(started(seed, speed, dps, order)) == plain


@pytest.mark.slow
def test_another_processor_changes_no_byte(plain: dict[str, str]) -> None:
    """One without the instructions by which numpy's exp and log differ in their last digits."""
    dispatched = getattr(np._core._multiarray_umath, "__cpu_dispatch__", [])
    features = getattr(np._core._multiarray_umath, "__cpu_features__", {})
    further = " ".join(one for one in dispatched if features.get(one))
    if not further:
        pytest.skip("numpy uses no instructions here that others lack")
    found = started(0, "1", "15", "straight", NPY_DISABLE_CPU_FEATURES=further)
    assert finished(found) == plain


@pytest.mark.slow
def test_a_busy_machine_changes_no_byte(plain: dict[str, str]) -> None:
    process = started(3, "1", "15", "straight", "few")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    with eight_busy_processes():
        found = finished(process)
    assert found == {name: plain[name] for name in found}
    assert found


def test_nothing_asks_a_clock() -> None:
    """A process of a foreign module is stopped after a while, and nothing else."""
    clocks = {"time", "datetime", "threading", "timeit"}
    uses = {
        module: names & clocks
        for module, tree in house.trees().items()
        if (
            names := {
                one.name for e in ast.walk(tree) if isinstance(e, ast.Import) for one in e.names
            }
        )
        & clocks
    }
    assert not uses
