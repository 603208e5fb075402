"""What a schedule keeps constant: the curve (alpha, sigma) as one relation.

alpha^2 + sigma^2 for a variance-preserving schedule, alpha + sigma for a rectified flow, alpha
for a variance-exploding one, or sigma.
"""

from collections.abc import Callable
from functools import lru_cache

from sympy import Dummy, Expr, Integer, Poly, Pow, Symbol, factor, sqrt, together

from solvergen.derivation.parameterization import at_schedule
from solvergen.derivation.semilinear import RADIUS
from solvergen.schedules.identities import constant_ratio
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.symbols import alpha, sigma

_radius = Dummy("r", positive=True)

Relation = Callable[[Expr, Expr], Expr]
"""The other coefficient as a function of one and of the size of the constant."""


def _on_circle(one: Expr, size: Expr) -> Expr:
    return sqrt(size**2 - one**2)


def _on_line(one: Expr, size: Expr) -> Expr:
    return size - one


def _fixed(one: Expr, size: Expr) -> Expr:
    return size


RELATIONS: dict[Expr, tuple[tuple[Symbol, Symbol, Relation], ...]] = {
    RADIUS: ((alpha, sigma, _on_circle), (sigma, alpha, _on_circle)),
    alpha + sigma: ((alpha, sigma, _on_line), (sigma, alpha, _on_line)),
    alpha: ((sigma, alpha, _fixed),),
    sigma: ((alpha, sigma, _fixed),),
}
"""{scale: ((one, other, other as a function of one), ..)}."""


@lru_cache(maxsize=64)
def constants_of(schedule: NoiseSchedule) -> tuple[tuple[Expr, Expr], ...]:
    """(scale, size) for each of the four that is constant in time."""
    found = (
        (scale, constant_ratio(at_schedule(scale, schedule), Integer(1), schedule))
        for scale in RELATIONS
    )
    return tuple((scale, size) for scale, size in found if size is not None)


def on_relations(expression: Expr, schedule: NoiseSchedule) -> Expr:
    """A function of alpha and sigma, factored, with what is constant put in."""
    for scale, size in constants_of(schedule):
        square = scale**2
        if scale in (alpha, sigma):
            expression = expression.subs(scale, size)
            continue
        expression = factor(together(_replaced(expression, scale, square, size)))
        expression = _replaced(expression, scale, square, size)
    return expression


def _replaced(expression: Expr, scale: Expr, square: Expr, size: Expr) -> Expr:
    """Powers of the scale, or of its square, as powers of the size."""
    expression = expression.replace(
        lambda e: isinstance(e, Pow) and e.base in (scale, square),
        lambda e: size ** (e.exp if e.base == scale else 2 * e.exp),
    )
    return expression.subs({scale: size, square: size**2})


def over_radius(expression: Expr, variable: Symbol, point: Expr) -> Expr:
    """A function of z at z = ``point`` in alpha and sigma, as A + B r where r is in the point."""
    if not point.has(RADIUS) or not point.has(alpha, sigma):
        return expression.subs(variable, point)
    over = together(expression.subs(variable, point.subs(RADIUS, _radius)))
    square = alpha**2 + sigma**2
    top, bottom = (even_odd(e, _radius, square) for e in over.as_numer_denom())
    norm = bottom[0] ** 2 - bottom[1] ** 2 * square
    even = factor((top[0] * bottom[0] - top[1] * bottom[1] * square) / norm)
    odd = factor((top[1] * bottom[0] - top[0] * bottom[1]) / norm)
    return even + odd * RADIUS


def even_odd(polynomial: Expr, root: Symbol, square: Expr) -> tuple[Expr, Expr]:
    """(A, B) with  A + B root  the polynomial in the root, root^2 = ``square``."""
    parts = [Integer(0), Integer(0)]
    for (power,), coefficient in Poly(polynomial, root).terms():
        parts[power % 2] += coefficient * square ** (power // 2)
    return parts[0], parts[1]


def reduced_power(polynomial: Expr, root: Symbol, square: Expr) -> Expr:
    """A polynomial in the root with no power above the first, root^2 = ``square``."""
    even, odd = even_odd(polynomial, root, square)
    return even + odd * root
