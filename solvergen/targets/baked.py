"""What a module for one grid is filled with: its table as literals, and the loop over them."""

import textwrap
from typing import Any

from solvergen.program.table import Table
from solvergen.scalars.baking import Baked
from solvergen.targets.definitions import literal
from solvergen.targets.passes import Control, Sums, arrays

WIDTH = 94


def settings(table: Table, baked: Baked) -> dict[str, Any]:
    """The literals of a grid and its coefficients."""
    has_kinds = len(table.kinds) > 1
    rows = [
        (row[0], *((kind,) if has_kinds else ()), *_filled(row[1:], table))
        for row, kind in zip(baked.rows, baked.kinds, strict=True)
    ]
    return {
        "timesteps": _wrapped(", ".join(map(repr, baked.timesteps)), "    "),
        "rows": "\n".join(f"    {_row(row)}," for row in rows),
        "columns": _columns(table),
        "kinds": Control(table).definition(),
        "keeps_start": table.keeps_start,
        "places": table.places,
        "state": ", ".join(arrays(table)),
    }


def _filled(factors: tuple[float, ...], table: Table) -> tuple[float, ...]:
    """The factors of a row in all columns that some pass has."""
    return (*factors, *(0.0,) * (table.width - table.first_factor - len(factors)))


def _columns(table: Table) -> str:
    kind = {"keeps": "whether N is kept", "ends": "whether the step ends", "kinds": "its kind"}
    names = ["t", *([kind[Control(table).mode]] if Control(table).mode else [])]
    if len(table.shapes) > 1:
        return ", ".join([*names, "the factors of its pass"])
    sums = Sums.of(table, table.shapes[0])
    landing, value = (", ".join(name for _, name in part) for part in (sums.landing, sums.value))
    kept = f"; of {value} in N" if value and not sums.copies else ""
    return f"{', '.join(names)}, the factors of {landing}{kept}"


def _row(row: tuple[float, ...]) -> str:
    """A tuple of numbers, on as many lines as it takes."""
    text = f"({literal(row)[1:-1]})"
    return text if len(text) <= WIDTH else _wrapped(text, "     ").strip()


def _wrapped(text: str, indent: str) -> str:
    return textwrap.indent("\n".join(textwrap.wrap(text, WIDTH)), indent)
