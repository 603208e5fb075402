"""The matrix of a run: every input of the network, and the result, in x_T and all predictions.

The unrolled form of THEORY section 11, z_i = C_i0 x_T + sum_(j<i) C_i,j+1 P_j. It is the
interpreter, run on the vectors of these combinations in place of samples. A run on samples is then
one sum for every evaluation, in whatever arrays the network takes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from solvergen.algebra.tables import column
from solvergen.derivation.parameterization import Parameterization, conversion
from solvergen.derivation.weights import Weights
from solvergen.errors import SchemeError, SolvergenError
from solvergen.program.interpreter import State, run_step
from solvergen.program.phase_numbers import phase_numbers
from solvergen.program.program import PhaseProgram, StepProgram
from solvergen.runs.scalars import (
    LARGEST,
    Clockwork,
    Floats,
    FloatScalars,
    GridMoments,
    ScheduleValues,
)

Model = Callable[[Any, float], Any]


@dataclass(frozen=True, eq=False)
class Propagator:
    """The linear map of a method on a grid.

    Attributes:
        times: of the evaluations [N].
        landings: C [N + 1, N + 1], strictly lower triangular behind its first column: row i has
            the factors of x_T and of the predictions in the input of evaluation i, and the last
            row those of the result.
    """

    times: Floats
    landings: Floats

    @property
    def evaluations(self) -> int:
        """Calls of the network."""
        return int(self.times.size)

    @property
    def weights(self) -> Floats:
        """C without its first column [N + 1, N]: those of the predictions."""
        return self.landings[:, 1:]

    @property
    def is_sound(self) -> bool:
        """Whether all factors are numbers of ordinary size."""
        return bool(np.isfinite(self.landings).all() and np.abs(self.landings).max() < LARGEST)

    def sample(self, model: Model, x: Any) -> Any:
        """From x to the end of the grid."""
        predictions: list[Any] = []
        for time, row in zip(self.times.tolist(), self.landings.tolist(), strict=False):
            predictions.append(model(combination(row, x, predictions), time))
        return combination(self.landings[-1].tolist(), x, predictions)


def combination(row: Sequence[float], x: Any, predictions: Sequence[Any]) -> Any:
    """C_0 x + sum_j C_(j+1) P_j; what has the factor 0 is not read."""
    total = row[0] * x
    for factor, prediction in zip(row[1:], predictions, strict=False):
        if factor:
            total = total + factor * prediction
    return total


def of(
    weights: Weights,
    prediction: Parameterization,
    integrand: Parameterization,
    program: StepProgram,
    timesteps: ArrayLike,
) -> Propagator:
    """The matrix of a solver on a grid, checked.

    Raises:
        SolvergenError: the grid is none, or factors are infinite on it.
    """
    values = ScheduleValues(weights.schedule)
    grid, (low, high) = column("timesteps", timesteps), values.ends
    if grid.size < 2 or not (np.diff(grid) < 0).all() or grid[0] > high or grid[-1] < low:
        raise SolvergenError(
            f"timesteps: got {grid}; expected 2 or more decreasing times in [{low:g}, {high:g}]"
        )
    clockwork = Clockwork(values, weights, conversion(prediction, integrand))
    found = unrolled(program, clockwork.over(grid.tolist()))
    for i in np.flatnonzero(~(np.abs(found.landings) < LARGEST).all(axis=1)):
        raise SolvergenError(
            f"landing {i} of the run over {grid} has no finite factors; expected Phi, M0 and the "
            "integrand to be finite at its times: stay inside the domain"
        )
    return found


def unrolled(program: StepProgram, moments: GridMoments) -> Propagator:
    """The matrix of a method on a grid.

    Args:
        program: what its steps compute.
        moments: of its integrand and expansion variable, on the grid.

    Raises:
        SchemeError: it repeats an evaluation to a tolerance.
    """
    if program.repeat is not None:
        raise SchemeError(
            "the scheme repeats an evaluation to a tolerance, so that a run is no linear "
            "combination with fixed factors; expected a scheme with a number of iterations"
        )
    phases = phases_of(program, moments)
    count = sum(len(phase.evaluations) for phase in phases)
    units = iter(np.eye(count + 1)[1:])
    times, landings = list[float](), list[Floats]()

    def record(y: Floats, time: float) -> Floats:
        times.append(time)
        landings.append(y)
        return next(units)

    with np.errstate(all="ignore"):
        result = _followed(phases, program.history, moments, record, np.eye(count + 1)[0])
    return Propagator(np.array(times), np.array([*landings, result]))


def follow(program: StepProgram, moments: GridMoments, model: Model, x: Any) -> Any:
    """Run the interpreter over a grid; ``model`` sees every input."""
    return _followed(phases_of(program, moments), program.history, moments, model, x)


def _followed(
    phases: Sequence[PhaseProgram], history: int, moments: GridMoments, model: Model, x: Any
) -> Any:
    state = State(x)
    for n, phase in enumerate(phases):
        run_step(phase, FloatScalars(moments, phase, n), model, state)
        del state.past[history:]
    return state.x


def phases_of(program: StepProgram, moments: GridMoments) -> list[PhaseProgram]:
    """What each step of a grid runs."""
    infinite = moments.clockwork.infinite_ends
    gamma = [np.inf if one in infinite else 0.0 for one in moments.timesteps]
    return [program.all_phases[number] for number in phase_numbers(program, gamma)]
