"""The third stage: the rows of the table, by ridge least squares.

Each landing of a run is a combination of x_T and all predictions so far (``runs``). With the
student's own inputs and predictions as data, row i is fitted to where the teacher is at t_i,

    min_c  mean_b w_b |c_0 x_T + sum_j c_(j+1) P_j - y(t_i)|^2 + ridge |D (c - C_i)|^2,

C_i the scheme's row, D the norms of the columns, w_b = 1/e_b^2. A later row sees the inputs that
the earlier ones lead to. This is the one stage that can break a solver: no order is left to claim.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from solvergen.runs.propagator import Propagator, combination, follow
from solvergen.runs.scalars import Floats
from solvergen.tuning.arrays import as_numpy
from solvergen.tuning.examples import Score, errors
from solvergen.tuning.grids import THETA
from solvergen.tuning.methods import Candidate, Method, Setting
from solvergen.tuning.search import Bench

RIDGES = (1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
"""Parts of the data's own weight, one of which validation chooses."""
NEAR = 0.2
"""Of the spacing of the teacher's grid: its times that are as near to one of the student's go."""


@dataclass(frozen=True, eq=False)
class FittedRows:
    """The rows of the best validation error.

    Attributes:
        run: with these rows.
        score: on the validation noises.
        change: the largest of a factor.
        defect: how far the result is from that of a constant integrand 1, relative: 0 if the
            weights of every landing sum to 1.
        cost: evaluations of single samples.
    """

    run: Propagator
    score: Score
    change: float
    defect: float
    cost: int


def fit_rows(
    bench: Bench, candidate: Candidate, run: Propagator, which: str, teacher: tuple[Method, int]
) -> FittedRows:
    """Rows for a method on its grid.

    Args:
        bench: the model and the noises.
        candidate: the method and the grid.
        run: its table.
        which: ``last``, the row of the result alone, or ``all``.
        teacher: the method and the steps of the flow.
    """
    states = trajectory(bench, run, teacher)
    first = run.evaluations if which == "last" else 1
    found: list[tuple[Propagator, Score]] = []
    for ridge in RIDGES:
        one = _refitted(bench, run, states, first, ridge)
        found.append((one, Score.of(errors(one, bench.model, bench.validation))))
    best, score = min(found, key=lambda one: one[1].geometric_mean)
    own = len(bench.tuning) * (run.evaluations + 2 * teacher[1])
    cost = own + len(RIDGES) * run.evaluations * (len(bench.tuning) + len(bench.validation))
    change = float(np.abs(best.landings - run.landings).max())
    return FittedRows(best, score, change, _defect(bench.setting, candidate, best), cost)


def trajectory(bench: Bench, run: Propagator, teacher: tuple[Method, int]) -> list[Floats]:
    """Where the teacher is at the times of a run's landings, the last one being its end."""
    method, steps = teacher
    setting, times = bench.setting, run.times.tolist()
    grid = np.array(setting.times(THETA, steps))
    spacing = np.minimum(*np.abs(np.gradient(grid) * np.ones((2, 1))))
    inner = np.abs(grid[:, None] - np.array(times)).min(axis=1) > NEAR * spacing
    inner[[0, -1]] = True
    merged = sorted({*grid[inner].tolist(), *times}, reverse=True)
    wanted, seen = set(times), dict[float, Any]()

    def watched(x: Any, time: float) -> Any:
        if time in wanted:
            seen[time] = x
        return bench.model(x, time)

    follow(setting.program(method), setting.moments(method, tuple(merged)), watched,
           bench.tuning.noise)  # fmt: skip
    return [*(_flat(seen[time]) for time in times[1:]), _flat(bench.tuning.answer)]


def _refitted(
    bench: Bench, run: Propagator, states: Sequence[Floats], first: int, ridge: float
) -> Propagator:
    """The rows from ``first`` on, one after the other."""
    noise, landings = bench.tuning.noise, run.landings.copy()
    weights = 1 / np.maximum(errors(run, bench.model, bench.tuning), bench.tuning.difference) ** 2
    root = np.sqrt(weights / weights.sum())[:, None]
    predictions: list[Any] = []
    columns = [_flat(noise) * root]
    for i in range(run.evaluations + 1):
        if i >= first:
            row = landings[i, : i + 1]
            landings[i, : i + 1] = row + _change(columns, states[i - 1] * root, row, ridge)
        if i < run.evaluations:
            x = combination(landings[i].tolist(), noise, predictions)
            predictions.append(bench.model(x, float(run.times[i])))
            columns.append(_flat(predictions[-1]) * root)
    return Propagator(run.times, landings)


def _change(columns: Sequence[Floats], target: Floats, row: Floats, ridge: float) -> Floats:
    """What is added to a row: the ridge solution for what the row leaves."""
    data = np.stack([one.ravel() for one in columns], axis=1)
    left = target.ravel() - data @ row
    norms = np.maximum(np.sqrt(np.square(data).sum(axis=0)), 1e-300)
    scaled = data / norms
    system = scaled.T @ scaled + ridge * np.eye(len(row))
    return np.linalg.solve(system, scaled.T @ left) / norms


def _defect(setting: Setting, candidate: Candidate, run: Propagator) -> float:
    """What a run from 0 with the integrand 1 misses M0 over the whole range by, relative."""
    whole = setting.moments(candidate.method, (setting.start, setting.end))
    places = setting.moments(candidate.method, (*run.times.tolist(), setting.end))

    def constant(y: Floats, time: float) -> Floats:
        a, b = places.place(time).conversion
        return np.asarray((1 - a * y) / b)

    found = run.sample(constant, np.zeros(1))
    return float(abs(found[0] / whole.interval(setting.start, setting.end)[0] - 1))


def _flat(array: Any) -> Floats:
    found = as_numpy(array)
    return found.reshape(len(found), -1)
