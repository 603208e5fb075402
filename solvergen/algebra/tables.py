"""Functions given by a table: piecewise linear, with a derivative and an inverse.

    Interpolate(table, x)      y_i + (x - x_i) (y_{i+1} - y_i) / (x_{i+1} - x_i)   on [x_i, x_{i+1}]
    Slope(table, x)            (y_{i+1} - y_i) / (x_{i+1} - x_i)

In a module they are ``np.interp(x, table.x, table.y)`` and a look-up in the divided differences.
"""

import io
import json
from bisect import bisect_right
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import sympy
from numpy.typing import ArrayLike, NDArray
from sympy import Atom, Expr, Float, Function, Symbol

from solvergen import naming
from solvergen.algebra.size import MAX_ROWS
from solvergen.errors import ScheduleError

MAX_BYTES = 2**22
"""Of a file with a table."""

_UNREADABLE = (
    OSError, ValueError, TypeError, EOFError, MemoryError, SyntaxError, RecursionError,
)  # fmt: skip


class Table(Atom):
    """Points (x_i, y_i) in float64 with increasing x and strictly monotone y, under a name."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]

    def __new__(cls, name: str, x: ArrayLike, y: ArrayLike) -> "Table":
        """ScheduleError unless both columns are finite, as long as each other, and monotone."""
        naming.identifier("table name", name, ScheduleError)
        columns = [column(f"table {name}", one) for one in (x, y)]
        if columns[0].ndim != 1 or columns[0].shape != columns[1].shape or len(columns[0]) < 2:
            shapes = " and ".join(str(column.shape) for column in columns)
            raise ScheduleError(f"table {name}: got shapes {shapes}; expected two equal columns")
        for label, values in zip("xy", columns, strict=True):
            with np.errstate(all="ignore"):
                steps = np.diff(values) * (1 if label == "x" else np.sign(values[-1] - values[0]))
            if not np.all(np.isfinite(values)) or not np.all(steps > 0):
                row = int(np.argmin(np.where(np.isfinite(steps), steps, -np.inf)))
                raise ScheduleError(
                    f"table {name}: {label} goes from {values[row]} to {values[row + 1]} "
                    f"at row {row}; expected finite, strictly monotone values"
                )
        table = Atom.__new__(cls)
        table.name = name
        table.x, table.y = (tuple(map(float, one)) for one in columns)
        return table

    def inverted(self) -> "Table":
        """The table of x over y."""
        order = slice(None, None, 1 if self.y[0] < self.y[-1] else -1)
        name = self.name.removesuffix("_inverse")
        name = name if name != self.name else f"{name}_inverse"
        return Table(name, self.y[order], self.x[order])

    @property
    def is_inverted(self) -> bool:
        """Whether it is the inverse of a table of a schedule."""
        return self.name.endswith("_inverse")

    def _hashable_content(self) -> tuple[Any, ...]:
        return (self.name, self.x, self.y)

    def __getnewargs__(self) -> tuple[Any, ...]:
        return (self.name, self.x, self.y)

    def _sympystr(self, printer: Any) -> str:
        return self.name

    def _latex(self, printer: Any) -> str:
        name = self.name.removesuffix("_inverse").replace("_", r"\_")
        return rf"\mathrm{{{name}}}" + ("^{-1}" if self.is_inverted else "")

    @property
    def code_name(self) -> str:
        """Its name in functions made of formulas, in which ``t`` and ``log`` mean something."""
        return f"_table_{self.name}"

    def _numpycode(self, printer: Any) -> str:
        return self.code_name

    _mpmathcode = _numpycode


class _TableFunction(Function):
    """A real function of a table and a number."""

    nargs = 2
    is_real = True
    is_commutative = True

    def _eval_evalf(self, precision: int) -> Expr:
        table, x = self.args
        if not x.is_number:
            return self
        with mpmath.workprec(precision):
            return Float(self.in_many_digits(table, x.evalf(mpmath.mp.dps)), precision=precision)

    @staticmethod
    def in_many_digits(table: Table, x: Any) -> Any:
        """The value at an mpf, with the table's entries taken as exact."""
        raise NotImplementedError


def _applied(printer: Any, args: tuple[Expr, ...], exp: str | None, mark: str = "") -> str:
    """A table as a function of x."""
    table, x = map(printer.doprint, args)
    found = rf"{table}{mark}\left({x}\right)"
    return found if exp is None else rf"\left[{found}\right]^{{{exp}}}"


class Interpolate(_TableFunction):
    """The piecewise linear function through the points of a table."""

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        return _applied(printer, self.args, exp)

    def _eval_derivative(self, symbol: Symbol) -> Expr:
        table, x = self.args
        return sympy.diff(x, symbol) * Slope(table, x)

    @staticmethod
    def in_many_digits(table: Table, x: Any) -> Any:
        """See ``_TableFunction``."""
        x = mpmath.mpf(x)
        i = _segment(table, x)
        return table.y[i] + (x - table.x[i]) * _divided_difference(table, i)

    @staticmethod
    def in_float(table: Table, x: Any) -> Any:
        """The values at an array."""
        return np.interp(x, table.x, table.y)


