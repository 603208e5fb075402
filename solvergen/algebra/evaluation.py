"""Values of expressions of one symbol: in float64, vectorised, and in many digits."""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import mpmath
import numpy as np
import sympy
from numpy.typing import ArrayLike, NDArray
from sympy import Expr, Symbol

from solvergen.algebra import functions, precision, steady, tables
from solvergen.algebra.mpmath_code import can_write, program
from solvergen.algebra.numpy_code import ERF, HostPrinter
from solvergen.algebra.root_sums import in_many_digits, root_logarithms

Domain = tuple[Expr, Expr]
"""The ends of an interval of times."""

Parameters = tuple[tuple[Symbol, Expr], ...]
"""(symbol, value) of each constant that has a name."""


@lru_cache(maxsize=4096)
def compiled(expression: Expr, symbols: tuple[Symbol, ...], modules: str) -> Callable[..., Any]:
    """``expression`` as a function of ``symbols``; ``modules`` is ``numpy`` or ``mpmath``.

    In numpy by the operations that an emitted module takes, in their order; ``steady``, because
    values decide which formulas are written.
    """
    in_float = modules == "numpy"
    if not can_write(expression):
        names = tables.namespace(expression, in_float) | functions.namespace(expression, in_float)
        names |= {root_logarithms.__name__: in_many_digits}
        libraries = [names, steady.FUNCTIONS, modules] if in_float else [names, modules]
        return sympy.lambdify(symbols, expression, modules=libraries)
    if not in_float:
        return program(expression, symbols)
    names = {symbol: f"x{k}" for k, symbol in enumerate(symbols)}
    code = HostPrinter(names).doprint(expression)
    known = {ERF: np.vectorize(math.erf, otypes=[float])}
    return steady.function(code, tuple(names.values()), known)


def evaluate_float(
    expression: Expr,
    symbol: Symbol,
    values: ArrayLike,
    parameters: Parameters = (),
) -> NDArray[np.float64]:
    """``expression`` at float64 ``values``, by the operations that it spells, in their order.

    Parameters enter as float64 constants, as in an emitted module, and not as exact numbers, which
    sympy would multiply into sums. Values outside the real domain give nan, poles give inf; no
    warnings.
    """
    points = np.asarray(values, dtype=np.float64)
    constants = [np.float64(float(value)) for _, value in parameters]
    function = compiled(expression, (symbol, *(name for name, _ in parameters)), "numpy")
    with np.errstate(all="ignore"):
        result = np.asarray(function(points, *constants))
        if np.iscomplexobj(result):
            result = np.where(result.imag == 0, result.real, np.nan)
        return np.broadcast_to(result.astype(np.float64), points.shape).copy()


def evaluate_mp(
    expression: Expr, symbol: Symbol, value: Any, digits: int = precision.REFERENCE
) -> Any:
    """``expression`` at ``value`` in ``digits`` decimal digits: an mpf, or an mpc where it is
    complex.

    ``value`` may be a float (taken exactly), an mpf or a sympy number. A pole gives nan, and so
    does a complex argument of a function of a real one.
    """
    return evaluate_mp_at(expression, (symbol,), (value,), digits)


def evaluate_mp_at(
    expression: Expr,
    symbols: tuple[Symbol, ...],
    values: Sequence[Any],
    digits: int = precision.REFERENCE,
) -> Any:
    """The same of an expression of several symbols."""
    with mpmath.workdps(digits):
        point = [value if isinstance(value, mpmath.mpc) else as_mp(value) for value in values]
        try:
            result = mpmath.mpmathify(compiled(expression, symbols, "mpmath")(*point))
        except (ZeroDivisionError, ValueError, OverflowError, TypeError):
            return mpmath.nan
        if isinstance(result, mpmath.mpc) and result.imag == 0:
            return result.real
        return +result


def as_mp(value: Any) -> Any:
    """A number in the precision that is in force."""
    if isinstance(value, Expr):
        return sympy.N(value, mpmath.mp.dps)._to_mpmath(mpmath.mp.prec)
    return mpmath.mpf(value)


def time_of(logit: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    """t with log((t - low)/(high - t)) = logit: with the digits of the distance to the nearer end,
    as the emitted ``_time_at``.
    """
    small = steady.NUMPY.exp(-np.abs(logit))
    gap = (high - low) * small / (1.0 + small)
    return np.where(logit < 0.0, low + gap, high - gap)


def points_near_ends(low: float, high: float, closest: int = 15, interior: int = 21) -> list[float]:
    """Points of (low, high): evenly spaced, and 10^-k of the width from both ends, k = 2 ..
    closest.

    float64 tells t_max - t from 0 down to 10^-16 of t_max, so 10^-15 is the last decade with a
    digit in it.
    """
    width = high - low
    even = [low + width * k / (interior + 1) for k in range(1, interior + 1)]
    close = [width * 10.0**-k for k in range(2, closest + 1)]
    points = [*even, *(low + d for d in close), *(high - d for d in close)]
    return sorted({point for point in points if low < point < high})


def is_real(value: Any) -> bool:
    """Whether a value of ``evaluate_mp`` is a finite real number."""
    return isinstance(value, mpmath.mpf) and bool(mpmath.isfinite(value))


@lru_cache(maxsize=2048)
def substitute(expression: Expr, parameters: Parameters) -> Expr:
    """``expression`` with the values of its parameters."""
    return expression.xreplace(dict(parameters)) if parameters else expression
