"""A schedule as plain data, for an emitted module's SPEC, and as command line options."""

from collections.abc import Mapping
from typing import Any

from sympy import Expr

from solvergen.algebra import functions
from solvergen.algebra.expressions import parse, to_text
from solvergen.algebra.functions import REGISTRY
from solvergen.algebra.tables import Table
from solvergen.errors import ScheduleError
from solvergen.naming import shown
from solvergen.schedules import declarations, named
from solvergen.schedules.reading import read_parameters
from solvergen.schedules.schedule import NoiseSchedule

FIELDS = ("name", "alpha", "sigma", "domain", "parameters")
OPTIONAL = ("reversed", "declaration", "tables", "functions")


DECLARATIONS = (
    "alpha", "sigma", "beta", "drift", "diffusion-squared", "half-log-snr", "process"
)  # fmt: skip
"""Options of the command line that a schedule may be said by."""


def tables_of(*formulas: Expr) -> tuple[Table, ...]:
    """The tables in some formulas, each once: of a table and its inverse the table.

    Raises:
        ScheduleError: two tables have one name.
    """
    found: dict[str, Table] = {}
    for table in sorted({one for e in formulas for one in e.atoms(Table)}, key=lambda e: e.name):
        original = table.inverted() if table.is_inverted else table
        if found.setdefault(original.name, original) != original:
            raise ScheduleError(f"two tables are called {original.name}; expected different names")
    return tuple(found.values())


def to_dictionary(schedule: NoiseSchedule) -> dict[str, Any]:
    """The schedule as text and numbers; what is optional only where it has some."""
    plain: dict[str, Any] = {
        "name": schedule.name,
        "alpha": to_text(schedule.alpha),
        "sigma": to_text(schedule.sigma),
        "domain": [to_text(end) for end in schedule.domain],
        "parameters": {symbol.name: to_text(value) for symbol, value in schedule.parameters},
    }
    if schedule.reversed:
        plain["reversed"] = True
    if schedule.declaration:
        plain["declaration"] = dict(schedule.declaration)
    tables = tables_of(schedule.alpha, schedule.sigma)
    if tables:
        plain["tables"] = {one.name: [list(one.x), list(one.y)] for one in tables}
    definitions = functions.used(schedule.alpha + schedule.sigma)
    if definitions:
        plain["functions"] = {
            one.name: {"derivative": one.derivative, "numpy": one.numpy} for one in definitions
        }
    return plain


def from_dictionary(plain: Mapping[str, Any]) -> NoiseSchedule:
    """The schedule that ``to_dictionary`` wrote.

    Raises:
        ScheduleError: a field is missing, of another kind or does not read, or a function is not
            registered here.
    """
    require_fields("the schedule", plain, FIELDS, OPTIONAL)
    for field in ("parameters", "declaration", "tables", "functions"):
        if not isinstance(plain.get(field, {}), Mapping):
            raise ScheduleError(
                f"{field} of the schedule: got {shown(plain[field])}; expected a mapping of names"
            )
    for name, given in plain.get("functions", {}).items():
        _check_registered(name, given)
    parameters = read_parameters(plain["parameters"])
    tables = [_table(name, columns) for name, columns in plain.get("tables", {}).items()]
    names = (*(symbol for symbol, _ in parameters), *tables, *(one.inverted() for one in tables))
    return NoiseSchedule(
        parse(plain["alpha"], names),
        parse(plain["sigma"], names),
        domain=plain["domain"],
        name=plain["name"],
        parameters=parameters,
        reversed=_is_reversed(plain.get("reversed", False)),
        declaration=_declaration(plain.get("declaration", {})),
    )


def _is_reversed(given: Any) -> bool:
    if not isinstance(given, bool):
        raise ScheduleError(f"reversed of the schedule: got {shown(given)}; expected True or False")
    return given