class Slope(_TableFunction):
    """The derivative of ``Interpolate``: constant on each segment, from the right at the points."""

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        return _applied(printer, self.args, exp, "'")

    def _eval_derivative(self, symbol: Symbol) -> Expr:
        return sympy.S.Zero

    @staticmethod
    def in_many_digits(table: Table, x: Any) -> Any:
        """See ``_TableFunction``."""
        return _divided_difference(table, _segment(table, mpmath.mpf(x)))

    @staticmethod
    def in_float(table: Table, x: Any) -> Any:
        """The values at an array."""
        slopes = np.diff(table.y) / np.diff(table.x)
        return slopes[np.clip(np.searchsorted(table.x, x, "right") - 1, 0, len(slopes) - 1)]


class Rise(Function):
    """Interpolate(table, t) - Interpolate(table, s) for near times too: the sum over segments."""

    nargs = 3
    is_real = True
    is_commutative = True

    @staticmethod
    def in_many_digits(table: Table, t: Any, s: Any) -> Any:
        """The value at two mpf."""
        return Interpolate.in_many_digits(table, t) - Interpolate.in_many_digits(table, s)

    @staticmethod
    def in_float(table: Table, t: Any, s: Any) -> Any:
        """The values at two arrays."""
        x, y = np.array(table.x), np.array(table.y)
        n = np.searchsorted(x[1:-1], [t, s], "right")
        (low, high), slope = n, (y[n + 1] - y[n]) / (x[n + 1] - x[n])
        across = slope[0] * (t - x[low + 1]) + (y[low + 1] - y[high]) + slope[1] * (x[high] - s)
        return np.where(low == high, slope[0] * (t - s), across)


def column(what: str, values: Any) -> NDArray[np.float64]:
    """Real numbers as a float64 array.

    Raises:
        ScheduleError: they are none, or too many.
    """
    try:
        found = np.asarray(values)
    except (ValueError, TypeError, OverflowError) as error:
        raise ScheduleError(f"{what}: {error}; expected a column of real numbers") from error
    if found.dtype.kind not in "iuf":
        raise ScheduleError(f"{what}: got {found.dtype} values; expected a column of real numbers")
    if found.size > MAX_ROWS:
        raise ScheduleError(f"{what}: got {found.size} rows; expected at most {MAX_ROWS}")
    return found.astype(np.float64)


def read_column(path: str | Path) -> NDArray[np.float64]:
    """The numbers in a file: a ``.npy`` array, a ``.json`` list, else text with numbers apart by
    space or commas, and comments after ``#``.

    Raises:
        ScheduleError: there is no such file, or it does not hold numbers.
    """
    path = Path(path)
    try:
        values = _numbers(path)
    except _UNREADABLE as error:
        raise ScheduleError(
            f"cannot read the table {naming.shown(str(path))}: {error}; expected numbers as text, "
            "a .npy array, or a .json list"
        ) from error
    return column(f"the table {path}", values)


def _numbers(path: Path) -> Any:
    """What a file holds; only of files, because a device or a pipe has no end."""
    if not path.is_file():
        raise ValueError("no such file")
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"got {path.stat().st_size} bytes, and {MAX_BYTES} are the most")
    if path.suffix == ".npy":
        found = np.load(io.BytesIO(path.read_bytes()), allow_pickle=False)
        if not isinstance(found, np.ndarray):
            raise ValueError("got an archive of arrays")
        return found
    if path.suffix == ".json":
        return np.array(json.loads(path.read_text(encoding="utf-8-sig")), dtype=np.float64)
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    words = " ".join(line.partition("#")[0] for line in lines).replace(",", " ").split()
    return np.array(words, dtype=np.float64)


def _segment(table: Table, x: Any) -> int:
    """The segment that holds an mpf: that of the float next to it, or one beside that."""
    after = bisect_right(table.x, float(x))
    if after and x < table.x[after - 1]:
        after -= 1
    elif after < len(table.x) and x >= table.x[after]:
        after += 1
    return min(max(after - 1, 0), len(table.x) - 2)


def _divided_difference(table: Table, i: int) -> Any:
    rise = mpmath.mpf(table.y[i + 1]) - table.y[i]
    return rise / (mpmath.mpf(table.x[i + 1]) - table.x[i])


def namespace(expression: Expr, in_float: bool) -> dict[str, Any]:
    """What the names of tables and of their functions stand for when ``expression`` is
    evaluated.
    """
    tables = {table.code_name: table for table in expression.atoms(Table)}
    if not tables:
        return {}
    functions = {
        kind.__name__: kind.in_float if in_float else kind.in_many_digits
        for kind in (Interpolate, Slope, Rise)
    }
    return tables | functions
