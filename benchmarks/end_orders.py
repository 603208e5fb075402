"""The orders that are left at the ends of a domain: claimed, and measured in 40 digits.

    python benchmarks/end_orders.py [NAME ..]

Every preset, with four integrands on four schedules, and schemes in gamma = time, which is finite
at the ends. Steps beside an end, of lengths 2h and h, leave errors whose ratio is the power of h
that an end costs (``solvergen.measurement.beside_ends``); what is shown is that power or the order
inside the domain, whichever is less. ``-``: no run may touch that end.
"""

import sys
import time
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
    "general_linear:4:2", "multistep:2", "multistep:4", "multistep:3:exact:ramp", "multistep:3:ramp",
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
        found.setdefault(("time", text), text)
    return {name: choice for choice, name in found.items()}


def cell(solver: sg.Solver, role: str) -> tuple[str, bool]:
    """Claimed and measured at one end, and whether they agree."""
    end = getattr(solver.endpoints, role)
    if end.obstacle:
        return "-", True
    measured = min(beside_ends.power(solver, MIXTURE, role), solver.order)
    claimed = float(end.order)
    agrees = abs(measured - claimed) <= TOLERANCE
    text = f"{claimed:g} / {measured:.2f}"
    return text if agrees else f"**{text}**", agrees


def row(name: str, choice: tuple[str, str], integrand: str) -> tuple[str, int, int]:
    """One line of the table, how many ends it has measured, and how many disagree."""
    expansion, scheme = choice
    cells, count, wrong = [], 0, 0
    inside = "-"
    for schedule in schedules().values():
        try:
            solver = sg.Solver(schedule, integrand, integrand, expansion, scheme)
        except SolvergenError:
            cells += ["-", "-"]
            continue
        inside = str(solver.order)
        for role in ("start", "end"):
            text, agrees = cell(solver, role)
            cells.append(text)
            count, wrong = count + (text != "-"), wrong + (not agrees)
    gamma = {"half_log_snr": "lambda"}.get(expansion, expansion)
    return f"| `{name}` | {gamma} | {integrand} | {inside} | {' | '.join(cells)} |", count, wrong


def main(wanted: list[str]) -> None:
    """Measure and write the table, or the rows of some names."""
    names = list(schedules())
    heads = [f"{name}, {end}" for name in names for end in ("alpha = 0", "sigma = 0")]
    lines = [f"| method | gamma | N | inside | {' | '.join(heads)} |", "|" + " --- |" * 12]
    total, wrong, begun = 0, 0, time.process_time()
    for name, choice in methods().items():
        if wanted and name not in wanted:
            continue
        for integrand in INTEGRANDS:
            line, count, bad = row(name, choice, integrand)
            total, wrong = total + count, wrong + bad
            lines.append(line)
            print(line, flush=True)
    spent = time.process_time() - begun
    text = (
        "# Orders at the ends: claimed / measured\n\n"
        f"`python benchmarks/end_orders.py`: {total} ends, {wrong} of them not within {TOLERANCE}, "
        f"in {spent:.0f} s of processor time. Measured in 40 digits beside each end; the network "
        "predicts N. What is shown is the power of h that is left, at most the order inside the "
        "domain.\n\n" + "\n".join(lines) + "\n"
    )
    if not wanted:
        RESULTS.write_text(text)
    print(f"{total} ends, {wrong} wrong, {spent:.0f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
