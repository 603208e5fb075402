"""What a step with noise costs: emitted modules beside the step without and torch.randn.

    python benchmarks/noise.py --write benchmarks/RESULTS_noise.md

Every round takes one run with each contender, interleaved; the median of all steps counts, without
the first and the last. Figures are meant as ratios within one run.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from machine import description

import solvergen as sg
from solvergen import targets

SHAPES = ((1, 4, 64, 64), (16, 4, 64, 64), (16, 3, 256, 256))
STEPS, ROUNDS = 20, 8
Times = Callable[[tuple[int, ...]], Iterator[float]]


def steps(target: str, noise: Any = None) -> Times:
    """The seconds of each step of a run of a module: with noise, or without and torch.randn."""
    chosen = None if noise is None else "eta: 1"
    solver = sg.Solver("vp_linear", integrand="data", stochasticity=chosen)
    module = sg.compile(solver, target)
    plan = module.Plan(
        module.timesteps(STEPS, end=0.01), torch.float32 if target == "torch" else "float32"
    )
    given = targets.get(target).to_array

    def times(shape: tuple[int, ...]) -> Iterator[float]:
        x, output = (given(torch.randn(shape).numpy()) for _ in range(2))
        made = [] if noise is None else [noise(shape[0])]
        stepper = module.Stepper(x, plan, *made)
        while not stepper.done:
            start = time.perf_counter()
            if noise is None:
                torch.randn(shape)
            stepper.step(output)
            yield time.perf_counter() - start

    return times


CONTENDERS: dict[str, Times] = {
    "numba, without noise, and torch.randn": steps("numba"),
    "numba, seeds": steps("numba", lambda n: 7),
    "numba, numpy's generators": steps("numba", lambda n: [*map(np.random.default_rng, range(n))]),
    "numpy, seeds": steps("numpy", lambda n: 7),
    "torch, without noise, and torch.randn": steps("torch"),
    "torch, seeds": steps("torch", lambda n: 7),
    "torch, its generators": steps(
        "torch", lambda n: [torch.Generator().manual_seed(i) for i in range(n)]
    ),
}


def measured(shape: tuple[int, ...]) -> dict[str, float]:
    """The median of the steps of each contender, in microseconds."""
    found: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    for _ in range(ROUNDS):
        for name, times in CONTENDERS.items():
            found[name] += list(times(shape))[2:-1]
    return {name: 1e6 * median(one) for name, one in found.items()}


def main() -> None:
    """Print the table, or write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    columns = [measured(shape) for shape in SHAPES]
    bases = [one["numba, without noise, and torch.randn"] for one in columns]
    lines = [
        "# Steps with noise",
        "",
        description(),
        "",
        "Microseconds of a step of second order, float32 (and relative to the first row): "
        "`python benchmarks/noise.py`.",
        "",
        f"| | {' | '.join('x'.join(map(str, shape)) for shape in SHAPES)} |",
        f"|---|{len(SHAPES) * '---:|'}",
    ]
    for name in CONTENDERS:
        cells = [
            f"{one[name]:.0f} ({one[name] / base:.2f})"
            for one, base in zip(columns, bases, strict=True)
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    text = "\n".join(lines) + "\n"
    print(text)
    if options.write is not None:
        options.write.write_text(text)


if __name__ == "__main__":
    main()
