"""The best solver for a network and a number of evaluations: what a user calls."""

import contextlib
import math
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from solvergen import compiler
from solvergen.algebra.typesetting import paragraphs
from solvergen.derivation.parameterization import NOISE, Parameterization
from solvergen.errors import SolvergenError
from solvergen.naming import shown
from solvergen.runs.propagator import Model, Propagator
from solvergen.runs.scalars import Floats
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.specification.solver import Solver
from solvergen.targets.files import load_text, write_text
from solvergen.tuning import teacher as teaching
from solvergen.tuning.arrays import as_numpy
from solvergen.tuning.examples import Examples, Score, errors
from solvergen.tuning.execution import Ledger, Progress
from solvergen.tuning.grid_fit import precision_of
from solvergen.tuning.imposed import Imposed, begun
from solvergen.tuning.methods import (
    Candidate,
    Method,
    Setting,
    of_preset,
    published,
    searched,
)
from solvergen.tuning.models import Network, noises
from solvergen.tuning.pool import exams, ranked
from solvergen.tuning.problems import ExactModel
from solvergen.tuning.record import Record
from solvergen.tuning.report import Line, Report, header
from solvergen.tuning.search import Bench, Trial, discrete, measured
from solvergen.tuning.stages import (
    EXACT,
    NETWORK,
    Effort,
    Stage,
    grid_stage,
    methods_stage,
    published_stage,
    rows_stage,
)

COEFFICIENTS = ("order", "last", "all")
CUT = "The budget ended the search before all of it was done: this is the best so far."
FEWEST = 8
"""Noises to validate on: with fewer a stage is kept by luck."""
LIKELY = 64
"""Candidates of a network's search: the best of the exact problems of its scale."""


@dataclass(frozen=True, eq=False)
class Tuned:
    """A solver with its grid, and how it was found.

    Attributes:
        solver: the specification.
        timesteps: the grid.
        report: errors and costs; a notebook shows it.
        landings: fitted coefficients (``solvergen.emit_fitted``); None if they are the scheme's.
    """

    solver: Solver
    timesteps: tuple[float, ...]
    report: Report
    landings: Floats | None = None

    def __str__(self) -> str:
        times = ", ".join(f"{time:.4g}" for time in self.timesteps)
        fitted = "" if self.landings is None else ", with fitted coefficients"
        return f"{self.report.tuned.solver}{fitted}, at t = {times}.\n\n{self.report}"

    def _repr_html_(self) -> str:
        """For notebooks: the solver and its grid, and the report."""
        lead, _, _ = str(self).partition("\n\n")
        return f"{paragraphs(lead)}\n{self.report._repr_html_()}"

    def source(self, target: str = "numba", hooks: bool = False) -> str:
        """The source of its module, baked; with hooks ``sample`` takes ``on_data``.

        Raises:
            EmissionError: the target has no place for it, or for hooks.
        """
        solver = self.solver.whose_modules(hooks=True) if hooks else self.solver
        if self.landings is not None:
            return compiler.emit_fitted(
                solver, target, self.timesteps, self.landings, header(self.report)
            )
        return compiler.emit(solver, target, timesteps=self.timesteps, remarks=header(self.report))

    def write(
        self, path: str | Path, target: str = "numba", force: bool = False, hooks: bool = False
    ) -> Path:
        """Emit into a file, whole or not at all."""
        return write_text(self.source(target, hooks), path, force)

    def compile(self, target: str = "numba") -> ModuleType:
        """Its module, imported."""
        if self.landings is not None:
            return load_text(self.source(target), f"solvergen_tuned_{target}")
        return compiler.compile(self.solver, target, timesteps=self.timesteps)


