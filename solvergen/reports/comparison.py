"""Sampling schedules compared: how much the paths of each bend for which data, and what that costs.

For Gaussian data N(m, s^2) every path is explicit,

    x_t = alpha_t m + (r_t/r_T) (x_T - alpha_T m),        r^2 = alpha^2 s^2 + sigma^2,

in one dimension it keeps its quantile, and else it is a run of many steps. The *bend* of a path is
its root mean square distance from its chord, in the schedule's own time, in units of the spread of
the samples: 0 is straight, and there one Euler step in t is exact.

What a solver that sees alpha/sigma alone samples is the same for every schedule on the same noise
levels: those whose integrand has c_data : c_noise constant, or depending on alpha/sigma, in a
variable that does. Velocity and time are not among those.
"""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from solvergen.compiler import load_text
from solvergen.errors import SolvergenError, SolvergenWarning
from solvergen.measurement import problems
from solvergen.reports.exact_data import DATA_LEVEL, NOISE_LEVEL, Data, Floats, data, quantile_paths
from solvergen.reports.pictures import COLOURS, as_svg, new_figure, styled
from solvergen.schedules import named
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.specification.solver import Solver
from solvergen.targets import rendering

INSIDE = 1e-9
"""How far inside of its domain a schedule is run, where it has no more noise or no less."""
PATH_POINTS = 61
TRIED = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64, 96, 128, 192, 256)
"""Steps that are tried until an error is reached."""
GOALS = (1e-2, 1e-3)
MOST = 6
"""Schedules and data sets of a comparison, which are the columns and rows of its picture."""
REFERENCE_STEPS = 250


@dataclass(frozen=True)
class Method:
    """A solver but for the schedule, and the variable that its grids are even in."""

    name: str
    integrand: str
    expansion: str
    scheme: str
    spacing: str


METHODS = (
    Method("Euler in t", "flow", "time", "euler", "time"),
    Method("DDIM", "noise", "half_log_snr", "multistep:1", "time"),
    Method("DPM++(2M)", "data", "half_log_snr", "multistep:2", "half_log_snr"),
)
BEST = (
    Method("velocity in theta, 3", "velocity", "theta", "multistep:3", "theta"),
    Method("straight, 3", "straight", "sigma/(alpha+sigma)", "multistep:3", "theta"),
    Method("data in theta, 3", "data", "theta", "multistep:3", "theta"),
    Method("noise in theta, 3", "noise", "theta", "multistep:3", "theta"),
)
"""Third order in a variable that stays finite: the best of them is called best of ours."""


@dataclass(frozen=True)
class Run:
    """What a method needs on a schedule for some data.

    Attributes:
        method: its name.
        errors: (evaluations, error relative to the spread of the data), as tried.
    """

    method: str
    errors: tuple[tuple[int, float], ...]

    def needed(self, goal: float) -> int | None:
        """Evaluations from which on the error stays below a goal; None if it does not."""
        found = None
        for evaluations, error in reversed(self.errors):
            if not error <= goal:
                break
            found = evaluations
        return found

    def at(self, evaluations: int) -> float | None:
        """The error with so many evaluations at most, of those that were tried."""
        within = [error for n, error in self.errors if n <= evaluations]
        return within[-1] if within else None


@dataclass(frozen=True)
class Cell:
    """One schedule and one kind of data."""

    schedule: str
    data: str
    times: Floats
    paths: Floats
    bend: float
    runs: tuple[Run, ...]


@dataclass(frozen=True)
class Comparison:
    """All of them, by schedule and data."""

    schedules: tuple[str, ...]
    data: tuple[str, ...]
    evaluations: tuple[int, ...]
    cells: dict[tuple[str, str], Cell]

    def markdown(self) -> str:
        """Bends, evaluations that are needed, and errors at fixed ones, as tables."""
        return "\n\n".join((self._bends(), *map(self._needed, GOALS), self._errors()))

    def _bends(self) -> str:
        rows = [
            (name, *(bend_text(self.cells[name, one].bend) for one in self.data))
            for name in self.schedules
        ]
        return _table("bend of the paths, 0 is straight", self.data, rows)

    def _needed(self, goal: float) -> str:
        rows = [
            (f"{name}, {run.method}", *(_number(self._run(name, one, n).needed(goal))
                                        for one in self.data))
            for name in self.schedules
            for n, run in enumerate(self.cells[name, self.data[0]].runs)
        ]  # fmt: skip
        return _table(f"evaluations for an error of {goal:g}", self.data, rows)

    def _errors(self) -> str:
        rows = [
            (f"{name}, {run.method}, {count}",
             *(_error(self._run(name, one, n).at(count)) for one in self.data))
            for name in self.schedules
            for n, run in enumerate(self.cells[name, self.data[0]].runs)
            for count in self.evaluations
        ]  # fmt: skip
        return _table("error by evaluations, in units of the data's spread", self.data, rows)

    def _run(self, schedule: str, data: str, n: int) -> Run:
        return self.cells[schedule, data].runs[n]


