"""Names that users give: what they may be, and what a mistyped one may have meant.

A label is a name that is only shown: of a schedule, a parameterization, an expansion, a scheme. It
ends up in docstrings of emitted modules, so it is printable text without quotes or backslashes.
"""

import keyword
import re
import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches

from solvergen.errors import SolvergenError

LABEL_LENGTH = 100
"""Of the name of a schedule."""

FORMULA_LENGTH = 4200
"""Of a name that is a formula, or two."""

SOURCE_LENGTH = 2000
"""Of what a scheme says of its papers."""

_REFUSED = re.compile(r'["\\]')


def label(what: str, given: object, error: type[SolvergenError], length: int = LABEL_LENGTH) -> str:
    """``given``, if it is text that may stand in a docstring.

    Raises:
        error: it is no text, empty, too long, or holds what cannot be printed, ``"`` or a
            backslash.
    """
    expected = f'expected 1 to {length} printable characters on one line, without " or a backslash'
    if not isinstance(given, str):
        raise error(f"{what}: got {shown(given)}; {expected}")
    text = str(given)
    if not 1 <= len(text) <= length:
        raise error(f"{what}: got {len(text)} characters, {shown(text)}; {expected}")
    if not text.isprintable() or _REFUSED.search(text) or text != text.strip():
        raise error(f"{what}: got {shown(text)}; {expected}, and no space around it")
    return text


def identifier(what: str, given: object, error: type[SolvergenError]) -> str:
    """``given``, if it is a name that Python and the formulas of a module can hold as it is.

    Raises:
        error: it is no identifier, a keyword, begins with an underscore, or Python would read other
            letters.
    """
    is_name = isinstance(given, str) and given.isidentifier() and not keyword.iskeyword(given)
    if not isinstance(given, str) or not is_name or given.startswith("_"):
        raise error(
            f"{what}: got {shown(given)}; expected an identifier that begins with a letter and is "
            "no keyword of Python"
        )
    if len(given) > LABEL_LENGTH:
        raise error(f"{what}: got {len(given)} characters; expected at most {LABEL_LENGTH}")
    for one in (given, given.upper()):
        same = unicodedata.normalize("NFKC", one)
        if same != one or not one.isidentifier():
            raise error(
                f"{what}: got {given!r}, which Python reads as {same!r}; expected letters that "
                f"stay what they are (NFKC), in capitals too: write {same!r} or another name"
            )
    return str(given)


def shown(given: object) -> str:
    """A wrong input as a message shows it: short, on one line, encodable."""
    try:
        text = repr(given)
    except Exception:
        text = f"a {type(given).__name__}"
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text if len(text) <= 80 else text[:77] + "..."


def meant(given: str, known: Iterable[str]) -> str:
    """`` Did you mean 'velocity'?``, or nothing if no known name is close."""
    close = get_close_matches(given, list(known), n=3, cutoff=0.6)
    return f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
