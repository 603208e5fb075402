"""The coefficients of one time grid in 50 digits, rounded once: what a baked module carries.

The integrals of ``solvergen.scalars.reference`` are taken here over
v = log((u - t_min)/(t_max - u)), in which steps to the very ends of the domain are smooth, by
Gauss-Legendre panels of width 1. A step that touches an end is integrated to 10^-40 of the width
from it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from math import inf
from types import ModuleType
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray
from sympy import Expr

from solvergen.algebra import precision
from solvergen.algebra.evaluation import as_mp, is_real
from solvergen.derivation.parameterization import DATA, conversion
from solvergen.errors import EmissionError
from solvergen.scalars.quadrature import gauss
from solvergen.scalars.reference import Reference, ReferenceScalars
from solvergen.scalars.rows import exact_rows, starts_of, steps_of
from solvergen.schedules.values import numeric_limit, together_at
from solvergen.specification.solver import Solver

NODES = 24
"""Of a panel of width 1: they leave less than 10^-50 of what is analytic for |Im v| < pi."""

BEYOND = 1e-30
"""Of a factor next to an end whose limit there is 0, or the inverse of an infinite one."""

ROUGHLY = 1e-6
"""How near to a limit a value counts as the limit."""

AGREEMENT = 1e-10
"""Of the float64 code with the 50 digits, relative to the largest coefficient of a row: it loses
up to six digits on fine grids, and a wrong coefficient all."""


@dataclass(frozen=True)
class Baked:
    """A grid and its coefficients.

    Attributes:
        timesteps: the grid, decreasing.
        rows: for every evaluation its time, then its factors in the columns of its pass.
        kinds: the number of the kind of every row.
    """

    timesteps: tuple[float, ...]
    rows: tuple[tuple[float, ...], ...]
    kinds: tuple[int, ...]


def bake(solver: Solver, module: ModuleType, timesteps: Sequence[float]) -> Baked:
    """Compute the coefficients of a grid.

    Args:
        solver: the solver.
        module: its coefficients as code, which know which grids there are, and whose float64 rows
            are a check.
        timesteps: the grid.

    Raises:
        EmissionError: the grid is none, or the two computations differ.
    """
    try:
        checked = module.coefficients(timesteps)
    except ValueError as error:
        raise EmissionError(f"cannot bake this grid: {error}") from error
    grid, table = [float(time) for time in timesteps], solver.table
    reference = PreciseReference(solver.weights, solver.prediction)
    rows, kinds = list[tuple[float, ...]](), list[int]()
    with mpmath.workdps(precision.REFERENCE + precision.BAKING_END + precision.BAKING_GUARD):
        gamma = [float(reference.gamma_or_infinity(time)) for time in grid]
        laid_out = steps_of(solver.program, table, gamma)
        starts = starts_of(solver.program, laid_out, checked)
        for n, (number, _) in enumerate(laid_out):
            phase = table.phases[number]
            scalars = ReferenceScalars.over(reference, phase.program, grid, n, (), starts).rounded()
            for row, factors in zip(phase.rows, exact_rows(table, phase, scalars), strict=True):
                found = (float(scalars.time(row.stage)), *rounded(factors))
                _check(n, found, checked[len(rows)], table.first_factor)
                rows.append(found)
                kinds.append(table.kinds.index(row.kind))
    return Baked(tuple(grid), tuple(rows), tuple(kinds))


def data_factors(solver: Solver, times: Sequence[float]) -> tuple[tuple[float, float], ...]:
    """A and B of x_0 = A x + B prediction at the times: 0 or infinite where their limits are."""
    reference = PreciseReference(solver.weights, solver.prediction)
    forms = conversion(solver.prediction, DATA)
    with mpmath.workdps(precision.REFERENCE + precision.BAKING_END + precision.BAKING_GUARD):
        exact = map(reference.exactly, times)
        found = [[_limit(reference.value(form, one)) for form in forms] for one in exact]
    return tuple((a, b) for a, b in found)


def _limit(value: Any) -> float:
    """A value in float64; what is beyond its numbers next to an end is 0 or infinite there."""
    return 0.0 if abs(value) < BEYOND else float(value) if abs(value) < 1 / BEYOND else inf


def rounded(factors: Sequence[Any]) -> tuple[float, ...]:
    """Each to the nearest float64; what is a rounding error of the largest is 0."""
    limit = max(map(abs, factors)) * mpmath.mpf(10) ** (8 - precision.REFERENCE)
    return tuple(0.0 if abs(one) < limit else float(one) for one in factors)


def statement(baked: Baked) -> str:
    """What a module's docstring says of its coefficients."""
    return (
        f"The coefficients of its {len(baked.timesteps) - 1} steps were computed in "
        f"{precision.REFERENCE} digits and rounded once."
    )


def _check(n: int, row: tuple[float, ...], found: NDArray[np.float64], first_factor: int) -> None:
    """Compare a row with that of the float64 code."""
    exact = np.array(row[1:])
    largest = max(np.abs(exact).max(), 1e-300)
    error = float(np.abs(found[first_factor:][: exact.size] - exact).max() / largest)
    if not error <= AGREEMENT:
        raise EmissionError(
            f"step {n}: the coefficients in {precision.REFERENCE} digits and those in float64 "
            f"differ by {error:.0e} of the largest; expected at most {AGREEMENT:.0e}. Emit the "
            "module without a grid, or report this schedule."
        )


