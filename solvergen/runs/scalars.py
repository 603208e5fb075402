"""The scalars of a step in float64, for any method and grid, without a module of it.

A search runs thousands of methods, each once: what counts is the time of a table, not its last
digit. The integrals of THEORY section 4 are Gauss-Legendre sums here, over the same variable as
those of baked grids, v = log((u - t_min)/(t_max - u)), in which steps to the very ends of the
domain are smooth. Methods that differ in their supports alone share them.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from sympy import Expr

from solvergen.algebra.evaluation import compiled, evaluate_float
from solvergen.derivation.parameterization import total_derivative
from solvergen.derivation.weights import Weights
from solvergen.methods.bounds import MAX_POWER
from solvergen.methods.scheme import Kind, Node
from solvergen.program.instructions import Combine
from solvergen.program.program import PhaseProgram
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.symbols import OF_TIME, t

Floats = NDArray[np.float64]

PANEL = 2.0
"""Longest panel in v: its rule leaves 1e-13 of what is analytic for |Im v| < pi."""
NODES, WEIGHTS = (one / 2 for one in np.polynomial.legendre.leggauss(16))
CLOSEST = 1e-13
"""How near to an end of the domain an integral goes, as a part of the width."""
SECTIONS, ROUNDS = 128, 7
"""Of a search for a time: 2^49 parts of an interval."""
AT_ZERO = 1e-26
"""The same at t = 0, which float64 comes nearer to: sigma may be the root of t."""
LARGEST = 1e8
"""A factor beyond this is a limit that does not exist, seen at ``CLOSEST``."""


@dataclass(frozen=True)
class ScheduleValues:
    """A schedule in float64.

    Args:
        schedule: whose formulas are taken in their accurate form.
    """

    schedule: NoiseSchedule

    @cached_property
    def _formulas(self) -> tuple[Expr, ...]:
        found = self.schedule
        return tuple(
            found.stable(one)
            for one in (found.alpha, found.sigma, found.alpha_prime, found.sigma_prime)
        )

    @cached_property
    def ends(self) -> tuple[float, float]:
        """t_min and t_max."""
        low, high = self.schedule.domain
        return float(low), float(high)

    def at(self, times: Floats) -> tuple[Floats, ...]:
        """t, alpha, sigma, alpha', sigma' at times."""
        parameters = self.schedule.parameters
        return (times, *(evaluate_float(one, t, times, parameters) for one in self._formulas))

    def inside(self, time: float) -> float:
        """The time, or one close to the end of the domain that it is at."""
        low, high = self.ends
        first, last = ((AT_ZERO if end == 0 else CLOSEST) * (high - low) for end in self.ends)
        return min(max(time, low + first), high - last)

    def nodes(self, start: float, end: float) -> tuple[Floats, Floats]:
        """Times between start and end, and the weights of an integral over time."""
        low, high = self.ends
        first, last = (
            math.log((one - low) / (high - one)) for one in map(self.inside, (start, end))
        )
        count = max(1, math.ceil(abs(last - first) / PANEL))
        panel = (last - first) / count
        v = first + panel * (np.arange(count)[:, None] + (NODES + 0.5)).ravel()
        small = np.exp(-np.abs(v))
        gap = (high - low) * small / (1 + small)
        times = np.where(v > 0, high - gap, low + gap)
        return times, np.tile(panel * WEIGHTS, count) * gap / (1 + small)


Points = tuple[Floats, ...]
"""t, alpha, sigma, alpha', sigma' at some times."""

POWERS = np.arange(MAX_POWER + 1)
"""Of theta, whose means a step may read."""


@dataclass(frozen=True, eq=False)
class Clockwork:
    """The functions of time of an integrand and an expansion variable.

    Args:
        values: the schedule.
        weights: integrating factor and clocks.
        conversion: (A, B) of  N = A y + B prediction.
    """

    values: ScheduleValues
    weights: Weights
    conversion: tuple[Expr, Expr]

    def over(self, timesteps: Sequence[float]) -> "GridMoments":
        """What the steps of a grid are computed from."""
        return GridMoments(self, tuple(timesteps))

    @cached_property
    def infinite_ends(self) -> tuple[float, ...]:
        """The ends of the domain at which gamma is infinite."""
        ends = zip(self.weights.schedule.domain, self.values.ends, strict=True)
        return tuple(value for end, value in ends if not self.weights.is_finite_at(end))

    @cached_property
    def gamma(self) -> Callable[[Points], Floats]:
        """The expansion variable."""
        return self._function(self.weights.expansion.variable)

    @cached_property
    def speed(self) -> Callable[[Points], Floats]:
        """gamma'."""
        return self._function(total_derivative(self.weights.expansion.variable))

    @cached_property
    def factor(self) -> Callable[[Points], Floats]:
        """R, with Phi(t, s) = R(t)/R(s): its formula, or exp int a from mid-domain."""
        if self.weights.ode.factor is not None:
            return self._function(self.weights.ode.factor)
        rate, values = self._function(self.weights.ode.linear), self.values
        middle = sum(values.ends) / 2

        def integrated(time: float) -> float:
            if time == middle:
                return 1.0
            times, parts = values.nodes(middle, time)
            return math.exp(float(parts @ rate(values.at(times))))

        return lambda points: np.array([integrated(time) for time in points[0].tolist()])

    @cached_property
    def nonlinear(self) -> Callable[[Points], Floats]:
        """b."""
        return self._function(self.weights.ode.nonlinear)

    @cached_property
    def conversions(self) -> tuple[Callable[[Points], Floats], ...]:
        """A and B."""
        return tuple(map(self._function, self.conversion))

    def _function(self, formula: Expr) -> Callable[[Points], Floats]:
        """A formula in the five symbols, as a function of their values."""
        function = compiled(self.weights.schedule.substitute(formula), OF_TIME, "numpy")

        def at(points: Points) -> Floats:
            with np.errstate(all="ignore"):
                return np.broadcast_to(np.asarray(function(*points)), points[0].shape)

        return at


