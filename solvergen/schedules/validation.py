"""What makes two formulas a noise schedule, checked at points of the domain in many digits."""

from itertools import combinations, pairwise
from typing import Any

import mpmath
import sympy
from sympy import Expr

from solvergen.algebra import precision
from solvergen.algebra.evaluation import Domain, evaluate_mp, is_real, points_near_ends
from solvergen.errors import ScheduleError
from solvergen.symbols import t

FINENESS = {"closest": 12, "interior": 63}
"""Of the points that are tried. Inside, humps of a 64th of the domain are seen; 10^-12 of it from
the ends, lambda still changes from point to point in 60 digits."""

FLAT = 100
"""Beside the ends, over this part of the domain, lambda may stay what it is in 60 digits: 10^-12 of
the width from an end where alpha is 1 - t^8, that falls by 10^-96."""

SWITCHES = 64
"""Cells in which a condition may change its sign once."""

JUMP = 1e-9
"""What a formula or its slope may change by at a point where it changes branch: users give
constants of their branches in ten digits, and a real jump or kink is larger."""


@precision.own
def validate(alpha: Expr, sigma: Expr, domain: Domain) -> None:
    """Raise ScheduleError unless, on the open domain, alpha > 0, sigma > 0 and lambda strictly
    decreases.

    The formulas may reach alpha = 0 or sigma = 0 at the ends, and only there.
    """
    if t not in alpha.free_symbols | sigma.free_symbols:
        raise ScheduleError(
            f"alpha = {alpha} and sigma = {sigma} are both constant; "
            "expected noise that grows with t"
        )
    low, high = (float(sympy.N(end)) for end in domain)
    for name, formula in (("alpha", alpha), ("sigma", sigma)):
        _check_smooth(name, formula, low, high)
    points = points_near_ends(low, high, **FINENESS)
    ratios = []
    for point in points:
        a = _value("alpha", alpha, point)
        b = _value("sigma", sigma, point)
        if not a > 0:
            raise ScheduleError(
                f"alpha = {alpha} is {float(a):.6g} at t = {point:.17g}; expected alpha > 0 "
                "inside the domain: end the domain where alpha reaches 0"
            )
        if not b > 0:
            raise ScheduleError(
                f"sigma = {sigma} is {float(b):.6g} at t = {point:.17g}; expected sigma > 0 "
                "inside the domain: start the domain where sigma is 0"
            )
        with mpmath.workdps(precision.CHECK):
            ratios.append(a / b)
    inner = (low + (high - low) / FLAT, high - (high - low) / FLAT)
    for (before, r), (after, r_next) in pairwise(zip(points, ratios, strict=True)):
        is_flat = r_next == r and not (after > inner[0] and before < inner[1])
        if not (r_next < r or is_flat):
            raise ScheduleError(
                f"alpha/sigma goes from {float(r):.6g} at t = {before:.17g} to "
                f"{float(r_next):.6g} at t = {after:.17g}; expected a half-log-SNR that strictly "
                "decreases: shorten the domain, or reverse time if noise falls with t"
            )


def _value(name: str, formula: Expr, point: float) -> Any:
    value = evaluate_mp(formula, t, point, precision.CHECK)
    if not is_real(value):
        raise ScheduleError(
            f"{name} = {formula} is {value} at t = {point:.17g}; expected a finite real value: "
            "shorten the domain to where the formula holds"
        )
    return value


def _check_smooth(name: str, formula: Expr, low: float, high: float) -> None:
    """Raise ScheduleError where ``formula`` changes branch with a jump in its value or its
    slope.
    """
    if formula.has(sympy.floor, sympy.ceiling, sympy.frac):
        raise ScheduleError(f"{name} = {formula} has steps; expected a differentiable formula")
    for point in _branch_points(formula, low, high):
        with mpmath.workdps(precision.CHECK):
            step = (high - low) * precision.DIFFERENCE
            values = [
                evaluate_mp(formula, t, point + k * step, precision.CHECK) for k in (-2, -1, 1, 2)
            ]
            if not all(is_real(value) for value in values):
                continue
            left, right = values[1] - values[0], values[3] - values[2]
            jump = abs(values[2] - values[1])
        where = (
            f"{name} = {formula} has a {{}} at t = {float(point):.6g}; expected a differentiable "
        )
        where += "formula: smooth it, or end the domain there"
        if jump > JUMP * (1 + abs(values[1])):
            raise ScheduleError(where.format("jump"))
        if abs(right - left) > JUMP * (abs(left) + abs(right)):
            raise ScheduleError(where.format("kink"))


def _branch_points(formula: Expr, low: float, high: float) -> list[Any]:
    """The times inside the domain at which a condition, an absolute value or a maximum switches."""
    switches = {e.lhs - e.rhs for e in formula.atoms(sympy.core.relational.Relational)}
    switches |= {e.args[0] for e in formula.atoms(sympy.Abs, sympy.sign, sympy.Heaviside)}
    for e in formula.atoms(sympy.Max, sympy.Min):
        switches |= {a - b for a, b in combinations(e.args, 2)}
    return [point for switch in switches for point in _sign_changes(switch, low, high)]


def _sign_changes(switch: Expr, low: float, high: float) -> list[Any]:
    """Where ``switch`` changes sign, by bisection between points of irrational spacing."""
    with mpmath.workdps(precision.CHECK):
        grid = [low + (high - low) * (k + mpmath.phi - 1) / SWITCHES for k in range(SWITCHES)]
        found = []
        for a, b in pairwise(grid):
            if _sign(switch, a) * _sign(switch, b) < 0:
                found.append(_bisect(switch, a, b))
    return found


def _bisect(switch: Expr, a: Any, b: Any) -> Any:
    for _ in range(4 * precision.CHECK):
        middle = (a + b) / 2
        if _sign(switch, middle) == _sign(switch, b):
            b = middle
        else:
            a = middle
    return (a + b) / 2


def _sign(switch: Expr, point: Any) -> Any:
    return mpmath.sign(evaluate_mp(switch, t, point, precision.CHECK))
