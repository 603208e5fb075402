"""The first stage: every method on every grid, by successive halving."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cache, partial
from itertools import groupby

import numpy as np

from solvergen.runs.propagator import Model, Propagator, unrolled
from solvergen.runs.scalars import Floats
from solvergen.tuning.examples import Examples, Score, errors_together
from solvergen.tuning.execution import Ledger, ordered
from solvergen.tuning.grids import GRIDS, Grid
from solvergen.tuning.methods import Candidate, Method, Setting, exists

SAME = 9
"""Digits of factors after the point in which two methods are one."""
CHUNK = 32
"""Runs of one task."""
PRESETS = 4
"""Published solvers that a round keeps at least: what a tuned solver is compared with."""


@dataclass(frozen=True, eq=False)
class Bench:
    """What is run, and on which noises.

    Attributes:
        setting: schedule, prediction and range.
        model: (x, t) -> the prediction.
        tuning: noises to choose on.
        validation: noises to judge on.
    """

    setting: Setting
    model: Model
    tuning: Examples
    validation: Examples


@dataclass(frozen=True, eq=False)
class Trial:
    """A candidate, its table, and its errors on some noises."""

    candidate: Candidate
    run: Propagator
    score: Score

    @property
    def error(self) -> float:
        """By which candidates are ordered."""
        return self.score.geometric_mean


def candidates(
    setting: Setting, methods: Iterable[Method], evaluations: int, grids: Sequence[Grid] = GRIDS
) -> list[Candidate]:
    """Every method on every grid that exists for it, of at most so many evaluations."""
    found = []
    by_steps = cache(lambda steps: [(one.name, setting.times(one, steps)) for one in grids])
    for method in methods:
        steps = setting.steps(method, evaluations) if exists(setting, method) else 0
        for name, times in by_steps(steps) if steps else ():
            if times is not None:
                found.append(Candidate(method, times, name))
    return found


def tables(setting: Setting, found: Sequence[Candidate]) -> Iterator[tuple[Candidate, Propagator]]:
    """Those of candidates that are sound, each table once: published methods come first."""
    seen: set[bytes] = set()
    by_clocks = sorted(found, key=_clocks)
    for _, same in groupby(sorted(by_clocks, key=lambda one: not one.method.preset), key=_clocks):
        group = list(same)
        moments = setting.moments(group[0].method, group[0].timesteps)
        for one in group:
            run = unrolled(setting.program(one.method), moments)
            name = np.round(run.landings, SAME).tobytes() + run.times.tobytes()
            if run.is_sound and name not in seen:
                seen.add(name)
                yield one, run


def _clocks(one: Candidate) -> tuple[str, str, tuple[float, ...]]:
    """What candidates share whose integrals are the same."""
    return one.method.integrand, one.method.expansion, one.timesteps


def discrete(
    bench: Bench,
    found: Sequence[tuple[Candidate, Propagator]],
    rounds: Sequence[tuple[int | None, int]],
    ledger: Ledger,
    executor: Executor | None = None,
) -> list[Trial]:
    """The best candidates on the tuning noises, best first, and the best published ones.

    Each round measures what is left on more noises and keeps the better part. A budget that does
    not reach ends it with what the round before has measured.
    """
    trials: list[Trial] = []
    left = list(found)
    for count, keep in rounds:
        examples = bench.tuning if count is None else bench.tuning.part(0, count)
        cost = len(examples) * sum(run.evaluations for _, run in left)
        if not ledger.allows(cost):
            ledger.is_cut = True
            break
        trials = measured(bench, examples, left, executor)
        ledger.charge("methods", cost, trials[0].error if trials else np.inf)
        trials = _kept(trials, keep)
        left = [(one.candidate, one.run) for one in trials]
    return trials


def measured(
    bench: Bench,
    examples: Examples,
    found: Sequence[tuple[Candidate, Propagator]],
    executor: Executor | None = None,
) -> list[Trial]:
    """Candidates with their scores, best first."""
    found_errors = all_errors(partial(together, bench.model, examples), found, executor)
    trials = [
        Trial(one, run, Score.of(each))
        for (one, run), each in zip(found, found_errors, strict=True)
    ]
    finite = (one for one in trials if np.isfinite(one.score.rms))
    return sorted(finite, key=lambda one: one.error)


def all_errors(
    measure: Callable[[Sequence[Propagator]], list[Floats]],
    found: Sequence[tuple[Candidate, Propagator]],
    executor: Executor | None = None,
) -> list[Floats]:
    """The errors of the samples of every candidate: those with the same times together."""
    by_times: dict[bytes, list[int]] = {}
    for n, (_, run) in enumerate(found):
        by_times.setdefault(run.times.tobytes(), []).append(n)
    chunks = [same[n : n + CHUNK] for same in by_times.values() for n in range(0, len(same), CHUNK)]
    tasks = [[found[n][1] for n in chunk] for chunk in chunks]
    errors_of: dict[int, Floats] = {}
    for chunk, several in zip(chunks, ordered(executor, measure, tasks), strict=True):
        errors_of |= zip(chunk, several, strict=True)
    return [errors_of[n] for n in range(len(found))]


def together(model: Model, examples: Examples, runs: Sequence[Propagator]) -> list[Floats]:
    """``errors_together``, for workers."""
    return errors_together(runs, model, examples)


def _kept(trials: Sequence[Trial], keep: int) -> list[Trial]:
    """The best ones, and the best published ones, best first."""
    published = [one for one in trials if one.candidate.method.preset][:PRESETS]
    kept = {id(one) for one in (*trials[:keep], *published)}
    return [one for one in trials if id(one) in kept]
