"""How large a scheme may be, and the numbers in its text: decided before anything is built.

A module of order 10 takes some seconds to derive and has some thousand lines; each further order
adds a third to both.
"""

import re
from fractions import Fraction

from solvergen.errors import SchemeError
from solvergen.naming import shown

MAX_ORDER = 10
"""Of a run: unipc:p and pece:p, which gain an order, have p up to 9."""
MAX_HISTORY = 10
"""Earlier steps that a step reads."""
MAX_ITERATIONS = 20
"""Evaluations of a corrector that stand in a scheme one by one."""
MAX_REPETITIONS = 1000
"""Iterations to a tolerance, which are a loop."""
MAX_LANDINGS = 64
"""Of all phases together beside the main one's start-up: singlestep:10 has 46."""
MAX_POWER = 12
"""Of the moments that a row reads."""
MAX_LENGTH = 4000
"""Characters of a scheme's text."""

_NUMBER = re.compile(
    r"(?:[0-9]{1,20}(?:/[0-9]{1,20}|\.[0-9]{0,20})?|\.[0-9]{1,20})(?:e[+-]?[0-9]{1,2})?"
)


def fraction(given: object) -> Fraction:
    """A position or a weight, exactly as it is written.

    Raises:
        SchemeError: it is no number of ordinary length, or divided by zero.
    """
    try:
        if isinstance(given, Fraction | int) and not isinstance(given, bool):
            return Fraction(given)
        text = str(given)
        if _NUMBER.fullmatch(text):
            return Fraction(text)
    except (ValueError, ZeroDivisionError):
        pass
    raise SchemeError(
        f"got the number {shown(given)}; expected one such as 1/3 or 0.25, of at most 20 digits"
    )


def require(what: str, got: int, bound: int, least: int = 1) -> None:
    """Refuse a size that is too large.

    Raises:
        SchemeError: with the bound.
    """
    if isinstance(got, bool) or not isinstance(got, int) or not least <= got <= bound:
        raise SchemeError(
            f"{what} is {shown(got)}; expected {least}, {least + 1}, .. up to {bound}"
        )
