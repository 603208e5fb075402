"""What one step costs: emitted modules, diffusers' schedulers, a plain expression, a copy.

All contenders run in one process, interleaved: every round takes one run of 30 steps with each,
and the median over all steps of all rounds counts, without the start-up and the last step. The
network is excluded. Figures are meant as ratios within one run; absolute times drift.

    python benchmarks/steps.py                  the tables, and what the project asks of them
    python benchmarks/steps.py --write          and RESULTS.md, steps.png
    python benchmarks/steps.py --device cuda    the same questions to a GPU (steps_cuda.py)
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numba
import numpy as np
import torch
from machine import description
from rich.console import Console
from rich.progress import track
from rich.table import Table

import solvergen as sg
from solvergen import targets

SHAPES = ((1, 4, 64, 64), (16, 4, 64, 64), (16, 3, 256, 256))
STEPS = 30
SKIPPED = 5
COPY, PLAIN = "copy loop, same arrays", "torch a*x + b*m0 + c*m1 + d*m2"
DPM_3M, UNIPC_3 = "diffusers DPM++ 3M", "diffusers UniPC-3"
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


def emitted(
    name: str,
    target: str,
    scheme: str,
    dtype: torch.dtype,
    compiled: bool = False,
) -> Contender:
    """The data integrand in half_log_snr from a noise prediction: DPM-Solver++'s choice."""
    module = sg.compile(sg.Solver("vp_linear", "noise", "data", "half_log_snr", scheme), target)
    grid = module.timesteps(STEPS, "time", end=0.01)
    if target == "torch":
        plan = module.Plan(grid, dtype, compiled=compiled)
    else:
        plan = module.Plan(grid, np.float32)
    given = targets.get(target).to_array if target != "torch" else torch.from_numpy

    def times(shape: tuple[int, ...]) -> Iterator[float]:
        x, output = (given(torch.randn(shape).numpy()) for _ in range(2))
        if target == "torch":
            x, output = x.to(dtype), output.to(dtype)
        stepper = module.Stepper(x, plan)
        while not stepper.done:
            start = time.perf_counter()
            stepper.step(output)
            if target == "jax":
                stepper.x.block_until_ready()
            yield time.perf_counter() - start

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

    return Contender(PLAIN, str(dtype).removeprefix("torch."), times)


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

    return Contender(COPY, "float32", times)


def contenders() -> list[Contender]:
    f32, bf16 = torch.float32, torch.bfloat16
    dpm = {"algorithm_type": "dpmsolver++"}
    found = [copy(f32)]
    for scheme in ("multistep:2", "multistep:3"):
        found.append(emitted(f"numba {scheme}", "numba", scheme, f32))
        for dtype in (f32, bf16):
            found.append(emitted(f"torch {scheme}", "torch", scheme, dtype))
    found.append(emitted("jax multistep:3", "jax", "multistep:3", f32))
    for dtype in (f32, bf16):
        compiled = emitted("torch compiled multistep:3", "torch", "multistep:3", dtype, True)
        found += [compiled, expression(dtype)]
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


@dataclass(frozen=True)
class Demand:
    """What the project asks of a step: a figure that ``found`` reads off the medians."""

    text: str
    expected: str
    found: float
    met: bool

    @property
    def row(self) -> list[str]:
        return [self.text, self.expected, f"{self.found:.2f}", "yes" if self.met else "NO"]


def demands(medians: dict[tuple[str, str], list[float]]) -> list[Demand]:
    """Every demand that needs no GPU."""

    def seconds(name: str, shape: int) -> float:
        return medians[name, "float32"][shape]

    numba_small, numba_large = (seconds("numba multistep:3", shape) for shape in (0, 2))
    torch_small = seconds("torch multistep:3", 0)
    copied = seconds(COPY, 2)
    ratios = (
        ("numba, large: bandwidth of the copy loop", 0.9, copied / numba_large),
        ("numba, small: times faster than DPM++ 3M", 20.0, seconds(DPM_3M, 0) / numba_small),
        ("numba, small: times faster than UniPC-3", 80.0, seconds(UNIPC_3, 0) / numba_small),
    )
    limits = (
        ("numba, small: microseconds", 10.0, 1e6 * numba_small),
        ("torch eager, small: microseconds", 40.0, 1e6 * torch_small),
        (
            "torch compiled, large: times the time of numba",
            1.3,
            seconds("torch compiled multistep:3", 2) / numba_large,
        ),
    )
    return [
        *(Demand(text, f">= {least}", found, found >= least) for text, least, found in ratios),
        *(Demand(text, f"<= {most}", found, found <= most) for text, most, found in limits),
    ]


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


def show(heads: list[str], rows: list[list[str]]) -> None:
    shown = Table(*heads)
    for row in rows:
        shown.add_row(*row)
    Console().print(shown)


def markdown(heads: list[str], rows: list[list[str]]) -> str:
    lines = (heads, ["---"] * len(heads), *rows)
    return "\n".join("| " + " | ".join(row) + " |" for row in lines) + "\n"


def draw(medians: dict[tuple[str, str], list[float]], path: Path) -> None:
    """Every contender's time over that of the copy loop, by shape."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    limit = medians[COPY, "float32"]
    kept = {key: times for key, times in medians.items() if key != (COPY, "float32")}
    figure, axes = pyplot.subplots(1, len(SHAPES), figsize=(15, 6), sharey=True)
    names = [f"{name}, bf16" if dtype == "bfloat16" else name for name, dtype in kept]
    for number, (axis, shape) in enumerate(zip(axes, SHAPES, strict=True)):
        ratios = [times[number] / limit[number] for times in kept.values()]
        ours = [name.startswith(("numba", "jax", "torch m", "torch c")) for name, _ in kept]
        axis.barh(names, ratios, color=["tab:blue" if one else "tab:gray" for one in ours])
        axis.axvline(1.0, color="black", linewidth=1)
        axis.set_xscale("log")
        axis.set_xlabel("time of a step / time of a loop that moves the arrays")
        axis.set_title("x".join(map(str, shape)))
    axes[0].invert_yaxis()
    figure.tight_layout()
    figure.savefig(path, dpi=100)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--threads", type=int, help="of torch; all by default")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    options = parser.parse_args()
    if options.device == "cuda":
        import steps_cuda

        steps_cuda.main(options.write)
        return
    if options.threads:
        torch.set_num_threads(options.threads)
    medians = measure(options.rounds)
    heads = ["step", "dtype", *("x".join(map(str, shape)) for shape in SHAPES)]
    asked = ["demand", "expected", "found", "met"]
    rows, answers = table(medians), [one.row for one in demands(medians)]
    show(heads, rows)
    show(asked, answers)
    if options.write:
        draw(medians, FOLDER / "steps.png")
        (FOLDER / "RESULTS.md").write_text(
            "# One step\n\nMicroseconds a step, median, and in brackets the ratio to a loop that "
            "moves the same arrays as a third-order step\nand computes nothing "
            f"(`python benchmarks/steps.py --write`).\n{description()}\n\n"
            f"{markdown(heads, rows)}\n{markdown(asked, answers)}\n"
            "Large is 16x3x256x256, small 1x4x64x64, both float32. The copy loop and numba's steps "
            "take one thread,\ntorch and jax take all. An eager torch step is plain tensor "
            "expressions, compiled it is one loop.\n\n![The same as a picture]"
            "(steps.png)\n\nOn a GPU: [RESULTS_gpu.md](RESULTS_gpu.md).\n"
        )


if __name__ == "__main__":
    main()
