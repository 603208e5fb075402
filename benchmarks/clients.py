"""Which method for the grids of samplers' clients: errors on exact problems, beside published ones.

    python benchmarks/clients.py [--write]

Every grid of ``solvergen.measurement.client_grids``, for the table of Stable Diffusion and for flow
models with a shift of 3, at 5, 8, 12, 20 and 30 steps; a dozen exact problems with guidance. What
is compared is (error + 1e-3)/(reference's error + 1e-3), errors the root mean square distance of
samples from the exact flow of the same noise (thousands of steps), as geometric means over the
problems; the best peer is picked after the fact, for every problem and grid.

The peers take the steps of published code: Euler, DPM-Solver++(2M), UniPC-2, DEIS-3, iPNDM.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

import solvergen as sg
from solvergen.compiler import load_text
from solvergen.measurement import client_grids
from solvergen.measurement.client_grids import Levels
from solvergen.measurement.problems import Problem, model
from solvergen.specification.presets import LAMBDA, MIDPOINT_2M, STRAIGHT
from solvergen.targets import rendering
from solvergen.tuning import problems

Floats = NDArray[np.float64]
RESULTS = Path(__file__).parent / "RESULTS_clients.md"
STEPS = (5, 8, 12, 20, 30)
FAMILIES = {"eps": ("ve", Levels.eps()), "flow": ("rectified_flow", Levels.flow(3.0))}
SAMPLES, REFERENCE_STEPS = 32, 600
FLOOR = 1e-3

PROBLEMS: dict[str, Callable[[], Problem]] = {
    "two points": problems.two_points,
    "2-d mixture": lambda: problems.mixture(2, 8, seed=2),
    "2-d, guidance 3": lambda: problems.guided(2, 8, 3.0, seed=3),
    "8-d, guidance 7": lambda: problems.guided(8, 12, 7.0, seed=4),
    "16-d, guidance 4": lambda: problems.guided(16, 16, 4.0),
    "64-d mixture": lambda: problems.mixture(64, 10, seed=1),
    "64-d, std .5, guidance 5": lambda: problems.guided(64, 16, 5.0, 0.5, seed=5),
    "digits": problems.digits,
}
METHODS = {
    "A": ("straight", STRAIGHT, "unipc:2:exact:ramp", True),
    "C": ("data", STRAIGHT, "unipc:2:exact:ramp", True),
    "A, ramp at the end": ("straight", STRAIGHT, "unipc:2:exact:ramp:ramp", True),
    "C, ramp at the end": ("data", STRAIGHT, "unipc:2:exact:ramp:ramp", True),
    "data, lambda, 2": ("data", LAMBDA, "multistep:2:ramp", True),
    "data, lambda, 3": ("data", LAMBDA, "multistep:3:ramp", True),
    "A, no limiter": ("straight", STRAIGHT, "unipc:2:exact:ramp", None),
    "C, no limiter": ("data", STRAIGHT, "unipc:2:exact:ramp", None),
    "data, lambda, 3, no limiter": ("data", LAMBDA, "multistep:3:ramp", None),
}
PEERS = {
    "Euler": ("noise", "sigma/alpha", "euler", None),
    "DPM++ 2M": ("data", LAMBDA, MIDPOINT_2M, None),
    "UniPC-2": ("data", LAMBDA, "unipc:2:bh2:ramp:ramp", None),
    "DEIS-3": ("noise", LAMBDA, "multistep:3:ramp", None),
    "iPNDM": ("noise", "sigma/alpha", sg.presets.find("ipndm_as_published").scheme, None),
}
RECOMMENDED = ("A", "C, ramp at the end")


@dataclass(frozen=True, eq=False)
class Case:
    """A problem in the space of a family of networks."""

    family: str
    problem: Problem

    @cached_property
    def noise(self) -> Floats:
        """Samples of unit variance."""
        shape = (SAMPLES, self.problem.dimensions)
        return np.random.default_rng(1).standard_normal(shape)

    def sample(self, choice: tuple, levels: Floats) -> Floats:
        """A run over noise levels of a network that returns the data."""
        spec, module = solver(self.family, choice)
        network = model(self.problem, spec)
        start = self.noise * levels[0]
        return module.sample(lambda x, sigma: network(x, max(sigma, 1e-12)), start, levels)

    @lru_cache(maxsize=64)  # noqa: B019 - a case lives as long as the process
    def exact(self, first: float) -> Floats:
        """The samples that the same noise flows to: third order in lambda, very many steps."""
        top = 7.0 if first >= 1.0 - 1e-9 and self.family == "flow" else _level(self.family, first)
        inner = np.linspace(top, -7.5, REFERENCE_STEPS)
        levels = np.exp(inner) if self.family == "eps" else 1.0 / (1.0 + np.exp(-inner))
        grid = np.concatenate([[first], levels[levels < first * (1.0 - 1e-12)], [0.0]])
        return self.sample(("data", LAMBDA, "multistep:3", True), grid)


def _level(family: str, sigma: float) -> float:
    return float(np.log(sigma if family == "eps" else sigma / (1.0 - sigma)))


@lru_cache(maxsize=64)
def solver(family: str, choice: tuple) -> tuple[sg.Solver, ModuleType]:
    """One, and its module."""
    integrand, expansion, scheme, limiter = choice
    if family == "flow" and choice == PEERS["Euler"]:
        integrand, expansion = "flow", "time"
    spec = sg.Solver(FAMILIES[family][0], "data", integrand, expansion, scheme, limiter)
    return spec, load_text(rendering.render(spec, "numpy", accuracy=""), "sampler")


def grids(family: str) -> dict[tuple[str, int], Floats]:
    """All grids of a family, by name and steps."""
    levels = FAMILIES[family][1]
    return {
        (name, steps): client_grids.grid(levels, name, steps)
        for name in client_grids.names(levels.kind)
        for steps in STEPS
    }


def errors(family: str) -> dict[str, Floats]:
    """The errors of every method [grids, problems]; infinite where a run has no coefficients, as
    the noise integrand from alpha = 0."""
    found = {name: [] for name in (*METHODS, *PEERS)}
    cases = [Case(family, get()) for get in PROBLEMS.values()]
    for levels in grids(family).values():
        for name, choice in {**METHODS, **PEERS}.items():
            row = []
            for case in cases:
                exact = case.exact(float(levels[0]))
                try:
                    gap = case.sample(choice, levels) - exact
                except ValueError:
                    gap = np.full(1, np.inf)
                row.append(float(np.sqrt(np.mean(gap**2))))
            found[name].append(row)
    return {name: np.array(rows) for name, rows in found.items()}


def ratios(found: Floats, reference: Floats) -> Floats:
    """By how much errors exceed others, small ones left out."""
    return (found + FLOOR) / (reference + FLOOR)


def mean(values: Floats) -> float:
    """The geometric mean of what is finite."""
    return float(np.exp(np.mean(np.log(values[np.isfinite(values)]))))


def table(family: str, found: dict[str, Floats]) -> list[str]:
    """The table of a family: to Euler, to the best peer, the worst grid, the worst case."""
    euler, best = found["Euler"], np.min([found[name] for name in PEERS], axis=0)
    names = list(grids(family))
    lines = [
        f"## {family}: {len(names)} grids, {len(PROBLEMS)} problems",
        "",
        "| method | to Euler | to the best peer | that at 5, 8, 12, 20, 30 steps "
        "| worst grid to Euler | worst case |",
        "|---|---|---|---|---|---|",
    ]
    for name in (*METHODS, *PEERS):
        to_euler, to_best = ratios(found[name], euler), ratios(found[name], best)
        by_grid = [mean(row) if np.isfinite(row).all() else 0.0 for row in to_euler]
        worst = int(np.argmax(by_grid))
        by_steps = [
            mean(to_best[[k for k, (_, steps) in enumerate(names) if steps == count]])
            for count in STEPS
        ]
        lines.append(
            f"| {name} | {mean(to_euler):.3f} | {mean(to_best):.3f} "
            f"| {', '.join(f'{one:.2f}' for one in by_steps)} "
            f"| {by_grid[worst]:.2f} ({names[worst][0]}, {names[worst][1]}) "
            f"| {np.max(to_euler[np.isfinite(to_euler)]):.1f} |"
        )
    either = np.minimum(*(ratios(found[name], best) for name in RECOMMENDED))
    by_grid = np.minimum(
        *([mean(row) for row in ratios(found[name], euler)] for name in RECOMMENDED)
    )
    lines += [
        "",
        f"The better one of {' and '.join(RECOMMENDED)} for every case: {mean(either):.3f} of the "
        f"best peer; worst grid {np.max(by_grid):.2f} of Euler.",
        "",
    ]
    return lines


def main() -> None:
    """Print the tables, and write them if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    arguments = parser.parse_args()
    text = [
        "# Methods on the grids of samplers' clients",
        "",
        "`python benchmarks/clients.py --write`; what is compared is explained there.",
        "",
    ]
    for family in FAMILIES:
        text += table(family, errors(family))
    print("\n".join(text))
    if arguments.write:
        RESULTS.write_text("\n".join(text))


if __name__ == "__main__":
    main()
