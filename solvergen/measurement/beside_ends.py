"""What a solver leaves beside an end of its domain, measured in many digits.

A few steps of length h are interpreted, from exact values to the end or from the end on, on a
mixture of Gaussians whose flow is known; log2 of the error's ratio for h and 2 h is the power of h
that the steps leave. h can be so small that a power is seen without the next one, which no run over
the whole domain in float64 can do. Phi and M0 are the closed forms at the true end; the moments are

    M0 mu_k = M0 - k int_s^t theta_u^(k-1) Phi(t, u) M0(u, s) dtheta_u,

which needs no density, and is M0 where Phi vanishes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import mpmath
import numpy as np
from sympy import Expr

from solvergen.algebra.evaluation import as_mp
from solvergen.derivation.parameterization import total_derivative
from solvergen.measurement.problems import GaussianMixture, model_mp
from solvergen.methods.scheme import Kind, Node
from solvergen.program.instructions import Combine, Repeat
from solvergen.program.interpreter import State, run_step
from solvergen.program.program import PhaseProgram
from solvergen.schedules.values import at_time, between
from solvergen.specification.solver import Solver

DIGITS, GUARD = 40, 25
"""M0 is a difference, which loses the digits of h."""

SMALLEST, LARGEST = 2.0**-20, 2.0**-9
"""Lengths of steps: the next power of h is 10^-6 of the one that is seen, but what a high order
leaves has to lie above 10^-DIGITS."""

MAIN_STEPS = 3
RATIOS = (1, 7, 4, 6, 3)
"""Lengths of steps, in fifths of h: clearly uneven, and others than those of the computation."""

ITERATIONS = 300
"""After which an iteration that contracts by 0.75 has all its digits."""

SAMPLES = (0.37, -0.81)
"""Two, so that no power of h is missing by chance."""


def power(solver: Solver, problem: GaussianMixture, role: str) -> float:
    """log2 of the ratio of the errors that steps of lengths 2 h and h leave beside an end.

    Args:
        solver: its network predicts its integrand.
        problem: a mixture in one dimension, of positive variances.
        role: ``start`` or ``end``.
    """
    h = min(max(SMALLEST, 2.0 ** -(80 // (solver.order + 1))), LARGEST)
    with mpmath.workdps(DIGITS):
        coarse, fine = (
            _error(_Beside(solver, role, mpmath.mpf(one)), problem) for one in (2 * h, h)
        )
        return float(mpmath.log(coarse / fine, 2)) if fine else float("inf")


def _error(beside: "_Beside", problem: GaussianMixture) -> Any:
    """Of the last sample, or of the last that is corrected at the start."""
    solver, program = beside.solver, beside.solver.program
    history, starts = program.history, beside.role == "start"
    count = MAIN_STEPS + (history if starts else max(1, len(program.closing)))
    first = 0 if starts else history
    times = beside.times(first + count)
    model, flow = model_mp(problem, solver), _flow(beside, problem)
    x = np.array([mpmath.mpf(one) for one in SAMPLES], dtype=object)
    past = [flow(x, times[first], times[first - j]) for j in range(1, first + 1)]
    values = [model(one, times[first - j]) for j, one in enumerate(past, start=1)]
    state = State(x, values, past[0] if past else None)
    for n in range(first, first + count):
        left = MAIN_STEPS + history if starts else first + count - 1 - n
        phase = program.all_phases[beside.number(times, n, left)]
        run_step(phase, _Scalars(beside, phase, times, n), model, state, _settled)
        del state.past[history:]
    if starts and program.corrects:
        found, last = state.previous, times[-2]
    else:
        found, last = state.x, times[-1]
    return max(abs(found - flow(x, times[first], last)))


def _settled(repeat: Repeat, count: int, landing: Any, before: Any, start: Any) -> bool:
    tiny = mpmath.mpf(10) ** (5 - DIGITS)
    return count > ITERATIONS or bool(np.all(abs(landing - before) <= tiny))


def _flow(beside: "_Beside", problem: GaussianMixture) -> Callable[[Any, Any, Any], Any]:
    """(x, from, to) -> the exact flow."""

    def flowed(x: Any, start: Any, end: Any) -> Any:
        ends = [(beside.at("alpha", time), beside.at("sigma", time)) for time in (start, end)]
        return np.array([problem.exact_flow_mp(one, *ends) for one in x], dtype=object)

    return flowed


@dataclass(frozen=True, eq=False)
class _Beside:
    """Times at distances of a few h from an end, and formulas there."""

    solver: Solver
    role: str
    h: Any

    @cached_property
    def end(self) -> Any:
        low, high = map(as_mp, self.solver.schedule.domain)
        return low if self.role == "end" else high

    @cached_property
    def inwards(self) -> int:
        return 1 if self.role == "end" else -1

    @cached_property
    def is_finite(self) -> bool:
        time = self.solver.schedule.t_min if self.role == "end" else self.solver.schedule.t_max
        return self.solver.weights.is_finite_at(time)

    def at(self, formula: Expr | str, time: Any) -> Any:
        """A formula in the five symbols at a time; ``alpha`` and ``sigma`` by name."""
        schedule = self.solver.schedule
        if formula == "alpha":
            return max(at_time(schedule.alpha, schedule, time, DIGITS + GUARD), mpmath.mpf(0))
        if formula == "sigma":
            return max(at_time(schedule.sigma, schedule, time, DIGITS + GUARD), mpmath.mpf(0))
        return at_time(formula, schedule, time, DIGITS + GUARD)

    def gamma(self, time: Any) -> Any:
        return self.at(self.solver.weights.expansion.variable, time)

    @cached_property
    def end_gamma(self) -> Any:
        return self.gamma(self.end)

    def times(self, steps: int) -> tuple[Any, ...]:
        """Uneven steps away from the end, in the order of a run."""
        places, total = [mpmath.mpf(0)], mpmath.mpf(0)
        for n in range(steps):
            total += mpmath.mpf(RATIOS[n % len(RATIOS)]) / 5
            places.append(total * self.h)
        found = tuple(map(self.time_from, places))
        return found[::-1] if self.role == "end" else found

    def time_from(self, distance: Any) -> Any:
        """The time at a distance in gamma, or in time if gamma is infinite."""
        if distance == 0:
            return self.end
        if not self.is_finite:
            return self.end + self.inwards * distance
        return self._solved(lambda g: mpmath.log(abs(g - self.end_gamma) / distance), distance)

    def time_at(self, gamma: Any, near: Any) -> Any:
        """The time at a value of gamma close to another time."""
        if self.is_finite:
            return self.time_from(abs(gamma - self.end_gamma))
        grows_as_a_power = self.solver.weights.expansion.name != "half_log_snr"
        residual = (lambda g: mpmath.log(g / gamma)) if grows_as_a_power else (lambda g: g - gamma)
        return self._solved(residual, abs(near - self.end))

    def _solved(self, residual: Callable[[Any], Any], guess: Any) -> Any:
        """Where a function of gamma vanishes, sought in the logarithm of the distance."""

        def at(level: Any) -> Any:
            return residual(self.gamma(self.end + self.inwards * mpmath.exp(level)))

        first, least = mpmath.log(guess), mpmath.mpf(10) ** (20 - 2 * DIGITS)
        level = mpmath.findroot(at, (first, first - 1), solver="secant", tol=least)
        return self.end + self.inwards * mpmath.exp(level)

    def number(self, times: Sequence[Any], n: int, left: int) -> int:
        """Which phase step n runs; one whose end has an infinite gamma is of first order."""
        program = self.solver.program
        if not self.is_finite and self.end in times[n : n + 2]:
            return len(program.all_phases if program.at_infinity else program.phases) - 1
        readable = n - 1 if not self.is_finite and self.role == "start" else n
        return program.number(readable, left)

    def integrating_factor(self, end: Any, start: Any) -> Any:
        return self._between(self.solver.ode.general_integrating_factor, end, start)

    def zeroth_moment(self, end: Any, start: Any) -> Any:
        return self._between(self.solver.ode.general_zeroth_moment, end, start)

    def _between(self, formula: Expr | None, end: Any, start: Any) -> Any:
        assert formula is not None, "expected an integrand with closed forms"
        return between(formula, self.solver.schedule, end, start, DIGITS + GUARD)


@dataclass(frozen=True, eq=False)
class _Scalars:
    """The scalars of step n."""

    beside: _Beside
    phase: PhaseProgram
    times: tuple[Any, ...]
    n: int

    @cache  # noqa: B019 - an instance lives for one step
    def time(self, stage: int) -> Any:
        start, end = self.times[self.n], self.times[self.n + 1]
        position = self.phase.position(stage)
        if position in (0, 1):
            return end if position else start
        low, high = self.beside.gamma(start), self.beside.gamma(end)
        fraction = mpmath.mpf(position.numerator) / position.denominator
        return self.beside.time_at(low + fraction * (high - low), start or end)

    def integrating_factor(self, combine: Combine) -> Any:
        return self.beside.integrating_factor(*self._ends(combine))

    def zeroth_moment(self, combine: Combine) -> Any:
        return self.beside.zeroth_moment(*self._ends(combine))

    def weights(self, combine: Combine) -> list[Any]:
        end, start = self._ends(combine)
        if combine.rule.is_plain and len(combine.support) == 1:
            return [mpmath.mpf(1)]
        low = self.beside.gamma(start)
        width = self.beside.gamma(end) - low
        places = [(self.beside.gamma(self._at(one)) - low) / width for one in combine.support]
        zeroth = self.beside.zeroth_moment(end, start)

        def moment(k: int, along: int | None) -> Any:
            return self._moment(end if along is None else self.time(along), start, k) / zeroth

        return combine.weights(places, moment, lambda: self._density(end, start, zeroth))

    @cache  # noqa: B019 - an instance lives for one step
    def _moment(self, end: Any, start: Any, k: int) -> Any:
        """M0 mu_k."""
        zeroth = self.beside.zeroth_moment(end, start)
        if k == 0 or self.beside.integrating_factor(end, start) == 0:
            return zeroth
        low = self.beside.gamma(start)
        width = self.beside.gamma(end) - low
        speed = total_derivative(self.beside.solver.weights.expansion.variable)

        def integrand(u: Any) -> Any:
            if u == self.beside.end:  # a node of no weight, where gamma' may be infinite
                return mpmath.mpf(0)
            theta = (self.beside.gamma(u) - low) / width
            inner = self.beside.integrating_factor(end, u) * self.beside.zeroth_moment(u, start)
            return theta ** (k - 1) * inner * self.beside.at(speed, u) / width

        is_inside = self.beside.end not in (start, end)
        method = "gauss-legendre" if is_inside else "tanh-sinh"
        return zeroth - k * mpmath.quad(integrand, [start, end], method=method)

    def _density(self, end: Any, start: Any, zeroth: Any) -> Any:
        ode = self.beside.solver.ode
        speed = total_derivative(self.beside.solver.weights.expansion.variable)
        width = self.beside.gamma(end) - self.beside.gamma(start)
        return self.beside.at(ode.nonlinear / speed, end) * width / zeroth

    def conversion_at(self, stage: int) -> tuple[int, int]:
        return 0, 1

    def _ends(self, combine: Combine) -> tuple[Any, Any]:
        return self._at(combine.node), self._at(combine.base)

    def _at(self, node: Node) -> Any:
        if node.kind is Kind.PAST:
            return self.times[self.n - node.index]
        return self.time(node.index)