@dataclass(frozen=True)
class Noises:
    """How many noises are tuned, validated and reported on."""

    tune: int
    validate: int
    report: int

    @classmethod
    def of(cls, validate: int | None, is_exact: bool) -> "Noises":
        """Those of an exact problem cost nothing, and more of them tell modes apart."""
        count = (64 if is_exact else 32) if validate is None else validate
        if count < FEWEST:
            raise SolvergenError(f"got {count} noises to validate on; expected {FEWEST} or more")
        return cls(count if is_exact else count // 2, count, 2 * count)

    @property
    def total(self) -> int:
        """All of them."""
        return self.tune + self.validate + self.report


def tune(
    model: Model | str,
    schedule: NoiseSchedule | str,
    prediction: Parameterization | str = NOISE,
    evaluations: int = 8,
    *,
    noise: Any = None,
    shape: tuple[int, ...] | None = None,
    start: float | None = None,
    end: float | None = None,
    timesteps: ArrayLike | None = None,
    sigmas: ArrayLike | None = None,
    grid: str | None = None,
    validate: int | None = None,
    search: str | Sequence[Method] = "likely",
    coefficients: str = "order",
    budget: int | None = None,
    teacher: tuple[Method, int] | None = None,
    executor: Executor | None = None,
    batch: int | None = None,
    effort: Effort | None = None,
    against: Sequence[str] = (),
    seed: int = 0,
    progress: Progress | None = None,
    resume: str | Path | None = None,
) -> Tuned:
    """The best solver for a network and a number of evaluations.

    Args:
        model: (x, t) -> the prediction, x and t as the emitted module's ``sample`` hands them over:
            numpy, torch or JAX. Or the import path ``package.module:function`` of a function that
            returns it; or an ``ExactModel``.
        schedule, prediction: of the model. With guidance it is the guided one that is tuned.
        evaluations: calls of the model in a run, start-up included.
        noise: x at the start [samples, ..], or a function (count, seed) -> such an array; normal
            noise of the schedule's level by default.
        shape: of one sample, for that.
        start, end: of the run; the whole domain by default.
        timesteps: a grid that is imposed, in place of start and end: the method alone is chosen, of
            those that call the model at most ``evaluations`` times on it.
        sigmas: the same, as the noise levels of a client: falling sigma/alpha, or sigma of a flow
            schedule; they may end in 0.
        grid: the same, ``comfyui:NAME`` or ``diffusers:NAME``, for a flow schedule with ``:SHIFT``:
            what that client takes for so many steps.
        validate: noises to judge on, 32 by default, of an exact problem 64. Twice as many are
            reported on; half as many, of an exact problem as many, are tuned on.
        search: ``likely``, the methods that are best on exact problems of the answers' scale;
            ``all``; or methods.
        coefficients: ``order``, those of the scheme; ``last``, the row of the result fitted too; or
            ``all`` rows, if that is better. Fitted ones claim no order.
        budget: evaluations of single samples that the search may take. The teacher's, and those by
            which what is left is validated, are not bounded.
        teacher: the method and the steps of the flow that is compared with.
        executor: computes candidates; this process by default.
        batch: samples of one call of the model at most.
        effort: how many starts and iterations the grid gets; more for exact problems by default.
        against: presets that the report is to name.
        seed: of the noises.
        progress: called with (stage, evaluations spent, best error so far).
        resume: a folder where finished stages are kept, and taken from by the same search.

    Raises:
        SolvergenError: the model is of another kind, or its teacher has not converged; the range or
            the number of evaluations is too short; no candidate is left.
    """
    _check(coefficients, evaluations)
    given = Imposed.of(schedule, evaluations, timesteps, sigmas, grid)
    if given is not None:
        start, end, evaluations = given.asked(evaluations)
    setting = Setting.of(schedule, prediction, start, end)
    network, is_exact = Network(model, batch), isinstance(model, ExactModel)
    counts = Noises.of(validate, is_exact)
    taught = teacher or (teaching.EXACT if is_exact else teaching.NETWORK)
    x = noises(network, setting.noise_level, counts.total, noise, shape or network.shape, seed)
    effort = effort or _effort(is_exact, network.digits(x, setting.start))
    searched_in = search if isinstance(search, str) else tuple(search)
    asked = (evaluations, given, searched_in, taught, counts, budget, effort, seed)
    record = Record.of(resume, setting, network, x, asked)
    bench, held = _posed(setting, network, x, counts, taught, record)
    ledger = Ledger(budget, progress=progress)
    methods = partial(_methods, search, is_exact, bench, evaluations, given, executor, seed)
    makers = (methods_stage, grid_stage) if given is None else (methods_stage,)
    stages, stopped = _staged(bench, methods, makers, effort, ledger, executor, record)
    if coefficients != "order" and not stopped:
        before = [one for one in stages if one.kept][-1]
        stages.append(rows_stage(bench, before, coefficients, taught, ledger))
    chosen = [one for one in stages if one.kept][-1]
    others = _against(bench, against, evaluations, given)
    report = Report(
        network.name,
        evaluations,
        _lines(bench, held, chosen, stages[0], others),
        tuple((one.name, one.score, one.kept) for one in stages),
        held.difference,
        f"{taught[1]} steps of {taught[0]}",
        ledger.spent + counts.total * taught[1] + 2 * teaching.CHECKED * taught[1],
        (counts.tune, counts.validate, counts.report),
        seed,
        (setting.start, setting.end),
        stopped,
        chosen.remark,
    )
    solver, times = setting.solver(chosen.candidate.method), chosen.candidate.timesteps
    return Tuned(solver, times, report, _landings(chosen) if chosen.is_fitted else None)


def _check(coefficients: str, evaluations: int) -> None:
    """Refuse what is none of the choices.

    Raises:
        SolvergenError: with what is expected.
    """
    if coefficients not in COEFFICIENTS:
        raise SolvergenError(
            f"got coefficients={shown(coefficients)}; expected {', '.join(COEFFICIENTS)}"
        )
    if not isinstance(evaluations, int) or evaluations < 2:
        raise SolvergenError(
            f"got {shown(evaluations)} evaluations; expected 2 or more: with one there is no grid"
        )


def _effort(is_exact: bool, digits: str) -> Effort:
    """The usual one of an exact problem or a network, which returns such numbers."""
    return replace(EXACT if is_exact else NETWORK, precision=precision_of(digits))


def _posed(
    setting: Setting,
    network: Network,
    x: Any,
    counts: Noises,
    teacher: tuple[Method, int],
    record: Record,
) -> tuple[Bench, Examples]:
    """What is chosen on, and the examples that nothing is chosen on.

    Raises:
        SolvergenError: the model is of another kind, or its teacher has not converged.
    """
    examples = record.examples(x, lambda: teaching.taught(setting, network, x, teacher))
    if network.shape is None:
        teaching.require_kind(setting, network, examples)
    chosen = counts.tune + counts.validate
    tuning, validation = examples.part(0, counts.tune), examples.part(counts.tune, chosen)
    return Bench(setting, network, tuning, validation), examples.part(chosen, counts.total)


def _staged(
    bench: Bench,
    methods: Callable[[], Sequence[tuple[Candidate, Propagator]]],
    makers: Sequence[Callable[..., Stage]],
    effort: Effort,
    ledger: Ledger,
    executor: Executor | None,
    record: Record,
) -> tuple[list[Stage], str]:
    """The stages, and why they ended early: a budget that is spent, or an interrupt."""
    trials = record.trials(
        bench.setting, ledger, lambda: discrete(bench, methods(), effort.rounds, ledger, executor)
    )
    if not trials:
        raise SolvergenError(
            "no candidate is left: none of the methods runs over this range with a finite result, "
            "or the budget does not allow the first round; expected more evaluations, a larger "
            "budget, or other methods"
        )
    stages = [published_stage(bench, trials, ledger)]
    with contextlib.suppress(KeyboardInterrupt):
        for make in makers:
            before = next(one for one in reversed(stages) if one.kept)
            work = partial(make, bench, trials, before, effort, ledger, executor)
            stages.append(record.stage(bench.setting, ledger, make.__name__, work))
        return stages, CUT if ledger.is_cut else ""
    return stages, "Interrupted before all stages were done: this is the best so far."


def _methods(
    search: str | Sequence[Method],
    is_exact: bool,
    bench: Bench,
    evaluations: int,
    given: Imposed | None,
    executor: Executor | None,
    seed: int,
) -> list[tuple[Candidate, Propagator]]:
    """The tables that a search begins with; those of the published solvers are among them."""
    if isinstance(search, str) and search not in ("likely", "all"):
        raise SolvergenError(
            f"got search={shown(search)}; expected 'likely', 'all', or methods (solvergen.Method)"
        )
    setting = bench.setting
    own = searched(evaluations) if isinstance(search, str) else search
    found = begun(setting, (*published(), *own), evaluations, given)
    if search != "likely" or is_exact:
        return found
    answers = as_numpy(bench.tuning.answer)
    pool = exams(setting, float(answers.std()), math.prod(answers.shape[1:]), seed)
    ordered_ones = [(one.candidate, one.run) for one in ranked(pool, found, executor)]
    names = [one for one in ordered_ones if one[0].method.preset]
    return [*names, *(one for one in ordered_ones if not one[0].method.preset)][
        : len(names) + LIKELY
    ]


def _lines(
    bench: Bench, held: Examples, chosen: Stage, known: Stage, others: Sequence[Trial]
) -> tuple[Line, ...]:
    """What the report says of solvers, on noises that nothing was chosen on."""
    named = [("tuned", chosen.candidate, chosen.run), ("published", known.candidate, known.run)]
    named += [(one.candidate.method.preset, one.candidate, one.run) for one in others]
    found = []
    for name, candidate, run in named:
        each = errors(run, bench.model, held)
        found.append(
            Line(
                name,
                str(candidate),
                run.evaluations,
                Score.of(each),
                tuple(each.tolist()),
                candidate.timesteps,
            )
        )
    return tuple(found)


def _landings(stage: Stage) -> Floats:
    """The time of every evaluation, and of the result, with the factors of its row."""
    times = np.append(stage.run.times, stage.candidate.timesteps[-1])
    return np.column_stack([times, stage.run.landings])


def _against(
    bench: Bench, names: Sequence[str], evaluations: int, given: Imposed | None
) -> list[Trial]:
    """The presets that a user wants to see, each on the grid that is best on the tuning noises.

    Raises:
        SolvergenError: there is no such preset, or it does not run here.
    """
    found = []
    for name in names:
        runs = begun(bench.setting, [of_preset(name)], evaluations, given)
        trials = measured(bench, bench.tuning, runs)
        if not trials:
            raise SolvergenError(
                f"the preset {name} does not run from t = {bench.setting.start:g} to "
                f"{bench.setting.end:g} with {evaluations} evaluations; expected another one"
            )
        found.append(trials[0])
    return found
