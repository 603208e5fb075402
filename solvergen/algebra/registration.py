"""How a user adds a function to the language of formulas."""

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
from sympy import Expr

from solvergen import naming
from solvergen.algebra import namespace, precision
from solvergen.algebra.evaluation import evaluate_mp, is_real
from solvergen.algebra.expressions import FUNCTIONS, TABLE_FUNCTIONS, parse, to_text
from solvergen.algebra.functions import REGISTRY, Definition, Registered, x
from solvergen.errors import ScheduleError, explained

POINTS = (0.125, 0.5, 0.875)
"""Where a function is tried: nobody knows its domain, but it should hold a part of (0, 1)."""
EXPECTED = (
    "expected a derivative in x, numpy source in x and np that defines a function of that name, "
    "and a function of an mpf"
)


def register_function(
    name: str,
    *,
    derivative: Expr | str,
    numpy: str,
    in_many_digits: Callable[[Any], Any],
) -> type[Registered]:
    """A smooth function of one real number, for use in the formulas of a schedule.

    Args:
        name: how text and emitted modules call it.
        derivative: a formula in ``x``, which may call registered functions, this one included.
        numpy: source of an expression in ``x`` and ``np``, or of a whole ``def name(x)``. It is
            executed here and stands in emitted modules.
        in_many_digits: the function of an mpf in the precision that is in force.

    Returns:
        The sympy function, to be called in formulas.

    Raises:
        ScheduleError: the name is taken, or numpy or the derivative contradicts
            ``in_many_digits``.

    >>> gd = register_function("gd", derivative="1/cosh(x)",
    ...     numpy="2 * np.arctan(np.tanh(x / 2))",
    ...     in_many_digits=lambda u: 2 * mpmath.atan(mpmath.tanh(u / 2)))
    """
    _check_name(name)
    with explained(f"function {name}", ScheduleError, EXPECTED):
        text = derivative.strip() if isinstance(derivative, str) else to_text(derivative)
        definition = Definition(name, text, numpy.strip(), in_many_digits)
    known = REGISTRY.get(name)
    if known is None:
        return _register(definition)
    if known.definition == definition:
        return known
    raise ScheduleError(f"{name} is registered already; expected another name")


def _register(definition: Definition) -> type[Registered]:
    """Put a new function into the registry, unless it contradicts itself."""
    members = {"definition": definition, "__module__": __name__}
    function: type[Registered] = type(definition.name, (Registered,), members)
    REGISTRY[definition.name] = function  # the derivative may call it
    try:
        with explained(f"function {definition.name}", ScheduleError, EXPECTED):
            function.derivative = parse(definition.derivative, (x,))
            _check_function(function)
    except Exception:
        del REGISTRY[definition.name]
        raise
    return function


def _check_name(name: str) -> None:
    naming.identifier("function name", name, ScheduleError)
    if name in FUNCTIONS or name in TABLE_FUNCTIONS or namespace.is_taken(name):
        raise ScheduleError(
            f"function name: {name} has a meaning already, in formulas or in emitted modules; "
            "expected another name"
        )


def _check_function(function: type[Registered]) -> None:
    """Compare float64 and the derivative with the implementation in many digits."""
    definition = function.definition
    for point in POINTS:
        with mpmath.workdps(precision.REFERENCE):
            try:
                exact = definition.in_many_digits(mpmath.mpf(point))
                slope = mpmath.diff(definition.in_many_digits, mpmath.mpf(point))
            except (ValueError, ZeroDivisionError):
                continue
        if is_real(exact):
            found = float(definition.in_float(np.array([point]))[0])
            _compare(f"{definition.name}({point}) in numpy", found, exact)
            stated = evaluate_mp(function.derivative, x, point)
            _compare(f"the derivative of {definition.name} at {point}", stated, slope)


def _compare(what: str, found: Any, exact: Any) -> None:
    if not abs(found - exact) <= precision.FUNCTION * (1 + abs(exact)):
        raise ScheduleError(
            f"{what} is {float(found)!r}; expected {float(exact)!r}, as in_many_digits has it"
        )
