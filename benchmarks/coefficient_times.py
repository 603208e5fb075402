"""What ``coefficients(timesteps)`` costs: all scalars of a run, once, on the host.

    python benchmarks/coefficient_times.py [--write]

50 steps of order 3, uniform in time inside the domain; medians in microseconds over calls that are
interleaved. The target is numba; the host part is the same text for every target. ``--write`` puts
the table into RESULTS_coefficients.md.
"""

import argparse
import time
from pathlib import Path
from statistics import median
from types import ModuleType

import numpy as np
from rich.console import Console
from rich.table import Table

import solvergen as sg
from solvergen.errors import SolvergenError

RESULTS = Path(__file__).parent / "RESULTS_coefficients.md"
TITLE = "## Time of coefficients()"
STEPS, ROUNDS = 50, 200
INSIDE = 0.02
CHOICES = (
    ("data", "half_log_snr"), ("noise", "half_log_snr"), ("noise", "time"),
    ("flow", "time"), ("velocity", "theta"),
)  # fmt: skip


def module(name: str, integrand: str, expansion: str) -> ModuleType | None:
    """A third-order multistep module, or None if there is none."""
    try:
        spec = sg.Solver(name, sg.VELOCITY, integrand, expansion, "multistep:3")
    except SolvergenError:
        return None
    return sg.compile(spec, "numba")


def measure() -> dict[str, list[float | None]]:
    """Median microseconds for every schedule and choice."""
    names = sg.schedules.names()
    modules = {name: [module(name, *choice) for choice in CHOICES] for name in names}
    found = {name: [[] for _ in CHOICES] for name in names}
    for _ in range(ROUNDS):
        for name, row in modules.items():
            for one, times in zip(row, found[name], strict=True):
                if one is not None:
                    times.append(_timed(one))
    return {
        name: [1e6 * median(times) if times else None for times in row]
        for name, row in found.items()
    }


def _timed(one: ModuleType) -> float:
    margin = INSIDE * (one.T_MAX - one.T_MIN)
    grid = np.linspace(one.T_MAX - margin, one.T_MIN + margin, STEPS + 1)
    start = time.perf_counter()
    one.coefficients(grid)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    heads = ["schedule", *(f"{integrand}, {expansion}" for integrand, expansion in CHOICES)]
    rows = [
        [name, *("" if one is None else f"{one:.0f}" for one in row)]
        for name, row in measure().items()
    ]
    shown = Table(*heads)
    for row in rows:
        shown.add_row(*row)
    Console(width=120).print(shown)
    if options.write:
        lines = ["| " + " | ".join(row) + " |" for row in (heads, ["---"] * len(heads), *rows)]
        text = (
            f"{TITLE}\n\n`python benchmarks/coefficient_times.py --write`: microseconds for "
            f"{STEPS} steps of order 3, median of {ROUNDS} interleaved calls.\n\n"
        )
        before = RESULTS.read_text().partition(TITLE)[0].rstrip()
        RESULTS.write_text(before + "\n\n" + text + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
