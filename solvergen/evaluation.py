"""Values of expressions of one symbol: in float64, vectorised, and in many digits."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import mpmath
import numpy as np
import sympy
from numpy.typing import ArrayLike, NDArray
from sympy import Expr, Symbol

DIGITS = 50
"""Decimal digits of a reference value."""


@lru_cache(maxsize=1024)
def _compiled(expression: Expr, symbol: Symbol, modules: str) -> Callable[[Any], Any]:
    return sympy.lambdify(symbol, expression, modules=modules)


def evaluate_float(expression: Expr, symbol: Symbol, values: ArrayLike) -> NDArray[np.float64]:
    """``expression`` at float64 ``values``, by the operations that it spells, in their order.

    Values outside its real domain give nan, poles give inf; no warnings.
    """
    points = np.asarray(values, dtype=np.float64)
    with np.errstate(all="ignore"):
        result = np.asarray(_compiled(expression, symbol, "numpy")(points))
        if np.iscomplexobj(result):
            result = np.where(result.imag == 0, result.real, np.nan)
        return np.broadcast_to(result.astype(np.float64), points.shape).copy()


def evaluate_mp(expression: Expr, symbol: Symbol, value: Any, digits: int = DIGITS) -> Any:
    """``expression`` at ``value`` in ``digits`` decimal digits: an mpf, or an mpc where it is
    complex.

    ``value`` may be a float (taken exactly), an mpf or a sympy number. A pole gives nan.
    """
    with mpmath.workdps(digits):
        point = as_mp(value)
        try:
            result = mpmath.mpmathify(_compiled(expression, symbol, "mpmath")(point))
        except (ZeroDivisionError, ValueError, OverflowError):
            return mpmath.nan
        if isinstance(result, mpmath.mpc) and result.imag == 0:
            return result.real
        return +result


def as_mp(value: Any) -> Any:
    """A number in the precision that is in force."""
    if isinstance(value, Expr):
        return sympy.N(value, mpmath.mp.dps)._to_mpmath(mpmath.mp.prec)
    return mpmath.mpf(value)


def end_points(low: float, high: float, closest: int = 15, interior: int = 21) -> list[float]:
    """Points of (low, high): evenly spaced, and 10^-k of the width from both ends, k = 1 ..
    closest.
    """
    width = high - low
    even = [low + width * k / (interior + 1) for k in range(1, interior + 1)]
    close = [width * 10.0**-k for k in range(2, closest + 1)]
    points = [*even, *(low + d for d in close), *(high - d for d in close)]
    return sorted({point for point in points if low < point < high})


def is_real(value: Any) -> bool:
    """Whether a value of ``evaluate_mp`` is a finite real number."""
    return isinstance(value, mpmath.mpf) and bool(mpmath.isfinite(value))


def substitute(expression: Expr, parameters: Sequence[tuple[Symbol, Expr]]) -> Expr:
    """``expression`` with the values of its parameters."""
    return expression.xreplace(dict(parameters)) if parameters else expression
