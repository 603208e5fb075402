"""Proofs that an expression of one or two times is zero: by simplification, or by many digits."""

from enum import StrEnum

from sympy import Dummy, Expr, Pow, atan, atan2, diff, factor, log, polylog, powdenest

from solvergen.algebra import precision
from solvergen.algebra.phi import elementary
from solvergen.algebra.prime_field import is_zero
from solvergen.algebra.zero import vanishes_between
from solvergen.derivation.invariants import constants_of
from solvergen.derivation.parameterization import at_times
from solvergen.derivation.semilinear import RADIUS
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.symbols import alpha, alpha_dot, alpha_s, s, sigma, sigma_dot, sigma_s, t

_u, _v = Dummy("u", positive=True), Dummy("v", positive=True)


class Proof(StrEnum):
    """How an identity was decided."""

    symbolic = "symbolically"
    numeric = f"to {precision.REFERENCE} digits at random points"


def prove_zero(expression: Expr, schedule: NoiseSchedule) -> Proof | None:
    """How it was found that an expression vanishes over the domain; None if it does not.

    Args:
        expression: in t, alpha, sigma and their derivatives, and in s, alpha_s, sigma_s. A proof
            in these symbols holds for every schedule.
    """
    expression = expression.replace(polylog, _logarithm)
    if is_zero(expression.replace(atan2, lambda y, x: atan(y / x))):
        return Proof.symbolic
    on_circle = _over_circle(expression, schedule)
    if on_circle is not None and is_zero(on_circle):
        return Proof.symbolic
    explicit = at_times(expression, schedule)
    if is_zero(explicit):
        return Proof.symbolic
    numeric = elementary(schedule.substitute(explicit))
    return Proof.numeric if vanishes_between(numeric, t, s, schedule.domain) else None


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