@dataclass(frozen=True)
class Place:
    """A time, or one just inside the domain if it is an end: gamma, R, A and B there."""

    gamma: float
    factor: float
    conversion: tuple[float, float]


Interval = tuple[float, list[float]]
"""M0 over an interval, and the normalised moments."""


class GridMoments:
    """The scalars of a grid, whatever the supports are that read them.

    Those of its times and steps are computed at once, others (inner stages) when they are asked
    for.
    """

    def __init__(self, clockwork: Clockwork, timesteps: tuple[float, ...]) -> None:
        self.clockwork = clockwork
        self.timesteps = timesteps
        self._places = dict(zip(timesteps, self._read(timesteps), strict=True))
        steps = list(pairwise(timesteps))
        self._intervals = dict(zip(steps, self._integrated(steps), strict=True))
        self._weights: dict[tuple[int, Combine], list[float]] = {}

    def weights(self, n: int, combine: Combine, scalars: "FloatScalars") -> list[float]:
        """Those of a landing of step n, which methods of other orders may have too."""
        key = (n, combine)
        if key not in self._weights:
            self._weights[key] = scalars.computed_weights(combine)
        return self._weights[key]

    def place(self, time: float) -> Place:
        """The values at a time."""
        if time not in self._places:
            self._places[time] = self._read((time,))[0]
        return self._places[time]

    def interval(self, start: float, end: float) -> Interval:
        """M0 from start to end, and the normalised moments."""
        key = (start, end)
        if key not in self._intervals:
            self._intervals[key] = self._integrated([key])[0]
        return self._intervals[key]

    def end_density(self, start: float, end: float) -> float:
        """b/gamma' at the end, times the length of the step in gamma, over M0."""
        points = self._points((end,))
        rate = self.clockwork.nonlinear(points)[0] / self.clockwork.speed(points)[0]
        width = self.place(end).gamma - self.place(start).gamma
        return float(rate) * width / self.interval(start, end)[0]

    def time_at(self, gamma: float, low: float, high: float) -> float:
        """The time between low and high at which the expansion variable is gamma."""
        rising = self.place(high).gamma > self.place(low).gamma
        for _ in range(ROUNDS):
            times = np.linspace(low, high, SECTIONS + 1)
            before = (self.clockwork.gamma(self._points(times[1:-1])) > gamma) != rising
            n = int(before.sum())
            low, high = float(times[n]), float(times[n + 1])
        return (low + high) / 2

    def _read(self, times: Sequence[float]) -> list[Place]:
        points, work = self._points(times), self.clockwork
        columns = (
            work.gamma(points),
            work.factor(points),
            *(one(points) for one in work.conversions),
        )
        rows = zip(*(one.tolist() for one in columns), strict=True)
        return [Place(gamma, factor, (a, b)) for gamma, factor, a, b in rows]

    def _integrated(self, steps: Sequence[tuple[float, float]]) -> list[Interval]:
        """The integrals over steps between known places, by one sum over the nodes of all."""
        work = self.clockwork
        nodes = [work.values.nodes(*one) for one in steps]
        sizes = [times.size for times, _ in nodes]
        points = work.values.at(np.concatenate([times for times, _ in nodes]))
        first, last, factor = (
            np.repeat(column, sizes)
            for column in (
                [self.place(start).gamma for start, _ in steps],
                [self.place(end).gamma for _, end in steps],
                [self.place(end).factor for _, end in steps],
            )
        )
        weights = np.concatenate([one for _, one in nodes])
        with np.errstate(all="ignore"):
            mass = weights * work.nonlinear(points) * (factor / work.factor(points))
            theta = (work.gamma(points) - first) / (last - first)
            cuts = np.cumsum([0, *sizes[:-1]])
            sums = np.add.reduceat(mass * theta ** POWERS[:, None], cuts, axis=1)
            means = (sums / sums[0]).T.tolist()
        return list(zip(sums[0].tolist(), means, strict=True))

    def _points(self, times: Iterable[float]) -> Points:
        values = self.clockwork.values
        return values.at(np.array([values.inside(one) for one in times]))


