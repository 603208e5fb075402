"""What ``coefficients(timesteps)`` costs: all scalars of a run, once, on the host.

    python benchmarks/coefficient_times.py [--write]

50 steps of order 3, uniform in time inside the domain; medians in microseconds over calls that are
interleaved. The table is of the target numba; the host part is the same text for every target, and
below the table stands the slowest case of each. ``--write`` puts both into
RESULTS_coefficients.md.
"""

import argparse
import itertools
import time
from pathlib import Path
from statistics import median
from types import ModuleType

import numpy as np
from machine import description
from rich.console import Console
from rich.table import Table

import solvergen as sg
from solvergen.errors import SolvergenError

RESULTS = Path(__file__).parent / "RESULTS_coefficients.md"
TITLE = "## Time of coefficients()"
TARGETS = ("numba", "torch", "numpy")
STEPS, ROUNDS = 50, 200
INSIDE = 0.02
CHOICES = (
    ("data", "half_log_snr"), ("noise", "half_log_snr"), ("noise", "time"),
    ("flow", "time"), ("velocity", "theta"),
)  # fmt: skip


def module(name: str, integrand: str, expansion: str, target: str) -> ModuleType | None:
    """A third-order multistep module, or None if there is none."""
    try:
        spec = sg.Solver(name, sg.VELOCITY, integrand, expansion, "multistep:3")
    except SolvergenError:
        return None
    return sg.compile(spec, target)


def measure() -> dict[tuple[str, str], list[float]]:
    """Median microseconds for every target and schedule; nan where there is no such solver."""
    rows = list(itertools.product(TARGETS, sg.schedules.names()))
    modules = {
        (target, name): [module(name, *one, target) for one in CHOICES] for target, name in rows
    }
    found: dict[tuple[str, str], list[list[float]]] = {row: [[] for _ in CHOICES] for row in rows}
    for _ in range(ROUNDS):
        for row, choices in modules.items():
            for one, times in zip(choices, found[row], strict=True):
                times.append(np.nan if one is None else _timed(one))
    return {row: [1e6 * median(times) for times in cells] for row, cells in found.items()}


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
    found = measure()
    rows = [
        [name, *("" if np.isnan(one) else f"{one:.0f}" for one in row)]
        for (target, name), row in found.items()
        if target == TARGETS[0]
    ]
    slowest = {
        target: np.nanmax([row for (other, _), row in found.items() if other == target])
        for target in TARGETS
    }
    summary = ", ".join(f"{one:.0f} on {target}" for target, one in slowest.items())
    shown = Table(*heads)
    for row in rows:
        shown.add_row(*row)
    Console(width=120).print(shown, f"The slowest: {summary}.")
    if options.write:
        lines = ["| " + " | ".join(row) + " |" for row in (heads, ["---"] * len(heads), *rows)]
        text = (
            f"`python benchmarks/coefficient_times.py --write`: microseconds for {STEPS} steps of "
            f"order 3 on numba, median of {ROUNDS} interleaved calls.\n{description()}\n"
        )
        before = RESULTS.read_text().partition(TITLE)[0].rstrip()
        parts = (before, TITLE, text, "\n".join(lines) + "\n", f"The slowest: {summary}.\n")
        RESULTS.write_text("\n\n".join(part.rstrip("\n") for part in parts) + "\n")


if __name__ == "__main__":
    main()
