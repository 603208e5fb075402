"""The exact order of a solver, by running its program on power series.

Take the expansion variable gamma as time, R and q as generic smooth functions of it, and N as a
generic polynomial in (x, gamma). Everything is then a power series in the step size h with exact
rational coefficients: the nodes gamma_n = c_n h on an uneven grid, Phi = R(gamma_t)/R(gamma_s),
M0 = R(gamma_t) (q(gamma_t) - q(gamma_s)), the moments

    mu_k = 1/(q_t - q_s) * int_0^1 theta^k q'(gamma_s + theta (gamma_t - gamma_s)) dgamma,

and the exact solution of  x = R y,  dy/dgamma = q'(gamma) N(R y, gamma), by Picard iteration.
The interpreter runs the very program that the backends compile. The first power of h at which
it leaves the exact solution is the order:

* one main step from exact earlier values leaves at h^(p+1);
* the start-up, run from the exact initial value only, leaves at h^e, once.

A run has order min(p, e). The coefficients are drawn once, from a fixed seed; a drawn problem
can hide a power of h only if a non-zero polynomial vanishes at the drawn point.

A solver whose expansion variable is the integrand's clock has q(gamma) = gamma, and one without
a linear part has R = 1. Both can raise the order, so they are part of the problem.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np

from solvergen.interpreter import State, run_step
from solvergen.program import Combine, PhaseProgram, StepProgram
from solvergen.scheme import CURRENT, Kind, Node
from solvergen.series import Series

DIMENSION = 2
SPARE_POWERS = 2


@dataclass(frozen=True)
class OrderReport:
    """What the series say.

    Attributes:
        main: p, with a local error of h^(p+1) in one step from exact earlier values.
        startup: e, with an error of h^e after the start-up; None without a start-up.
    """

    main: int
    startup: int | None

    @property
    def order(self) -> int:
        """The order of a whole run."""
        return self.main if self.startup is None else min(self.main, self.startup)

    def __str__(self) -> str:
        if self.startup is None:
            return f"order {self.order}: local error O(h^{self.main + 1}) in every step"
        return (
            f"order {self.order}: local error O(h^{self.main + 1}) in a main step, "
            f"O(h^{self.startup}) left by the start-up"
        )


@lru_cache(maxsize=256)
def report(
    program: StepProgram, same_clock: bool = False, no_linear_part: bool = False
) -> OrderReport:
    """The order of a program.

    Args:
        program: what is run.
        same_clock: the expansion variable is the integrand's own clock.
        no_linear_part: Phi = 1.
    """
    length = _length(program)
    problem = _Problem.draw(length, same_clock, no_linear_part)
    grid = _grid(program.history + 2)
    main = _main_error(program, problem, grid)
    startup = _startup_error(program, problem, grid) if program.history else None
    if main >= length:
        raise AssertionError("the main step is exact to every power that was computed")
    return OrderReport(main - 1, startup)


def _length(program: StepProgram) -> int:
    """Powers enough to see the order: no explicit method beats its number of evaluations."""
    evaluations = max(len(phase.combines) for phase in program.phases)
    support = max(len(one.support) for phase in program.phases for one in phase.combines)
    return max(min(evaluations, 8), support, program.history) + 1 + SPARE_POWERS


def _grid(steps: int) -> tuple[Fraction, ...]:
    """c_0 = 0, c_1, ..: steps of clearly different lengths."""
    lengths = (Fraction(1), Fraction(7, 5), Fraction(4, 5), Fraction(6, 5), Fraction(3, 4))
    total, grid = Fraction(0), [Fraction(0)]
    for n in range(steps):
        total += lengths[n % len(lengths)]
        grid.append(total)
    return tuple(grid)


def _main_error(program: StepProgram, problem: "_Problem", grid: Sequence[Fraction]) -> int:
    """The power of h at which one main step from exact values leaves the solution."""
    n = program.history
    past = [problem.value(grid[n - j]) for j in range(1, n + 1)]
    state = State(problem.solution(grid[n]), past)
    run_step(program.main, _Scalars(problem, program.main, grid, n), problem.model, state)
    return _valuation(state.x - problem.solution(grid[n + 1]))


def _startup_error(program: StepProgram, problem: "_Problem", grid: Sequence[Fraction]) -> int:
    """The power of h at which the start-up leaves the solution."""
    state = State(problem.solution(grid[0]))
    errors = []
    for n, phase in enumerate(program.phases[:-1]):
        run_step(phase, _Scalars(problem, phase, grid, n), problem.model, state)
        errors.append(_valuation(state.x - problem.solution(grid[n + 1])))
    return min(errors)


def _valuation(error: np.ndarray) -> int:
    return min(one.valuation for one in error)


@dataclass(frozen=True)
class _Problem:
    """dy/dgamma = q'(gamma) N(R y, gamma), x = R y, with everything a polynomial.

    N_i = sum_l w_il (u_il . x + v_il gamma)^d_l + constant, over powers d_l up to the length.
    """

    length: int
    clock_rate: tuple[Fraction, ...]
    factor: tuple[Fraction, ...]
    terms: tuple[tuple[tuple[int, tuple[int, ...], int, int], ...], ...]
    y: tuple[tuple[Fraction, ...], ...]

    @classmethod
    def draw(cls, length: int, same_clock: bool, no_linear_part: bool) -> "_Problem":
        generator = random.Random(1)

        def some(count: int) -> list[Fraction]:
            return [Fraction(generator.choice((-3, -2, -1, 1, 2, 3)), 2) for _ in range(count)]

        rate = [Fraction(1)] + [Fraction(0)] * (length - 1) if same_clock else some(length)
        factor = [Fraction(1)] + ([Fraction(0)] * length if no_linear_part else some(length))
        signs = (-2, -1, 1, 2)
        terms = tuple(
            tuple(
                (
                    generator.choice(signs),
                    tuple(generator.choice(signs) for _ in range(DIMENSION)),
                    generator.choice(signs),
                    degree,
                )
                for degree in range(1, length)
            )
            for _ in range(DIMENSION)
        )
        blank = cls(length, tuple(rate), tuple(factor[:length]), terms, ())
        return blank._solved([Fraction(1, 2), Fraction(-1, 3)])

    def _solved(self, start: Sequence[Fraction]) -> "_Problem":
        """The solution y(gamma) as power series, one more exact power per Picard iteration."""
        gamma = Series.of([0, 1], self.length)
        rate, factor = Series(self.clock_rate), Series(self.factor)
        y = [Series.of([value], self.length) for value in start]
        for _ in range(self.length):
            field = self._field(np.array([factor * one for one in y], dtype=object), gamma)
            y = [_integral(rate * one, value) for one, value in zip(field, start, strict=True)]
        solved = tuple(one.coefficients for one in y)
        return _Problem(self.length, self.clock_rate, self.factor, self.terms, solved)

    def _field(self, x: np.ndarray, gamma: Series) -> np.ndarray:
        out = []
        for component in self.terms:
            total = Series.of([1], self.length)
            for weight, direction, slope, degree in component:
                base = sum((u * one for u, one in zip(direction, x, strict=True)), slope * gamma)
                power = base
                for _ in range(degree - 1):
                    power = power * base
                total = total + power * Fraction(weight, 2)
            out.append(total)
        return np.array(out, dtype=object)

    def at(self, polynomial: Sequence[Fraction], place: Fraction) -> Series:
        """A polynomial in gamma at gamma = place * h."""
        return Series(tuple(c * place**power for power, c in enumerate(polynomial)))

    def solution(self, place: Fraction) -> np.ndarray:
        """x at gamma = place * h."""
        factor = self.at(self.factor, place)
        return np.array([factor * self.at(one, place) for one in self.y], dtype=object)

    def model(self, x: np.ndarray, place: Fraction) -> np.ndarray:
        """N(x, gamma) at gamma = place * h."""
        return self._field(x, Series.of([0, place], self.length))

    def value(self, place: Fraction) -> np.ndarray:
        """N along the exact solution."""
        return self.model(self.solution(place), place)


def _integral(integrand: Series, start: Fraction) -> Series:
    raised = [c / (power + 1) for power, c in enumerate(integrand.coefficients)]
    return Series.of([start, *raised], len(integrand.coefficients))


@dataclass(frozen=True)
class _Scalars:
    """The scalars of step n as power series; times are places c with gamma = c h."""

    problem: _Problem
    phase: PhaseProgram
    grid: Sequence[Fraction]
    n: int

    def time(self, stage: int) -> Fraction:
        position = Fraction(0) if stage == 0 else self.phase.combines[stage - 1].position
        return self.grid[self.n] + position * (self.grid[self.n + 1] - self.grid[self.n])

    def integrating_factor(self, combine: Combine) -> Series:
        end, start = self._ends(combine)
        factor = self.problem.factor
        return self.problem.at(factor, end) / self.problem.at(factor, start)

    def zeroth_moment(self, combine: Combine) -> Series:
        end, start = self._ends(combine)
        width = (end - start) * self._mean(combine, 0)
        h = Series.of([0, 1], self.problem.length)
        return self.problem.at(self.problem.factor, end) * width * h

    def weights(self, combine: Combine) -> list[Series]:
        end, start = self._ends(combine)
        places = [(self._place(node) - start) / (end - start) for node in combine.support]
        zeroth = self._mean(combine, 0)
        moments = [self._mean(combine, k) / zeroth for k in range(len(places))]
        return [
            sum((m * c for m, c in zip(moments, basis, strict=True)), 0 * moments[0])
            for basis in (lagrange_basis(places, j) for j in range(len(places)))
        ]

    def conversion(self, stage: int) -> tuple[int, int]:
        return 0, 1

    def _ends(self, combine: Combine) -> tuple[Fraction, Fraction]:
        return self.time(combine.stage), self.grid[self.n]

    def _place(self, node: Node) -> Fraction:
        if node.kind is Kind.PAST:
            return self.grid[self.n - node.index]
        return self.time(0 if node == CURRENT else node.index)

    def _mean(self, combine: Combine, k: int) -> Series:
        """int_0^1 theta^k q'(gamma_s + theta (gamma_t - gamma_s)) dtheta."""
        end, start = self._ends(combine)
        total = []
        for power, c in enumerate(self.problem.clock_rate):
            poly = _power([start, end - start], power)
            total.append(c * sum(p / (k + i + 1) for i, p in enumerate(poly)))
        return Series(tuple(total))


def _power(linear: Sequence[Fraction], exponent: int) -> list[Fraction]:
    """The coefficients of (c_0 + c_1 theta)^exponent."""
    poly = [Fraction(1)]
    for _ in range(exponent):
        poly = _times_linear(poly, linear[0], linear[1])
    return poly


def _times_linear(poly: Sequence[Fraction], c0: Fraction, c1: Fraction) -> list[Fraction]:
    out = [Fraction(0)] * (len(poly) + 1)
    for i, p in enumerate(poly):
        out[i] += p * c0
        out[i + 1] += p * c1
    return out


def lagrange_basis(places: Sequence[Fraction], j: int) -> list[Fraction]:
    """The monomial coefficients of the polynomial that is 1 at place j and 0 at the others."""
    poly = [Fraction(1)]
    for i, place in enumerate(places):
        if i != j:
            scale = 1 / (places[j] - place)
            poly = _times_linear(poly, -place * scale, scale)
    return poly
