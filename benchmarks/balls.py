"""Integrals of a step in ball arithmetic: enclosures by python-flint, whose radius is checked.

A reference that shares no quadrature with solvergen: ``acb.integral`` integrates over t what the
definitions say, adaptively and with a proved bound.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Any

import flint
import mpmath
import sympy
from sympy import Expr

from solvergen.algebra.tables import Interpolate
from solvergen.derivation.parameterization import at_schedule
from solvergen.derivation.semilinear import nonlinear
from solvergen.measurement.row_errors import SearchReference
from solvergen.symbols import t

BITS = 240
RADIUS = 1e-22
GOAL = flint.arb(2) ** -100
NOTHING = flint.arb(2) ** -2000
CALLS = {
    sympy.exp: "exp", sympy.sin: "sin", sympy.cos: "cos", sympy.tan: "tan", sympy.sinh: "sinh",
    sympy.cosh: "cosh", sympy.tanh: "tanh", sympy.atan: "atan", sympy.erf: "erf",
}  # fmt: skip


def ball(number: Any) -> Any:
    """An mpf as a ball, exactly."""
    sign, mantissa, exponent, _ = mpmath.mpf(number)._mpf_
    return flint.arb(int(-mantissa if sign else mantissa)) * flint.arb(2) ** int(exponent)


def middle(found: Any, what: str) -> Any:
    """The middle of a ball as an mpf, if it is narrow."""
    if not (found.is_finite() and found.rad() <= RADIUS * abs(found.mid())):
        raise ArithmeticError(f"{what}: the enclosure is {found}")
    mantissa, exponent = found.mid().man_exp()
    return mpmath.ldexp(mpmath.mpf(int(mantissa)), int(exponent))


Evaluated = Callable[[Any, bool], Any]


@lru_cache(maxsize=256)
def in_balls(expression: Expr, place: float) -> Evaluated:
    """A function of t over complex balls; of cases the branch that holds at a place."""
    if expression == t:
        return lambda z, _: z
    if not expression.has(t):
        return lambda _, __: _constant(expression)
    if isinstance(expression, sympy.Piecewise):
        branch = next(form for form, holds in expression.args if holds.subs(t, place) == True)  # noqa: E712
        return in_balls(branch, place)
    parts = [in_balls(one, place) for one in expression.args]
    if expression.is_Add:
        return lambda z, analytic: sum(
            (one(z, analytic) for one in parts[1:]), parts[0](z, analytic)
        )
    if expression.is_Mul:
        return _product(parts)
    if expression.is_Pow and expression.exp.has(t):
        return in_balls(sympy.exp(expression.exp * sympy.log(expression.base)), place)
    if expression.is_Pow:
        return _power(parts[0], expression.exp)
    if isinstance(expression, sympy.log):
        return lambda z, analytic: parts[0](z, analytic).log(analytic=analytic)
    name = CALLS[expression.func]
    return lambda z, analytic: getattr(parts[0](z, analytic), name)()


def _product(parts: Sequence[Evaluated]) -> Evaluated:
    def product(z: Any, analytic: bool) -> Any:
        found = parts[0](z, analytic)
        for one in parts[1:]:
            found = found * one(z, analytic)
        return found

    return product


def _power(base: Evaluated, exponent: Expr) -> Evaluated:
    if exponent.is_Integer:
        return lambda z, analytic: base(z, analytic) ** int(exponent)
    if exponent == sympy.S.Half:
        return lambda z, analytic: base(z, analytic).sqrt(analytic=analytic)
    return lambda z, analytic: base(z, analytic).pow(_constant(exponent), analytic=analytic)


@lru_cache(maxsize=1024)
def _constant(expression: Expr) -> Any:
    digits = sympy.N(expression, 90)
    if expression.is_Rational:
        return flint.acb(int(expression.p)) / int(expression.q)
    if expression == sympy.pi:
        return flint.acb.pi()
    if expression.args and not expression.is_Float:
        parts = [_constant(one) for one in expression.args]
        if expression.is_Add:
            return sum(parts[1:], parts[0])
        if expression.is_Mul:
            return _product([lambda _, __, one=one: one for one in parts])(None, False)
        if expression.is_Pow:
            return parts[0].pow(parts[1])
        if isinstance(expression, sympy.log):
            return parts[0].log()
        if expression.func in CALLS:
            return getattr(parts[0], CALLS[expression.func])()
    return flint.acb(flint.arb(str(digits)))


@dataclass(frozen=True)
class BallReference(SearchReference):
    """M0 and the means over the clock as enclosures, but of tables and at the ends."""

    def means(
        self, end: Any, start: Any, count: int, through: Sequence[Any] = ()
    ) -> tuple[Any, list[Any]]:
        low, high = self._domain_of_floats
        is_closed = self.weights.ode.factor is not None
        inside = low < min(float(end), float(start)) and max(float(end), float(start)) < high
        if not is_closed or self._reads_tables or not inside:
            return super().means(end, start, count, through)
        flint.ctx.prec = BITS
        totals = [self._total(end, start, k) for k in range(max(count, 1))]
        scale = middle(self._factor_in_balls(end), "Phi")
        return scale * totals[0], [one / totals[0] for one in totals]

    @cached_property
    def _reads_tables(self) -> bool:
        schedule = self.weights.schedule
        return bool((schedule.alpha + schedule.sigma).has(Interpolate))

    @cached_property
    def _domain_of_floats(self) -> tuple[float, float]:
        low, high = self.weights.schedule.domain
        return float(low), float(high)

    def _total(self, end: Any, start: Any, k: int) -> Any:
        """The integral of q' theta^k."""
        found = mpmath.mpf(0)
        for first, last in pairwise(self.path(start, end)):
            integrand = self._integrand(end, start, k, float((first + last) / 2))
            ends = ball(first), ball(last)
            total = flint.acb.integral(integrand, *ends, rel_tol=GOAL, abs_tol=NOTHING)
            found += middle(total.real, f"an integral from {start} to {end}")
        return found

    def _integrand(self, end: Any, start: Any, k: int, place: float) -> Evaluated:
        speed, gamma = (in_balls(one, place) for one in self._forms)
        bottom, width = (ball(one) for one in self._scale(end, start))

        def integrand(z: Any, analytic: bool) -> Any:
            value = speed(z, analytic)
            return value * ((gamma(z, analytic) - bottom) / width) ** k if k else value

        return integrand

    def _scale(self, end: Any, start: Any) -> tuple[Any, Any]:
        low = self.gamma(start)
        return low, self.gamma(end) - low

    @cached_property
    def _forms(self) -> tuple[Expr, Expr]:
        """q' and gamma, as functions of t."""
        schedule, ode = self.weights.schedule, self.weights.ode
        speed = nonlinear(ode.integrand) / ode.factor
        forms = (speed, self.weights.expansion.variable)
        return tuple(schedule.substitute(at_schedule(one, schedule)) for one in forms)

    def _factor_in_balls(self, time: Any) -> Any:
        schedule = self.weights.schedule
        form = schedule.substitute(at_schedule(self.weights.ode.factor, schedule))
        value = in_balls(form, float(time))(flint.acb(ball(time)), False)
        return value.real
