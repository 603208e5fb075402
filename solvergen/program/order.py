"""The exact order of a solver, by running its program on power series.

Take the expansion variable gamma as time, R and q as generic smooth functions of it, and N as a
generic polynomial in (x, gamma). Everything is then a power series in the step size h with exact
coefficients: the nodes gamma_n = c_n h on an uneven grid, Phi = R(gamma_t)/R(gamma_s),
M0 = R(gamma_t) (q(gamma_t) - q(gamma_s)), the moments

    mu_k = 1/(q_t - q_s) * int_0^1 theta^k q'(gamma_s + theta (gamma_t - gamma_s)) dgamma,

and the exact solution of  x = R y,  dy/dgamma = q'(gamma) N(R y, gamma), by Picard iteration.
The interpreter runs the very program that the backends compile. The first powers of h at which
it leaves the exact solution are the order. Per run of a few steps,

* from exact earlier values the error that stays is h^(p+1): p powers are left when 1/h steps add
  up. The sample that a correction has passed over stays; what it has replaced does not;
* the last sample, which nothing corrects any more, has an error of its own, h^l, once;
* the closing steps, run after main steps from exact values, leave h^c, once (instead of h^l);
* the start-up, run from the exact initial value only, leaves h^e, once.

The estimate of an adaptive step is O(h^k), k the first power of the difference of its two landings.
An implicit stage that is repeated to a tolerance is repeated here until no power changes any more:
its order is that of the implicit equation, solved.

A run has order min(p, l or c, e). The problem is drawn at random modulo a prime, and what is zero
there is zero for every problem (``solvergen.series``); ``field=RATIONALS`` repeats it with
fractions.

A solver whose expansion variable is the integrand's clock has q(gamma) = gamma, and one without
a linear part has R = 1. Both can raise the order, so they are part of the problem. So is the grid:
weights that were made for equal steps lose their order on others.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from typing import Any

import numpy as np

from solvergen.errors import SchemeError
from solvergen.methods.rule import lagrange_basis, times_linear
from solvergen.methods.scheme import Kind, Node
from solvergen.program.interpreter import State, run_step, unchanged
from solvergen.program.program import Combine, PhaseProgram, StepProgram
from solvergen.program.series import MODULAR, Field, Series

__all__ = ["EVEN", "UNEVEN", "OrderReport", "lagrange_basis", "report"]

DIMENSION = 2
LENGTHS = (4, 6, 9, 12, 16)
MAIN_STEPS = 3
"""So many that a correction has taken effect."""
UNEVEN = (Fraction(1), Fraction(7, 5), Fraction(4, 5), Fraction(6, 5), Fraction(3, 4))
"""Ratios of steps of clearly different lengths, repeated over and over."""
EVEN = (Fraction(1),)


@dataclass(frozen=True)
class OrderReport:
    """What the series say.

    Attributes:
        main: p, with an error of h^(p+1) added by every main step from exact earlier values.
        startup: e, with an error of h^e after the start-up; None without a start-up.
        last: l, with an error of h^l of the last sample if it is not corrected; None if all are
            alike.
        closing: c, with an error of h^c after the closing steps; None without any.
    """

    main: int
    startup: int | None
    last: int | None = None
    closing: int | None = None

    @property
    def order(self) -> int:
        """The order of a whole run."""
        parts = (self.main, self.startup, self.last, self.closing)
        return min(one for one in parts if one is not None)

    def __str__(self) -> str:
        local = f"order {self.order}: local error O(h^{self.main + 1})"
        if self.startup is None and self.closing is None:
            return f"{local} in every step"
        parts = [
            (self.startup, "left by the start-up"),
            (self.last, "in the last sample"),
            (self.closing, "left by the last steps"),
        ]
        left = [f"O(h^{power}) {where}" for power, where in parts if power is not None]
        return ", ".join((f"{local} in a main step", *left))


@lru_cache(maxsize=256)
def estimate_power(
    phase: PhaseProgram,
    same_clock: bool = False,
    no_linear_part: bool = False,
    field: Field = MODULAR,
) -> int:
    """k of an estimate O(h^k): the first power of the difference of a step's two landings.

    Args:
        phase: an adaptive step.
        same_clock: the expansion variable is the integrand's own clock.
        no_linear_part: Phi = 1.
        field: what the coefficients are.

    Raises:
        SchemeError: there is no such power within what is computed.
    """
    for length in LENGTHS:
        problem = _Problem.draw(length, same_clock, no_linear_part, field)
        state = State(problem.solution(Fraction(0)))
        scalars = _Scalars(problem, phase, (Fraction(0), Fraction(1)), 0)
        run_step(phase, scalars, problem.model, state)
        found = _valuation(state.error)
        if found < length:
            return found
    raise SchemeError(
        f"both landings of {phase.name!r} agree in {LENGTHS[-1]} powers of h; expected two methods."
    )


@lru_cache(maxsize=1024)
def report(
    program: StepProgram,
    same_clock: bool = False,
    no_linear_part: bool = False,
    ratios: tuple[Fraction, ...] = UNEVEN,
    field: Field = MODULAR,
) -> OrderReport:
    """The order of a program.

    Args:
        program: what is run.
        same_clock: the expansion variable is the integrand's own clock.
        no_linear_part: Phi = 1.
        ratios: lengths of the steps, repeated as often as needed; ``EVEN`` for equal ones.
        field: what the coefficients are.

    Raises:
        SchemeError: the local error has no power of h within what is computed, which a scheme with
            consistent weights does not have.
    """
    for length in LENGTHS:
        problem = _Problem.draw(length, same_clock, no_linear_part, field)
        found = _report(program, problem, ratios)
        if found is not None:
            return found
    raise SchemeError(
        f"the main step agrees with the solution in all of {LENGTHS[-1]} powers of h; expected a "
        f"scheme of an order below {LENGTHS[-1] - 1}."
    )


def _report(
    program: StepProgram, problem: "_Problem", ratios: Sequence[Fraction]
) -> OrderReport | None:
    """The report, or None if the powers do not suffice to see the error of the main step."""
    steps = MAIN_STEPS if program.corrects else 1
    grid = _grid(ratios, program.history + steps + 1)
    staying, last = _main_errors(program, problem, grid, steps)
    if staying >= problem.length:
        return None
    startup = _startup_error(program, problem, grid, steps) if program.history else None
    if program.closing:
        return OrderReport(staying - 1, startup, closing=_closing_error(program, problem, ratios))
    shown = last if program.corrects else None
    return OrderReport(staying - 1, startup, shown)


def _grid(ratios: Sequence[Fraction], steps: int) -> tuple[Fraction, ...]:
    """c_0 = 0, c_1, ..."""
    total, grid = Fraction(0), [Fraction(0)]
    for n in range(steps):
        total += ratios[n % len(ratios)]
        grid.append(total)
    return tuple(grid)


def _main_errors(
    program: StepProgram, problem: "_Problem", grid: Sequence[Fraction], steps: int
) -> tuple[int, int]:
    """The powers at which main steps from exact values leave the solution: staying and last."""
    n = program.history
    state = _exact(program, problem, grid)
    for i in range(n, n + steps):
        scalars = _Scalars(problem, program.main, grid, i)
        run_step(program.main, scalars, problem.model, state, unchanged)
    return _errors(program, problem, grid, n + steps, state)


def _closing_error(program: StepProgram, problem: "_Problem", ratios: Sequence[Fraction]) -> int:
    """The power at which main steps from exact values leave the solution with the closing steps."""
    n, count = program.history, len(program.closing)
    grid = _grid(ratios, n + MAIN_STEPS + count)
    state = _exact(program, problem, grid)
    for i in range(MAIN_STEPS + count):
        phase = program.all_phases[program.number(n, MAIN_STEPS + count - 1 - i)]
        scalars = _Scalars(problem, phase, grid, n + i)
        run_step(phase, scalars, problem.model, state, unchanged)
    return _valuation(state.x - problem.solution(grid[-1]))


def _exact(program: StepProgram, problem: "_Problem", grid: Sequence[Fraction]) -> State:
    """The exact sample and history where a main step can start."""
    n = program.history
    past = [problem.value(grid[n - j]) for j in range(1, n + 1)]
    return State(problem.solution(grid[n]), past, problem.solution(grid[n - 1]) if n else None)


def _startup_error(
    program: StepProgram, problem: "_Problem", grid: Sequence[Fraction], steps: int
) -> int:
    """The power at which a run that starts from the initial value alone leaves the solution."""
    state = State(problem.solution(grid[0]))
    total = program.history + steps
    for n in range(total):
        phase = program.phases[min(n, program.history)]
        run_step(phase, _Scalars(problem, phase, grid, n), problem.model, state, unchanged)
    return _errors(program, problem, grid, total, state)[0]


def _errors(
    program: StepProgram, problem: "_Problem", grid: Sequence[Fraction], n: int, state: State
) -> tuple[int, int]:
    """The powers of the errors of the sample that stays and of the last one."""
    last = _valuation(state.x - problem.solution(grid[n]))
    if not program.corrects:
        return last, last
    return _valuation(state.previous - problem.solution(grid[n - 1])), last


def _valuation(error: np.ndarray) -> int:
    return min(one.valuation for one in error)


@dataclass(frozen=True)
class _Problem:
    """dy/dgamma = q'(gamma) N(R y, gamma), x = R y, with everything a polynomial.

    N_i = sum_d w_id (u_id . x + v_id gamma)^d + 1, over powers d up to the length.
    """

    length: int
    field: Field
    clock_rate: tuple[Any, ...]
    factor: tuple[Any, ...]
    terms: tuple[tuple[tuple[Any, tuple[Any, ...], Any, int], ...], ...]
    y: tuple[tuple[Any, ...], ...]

    @classmethod
    @cache
    def draw(cls, length: int, same_clock: bool, no_linear_part: bool, field: Field) -> "_Problem":
        """Draw the coefficients, from a fixed seed."""
        generator = random.Random(1)

        def one() -> Any:
            if field.modulus:
                return generator.randrange(1, field.modulus)
            return Fraction(generator.choice((-3, -2, -1, 1, 2, 3)), 2)

        def some(count: int, constant: bool) -> tuple[Any, ...]:
            if constant:
                return Series.of([1], count, field).coefficients
            return tuple(one() for _ in range(count))

        rate = some(length, same_clock)
        factor = some(length, no_linear_part)
        terms = tuple(
            tuple(
                (one(), tuple(one() for _ in range(DIMENSION)), one(), degree)
                for degree in range(1, length)
            )
            for _ in range(DIMENSION)
        )
        blank = cls(length, field, rate, factor, terms, ())
        return blank._solved([one() for _ in range(DIMENSION)])

    def _solved(self, start: Sequence[Any]) -> "_Problem":
        """The solution y(gamma) as power series, one more exact power per Picard iteration."""
        gamma = Series.of([0, 1], self.length, self.field)
        rate, factor = Series(self.clock_rate, self.field), Series(self.factor, self.field)
        y = [Series.of([value], self.length, self.field) for value in start]
        for _ in range(self.length):
            slope = self._slope(np.array([factor * one for one in y], dtype=object), gamma)
            y = [self._integral(rate * one, at) for one, at in zip(slope, start, strict=True)]
        solved = tuple(one.coefficients for one in y)
        return _Problem(self.length, self.field, self.clock_rate, self.factor, self.terms, solved)

    def _integral(self, integrand: Series, start: Any) -> Series:
        raised = [
            self.field.reduced(c * self.field.inverse(power))
            for power, c in enumerate(integrand.coefficients[:-1], start=1)
        ]
        return Series((start, *raised), self.field)

    def _slope(self, x: np.ndarray, gamma: Series) -> np.ndarray:
        """N(x, gamma)."""
        out = []
        for component in self.terms:
            total = Series.of([1], self.length, self.field)
            for weight, direction, slope, degree in component:
                base = sum((one * u for u, one in zip(direction, x, strict=True)), gamma * slope)
                total = total + base.power(degree) * weight
            out.append(total)
        return np.array(out, dtype=object)

    def at(self, polynomial: Sequence[Any], place: Fraction) -> Series:
        """A polynomial in gamma at gamma = place * h."""
        base, power, out = self.field.of(place), self.field.of(1), []
        for c in polynomial:
            out.append(self.field.reduced(c * power))
            power = self.field.reduced(power * base)
        return Series(tuple(out), self.field)

    def solution(self, place: Fraction) -> np.ndarray:
        """x at gamma = place * h."""
        factor = self.at(self.factor, place)
        return np.array([factor * self.at(one, place) for one in self.y], dtype=object)

    def model(self, x: np.ndarray, place: Fraction) -> np.ndarray:
        """N(x, gamma) at gamma = place * h."""
        return self._slope(x, Series.of([0, place], self.length, self.field))

    def value(self, place: Fraction) -> np.ndarray:
        """N along the exact solution."""
        return self.model(self.solution(place), place)

    def mean(self, end: Fraction, start: Fraction, k: int) -> Series:
        """int_0^1 theta^k q'(gamma_s + theta (gamma_t - gamma_s)) dtheta."""
        means = _power_means(end, start, k, self.length, self.field)
        products = zip(self.clock_rate, means, strict=True)
        return Series(tuple(self.field.reduced(c * one) for c, one in products), self.field)

    def zeroth_moment(self, end: Fraction, start: Fraction) -> Series:
        """M0 = R(gamma_t) (q_t - q_s), without its factor h."""
        return self.at(self.factor, end) * self.mean(end, start, 0) * (end - start)


