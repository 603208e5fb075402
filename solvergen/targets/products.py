"""Pieces of source: factors of which 1 is not written, statements of one kind, calls with rows."""

import re
import textwrap
from collections.abc import Iterable, Sequence

from solvergen.algebra.numpy_code import items_code, tuple_code

LINE = 96
"""Characters of a line in a function of a module, less its indentation."""
DOCSTRING = 93
_TIMES = re.compile(r"(?<![* ])([*/])(?![* ])")
"""As the formatter writes them, which leaves lines alone that are laid out here."""


def in_parentheses(text: str) -> str:
    """A sum or product as a factor."""
    return f"({text})" if " " in text else text


def product(first: str, second: str) -> str:
    """first * second, where the first may be 1."""
    return second if first == "1.0" else f"{first} * {second}"


def quotient(numerator: str, ratio: str) -> str:
    """numerator / ratio, for a ratio a / b of two lengths or 1."""
    if ratio == "1.0":
        return numerator
    sign, ratio = ("-", ratio[1:]) if ratio.startswith("-") else ("", ratio)
    top, _, bottom = ratio.partition(" / ")
    return f"{sign}{numerator} * {bottom} / {top}" if bottom else f"{sign}{numerator} / {top}"


def scaled(name: str, factor: str) -> str:
    """name * factor, for a factor that may be 1/n."""
    one, _, number = factor.partition("/")
    is_share = one == "1" and number.isdigit()
    return f"{name} / {number}" if is_share else f"{name} * {in_parentheses(factor)}"


def unpacked(names: list[str], given: int) -> str:
    """The first of the values that a function returns."""
    return items_code(names if len(names) == given else [*names, "*_"])


def together(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """Statements name = code, none of which reads another: as one, if that fits on a line."""
    known = list(pairs)
    if not known:
        return []
    names, codes = zip(*known, strict=True)
    whole = f"{', '.join(names)} = {', '.join(codes)}"
    return [whole] if len(whole) <= LINE else [f"{name} = {code}" for name, code in known]


def says(text: str) -> str:
    """The docstring of a function: on one line, or on as many as it takes."""
    lines = textwrap.wrap(f'"""{text}', DOCSTRING, break_long_words=False)
    lines[-1] += '"""' if len(lines) == 1 else '\n    """'
    return "\n    ".join(lines)


def call_code(function: str, rows: Sequence[Sequence[str]]) -> str:
    """A statement that calls a function with tuples: each on a line, or on as many as it takes."""
    spaced = [[_TIMES.sub(r" \1 ", item) for item in row] for row in rows]
    shown = [tuple_code(row) for row in spaced]
    if all(len(one) <= LINE - len("    ,") for one in shown):
        return f"{function}({', '.join(shown)})"
    lines = [f"        {line}" for row in spaced for line in _laid_out(row)]
    return "\n".join([f"{function}(", *lines, "    )  # fmt: skip"])


def _laid_out(items: Sequence[str]) -> list[str]:
    """A tuple and a comma, on as many lines as it takes."""
    lines = [f"({items[0]},"]
    for item in items[1:]:
        if len(lines[-1]) + len(item) + 2 <= LINE - 4:
            lines[-1] += f" {item},"
        else:
            lines.append(f" {item},")
    lines[-1] = lines[-1].removesuffix(",") + ("),)" if len(items) == 1 else "),")
    return lines