@dataclass(frozen=True, eq=False)
class FloatScalars:
    """The scalars of step n of a run, for the interpreter."""

    moments: GridMoments
    phase: PhaseProgram
    n: int
    _times: dict[int, float] = field(default_factory=dict)

    def time(self, stage: int) -> float:
        """The time of evaluation ``stage``; of the end of the step for the last stage."""
        if stage not in self._times:
            self._times[stage] = self._computed_time(stage)
        return self._times[stage]

    def _computed_time(self, stage: int) -> float:
        position = self.phase.position(stage)
        start, end = self.moments.timesteps[self.n : self.n + 2]
        if position in (0, 1):
            return end if position else start
        low, high = (self.moments.place(one).gamma for one in (start, end))
        return self.moments.time_at(low + float(position) * (high - low), end, start)

    def integrating_factor(self, combine: Combine) -> float:
        end, start = (self.moments.place(one).factor for one in self._ends(combine))
        return end / start

    def zeroth_moment(self, combine: Combine) -> float:
        return self._interval(combine)[0]

    def weights(self, combine: Combine) -> list[float]:
        if any(node.kind is Kind.STAGE for node in (*combine.support, combine.base)):
            return self.computed_weights(combine)
        return self.moments.weights(self.n, combine, self)

    def computed_weights(self, combine: Combine) -> list[float]:
        """ell_j of a landing."""
        zeroth, means = self._interval(combine)
        end, start = self._ends(combine)
        last, first = (self.moments.place(one).gamma for one in (end, start))
        places = [
            (self.moments.place(self._at(node)).gamma - first) / (last - first)
            for node in combine.support
        ]

        def moment(k: int, along: int | None) -> float:
            if along is None:
                return means[k]
            other, own = self.moments.interval(start, self.time(along))
            return other / zeroth * own[k]

        return combine.weights(places, moment, lambda: self.moments.end_density(start, end))

    def conversion_at(self, stage: int) -> tuple[float, float]:
        return self.moments.place(self.time(stage)).conversion

    def _interval(self, combine: Combine) -> Interval:
        end, start = self._ends(combine)
        return self.moments.interval(start, end)

    def _ends(self, combine: Combine) -> tuple[float, float]:
        """The times between which a landing integrates."""
        return self._at(combine.node), self._at(combine.base)

    def _at(self, node: Node) -> float:
        if node.kind is Kind.STAGE:
            return self.time(node.index)
        return self.moments.timesteps[self.n - node.index]
