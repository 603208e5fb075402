"""What makes two formulas a noise schedule, checked at points of the domain in many digits."""

from itertools import combinations, pairwise
from typing import Any

import mpmath
import sympy
from sympy import Expr

from solvergen.algebra.evaluation import end_points, evaluate_mp, is_real
from solvergen.errors import ScheduleError
from solvergen.symbols import t

_DIGITS = 60


def validate(alpha: Expr, sigma: Expr, domain: tuple[Expr, Expr]) -> None:
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
    points = end_points(low, high, closest=12, interior=63)
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
        ratios.append(a / b)
    for before, after, r, r_next in zip(points, points[1:], ratios, ratios[1:], strict=False):
        if not r_next < r:
            raise ScheduleError(
                f"alpha/sigma goes from {float(r):.6g} at t = {before:.17g} to "
                f"{float(r_next):.6g} at t = {after:.17g}; expected a half-log-SNR that strictly "
                "decreases: shorten the domain, or reverse time if noise falls with t"
            )


def _value(name: str, formula: Expr, point: float) -> Any:
    value = evaluate_mp(formula, t, point, _DIGITS)
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
        with mpmath.workdps(_DIGITS):
            step = (high - low) * mpmath.mpf("1e-20")
            values = [evaluate_mp(formula, t, point + k * step, _DIGITS) for k in (-2, -1, 1, 2)]
            if not all(is_real(value) for value in values):
                continue
            left, right = values[1] - values[0], values[3] - values[2]
            jump = abs(values[2] - values[1])
        where = (
            f"{name} = {formula} has a {{}} at t = {float(point):.6g}; expected a differentiable "
        )
        where += "formula: smooth it, or end the domain there"
        if jump > 1e-9 * (1 + abs(values[1])):
            raise ScheduleError(where.format("jump"))
        if abs(right - left) > 1e-9 * (abs(left) + abs(right)):
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
    with mpmath.workdps(_DIGITS):
        grid = [low + (high - low) * (k + mpmath.phi - 1) / 64 for k in range(64)]
        found = []
        for a, b in pairwise(grid):
            if _sign(switch, a) * _sign(switch, b) < 0:
                found.append(_bisect(switch, a, b))
    return found


def _bisect(switch: Expr, a: Any, b: Any) -> Any:
    for _ in range(4 * _DIGITS):
        middle = (a + b) / 2
        if _sign(switch, middle) == _sign(switch, b):
            b = middle
        else:
            a = middle
    return (a + b) / 2


def _sign(switch: Expr, point: Any) -> Any:
    return mpmath.sign(evaluate_mp(switch, t, point, _DIGITS))
