"""Formulas as a person writes them, in text and in LaTeX: t - s, not -s + t."""

from typing import Any

from sympy import Add, Expr
from sympy.printing.latex import LatexPrinter
from sympy.printing.str import StrPrinter


def _positive_first(terms: list[Expr]) -> list[Expr]:
    """The terms of a sum with one that has no minus sign in front."""
    lead = next((one for one in terms if not one.could_extract_minus_sign()), None)
    if lead is None or lead is terms[0]:
        return terms
    return [lead, *(one for one in terms if one is not lead)]


class _Text(StrPrinter):
    def _as_ordered_terms(self, expr: Add, order: Any = None) -> list[Expr]:
        return _positive_first(super()._as_ordered_terms(expr, order))


class _Latex(LatexPrinter):
    def _as_ordered_terms(self, expr: Add, order: Any = None) -> list[Expr]:
        return _positive_first(super()._as_ordered_terms(expr, order))


def text(expression: Expr) -> str:
    """One line."""
    return str(_Text().doprint(expression))


def latex(expression: Expr) -> str:
    """For a display."""
    return str(_Latex().doprint(expression))
