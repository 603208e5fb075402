"""The pictures of a derivation's page: the schedule, what was measured, stability, a run's weights.

Each is drawn from what an emitted module computes, and from nothing else.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solvergen.algebra.evaluation import evaluate_float
from solvergen.algebra.typesetting import latex
from solvergen.errors import SolvergenError
from solvergen.measurement.problems import GaussianMixture, model
from solvergen.program.program import StepProgram
from solvergen.program.stability import growth, real_interval
from solvergen.reports.pictures import COLOURS, as_svg, new_figure, styled
from solvergen.runs.propagator import Propagator
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.specification.solver import Solver
from solvergen.symbols import t

Floats = NDArray[np.float64]

LEVELS = (-3.5, 3.5)
"""lambda of the runs whose error is measured: all of the noise, and hardly any."""
STEPS = tuple(n for k in range(3, 12) for n in (2**k, 3 * 2 ** (k - 1)))
"""As many of these as a slope needs to settle: two of them are an octave."""
FEWEST = 9
"""To 128 steps a picture goes in any case, but for rounding."""
SETTLED = 0.03
"""How little the slope of an octave may differ from that of the one before."""
FLOOR = 5e-14
"""An error below which it is that of rounding, of runs of ``USUAL`` steps; more have more."""
USUAL = 256
GRID_STEPS = 10
MIXTURE = GaussianMixture(np.ones(2), np.array([[-1.0], [2.0]]), np.array([0.3, 0.3]))
EDGE = 1e-3
"""Of the domain, left out beside its ends, where lambda, f and g^2 may be infinite."""
FARTHEST = 12.0
PICTURES = (".png", ".svg", ".pdf")
LONGEST_TITLE = 90
MOST_NUMBERS = 16
"""Evaluations up to which the shares of a run are written into its matrix."""


@dataclass(frozen=True)
class Measured:
    """Errors of runs with more and more steps, until their slope has settled.

    Attributes:
        steps, errors: of the runs, without those that are not solved or are down to rounding.
        slope: of the last octave.
        to_rounding: whether it was still changing when rounding was all that was left.
    """

    steps: tuple[int, ...]
    errors: Floats
    slope: float
    to_rounding: bool

    @classmethod
    def of(cls, run: Callable[[int], float], floor: float = FLOOR) -> "Measured":
        """By the error of a run of so many steps.

        Args:
            run: from steps to error; it raises RuntimeError where an implicit equation has no
                solution with so few.
            floor: an error that is not of the steps.
        """
        steps: list[int] = []
        errors: list[float] = []
        slopes: list[float] = []
        to_rounding = False
        for count in STEPS:
            try:
                error = run(count)
            except RuntimeError:
                continue
            to_rounding = len(errors) > 2 and error < floor * max(1, count / USUAL)
            if to_rounding:
                break
            steps.append(count)
            errors.append(max(error, 1e-17))
            if len(errors) > 2:
                ratio = np.log(steps[-1] / steps[-3])
                slopes.append(float(np.log(errors[-1] / errors[-3]) / ratio))
            if len(errors) >= FEWEST and np.abs(np.diff(slopes[-4:])).max() < SETTLED:
                break
        slope = slopes[-1] if slopes else np.nan
        return cls(tuple(steps), np.array(errors), slope, to_rounding)

    @property
    def words(self) -> str:
        """The slope, and what kept it from settling."""
        return f"{-self.slope:.2f}{', down to rounding' if self.to_rounding else ''}"


def spacing(solver: Solver) -> str:
    """The variable in which a page's grids are even."""
    return "time" if solver.expansion.name == "time" else "half_log_snr"


def grid(solver: Solver, module: ModuleType, steps: int = GRID_STEPS) -> Floats:
    """The run that a page shows, between the levels of ``LEVELS`` at most."""
    schedule = solver.schedule
    low, high = float(schedule.t_min), float(schedule.t_max)
    found = np.asarray(module.half_log_snr(np.array([high, low])))
    start, end = (
        time if np.isfinite(level) and abs(level) < abs(far) + 3 else inner
        for time, level, far, inner in zip(
            (high, low), found, LEVELS, module.time_at_half_log_snr(np.array([-5.0, 5.0])),
            strict=True,
        )
    )  # fmt: skip
    return np.asarray(module.timesteps(steps, spacing(solver), start=float(start), end=float(end)))


def schedule_picture(schedule: NoiseSchedule, dots: Floats) -> bytes:
    """alpha and sigma, lambda, g^2 and -f over time, with the times of a run."""
    with styled():
        return as_svg(_schedule_figure(schedule, dots))


