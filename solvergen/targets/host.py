"""The host part of a module, the same for every target: float64 numpy functions of time.

The schedule's functions, the table's, and the text that joins the rows of all phases. What is
spelled here is what ``templates/common/functions.jinja`` and ``coefficients.jinja`` ask for.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from solvergen.algebra.accurate_form import Parameters
from solvergen.algebra.numpy_code import constant_name, float_literal
from solvergen.program.program import StepProgram
from solvergen.program.table import Table, TablePhase
from solvergen.scalars.formulas import Formulas
from solvergen.symbols import alpha, gamma, half_log_snr_symbol, sigma
from solvergen.targets import churn, first_steps, noise_arguments, step_scalars
from solvergen.targets.calls import gamma_names
from solvergen.targets.definitions import library_code, tables_code
from solvergen.targets.formulas import INDENT, Spelling
from solvergen.targets.passes import Sums
from solvergen.targets.products import says, together
from solvergen.targets.rows import PhasePrinter
from solvergen.targets.run_rows import all_rows, function_of, numbered
from solvergen.targets.step_scalars import StepScalars
from solvergen.targets.steps import StepPrinter, rows_code
from solvergen.targets.target import Library

BISECTIONS = 100


@dataclass(frozen=True)
class HostCode:
    """The expressions and statements that the host templates lay out."""

    tables: str
    constants: str
    library: str
    quiet: str
    t_min: str
    t_max: str
    alpha: str
    sigma: str
    half_log_snr: str
    time_at_half_log_snr: str
    expansion_variable: str
    time_at_expansion_variable: str
    spacings: str
    solves: bool
    reads_logits: bool
    bisections: int
    expansion_name: str
    default_spacing: str
    counts_exactly: bool
    step_functions: str
    phase_functions: str
    phase_numbers: str
    columns: str
    further: str
    further_arguments: str
    noise_column: int | None
    width: int
    all_rows: str


@lru_cache(maxsize=8)
def host_code_of(
    formulas: Formulas, program: StepProgram, library: Library | None = None
) -> HostCode:
    """Spell the host part of a module, whose functions of time may take arrays of a library."""
    schedule, spelling = formulas.schedule, Spelling(formulas.schedule.parameters)
    of_time = spelling if library is None else replace(spelling, library="xp")
    is_given = step_scalars.are_given(formulas, program)
    phases = [
        PhasePrinter(formulas, one, kind_codes(formulas.table, one.table), is_given)
        for one in formulas.phases
    ]
    given = None
    if is_given:
        given, phases = step_scalars.for_phases(formulas, program, phases)
        phases = first_steps.joined(given, program, phases)
    return HostCode(
        tables=tables_code(schedule.tables),
        constants=_constants(schedule.parameters),
        t_min=float_literal(schedule.domain[0]),
        t_max=float_literal(schedule.domain[1]),
        library=library_code(library, formulas) if library else "",
        quiet=library.quiet if library else "",
        alpha=of_time.function_of_time(schedule.alpha),
        sigma=of_time.function_of_time(schedule.sigma),
        half_log_snr=of_time.function_of_time(schedule.half_log_snr),
        time_at_half_log_snr=of_time.inverse(
            schedule.time_at_half_log_snr, half_log_snr_symbol, "half_log_snr"
        ),
        expansion_variable=_expansion_variable(formulas, spelling),
        time_at_expansion_variable=_time_at_gamma(formulas, spelling),
        spacings=f",\n{2 * INDENT}".join(_spacings(formulas)),
        solves=formulas.bisects,
        reads_logits=formulas.reads_logits,
        bisections=BISECTIONS,
        expansion_name=formulas.expansion,
        default_spacing=schedule.spacing,
        counts_exactly=_counts_exactly(formulas, program),
        step_functions="\n\n\n".join(_step_functions(formulas, program, given)),
        phase_functions="\n\n\n".join(function_of(given, one) for one in phases),
        phase_numbers=numbered(formulas, program, phases),
        columns=_columns(formulas),
        further="".join(f", {name}={value}" for name, value in noise_arguments.arguments(formulas)),
        further_arguments="".join(f", {name}" for name, _ in noise_arguments.arguments(formulas)),
        noise_column=formulas.table.first_factor if formulas.is_noisy else None,
        width=formulas.table.width,
        all_rows=all_rows(formulas, program, phases, given),
    )


def _constants(parameters: Parameters) -> str:
    """Those of the parameters, together where they fit on a line."""
    pairs = ((constant_name(symbol), float_literal(value)) for symbol, value in parameters)
    return "\n".join(together(pairs))


def _step_functions(
    formulas: Formulas, program: StepProgram, given: StepScalars | None
) -> Iterator[str]:
    """What is computed once for all steps, and the functions of a step."""
    if given is not None and not given.is_length:
        yield given.function()
    skipped = frozenset() if given is None or given.is_length else given.own
    paired = len(formulas.phases) == 1 or (given is not None and given.calls_alone)
    yield from StepPrinter(formulas, paired).functions(skipped)
    yield rows_code(formulas.table.width)
    if program.raises:
        yield churn.function(formulas)


def _counts_exactly(formulas: Formulas, program: StepProgram) -> bool:
    """Whether n steps take n evaluations and those of the start-up, on every grid."""
    counts = [len(one.rows) for one in formulas.table.phases]
    start_up = counts[: len(program.phases) - 1] if program.at_infinity is None else []
    return set(counts[len(start_up[:1]) :]) == {1}


def kind_codes(table: Table, phase: TablePhase) -> tuple[str, ...]:
    """The kinds of the rows of a phase, if there are several."""
    if len(table.kinds) == 1:
        return ()
    rows = {one.name: one.rows for one in (*table.pairs, *table.phases)}
    return tuple(str(table.kinds.index(row.kind)) for row in rows[phase.name])


def columns_text(table: Table) -> str:
    """What the columns of the table are."""
    kind = "t, the kind of row" if len(table.kinds) > 1 else "t"
    if len(table.shapes) > 1:
        return f"{kind}, factors in the order of the passes"
    sums, short = Sums.of(table, table.shapes[0]), {"prediction": "P"}
    landing, value = (
        ", ".join(short.get(name, name) for _, name in part) for part in (sums.landing, sums.value)
    )
    return f"{kind}, factors of {landing}" + (
        f"; of {value} in N" if value and not sums.copies else ""
    )


def _columns(formulas: Formulas) -> str:
    """The docstring of ``coefficients``."""
    table = formulas.table
    text = says(f"float64 [evaluations, {table.width}]: {columns_text(table)}.")
    if not formulas.is_noisy:
        return text
    first = text.removesuffix('"""').rstrip()
    return f'{first}\n\n{INDENT}{noise_arguments.says(formulas)}\n{INDENT}"""'


