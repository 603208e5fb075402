"""The scalars of a step in mpmath, from the definitions: slow, independent, to 50 digits.

Nothing here uses the clock, the density or a closed-form inverse. M0 and the weights are the
integrals of THEORY section 4 over time, with Phi(t, u) b(u) straight from a and b:

    M0 = int_s^t Phi(t, u) b(u) du,      ell_j = (1/M0) int_s^t Phi(t, u) b(u) L_j(theta_u) du.

The interpreter with these scalars is what emitted modules are compared with.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, lru_cache
from typing import Any

import mpmath
from sympy import Expr

from solvergen.algebra.evaluation import as_mp
from solvergen.derivation.parameterization import (
    WRONSKIAN,
    Parameterization,
    conversion,
    total_derivative,
)
from solvergen.derivation.weights import Weights
from solvergen.methods.scheme import Kind, Node
from solvergen.program.instructions import Combine, Draw
from solvergen.program.program import PhaseProgram
from solvergen.scalars.damping import damping_of
from solvergen.schedules.values import at_time
from solvergen.symbols import alpha, sigma


@dataclass(frozen=True)
class Reference:
    """Functions of time of one solver, in mpmath.

    Args:
        weights: the solver's integrating factor, clocks and expansion variable.
        prediction: what the model returns.
    """

    weights: Weights
    prediction: Parameterization

    def gamma(self, time: Any) -> Any:
        """The expansion variable."""
        return self.value(self.weights.expansion.variable, time)

    def time_at(self, gamma: Any, low: Any, high: Any) -> Any:
        """The time between low and high at which the expansion variable is gamma."""
        tolerance = mpmath.mpf(10) ** (4 - 2 * mpmath.mp.dps)  # on the squared residual
        scale = abs(self.gamma(high) - self.gamma(low))
        return mpmath.findroot(
            lambda time: (self.gamma(time) - gamma) / scale,
            (low, high),
            solver="anderson",
            tol=tolerance,
        )

    def integrating_factor(self, end: Any, start: Any) -> Any:
        """Phi(end, start) = exp int a."""
        factor = self.weights.ode.factor
        if factor is not None:
            return self.value(factor, end) / self.value(factor, start)
        base = self.weights.ode.base
        if base is not None:
            kappa = damping_of(self.weights.ode, mpmath.mp.prec)
            return self.value(base, end) / self.value(base, start) * mpmath.exp(-kappa(end, start))
        a = self.weights.ode.linear
        return mpmath.exp(mpmath.quad(lambda u: self.value(a, u), self.path(start, end)))

    def means(
        self, end: Any, start: Any, count: int, through: Sequence[Any] = ()
    ) -> tuple[Any, list[Any]]:
        """M0, and the means over the clock of theta^k, k < count.

        ``through`` are times at which the integrals of a step may be cut: what one of them needs
        between two is what all need.
        """
        b = self.weights.ode.nonlinear
        gamma_s = self.gamma(start)
        width = self.gamma(end) - gamma_s

        @cache
        def sampled(u: Any) -> tuple[Any, Any]:
            weight = self.integrating_factor(end, u) * self.value(b, u)
            return weight, (self.gamma(u) - gamma_s) / width

        def integral(k: int) -> Any:
            def integrand(u: Any) -> Any:
                weight, theta = sampled(u)
                return weight * theta**k

            return mpmath.quad(integrand, self.path(start, end), method="gauss-legendre")

        zeroth = integral(0)
        return zeroth, [integral(k) / zeroth for k in range(count)]

    def spread(self, end: Any, start: Any) -> Any:
        """nu: the root of int Phi(t, u)^2 eta^2 g^2 du."""
        ode = self.weights.ode
        assert ode.noise is not None
        rate = 2 * ode.noise.squared * sigma * WRONSKIAN / alpha

        def variance(u: Any) -> Any:
            return self.integrating_factor(end, u) ** 2 * self.value(rate, u)

        return mpmath.sqrt(-self.integral(variance, end, start))

    def integral(self, function: Any, end: Any, start: Any) -> Any:
        """The integral of a function of time from start to end."""
        return mpmath.quad(function, self.path(start, end), method="gauss-legendre")

    def density(self, time: Any) -> Any:
        """b/gamma', the density of M0 in gamma at the time where it ends."""
        b = self.value(self.weights.ode.nonlinear, time)
        return b / self.value(total_derivative(self.weights.expansion.variable), time)

    @cached_property
    def conversion(self) -> tuple[Expr, Expr]:
        """(A, B) in the five symbols."""
        return conversion(self.prediction, self.weights.ode.integrand)

    def path(self, start: Any, end: Any) -> list[Any]:
        """From start to end by way of the kinks: smooth in between."""
        kinks = _in_many_digits(self.weights.ode.kinks, mpmath.mp.prec)
        inside = kinks[bisect_right(kinks, min(start, end)) : bisect_left(kinks, max(start, end))]
        return [start, *(inside if start < end else reversed(inside)), end]

    def exactly(self, time: float) -> Any:
        """A time of a grid in many digits: the float, or the end of the domain that it means."""
        ends = self.weights.schedule.domain
        return next((as_mp(one) for one in ends if time == float(one)), as_mp(time))

    def value(self, formula: Expr, time: Any) -> Any:
        """A formula in the five symbols at a time."""
        return at_time(formula, self.weights.schedule, time, mpmath.mp.dps)


