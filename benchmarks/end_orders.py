"""The orders that are left at the ends of a domain: claimed, and measured in 40 digits.

    python benchmarks/end_orders.py [NAME ..]

Every preset, with four integrands on four schedules, and schemes in gamma = time, which is finite
at the ends. Steps beside an end, of lengths 2h and h, leave errors whose ratio is the power of h
that an end costs (``solvergen.measurement.beside_ends``); what is shown is that power or the order
inside the domain, whichever is less. ``-``: no run may touch that end.
"""

import sys
from pathlib import Path

import numpy as np

import solvergen as sg
from solvergen.errors import SolvergenError
from solvergen.measurement import beside_ends
from solvergen.measurement.problems import GaussianMixture
from solvergen.specification import presets

RESULTS = Path(__file__).with_name("RESULTS_end_orders.md")
TOLERANCE = 0.15
INTEGRANDS = ("data", "noise", "flow", "straight")
FAMILIES = (
    "deis_tab_3", "deis_rho_ab_3", "ab_4", "am_3", "unip_3", "unip_2_bh2", "unipc_2",
    "unipc_2_bh1", "unipc_2_bh2", "unipc_3", "unipc_3_bh2_as_published", "vab_3", "reab_3",
)  # fmt: skip
IN_TIME = (
    "singlestep:2", "singlestep:3", "singlestep:4", "dpm_23", "res_3s", "krogstad", "cox_matthews",
    "strehmel_weiner", "hochbruck_ostermann", "unipc:1:bh2", "unipc:2", "unipc:3", "pece:1",
    "pece:2", "adams_moulton:4:3", "trapezoidal:2", "adams_moulton:3:tol=1e-6",
    "general_linear:4:2", "multistep:2", "multistep:4", "multistep:3:exact:ramp",
    "multistep:3:ramp",
)  # fmt: skip
MIXTURE = GaussianMixture(np.array([0.4, 0.6]), np.array([[-1.0], [0.8]]), np.array([0.09, 0.16]))


def schedules() -> dict[str, sg.NoiseSchedule]:
    """Three named ones and one of our own."""
    names = ("rectified_flow", "vp_alphabar", "trigonometric")
    own = sg.NoiseSchedule("1 - t**2", "t", name="custom")
    return {**{name: sg.schedules.get(name) for name in names}, "1 - t^2, t": own}


def methods() -> dict[str, tuple[str, str]]:
    """(expansion, scheme) by the first name that it has."""
    found: dict[tuple[str, str], str] = {}
    for name in (*presets.fixed_names(), *FAMILIES):
        one = presets.find(name)
        found.setdefault((one.expansion, one.scheme), name)
    for text in IN_TIME:
        found.setdefault(("time", text), f"{text}, time")
    return {name: choice for choice, name in found.items()}


def cell(solver: sg.Solver, role: str) -> str:
    """Claimed and measured at one end, in bold where they do not agree."""
    end = getattr(solver.endpoints, role)
    if end.obstacle:
        return "-"
    measured = min(beside_ends.power(solver, MIXTURE, role), solver.order)
    claimed = float(end.order)
    text = f"{claimed:g} / {measured:.2f}"
    return text if abs(measured - claimed) <= TOLERANCE else f"**{text}**"


def row(name: str, choice: tuple[str, str], integrand: str) -> str:
    """One line of the table."""
    expansion, scheme = choice
    cells, inside = [], "-"
    for schedule in schedules().values():
        try:
            solver = sg.Solver(schedule, integrand, integrand, expansion, scheme)
        except SolvergenError:
            cells += ["-", "-"]
            continue
        inside = str(solver.order)
        cells += [cell(solver, role) for role in ("start", "end")]
    gamma = {"half_log_snr": "lambda"}.get(expansion, expansion)
    return f"| `{name}` | {gamma} | {integrand} | {inside} | {' | '.join(cells)} |"


def known() -> dict[str, list[str]]:
    """The rows that are written, by the name of the method."""
    found: dict[str, list[str]] = {}
    for line in RESULTS.read_text().splitlines() if RESULTS.exists() else ():
        if line.startswith("| `"):
            found.setdefault(line.split("`")[1], []).append(line)
    return found


def main(wanted: list[str]) -> None:
    """Measure all rows, or again those of some names, and write the table."""
    rows = known() if wanted else {}
    for name, choice in methods().items():
        if not wanted or name in wanted:
            rows[name] = []
            for integrand in INTEGRANDS:
                rows[name].append(row(name, choice, integrand))
                print(rows[name][-1], flush=True)
    write([line for name in methods() for line in rows.get(name, ())])


def write(lines: list[str]) -> None:
    """The table and what it amounts to."""
    ends = ("alpha = 0", "sigma = 0")
    heads = [f"{name}, {end}" for name in schedules() for end in ends]
    total, wrong = (sum(line.count(mark) for line in lines) for mark in (" / ", "**"))
    text = (
        "# Orders at the ends: claimed / measured\n\n"
        f"`python benchmarks/end_orders.py`: {total} ends, {wrong // 2} of them not within "
        f"{TOLERANCE}. Measured in {beside_ends.DIGITS} digits beside each end; the network "
        "predicts N. What is shown is the power of h that is left, at most the order inside the "
        "domain.\n\n"
        f"| method | gamma | N | inside | {' | '.join(heads)} |\n" + "|" + " --- |" * 12 + "\n"
    )
    RESULTS.write_text(text + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
