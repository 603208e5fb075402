"""Antiderivatives of the moments in closed form, found within a budget and proved.

    J_k' = w gamma^k,      w = dq/dgamma

With sums over a step,  mean of gamma^k = [J_k]/[J_0],  the normalised moments follow. Where
w = b/(R gamma') is known as a function of t only, t(gamma) is put in first.
"""

from functools import lru_cache

from sympy import Expr, Float, Integral, Piecewise, diff, integrate, simplify

from solvergen import budget
from solvergen.identities import is_zero, values
from solvergen.moments import Weights
from solvergen.symbols import gamma, t

SECONDS = 1.0


@lru_cache(maxsize=256)
def moment_antiderivative(weights: Weights, k: int) -> Expr | None:
    """J_k(gamma), or None if none was found and proved within the budget."""
    density = weights.density
    if weights.ode.clock is None:
        return None
    if t in density.free_symbols:
        if weights.time_at is None:
            return None
        density = density.subs(t, weights.time_at)
    integrand = density * gamma**k
    found = budget.within(SECONDS, integrate, integrand, gamma, default=None)
    if found is None or found.has(Integral):
        return None
    found = _branch(found, weights)
    short = budget.within(SECONDS, simplify, found, default=found)
    best = min((found, short), key=lambda form: form.count_ops())
    return best if _is_antiderivative(best, integrand, weights) else None


def _branch(found: Expr, weights: Weights) -> Expr:
    """The piece of every piecewise expression that holds inside the domain."""
    inside = values(weights.variable, weights.schedule)[0]

    def piece(whole: Piecewise) -> Expr:
        for expression, condition in whole.args:
            if condition.subs(gamma, Float(inside)) == True:  # noqa: E712 - a sympy Boolean
                return expression
        return whole

    return found.replace(lambda one: isinstance(one, Piecewise), lambda one: piece(one))


def _is_antiderivative(found: Expr, integrand: Expr, weights: Weights) -> bool:
    """Whether J' - w gamma^k vanishes at the values that gamma takes over the domain."""
    gap = (diff(found, gamma) - integrand).subs(gamma, weights.variable)
    return is_zero(gap, weights.schedule)
