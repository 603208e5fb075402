"""How long derivation and emission take: by schedule, by order, and where the time goes.

    python benchmarks/compile_times.py                the tables
    python benchmarks/compile_times.py --write        and RESULTS_compile.md
    .. --presets-on SCHEDULE ..                       every preset on these schedules only
    .. --combinations-on SCHEDULE ..                  every integrand in every variable on these
    .. --workers 2                                    processes at a time

Processor seconds. Every row is a fresh process ("cold" counts from the start of Python, imports
included), which then emits another scheme for the same schedule ("warm"). The columns between them
are the parts of the cold emission. The solver is a noise prediction, the data integrand in
half_log_snr, multistep:3, where nothing else is said.

Of the two large selections, again one fresh process a case, the slowest cases of a schedule are
shown, and how many are above the bounds: every preset (the families at order 3), and every named
integrand in every named variable and alpha^2.
"""

import argparse
import itertools
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from machine import description
from rich.console import Console
from rich.table import Table

import solvergen as sg

FOLDER = Path(__file__).parent
ORDERS = range(1, 9)
HEADS = ["import", "solver", "formulas", "accuracy", "printing", "cold", "warm"]
COLD, WARM = 3.0, 1.0
SLOWEST = ["cold", "of", "warm", "of", "cold above", "warm above", "of all"]
INTEGRANDS = ("data", "noise", "velocity", "flow", "score", "straight")
VARIABLES = ("half_log_snr", "time", "sigma/alpha", "sigma/(alpha+sigma)", "theta", "alpha**2")
ONE = """
import sys, time
started = [time.process_time()]
def lap():
    started.append(time.process_time())
import solvergen as sg
from solvergen.targets import rendering
from solvergen.measurement.certificate import statement
from solvergen.compiler import load_text
lap()
choices = (sg.schedules.get(sys.argv[1]), sg.NOISE, sg.DATA, "half_log_snr")
spec = sg.Solver(*choices, sys.argv[2])
lap()
draft = rendering.coefficients_module(spec)
lap()
measured = statement(spec, load_text(draft, "draft"))
lap()
rendering.render(spec, "numba", accuracy=measured)
lap()
total = time.process_time()
sg.emit(sg.Solver(*choices, "singlestep:3"), "torch")
lap()
parts = [last - first for first, last in zip(started, started[1:])]
print(*parts[:5], total, parts[5])
"""


CASE = """
import sys, time
import solvergen as sg
schedule, first, *second = sys.argv[1:]
def solver(scheme):
    if second:
        return sg.Solver(schedule, sg.NOISE, first, second[0], scheme)
    preset = sg.presets.get(first, schedule)
    if scheme == "multistep:3":
        return preset
    return sg.Solver(schedule, sg.NOISE, preset.integrand, preset.expansion, scheme)
try:
    sg.emit(solver("multistep:3"), "numba")
except sg.SolvergenError:
    sys.exit()
total = time.process_time()
sg.emit(solver("singlestep:3"), "torch")
print(total, time.process_time() - total)
"""


def presets() -> list[str]:
    """Every preset, the families at order 3."""
    return [*sg.presets.fixed_names(), *(f"{one.stem}_3" for one in sg.presets.FAMILIES)]


def case(choices: tuple[str, ...]) -> list[float]:
    """(cold, warm) of a preset, or of an integrand in a variable; empty if there is none."""
    done = subprocess.run(
        [sys.executable, "-c", CASE, *choices], capture_output=True, text=True, check=True
    )
    return [float(one) for one in done.stdout.split()]


def selection(cases: list[tuple[str, ...]], workers: int) -> list[str]:
    """The slowest cold and warm of some cases of a schedule, and how many are above the bounds."""
    with ThreadPoolExecutor(workers) as pool:
        measured = zip(cases, pool.map(case, cases), strict=True)
    found = [(times, ", ".join(one[1:])) for one, times in measured if times]
    shown, above = [], []
    for k, bound in enumerate((COLD, WARM)):
        times, name = max(found, key=lambda one, k=k: one[0][k])
        shown += [f"{times[k]:.2f}{'' if times[k] < bound else ' !'}", name]
        above.append(str(sum(times[k] >= bound for times, _ in found)))
    return [*shown, *above, str(len(found))]


def seconds(schedule: str, scheme: str) -> list[float]:
    """The parts of the cold emission, all of it, and the warm one."""
    done = subprocess.run(
        [sys.executable, "-c", ONE, schedule, scheme], capture_output=True, text=True, check=True
    )
    return [float(one) for one in done.stdout.split()]


def row(name: str, times: list[float]) -> list[str]:
    cold, warm = times[-2:]
    marks = ("" if cold < COLD else " !", "" if warm < WARM else " !")
    shown = [f"{one:.2f}" for one in times]
    return [name, *shown[:-2], shown[-2] + marks[0], shown[-1] + marks[1]]


def show(title: str, heads: list[str], rows: list[list[str]]) -> None:
    table = Table(title, *heads)
    for one in rows:
        table.add_row(*one)
    Console(width=120).print(table)


def markdown(title: str, heads: list[str], rows: list[list[str]]) -> str:
    lines = ([title, *heads], ["---"] * (1 + len(heads)), *rows)
    return "\n".join("| " + " | ".join(one) + " |" for one in lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--schedule", nargs="*", default=sg.schedules.names())
    parser.add_argument("--presets-on", nargs="*", default=sg.schedules.names())
    parser.add_argument("--combinations-on", nargs="*", default=["zero_terminal_snr", "vp_sigmoid"])
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    pairs = list(itertools.product(INTEGRANDS, VARIABLES))
    tables = [
        ("schedule", HEADS, [row(one, seconds(one, "multistep:3")) for one in options.schedule]),
        (
            "order, vp_linear",
            HEADS,
            [row(f"multistep:{k}", seconds("vp_linear", f"multistep:{k}")) for k in ORDERS],
        ),
        (
            "every preset on",
            SLOWEST,
            [
                [one, *selection([(one, p) for p in presets()], options.workers)]
                for one in options.presets_on
            ],
        ),
        (
            "every combination on",
            SLOWEST,
            [
                [one, *selection([(one, *p) for p in pairs], options.workers)]
                for one in options.combinations_on
            ],
        ),
    ]
    for table in tables:
        show(*table)
    if options.write:
        (FOLDER / "RESULTS_compile.md").write_text(
            "# Derivation and emission\n\nProcessor seconds (`python benchmarks/compile_times.py "
            f"--write`); ! marks what is above {COLD:g} s cold or {WARM:g} s warm. Of every preset "
            "and every combination the slowest are shown, and how many are above.\n"
            f"{description()}\n\n" + "\n".join(markdown(*table) for table in tables)
        )


if __name__ == "__main__":
    main()
