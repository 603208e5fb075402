"""The second stage: the grid, by Levenberg-Marquardt on the logarithm of the error.

A grid is N - 1 numbers theta: its steps are the parts softmax(0, theta) of the whole, so that it
is decreasing and keeps its ends whatever theta is. With e_b the RMS error of sample b and delta
that of the teacher,

    F(theta) = mean_b log(e_b^2 + delta^2),

in which a sample that went to another mode of the data counts once, and not a thousand times. Its
Gauss-Newton step is that of least squares with the weights 1/(e_b^2 + delta^2). Derivatives are
differences of runs: the network is called, never differentiated.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from solvergen.runs.propagator import Propagator
from solvergen.runs.scalars import Floats
from solvergen.tuning.examples import Score, errors, residuals
from solvergen.tuning.methods import Candidate, Method, Times
from solvergen.tuning.search import Bench

LONGEST = 1.0
"""Change of a logarithm of a step's share at once."""
TRIES = 6
"""Steps of one iteration, each with more damping."""
DAMPING = 1e-2
TINY = 1e-12


@dataclass(frozen=True)
class Precision:
    """How finely a network can be asked.

    Attributes:
        difference: of forward differences.
        enough: fall of F below which it ends.
        iterations: at most.
    """

    difference: float = 1e-5
    enough: float = 1e-3
    iterations: int = 12


FLOAT64 = Precision()
FLOAT32 = Precision(3e-3, 2e-2, 6)
HALF = Precision(0.1, 2e-2, 6)
"""Two or three digits: a difference has to be seen beside what rounding makes of a prediction."""


def precision_of(digits: str) -> Precision:
    """That of a network which returns numbers of a kind."""
    return {"float64": FLOAT64, "float32": FLOAT32}.get(digits, HALF)


@dataclass(frozen=True)
class Fitted:
    """The grid of the best validation error.

    Attributes:
        candidate: with this grid.
        score: on the validation noises.
            cost: evaluations of single samples.
        descent: where its search stands.
    """

    candidate: Candidate
    score: Score
    cost: int
    descent: "Descent"


def shares(timesteps: Times) -> Floats:
    """theta of a grid."""
    steps = -np.diff(timesteps)
    return np.log(steps[1:] / steps[0])


def grid_of(theta: Floats, start: float, end: float) -> Times:
    """The grid of theta."""
    parts = np.exp(np.concatenate([[0.0], theta]))
    left = np.cumsum(parts[::-1])[::-1] / parts.sum()
    return (start, *(end + (start - end) * left[1:]).tolist(), end)


@dataclass(frozen=True, eq=False)
class Descent:
    """Where a Levenberg-Marquardt search stands.

    Attributes:
        method: whose grid it is.
        theta: of the grid.
        damping: of the next step.
        ended: whether no step is left that lowers F by enough.
    """

    method: Method
    theta: Floats
    damping: float = DAMPING
    ended: bool = False

    @classmethod
    def start(cls, candidate: Candidate) -> "Descent":
        """From the grid of a candidate."""
        return cls(candidate.method, shares(candidate.timesteps))


def fit(bench: Bench, precision: Precision, start: Descent) -> Fitted:
    """Go on with a search: the grid, of those on its way, of the best validation error."""
    search = _Search(bench, start.method, precision)
    best, score = start.theta, search.validated(start.theta)
    last = start
    for last in search.iterates(start):
        found = search.validated(last.theta)
        if found.geometric_mean < score.geometric_mean:
            best, score = last.theta, found
    candidate = Candidate(start.method, search.timesteps(best), "tuned")
    return Fitted(candidate, score, search.cost, last)


class _Search:
    """Runs of one method on many grids, counted."""

    def __init__(self, bench: Bench, method: Method, precision: Precision) -> None:
        self._bench, self._method, self._precision = bench, method, precision
        self._floor = bench.tuning.difference**2
        self.cost = 0

    def timesteps(self, theta: Floats) -> Times:
        """The grid."""
        return grid_of(theta, self._bench.setting.start, self._bench.setting.end)

    def validated(self, theta: Floats) -> Score:
        """On the validation noises."""
        run, examples = self._run(theta), self._bench.validation
        self.cost += run.evaluations * len(examples)
        return Score.of(errors(run, self._bench.model, examples))

    def iterates(self, start: Descent) -> Iterator[Descent]:
        """Where it stands after every step that lowers F."""
        theta, damping = start.theta, start.damping
        if start.ended:
            return
        gaps = self._gaps(theta)
        value = self._value(gaps)
        for _ in range(self._precision.iterations):
            gradient, curvature = self._model(theta, gaps)
            for _ in range(TRIES):
                step = _step(gradient, curvature, damping)
                tried = self._gaps(theta + step)
                if self._value(tried) < value:
                    break
                damping *= 5
            else:
                return
            fall = value - self._value(tried)
            theta, gaps, value, damping = theta + step, tried, self._value(tried), damping / 4
            ended = fall < self._precision.enough
            yield Descent(self._method, theta, damping, ended)
            if ended:
                return

    def _run(self, theta: Floats) -> Propagator:
        return self._bench.setting.run(self._method, self.timesteps(theta))

    def _gaps(self, theta: Floats) -> Floats:
        run, examples = self._run(theta), self._bench.tuning
        self.cost += run.evaluations * len(examples)
        return residuals(run, self._bench.model, examples)

    def _value(self, gaps: Floats) -> float:
        """F."""
        found = float(np.log(np.square(gaps).sum(axis=1) + self._floor).mean())
        return found if np.isfinite(found) else np.inf

    def _model(self, theta: Floats, gaps: Floats) -> tuple[Floats, Floats]:
        """The gradient of F, half of it, and its Gauss-Newton curvature."""
        change = self._precision.difference
        columns = [
            (self._gaps(theta + change * unit) - gaps) / change for unit in np.eye(theta.size)
        ]
        jacobian = np.stack(columns)
        weights = 1 / (np.square(gaps).sum(axis=1) + self._floor) / len(gaps)
        weighted = jacobian * weights[:, None]
        gradient = np.einsum("ibd,bd->i", weighted, gaps)
        curvature = np.einsum("ibd,jbd->ij", weighted, jacobian)
        return gradient, curvature


def _step(gradient: Floats, curvature: Floats, damping: float) -> Floats:
    """Of Levenberg and Marquardt, cut where a share would change too much at once."""
    damped = curvature + damping * np.diag(np.diag(curvature) + TINY)
    step = -np.linalg.solve(damped, gradient)
    return np.asarray(step * min(1.0, LONGEST / np.abs(step).max()))