def _declaration(given: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """What a schedule was said by, if it is what a declaration writes."""
    for option, text in given.items():
        if option not in DECLARATIONS or not isinstance(text, str):
            raise ScheduleError(
                f"declaration of the schedule: got {shown({option: text})}; expected the text of "
                f"one of {', '.join(DECLARATIONS)}"
            )
    return tuple(given.items())


def _table(name: Any, columns: Any) -> Table:
    if not isinstance(columns, list | tuple) or len(columns) != 2:
        raise ScheduleError(f"table {shown(name)}: got {shown(columns)}; expected two columns")
    return Table(name, *columns)


def require_fields(
    what: str, given: Any, needed: tuple[str, ...], optional: tuple[str, ...] = ()
) -> None:
    """Refuse what is no mapping, lacks a field or has one that nobody would read.

    Raises:
        ScheduleError: which.
    """
    names = ", ".join(needed) + (f", and perhaps {', '.join(optional)}" if optional else "")
    if not isinstance(given, Mapping):
        raise ScheduleError(f"{what} is {shown(given)}; expected a mapping with {names}")
    for name in needed:
        if name not in given:
            raise ScheduleError(f"{what} has no field {name}; expected {names}")
    for name in given:
        if name not in (*needed, *optional):
            raise ScheduleError(f"{what} has the unknown field {shown(name)}; expected {names}")


def _check_registered(name: Any, given: Any) -> None:
    require_fields(f"the function {shown(name)}", given, ("derivative", "numpy"))
    if not all(isinstance(one, str) for one in (name, *given.values())):
        raise ScheduleError(f"the function {shown(name)}: got {shown(given)}; expected text")
    call = (
        f"solvergen.register_function({name!r}, derivative={given['derivative']!r}, "
        f"numpy={given['numpy']!r}, in_many_digits=...)"
    )
    if name not in REGISTRY:
        raise ScheduleError(
            f"the schedule calls the function {name}, which is not registered in this process; "
            f"expected {call} before."
        )
    known = REGISTRY[name].definition
    if (known.derivative, known.numpy) != (given["derivative"], given["numpy"]):
        raise ScheduleError(
            f"the function {name} is registered here as {known.numpy!r} with derivative "
            f"{known.derivative!r}; expected {call}, which is what the schedule was made with."
        )


def _says(declaration: tuple[tuple[str, str], ...], schedule: NoiseSchedule) -> bool:
    """Whether it still says the schedule, of which a copy may have another domain."""
    try:
        again = declarations.declare(
            dict(declaration),
            schedule.domain,
            schedule.name,
            schedule.parameters,
            schedule.reversed,
        )
    except ScheduleError:
        return False
    return again == schedule


def options(schedule: NoiseSchedule) -> list[str] | None:
    """The command line options that say this schedule; None if none can.

    A table is ``--betas FILE`` or ``--alphas-cumprod FILE``, where FILE holds what was given to
    ``schedules.tabulated``.
    """
    name = schedule.name
    given = named.parameters_of(schedule)
    if given is not None:
        pairs = (("--parameter", f"{key}={value}") for key, value in given.items())
        return ["--schedule", name, *(part for pair in pairs for part in pair)]
    tables = tables_of(schedule.alpha, schedule.sigma)
    if tables:
        source = named.table_option(schedule)
        return None if source is None else [source, "FILE", "--name", name]
    if functions.used(schedule.alpha + schedule.sigma):
        return None
    plain = to_dictionary(schedule)
    said = schedule.declaration
    if not _says(said, schedule):
        if schedule.reversed:
            return None
        said = ("alpha", plain["alpha"]), ("sigma", plain["sigma"])
    found = [one for option, text in said for one in (f"--{option}", text)]
    found += ["--reversed"] if schedule.reversed else []
    found += ["--domain", *plain["domain"]]
    for parameter, value in plain["parameters"].items():
        found += ["--parameter", f"{parameter}={value}"]
    return [*found, "--name", name]
