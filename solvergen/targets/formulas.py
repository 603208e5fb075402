"""Spells formulas as numpy source."""

import re
from dataclasses import dataclass
from functools import lru_cache

from sympy import Expr, Piecewise, Symbol

from solvergen.algebra.accurate_form import Parameters
from solvergen.algebra.numpy_code import host_code, shared
from solvergen.scalars.conversion import SLOPES
from solvergen.symbols import alpha, sigma, t

INDENT = "    "
ARRAYS = {t, alpha, sigma, *SLOPES}
"""What is an array where a formula is computed at many times."""


def inlined(statement: str, argument: str, array: str = "np.asarray({}, dtype=np.float64)") -> str:
    """A statement that reads its argument once, as an ``array``; empty if it is none."""
    found = re.findall(rf"\b{argument}\b", statement)
    if len(found) != 1 or "\n" in statement:
        return ""
    return re.sub(rf"\b{argument}\b", array.format(argument), statement)


@dataclass(frozen=True)
class Spelling:
    """Spells formulas in which some symbols are constants of the module.

    Attributes:
        parameters: those symbols.
        library: what computes with arrays: ``xp`` where that follows from the arrays.
    """

    parameters: Parameters
    library: str = "np"

    def code(self, expression: Expr) -> str:
        """The operations that an expression spells."""
        return host_code(expression, self.parameters, follows_arrays=self.library == "xp")

    def at_times(self, form: Expr) -> str:
        """The values of a formula at the times t: an array, if it is constant too."""
        code = self.code(form)
        return code if form.free_symbols & ARRAYS else f"{self.library}.full_like(t, {code})"

    def in_parts(
        self, *forms: Expr, longest: int | None = None
    ) -> tuple[tuple[str, ...], tuple[Expr, ...]]:
        """Statements that compute what occurs twice, and the forms in the names of these parts.

        Formulas of more than ``longest`` characters have names for the arguments of functions too.
        """
        return _in_parts(self, forms, longest)

    def returned(self, *forms: Expr, within: str = "{}") -> str:
        """Statements that return these values, with what occurs twice computed once."""
        lines, left = self.in_parts(*forms)
        values = ", ".join(map(self.code, left))
        return f"\n{INDENT}".join([*lines, f"return {within.format(values)}"])

    def function_of_time(self, form: Expr) -> str:
        """Statements that return a function of t; alpha and sigma in it are calls."""
        if form.has(t):
            return self.returned(form)
        calls = {one: Symbol(f"{one}(t)") for one in (alpha, sigma)}
        if form.has(*calls):
            return f"return {self.code(form.xreplace(calls))}"
        return f"return {self.at_times(form)}"

    def inverse(self, form: Expr | None, value: Symbol, function: str) -> str:
        """Statements that return the inverse of a function of t: the closed form, or a table."""
        if form is None:
            return f"return _solve({function}, {self.code(value)})"
        if self.library == "xp" and form.has(Piecewise):
            return self.returned(form, within=f"_attached({function}, {self.code(value)}, {{}})")
        return self.returned(form)


@lru_cache(maxsize=512)
def _in_parts(
    spelling: Spelling, forms: tuple[Expr, ...], longest: int | None
) -> tuple[tuple[str, ...], tuple[Expr, ...]]:
    """Once for all modules of a schedule, whatever their scheme and target."""
    found, left = shared(
        forms, lambda form: longest is not None and len(spelling.code(form)) > longest
    )
    return tuple(f"{symbol} = {spelling.code(form)}" for symbol, form in found), tuple(left)
