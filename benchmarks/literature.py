"""Schedules of the literature: derived, compiled and searched for their worst coefficients.

    pip install ".[certify]"
    python benchmarks/literature.py [NAME ..] [--write]    # other rows of the table stay

Each in a process of its own: processor seconds from the formulas to the text of a module, imports
aside, then a search with ball arithmetic (``certify.py``), whose time is not counted. Third-order
multistep steps of the data in lambda and of the flow in time; a schedule that is refused has the
reason in its row.
"""

import argparse
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from certify import markdown, searched

import solvergen as sg
from solvergen.errors import SolvergenError, SolvergenWarning
from solvergen.measurement.search import Effort

RESULTS = Path(__file__).parent / "RESULTS_literature.md"
EFFORT = Effort(points=120, rounds=6, worst=6, random=10, panels=150)
LIMIT = 240
"""Seconds after which one is given up."""
CHOICES = (("data", "half_log_snr", "multistep:3:ramp"), ("flow", "time", "multistep:3:ramp"))
CIRCLE = "sqrt(1 - alpha**2)"
MODE = "t - 1.29*(cos(pi/2*(1 - t))**2 - t)"
COSINE = "cos((t + 0.008)/1.008*pi/2)/cos(0.008/1.008*pi/2)"
SIGMOID = "(1/(1 + exp(-6)) - 1/(1 + exp(-6*t)))/(1/(1 + exp(-6)) - 1/2)"


def _log_snr(text: str) -> tuple[str, str]:
    """alpha and sigma of log(alpha^2/sigma^2), variance preserving."""
    return f"1/sqrt(1 + exp(-({text})))", f"1/sqrt(1 + exp({text}))"


SCHEDULES: dict[str, tuple[str, tuple[str, ...]]] = {
    "Laplace": ("Hang et al. 2024, b = 1/2", (
        "sqrt(where(t < 1/2, 1/(1 + exp(log(2*t)/2)), 1/(1 + exp(-log(2 - 2*t)/2))))", CIRCLE)),
    "Cauchy": ("Hang et al. 2024", (
        "1/sqrt(1 + exp(-2*tan(pi/2*(1 - 2*t))))", "1/sqrt(1 + exp(2*tan(pi/2*(1 - 2*t))))",
        "0.05", "0.95")),
    "shifted cosine": ("Hoogeboom et al. 2023, 64 to 256", (
        "1/sqrt(1 + 16*tan(pi*t/2)**2)", "4*tan(pi*t/2)/sqrt(1 + 16*tan(pi*t/2)**2)")),
    "bounded cosine": ("Hoogeboom et al. 2023, log SNR in +-15", (
        "cos(atan(exp(-7.5)) + (pi/2 - 2*atan(exp(-7.5)))*t)",
        "sin(atan(exp(-7.5)) + (pi/2 - 2*atan(exp(-7.5)))*t)")),
    "sigmoid": ("Chen 2023, start 0, end 3, tau 1/2", (f"sqrt({SIGMOID})", CIRCLE)),
    "cosine": ("Chen 2023, start 0.2, end 1, tau 1", (
        "cos(pi/2*(0.2 + 0.8*t))/cos(0.1*pi)", CIRCLE)),
    "spherical": ("rectified flow on the sphere", (
        "(1 - t)/sqrt((1 - t)**2 + t**2)", "t/sqrt((1 - t)**2 + t**2)")),
    "polynomial": ("Hoogeboom et al. 2022, without noise at 0", ("1 - t**2", CIRCLE)),
    "Karras": ("Karras et al. 2022, rho 7", (
        "1", "(0.002**(1/7) + t*(80**(1/7) - 0.002**(1/7)))**7")),
    "EDM c_noise": ("Karras et al. 2022, t = log(sigma)/4 + const", (
        "1", "exp(4*t)/500", "0", "log(40000)/4")),
    "tan": ("sigma/alpha = tan(pi t/2)", ("1", "tan(pi*t/2)", "0", "0.99")),
    "TrigFlow": ("Lu and Song 2024", ("cos(t)", "sin(t)", "0", "pi/2")),
    "CosMap": ("Esser et al. 2024", ("1/(tan(pi*t/2) + 1)", "1 - 1/(tan(pi*t/2) + 1)")),
    "FLUX shift": ("Black Forest Labs 2024, mu = 1.15", (
        "(1 - t)/(1 + (exp(1.15) - 1)*t)", "exp(1.15)*t/(1 + (exp(1.15) - 1)*t)")),
    "OU": ("Ornstein and Uhlenbeck, T = 5", ("exp(-t)", "sqrt(1 - exp(-2*t))", "0", "5")),
    "Kumaraswamy": ("a = 1.3, b = 1.7", ("(1 - t**1.3)**1.7", "1 - (1 - t**1.3)**1.7")),
    "VDM": ("Kingma et al. 2021, log SNR 13.3 to -5", _log_snr("13.3 - 18.3*t")),
    "Lipman OT": ("Lipman et al. 2023, sigma_min = 1e-4", ("1 - t", "0.0001 + 0.9999*t")),
    "Moebius": ("rectified flow in 2 t/(1 + t)", ("(1 - t)/(1 + t)", "2*t/(1 + t)")),
    "Diffusion-LM sqrt": ("Li et al. 2022", (
        "sqrt(1 - sqrt(t + 0.0001))", "(t + 0.0001)**(1/4)", "0", "0.9999")),
    "SD3 mode": ("Esser et al. 2024, s = 1.29", (f"1 - ({MODE})", MODE)),
    "EDM-molecules": ("Hoogeboom et al. 2022", (
        "sqrt((1 - 2e-5)*(1 - t**2)**2 + 1e-5)", CIRCLE)),
    "simple-diffusion shift": ("Hoogeboom et al. 2023, 32 and 256 interpolated", _log_snr(
        "-2*log(tan(pi*t/2)) + 2*(t*log(1/16) + (1 - t)*log(1/2))")),
    "Stable Cascade": ("Pernias et al. 2023, inside its clamp", (COSINE, CIRCLE, "0.002", "0.99")),
}  # fmt: skip