def plot_schedule(schedule: NoiseSchedule, path: str | Path) -> Path:
    """The same as a file of the kind that its name says, titled with the formulas.

    Raises:
        SolvergenError: matplotlib is not installed, or there is no such kind.
    """
    path = Path(path)
    if path.suffix not in PICTURES:
        raise SolvergenError(f"got {path}; expected a name that ends in {', '.join(PICTURES)}")
    with styled():
        figure = _schedule_figure(schedule, np.array([]))
        shown = (rf"$\{name}_t = {latex(one)}$" for name, one in
                 (("alpha", schedule.alpha), ("sigma", schedule.sigma)))  # fmt: skip
        title = ",  ".join(shown) if _is_short(schedule) else schedule.name
        figure.suptitle(title.replace(r"\left", "").replace(r"\right", ""), fontsize=10.5)
        figure.savefig(path, dpi=150, facecolor="w")
    return path


def _is_short(schedule: NoiseSchedule) -> bool:
    """Whether the formulas stand in a line, in letters that matplotlib sets."""
    text = latex(schedule.alpha) + latex(schedule.sigma)
    return len(text) <= LONGEST_TITLE and r"\begin" not in text


def _schedule_figure(schedule: NoiseSchedule, dots: Floats) -> Any:
    figure = new_figure(7.6, 2.35)
    left, middle, right = figure.subplots(1, 3)
    low, high = float(schedule.t_min), float(schedule.t_max)
    times = np.linspace(low + EDGE * (high - low), high - EDGE * (high - low), 400)
    formulas = (schedule.alpha, schedule.sigma, schedule.half_log_snr, schedule.f,
                schedule.g_squared)  # fmt: skip
    alpha, sigma, level, f, g = (
        evaluate_float(schedule.stable(e), t, times, schedule.parameters) for e in formulas
    )
    for values, colour, name in (
        (alpha, COLOURS[0], r"$\alpha_t$"),
        (sigma, COLOURS[1], r"$\sigma_t$"),
    ):
        left.plot(times, values, color=colour, label=name)
        left.plot(dots, np.interp(dots, times, values), "o", ms=3.2, color=colour)
    left.set_title(r"$\alpha_t$ and $\sigma_t$")
    left.legend(handlelength=1.1)
    if np.max(sigma) > 20 * np.max(alpha):
        left.set_yscale("log")
    middle.axhline(0, color="#dddddd", lw=0.8, zorder=0)
    middle.plot(times, level, color=COLOURS[0])
    middle.plot(dots, np.interp(dots, times, level), "o", ms=3.2, color=COLOURS[0])
    middle.set_title(r"$\lambda_t=\log(\alpha_t/\sigma_t)$")
    top = min(float(np.max(g)), 12 * float(np.median(np.abs(g))) + 1e-9)
    for values, colour, style, name in (
        (g, COLOURS[2], "-", "$g^2$"),
        (-f, COLOURS[3], "--", "$-f$"),
    ):
        right.plot(times, values, color=colour, ls=style, label=name)
        right.plot(dots, np.interp(dots, times, values), "o", ms=3.2, color=colour)
    right.set_ylim(min(0.0, -0.02 * top), 1.05 * top)
    right.set_title("$g^2$ and $-f$")
    right.legend(handlelength=1.6)
    for axes in (left, middle, right):
        axes.set_xlabel("$t$")
    return figure


def measure(solver: Solver, module: ModuleType) -> Measured:
    """On a mixture of two Gaussians whose flow is known exactly, between two noise levels."""
    start, end = between(solver.schedule, module)
    ends = [(float(module.alpha(one)), float(module.sigma(one))) for one in (start, end)]
    x = np.linspace(-2, 2, 9)[:, None] * np.hypot(*ends[0])
    exact = MIXTURE.exact_flow(x, *ends)
    network, repeat = model(MIXTURE, solver), solver.program.repeat

    def run(steps: int) -> float:
        times = module.timesteps(steps, spacing(solver), start=start, end=end)
        found = module.sample(lambda y, time: network(y, float(time)), x, times)
        return float(np.abs(found - exact).max())

    return Measured.of(run, max(FLOOR, 100 * repeat.tolerance if repeat else 0.0))


def between(schedule: NoiseSchedule, module: ModuleType) -> tuple[float, float]:
    """The times of the levels between which runs are measured."""
    levels = np.clip(LEVELS, *_reached(schedule, module))
    start, end = module.time_at_half_log_snr(levels)
    return float(start), float(end)


