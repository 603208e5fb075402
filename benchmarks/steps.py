"""What one step costs: emitted modules, diffusers' schedulers, a plain expression, a copy.

All contenders run in one process, interleaved: every round takes one run of 30 steps with each,
and the median over all steps of all rounds counts, without the start-up and the last step. The
network is excluded. Figures are meant as ratios within one run; absolute times drift.

    python benchmarks/steps.py                  the table
    python benchmarks/steps.py --write          and RESULTS.md
"""

import argparse
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numba
import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

import solvergen as sg

SHAPES = ((1, 4, 64, 64), (16, 4, 64, 64), (16, 3, 256, 256))
STEPS = 30
SKIPPED = 5
FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Contender:
    """``times(shape)`` yields the seconds of each step of one run."""

    name: str
    dtype: str
    times: Callable[[tuple[int, ...]], Iterator[float]]


def timed(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def emitted(name: str, target: str, scheme: str, dtype: torch.dtype) -> Contender:
    """The data integrand in half_log_snr from a noise prediction: DPM-Solver++'s choice."""
    module = sg.compile(sg.Solver("vp_linear", "noise", "data", "half_log_snr", scheme), target)
    grid = module.timesteps(STEPS, "time", end=0.01)

    def times(shape: tuple[int, ...]) -> Iterator[float]:
        x, output = torch.randn(shape, dtype=dtype), torch.randn(shape, dtype=dtype)
        given = (x.numpy(), output.numpy()) if target == "numba" else (x, output)
        stepper = module.Stepper(given[0], grid)
        while not stepper.done:
            yield timed(lambda: stepper.step(given[1]))

    return Contender(name, str(dtype).removeprefix("torch."), times)


def peer(name: str, class_name: str, dtype: torch.dtype, **options: object) -> Contender:
    """A scheduler of diffusers."""
    import diffusers

    scheduler = getattr(diffusers, class_name)(**options)

    def times(shape: tuple[int, ...]) -> Iterator[float]:
        x, output = torch.randn(shape, dtype=dtype), torch.randn(shape, dtype=dtype)
        scheduler.set_timesteps(STEPS)
        for t in scheduler.timesteps:
            start = time.perf_counter()
            x = scheduler.step(output, t, x, return_dict=False)[0]
            yield time.perf_counter() - start

    return Contender(f"diffusers {name}", str(dtype).removeprefix("torch."), times)


def expression(dtype: torch.dtype) -> Contender:
    """a*x + b*m0 + c*m1 + d*m2, as one writes it in torch."""

    def times(shape: tuple[int, ...]) -> Iterator[float]:
        x, m0, m1, m2 = (torch.randn(shape, dtype=dtype) for _ in range(4))
        for _ in range(STEPS):
            yield timed(lambda: 0.9 * x + 0.3 * m0 - 0.2 * m1 + 0.1 * m2)

    return Contender("torch a*x + b*m0 + c*m1 + d*m2", str(dtype).removeprefix("torch."), times)


@numba.njit(cache=True, nogil=True)
def _traffic(x, prediction, first, second):
    """The same arrays as a third-order step, moved and nothing else."""
    for i in range(x.size):
        p_i, first_i, second_i = prediction[i], first[i], second[i]
        x[i] = first_i
        second[i] = p_i + second_i


def copy(dtype: torch.dtype) -> Contender:
    """The limit: the arrays that a third-order step must move."""

    def times(shape: tuple[int, ...]) -> Iterator[float]:
        arrays = [torch.randn(shape, dtype=dtype).numpy().ravel() for _ in range(4)]
        for _ in range(STEPS):
            yield timed(lambda: _traffic(*arrays))

    return Contender("copy loop, same arrays", "float32", times)


def contenders() -> list[Contender]:
    f32, bf16 = torch.float32, torch.bfloat16
    dpm = {"algorithm_type": "dpmsolver++"}
    found = [copy(f32)]
    for order in (2, 3):
        found.append(emitted(f"numba multistep:{order}", "numba", f"multistep:{order}", f32))
        for dtype in (f32, bf16):
            found.append(emitted(f"torch multistep:{order}", "torch", f"multistep:{order}", dtype))
    for dtype in (f32, bf16):
        found.append(expression(dtype))
    return [
        *found,
        peer("DPM++ 2M", "DPMSolverMultistepScheduler", f32, solver_order=2, **dpm),
        peer("DPM++ 3M", "DPMSolverMultistepScheduler", f32, solver_order=3, **dpm),
        peer("UniPC-2", "UniPCMultistepScheduler", f32, solver_order=2),
        peer("UniPC-3", "UniPCMultistepScheduler", f32, solver_order=3),
        peer("DEIS-3", "DEISMultistepScheduler", f32, solver_order=3),
        peer("Euler", "EulerDiscreteScheduler", f32),
        peer("flow Euler", "FlowMatchEulerDiscreteScheduler", f32),
    ]


def measure(rounds: int) -> dict[tuple[str, str], list[float]]:
    """Median seconds a step, for every contender at every shape."""
    found = contenders()
    samples: dict[tuple[str, str], list[list[float]]] = {
        (one.name, one.dtype): [[] for _ in SHAPES] for one in found
    }
    for _ in track(range(rounds), "rounds"):
        for number, shape in enumerate(SHAPES):
            for one in found:
                steps = list(one.times(shape))[SKIPPED:-1]
                samples[one.name, one.dtype][number] += steps
    return {key: [median(times) for times in shapes] for key, shapes in samples.items()}


def table(medians: dict[tuple[str, str], list[float]]) -> list[list[str]]:
    """Microseconds, and how often the copy loop fits into them."""
    limit = next(iter(medians.values()))
    return [
        [
            name,
            dtype,
            *(
                f"{1e6 * one:,.0f} ({one / floor:.1f}x)"
                if one < 0.05
                else f"{1e6 * one:,.0f} ({one / floor:.0f}x)"
                for one, floor in zip(times, limit, strict=True)
            ),
        ]
        for (name, dtype), times in medians.items()
    ]


def show(rows: list[list[str]]) -> None:
    shown = Table("step", "dtype", *(f"{'x'.join(map(str, shape))}, us" for shape in SHAPES))
    for row in rows:
        shown.add_row(*row)
    Console().print(shown)


def machine() -> str:
    return (
        f"{platform.machine()}, {torch.get_num_threads()} torch threads, numpy {np.__version__}, "
        f"numba {numba.__version__}, torch {torch.__version__}, Python {platform.python_version()}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    rows = table(measure(options.rounds))
    show(rows)
    if options.write:
        heads = ["step", "dtype", *("x".join(map(str, shape)) for shape in SHAPES)]
        lines = ["| " + " | ".join(row) + " |" for row in (heads, ["---"] * len(heads), *rows)]
        text = (
            "# One step\n\nMicroseconds a step, median, and in brackets the ratio to a loop that "
            "moves the same arrays as a third-order step\nand computes nothing "
            f"(`python benchmarks/steps.py --write`).\n{machine()}.\n\n"
        )
        (FOLDER / "RESULTS.md").write_text(text + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
