"""Samples in parallel in time: calls one after another, evaluations, errors, and seconds here.

    python benchmarks/parallel.py --write benchmarks/RESULTS_parallel.md [--device cuda]

A flow network of the digits is trained (examples/train_and_sample.py), the digits themselves are an
exact model; on a GPU a transformer of the size of DiT-B is asked too, with random weights, whose
calls take the time that calls take. Depth is the number of calls one after another; errors are
relative to the sequential sample, the worst of the batch. Seconds are those of the device at hand:
a batched call that costs as much as its rows is no gain, and is said to be none.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import description

import solvergen as sg
from solvergen.measurement import problems

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
import train_and_sample as training

BATCH = 8
WINDOWS = (8, 16, None)
HEAD = (
    "| model, solver, N | window | depth | evaluations | error | seconds | sequential | |\n"
    "|---|---|---|---|---|---|---|---|\n"
)


@dataclass(frozen=True)
class Case:
    """A model, its solver and the number of evaluations."""

    name: str
    solver: sg.Solver
    model: Callable[[Any, Any], Any]
    start: float
    end: float
    counts: tuple[int, ...]
    shape: tuple[int, ...] = (BATCH, 64)
    tolerance: float = 1e-3


def flow(scheme: str) -> sg.Solver:
    """On the rectified flow, in time."""
    return sg.Solver("rectified_flow", "flow", "flow", "time", scheme, parallel=True)


def network_model(network: Any, device: str) -> Callable[[Any, Any], Any]:
    """A trained network, at a time for every row."""
    network = network.to(device)
    return lambda x, t: network(x, t.to(x).expand(len(x)))


def exact_model(solver: sg.Solver) -> Callable[[Any, Any], Any]:
    """The digits' own, a time after the other."""
    exact = problems.model(problems.digits(), solver)

    def predict(x: Any, t: Any) -> Any:
        times = np.broadcast_to(t.cpu().numpy(), (len(x),))
        found = np.empty(tuple(x.shape))
        for one in np.unique(times):
            found[times == one] = exact(x.cpu().numpy()[times == one], float(one))
        return torch.from_numpy(found).to(x)

    return predict


class Transformer(torch.nn.Module):
    """Twelve blocks of width 768 over 256 patches of latents [batch, 4, 64, 64], in bfloat16."""

    def __init__(self) -> None:
        super().__init__()
        block = torch.nn.TransformerEncoderLayer(768, 12, 3072, 0.0, "gelu", batch_first=True)
        self.blocks = torch.nn.TransformerEncoder(block, 12, enable_nested_tensor=False)
        self.patches = torch.nn.Conv2d(4, 768, 4, 4)
        self.clock = torch.nn.Linear(1, 768)
        self.image = torch.nn.ConvTranspose2d(768, 4, 4, 4)

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """The flow of unit normal data, and what the blocks say."""
        narrow, t = x.bfloat16(), t.to(x).expand(len(x)).reshape(-1, 1)
        tokens = self.patches(narrow).flatten(2).transpose(1, 2)
        tokens = self.blocks(tokens + self.clock(t.bfloat16())[:, None])
        said = self.image(tokens.transpose(1, 2).reshape(len(x), 768, 16, 16))
        t = t[..., None, None]
        return (2 * t - 1) / (t**2 + (1 - t) ** 2) * x + said.to(x)


def seconds(run: Callable[[], Any], device: str) -> tuple[float, Any]:
    """The fastest of three, and what it returns."""
    found = []
    for _ in range(3):
        begun = time.perf_counter()
        result = run()
        if device != "cpu":
            torch.cuda.synchronize()
        found.append(time.perf_counter() - begun)
    return min(found), result


def lines(case: Case, device: str) -> list[str]:
    """The rows of a case."""
    module, written = sg.compile(case.solver, "torch"), []
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(case.shape, generator=generator, dtype=torch.float64).to(device)
    for count in case.counts:
        steps = count - module.EXTRA_EVALUATIONS
        grid = module.timesteps(steps, "time", start=case.start, end=case.end)
        plain, expected = seconds(partial(module.sample, case.model, x, grid), device)
        for window in WINDOWS:
            sweeps: list[Any] = []
            run = partial(
                module.sample_parallel, case.model, x, grid, window, case.tolerance, sweeps.append
            )
            took, found = seconds(run, device)
            moved, size = (one.flatten(1).norm(dim=1) for one in (found - expected, expected))
            error = (moved / size).max()
            verdict = f"{plain / took:.1f} times as fast" if took < 0.95 * plain else "no gain"
            written.append(
                f"| {case.name}, N = {count} | {window or 'all'} | {sweeps[-1].depth} | "
                f"{sweeps[-1].rows} | {error:.1e} | {took:.3f} | {plain:.3f} | {verdict} |"
            )
            print(written[-1], flush=True)
    return written


@torch.no_grad()
def main() -> None:
    """Run all, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", type=Path)
    parser.add_argument("--steps", type=int, default=3000, help="of training")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.manual_seed(0)
    with torch.enable_grad():
        network = training.train(training.TASKS[1], training.digits(), options.steps)
    trained = network_model(network, options.device)
    digits = flow("multistep:3")
    vp = sg.Solver("vp_linear", "noise", "data", "half_log_snr", "multistep:2", parallel=True)
    cases = [Case("trained flow, multistep:3 in time", digits, trained, 1.0, 0.0, (20, 50, 100))]
    if options.device == "cpu":
        exact = exact_model(digits), exact_model(vp)
        cases += [
            Case("digits, flow, multistep:3 in time", digits, exact[0], 1.0, 0.01, (50, 100)),
            Case("digits, VP, DPM-Solver++(2M)", vp, exact[1], 0.98, 0.01, (50, 100)),
        ]
    else:
        large = Transformer().to(options.device, torch.bfloat16).eval()
        shapes = [(batch, 4, 64, 64) for batch in (1, 4)]
        name = "transformer, batch {}, to 1e-2"
        cases += [
            Case(name.format(one[0]), digits, large, 1.0, 0.0, (50, 100), one, 1e-2)
            for one in shapes
        ]
    found = [line for case in cases for line in lines(case, options.device)]
    if options.write is not None:
        where = torch.cuda.get_device_name() if options.device == "cuda" else "CPU"
        text = (
            f"# Samples in parallel in time\n\n{description()} On: {where}.\n\n"
            f"{BATCH} samples at once and float64 where nothing else is said, tolerance 1e-3. "
            "`python benchmarks/parallel.py`.\n\n"
        )
        options.write.write_text(text + HEAD + "\n".join(found) + "\n")


if __name__ == "__main__":
    main()