def bend_text(found: float) -> str:
    """Two digits; 0 for what no picture shows."""
    return f"{found:.2g}" if found > 5e-4 else "0"


def _number(found: int | None) -> str:
    return "-" if found is None else str(found)


def _error(found: float | None) -> str:
    return "-" if found is None else f"{found:.1e}"


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {title} | {' | '.join(columns)} |", f"|---|{len(columns) * '---|'}"]
    return "\n".join((*lines, *(f"| {' | '.join(row)} |" for row in rows)))


def counts(text: str) -> tuple[int, ...]:
    """Numbers of evaluations, with commas.

    Raises:
        SolvergenError: they are none.
    """
    parts = text.split(",")
    if not all(part.strip().isdecimal() and 1 <= int(part) <= 1000 for part in parts):
        raise SolvergenError(f"evaluations: got {text!r}; expected numbers from 1 to 1000: 5,10,20")
    return tuple(map(int, parts))


def compare(
    schedules: Sequence[str], kinds: Sequence[str], evaluations: Sequence[int]
) -> Comparison:
    """Run every method on every schedule for all data.

    Args:
        schedules: names of schedules.
        kinds: texts of ``data``.
        evaluations: for how many the error is shown.

    Raises:
        SolvergenError: there are too many, a schedule or data is not known, or a schedule does
            not have the noise levels.
    """
    if not (1 <= len(schedules) <= MOST and 1 <= len(kinds) <= MOST):
        raise SolvergenError(
            f"got {len(schedules)} schedules and {len(kinds)} kinds of data; expected 1 to {MOST} "
            "of each"
        )
    levels = _levels(schedules)
    found = [replace(data(one), levels=levels) for one in kinds]
    cells = {
        (name, one.name): _cell(name, one) for name in schedules for one in found
    }  # fmt: skip
    return Comparison(tuple(schedules), tuple(one.name for one in found), tuple(evaluations), cells)


def _cell(name: str, kind: Data) -> Cell:
    times, paths = _paths(name, kind)
    runs = [_tried(name, kind, method, method.name) for method in METHODS]
    candidates = [_tried(name, kind, method, "best of ours") for method in BEST]
    best = min(candidates, key=lambda run: [run.needed(one) or np.inf for one in GOALS[::-1]])
    return Cell(name, kind.name, times, paths, bend(times, paths), (*runs, best))


def _levels(names: Sequence[str]) -> tuple[float, float]:
    """lambda from noise to data, as far as every schedule has it."""
    first, last = NOISE_LEVEL, DATA_LEVEL
    for name in names:
        module = _module(name, METHODS[0])
        low, high = module.half_log_snr(np.array([module.T_MAX, module.T_MIN])).tolist()
        first, last = max(first, low + INSIDE), min(last, high - INSIDE)
    return first, last


def bend(times: Floats, paths: Floats) -> float:
    """The root mean square distance of paths [times, ..] from their chords, in units of the spread
    of their ends.
    """
    share = (times - times[0]) / (times[-1] - times[0])
    share = share.reshape(-1, *(1 for _ in paths.shape[1:]))
    apart = (paths - paths[0] - share * (paths[-1] - paths[0])) ** 2
    square = np.trapezoid(apart, share.ravel(), axis=0)
    return float(np.sqrt(np.mean(square)) / np.std(paths[-1]))


@lru_cache(maxsize=64)
def _module(name: str, method: Method) -> ModuleType:
    """Without the search for its worst coefficient: many are made, and none is kept."""
    return load_text(rendering.render(_solver(name, method), "numpy", ""), "compared")


@lru_cache(maxsize=64)
def _solver(name: str, method: Method) -> Solver:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SolvergenWarning)  # velocity is an integrand here
        return Solver(_schedule(name), method.integrand, None, method.expansion, method.scheme)


@lru_cache(maxsize=16)
def _schedule(name: str) -> NoiseSchedule:
    """A named schedule, with the value of its first parameter behind a colon: straight:0.3."""
    plain, _, value = name.partition(":")
    if not value:
        return named.get(plain)
    known = [symbol.name for symbol, _ in named.get(plain).parameters] or ["sigma_max"]
    return named.get(plain, **{known[0]: value})


def _grid(module: ModuleType, method: Method, levels: tuple[float, float], steps: int) -> Floats:
    """Times from one noise level to the other."""
    first, last = levels
    if method.spacing == "time":
        start, end = module.time_at_half_log_snr(np.array(levels))
        return np.asarray(np.linspace(float(start), float(end), steps + 1))
    if method.spacing == "half_log_snr":
        return np.asarray(module.time_at_half_log_snr(np.linspace(first, last, steps + 1)))
    angles = np.linspace(np.arctan(np.exp(-first)), np.arctan(np.exp(-last)), steps + 1)
    return np.asarray(module.time_at_half_log_snr(-np.log(np.tan(angles))))