def _reached(schedule: NoiseSchedule, module: ModuleType) -> tuple[float, float]:
    """The noise levels that the domain has, a little inside."""
    low, high = float(schedule.t_min), float(schedule.t_max)
    inside = np.array([high - EDGE * (high - low), low + EDGE * (high - low)])
    first, last = module.half_log_snr(inside)
    return float(first), float(last)


def measured_picture(found: Measured, order: int) -> bytes:
    """Errors against steps, with the slope that was proved."""
    with styled():
        figure = new_figure(3.7, 2.7)
        axes = figure.subplots()
        steps = np.array(found.steps)
        axes.loglog(steps, found.errors, "o-", color=COLOURS[0], ms=4)
        line = found.errors[-1] * (steps / steps[-1]) ** -float(order)
        axes.loglog(steps, line, "--", color="#999999", lw=1, label=f"slope \N{MINUS SIGN}{order}")
        axes.set(xlabel="steps", ylabel="largest error")
        slope = f"{found.slope:.2f}".replace("-", "\N{MINUS SIGN}")
        axes.set_title(f"measured slope {slope}")
        every = 1 if steps[-1] <= 256 else 2
        ticks = [2**k for k in range(3, 12, every) if 2**k <= steps[-1]]
        axes.set_xticks(ticks, list(map(str, ticks)))
        axes.minorticks_off()
        axes.legend()
        return as_svg(figure)


def stability_picture(program: StepProgram) -> bytes:
    """Where |R(z)| <= 1."""
    with styled():
        figure = new_figure(3.7, 2.7)
        draw_region(figure.subplots(), program)
        return as_svg(figure)


def draw_region(axes: Any, program: StepProgram) -> None:
    """The region of linear stability, as far as ``FARTHEST`` to the left."""
    reach = min(max(real_interval(program), 0.1), FARTHEST)
    x = np.linspace(-1.4 * reach, 0.6 * reach, 121)
    y = np.linspace(0, 1.5 * reach, 81)
    upper = growth(program, x + 1j * y[:, None])
    inside = np.flatnonzero((upper <= 1).any(axis=1))
    rows = min(int(1.25 * inside[-1]) + 8, len(y)) if inside.size else len(y)
    y, upper = y[:rows], upper[:rows]
    y, values = np.concatenate([-y[:0:-1], y]), np.concatenate([upper[:0:-1], upper])
    axes.axhline(0, color="#cccccc", lw=0.7, zorder=0)
    axes.axvline(0, color="#cccccc", lw=0.7, zorder=0)
    values = np.minimum(values, 1e6)
    axes.contourf(x, y, values, levels=[0, 1], colors=[COLOURS[0]], alpha=0.2)
    axes.contour(x, y, values, levels=[1], colors=[COLOURS[0]], linewidths=1.4)
    axes.set(xlabel="Re $z$", ylabel="Im $z$", aspect="equal")
    axes.set_title(r"$|R(z)|\leq 1$ for $z=h\,\partial N/\partial x$")


def run_picture(found: Propagator) -> bytes:
    """The matrix, and its last row as bars."""
    influence = found.weights[1:]
    with styled():
        count = len(influence)
        figure = new_figure(7.6, 0.9 + 0.2 * max(count, 10))
        left, right = figure.subplots(1, 2, gridspec_kw={"width_ratios": [1.25, 1]})
        shares = influence / np.abs(influence).sum(axis=1, keepdims=True)
        shown = np.where(shares == 0, np.nan, shares)
        left.imshow(shown, cmap="RdBu", vmin=-1, vmax=1, aspect="auto")
        for (row, column), share in np.ndenumerate(shares):
            if count <= MOST_NUMBERS and share:
                label = f"{100 * share:.0f}".replace("-", "\N{MINUS SIGN}")
                colour = "white" if abs(share) > 0.6 else "#222222"
                left.text(column, row, label, ha="center", va="center", fontsize=7, color=colour)
        left.set(xlabel="evaluation", ylabel="landing")
        left.set_title("shares of every landing, in percent")
        left.spines[:].set_visible(False)
        final = influence[-1]
        colours = [COLOURS[0] if value >= 0 else COLOURS[1] for value in final]
        right.bar(range(count), final, color=colours, width=0.75)
        right.axhline(0, color="#555555", lw=0.7)
        right.set(xlabel="evaluation")
        right.set_title("weights in the final sample")
        return as_svg(figure)
