"""The worst coefficients that a search finds, against enclosures in ball arithmetic.

    pip install ".[certify]"
    python benchmarks/certify.py [--schedule NAME ..] [--write]    # other rows of the table stay

Every named schedule x integrand x variable that exists, third-order multistep steps, of a network
that predicts data, or noise where data are integrated: grids that are made to find errors, down and
up in noise (``solvergen.measurement.grids``), the rows that differ most from a copy on finer
panels, those beside the worst values of alpha, sigma, A and B, and random ones, each compared with
``acb.integral`` over the definitions. Errors are relative to the largest weight of a landing.
"""

import argparse
import time
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from balls import BallReference

import solvergen as sg
from solvergen.algebra.tables import Interpolate
from solvergen.compiler import load_text
from solvergen.errors import SolvergenError, SolvergenWarning
from solvergen.measurement.row_errors import errors_of_step
from solvergen.measurement.search import Effort, Found, search
from solvergen.targets import rendering

RESULTS = Path(__file__).parent / "RESULTS_certify.md"
INTEGRANDS = ("noise", "data", "velocity", "flow", "score", "straight")
EXPANSIONS = ("half_log_snr", "time", "sigma/alpha", "sigma/(alpha+sigma)", "theta", "clock")
EFFORT = Effort(points=240, rounds=6, worst=6, random=8, panels=300)
SCHEME = "multistep:3:ramp"


def searched(solver: sg.Solver, effort: Effort = EFFORT) -> Found:
    """What a search with balls finds in a solver's module; its weights without bounds."""
    solver = solver.unlimited
    texts = (rendering.coefficients_module(solver, finer) for finer in (False, True))
    modules = (load_text(text, "searched") for text in texts)
    return search(solver, *modules, effort, partial(errors_of_step, kind=BallReference))


def rows(name: str) -> Iterator[tuple[str, ...]]:
    """Schedule, integrand, variable, rows, steps, the worst error, and of what; or why not."""
    for integrand in INTEGRANDS:
        for expansion in EXPANSIONS:
            started = time.process_time()
            try:
                prediction = "noise" if integrand == "data" else "data"
                solver = sg.Solver(name, prediction, integrand, expansion, SCHEME)
                found = searched(solver)
            except SolvergenError as error:
                reason = " ".join(str(error).split()).replace("|", "/")
                yield (name, integrand, expansion, "", "", "refused", reason, "")
                continue
            worst = found.worst
            yield (
                name, integrand, expansion, str(found.rows), str(found.steps),
                f"{worst.error:.0e}", f"{worst.column}, {worst.start:.6g} to {worst.end:.6g}",
                f"{time.process_time() - started:.1f}",
            )  # fmt: skip


HEADS = ("schedule", "integrand", "expansion", "rows", "compared", "worst", "of, from t to t", "s")


def markdown(heads: tuple[str, ...], found: list[tuple[str, ...]]) -> str:
    lines = (heads, ("---",) * len(heads), *found)
    return "\n".join("| " + " | ".join(row) + " |" for row in lines)


def report(found: list[tuple[str, ...]]) -> str:
    worst: dict[str, tuple[float, int]] = {}
    for name, *_, error, _, _ in found:
        if error != "refused":
            before, count = worst.get(name, (0.0, 0))
            worst[name] = (max(before, float(error)), count + 1)
    summary = [(name, str(count), f"{error:.0e}") for name, (error, count) in worst.items()]
    return "\n\n".join(
        (
            "# The worst coefficients that a search finds",
            f"`python benchmarks/certify.py --write`: {SCHEME}; the network predicts data, or "
            "noise where data are integrated. Rows of\nadversarial grids, down and up; those "
            "compared with enclosures by python-flint are the worst against finer panels,\nthose "
            "beside the worst alpha, sigma, A and B, and random ones. Errors relative to the "
            "largest weight of a landing;\nseconds of a processor. Schedules that interpolate "
            "a table are not in it: their formulas have no enclosures.",
            markdown(("schedule", "combinations", "worst"), summary),
            "## Every combination",
            markdown(HEADS, found),
        )
    )


def known_rows() -> dict[str, list[tuple[str, ...]]]:
    """The rows of the table that is there, by schedule."""
    found: dict[str, list[tuple[str, ...]]] = {}
    for line in RESULTS.read_text().splitlines() if RESULTS.exists() else []:
        cells = tuple(one.strip() for one in line.strip("|").split("|"))
        if line.startswith("| ") and len(cells) == len(HEADS) and cells[0] in sg.schedules.names():
            found.setdefault(cells[0], []).append(cells)
    return found


def is_tabulated(name: str) -> bool:
    """Whether its formulas interpolate a table."""
    schedule = sg.schedules.get(name)
    return bool((schedule.alpha + schedule.sigma).has(Interpolate))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--schedule", nargs="*", help="all by default")
    parser.add_argument("--write", action="store_true", help="RESULTS_certify.md")
    options = parser.parse_args()
    warnings.simplefilter("ignore", SolvergenWarning)
    found = known_rows()
    for name in options.schedule or [one for one in sg.schedules.names() if not is_tabulated(one)]:
        found[name] = []
        for row in rows(name):
            print("| " + " | ".join(row) + " |", flush=True)
            found[name].append(row)
        if options.write:
            in_order = (found.get(one, []) for one in sg.schedules.names())
            RESULTS.write_text(report([row for one in in_order for row in one]) + "\n")


if __name__ == "__main__":
    main()
