"""Functions of one real number that a user adds to the language of formulas.

A registered function comes with its derivative as a formula, with numpy source, which becomes a
definition in emitted modules, and with an mpmath implementation, which they are measured against.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import mpmath
import numpy as np
from sympy import Expr, Float, Function, Symbol

x = Symbol("x", real=True)
"""The argument in a derivative."""


@dataclass(frozen=True)
class Definition:
    """What is known of a registered function.

    Attributes:
        name: as formulas and emitted modules call it.
        derivative: its derivative as text, in ``x``.
        numpy: an expression in ``x`` and ``np``, or the whole ``def``.
        in_many_digits: the function of an mpf.
    """

    name: str
    derivative: str
    numpy: str
    in_many_digits: Callable[[Any], Any] = field(compare=False)

    @property
    def source(self) -> str:
        """The definition as it stands in an emitted module."""
        if self.numpy.startswith("def "):
            return self.numpy
        return f'def {self.name}(x):\n    """{self.name}(x)."""\n    return {self.numpy}'

    @cached_property
    def in_float(self) -> Callable[[Any], Any]:
        """The function of a float64 array."""
        names: dict[str, Any] = {"np": np}
        exec(self.source, names)
        function: Callable[[Any], Any] = names[self.name]
        return function


class Registered(Function):
    """Base of the sympy classes of registered functions."""

    nargs = 1
    is_real = True
    is_commutative = True
    definition: Definition
    derivative: Expr

    def fdiff(self, argindex: int = 1) -> Expr:
        """g'(argument)."""
        return self.derivative.xreplace({x: self.args[0]})

    def _eval_evalf(self, precision: int) -> Expr:
        if not self.args[0].is_number:
            return self
        with mpmath.workprec(precision):
            argument = self.args[0].evalf(mpmath.mp.dps)._to_mpmath(precision)
            return Float(self.definition.in_many_digits(argument), precision=precision)


REGISTRY: dict[str, type[Registered]] = {}
"""The registered functions by name."""


def used(expression: Expr) -> tuple[Definition, ...]:
    """The registered functions in an expression and in the derivatives of those."""
    found: dict[str, Definition] = {}
    waiting = list(expression.atoms(Registered))
    while waiting:
        call = waiting.pop()
        if call.definition.name not in found:
            found[call.definition.name] = call.definition
            waiting += call.derivative.atoms(Registered)
    return tuple(found[name] for name in sorted(found))


def namespace(expression: Expr, in_float: bool) -> dict[str, Any]:
    """What the names of registered functions stand for when ``expression`` is evaluated."""
    return {one.name: one.in_float if in_float else one.in_many_digits for one in used(expression)}
