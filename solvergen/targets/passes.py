"""What the passes of all targets share: names, formulas for docstrings, and what comes after them.

A pass gets a row c of the table, the arrays, and the values that are kept, the one that it writes
last:

    _advance(c, x, prediction, n_1, n_2)          where no start is kept: x is the network's input
    _advance(c, x, y, prediction, v_0, v_1)       where x is the start of the step and y the input

After it the places of the values may be put into another order, and x may become y: that is the
kind of the row (``program.table.RowKind``), which is spelled here for every target.
"""

from dataclasses import dataclass

from solvergen.algebra.numpy_code import tuple_code
from solvergen.program.table import Array, Place, RowKind, Shape, Table


def place_name(table: Table, place: Array | Place) -> str:
    """What a module calls an array: n_1 is the value of the step before where no start is kept."""
    if isinstance(place, Place):
        return f"v_{place.index}" if table.keeps_start else f"n_{place.index + 1}"
    return "x" if place is Array.INPUT and not table.keeps_start else place.value


def arrays(table: Table) -> tuple[str, ...]:
    """The arguments of every pass after the row."""
    state = ("x", "y") if table.keeps_start else ("x",)
    return (*state, "prediction", *noise(table), *values(table))


def noise(table: Table) -> tuple[str, ...]:
    """The fresh normal of a row, if noise is added on the way."""
    return ("z",) if any(Array.NOISE in one.landing for one in table.shapes) else ()


def values(table: Table) -> tuple[str, ...]:
    """Those of the values that are kept."""
    return tuple(place_name(table, Place(k)) for k in range(table.places))


def name(table: Table, number: int) -> str:
    """Of a pass."""
    return "_advance" if len(table.shapes) == 1 else f"_advance_{number}"


@dataclass(frozen=True)
class Sums:
    """A pass as sums of products of columns and arrays.

    Attributes:
        landing: (column, array) of the landing.
        value: of the value; empty if it keeps none.
        copies: whether the value is the prediction itself.
    """

    landing: tuple[tuple[int, str], ...]
    value: tuple[tuple[int, str], ...]
    copies: bool

    @classmethod
    def of(cls, table: Table, shape: Shape) -> "Sums":
        """The columns in the order of the row: the time, its kind, the landing, the value."""
        landing = [place_name(table, one) for one in shape.landing]
        value = [place_name(table, one) for one in shape.value]
        first = table.first_factor
        last = first + len(landing)
        return cls(
            tuple(enumerate(landing, start=first)),
            tuple(enumerate(value, start=last)),
            shape.copies,
        )

    @property
    def read(self) -> tuple[str, ...]:
        """The arrays that are read, each once."""
        return tuple(dict.fromkeys(array for _, array in (*self.landing, *self.value)))

    def formula(self, target: str) -> str:
        """For a docstring: x <- c_1 x + c_2 P .., and N = c_5 x + c_6 P."""
        text = f"{target} <- {_sum(self.landing)}"
        if not self.value:
            return text
        return f"{text}, and N = {'P' if self.copies else _sum(self.value)}"


def _sum(terms: tuple[tuple[int, str], ...]) -> str:
    short = {"prediction": "P"}
    return " + ".join(f"c_{column} {short.get(array, array)}" for column, array in terms)


@dataclass(frozen=True)
class Control:
    """What is done after a pass, by the kind of its row.

    Attributes:
        table: of the solver.
    """

    table: Table

    @property
    def mode(self) -> str:
        """What the column behind the time says: ``keeps``, ``ends``, of ``_KINDS``, or none."""
        kinds = self.table.kinds
        if len(kinds) == 1:
            return ""
        first, last = kinds[0], kinds[-1]
        if len(kinds) == 2 and first.shape == last.shape and first.repeats == last.repeats:
            if first.ends == last.ends and first.stays and last.keeps and self._drops(first):
                return "keeps"
            if first.order == last.order and not first.ends:
                return "ends"
        return "kinds"

    def _drops(self, kind: RowKind) -> bool:
        """Whether no row of a kind leaves a value for later ones."""
        phases = (*self.table.phases, *self.table.pairs)
        rows = (row for phase in phases for row in phase.rows if row.kind == kind)
        return not any(row.value for row in rows)

    @property
    def fields(self) -> tuple[str, ...]:
        """What differs between kinds."""
        kinds = self.table.kinds
        differs = {
            "advance": len(self.table.shapes) > 1,
            "order": len({one.order for one in kinds}) > 1,
            "ends": len({one.ends for one in kinds}) > 1,
            "repeats": len({one.repeats for one in kinds}) > 1,
        }
        return tuple(key for key, is_wanted in differs.items() if is_wanted)

    def definition(self) -> str:
        """``_KINDS``, where that column chooses from it; else empty."""
        if self.mode != "kinds":
            return ""
        says = {
            "advance": "the pass",
            "order": "the places of the values for the next row",
            "ends": "whether the step ends",
            "repeats": "whether it repeats",
        }
        rows = []
        for one in self.table.kinds:
            shown = {
                "advance": name(self.table, one.shape),
                "order": repr(one.order),
                "ends": repr(one.ends),
                "repeats": repr(one.repeats),
            }
            rows.append(tuple_code([shown[key] for key in self.fields]))
        meaning = ", ".join(says[key] for key in self.fields)
        return f"# Of rows: {meaning}.\n_KINDS = {tuple_code(rows)}"

    def planned(self, rows: str, state: str = "self.") -> str:
        """The statement of a plan that keeps the kinds; empty without a column for them."""
        column = f"{rows}[:, 1]"
        if self.mode == "kinds":
            return f"{state}kinds = [_KINDS[int(kind)] for kind in {column}]"
        return f"{state}{self.mode} = ({column} > 0).tolist()" if self.mode else ""

    def chosen(self, kind: str) -> str:
        """The statement that unpacks the kind of a row; empty if none needs that."""
        if self.mode != "kinds":
            return ""
        return f"{', '.join(self.fields)}{',' if len(self.fields) == 1 else ''} = {kind}"

    def pass_name(self) -> str:
        """What is called for a row."""
        return "advance" if "advance" in self.fields else "_advance"

    def reordered(self, past: str, written: str, keeps: str) -> list[str]:
        """Statements that put ``written``, the values with the new one last, into their order.

        Args:
            past: the variable that holds the values.
            written: an expression for them after the pass, a tuple.
            keeps: whether the value is kept, where that is what the column says.
        """
        if not self.table.places:
            return []
        kinds = self.table.kinds
        if "order" in self.fields and self.mode == "kinds":
            return _chosen(past, written, "order")
        if self.mode == "keeps":
            return [f"if {keeps}:", f"    {past} = {_rotated(written)}"]
        if kinds[0].keeps:
            return [f"{past} = {_rotated(written)}"]
        if kinds[0].stays:
            return [f"{past} = {written}"]
        return _chosen(past, written, repr(kinds[0].order))


def _chosen(past: str, written: str, order: str) -> list[str]:
    """The values in this order."""
    if past == written:
        return [f"{past} = tuple({past}[k] for k in {order})"]
    return [f"written = {written}", f"{past} = tuple(written[k] for k in {order})"]


def _rotated(written: str) -> str:
    """The last value first."""
    if written.startswith("(*") and written.endswith(")"):
        rest, value = written[2:-1].rsplit(", ", 1)
        return f"({value}, *{rest})"
    return f"{written}[-1:] + {written}[:-1]"
