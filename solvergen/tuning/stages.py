"""The stages of a search, each behind a gate: methods, grid, rows.

Every stage is judged on noises that it did not choose on, and takes the place of the one before
only if the geometric mean of the errors falls by ``GAIN`` and their root mean square does not rise
by more than ``WORSE``. The best published solver is the first candidate of all, so that the result
is never worse than it on the validation noises.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial

from solvergen.errors import SolvergenError
from solvergen.runs.propagator import Propagator
from solvergen.tuning.examples import Score
from solvergen.tuning.execution import Ledger, ordered
from solvergen.tuning.grid_fit import FLOAT64, TRIES, Descent, Fitted, Precision, fit
from solvergen.tuning.methods import Candidate, Method
from solvergen.tuning.rows_fit import fit_rows
from solvergen.tuning.search import Bench, Trial, measured

GAIN = 0.97
"""What a stage has to leave of the geometric mean."""
WORSE = 1.1
"""What it may make of the root mean square."""


@dataclass(frozen=True, eq=False)
class Stage:
    """What a stage found.

    Attributes:
        name: methods, grid or rows.
        candidate: method and grid.
        run: its table.
        score: on the validation noises.
        kept: whether it took the place of the stage before.
        remark: on rows that were fitted.
    """

    name: str
    candidate: Candidate
    run: Propagator
    score: Score
    kept: bool = True
    remark: str = ""

    @property
    def is_fitted(self) -> bool:
        """Whether its rows are no scheme's."""
        return bool(self.remark)


def passes(new: Score, old: Score) -> bool:
    """Whether a later stage may take the place of an earlier one."""
    return new.geometric_mean <= GAIN * old.geometric_mean and new.rms <= WORSE * old.rms


@dataclass(frozen=True)
class Effort:
    """How much a search does.

    Attributes:
        rounds: noises of a round of the search of methods, all of them at last, and how many
            candidates it keeps.
        starts: grids that are fitted first; what rounds leave of them.
        iterations: of every round.
        precision: how finely the network can be asked.
        few: noises that rounds before the last fit on; None for all.
        grids: of one method with which it starts at most.
    """

    rounds: tuple[tuple[int | None, int], ...] = ((4, 600), (16, 300))
    starts: tuple[int, ...] = (160, 40, 8)
    iterations: tuple[int, ...] = (3, 8, 25)
    precision: Precision = FLOAT64
    few: int | None = None
    grids: int = 1


EXACT = Effort(few=16, grids=2)
"""Of exact problems, whose runs cost next to nothing. The error has many local minima over grids:
two standard grids of a method lead to different ones, and few noises tell which are worth more."""
NETWORK = Effort(((4, 40), (8, 20), (None, 12)), (6, 3), (2, 6))
"""Of networks: about as many evaluations as 60 samples of 200 steps take."""


def published_stage(bench: Bench, trials: Sequence[Trial], ledger: Ledger) -> Stage:
    """The best published solver on the validation noises.

    Raises:
        SolvergenError: there is none.
    """
    known = [(one.candidate, one.run) for one in trials if one.candidate.method.preset]
    found = _validated(bench, known, ledger)
    if not found:
        raise SolvergenError(
            "no published solver is left to compare with: none runs over this range with so few "
            "evaluations, or all of their results are not finite; expected more evaluations, or a "
            "model that is finite on the way"
        )
    best = found[0]
    return Stage("published", best.candidate, best.run, best.score)


def methods_stage(
    bench: Bench,
    trials: Sequence[Trial],
    before: Stage,
    effort: Effort,
    ledger: Ledger,
    executor: Executor | None = None,
) -> Stage:
    """The best of what a search left, on the validation noises."""
    found = _validated(bench, [(one.candidate, one.run) for one in trials], ledger)
    best = found[0]
    kept = passes(best.score, before.score)
    return Stage("methods", best.candidate, best.run, best.score, kept)


