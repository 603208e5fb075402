"""Arithmetic as text: read with a white-list, made exact, and written so that it reads back.

The grammar is numbers, named symbols, ``+ - * / **``, ``^`` for ``**``, unary signs, parentheses,
the functions of ``FUNCTIONS`` and those that are registered, with or without ``np.`` or ``math.``,
``where(t < c, A, B)`` for A before c and B after, and ``interpolate(table, x)`` and
``slope(table, x)`` for the tables that come with the text. Nothing is ever evaluated as Python: the
text becomes a syntax tree, and a walk over the tree (``reader``) builds the sympy expression or
refuses. ``size`` says how large all of it may be.
"""

import ast
import numbers
from collections.abc import Iterable
from decimal import Decimal
from math import isfinite

import numpy as np
import sympy
from sympy import Expr, Float, Rational, Symbol
from sympy.printing.str import StrPrinter

from solvergen import naming
from solvergen.algebra import size
from solvergen.algebra.functions import REGISTRY
from solvergen.algebra.reader import FUNCTIONS, TABLE_FUNCTIONS, Reader, flat
from solvergen.algebra.tables import Table
from solvergen.errors import ScheduleError
from solvergen.symbols import t

__all__ = ["FUNCTIONS", "TABLE_FUNCTIONS", "exact", "flat", "parse", "rational", "to_text"]

_RECIPROCALS = {
    "cot": "tan",
    "sec": "cos",
    "csc": "sin",
    "coth": "tanh",
    "sech": "cosh",
    "csch": "sinh",
}

_UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)
_IMPOSSIBLE = (TypeError, ValueError, ArithmeticError, AttributeError, NotImplementedError)
"""What sympy raises for arguments that a function has no value for, as ``sqrt(-1) < t``."""


def parse(text: str, names: Iterable[Symbol | Table] = ()) -> Expr:
    """The expression that ``text`` spells, in ``t`` and the symbols and tables ``names``.

    Decimal numbers are exact: ``0.1`` is 1/10. ``pi`` is the constant. Raises ScheduleError for
    anything outside the grammar, and for formulas, numbers or powers too large to be meant.
    """
    names = tuple(names)
    if not isinstance(text, str):
        raise ScheduleError(f"got {naming.shown(text)}; expected a formula as text")
    if len(text) > size.MAX_LENGTH:
        raise ScheduleError(
            f"expression too long: got {len(text)} characters, expected at most {size.MAX_LENGTH}"
        )
    text = _normal(text)
    try:
        tree = ast.parse(text, mode="eval")
    except _UNREADABLE as error:
        raise ScheduleError(
            f"cannot read the expression {naming.shown(text)}: expected arithmetic such as "
            "'1 - t**2'"
        ) from error
    tables = {one.name: one for one in names if isinstance(one, Table)}
    symbols = {one.name: one for one in names if isinstance(one, Symbol)}
    reader = Reader(text, {"t": t, "pi": sympy.pi} | symbols, tables)
    try:
        return reader.read(tree.body)
    except _IMPOSSIBLE as error:
        raise ScheduleError(
            f"in the expression {naming.shown(text)}: {error}; expected real numbers"
        ) from error


def _normal(text: str) -> str:
    """A formula on one line, with ``**`` for ``^``, which Python would read as something else."""
    for refused, name in (("#", "a comment"), ("\\", "a backslash")):
        if refused in text:
            raise ScheduleError(
                f"in the expression {naming.shown(text)}: got {name}; expected arithmetic alone"
            )
    return " ".join(text.split()).replace("^", "**")


def exact(expression: Expr) -> Expr:
    """The same expression with every float replaced by the rational that its decimal text spells.

    A user's ``0.1 * t`` means t/10, not the nearest binary fraction.
    """
    floats = expression.atoms(Float)
    for number in floats:
        if not number.is_finite:
            raise ScheduleError(f"got the number {number} in {expression}; expected finite numbers")
    return flat(expression.xreplace({number: rational(float(number)) for number in floats}))


def rational(number: object) -> Rational:
    """A number as the exact rational that its shortest decimal text spells; ScheduleError if not
    finite, or no number.

    Text is read as a formula without symbols: ``0.1``, ``1/3``, ``1e-4``.
    """
    try:
        value = _rational(number)
    except ScheduleError as error:
        raise ScheduleError(
            f"got {naming.shown(number)}; expected a finite real number, as 0.1 or 1/3 ({error})"
        ) from error
    if value is None or not value.is_Rational:
        raise ScheduleError(f"got {naming.shown(number)}; expected a finite real number")
    if found := size.excess_of_number(value):
        raise ScheduleError(f"got {naming.shown(number)}: {found}")
    return value


def _rational(number: object) -> Expr | None:
    """None for what is no number. Nothing is handed to sympy to guess: it evaluates text."""
    match number:
        case str():
            return parse(number)
        case bool() | np.bool_():
            return None
        case Rational():
            return number
        case numbers.Rational():
            return Rational(int(number.numerator), int(number.denominator))
        case Decimal() if number.is_finite() and abs(number.adjusted()) <= size.MAX_DECIMALS:
            return Rational(*number.as_integer_ratio())
        case float() | np.floating() if isfinite(number):
            return Rational(str(number))
    return None


class _TextPrinter(StrPrinter):
    """Text in the grammar of ``parse``."""

    def _print_Exp1(self, _: Expr) -> str:  # noqa: N802
        return "exp(1)"

    def _print_Function(self, call: Expr) -> str:  # noqa: N802
        name = call.func.__name__
        if name in _RECIPROCALS:
            return f"(1/{_RECIPROCALS[name]}({self._print(call.args[0])}))"
        if name not in FUNCTIONS and REGISTRY.get(name) is not call.func:
            raise ScheduleError(
                f"{call} cannot be written as text: expected only {', '.join(FUNCTIONS)}"
            )
        return f"{name}({', '.join(self._print(argument) for argument in call.args)})"

    def _print_Abs(self, call: Expr) -> str:  # noqa: N802
        return f"Abs({self._print(call.args[0])})"

    def _print_Interpolate(self, call: Expr) -> str:  # noqa: N802
        return f"interpolate({call.args[0].name}, {self._print(call.args[1])})"

    def _print_Slope(self, call: Expr) -> str:  # noqa: N802
        return f"slope({call.args[0].name}, {self._print(call.args[1])})"

    def _print_Piecewise(self, expression: Expr) -> str:  # noqa: N802
        *cases, (last, otherwise) = expression.args
        comparisons = (sympy.Lt, sympy.Le, sympy.Gt, sympy.Ge)
        if otherwise != True or not all(isinstance(test, comparisons) for _, test in cases):  # noqa: E712
            raise ScheduleError(
                f"{expression} cannot be written as text: expected cases by single comparisons, "
                "and a last one that holds otherwise"
            )
        text = self._print(last)
        for value, test in reversed(cases):
            condition = f"{self._print(test.lhs)} {test.rel_op} {self._print(test.rhs)}"
            text = f"where({condition}, {self._print(value)}, {text})"
        return text


def to_text(expression: Expr) -> str:
    """Text that ``parse`` reads back to an equal expression."""
    return str(_TextPrinter().doprint(expression))
