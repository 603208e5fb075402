"""A derivation page for every named schedule and three solvers: `python tools/gallery.py FOLDER`.

A page is written again if the package has changed since; 42 of them take five minutes.
"""

import hashlib
import sys
import warnings
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import solvergen as sg

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "build" / "gallery"

SOLVERS = {
    "dpm_solver_pp_2m": ("DPM-Solver++(2M)", ("data", "half_log_snr", "multistep:2")),
    "dpm_solver_3": ("DPM-Solver-3", ("noise", "half_log_snr", "singlestep:3")),
    "straight_multistep_3": (
        "Third-order multistep (straight)",
        ("straight", "sigma/(alpha+sigma)", "multistep:3"),
    ),
}
"""By what their pages are called: title; integrand, expansion, scheme."""

Entry = tuple[str, str]
"""Names of a schedule and of a solver."""


def entries() -> tuple[Entry, ...]:
    """All pages, schedule by schedule."""
    return tuple((schedule, solver) for schedule in sg.schedules.names() for solver in SOLVERS)


def path(entry: Entry, folder: Path = FOLDER) -> Path:
    """The file of a page."""
    return folder / f"{'-'.join(entry)}.html"


def solver(entry: Entry) -> sg.Solver:
    """What a page derives: of networks that predict the flow if that is usual, else noise."""
    schedule = sg.schedules.get(entry[0])
    is_flow = schedule.vanishes(schedule.alpha + schedule.sigma - 1)
    return sg.Solver(schedule, "flow" if is_flow else "noise", *SOLVERS[entry[1]][1])


@cache
def stamp() -> str:
    """The package that pages are made by, as a comment at their end."""
    found = hashlib.sha256(Path(__file__).read_bytes())
    for one in sorted((ROOT / "solvergen").rglob("*.py")):
        found.update(one.read_bytes())
    return f"<!-- {found.hexdigest()[:16]} -->\n"


def write(entry: Entry, folder: Path) -> str:
    """A page, unless it is there; what was done."""
    file = path(entry, folder)
    if file.exists() and file.read_text().endswith(stamp()):
        return f"{file.name}: as it was"
    from solvergen.reports import page

    title = f"{SOLVERS[entry[1]][0]} for the schedule {entry[0]}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sg.SolvergenWarning)
        whole = page.page(solver(entry), title=title)
    page.write(whole + stamp(), file)
    return f"{file.name}: {len(whole) // 1024} KiB"


def make(folder: Path = FOLDER, chosen: Iterable[Entry] | None = None, jobs: int = 2) -> None:
    """Write pages, in so many processes; in this one for one."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = tuple(entries() if chosen is None else chosen)
    if jobs == 1:
        for entry in wanted:
            print(write(entry, folder))
        return
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        for done in pool.map(write, wanted, [folder] * len(wanted)):
            print(done, flush=True)


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