@lru_cache(maxsize=4096)
def _power_means(
    end: Fraction, start: Fraction, k: int, length: int, field: Field
) -> tuple[Any, ...]:
    """int_0^1 theta^k (c_s + theta (c_t - c_s))^i dtheta for i < length, as elements."""
    low, width = field.of(start), field.of(end - start)
    means, poly = [], [field.of(1)]
    for _ in range(length):
        parts = (p * field.inverse(k + j + 1) for j, p in enumerate(poly))
        means.append(field.reduced(sum(parts, field.of(0))))
        poly = [field.reduced(one) for one in times_linear(poly, low, width)]
    return tuple(means)


@dataclass(frozen=True)
class _Scalars:
    """The scalars of step n as power series; times are places c with gamma = c h."""

    problem: _Problem
    phase: PhaseProgram
    grid: Sequence[Fraction]
    n: int

    def time(self, stage: int) -> Fraction:
        width = self.grid[self.n + 1] - self.grid[self.n]
        return self.grid[self.n] + self.phase.position(stage) * width

    def integrating_factor(self, combine: Combine) -> Series:
        end, start = self._ends(combine)
        factor = self.problem.factor
        return self.problem.at(factor, end) / self.problem.at(factor, start)

    def zeroth_moment(self, combine: Combine) -> Series:
        h = Series.of([0, 1], self.problem.length, self.problem.field)
        return self.problem.zeroth_moment(*self._ends(combine)) * h

    def weights(self, combine: Combine) -> list[Series]:
        end, start = self._ends(combine)
        places = [(self._place(node) - start) / (end - start) for node in combine.support]
        zeroth = self.problem.mean(end, start, 0)

        def moment(k: int, along: int | None) -> Series:
            if along is None:
                return self.problem.mean(end, start, k) / zeroth
            other = self.time(along)
            ratio = self.problem.zeroth_moment(other, start) / self.problem.zeroth_moment(
                end, start
            )
            mean = self.problem.mean(other, start, k) / self.problem.mean(other, start, 0)
            return ratio * mean

        def end_density() -> Series:
            return self.problem.at(self.problem.clock_rate, end) / zeroth

        return combine.rule.weights(places, moment, end_density)

    def conversion_at(self, stage: int) -> tuple[int, int]:
        return 0, 1

    def _ends(self, combine: Combine) -> tuple[Fraction, Fraction]:
        return self._place(combine.node), self._place(combine.base)

    def _place(self, node: Node) -> Fraction:
        if node.kind is Kind.PAST:
            return self.grid[self.n - node.index]
        return self.time(node.index)
