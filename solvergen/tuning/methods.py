"""What is searched: methods, and where they are run."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from solvergen.derivation.parameterization import Parameterization, conversion
from solvergen.errors import SchemeError, SolvergenError
from solvergen.methods import limiter
from solvergen.program import lowering
from solvergen.program.phase_numbers import phase_numbers
from solvergen.program.program import StepProgram
from solvergen.runs.propagator import Propagator, unrolled
from solvergen.runs.scalars import LARGEST, Clockwork, GridMoments, ScheduleValues
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.specification import presets, schemes
from solvergen.specification.solver import Solver
from solvergen.tuning.grids import Grid

Times = tuple[float, ...]

INTEGRANDS = ("data", "velocity", "flow", "straight", "noise")
EXPANSIONS = ("theta", "sigma/(alpha+sigma)", "time", "half_log_snr")
ORDERS = (2, 3, 4)
LAST_STEPS = ("full", "ramp")

PUBLISHED = (
    "ddim",
    "dpm_solver_pp_2m",
    "dpm_solver_pp_2m_midpoint",
    "dpm_solver_pp_3m_as_published",
    "unipc_2_bh2_as_published",
    "unipc_3_bh2_as_published",
    "deis_tab_2_as_published",
    "deis_tab_3_as_published",
    "ipndm_as_published",
    "lms_as_published",
    "edm_heun_as_published",
    "flow_euler",
    "flow_heun",
)
"""The presets that a tuned solver is compared with: what libraries run, with their start-ups."""


@dataclass(frozen=True)
class Method:
    """A solver without its schedule and prediction.

    Attributes:
        integrand, expansion, scheme: as text.
        preset: the name of a published one.
        limited: whether its weights are bounded (``solvergen.methods.limiter``).
    """

    integrand: str
    expansion: str
    scheme: str
    preset: str = ""
    limited: bool = True

    def __str__(self) -> str:
        return self.preset or f"{self.integrand} in {self.expansion}, {self.scheme}"


@dataclass(frozen=True)
class Candidate:
    """A method on a grid."""

    method: Method
    timesteps: Times
    grid: str

    def __str__(self) -> str:
        return f"{self.method}, {self.grid}"


TEACHING = Method("velocity", "theta", "unipc:2:exact:ramp")
"""Of teachers of networks, which are rough in t, where higher orders do not help."""


@dataclass(frozen=True)
class Setting:
    """Where methods are run.

    Attributes:
        schedule: of the noise.
        prediction: what the model returns.
        start, end: of the grids, start > end.
    """

    schedule: NoiseSchedule
    prediction: Parameterization
    start: float
    end: float

    @classmethod
    def of(
        cls,
        schedule: NoiseSchedule | str,
        prediction: Parameterization | str,
        start: float | None = None,
        end: float | None = None,
    ) -> "Setting":
        """A range of a schedule, by default the whole of it.

        Raises:
            SolvergenError: the range is none, or the prediction does not determine the data at its
                start.
        """
        solver = Solver(schedule, prediction, "velocity", "theta", "multistep:1")
        low, high = _values(solver.schedule).ends
        first, last = high if start is None else float(start), low if end is None else float(end)
        if not low <= last < first <= high:
            raise SolvergenError(
                f"got a run from t = {first:g} to {last:g}; expected {high:g} >= start > end >= "
                f"{low:g}, inside the domain of {solver.schedule.name}"
            )
        found = cls(solver.schedule, solver.prediction, first, last)
        a, b = found.moments(TEACHING, (first, last)).place(first).conversion
        if not max(abs(a), abs(b)) < LARGEST:
            raise SolvergenError(
                f"the prediction {solver.prediction.name} does not determine the data at t = "
                f"{first:g}, where {solver.schedule.name} has no signal; expected a start before "
                "that (start=, --start), or another prediction"
            )
        return found

    @property
    def noise_level(self) -> float:
        """sigma at the start."""
        return float(self.values.at(np.array([self.start]))[2][0])

    @property
    def values(self) -> ScheduleValues:
        """The schedule in float64."""
        return _values(self.schedule)

    def times(self, grid: Grid, steps: int) -> Times | None:
        """A grid over the range; None where its variable is infinite at an end."""
        return grid.times(self.values, self.start, self.end, steps)

    def moments(self, method: Method, timesteps: Times) -> GridMoments:
        """What all methods of this integrand and expansion variable share on a grid."""
        return self.clockwork(method).over(timesteps)

    def clockwork(self, method: Method) -> Clockwork:
        """The functions of time of a method."""
        return _clockwork(self.schedule, self.prediction, method.integrand, method.expansion)

    def program(self, method: Method) -> StepProgram:
        """What its steps compute."""
        infinite = bool(self.clockwork(method).infinite_ends)
        return _program(method.scheme, infinite, method.limited)

    def run(self, method: Method, timesteps: Times) -> Propagator:
        """The table of a method on a grid."""
        return unrolled(self.program(method), self.moments(method, timesteps))

    def solver(self, method: Method) -> Solver:
        """The specification of a method."""
        if method.preset:
            return presets.get(method.preset, self.schedule, self.prediction)
        choices = (method.integrand, method.expansion, method.scheme, method.limited)
        return Solver(self.schedule, self.prediction, *choices)

    def steps(self, method: Method, evaluations: int) -> int:
        """The most steps that call the network at most so often; 0 if one is too many."""
        infinite = self.clockwork(method).infinite_ends
        for steps in range(evaluations, 0, -1):
            gamma = np.zeros(steps + 1)
            gamma[[0, -1]] = [np.inf if end in infinite else 0 for end in (self.start, self.end)]
            found = self.program(method)
            phases = (found.all_phases[n] for n in phase_numbers(found, gamma))
            if sum(len(one.evaluations) for one in phases) <= evaluations:
                return steps
        return 0


@lru_cache(maxsize=16)
def _values(schedule: NoiseSchedule) -> ScheduleValues:
    return ScheduleValues(schedule)


@lru_cache(maxsize=256)
def _clockwork(
    schedule: NoiseSchedule, prediction: Parameterization, integrand: str, expansion: str
) -> Clockwork:
    solver = Solver(schedule, prediction, integrand, expansion, "multistep:1")
    if solver.ode.factor is None:
        raise SolvergenError(
            f"the integrand {solver.integrand.name} has an integrating factor without a closed "
            "form, and cannot be searched with; expected data, noise, velocity, flow or straight"
        )
    ab = conversion(solver.prediction, solver.integrand)
    return Clockwork(_values(schedule), solver.weights, ab)


@lru_cache(maxsize=256)
def _program(scheme: str, reaches_infinity: bool, limited: bool) -> StepProgram:
    read = schemes.get(scheme)
    found = lowering.lower(read, reaches_infinity, limiter.default(read) if limited else None)
    if found.repeat is not None:
        raise SchemeError(
            f"the scheme {scheme} repeats an evaluation to a tolerance, so that a run has no "
            "number of evaluations; expected a scheme with a number of iterations"
        )
    return found


def searched(evaluations: int) -> Iterator[Method]:
    """The methods of a search: one evaluation a step, starting with lower orders."""
    for integrand in INTEGRANDS:
        for expansion in EXPANSIONS:
            for order in ORDERS:
                if order <= evaluations:
                    for last in LAST_STEPS:
                        for family in (f"multistep:{order}", f"unipc:{order}:exact"):
                            yield Method(integrand, expansion, f"{family}:ramp:{last}")


def published() -> Iterator[Method]:
    """The presets."""
    for name in PUBLISHED:
        yield of_preset(name)


def of_preset(name: str) -> Method:
    """A published solver; the steps of published code are not limited.

    Raises:
        SolvergenError: there is none of this name.
    """
    found = presets.find(name)
    limited = not found.name.endswith("_as_published")
    return Method(found.integrand, found.expansion, found.scheme, name, limited)


def exists(setting: Setting, method: Method) -> bool:
    """Whether a method exists for a schedule and a prediction."""
    try:
        setting.program(method)
    except SolvergenError:
        return False
    return True