@dataclass(frozen=True, eq=False)
class PreciseReference(Reference):
    """The reference with integrals that converge fast at the ends of the domain too.

    Two are equal if they are one, which caches need not look at all of them for.
    """

    def panel_count(self, length: Any) -> int:
        """Panels of an interval of this length in v."""
        return max(1, int(mpmath.ceil(length)))

    def node_count(self, width: Any) -> int:
        """Nodes of a panel of this width."""
        return NODES

    def gamma(self, time: Any) -> Any:
        """The expansion variable, or its limit at an end of the domain."""
        return super().gamma(self._inside(time))

    def means(
        self, end: Any, start: Any, count: int, through: Sequence[Any] = ()
    ) -> tuple[Any, list[Any]]:
        """M0, and the means over the clock of theta^k, k < count."""
        end, start = self._inside(end), self._inside(start)
        width = self.gamma(end) - self.gamma(start)
        inside = {one for one in map(self._inside, through) if (one - start) * (end - one) > 0}
        parts = [
            (
                self.integrating_factor(end, last),
                self._integrals(first, last, start, count, mpmath.mp.dps),
            )
            for first, last in pairwise([start, *sorted(inside, reverse=end < start), end])
        ]
        sums = [mpmath.fsum(factor * part[k] for factor, part in parts) for k in range(count)]
        return sums[0], [one / sums[0] / width**k for k, one in enumerate(sums)]

    @lru_cache(maxsize=1024)  # noqa: B019 - an instance lives for one run
    def _integrals(self, first: Any, last: Any, start: Any, count: int, digits: int) -> list[Any]:
        """int Phi(last, u) b(u) (gamma_u - gamma_start)^k du from first to last, k < count.

        In the precision that is in force, of so many digits.
        """
        gamma_s, sums = self.gamma(start), [mpmath.mpf(0)] * count
        sampled = self._sampler(last)
        for u, weight in self._nodes(last, first):
            factor, rate, gamma = sampled(u)
            power = weight * factor * rate
            distance = gamma - gamma_s
            for k in range(count):
                sums[k] += power
                power *= distance
        return sums

    def _sampler(self, last: Any) -> Callable[[Any], tuple[Any, Any, Any]]:
        """Phi(last, u), b(u) and gamma_u at times inside the domain, in the precision in force."""
        ode, schedule = self.weights.ode, self.weights.schedule

        def apart(u: Any) -> tuple[Any, Any, Any]:
            return self.integrating_factor(last, u), self.value(ode.nonlinear, u), self.gamma(u)

        if ode.factor is None:
            return apart
        formulas = ode.factor, ode.nonlinear, self.weights.expansion.variable
        at, factor_at_last = together_at(formulas, schedule), self.value(ode.factor, last)

        def sampled(u: Any) -> tuple[Any, Any, Any]:
            found = at(u)
            if found is None:
                return apart(u)
            factor, rate, gamma = found
            return factor_at_last / factor, rate, gamma

        return sampled

    def integral(self, function: Any, end: Any, start: Any) -> Any:
        """The integral of a function of time from start to end."""
        nodes = self._nodes(self._inside(end), self._inside(start))
        return mpmath.fsum(weight * function(u) for u, weight in nodes)

    def gamma_or_infinity(self, time: float) -> Any:
        """The expansion variable; infinite at an end of the domain where it has no finite limit."""
        for end in self.weights.schedule.domain:
            if time == float(end) and not self.weights.is_finite_at(end):
                return mpmath.inf
        return self.gamma(as_mp(time))

    @cached_property
    def _domain(self) -> tuple[Any, Any]:
        low, high = self.weights.schedule.domain
        return as_mp(low), as_mp(high)

    def _inside(self, time: Any) -> Any:
        """The time, or one close to the end of the domain that it is at."""
        low, high = self._domain
        gap = (high - low) * mpmath.mpf(10) ** -precision.BAKING_END
        return min(max(time, low + gap), high - gap)

    def _nodes(self, end: Any, start: Any) -> Iterator[tuple[Any, Any]]:
        """Times between start and end, with the weights of an integral over time."""
        low, high = self._domain
        path = [mpmath.log((time - low) / (high - time)) for time in self.path(start, end)]
        for first, last in pairwise(path):
            count = self.panel_count(abs(last - first))
            panel = (last - first) / count
            nodes, weights = gauss(self.node_count(abs(panel)), mpmath.mp.dps)
            steps = [mpmath.exp(panel * x) for x in nodes]
            rows = [(one, 1 / one, w * panel) for one, w in zip(steps, weights, strict=True)]
            for k in range(count):
                odds = mpmath.exp(first + panel * k)
                yield from _panel(odds, 1 / odds, rows, low, high)

    def value(self, formula: Expr, time: Any) -> Any:
        """A formula at a time; its limit at an end of the domain.

        What vanishes there is 0 itself: close to the end it is small, and nothing of it is right.
        What is far from its limit has met a pole, as that of tan, on its other side.
        """
        schedule = self.weights.schedule
        value = super().value(formula, time)
        for end, exact in zip(schedule.domain, self._domain, strict=True):
            limit = numeric_limit(formula, schedule, end) if time == exact else None
            if limit == 0:
                return mpmath.mpf(0)
            is_near = limit is None or (is_real(value) and abs(value / as_mp(limit) - 1) < ROUGHLY)
            if not is_near:
                return super().value(formula, self._inside(time))
        return value if is_real(value) else super().value(formula, self._inside(time))


def _panel(
    odds: Any, inverse: Any, rows: Sequence[tuple[Any, Any, Any]], low: Any, high: Any
) -> Iterator[tuple[Any, Any]]:
    """The times of a panel and their weights in an integral over time.

    ``odds`` is e^v at its start, of v = log((u - low)/(high - u)); the rows have e^(v' - v) of its
    nodes, the inverse, and the weight in an integral over v.
    """
    width = high - low
    for step, back, weight in rows:
        small = odds * step
        is_late = small > 1
        if is_late:
            small = inverse * back
        whole = 1 + small
        gap = width * small / whole
        yield high - gap if is_late else low + gap, weight * gap / whole
