"""Sections as one HTML file: MathML, pictures and the math font inside it, nothing outside.

It asks for nothing: a Content-Security-Policy forbids every request and every script.
"""

import base64
import html
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib.resources import files

from sympy import Expr

from solvergen.algebra import typesetting
from solvergen.errors import SolvergenError
from solvergen.reports.document import (
    Block,
    Code,
    Equation,
    Equations,
    Figure,
    Paragraph,
    Section,
    Table,
    Words,
    spelled,
    width,
)
from solvergen.reports.style import CSS

COLUMN = 64
"""Letters of a formula and its note that stand in a line; fractions count as they are written."""

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:"


def page(
    title: str, lead: Words, facts: Sequence[tuple[str, Words]], sections: Sequence[Section]
) -> str:
    """The whole file.

    Args:
        title: its heading.
        lead: the line below it.
        facts: what is known at a glance, by name.
        sections: what follows, numbered and listed.

    Raises:
        SolvergenError: math-core is not installed, or a formula is not one that it reads.
    """
    places = [(f"s{n}", _capital(one.title)) for n, one in enumerate(sections, start=1)]
    listed = "".join(f"<dt>{_text(name)}</dt><dd>{_words(value)}</dd>" for name, value in facts)
    links = " ".join(f'<a href="#{place}">{_plain(name)}</a>' for place, name in places)
    body = "\n".join(
        f'<section id="{place}"><h2><span class="number">{n}</span>{_text(name)}</h2>\n'
        f"{''.join(map(_block, section.blocks))}</section>"
        for n, ((place, name), section) in enumerate(zip(places, sections, strict=True), start=1)
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<title>{_plain(title)}</title><style>{_style()}</style></head>\n"
        f'<body><h1>{_text(title)}</h1>\n<p class="lead">{_words(lead)}</p>\n'
        f"<dl>{listed}</dl>\n<nav>{links}</nav>\n{body}\n</body></html>\n"
    )


@lru_cache(maxsize=1)
def _style() -> str:
    font = files("solvergen.reports").joinpath("fonts/latin_modern_math.woff").read_bytes()
    return CSS.replace("@FONT@", base64.b64encode(font).decode())


def _capital(title: str) -> str:
    return title[:1].upper() + title[1:]


def _block(block: Block) -> str:
    if isinstance(block, Equations):
        rows = "".join(line for row in block.rows for line in _equation(row))
        return _boxed(f'<table class="equations">{rows}</table>\n', block.boxed)
    if isinstance(block, Paragraph):
        return _boxed(f"<p>{_words(block.words)}</p>\n", block.boxed)
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Figure):
        data = base64.b64encode(block.svg).decode()
        caption = f"<figcaption>{_words(block.caption)}</figcaption>" if block.caption else ""
        image = f'<img alt="{_plain(block.alt)}" src="data:image/svg+xml;base64,{data}">'
        kind = ' class="half"' if block.half else ""
        return f'<figure{kind}><div class="scroll">{image}</div>{caption}</figure>\n'
    assert isinstance(block, Code)
    return f"<pre>{_plain(block.text)}</pre>\n"


def _boxed(content: str, boxed: bool) -> str:
    return f'<div class="box">{content}</div>\n' if boxed else content


def _equation(row: Equation) -> Iterator[str]:
    """``left = right``, and ``= also`` below it; a note beside them, or below a long one."""
    left, *sides = row.sides
    shown = [mathml(one, display=True) for one in sides] or [_text(row.missing)]
    wide = ' colspan="2"'
    size = sum(width(typesetting.latex(one)) for one in row.sides[:2]) + len(row.note)
    below = row.note != "" and size > COLUMN
    for n, side in enumerate(shown):
        beside = row.note != "" and n == 0 and not below
        note = f'<td class="note">{_text(row.note)}</td>' if beside else ""
        yield (
            f'<tr><td class="left">{mathml(left) if n == 0 else ""}</td>'
            f'<td class="sign">{_converted("=")}</td>'
            f'<td class="right"{"" if note else wide}><div class="scroll">{side}</div></td>'
            f"{note}</tr>\n"
        )
    if below:
        yield f'<tr><td></td><td></td><td class="note below"{wide}>{_text(row.note)}</td></tr>\n'


def _table(table: Table) -> str:
    head = "".join(f"<th>{_words(cell)}</th>" for cell in table.head)
    rows = "".join(
        f"<tr>{''.join(f'<td>{_words(cell)}</td>' for cell in row)}</tr>\n" for row in table.rows
    )
    return (
        '<div class="scroll"><table class="cells">'
        f"<thead><tr>{head}</tr></thead><tbody>\n{rows}</tbody></table></div>\n"
    )


def _words(found: Words) -> str:
    return "".join(_text(one) if isinstance(one, str) else mathml(one) for one in found)


def _text(given: str) -> str:
    """Words, with the symbols in them as formulas."""
    return "".join(
        _converted(one) if is_symbol else _plain(one) for one, is_symbol in spelled(given)
    )


def _plain(given: str) -> str:
    return html.escape(given, quote=True)


def mathml(formula: Expr, display: bool = False) -> str:
    """A formula as MathML, with its text for those who do not see it.

    Raises:
        SolvergenError: math-core is not installed, or does not read the formula's LaTeX.
    """
    found = _converted(typesetting.latex(formula), display)
    return found.replace("<math", f'<math alttext="{_plain(typesetting.text(formula))}"', 1)


@lru_cache(maxsize=4096)
def _converted(latex: str, display: bool = False) -> str:
    """Of a display too, in the line: where it stands is the page's to say."""
    require_math_core()
    import math_core

    try:
        converter = math_core.LatexToMathML(fancy_error=False)
        found = str(converter.convert_with_local_state(latex, displaystyle=display))
        return found.replace(' display="block"', ' displaystyle="true"', 1)
    except math_core.LatexError as error:
        raise SolvergenError(f"the formula {latex} is no LaTeX that math-core reads") from error


def require_math_core() -> None:
    """Refuse at the start, not after the work.

    Raises:
        SolvergenError: math-core is not installed.
    """
    try:
        import math_core  # noqa: F401
    except ImportError as error:
        raise SolvergenError(
            "pages need math-core, which is not installed; install it with: "
            'pip install "solvergen[page]"'
        ) from error
