"""What makes two formulas a noise schedule, checked at points of the domain in many digits."""

from typing import Any

import sympy
from sympy import Expr

from solvergen.errors import ScheduleError
from solvergen.evaluation import end_points, evaluate_mp, is_real
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
