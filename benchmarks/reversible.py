"""The reversible scheme on a trained flow network: errors, latents and round trips.

    python benchmarks/reversible.py --write benchmarks/RESULTS_reversible.md

Errors are relative, in the mean over samples, against 400 steps of third order. Latents are the
noises of images: those of the reversible scheme begin with one image, z = x; those of unipc in
velocity, unipc:1 of second order as the reversible scheme is and unipc:2 of third, run its formulas
the other way, which is no exact inverse.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import description

import solvergen as sg
from solvergen.derivation.parameterization import conversion
from solvergen.runs.propagator import unrolled
from solvergen.runs.scalars import Clockwork, ScheduleValues

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
import train_and_sample as training

FINE, SAMPLES = 400, 32
REVERSIBLE = sg.Solver("rectified_flow", "flow", "flow", "time", "reversible")
THIRD = sg.Solver("rectified_flow", "flow", "flow", "time", "multistep:3")
UNIPC = tuple(
    sg.Solver("rectified_flow", "flow", "velocity", "theta", f"unipc:{k}:exact") for k in (1, 2)
)


def any_way(solver: sg.Solver, times: Any, model: Any, x: Any) -> Any:
    """A run over times that may rise: its formulas, from data to noise."""
    work = Clockwork(
        ScheduleValues(solver.schedule),
        solver.weights,
        conversion(solver.prediction, solver.integrand),
    )
    return unrolled(solver.program, work.over(times.tolist())).sample(model, x)


def error(found: Any, exact: Any) -> float:
    """Relative, in the mean over samples."""
    return float(((found - exact).norm(dim=1) / exact.norm(dim=1)).mean())


def lines(network: Any) -> list[str]:
    """The rows of the table."""
    module = sg.compile(REVERSIBLE, "torch")
    generator = torch.Generator().manual_seed(2)
    noise = torch.randn(SAMPLES, 64, generator=generator, dtype=torch.float64)

    def model(x: Any, t: Any) -> Any:
        return network(x.double(), torch.as_tensor(t).double().expand(len(x))).to(x.dtype)

    fine = np.linspace(1.0, 0.0, FINE + 1)
    exact = THIRD.propagator(fine).sample(model, noise)
    images = exact
    found = []
    for steps in (10, 20, 50):
        grid = np.linspace(1.0, 0.0, steps + 1)
        own, pair = module.sample(model, noise, grid), noise.float()
        trips = []
        for start in (noise, pair):
            data = module.sample(model, start, grid, return_pair=True)
            trips.append(float((module.invert(model, data, grid) - start).abs().max()))
        third = THIRD.propagator(grid).sample(model, noise)
        latents = error(module.invert(model, images, grid), noise)
        plain = [error(any_way(one, grid[::-1], model, images), noise) for one in UNIPC]
        back = any_way(UNIPC[1], grid[::-1], model, UNIPC[1].propagator(grid).sample(model, noise))
        found.append(
            f"| {steps} | {error(own, exact):.4f} | {error(third, exact):.4f} | {latents:.4f} | "
            f"{plain[0]:.4f} | {plain[1]:.4f} | {trips[0]:.0e} | {trips[1]:.0e} | "
            f"{error(back, noise):.0e} |"
        )
        print(found[-1], flush=True)
    return found


@torch.no_grad()
def main() -> None:
    """Train, run and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", type=Path)
    parser.add_argument("--steps", type=int, default=3000, help="of training")
    options = parser.parse_args()
    torch.manual_seed(0)
    with torch.enable_grad():
        network = training.train(training.TASKS[1], training.digits(), options.steps)
    found = lines(network)
    if options.write is not None:
        head = (
            f"# The reversible scheme\n\n{description()}\n\n{SAMPLES} samples of a network that "
            "was trained on digits, flow in time. `python benchmarks/reversible.py`.\n\n"
            "| steps | error, reversible | multistep:3 | latents, reversible | unipc:1 backwards | "
            "unipc:2 backwards | round trip of the pair, float64 | float32 | of unipc:2 |\n"
            f"|{9 * '---|'}\n"
        )
        options.write.write_text(head + "\n".join(found) + "\n")


if __name__ == "__main__":
    main()
