"""What a derivation is written as, before it is text, LaTeX or HTML: sections of blocks.

Words stand beside formulas as they are: a paragraph is a tuple of text and sympy expressions.
"""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TypeAlias

from sympy import Expr, Symbol

from solvergen.algebra import typesetting

NO_CLOSED_FORM = "no closed form found; evaluated numerically"
WIDTH = 96
"""Of a paragraph in text."""
WIDEST = 52
"""Of a formula in a column of LaTeX, in letters."""

Words: TypeAlias = tuple[str | Expr, ...]
"""Text and formulas, one after another."""


@dataclass(frozen=True)
class Equation:
    """``left`` = ``right`` = ``also``; where right is None, ``missing`` says why."""

    left: Expr
    right: Expr | None
    also: Expr | None = None
    missing: str = NO_CLOSED_FORM
    note: str = ""

    @property
    def sides(self) -> tuple[Expr, ...]:
        """What is equal."""
        return tuple(one for one in (self.left, self.right, self.also) if one is not None)


@dataclass(frozen=True)
class Equations:
    """Equations that are aligned; ``boxed`` ones are what a section is about."""

    rows: tuple[Equation, ...]
    boxed: bool = False


@dataclass(frozen=True)
class Paragraph:
    """Words; ``boxed`` ones are what a section comes to."""

    words: Words
    boxed: bool = False


@dataclass(frozen=True)
class Table:
    """Cells of words under a head."""

    head: tuple[Words, ...]
    rows: tuple[tuple[Words, ...], ...]


@dataclass(frozen=True)
class Figure:
    """A picture as SVG, for HTML alone; ``half`` as wide as the page, if that is wide."""

    svg: bytes
    alt: str
    caption: Words = ()
    half: bool = False


@dataclass(frozen=True)
class Code:
    """Lines of a program, or a command."""

    text: str


Block: TypeAlias = Equations | Paragraph | Table | Figure | Code


@dataclass(frozen=True)
class Section:
    """Derived quantities that belong together."""

    title: str
    blocks: tuple[Block, ...]

    @property
    def equations(self) -> tuple[Equation, ...]:
        """All of them, in their order."""
        return tuple(row for one in self.blocks if isinstance(one, Equations) for row in one.rows)


def words(*parts: str | Expr) -> Words:
    """Text and formulas as a paragraph has them."""
    return parts


def text(found: tuple[Section, ...]) -> str:
    """Plain text, aligned within a block."""
    return "\n\n".join("\n".join((one.title, *_text_lines(one))) for one in found)


def _text_lines(section: Section) -> Iterator[str]:
    for block in section.blocks:
        if isinstance(block, Equations):
            width = max((len(typesetting.text(row.left)) for row in block.rows), default=0)
            for row in block.rows:
                yield from _equation_lines(row, width)
        elif isinstance(block, Paragraph):
            yield from textwrap.wrap(
                plain(block.words), WIDTH, initial_indent="  ", subsequent_indent="  "
            )
        elif isinstance(block, Table):
            yield from _table_lines(block)
        elif isinstance(block, Code):
            yield from (f"    {line}" for line in block.text.splitlines())


def _equation_lines(row: Equation, width: int) -> Iterator[str]:
    """``left = right``, and ``= also`` below it."""
    right = row.missing if row.right is None else typesetting.text(row.right)
    note = f"    ({row.note})" if row.note else ""
    yield f"  {typesetting.text(row.left):<{width}} = {right}{note}"
    if row.also is not None:
        yield f"  {'':<{width}} = {typesetting.text(row.also)}"