@dataclass(frozen=True, eq=False)
class ReferenceScalars:
    """The scalars of step n of a run over ``timesteps``, for the interpreter.

    Two are equal if they are one, which caches need not look at all of them for.
    """

    reference: Reference
    phase: PhaseProgram
    timesteps: tuple[Any, ...]
    n: int
    stage_times: tuple[Any, ...] = ()
    starts: tuple[Any, ...] = ()

    @classmethod
    def over(
        cls,
        reference: Reference,
        phase: PhaseProgram,
        timesteps: Sequence[float],
        n: int,
        stage_times: Sequence[float] = (),
        starts: Sequence[float] = (),
    ) -> "ReferenceScalars":
        """The scalars of step n; floats are taken exactly, those nearest to an end as that end.

        Args:
            reference: of the solver.
            phase: what the step runs.
            timesteps: of the run.
            n: the step.
            stage_times: where the model is asked, if that is known: at the floats nearest to where
                it would be. The scalars are those of these times.
            starts: where the steps start, if noise is raised before them.
        """
        given = timesteps, stage_times, starts
        times, stages, first = (tuple(map(reference.exactly, one)) for one in given)
        return cls(reference, phase, times, n, stages, first)

    def rounded(self) -> "ReferenceScalars":
        """The same with every evaluation at the float nearest to its time."""
        stages = [as_mp(float(self.time(i))) for i in self.phase.evaluations]
        return replace(self, stage_times=tuple(stages))

    @lru_cache(maxsize=256)  # noqa: B019 - an instance lives for one step
    def time(self, stage: int) -> Any:
        """The time of evaluation ``stage``; of the end of the step for the last stage."""
        start, end = (self.starts or self.timesteps)[self.n], self.timesteps[self.n + 1]
        position = self.phase.position(stage)
        if position in (0, 1):
            return end if position else start
        if self.stage_times:
            return self.stage_times[stage]
        fraction = mpmath.mpf(position.numerator) / position.denominator
        low, high = self.reference.gamma(start), self.reference.gamma(end)
        return self.reference.time_at(low + fraction * (high - low), end, start)

    def integrating_factor(self, combine: Combine) -> Any:
        return self.reference.integrating_factor(*self._ends(combine))

    def zeroth_moment(self, combine: Combine) -> Any:
        return self._means(combine)[0]

    def weights(self, combine: Combine) -> list[Any]:
        return self._means(combine)[1]

    def spread(self, draw: Draw) -> Any:
        return self.reference.spread(*map(self._at, draw.ends))

    def carried(self, draw: Draw) -> Any:
        return self.reference.integrating_factor(*map(self._at, draw.ends))

    def raised(self) -> tuple[Any, Any]:
        """up and nu_0 of the noise that is raised before the step."""
        return self.raised_before(self.n)

    def raised_before(self, n: int) -> tuple[Any, Any]:
        """The same of another step; 1 and 0 where none is raised."""
        if n >= len(self.starts) or self.starts[n] == self.timesteps[n]:
            return 1, 0
        a, b = (
            [self.reference.value(one, time) for time in (self.starts[n], self.timesteps[n])]
            for one in (alpha, sigma)
        )
        up = a[0] / a[1]
        return up, mpmath.sqrt(b[0] ** 2 - (up * b[1]) ** 2)

    def places(self, combine: Combine) -> list[Any]:
        """theta of the nodes of a landing's support."""
        return [self._theta(self._at(node), combine) for node in combine.support]

    @lru_cache(maxsize=256)  # noqa: B019 - an instance lives for one step
    def _means(self, combine: Combine) -> tuple[Any, list[Any]]:
        """M0 and the weights."""
        end, start = self._ends(combine)
        zeroth, own = self._powers_over(end, start)

        def moment(k: int, along: int | None) -> Any:
            if along is None:
                return own[k]
            other, means = self._powers_over(self.time(along), start)
            return other / zeroth * means[k]

        def end_density() -> Any:
            width = self.reference.gamma(end) - self.reference.gamma(start)
            return self.reference.density(end) * width / zeroth

        return zeroth, combine.weights(self.places(combine), moment, end_density)

    @lru_cache(maxsize=256)  # noqa: B019 - an instance lives for one step
    def _powers_over(self, end: Any, start: Any) -> tuple[Any, list[Any]]:
        """M0 of an interval, and the means of all powers of theta that a landing reads."""
        through = [self.time(stage) for stage in self.phase.evaluations]
        return self.reference.means(end, start, self.phase.powers, through)

    def conversion_at(self, stage: int) -> tuple[Any, Any]:
        a, b = (self.reference.value(one, self.time(stage)) for one in self.reference.conversion)
        return a, b

    def _ends(self, combine: Combine) -> tuple[Any, Any]:
        """The times between which a landing integrates."""
        return self._at(combine.node), self._at(combine.base)

    def _theta(self, time: Any, combine: Combine) -> Any:
        end, start = map(self._gamma, self._ends(combine))
        return (self._gamma(time) - start) / (end - start)

    @lru_cache(maxsize=256)  # noqa: B019 - an instance lives for one step
    def _gamma(self, time: Any) -> Any:
        return self.reference.gamma(time)

    def _at(self, node: Node) -> Any:
        if node.kind is Kind.PAST:
            return self.timesteps[self.n - node.index]
        return self.time(node.index)


@lru_cache(maxsize=64)
def _in_many_digits(numbers: tuple[Expr, ...], precision: int) -> tuple[Any, ...]:
    """Numbers in ascending order, in the precision that is in force, of so many bits."""
    return tuple(sorted(map(as_mp, numbers)))
