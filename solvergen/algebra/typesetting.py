"""Formulas as a person writes them, in text and in LaTeX: t - s, not -s + t.

``Total``, ``Product``, ``Quotient`` and ``Relation`` keep their terms in the order in which they
are given, where that says something: M_0 (ell_0 N_s + ell_1 N_s1). ``evaluated`` makes sums and
products of them.
"""

import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from sympy import Add, Expr, Function, Mul, Symbol
from sympy.core.expr import AtomicExpr
from sympy.core.function import AppliedUndef
from sympy.core.symbol import Str
from sympy.printing.latex import LatexPrinter
from sympy.printing.str import StrPrinter

GREEK = (
    "alpha", "beta", "gamma", "sigma", "lambda", "mu", "phi", "theta", "rho", "tau", "ell", "Phi",
    "omega", "kappa", "nu", "eta", "varepsilon",
)  # fmt: skip
"""What a name, or a part of one, is a letter for."""

SHORT_EXPONENT = 3
"""Operations of an exponent that is written above; longer ones stand beside exp."""


SIGNS = (r"\cdot", r"\le", r"\ge", r"\in", r"\propto", r"\to", r"\quad")
"""Commands after which there is space already."""

BY_QUADRATURE = r"\text{by quadrature}"


class Total(Function):
    """A sum in the given order."""

    def _sympystr(self, printer: Any) -> str:
        return _joined(self.args, printer.doprint)

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        return _joined(self.args, printer.doprint)


class Product(Function):
    """A product in the given order; sums in it stand in brackets."""

    def _sympystr(self, printer: Any) -> str:
        return "*".join(
            f"({printer.doprint(one)})" if _is_sum(one) else printer.doprint(one)
            for one in _factors(self)
        )

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        return r"\,".join(
            rf"\left[{printer.doprint(one)}\right]" if _is_sum(one) else printer.doprint(one)
            for one in _factors(self)
        )


class Quotient(Function):
    """A fraction, above and below."""

    def _sympystr(self, printer: Any) -> str:
        above, below = (
            f"({printer.doprint(one)})" if _is_sum(one) or one.is_Mul else printer.doprint(one)
            for one in self.args
        )
        return f"{above}/{below}"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        above, below = map(printer.doprint, self.args)
        return rf"\frac{{{above}}}{{{below}}}"


class Relation(Function):
    """``left sign right sign ..``, with a sign of LaTeX: ``=``, ``<``, ``\\le``."""

    def _sympystr(self, printer: Any) -> str:
        sign = {r"\le": "<=", r"\propto": "~"}.get(str(self.args[0]), str(self.args[0]))
        return f" {sign} ".join(map(printer.doprint, self.args[1:]))

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        return f" {self.args[0]} ".join(map(printer.doprint, self.args[1:]))


class Spelled(AtomicExpr):
    """A formula that is only shown, with its two spellings."""

    def __new__(cls, text: str, latex: str) -> "Spelled":
        return Expr.__new__(cls, Str(text), Str(latex))

    def _sympystr(self, _: Any) -> str:
        return str(self.args[0])

    def _latex(self, _: Any, exp: str | None = None) -> str:
        return str(self.args[1])


def relation(sign: str, *sides: Expr) -> Expr:
    """``left sign right``."""
    return Relation(Spelled(sign, sign), *sides)


def evaluated(expression: Expr) -> Expr:
    """The same as a sum of products."""
    divided = expression.replace(Quotient, lambda above, below: above / below)
    return divided.replace(Product, Mul).replace(Total, Add)


def _is_sum(e: Expr) -> bool:
    return isinstance(e, Total | Add)


def _factors(product: Product) -> list[Expr]:
    kept = [one for one in product.args if one != 1]
    return kept or [product.args[0]]


def _joined(terms: tuple[Expr, ...], spell: Any) -> str:
    """Terms with their signs between them."""
    text = ""
    for term in terms:
        is_negative, size = _size(term)
        sign = (" - " if is_negative else " + ") if text else ("-" if is_negative else "")
        text += sign + (f"({spell(size)})" if is_negative and _is_sum(size) else spell(size))
    return text or "0"


def _size(term: Expr) -> tuple[bool, Expr]:
    """Whether a term has a minus in front, and the term without it."""
    if isinstance(term, Product) and term.args[0].could_extract_minus_sign():
        first, *rest = term.args
        return True, Product(-first, *rest)
    is_negative = not isinstance(term, Total) and term.could_extract_minus_sign()
    return is_negative, -term if is_negative else term


def positive(product: Expr) -> Expr:
    """alpha (1 - e) for -alpha (e - 1): a minus in front goes into a sum that has one."""
    sign, rest = product.as_coeff_Mul()
    if sign.is_number and sign < 0:
        factors = list(Mul.make_args(rest))
        for n, one in enumerate(factors):
            if isinstance(one, Add):
                terms = [term.could_extract_minus_sign() for term in one.args]
                if 2 * sum(terms) >= len(terms) or len(terms) == 2:
                    factors[n] = -one
                    return Mul(-sign, *factors)
    return product


def _flipped(product: Expr) -> Expr:
    """a e for -(-a) e: the same without sums of nothing but negative terms."""
    below = [one for one in Mul.make_args(product) if _is_below(one)]
    rest = [one for one in Mul.make_args(product) if one not in below]
    return Mul((-1) ** len(below), *rest, *(-one for one in below)) if rest else product


def _is_below(factor: Expr) -> bool:
    """Whether it is a sum of nothing but negative terms."""
    terms = factor.args if isinstance(factor, Add) else ()
    return bool(terms) and all(one.as_coeff_Mul()[0].is_negative for one in terms)


