"""Which solver to take where no network is at hand: a search on exact problems, in seconds."""

import math
import shlex
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from solvergen.algebra.typesetting import columns, paragraphs, table
from solvergen.derivation.parameterization import NOISE, Parameterization
from solvergen.errors import SolvergenError
from solvergen.measurement.problems import Problem
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.specification.solver import Solver
from solvergen.tuning.imposed import Imposed, begun
from solvergen.tuning.latents import Latents
from solvergen.tuning.methods import Setting, published, searched
from solvergen.tuning.pool import MOST_DIMENSIONS, exams, ranked
from solvergen.tuning.search import Trial
from solvergen.tuning.words import cells, compared, why

SHOWN = 8


@dataclass(frozen=True)
class Choice:
    """Solvers in the order of their errors on exact problems.

    Attributes:
        setting: schedule, prediction and range.
        evaluations: calls of the network.
        problems: what they were measured on.
        trials: best first, one for each method.
        best_published: the best of the presets.
        data_std: standard deviation of the data of the problems.
        is_imposed: whether the grid was given.
    """

    setting: Setting
    evaluations: int
    problems: tuple[str, ...]
    trials: tuple[Trial, ...]
    best_published: Trial
    data_std: float = 1.0
    is_imposed: bool = False

    @property
    def best(self) -> Trial:
        """The first one."""
        return self.trials[0]

    @property
    def solver(self) -> Solver:
        """The best one's specification."""
        return self.setting.solver(self.best.candidate.method)

    @property
    def timesteps(self) -> tuple[float, ...]:
        """The best one's grid."""
        return self.best.candidate.timesteps

    @property
    def command(self) -> str:
        """What compiles the best one."""
        options = self.solver.arguments
        if options is None:
            return "solvergen.write(choice.solver, 'numba', FILE, timesteps=choice.timesteps)"
        if self.is_imposed:
            return f"solvergen compile {options} -o solver.py"
        grid = self.best.candidate.grid.split()
        extra = ["--steps", str(len(self.timesteps) - 1), "--spacing", grid[0]]
        extra += ["--shift", grid[1]] if len(grid) > 1 else []
        extra += ["--start", repr(self.setting.start), "--end", repr(self.setting.end)]
        return f"solvergen compile {options} {shlex.join(extra)} -o solver.py"

    def _parts(self) -> tuple[str, tuple[tuple[str, ...], ...], str]:
        """A lead, the cells of a table, and why the first one is the first."""
        shown = [*self.trials[:SHOWN]]
        if self.best_published not in shown:
            shown.append(self.best_published)
        count = f"{self.evaluations} evaluations, {self.setting.schedule.name}, "
        lead = f"{count}{self.setting.prediction.name}; measured on {', '.join(self.problems)}."
        rows = [(one, self.setting.solver(one.candidate.method).order) for one in shown]
        reason = why(self.best, self.best_published)
        return lead, cells(rows), f"{reason} {compared(self.best, self.setting, self.data_std)}"

    def __str__(self) -> str:
        lead, rows, reason = self._parts()
        return "\n\n".join((lead, columns(rows), reason, f"    {self.command}"))

    def _repr_html_(self) -> str:
        """For notebooks."""
        lead, rows, reason = self._parts()
        return "\n".join((paragraphs(lead), table(rows), paragraphs(reason, self.command)))


def choose(
    schedule: NoiseSchedule | str,
    prediction: Parameterization | str = NOISE,
    evaluations: int = 8,
    *,
    data_std: float | None = None,
    shape: tuple[int, ...] | None = None,
    latents: ArrayLike | str | Path | None = None,
    start: float | None = None,
    end: float | None = None,
    timesteps: ArrayLike | None = None,
    sigmas: ArrayLike | None = None,
    grid: str | None = None,
    executor: Executor | None = None,
    seed: int = 0,
) -> Choice:
    """The best solvers for data of some scale, from exact problems.

    Args:
        schedule, prediction: of the network that is not at hand.
        evaluations: how often it may be called.
        data_std: standard deviation of the data; 1 by default.
        shape: of a sample; (64,) by default.
        latents: in place of both: samples of the data [n, ..], or a file with them, .npy or .pt. A
            problem with their mean, spectrum and modes is added.
        start, end: of the run; the whole domain by default.
        timesteps, sigmas, grid: one of them is a grid that is imposed, as for ``tune``.
        executor: computes candidates; this process by default.
        seed: of the noises.

    Raises:
        SolvergenError: no method runs over the range, or the grid is none.
    """
    given = Imposed.of(schedule, evaluations, timesteps, sigmas, grid)
    if given is not None:
        start, end, evaluations = given.asked(evaluations)
    setting = Setting.of(schedule, prediction, start, end)
    data_std, shape, problems = _data(data_std, shape, latents)
    pool = exams(setting, data_std, math.prod(shape), seed, problems)
    methods = (*published(), *searched(evaluations))
    trials = ranked(pool, begun(setting, methods, evaluations, given), executor)
    published_ones = [one for one in trials if one.candidate.method.preset]
    if not published_ones:
        raise SolvergenError(
            f"no published solver runs from t = {setting.start:g} to {setting.end:g} with "
            f"{evaluations} evaluations; expected more of them, or a range inside the domain"
        )
    names = tuple(one.name for one in pool)
    best = _distinct(trials)
    is_imposed = given is not None
    return Choice(setting, evaluations, names, best, published_ones[0], data_std, is_imposed)


def _data(
    data_std: float | None, shape: tuple[int, ...] | None, latents: ArrayLike | str | Path | None
) -> tuple[float, tuple[int, ...], dict[str, Problem]]:
    """Scale and shape of the data, and a problem if there are samples.

    Raises:
        SolvergenError: the samples or the scale are none.
    """
    if latents is not None:
        if data_std is not None or shape is not None:
            raise SolvergenError(
                "got latents beside data_std or shape, which follow from them; expected one"
            )
        found = Latents.of(latents, MOST_DIMENSIONS)
        return found.std, found.shape, {str(found): found.problem}
    data_std = 1.0 if data_std is None else data_std
    if not 0 < data_std < np.inf:
        raise SolvergenError(f"got data_std={data_std}; expected 0 < standard deviation < inf")
    return data_std, (64,) if shape is None else shape, {}


def _distinct(trials: Sequence[Trial]) -> tuple[Trial, ...]:
    """The best grid of each method."""
    found: dict[str, Trial] = {}
    for one in trials:
        found.setdefault(str(one.candidate.method), one)
    return tuple(found.values())