def _table_lines(table: Table) -> Iterator[str]:
    rows = [[plain(cell) for cell in row] for row in (table.head, *table.rows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        yield f"  {'  '.join(cells)}".rstrip()


def plain(found: Words) -> str:
    """Words in text."""
    return "".join(one if isinstance(one, str) else typesetting.text(one) for one in found)


_SYMBOLS = re.compile(
    r"O\(h(?:\^\w+)?\)|dq/dgamma|(?<![\w'.])(?:"
    r"(?:alpha|beta|gamma|sigma|lambda|theta|mu|ell|Phi|rho|eta|kappa|nu)(?:_\w+)?"
    r"|[ADFIJMNRmprstvxz]_\w+|M0|g(?=\^2)|[NKRhqstuvxz](?![\w']|\.\w))(?:\^\w+)?(?!\w)"
)
"""What is a symbol in words: gamma, mu_k, r_j, s_1, M_0, N, q, h, t, x, O(h^2)."""


def spelled(given: str) -> Iterator[tuple[str, bool]]:
    """Words piece by piece: a symbol as LaTeX, and True, or words as they are."""
    last = 0
    for found in _SYMBOLS.finditer(given):
        yield given[last : found.start()], False
        yield _symbol(found[0]), True
        last = found.end()
    yield given[last:], False


def _symbol(found: str) -> str:
    """What is a symbol in words, in LaTeX."""
    if found.startswith("O("):
        return f"O(h^{{{found[4:-1]}}})" if "^" in found else found
    if found == "dq/dgamma":
        return r"dq/d\gamma"
    name, _, power = found.partition("^")
    base = typesetting.latex(Symbol("M_0" if name == "M0" else name))
    return f"{base}^{{{power}}}" if power else base


def latex_text(found: tuple[Section, ...]) -> str:
    """The body of a document: subsections, paragraphs, ``align*`` and ``tabular``.

    It needs the packages amsmath and amssymb alone.
    """
    return "\n\n".join("\n".join((rf"\subsection*{{{_escaped(one.title)}}}", *_latex_lines(one)))
                       for one in found)  # fmt: skip


def _latex_lines(section: Section) -> Iterator[str]:
    for block in section.blocks:
        if isinstance(block, Equations):
            yield from _aligned(block)
        elif isinstance(block, Paragraph):
            yield f"{_latex_words(block.words)}\n"
        elif isinstance(block, Table):
            yield from _tabular(block)
        elif isinstance(block, Code):
            yield f"\\begin{{verbatim}}\n{block.text}\n\\end{{verbatim}}"


def _aligned(block: Equations) -> Iterator[str]:
    lines = []
    for row in block.rows:
        left, *sides = map(typesetting.latex, row.sides)
        sides = sides or [rf"\text{{{_escaped(row.missing)}}}"]
        note = rf"\quad {_note(row.note)}" if row.note else ""
        first = _broken(sides[0])
        if note and width(left + sides[0]) + len(row.note) > WIDEST:
            note = f" \\\\\n& {note}"
        lines.append(f"{left} &= {first}{note}")
        lines += [f"&= {_broken(side)}" for side in sides[1:]]
    yield r"\begin{align*}"
    yield " \\\\\n".join(lines)
    yield r"\end{align*}"


def _note(words: str) -> str:
    """Words in a formula, in brackets."""
    parts = (
        one if is_symbol else rf"\text{{{_escaped(one)}}}"
        for one, is_symbol in spelled(f"({words})")
        if one
    )
    return "".join(parts)


def width(latex: str) -> int:
    """About how many letters a formula is wide: a command is one, a brace none."""
    return len(re.sub(r"[{}_^\s]", "", re.sub(r"\\[a-zA-Z]+", "m", latex)))


def _broken(latex: str) -> str:
    """A sum in as many lines as a column needs, broken before its signs, outside of brackets."""
    pieces, depth = [""], 0
    for one in re.findall(r" [+-] |\\left|\\right|\\.|.", latex):
        depth += {**dict.fromkeys("{([", 1), **dict.fromkeys("})]", -1)}.get(one, 0)
        if depth == 0 and one in (" + ", " - "):
            pieces.append(one)
        else:
            pieces[-1] += one
    lines = [pieces[0]]
    for piece in pieces[1:]:
        if width(lines[-1] + piece) > WIDEST:
            lines.append(piece.lstrip())
        else:
            lines[-1] += piece
    return " \\\\\n&\\quad ".join(lines)


def _tabular(table: Table) -> Iterator[str]:
    yield rf"\begin{{center}}\begin{{tabular}}{{{'l' * len(table.head)}}}"
    for row in (table.head, *table.rows):
        end = r" \\ \hline" if row is table.head else r" \\"
        yield " & ".join(map(_latex_words, row)) + end
    yield r"\end{tabular}\end{center}"


def _latex_words(found: Words) -> str:
    parts = (
        (f"${one}$" if is_symbol else _escaped(one) for one, is_symbol in spelled(e))
        if isinstance(e, str)
        else (f"${typesetting.latex(e)}$",)
        for e in found
    )
    return "".join(chain.from_iterable(parts))


_SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
            "<": r"\textless{}", ">": r"\textgreater{}"}  # fmt: skip


def _escaped(given: str) -> str:
    """Words as LaTeX prints them."""
    return re.sub(r"[\\~^<>_&%#${}]", lambda found: _SPECIAL.get(found[0], f"\\{found[0]}"), given)