def grid_stage(
    bench: Bench,
    trials: Sequence[Trial],
    before: Stage,
    effort: Effort,
    ledger: Ledger,
    executor: Executor | None = None,
) -> Stage:
    """The best of the grids that are fitted to several methods, round after round."""
    first = _first_grids(trials, effort.grids)
    free = [one.candidate for one in first if len(one.candidate.timesteps) > 2]
    starts = [Descent.start(one) for one in free[: effort.starts[0]]]
    best: Fitted | None = None
    for fitted in _rounds(bench, starts, effort, ledger, executor):
        if best is None or _rank(fitted, before) < _rank(best, before):
            best = fitted
    if best is None:
        return replace(before, name="grid", kept=False)
    run = bench.setting.run(best.candidate.method, best.candidate.timesteps)
    kept = passes(best.score, before.score)
    return Stage("grid", best.candidate, run, best.score, kept)


def rows_stage(
    bench: Bench,
    before: Stage,
    which: str,
    teacher: tuple[Method, int],
    ledger: Ledger,
) -> Stage:
    """The rows of the table fitted, with what is to be said of them."""
    kinds = ("last",) if which == "last" else ("last", "all")
    found = [fit_rows(bench, before.candidate, before.run, one, teacher) for one in kinds]
    for one in found:
        ledger.charge("rows", one.cost, one.score.geometric_mean)
    best = min(found, key=lambda one: one.score.geometric_mean)
    remark = (
        f"Fitted coefficients, no order claimed: the largest change of one is {best.change:.1e}, "
        f"and the weights of an integrand that is constant miss 1 by {best.defect:.1e}."
    )
    kept = passes(best.score, before.score)
    return Stage("rows", before.candidate, best.run, best.score, kept, remark)


def _rank(fitted: Fitted, before: Stage) -> tuple[bool, float]:
    """Those that pass the gate first, by their errors."""
    return not passes(fitted.score, before.score), fitted.score.geometric_mean


def _rounds(
    bench: Bench,
    starts: Sequence[Descent],
    effort: Effort,
    ledger: Ledger,
    executor: Executor | None,
) -> Iterator[Fitted]:
    """What every round finds: it goes on with the better ones of the round before.

    The last round fits on all noises; what has ended on fewer of them goes on there.
    """
    following, last = (*effort.starts[1:], 0), len(effort.starts) - 1
    fewer = replace(bench, tuning=bench.tuning.part(0, effort.few or len(bench.tuning)))
    for n, (iterations, keep) in enumerate(zip(effort.iterations, following, strict=True)):
        on = bench if n == last else fewer
        precision = replace(effort.precision, iterations=iterations)
        found: list[Fitted] = []
        within = _affordable(on, starts, iterations, ledger)
        for one in ordered(executor, partial(fit, on, precision), within):
            ledger.charge("grid", one.cost, one.score.geometric_mean)
            found.append(one)
            yield one
        found.sort(key=lambda one: one.score.geometric_mean)
        anew = n + 1 == last and effort.few is not None
        left = [replace(one.descent, ended=one.descent.ended and not anew) for one in found[:keep]]
        starts = [one for one in left if not one.ended]
        if not starts:
            return


def _affordable(
    bench: Bench, starts: Sequence[Descent], iterations: int, ledger: Ledger
) -> Sequence[Descent]:
    """The starts whose rounds are within the budget, whatever they take: none is cut short."""
    kept: list[Descent] = []
    cost = 0
    for one in starts:
        count = one.theta.size + 1
        runs = 1 + iterations * (one.theta.size + TRIES), 1 + iterations
        stages = len(bench.setting.program(one.method).main.evaluations)
        samples = runs[0] * len(bench.tuning) + runs[1] * len(bench.validation)
        cost += samples * count * stages
        if not ledger.allows(cost):
            ledger.is_cut = True
            break
        kept.append(one)
    return kept


def _validated(
    bench: Bench, found: Sequence[tuple[Candidate, Propagator]], ledger: Ledger
) -> list[Trial]:
    cost = len(bench.validation) * sum(run.evaluations for _, run in found)
    trials = measured(bench, bench.validation, found)
    ledger.charge("validation", cost, trials[0].error if trials else float("inf"))
    return trials


def _first_grids(trials: Sequence[Trial], count: int) -> list[Trial]:
    """The best grids of each method, at most so many."""
    found: dict[tuple[str, str, str], list[Trial]] = {}
    for one in trials:
        method = one.candidate.method
        same = found.setdefault((method.integrand, method.expansion, method.scheme), [])
        if len(same) < count:
            same.append(one)
    kept = {id(one) for same in found.values() for one in same}
    return [one for one in trials if id(one) in kept]