def _positive_first(terms: list[Expr]) -> list[Expr]:
    """The terms of a sum with one that has no minus sign in front."""
    lead = next((one for one in terms if not one.could_extract_minus_sign()), None)
    if lead is None or lead is terms[0]:
        return terms
    return [lead, *(one for one in terms if one is not lead)]


class _Text(StrPrinter):
    def _as_ordered_terms(self, expr: Add, order: Any = None) -> list[Expr]:
        return _positive_first(super()._as_ordered_terms(expr, order))

    def _print_Symbol(self, expr: Symbol) -> str:  # noqa: N802
        return str(expr.name).replace("{", "").replace("}", "")


class _Latex(LatexPrinter):
    def _as_ordered_terms(self, expr: Add, order: Any = None) -> list[Expr]:
        return _positive_first(super()._as_ordered_terms(expr, order))

    def _print_Symbol(self, expr: Symbol, style: str = "plain") -> str:  # noqa: N802
        return name_latex(expr.name)

    def _print_Function(self, expr: Expr, exp: str | None = None) -> str:  # noqa: N802
        if not isinstance(expr, AppliedUndef):
            return str(super()._print_Function(expr, exp))
        power = "" if exp is None else f"^{{{exp}}}"
        name = name_latex(expr.func.__name__)
        return f"{name}{power}({', '.join(map(self.doprint, expr.args))})"

    def _print_ExpBase(self, expr: Expr, exp: str | None = None) -> str:  # noqa: N802
        exponent = expr.args[0]
        if exponent.count_ops() <= SHORT_EXPONENT:
            return str(super()._print_ExpBase(expr, exp))
        found = rf"\exp\left({self.doprint(exponent)}\right)"
        return found if exp is None else rf"\left[{found}\right]^{{{exp}}}"


def name_latex(name: str) -> str:
    """A name as letters: \\beta_{\\mathrm{max}}, \\dot{\\alpha}, \\mathrm{offset}."""
    if "{" in name or "\\" in name:
        return _braced(name)
    if name.endswith("_dot"):
        return rf"\dot{{{_letter(name[:-4])}}}"
    head, *below = name.split("_")
    if not below:
        return _letter(head)
    parts = ",".join(one if one.isdigit() else _letter(one) for one in below)
    return f"{_letter(head)}_{{{parts}}}"


def _braced(name: str) -> str:
    head, mark, rest = name.partition("_{")
    return f"{_letter(head)}{mark}{rest}" if mark and head.isalnum() else name


def _letter(name: str) -> str:
    if name == "eps":
        return r"\varepsilon"
    if name in GREEK:
        return f"\\{name}"
    return name if len(name) == 1 else rf"\mathrm{{{name}}}"


def _leading(expression: Expr) -> Expr:
    """With positive leads in the factors of products."""
    return expression.replace(lambda one: isinstance(one, Mul), _flipped)


def text(expression: Expr) -> str:
    """One line."""
    return str(_Text().doprint(_leading(expression)))


def latex(expression: Expr) -> str:
    """For a display."""
    return _flat(_spaced(str(_Latex().doprint(_leading(expression)))))


_WORD = re.compile(r"(\\[a-z]+|[\w})]) (?=\\mathrm)")
_AFTER_WORD = re.compile(
    r"(\\mathrm\{[^{}]*\}(?:[_^]\{[^{}]*\})*) (?=[\w({]|\\(?!right|cdot|le|ge|in|propto|to|quad))"
)


def _spaced(found: str) -> str:
    """Words as factors with thin spaces beside them: 2 spread t, not 2spreadt."""
    before = _WORD.sub(lambda one: one[0] if one[1] in SIGNS else rf"{one[1]}\,", found)
    return _AFTER_WORD.sub(r"\1\\,", before)


_TALL = r"\\(?:left|right|[td]?frac|sqrt|sum|int|begin|Big)"
_FLAT = re.compile(
    r"(?P<called>\\(?:log|exp|cos|sin|tan|cosh|sinh|tanh|operatorname\{\w+\})(?:\^\{\w+\})?\{)?"
    rf"\\left(?P<open>[(\[])(?P<inside>(?:(?!{_TALL}).)*?) ?\\right(?P<close>[)\]])(?(called)\}})"
)


def _flat(found: str) -> str:
    """Brackets of their usual size around what is no taller than a line: stretched ones have space
    inside of them that nobody writes."""
    before = ""
    while before != found:
        before, found = found, _FLAT.sub(_unstretched, found)
    return found


def _unstretched(one: re.Match[str]) -> str:
    called = (one["called"] or "")[:-1]
    return f"{called}{one['open']}{one['inside']}{one['close']}"


def aligned(rows: Iterable[tuple[Expr, Expr | None]], below: Iterable[Expr] = ()) -> str:
    """A display for notebooks: ``left = right`` by rows, and a line of formulas below them."""
    lines = [
        f"{latex(left)} &= {BY_QUADRATURE if right is None else latex(right)}"
        for left, right in rows
    ]
    if last := r",\quad ".join(map(latex, below)):
        lines.append(f"& {last}")
    joined = " \\\\\n".join(lines)
    return f"$$\\begin{{aligned}}\n{joined}\n\\end{{aligned}}$$"


def paragraphs(*lines: str) -> str:
    """Lines of words as HTML, for notebooks; what is between dollar signs is theirs to set."""
    return "\n".join(f"<p>{escape(line, quote=False)}</p>" for line in lines)


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Cells as lines of text, each column as wide as its widest; the first row is the head."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(n) for cell, n in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def table(rows: Sequence[Sequence[str]]) -> str:
    """The same as HTML, for notebooks."""
    lines = [
        "".join(f"<{kind}>{escape(cell, quote=False)}</{kind}>" for cell in row)
        for row, kind in zip(rows, ("th", *("td",) * len(rows)), strict=False)
    ]
    return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"