SPACINGS = {
    "time": "(np.asarray, np.asarray)",
    "half_log_snr": "(level, time_at)",
    "karras": "(lambda t: np.exp(-level(t) / rho), lambda v: time_at(-rho * np.log(v)))",
}
"""To a variable in which a grid is even, and back: those of every module."""
FURTHER_SPACINGS = {
    "exponential": SPACINGS["half_log_snr"],
    "quadratic": "(np.sqrt, np.square)",
    "cubic": "(np.cbrt, lambda v: v**3)",
    "theta": "(lambda t: np.arctan(np.exp(-level(t))), lambda v: time_at(-np.log(np.tan(v))))",
    "beta": "(np.asarray, lambda t: end + (start - end) * _beta((t - end) / (start - end)))",
}
"""Those that a grid which is baked in may have too."""


def _spacings(formulas: Formulas) -> list[str]:
    to, back = gamma_names(formulas)
    own = SPACINGS["half_log_snr"] if formulas.is_half_log_snr else f"({to}, {back})"
    found = {**SPACINGS, "expansion": own}
    return [f'"{name}": {code}' for name, code in found.items()]


def further_spacings() -> str:
    """The entries of spacings that only a grid to be baked in may have."""
    return ", ".join(f'"{name}": {code}' for name, code in FURTHER_SPACINGS.items())


def _expansion_variable(formulas: Formulas, spelling: Spelling) -> str:
    """Statements that return gamma(t): one formula for any schedule; empty for lambda and time."""
    form = formulas.gamma
    if formulas.is_half_log_snr or formulas.expansion == "time":
        return ""
    read = [one for one in (alpha, sigma) if one in form.free_symbols]
    if all(form.count(one) == 1 for one in read):
        return spelling.function_of_time(form)
    lines = [f"{spelling.code(one)} = {one}(t)" for one in read]
    return f"\n{INDENT}".join([*lines, f"return {spelling.code(form)}"])


def _time_at_gamma(formulas: Formulas, spelling: Spelling) -> str:
    """Statements that return t(gamma); empty for lambda and time."""
    if formulas.is_half_log_snr or formulas.expansion == "time":
        return ""
    return spelling.inverse(formulas.time_at_gamma, gamma, "expansion_variable")
