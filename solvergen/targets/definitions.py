"""The tables and the functions that a module carries along with its formulas."""

import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from sympy import Piecewise, erf

from solvergen.algebra.numpy_code import column_names, float_literal
from solvergen.algebra.tables import Table
from solvergen.scalars.formulas import Formulas
from solvergen.scalars.schedule_formulas import ScheduleFormulas
from solvergen.schedules.serialization import tables_of
from solvergen.specification.solver import Solver
from solvergen.targets.literals import Source, literal
from solvergen.targets.target import Library

WIDTH = 92
NESTED = 60
"""Characters of a dictionary that stands on a line with others."""
SLOPE = '''def _slope(t, x, y):
    """The slope at t of the piecewise linear function through the points (x, y)."""
    n = np.searchsorted(x[1:-1], t, "right")
    return (y[n + 1] - y[n]) / (x[n + 1] - x[n])'''

RISE = '''def _rise(t, s, x, y):
    """y at t minus y at s > t, of the piecewise linear function through the points (x, y)."""
    n = np.searchsorted(x[1:-1], np.broadcast_arrays(t, s), "right")
    (low, high), slope = n, (y[n + 1] - y[n]) / (x[n + 1] - x[n])
    inner = y[low + 1] - y[high]
    across = slope[0] * (t - x[low + 1]) + inner + slope[1] * (x[high] - s)
    return np.where(low == high, slope[0] * (t - s), across)'''


ERF = '''def _erf(x):
    """The error function."""
    return np.vectorize(math.erf, "d")(x)'''


def tables_code(tables: Iterable[Table]) -> str:
    """The columns of every table, as module constants."""
    lines = []
    for table in tables:
        for name, column in zip(column_names(table), (table.x, table.y), strict=True):
            lines.append(f"{name} = {_column(column)}")
    return "\n".join(lines)


def kinks_code(schedule: ScheduleFormulas) -> str:
    """The times at which the schedule is not smooth; empty if there is none."""
    columns = [_inside(one, schedule) for one in schedule.tables]
    known = {x for one in schedule.tables for x in one.x}
    cuts = [float_literal(one) for one in schedule.kinks if float(one) not in known]
    parts = [*columns, f"[{', '.join(cuts)}]"] if cuts else columns
    if not schedule.kinks:
        return ""
    return parts[0] if len(parts) == 1 else f"np.concatenate([{', '.join(parts)}])"


def _inside(table: Table, schedule: ScheduleFormulas) -> str:
    """The points of a table, without those outside of the domain, where lambda may be anything."""
    name, (low, high) = column_names(table)[0], schedule.domain
    whole = low <= table.x[0] and table.x[-1] <= high
    return name if whole else f"{name}[({name} > T_MIN) & ({name} < T_MAX)]"


def _column(values: tuple[float, ...]) -> str:
    """An array in source: as the evenly spaced times n / N if it is those, else every number."""
    count = len(values)
    if values == tuple((np.arange(1, count + 1) / count).tolist()):
        return f"np.arange(1, {count + 1}) / {count}"
    rows = textwrap.wrap(", ".join(map(repr, values)), WIDTH)
    return "np.array([\n" + "".join(f"    {row}\n" for row in rows) + "])  # fmt: skip"


def reads_erf(schedule: ScheduleFormulas) -> bool:
    """Whether its functions of time call the error function."""
    return schedule.alpha.has(erf) or schedule.sigma.has(erf)


def definitions_code(formulas: Formulas, library: Library | None = None) -> str:
    """What the formulas call besides numpy."""
    sources = [one.source for one in formulas.schedule.functions]
    sources += [SLOPE] if formulas.reads_slopes else []
    sources += [RISE] if formulas.reads_rises else []
    sources += [(library.erf if library else ERF)] if reads_erf(formulas.schedule) else []
    return "\n\n\n".join(sources)


def library_code(library: Library, formulas: Formulas) -> str:
    """``_library``, by which the functions of time follow their arrays, and what they call."""
    schedule = formulas.schedule
    inverse = schedule.time_at_half_log_snr
    attaches = formulas.bisects or (inverse is not None and inverse.has(Piecewise))
    further = [library.quiet] if library.quiet else []
    further += [library.interpolation] if schedule.tables else []
    further += [library.attached] if attaches else []
    return "\n\n\n".join([_library(library, schedule), *further])


def _library(library: Library, schedule: ScheduleFormulas) -> str:
    name, array = library.name, library.array
    numbers = "np.asarray(t, dtype=np.float64), np"
    if not schedule.functions:
        return (
            "def _library(t):\n"
            f'    """t and what computes with it: {name}, or numpy in float64."""\n'
            f"    return (t, {name}) if isinstance(t, {array}) else ({numbers})"
        )
    known = " and ".join(one.name for one in schedule.functions)
    return (
        f'def _library(t):\n    """t as float64, and numpy, in which {known} is written."""\n'
        f"    if isinstance(t, {array}):\n"
        f'        raise TypeError("got a {array}; expected a float or an array of numpy, in which '
        f'{known} is written")\n'
        f"    return {numbers}"
    )


def baked_definitions_code(schedule: ScheduleFormulas) -> str:
    """What the functions of time call, which are all the formulas of a module for one grid."""
    return "\n\n\n".join(one.source for one in schedule.functions)


def specification_tables(solver: Solver) -> str:
    """The constants that ``specification_code`` names, where formulas do not bring them."""
    return tables_code(tables_of(solver.schedule.alpha, solver.schedule.sigma))


def specification_code(solver: Solver, target: str) -> str:
    """The literal of SPEC, in which tables are the module's constants."""
    specification = {**solver.specification, "target": target}
    schedule = solver.schedule
    tables = tables_of(schedule.alpha, schedule.sigma)
    if tables:
        shown = {
            table.name: [Source(f"{column}.tolist()") for column in column_names(table)]
            for table in tables
        }
        specification["schedule"] = {**specification["schedule"], "tables": shown}
    return f"{{\n    {_laid_out(specification, 1)}\n}}  # fmt: skip"


def _laid_out(items: Mapping[str, Any], depth: int, lead: str = "") -> str:
    """The items of a dictionary, as many on a line as fit; a long one on lines of its own."""
    indent, lines = 4 * depth * " ", [lead]
    for key, value in items.items():
        item = f"{literal(key)}: {literal(value)},"
        if isinstance(value, Mapping) and len(item) > NESTED:
            inner = _laid_out(value, depth + 1, f"{literal(key)}: {{")
            lines += [f"{inner.removesuffix(',')}}},", ""]
        elif len(indent + lines[-1] + item) < WIDTH:
            lines[-1] += item if lines[-1] in ("", lead) else f" {item}"
        else:
            lines.append(item)
    return f"\n{indent}".join(line for line in lines if line)
