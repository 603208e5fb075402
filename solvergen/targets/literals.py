"""Text that ends up in a module: it is printed here, as a literal, and can never be code."""

import json
from typing import Any

from solvergen.errors import EmissionError
from solvergen.naming import shown


def docstring(text: str) -> str:
    """The literal of a docstring, whose value is ``text`` and a line feed.

    Raises:
        EmissionError: it holds what source code cannot: a surrogate or a null.
    """
    _require_encodable(text)
    body = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    body = "".join(one if one.isprintable() or one == "\n" else _escaped(one) for one in body)
    end = "\n" if not body.endswith('"') else "\\\n\n"
    return f'"""{body}{end}"""'


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def literal(value: Any) -> str:
    """The source of plain data: text, numbers, None, and lists, tuples and dicts of them.

    Raises:
        EmissionError: something else is in it, whose text could be anything.
    """
    _require_plain(value)
    return _spelled(value)


def _spelled(value: Any) -> str:
    """On one line, text in double quotes."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_spelled(key)}: {_spelled(one)}' for key, one in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_spelled, value))}]"
    return repr(value)


class Source:
    """A piece of source that the printers made, in the place of a value: the one exception."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _require_plain(value: Any) -> None:
    if type(value) in (bool, int, float, type(None), Source):
        return
    if type(value) is str:
        _require_encodable(value)
    elif type(value) in (list, tuple):
        for one in value:
            _require_plain(one)
    elif type(value) is dict:
        for key, one in value.items():
            _require_plain(key)
            _require_plain(one)
    else:
        raise EmissionError(
            f"got {shown(value)} for a module; expected text, numbers, lists and mappings of them"
        )


def _require_encodable(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise EmissionError(
            f"got the text {shown(text)} for a module; expected text that UTF-8 can hold"
        ) from error
