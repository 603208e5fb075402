"""Exact problems of the scale of some data: what methods are ranked on where no network is."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

import numpy as np

from solvergen.measurement.problems import Problem
from solvergen.runs.propagator import Propagator
from solvergen.runs.scalars import Floats
from solvergen.tuning import problems
from solvergen.tuning.examples import FLOOR, Examples, Score, errors_together
from solvergen.tuning.methods import Candidate, Method, Setting
from solvergen.tuning.problems import ExactModel
from solvergen.tuning.search import Trial, all_errors
from solvergen.tuning.teacher import taught

NOISES = 6
"""Of each problem: methods differ by factors, and the noises are the same for all of them."""
FIRST = 2
"""Of the problems on which all candidates are measured; the others see the better half."""
TEACHER = Method("velocity", "theta", "unipc:3:exact:ramp"), 120
"""Far below the errors of runs of 20 evaluations."""
MOST_DIMENSIONS = 64
"""What a mixture's posterior costs grows with them, and what it looks like does not."""
KEPT = 0.25


@dataclass(frozen=True, eq=False)
class Exam:
    """A problem with its examples."""

    name: str
    model: ExactModel
    examples: Examples


def exams(
    setting: Setting,
    std: float = 1.0,
    dimensions: int = 64,
    seed: int = 0,
    others: Mapping[str, Problem] | None = None,
) -> tuple[Exam, ...]:
    """Mixtures without guidance and with 3 and 7, two points, and digits if they are there.

    Args:
        setting: where they are run.
        std: standard deviation of the data.
        dimensions: of the mixtures, up to ``MOST_DIMENSIONS``.
        seed: of the noises.
        others: problems to begin with.
    """
    size = min(dimensions, MOST_DIMENSIONS)
    found: dict[str, Problem] = {
        **(others or {}),
        "mixture": problems.mixture(size, 10, std, seed=1),
        "guidance 3": problems.guided(size, 16, 3.0, std, seed=2),
        "guidance 7": problems.guided(size, 16, 7.0, std, seed=2),
        "two points": problems.two_points(std),
        "digits": problems.digits(std),
    }
    random = np.random.default_rng(seed)
    return tuple(exam(setting, name, one, random) for name, one in found.items())


def exam(setting: Setting, name: str, problem: Problem, random: np.random.Generator) -> Exam:
    """A problem with some noises and where they end."""
    model = ExactModel(name, problem, setting)
    noise = random.standard_normal((NOISES, problem.dimensions)) * setting.noise_level
    return Exam(name, model, taught(setting, model, noise, TEACHER))


def ranked(
    pool: Sequence[Exam],
    found: Sequence[tuple[Candidate, Propagator]],
    executor: Executor | None = None,
) -> list[Trial]:
    """Candidates by the geometric mean of their errors over all problems, best first.

    All are measured on the first problems, the best quarter of them, and the published ones, on the
    rest. The score of a trial has the errors of all samples of all problems.
    """
    first = _errors(pool[:FIRST], found, executor)
    order = sorted(range(len(found)), key=lambda n: _log(first[n]))
    keep = {*order[: max(1, int(KEPT * len(order)))]}
    keep |= {n for n, (one, _) in enumerate(found) if one.method.preset}
    left = [found[n] for n in sorted(keep)]
    rest = _errors(pool[FIRST:], left, executor)
    trials = [
        Trial(one, run, Score.of(np.concatenate([first[n], more])))
        for n, (one, run), more in zip(sorted(keep), left, rest, strict=True)
    ]
    finite = (one for one in trials if np.isfinite(one.score.rms))
    return sorted(finite, key=lambda one: one.error)


def _errors(
    pool: Sequence[Exam], found: Sequence[tuple[Candidate, Propagator]], executor: Executor | None
) -> list[Floats]:
    """The errors of the samples of some problems, for every candidate."""
    return all_errors(partial(_together, pool), found, executor)


def _together(pool: Sequence[Exam], runs: Sequence[Propagator]) -> list[Floats]:
    several = [errors_together(runs, one.model, one.examples) for one in pool]
    return [np.concatenate(one) for one in zip(*several, strict=True)]


def _log(errors: Floats) -> float:
    return float(np.log(np.maximum(errors, FLOOR)).mean())
