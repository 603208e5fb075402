"""The weak order of a solver with noise: its moments as power series, beside those of the equation.

In the clocks of the integrand, with the expansion variable gamma as time and y = x/R,

    dy = q'(gamma) N(R y, gamma) dgamma + dB(v(gamma)),      v' > 0,

R, q' and v' generic polynomials and N a generic cubic in x. The steps are run by the interpreter on
power series in h (gamma = c h) whose coefficients are polynomials in the increments of B
(``program.chances``), from a value that is known; so their moments are power series. Those of the
equation follow from its generator: for f = y^m,

    u(y, gamma) = E[f(y_end) | y at gamma],      -u_gamma = q' N u_y + v'/2 u_yy,

which is solved by Picard iteration, one more exact power of h each time, as a polynomial in y and
gamma. Per run of a few steps

* a main step adds E[f(y_n+1)] - E[u(y_n)], of the law that the chain has at y_n, O(h^(p+1)): p is
  what is left when 1/h steps add up. A correction's value is the one that stays;
* the start-up leaves O(h^e), once; so does the last sample where it is not corrected, O(h^l).

The weak order is min(p, e, l), for all moments up to the ``MOMENTS``-th. The problem is drawn at
random modulo a prime (``program.series``).
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from solvergen.errors import SchemeError
from solvergen.program import order as steps
from solvergen.program.chances import Chance
from solvergen.program.generic import Problem, ProblemScalars
from solvergen.program.instructions import Draw
from solvergen.program.interpreter import State, run_step, unchanged
from solvergen.program.order import EVEN, UNEVEN, grid_of
from solvergen.program.program import PhaseProgram, StepProgram
from solvergen.program.series import MODULAR, Field, Series

LENGTHS = (4, 5)
"""Powers of h that are computed: enough for orders up to 2, and for 3."""
MOMENTS = 6
DEGREE = 3
"""Of N in x: what a step of weak order 2 has to get right."""

Polynomial = dict[tuple[int, int], tuple[Any, ...]]
"""(power of y, power of h) -> coefficients of the powers of c, gamma = c h."""


@dataclass(frozen=True, eq=False)
class NoisyProblem(Problem):
    """dy = q' N(R y, gamma) dgamma + dB(v), x = R y, in one dimension.

    Attributes:
        variance_rate: v', as a polynomial in gamma.
        cubic: N = sum_ij cubic[i][j] x^i gamma^j.
        start: y where a run begins.
    """

    variance_rate: tuple[Any, ...] = ()
    cubic: tuple[tuple[Any, ...], ...] = ()
    start: Any = 1

    @classmethod
    def drawn(
        cls, length: int, same_clock: bool, no_linear_part: bool, field: Field
    ) -> "NoisyProblem":
        """Draw the coefficients, from a fixed seed."""
        generator = random.Random(2)

        def some(count: int, constant: bool = False) -> tuple[Any, ...]:
            if constant:
                return Series.of([1], count, field).coefficients
            return tuple(generator.randrange(1, field.modulus) for _ in range(count))

        rate, factor = some(length, same_clock), some(length, no_linear_part)
        cubic = tuple(some(length) for _ in range(DEGREE + 1))
        return cls(length, field, rate, factor, (), (), some(length), cubic, some(1)[0])

    def variance(self, end: Fraction, start: Fraction) -> Series:
        """v at one place minus v at another."""
        field, rate = self.field, self.variance_rate
        high, low, out = field.of(end), field.of(start), [field.of(0)]
        for power, c in enumerate(rate[:-1], start=1):
            width = field.reduced(pow(high, power) - pow(low, power))
            out.append(field.reduced(c * width * field.inverse(power)))
        return Series(tuple(out), field)

    def model(self, x: np.ndarray, place: Fraction) -> np.ndarray:
        """N(x, gamma) at gamma = place * h, of samples that depend on chance."""
        (one,) = x
        total = one * 0 + self.at(self.cubic[DEGREE], place)
        for coefficients in self.cubic[DEGREE - 1 :: -1]:
            total = total * one + self.at(coefficients, place)
        return np.array([total], dtype=object)

    @cached_property
    def _drift(self) -> list[Series]:
        """q' N(R y, gamma) as series in gamma, by the power of y."""
        rate, factor = Series(self.clock_rate, self.field), Series(self.factor, self.field)
        found, power = [], rate
        for coefficients in self.cubic:
            found.append(power * Series(coefficients, self.field))
            power = power * factor
        return found

    def expected(self, m: int, end: Fraction, start: Fraction) -> list[Series]:
        """E[y^m at ``end`` given y at ``start``], the coefficients of the powers of that y."""
        first: Polynomial = {(m, 0): (self.field.of(1),)}
        u = first
        for _ in range(self.length - 1):
            u = self._sum(first, self._integrated(self._generated(u), end))
        at, powers = self.field.of(start), 1 + max(power for power, _ in u)
        out = [[self.field.of(0)] * self.length for _ in range(powers)]
        for (power, order), coefficients in u.items():
            value = self.field.of(0)
            for c in reversed(coefficients):
                value = self.field.reduced(value * at + c)
            out[power][order] = self.field.reduced(out[power][order] + value)
        return [Series(tuple(one), self.field) for one in out]

    def _generated(self, u: Polynomial) -> Polynomial:
        """q' N u_y + v'/2 u_yy, with gamma = c h."""
        half, found = self.field.inverse(2), Polynomial()
        for (power, order), coefficients in u.items():
            parts = [(one, power, power - 1 + k) for k, one in enumerate(self._drift)]
            factor = self.field.reduced(power * (power - 1) * half)
            parts.append((Series(self.variance_rate, self.field), factor, power - 2))
            for series, scale, to in parts:
                if scale:
                    self._add(found, (to, order), coefficients, series * scale)
        return found

    def _add(
        self, found: Polynomial, key: tuple[int, int], factor: Sequence[Any], series: Series
    ) -> None:
        """Add factor(c) times a series in c h to a polynomial."""
        power, order = key
        for j, c in enumerate(series.coefficients[: self.length - 1 - order]):
            shifted = (self.field.of(0),) * j + tuple(self.field.reduced(c * one) for one in factor)
            found[power, order + j] = _added(found.get((power, order + j), ()), shifted, self.field)

    def _integrated(self, slope: Polynomial, end: Fraction) -> Polynomial:
        """h int_c^end of it."""
        found, at = Polynomial(), self.field.of(end)
        for (power, order), coefficients in slope.items():
            raised = [self.field.of(0)]
            raised += [
                self.field.reduced(-c * self.field.inverse(j))
                for j, c in enumerate(coefficients, start=1)
            ]
            value = self.field.of(0)
            for c in reversed(raised):
                value = self.field.reduced(value * at + c)
            raised[0] = self.field.reduced(-value)
            found[power, order + 1] = tuple(raised)
        return found

    def _sum(self, first: Polynomial, second: Polynomial) -> Polynomial:
        found = dict(first)
        for key, coefficients in second.items():
            found[key] = _added(found.get(key, ()), coefficients, self.field)
        return found