def _run(name: str, kind: Data, method: Method, steps: int) -> tuple[int, Floats]:
    """Evaluations, and x/alpha at the end."""
    module, network = _module(name, method), problems.model(kind.problem, _solver(name, method))
    calls = 0

    def counted(x: Floats, time: Any) -> Floats:
        nonlocal calls
        calls += 1
        return network(x, float(time))

    times = _grid(module, method, kind.levels, steps)
    found = module.sample(counted, kind.start * float(module.alpha(times[0])), times)
    return calls, np.asarray(found / float(module.alpha(times[-1])))


@lru_cache(maxsize=16)
def _exact(kind: Data) -> Floats:
    """x/alpha at the end, of a run of many steps if there is no formula."""
    if kind.exact is not None:
        return kind.exact
    return _run("rectified_flow", kind, BEST[1], REFERENCE_STEPS)[1]


def _tried(name: str, kind: Data, method: Method, shown: str) -> Run:
    """Ever more steps, until the smallest goal is reached twice over."""
    errors: list[tuple[int, float]] = []
    for steps in TRIED:
        calls, found = _run(name, kind, method, steps)
        error = float(np.sqrt(np.mean((found - _exact(kind)) ** 2)) / kind.spread)
        errors.append((calls, error))
        if len(errors) > 3 and max(one for _, one in errors[-2:]) < GOALS[-1] / 3:
            break
    return Run(shown, tuple(errors))


def _paths(name: str, kind: Data) -> tuple[Floats, Floats]:
    """Times of the schedule, and x there, of a few starts."""
    module = _module(name, METHODS[0])
    times = _grid(module, METHODS[0], kind.levels, PATH_POINTS - 1)
    start = kind.start * float(module.alpha(times[0]))
    if kind.problem.dimensions == 1:
        alpha, sigma = (
            np.asarray(one(times), dtype=np.float64) for one in (module.alpha, module.sigma)
        )
        return times, quantile_paths(kind.problem, alpha, sigma, start[:, 0])
    reference = _module(name, BEST[0])
    network, seen = problems.model(kind.problem, _solver(name, BEST[0])), list[Floats]()

    def recorded(x: Floats, time: Any) -> Floats:
        seen.append(x.copy())
        return network(x, float(time))

    last = reference.sample(recorded, start, times)
    paths = np.array([*seen[: PATH_POINTS - 1], last])
    return times, paths


def draw(found: Comparison, path: str | Path) -> Path:
    """The paths of every schedule for all data, with their bends; from left, noise, to right, data.

    Raises:
        SolvergenError: matplotlib is not installed.
    """
    with styled():
        _figure(found).savefig(path, dpi=130, facecolor="w", metadata=_metadata(path))
    return Path(path)


def picture(found: Comparison) -> bytes:
    """The same as SVG.

    Raises:
        SolvergenError: matplotlib is not installed.
    """
    with styled():
        return as_svg(_figure(found))


def _figure(found: Comparison) -> Any:
    rows, columns = len(found.data), len(found.schedules)
    figure = new_figure(1.65 * columns + 0.6, 1.45 * rows + 0.3)
    grid = np.reshape(figure.subplots(rows, columns), (rows, columns))
    for i, kind in enumerate(found.data):
        for j, name in enumerate(found.schedules):
            _draw_cell(grid[i, j], found.cells[name, kind])
            if i == 0:
                grid[i, j].set_title(name.replace("_", " "), fontsize=10)
        grid[i, 0].set_ylabel(kind, fontsize=10)
    for j, name in enumerate(found.schedules):
        times = found.cells[name, found.data[-1]].times
        grid[-1, j].set_xticks([times[0], times[-1]], ["noise", "data"])
    return figure


def _metadata(path: str | Path) -> dict[str, Any] | None:
    """None of the time at which a picture was drawn."""
    return {"Date": None} if str(path).endswith(".svg") else None


def _draw_cell(axes: Any, cell: Cell) -> None:
    shown = cell.paths if cell.paths.ndim == 2 else cell.paths[:, 0, ::5]
    for path in shown.T:
        axes.plot(cell.times, path, color=COLOURS[0 if path[-1] >= 0 else 1], lw=0.9)
    axes.invert_xaxis()
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_color("#bbbbbb")
    box = {"fc": "white", "ec": "none", "alpha": 0.8, "pad": 1}
    axes.text(
        0.97, 0.03, bend_text(cell.bend), transform=axes.transAxes, ha="right", fontsize=9, bbox=box
    )