def schedule(name: str) -> sg.NoiseSchedule:
    alpha, sigma, *domain = SCHEDULES[name][1]
    return sg.NoiseSchedule(alpha, sigma, tuple(domain) or (0, 1), name=name)


def timed(action: Callable[[], object]) -> tuple[float, str]:
    """Processor seconds, and the reason if it is refused."""
    started = time.process_time()
    try:
        action()
    except SolvergenError as error:
        return time.process_time() - started, " ".join(str(error).split())
    return time.process_time() - started, ""


def one(name: str, choice: int) -> dict[str, object]:
    """Everything about one schedule and one choice, in this process."""
    warnings.simplefilter("ignore", SolvergenWarning)
    integrand, expansion, scheme = CHOICES[choice]
    found: list[sg.Solver] = []

    def compiled() -> None:
        found.append(sg.Solver(schedule(name), "flow", integrand, expansion, scheme))
        sg.emit(found[0], "numpy")

    seconds, reason = timed(compiled)
    worst = ""
    if not reason:
        worst = f"{searched(found[0], EFFORT).worst.error:.0e}"
    return {"seconds": seconds, "reason": reason, "worst": worst}


def rows(name: str) -> list[str]:
    """A row of the table: the two choices of a schedule, each in a process of its own."""
    cells, reasons = list[str](), dict[str, None]()
    for choice in range(len(CHOICES)):
        command = [sys.executable, __file__, name, "--choice", str(choice)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
        except subprocess.TimeoutExpired:
            cells += [f"> {LIMIT}", "none"]
            continue
        if done.returncode:
            cells += ["", "fails"]
            reasons[done.stderr.strip().splitlines()[-1]] = None
            continue
        found = json.loads(done.stdout)
        cells += [f"{found['seconds']:.1f}", found["worst"] or "refused"]
        if found["reason"]:
            reasons[found["reason"]] = None
    return [name, SCHEDULES[name][0], *cells, "; ".join(reasons).replace("|", "/")]


HEADS = (
    "schedule", "source", "data, lambda: s", "worst", "flow, time: s", "worst", "refused because",
)  # fmt: skip


def report(found: list[list[str]]) -> str:
    return "\n\n".join(
        (
            "# Schedules of the literature",
            "`python benchmarks/literature.py --write`: processor seconds from the formulas to "
            "the text of a module, in a fresh process;\nthe worst coefficient that a search finds "
            "against enclosures by python-flint, relative to the largest weight of a landing.\n"
            "Formulas stand in benchmarks/literature.py.",
            markdown(HEADS, [tuple(row) for row in found]),
        )
    )


def known_rows() -> dict[str, list[str]]:
    """The rows of the table that is there, by schedule."""
    lines = RESULTS.read_text().splitlines() if RESULTS.exists() else []
    cells = ([one.strip() for one in line.strip("|").split("|")] for line in lines)
    return {one[0]: one for one in cells if len(one) == len(HEADS) and one[0] in SCHEDULES}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="all by default")
    parser.add_argument("--choice", type=int, help="one choice, as JSON")
    parser.add_argument("--write", action="store_true", help="RESULTS_literature.md")
    options = parser.parse_args()
    if options.choice is not None:
        print(json.dumps(one(options.names[0], options.choice)))
        return
    found = known_rows()
    for name in options.names or list(SCHEDULES):
        found[name] = rows(name)
        print("| " + " | ".join(found[name]) + " |", flush=True)
        if options.write:
            table = report([found[one] for one in SCHEDULES if one in found])
            RESULTS.write_text(table + "\n")


if __name__ == "__main__":
    main()
