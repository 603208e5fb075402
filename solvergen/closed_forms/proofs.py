"""Proofs that an expression of one or two times is zero: by simplification, or by many digits."""

from enum import StrEnum

import mpmath
from sympy import (
    Dummy,
    Expr,
    Pow,
    atan,
    atan2,
    cancel,
    diff,
    exp,
    expand_log,
    factor,
    log,
    polylog,
    powdenest,
    powsimp,
    together,
)

from solvergen.algebra import budget
from solvergen.algebra.evaluation import DIGITS, compiled
from solvergen.algebra.phi import elementary
from solvergen.derivation.invariants import constants_of
from solvergen.derivation.parameterization import at_schedule
from solvergen.derivation.semilinear import RADIUS
from solvergen.schedules.identities import TOLERANCE, sample_points
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.symbols import alpha, alpha_dot, alpha_s, s, sigma, sigma_dot, sigma_s, t

SECONDS = 0.15
PAIRS = 4

_u, _v = Dummy("u", positive=True), Dummy("v", positive=True)


class Proof(StrEnum):
    """How an identity was decided."""

    symbolic = "symbolically"
    numeric = f"to {DIGITS} digits at random points"


def prove_zero(expression: Expr, schedule: NoiseSchedule) -> Proof | None:
    """How it was found that an expression vanishes over the domain; None if it does not.

    Args:
        expression: in t, alpha, sigma and their derivatives, and in s, alpha_s, sigma_s. A proof
            in these symbols holds for every schedule.
    """
    expression = expression.replace(polylog, _logarithm)
    if vanishes_symbolically(expression.replace(atan2, lambda y, x: atan(y / x))):
        return Proof.symbolic
    on_circle = _over_circle(expression, schedule)
    if on_circle is not None and vanishes_symbolically(on_circle):
        return Proof.symbolic
    explicit = at_times(expression, schedule)
    if vanishes_symbolically(explicit):
        return Proof.symbolic
    return Proof.numeric if vanishes_numerically(explicit, schedule) else None


def _logarithm(order: Expr, x: Expr) -> Expr:
    """Li_1(x) = -log(1 - x)."""
    return -log(1 - x) if order == 1 else polylog(order, x)


def _over_circle(expression: Expr, schedule: NoiseSchedule) -> Expr | None:
    """alpha = r (1 - u^2)/(1 + u^2), sigma = r 2 u/(1 + u^2) where r is constant: no roots."""
    size = dict(constants_of(schedule)).get(RADIUS)
    if size is None or expression.has(t, s):
        return None
    place: dict[Expr, Expr] = {RADIUS: size}
    for u, (one, other) in ((_u, (alpha, sigma)), (_v, (alpha_s, sigma_s))):
        place |= {one: size * (1 - u**2) / (1 + u**2), other: 2 * size * u / (1 + u**2)}
    place |= {alpha_dot: diff(place[alpha], _u), sigma_dot: diff(place[sigma], _u)}
    expression = expression.replace(atan2, lambda y, x: atan(y / x))
    return _denested(expression.subs(place, simultaneous=True))


def _denested(expression: Expr) -> Expr:
    """sqrt(f^2) as f."""
    return expression.replace(
        lambda e: isinstance(e, Pow) and e.exp.is_Rational and not e.exp.is_Integer,
        lambda e: powdenest(factor(e.base) ** e.exp, force=True),
    )


def at_times(expression: Expr, schedule: NoiseSchedule) -> Expr:
    """The expression for one schedule, in t and s."""
    start = {alpha_s: schedule.alpha.subs(t, s), sigma_s: schedule.sigma.subs(t, s)}
    return at_schedule(expression, schedule).subs(start)


def vanishes_symbolically(expression: Expr) -> bool:
    """Whether cancelling leaves nothing: the calls in it are taken to be independent."""
    return bool(budget.within(SECONDS, _cancelled, expression, default=expression) == 0)


def _cancelled(expression: Expr) -> Expr:
    if expression == 0:
        return expression
    expanded = expand_log(expression, force=True)
    return cancel(together(powsimp(expanded) if expanded.has(exp) else expanded))


def vanishes_numerically(expression: Expr, schedule: NoiseSchedule) -> bool:
    """Whether it is real and zero to 40 digits at random points of the domain."""
    function = compiled(elementary(schedule.substitute(expression)), (t, s), "mpmath")
    points = sample_points(schedule, 2 * PAIRS)
    with mpmath.workdps(DIGITS):
        for one, other in zip(points[:PAIRS], points[PAIRS:], strict=True):
            end, start = min(one, other), max(one, other)
            try:
                value = mpmath.mpmathify(function(end, start))
            except (ZeroDivisionError, ValueError, TypeError):
                return False
            if not abs(value) < TOLERANCE:
                return False
    return True