def _added(first: Sequence[Any], second: Sequence[Any], field: Field) -> tuple[Any, ...]:
    """The sum of two polynomials in c."""
    count = max(len(first), len(second))
    padded = [(*one, *(field.of(0),) * (count - len(one))) for one in (first, second)]
    return tuple(field.reduced(a + b) for a, b in zip(*padded, strict=True))


@dataclass(frozen=True)
class NoisyScalars(ProblemScalars):
    """The scalars of a step, those of noise too: a draw is R times an increment of B."""

    def spread(self, draw: Draw) -> Series:
        return self._factor_at(draw.stage)

    def carried(self, draw: Draw) -> Series:
        return self._factor_at(draw.stage) / self._factor_at(draw.since)

    def _factor_at(self, stage: int) -> Series:
        return self.problem.at(self.problem.factor, self.time(stage))


@dataclass(frozen=True)
class WeakReport:
    """What the moments say; None where there is no such part of a run.

    Attributes:
        main: p, with an error of h^(p+1) added by every main step.
        startup: e, with an error of h^e left by the start-up.
        last: l, with an error of h^l of the last sample, if it is not corrected.
    """

    main: int
    startup: int | None
    last: int | None

    @property
    def order(self) -> int:
        """Of a whole run."""
        parts = (self.main, self.startup, self.last)
        return min(one for one in parts if one is not None)

    def __str__(self) -> str:
        parts = [(self.startup, "left by the start-up"), (self.last, "in the last sample")]
        left = [f"O(h^{power}) {where}" for power, where in parts if power is not None]
        where = "in a main step" if left else "in every step"
        errors = ", ".join((f"O(h^{self.main + 1}) {where}", *left))
        return f"weak order {self.order}: moments off by {errors}"


@lru_cache(maxsize=256)
def weak_report(
    program: StepProgram,
    same_clock: bool = False,
    no_linear_part: bool = False,
    ratios: tuple[Fraction, ...] = UNEVEN,
) -> WeakReport:
    """The weak order of a program with noise.

    Args:
        program: what is run; of weights that are bounded as in ``order.report``.
        same_clock: the expansion variable is the integrand's own clock.
        no_linear_part: Phi = 1.
        ratios: lengths of the steps, repeated.

    Raises:
        SchemeError: all moments agree in every power that is computed.
    """
    if program.at_its_limits != program.unlimited and ratios != EVEN:
        even = weak_report(program.at_its_limits, same_clock, no_linear_part, EVEN)
        free = weak_report(program.unlimited, same_clock, no_linear_part, ratios)
        return min(even, free, key=lambda one: one.order)
    for length in LENGTHS:
        problem = NoisyProblem.drawn(length, same_clock, no_linear_part, MODULAR)
        found = Chain(program.unlimited, problem, ratios).report()
        if found.main < length - 1:
            return found
    raise SchemeError(
        f"the moments agree in all of {LENGTHS[-1]} powers of h; expected a weak order below "
        f"{LENGTHS[-1] - 1}."
    )


