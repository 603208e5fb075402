"""A generic problem whose every quantity is a power series in the step size h.

    dy/dgamma = q'(gamma) N(R y, gamma),   x = R y,

with R, q' and N polynomials that are drawn at random, and its scalars on a grid gamma_n = c_n h:

    Phi = R(gamma_t)/R(gamma_s),      M0 = R(gamma_t) (q(gamma_t) - q(gamma_s)),
    mu_k = 1/(q_t - q_s) * int_0^1 theta^k q'(gamma_s + theta (gamma_t - gamma_s)) dgamma.

``solvergen.program.order`` runs programs on it.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from operator import mul
from typing import Any

import numpy as np

from solvergen.program.grid_step import GridStep
from solvergen.program.instructions import Combine
from solvergen.program.series import Field, Series, combination, interpolated

DIMENSION = 2


@dataclass(frozen=True, eq=False)
class Problem:
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
    def draw(cls, length: int, same_clock: bool, no_linear_part: bool, field: Field) -> "Problem":
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

    def _solved(self, start: Sequence[Any]) -> "Problem":
        """The solution y(gamma) as power series, one more exact power per Picard iteration."""
        gamma = Series.of([0, 1], self.length, self.field)
        rate, factor = Series(self.clock_rate, self.field), Series(self.factor, self.field)
        y = [Series.of([value], self.length, self.field) for value in start]
        for _ in range(self.length):
            slope = self._slope(np.array([factor * one for one in y], dtype=object), gamma)
            y = [self._integral(rate * one, at) for one, at in zip(slope, start, strict=True)]
        solved = tuple(one.coefficients for one in y)
        return Problem(self.length, self.field, self.clock_rate, self.factor, self.terms, solved)

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
            weights, powers = [self.field.of(1)], [Series.of([1], self.length, self.field)]
            for weight, direction, slope, degree in component:
                base = combination((*direction, slope), (*x, gamma))
                weights.append(weight)
                powers.append(base.power(degree))
            out.append(combination(weights, powers))
        return np.array(out, dtype=object)

    @lru_cache(maxsize=4096)  # noqa: B019 - a problem is one of a few
    def at(self, polynomial: tuple[Any, ...], place: Fraction) -> Series:
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

    @lru_cache(maxsize=4096)  # noqa: B019 - a problem is one of a few
    def mean(self, end: Fraction, start: Fraction, k: int) -> Series:
        """int_0^1 theta^k q'(gamma_s + theta (gamma_t - gamma_s)) dtheta."""
        powers = _powers_between(end, start, self.length, self.field)
        inverses = _inverses(k + self.length, self.field)[k:]
        means = [self.field.reduced(sum(map(mul, one, inverses))) for one in powers]
        products = zip(self.clock_rate, means, strict=True)
        return Series([self.field.reduced(c * one) for c, one in products], self.field)

    @lru_cache(maxsize=4096)  # noqa: B019 - a problem is one of a few
    def zeroth_moment(self, end: Fraction, start: Fraction) -> Series:
        """M0 = R(gamma_t) (q_t - q_s), without its factor h."""
        return self.at(self.factor, end) * self.mean(end, start, 0) * (end - start)


@lru_cache(maxsize=1024)
def _powers_between(end: Fraction, start: Fraction, length: int, field: Field) -> list[list[Any]]:
    """(c_s + theta (c_t - c_s))^i for i < length, as polynomials in theta."""
    low, width = field.of(start), field.of(end - start)
    found = [[field.of(1)]]
    for _ in range(length - 1):
        lower, upper = [low * c for c in found[-1]] + [0], [0, *[width * c for c in found[-1]]]
        found.append([field.reduced(a + b) for a, b in zip(lower, upper, strict=True)])
    return found


@cache
def _inverses(count: int, field: Field) -> list[Any]:
    """1, 1/2, .., 1/count: the means of 1, theta, .."""
    return [field.inverse(k) for k in range(1, count + 1)]


@dataclass(frozen=True)
class ProblemScalars(GridStep):
    """The scalars of step n as power series; times are places c with gamma = c h."""

    problem: Problem

    def integrating_factor(self, combine: Combine) -> Series:
        end, start = self.ends(combine)
        factor = self.problem.factor
        return self.problem.at(factor, end) / self.problem.at(factor, start)

    def zeroth_moment(self, combine: Combine) -> Series:
        h = Series.of([0, 1], self.problem.length, self.problem.field)
        return self.problem.zeroth_moment(*self.ends(combine)) * h

    def weights(self, combine: Combine) -> list[Series]:
        end, start = self.ends(combine)
        places = [(self.place(node) - start) / (end - start) for node in combine.support]
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

        return combine.weights(places, moment, end_density, interpolated)
