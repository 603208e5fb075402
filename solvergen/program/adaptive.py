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
SMALLEST_ERROR = 1e-4
FIRST = 0.05


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
    length, before, longest = FIRST * (last - u), 1.0, LONGEST
    trials: list[Trial] = []
    while t != ends[1]:
        if len(trials) == max_steps:
            raise SolvergenError(
                f"t = {t} is reached after {max_steps} trials; expected {ends[1]}. Allow more, or "
                "larger tolerances."
            )
        inside = abs(last - u) > 1.01 * abs(length)
        next_u = u + length if inside else last
        end = variable.time_at(next_u) if inside else ends[1]
        length = next_u - u
        phase, k = pair(t, end)
        state = State(x)
        run_step(phase, scalars(phase, t, end), model, state)
        error = norm(state.error, x, state.x, *tolerances)
        taken = error <= 1
        trials.append(Trial(t, end, error, taken))
        if taken:
            x, t, u = state.x, end, next_u
            factor = SAFETY * max(error, 1e-16) ** (-0.7 / k) * before ** (0.4 / k)
            length *= min(max(factor, SHORTEST), longest)
            before, longest = max(error, SMALLEST_ERROR), LONGEST
        else:
            length *= max(SAFETY * error ** (-1 / k), SHORTEST)
            longest = 1.0
    return Run(x, tuple(trials))


def norm(error: Any, x: Any, y: Any, rtol: float, atol: float) -> float:
    """The root mean square of error / (atol + rtol max(|x|, |y|))."""
    scaled = error / (atol + rtol * np.maximum(abs(x), abs(y)))
    return float(np.mean(scaled**2) ** 0.5)
