"""The main job on real data: a solver for a schedule of one's own samples handwritten digits.

The schedule alpha = 1 - t^2, sigma = t is in nobody's library. It starts at pure noise (alpha = 0
at t = 1) and ends at clean data (sigma = 0 at t = 0), and the solver takes both ends as they are.
The network is the exact denoiser of ``problems.digits``, so every error is the solver's own.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from solvergen.compiler import compile as compile_module
from solvergen.derivation.parameterization import FLOW
from solvergen.errors import SolvergenError
from solvergen.measurement import problems
from solvergen.measurement.problems import Floats, GaussianMixture
from solvergen.methods.library import multistep
from solvergen.methods.scheme import Scheme
from solvergen.reports.pictures import require_matplotlib, save
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.specification.solver import Solver
from solvergen.symbols import t

VARIANCE = 0.03
"""The digits are smoothed by this much: enough for clean slopes, too little to see."""
REFERENCE_ORDER = 6
SHOWN_ORDERS = (1, 3)
SHOWN_IMAGES = 8
VISIBLE = 0.2
"""A root mean square error per pixel, of a range of 2, that one sees."""
TRAJECTORY_STEPS = 40
TRAJECTORY_IMAGES = 3
COLOURS = ("#E69F00", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9")
"""The palette of Okabe and Ito, which the colour-blind can tell apart."""
WRONG = "#D55E00"
MARKERS = "osD^vP"


@dataclass(frozen=True)
class Settings:
    """How much work the demo does."""

    orders: tuple[int, ...] = (1, 2, 3, 4)
    evaluations: tuple[int, ...] = (10, 20, 40, 80, 160, 320)
    shown_evaluations: tuple[int, ...] = (5, 10, 20)
    fit_from: int = 40
    reference_evaluations: int = 640
    images: int = 64
    seed: int = 0


@dataclass
class Sampler:
    """A compiled solver and its network, which counts its calls."""

    order: int
    module: ModuleType
    extra_evaluations: int
    network: Callable[[Floats, float], Floats]
    calls: int = field(default=0, init=False)

    @classmethod
    def build(cls, order: int, problem: GaussianMixture) -> "Sampler":
        """Compile ``multistep:order`` to numba and to machine code; the reference to numpy."""
        schedule = NoiseSchedule(alpha=1 - t**2, sigma=t, domain=(0, 1), name="parabola")
        scheme: Scheme = multistep(order)
        solver = Solver(schedule, FLOW, FLOW, expansion="time", scheme=scheme)
        target = "numpy" if order == REFERENCE_ORDER else "numba"
        module = compile_module(solver, target)
        grid = module.timesteps(order + 1, spacing="time")
        module.sample(lambda x, _: x, np.zeros((1, problem.dimensions)), grid)
        return cls(solver.order, module, scheme.extra_evaluations, problems.model(problem, solver))

    def model(self, x: Floats, time: float) -> Floats:
        """The network's prediction."""
        self.calls += 1
        return self.network(x, time)

    def sample(
        self, x: Floats, evaluations: int, callback: Callable[[Any], None] | None = None
    ) -> Floats:
        """From noise at t = 1 to data at t = 0, with exactly so many calls of the network.

        The start-up's extra evaluations are paid for with steps.
        """
        before = self.calls
        grid = self.module.timesteps(evaluations - self.extra_evaluations, spacing="time")
        samples = self.module.sample(self.model, x, grid, callback)
        if self.calls - before != evaluations:
            raise SolvergenError(
                f"multistep:{self.order} called the network {self.calls - before} times; expected "
                f"{evaluations}: the emitted module and its scheme disagree"
            )
        return np.asarray(samples)


@dataclass(frozen=True)
class Results:
    """What the demo measured.

    Attributes:
        exact: the converged samples [images, 64].
        doubt: how far they are from those of a run with 3/4 of the evaluations.
        errors: ``errors[order][evaluations]``, medians over the images (``typical_error``).
        shown: ``shown[order][evaluations]``, samples.
        trajectory: (t, x_t, x0(x_t, t)) at tenths of the way.
    """

    exact: Floats
    doubt: float
    errors: dict[int, dict[int, float]]
    shown: dict[int, dict[int, Floats]]
    trajectory: list[tuple[float, Floats, Floats]]

    def fit(self, order: int, fit_from: int) -> tuple[float, float]:
        """(slope, intercept) of log error over log evaluations, from ``fit_from`` on."""
        rows = [(n, error) for n, error in self.errors[order].items() if n >= fit_from]
        log_n, log_error = np.log(np.array(rows)).T
        slope, intercept = np.polyfit(log_n, log_error, 1)
        return float(slope), float(intercept)