def raised_report(
    program: StepProgram, same_clock: bool = False, no_linear_part: bool = False
) -> WeakReport:
    """The weak order of a program that raises the noise before steps of the ODE.

    Forward noising takes the marginal of one time to that of an earlier one exactly, and the ODE
    takes it on, so that a step from the marginal adds what its own error leaves of the moments: of
    steps that the noise makes longer by a part of them, O(h^(p+1)).
    """
    found = steps.report(program, same_clock, no_linear_part, field=MODULAR)
    return WeakReport(found.order, None, None)


@dataclass(frozen=True)
class Chain:
    """A run of so many steps that a main one has taken effect.

    Attributes:
        program: what is run.
        problem: what it is run on.
        ratios: lengths of the steps, repeated.
    """

    program: StepProgram
    problem: NoisyProblem
    ratios: Sequence[Fraction]

    @property
    def steps(self) -> int:
        return self.program.history + 1 + self.program.corrects

    @cached_property
    def grid(self) -> tuple[Fraction, ...]:
        return grid_of(self.ratios, self.steps)

    @cached_property
    def variances(self) -> tuple[Series, ...]:
        """dv of every draw of the run, in their order."""
        found = []
        for n in range(self.steps):
            phase = self.program.phases[min(n, self.program.history)]
            scalars = self.scalars(phase, n)
            found += [self.problem.variance(*self.piece(scalars, one)) for one in phase.draws]
        return tuple(found)

    def scalars(self, phase: PhaseProgram, n: int) -> NoisyScalars:
        """Of step n."""
        return NoisyScalars(self.problem, phase, self.grid, n)

    def piece(self, scalars: NoisyScalars, draw: Draw) -> tuple[Fraction, Fraction]:
        """The end and the start of what is drawn."""
        return scalars.time(draw.stage), scalars.time(draw.since)

    def report(self) -> WeakReport:
        """Run it, and compare the moments."""
        problem, draws = self.problem, len(self.variances)
        factor = problem.at(problem.factor, self.grid[0])
        start = Chance.sure(factor * problem.start, draws)
        normals = (Chance.increment(k, draws, problem.length, problem.field) for k in range(draws))
        state = State(np.array([start], dtype=object), normals=normals)
        samples, corrected = [state.x], [state.x]
        for n in range(self.steps):
            phase = self.program.phases[min(n, self.program.history)]
            run_step(phase, self.scalars(phase, n), problem.model, state, unchanged)
            samples.append(state.x)
            corrected.append(state.previous)
        n = self.steps
        if not self.program.corrects:
            return WeakReport(self._local(samples, n) - 1, self._startup(samples, n - 1), None)
        staying = [*corrected[1:], samples[n]]
        last = self._error(staying[n - 1], n - 1, samples[n], n)
        return WeakReport(self._local(staying, n - 1) - 1, self._startup(staying, n - 2), last)

    def _local(self, samples: Sequence[np.ndarray], n: int) -> int:
        """The power of the error that step n - 1 adds."""
        return self._error(samples[n - 1], n - 1, samples[n], n)

    def _startup(self, samples: Sequence[np.ndarray], n: int) -> int | None:
        """The power of the error of everything before the main steps."""
        return self._error(samples[0], 0, samples[n], n) if n > 0 else None

    def _error(self, before: np.ndarray, first: int, after: np.ndarray, last: int) -> int:
        """The first power of h in E[y_last^m] - E[u(y_first)], over all moments."""
        problem = self.problem
        y = [one[0] * self._inverse(n) for one, n in ((before, first), (after, last))]
        powers = [_powers(one, MOMENTS + 2 * problem.length) for one in y]
        means = [[one.mean(self.variances) for one in each] for each in powers]
        least = problem.length
        for m in range(1, MOMENTS + 1):
            expected = problem.expected(m, self.grid[last], self.grid[first])
            total = Series.of([], problem.length, problem.field)
            for power, coefficient in enumerate(expected):
                total = total + coefficient * means[0][power]
            least = min(least, (means[1][m] - total).valuation)
        return least

    def _inverse(self, n: int) -> Series:
        one = Series.of([1], self.problem.length, self.problem.field)
        return one / self.problem.at(self.problem.factor, self.grid[n])


def _powers(one: Chance, most: int) -> list[Chance]:
    """1, y, y^2, .."""
    found = [one * 0 + 1]
    for _ in range(most):
        found.append(found[-1] * one)
    return found
