"""The reference semantics of adaptive steps: run the pair of a program under a PI controller.

A trial step is the pair's phase, interpreted from the sample that is reached. Its error estimate e
has the norm

    err = sqrt(mean((e / (atol + rtol max(|x_0|, |x_1|)))^2)),

and the step is taken if err <= 1. With an estimate of O(h^k), h the length of the step in the
variable u, the next one has the length

    h_(n+1) = 0.9 h_n err_n^(-0.7/k) err_(n-1)^(0.4/k),    h_(n+1)/h_n in [0.2, 5]

after a step that was taken (Gustafsson 1991, ACM TOMS 17, 533; PI3040 of Soderlind 2003, ACM TOMS
29, 1; Hairer and Wanner 1996, section IV.2), with err_(n-1) >= 1e-4, and is not longer than the
last one after a rejection; a rejected step is tried again with 0.9 h_n err_n^(-1/k), shorter by a
factor of 5 at most. u is gamma where that is finite at both ends of a run, otherwise the time.

The model is called for every evaluation of every trial. Emitted modules choose the same steps, but
keep what they know: the prediction at the start of a rejected step, and at the end of a step whose
estimate has asked for it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from solvergen.errors import SolvergenError
from solvergen.program.interpreter import Model, State, StepScalars, run_step
from solvergen.program.program import PhaseProgram

SAFETY, SHORTEST, LONGEST = 0.9, 0.2, 5.0
"""Hairer and Wanner 1996, section IV.2: nine tenths of what the estimate allows, so that most next
steps are taken, and by a factor of 5 at most, beyond which the estimate says nothing."""

SMALLEST_ERROR = 1e-4
"""The least that an error counts as one step later: a step that was far too accurate by chance
must not shorten the one after next."""

SMALLEST_NORM = 1e-16
"""In place of an error of 0, which has no power -0.7/k."""

FIRST_STEP = 0.05
"""The first step as a part of the run. If it is too long it is tried again, at the price of its
evaluations; if it is too short, steps grow fivefold."""

NEARLY_THERE = 1.01
"""A step that would leave less than a hundredth of itself takes that along, so that no run ends
with a step that is a rounding error long."""


@dataclass(frozen=True)
class Trial:
    """A step that was tried: its ends, the norm of its error and whether it was taken."""

    start: float
    end: float
    error: float
    taken: bool


@dataclass(frozen=True)
class Run:
    """The sample at the end of a run, and all its trials."""

    x: Any
    trials: tuple[Trial, ...]


@dataclass(frozen=True)
class Variable:
    """The variable u in which steps are measured, and its inverse."""

    at: Callable[[float], float]
    time_at: Callable[[float], float]


@dataclass
class _Controller:
    """The length of the next step in u, by the errors of the last two.

    Attributes:
        length: of the next step.
        before: the error of the last step that was taken.
        longest: by what factor the next one may be longer.
    """

    length: float
    before: float = 1.0
    longest: float = LONGEST

    def follow(self, error: float, k: int) -> None:
        """The formulas above, after a trial with this error."""
        if error <= 1:
            factor = SAFETY * max(error, SMALLEST_NORM) ** (-0.7 / k) * self.before ** (0.4 / k)
            self.length *= min(max(factor, SHORTEST), self.longest)
            self.before, self.longest = max(error, SMALLEST_ERROR), LONGEST
        else:
            self.length *= max(SAFETY * error ** (-1 / k), SHORTEST)
            self.longest = 1.0


def run(
    pair: Callable[[float, float], tuple[PhaseProgram, int]],
    scalars: Callable[[PhaseProgram, float, float], StepScalars],
    model: Model,
    x: Any,
    ends: tuple[float, float],
    variable: Variable,
    tolerances: tuple[float, float],
    max_steps: int = 10_000,
) -> Run:
    """Integrate from ends[0] to ends[1] with steps of controlled error.

    Args:
        pair: the phase that a step between two times runs, and k of its estimate O(h^k).
        scalars: those of such a step.
        model: the network.
        x: the sample at ends[0].
        ends: of the run.
        variable: u.
        tolerances: (rtol, atol).
        max_steps: how many trials may be made.

    Raises:
        SolvergenError: the end is not reached within ``max_steps`` trials.
    """
    t, last = ends[0], variable.at(ends[1])
    u = variable.at(t)
    steps = _Controller(FIRST_STEP * (last - u))
    trials: list[Trial] = []
    while t != ends[1]:
        if len(trials) == max_steps:
            raise SolvergenError(
                f"t = {t} is reached after {max_steps} trials; expected {ends[1]}. Allow more, or "
                "larger tolerances."
            )
        inside = abs(last - u) > NEARLY_THERE * abs(steps.length)
        next_u = u + steps.length if inside else last
        end = variable.time_at(next_u) if inside else ends[1]
        steps.length = next_u - u
        phase, k = pair(t, end)
        state = State(x)
        run_step(phase, scalars(phase, t, end), model, state)
        error = norm(state.error, x, state.x, *tolerances)
        trials.append(Trial(t, end, error, error <= 1))
        if error <= 1:
            x, t, u = state.x, end, next_u
        steps.follow(error, k)
    return Run(x, tuple(trials))


def norm(error: Any, x: Any, y: Any, rtol: float, atol: float) -> float:
    """The root mean square of error / (atol + rtol max(|x|, |y|))."""
    scaled = error / (atol + rtol * np.maximum(abs(x), abs(y)))
    return float(np.mean(scaled**2) ** 0.5)