def run(output: Path, settings: Settings | None = None) -> list[Path]:
    """Compile, sample, measure and draw into the folder ``output``; returns what was written.

    Raises:
        SolvergenError: matplotlib or scikit-learn is missing, or the reference run has not
            converged.
    """
    settings = settings or Settings()
    figures = (draw_samples, draw_convergence, draw_trajectory)
    names = ("samples.png", "convergence.png", "trajectory.png")
    require_matplotlib()
    problem = problems.digits(VARIANCE)
    console = Console()
    with Progress(
        TextColumn("{task.description:<24}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    ) as progress:
        orders = sorted({*settings.orders, *SHOWN_ORDERS, REFERENCE_ORDER})
        samplers = {
            order: Sampler.build(order, problem)
            for order in progress.track(orders, description="compiling orders")
        }
        results = measure(settings, problem, samplers, progress)
        output.mkdir(parents=True, exist_ok=True)
        paths = [output / name for name in names]
        drawing = progress.track(list(zip(figures, paths, strict=True)), description="drawing")
        for draw, path in drawing:
            save(draw(results, settings), path, dpi=150)
    console.print(table(results, settings))
    for path in paths:
        console.print(f"wrote {path}", highlight=False, soft_wrap=True)
    return paths


def measure(
    settings: Settings, problem: GaussianMixture, samplers: dict[int, Sampler], progress: Progress
) -> Results:
    """All the sampling: from one noise, by every order, at every number of evaluations."""
    noise = np.random.default_rng(settings.seed).standard_normal(
        (settings.images, problem.dimensions)
    )
    most = settings.reference_evaluations
    runs = [(REFERENCE_ORDER, most), (REFERENCE_ORDER, most * 3 // 4)]
    runs += [(order, n) for order in settings.orders for n in settings.evaluations]
    shown = [(order, n) for order in SHOWN_ORDERS for n in settings.shown_evaluations]
    samples = {
        key: samplers[key[0]].sample(noise, key[1])
        for key in progress.track(runs + shown, description="sampling the digits")
    }
    exact = samples[runs[0]]
    errors = {
        order: {n: typical_error(samples[order, n], exact) for n in settings.evaluations}
        for order in settings.orders
    }
    doubt = typical_error(samples[runs[1]], exact)
    least = min(min(row.values()) for row in errors.values())
    if not doubt < 0.1 * least:
        raise SolvergenError(
            f"the reference of {most} evaluations is within {doubt:.1e}; expected less than a "
            f"tenth of the least error, {least:.1e}: raise reference_evaluations"
        )
    return Results(
        exact,
        doubt,
        errors,
        {
            order: {n: samples[order, n] for n in settings.shown_evaluations}
            for order in SHOWN_ORDERS
        },
        follow(problem, samplers[SHOWN_ORDERS[-1]], noise[:TRAJECTORY_IMAGES]),
    )


def follow(
    problem: GaussianMixture, sampler: Sampler, noise: Floats
) -> list[tuple[float, Floats, Floats]]:
    """(t, x_t, x0(x_t, t)) at t = 1, 0.9, .., 0 of one run."""
    seen: list[tuple[float, Floats, Floats]] = []

    def look(time: float, x: Floats) -> None:
        if np.isclose(time * 10, round(time * 10)):
            seen.append((time, x.copy(), problem.posterior_mean(x, 1 - time**2, time)))

    look(1.0, noise)
    evaluations = TRAJECTORY_STEPS + sampler.extra_evaluations
    sampler.sample(noise, evaluations, lambda stepper: look(stepper.t, stepper.x))
    return seen


def pixel_errors(samples: Floats, exact: Floats) -> Floats:
    """The root mean square error per pixel, of each image."""
    return np.asarray(np.sqrt(np.mean((samples - exact) ** 2, axis=-1)))


def typical_error(samples: Floats, exact: Floats) -> float:
    """The median over images.

    A noise on the border between two digits may be sent to the wrong one; a mean would show
    little but how many those are.
    """
    return float(np.median(pixel_errors(samples, exact)))


def table(results: Results, settings: Settings) -> Table:
    """Order, evaluations, error, and the rate since the row before."""
    caption = (
        f"error: root mean square per pixel, median of {settings.images} images; reference: order "
        f"{REFERENCE_ORDER}, {settings.reference_evaluations} evaluations, converged to "
        f"{results.doubt:.0e}"
    )
    title = "alpha = 1 - t^2, sigma = t, from t = 1 to t = 0"
    made = Table(title=title, caption=caption, min_width=len(title) + 4)
    for column in ("order", "evaluations", "error", "rate"):
        made.add_column(column, justify="right")
    for order, row in results.errors.items():
        previous: tuple[int, float] | None = None
        for n, error in row.items():
            rate = previous and np.log(previous[1] / error) / np.log(n / previous[0])
            made.add_row(str(order), str(n), f"{error:.2e}", f"{rate:.2f}" if rate else "")
            previous = (n, error)
        made.add_section()
    return made


def draw_samples(results: Results, settings: Settings) -> Any:
    """Samples at few evaluations beside the exact answer, for a low and a high order."""
    count, rows = min(SHOWN_IMAGES, settings.images), len(settings.shown_evaluations)
    figure, axes = _canvas(2 * count + 5.2, rows + 2.9, scale=0.6)
    for block, order in enumerate(SHOWN_ORDERS):
        left = 2.6 + block * (count + 1.5)
        name = "Euler's method, order 1" if order == 1 else f"multistep solver, order {order}"
        axes.text(left + count / 2, 0.7, name, ha="center", weight="bold", size=12)
        for row, n in enumerate(settings.shown_evaluations):
            images = results.shown[order][n]
            wrong = pixel_errors(images, results.exact) > VISIBLE
            _draw_row(axes, images[:count], left, 1 + row, wrong)
            share = f"{wrong.sum()}/{wrong.size}"
            axes.text(left + count + 0.12, 1.5 + row, share, va="center", size=9, color=WRONG)
        _draw_row(axes, results.exact[:count], left, rows + 1.15)
    for row, n in enumerate(settings.shown_evaluations):
        axes.text(2.4, 1.5 + row, f"{n} evaluations", ha="right", va="center")
    axes.text(2.4, rows + 1.65, "exact", ha="right", va="center", weight="bold")
    caption = (
        f"framed, and counted over {settings.images} images: visibly not the exact answer "
        f"(root mean square error per pixel above {VISIBLE}, of a range of 2)"
    )
    axes.text(2.64, rows + 2.5, caption, va="center", size=9, color=WRONG)
    return figure


def draw_convergence(results: Results, settings: Settings) -> Any:
    """Error over evaluations for every order, with the fitted slopes."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullLocator

    figure = Figure(figsize=(7.2, 5.2), layout="constrained")
    axes = figure.subplots()
    for order, colour, marker in zip(results.errors, COLOURS, MARKERS, strict=False):
        n, error = (np.array(one) for one in zip(*results.errors[order].items(), strict=True))
        slope, intercept = results.fit(order, settings.fit_from)
        label = f"order {order}, fitted slope {slope:.2f}".replace("-", "\N{MINUS SIGN}")
        axes.loglog(n, error, marker, color=colour, ms=7, mec="white", mew=0.8, label=label)
        fitted, before = n[n >= settings.fit_from], n <= settings.fit_from
        axes.loglog(fitted, np.exp(intercept) * fitted**slope, color=colour, lw=1.6, zorder=1)
        axes.loglog(n[before], error[before], ":", color=colour, lw=1.4, zorder=1)
    axes.set(
        title="The stated order is the measured one, from exact noise to exact data",
        xlabel="network evaluations, start-up included",
        ylabel="error per pixel (median of images)",
    )
    axes.set_xticks(settings.evaluations, [str(n) for n in settings.evaluations])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(color="0.9")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    legend = f"solid: fitted from {settings.fit_from} evaluations on"
    axes.legend(frameon=False, loc="lower left", title=legend, alignment="left")
    return figure


def draw_trajectory(results: Results, settings: Settings) -> Any:
    """What the network takes the image to be, from all noise to none: coarse, then fine."""
    columns, rows = len(results.trajectory), min(TRAJECTORY_IMAGES, settings.images)
    figure, axes = _canvas(columns + 2.0, 2.3 * rows + 1.1, scale=0.72)
    title = "Coarse to fine: what the network takes the image to be"
    axes.text(1.7 + columns / 2, 0.45, title, ha="center", weight="bold", size=12)
    for column, (time, noisy, clean) in enumerate(results.trajectory):
        x = 1.7 + column
        axes.text(x + 0.5, 0.95, f"t = {time:.1f}", ha="center", size=10)
        for row in range(rows):
            _draw_row(axes, noisy[row : row + 1], x, 1.1 + 2.3 * row)
            _draw_row(axes, clean[row : row + 1], x, 2.1 + 2.3 * row)
    for row in range(rows):
        for offset, name in ((1.6, "$x_t$"), (2.6, r"$\mathrm{E}[\,x_0\,|\,x_t\,]$")):
            axes.text(1.55, offset + 2.3 * row, name, ha="right", va="center", size=12)
    return figure


def _draw_row(
    axes: Any, images: Floats, left: float, top: float, framed: Floats | None = None
) -> None:
    """Images [n, 64] side by side in unit squares, with a frame around some."""
    from matplotlib.patches import Rectangle

    for column, image in enumerate(images):
        x = left + column
        box = (x + 0.04, x + 0.96, top + 0.96, top + 0.04)
        axes.imshow(
            image.reshape(8, 8), cmap="gray_r", vmin=-0.9, vmax=0.9, extent=box, aspect="auto"
        )
        if framed is not None and framed[column]:
            corner = (x + 0.04, top + 0.04)
            axes.add_patch(Rectangle(corner, 0.92, 0.92, fill=False, ec=WRONG, lw=2))


def _canvas(width: float, height: float, scale: float) -> tuple[Any, Any]:
    """A figure of bare axes in units of one image, y downwards."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * scale, height * scale))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set(xlim=(0, width), ylim=(height, 0))
    return figure, axes
