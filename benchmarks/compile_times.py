"""How long derivation and emission take: by schedule, by order, and where the time goes.

    python benchmarks/compile_times.py                the tables
    python benchmarks/compile_times.py --write        and RESULTS_compile.md

Processor seconds. Every row is a fresh process ("cold" counts from the start of Python, imports
included), which then emits another scheme for the same schedule ("warm"). The columns between them
are the parts of the cold emission. The solver is a noise prediction, the data integrand in
half_log_snr, multistep:3, where nothing else is said.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

import solvergen as sg

FOLDER = Path(__file__).parent
ORDERS = range(1, 9)
HEADS = ["", "import", "solver", "formulas", "accuracy", "printing", "cold", "warm"]
COLD, WARM = 3.0, 1.0
ONE = """
import sys, time
started = [time.process_time()]
def lap():
    started.append(time.process_time())
import solvergen as sg
from solvergen import emission
from solvergen.accuracy import statement
from solvergen.compiler import load_text
lap()
choices = (sg.schedules.get(sys.argv[1]), sg.NOISE, sg.DATA, "half_log_snr")
spec = sg.Solver(*choices, sys.argv[2])
lap()
draft = emission.render(spec, "numpy", accuracy="")
lap()
measured = statement(spec, load_text(draft, "draft"))
lap()
emission.render(spec, "numba", accuracy=measured)
lap()
total = time.process_time()
sg.emit(sg.Solver(*choices, "singlestep:3"), "torch")
lap()
parts = [last - first for first, last in zip(started, started[1:])]
print(*parts[:5], total, parts[5])
"""


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


def show(title: str, rows: list[list[str]]) -> None:
    table = Table(*HEADS, title=title)
    for one in rows:
        table.add_row(*one)
    Console().print(table)


def markdown(title: str, rows: list[list[str]]) -> str:
    lines = ([title, *HEADS[1:]], ["---"] * len(HEADS), *rows)
    return "\n".join("| " + " | ".join(one) + " |" for one in lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--schedule", nargs="*", default=sg.schedules.names())
    options = parser.parse_args()
    by_schedule = [row(name, seconds(name, "multistep:3")) for name in options.schedule]
    show("schedule", by_schedule)
    by_order = [
        row(f"multistep:{order}", seconds("vp_linear", f"multistep:{order}")) for order in ORDERS
    ]
    show("order, vp_linear", by_order)
    if options.write:
        (FOLDER / "RESULTS_compile.md").write_text(
            "# Derivation and emission\n\nProcessor seconds (`python benchmarks/compile_times.py "
            f"--write`); ! marks what is above {COLD:g} s cold or {WARM:g} s warm.\n\n"
            f"{markdown('schedule', by_schedule)}\n{markdown('order, vp_linear', by_order)}"
        )


if __name__ == "__main__":
    main()
