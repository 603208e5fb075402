"""How much tuning wins: error against that of the best usual solver, on noises held out.

    python benchmarks/tuning.py --write benchmarks/RESULTS_tuning.md
    python benchmarks/tuning.py --networks

The usual solvers, DPM++ 2M, UniPC-2 and -3, DEIS, DDIM, Euler's and Heun's method on the flow, are
run on their usual grids, without a limiter as their authors' code is. The best of them is picked on
the held-out noises themselves, which flatters it; the tuned solver sees none of these.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from machine import description

import solvergen as sg
from solvergen.tuning import models, problems, teacher
from solvergen.tuning.examples import Score
from solvergen.tuning.grids import GRIDS
from solvergen.tuning.methods import TEACHING, Setting, of_preset
from solvergen.tuning.search import Bench, candidates, measured, tables
from solvergen.tuning.tuner import Noises

USUAL = (
    "ddim", "dpm_solver_pp_2m", "dpm_solver_pp_2m_midpoint", "unipc_2_bh2_as_published",
    "unipc_3_bh2_as_published", "deis_tab_2_as_published", "deis_tab_3_as_published",
    "flow_euler", "flow_heun",
)  # fmt: skip
USUAL_GRIDS = {
    "vp_linear": ("time", "quadratic", "half_log_snr", "karras"),
    "rectified_flow": ("time", "shift 3"),
}
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Case:
    """A problem, and what is asked of tuning its grid: the factor at each number of calls."""

    name: str
    problem: str
    schedule: str
    prediction: str
    end: float
    wanted: dict[int, float]


CASES = (
    Case("64-d mixture, VP", "mixture", "vp_linear", "noise", 1e-3, {5: 8, 8: 15}),
    Case("2-d mixture, flow", "mixture_2d", "rectified_flow", "flow", 0.0, {5: 10, 8: 10, 12: 25}),
    Case("digits, flow", "digits", "rectified_flow", "flow", 0.0, {5: 2.5, 8: 5}),
    Case("digits, VP", "digits", "vp_linear", "noise", 1e-3, {5: 1, 8: 3.5}),
)
HEAD = (
    "| problem, N, seed | best usual | tuned grid | cut | wanted | tuned solver | seconds |\n"
    "|---|---|---|---|---|---|---|\n"
)


def usual(setting: Setting, model: models.Network, held, evaluations: int) -> tuple[str, Score]:
    """The best usual solver on the held-out noises."""
    grids = [one for one in GRIDS if one.name in USUAL_GRIDS[setting.schedule.name]]
    methods = [replace(of_preset(name), limited=False) for name in USUAL]
    found = list(tables(setting, candidates(setting, methods, evaluations, grids)))
    best = measured(Bench(setting, model, held, held), held, found)[0]
    return str(best.candidate), best.score


def shown(score: Score) -> str:
    """Geometric mean, median and root mean square."""
    return f"{score.geometric_mean:.1e} / {score.median:.1e} / {score.rms:.1e}"


def exact(case: Case, evaluations: int, seed: int) -> str:
    """One line of the table."""
    setting = Setting.of(case.schedule, case.prediction, None, case.end)
    model = problems.ExactModel(case.problem, problems.get(case.problem), setting)
    begun = time.process_time()
    tuned = sg.tune(model, case.schedule, case.prediction, evaluations, end=case.end, seed=seed)
    seconds = time.process_time() - begun
    counts = Noises.of(None, True)
    network, shape = models.Network(model), (model.problem.dimensions,)
    noise = models.noises(network, setting.noise_level, counts.total, None, shape, seed)
    held = teacher.taught(setting, model, noise[-counts.report :], teacher.EXACT)
    name, best = usual(setting, network, held, evaluations)
    mine = tuned.report.tuned.score
    cut = best.geometric_mean / mine.geometric_mean
    return (
        f"| {case.name}, {evaluations}, {seed} | {name}: {shown(best)} | {shown(mine)} | "
        f"{cut:.1f} | {case.wanted[evaluations]:g} | {tuned.report.tuned.solver} | {seconds:.0f} |"
    )


NETWORK_HEAD = (
    "| network, N | best usual | tuned grid | cut | wanted | rows too | cut | wanted | tuned "
    "solver | seconds |\n|---|---|---|---|---|---|---|---|---|---|\n"
)
NETWORKS = (("flow", "rectified_flow", "flow", 0.0), ("VP", "vp_linear", "noise", 1e-3))
TEACHER = TEACHING, 1600
"""Networks are rough in t: 200 steps of the one of vp_linear differ from 400 by 6e-3."""
WANTED = {8: (1.25, 1.5), 12: (1.8, 2.3)}


def networks() -> Iterator[str]:
    """The table of trained networks."""
    from digit_networks import SIZE, trained

    for name, schedule, prediction, end in NETWORKS:
        network = trained(schedule, end)
        for evaluations, (grid, rows) in WANTED.items():
            begun = time.process_time()
            with TemporaryDirectory() as folder:
                options = {"end": end, "shape": (SIZE,), "resume": folder, "teacher": TEACHER}
                first, second = (
                    sg.tune(network, schedule, prediction, evaluations, coefficients=one, **options)
                    for one in ("order", "all")
                )
            seconds = time.process_time() - begun
            setting, called = Setting.of(schedule, prediction, None, end), models.Network(network)
            counts = Noises.of(None, False)
            noise = models.noises(called, setting.noise_level, counts.total, None, (SIZE,))
            held = teacher.taught(setting, called, noise[-counts.report :], TEACHER)
            best_name, best = usual(setting, called, held, evaluations)
            one, two = (found.report.tuned.score for found in (first, second))
            yield (
                f"| {name}, {evaluations} | {best_name}: {shown(best)} | {shown(one)} | "
                f"{best.geometric_mean / one.geometric_mean:.2f} | {grid:g} | {shown(two)} | "
                f"{best.geometric_mean / two.geometric_mean:.2f} | {rows:g} | "
                f"{first.report.tuned.solver}; teacher {first.report.difference:.1e} | "
                f"{seconds:.0f} |"
            )


def lines(match: str) -> Iterator[str]:
    """The table of exact problems."""
    for case in CASES:
        for evaluations in case.wanted if match in case.name else ():
            for seed in SEEDS:
                yield exact(case, evaluations, seed)


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--match", default="", help="only problems with this in their name")
    parser.add_argument("--write", type=Path, help="a file for the table")
    parser.add_argument("--networks", action="store_true", help="two that are trained here")
    given = parser.parse_args()
    if given.networks:
        print(NETWORK_HEAD, end="")
        for row in networks():
            print(row, flush=True)
        return
    rows = []
    for row in lines(given.match):
        print(row, flush=True)
        rows.append(row)
    if given.write:
        text = (
            f"# Tuned grids against the best usual solver\n\n{description()}\n\nErrors: RMS over "
            "the pixels of a sample: geometric mean / median / RMSE over 128 held-out samples. "
            "Grid stage only. `python benchmarks/tuning.py`; seconds are of one core.\n\n"
        )
        given.write.write_text(text + HEAD + "\n".join(rows) + "\n")


if __name__ == "__main__":
    np.seterr(all="ignore")
    main()
