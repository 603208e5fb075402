"""The host part of a module, the same for every target: float64 numpy functions of time.

The schedule's functions, the table's, and the text that joins the rows of all phases. What is
spelled here is what ``templates/common/functions.jinja`` and ``coefficients.jinja`` ask for.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

from solvergen.algebra.numpy_code import constant_name, float_literal
from solvergen.program.program import StepProgram
from solvergen.program.table import Table, TablePhase
from solvergen.scalars.formulas import Formulas
from solvergen.symbols import alpha, gamma, half_log_snr_symbol, sigma
from solvergen.targets import churn, noise_arguments
from solvergen.targets.definitions import library_code, tables_code
from solvergen.targets.formulas import INDENT, Spelling
from solvergen.targets.passes import Sums
from solvergen.targets.products import LINE, says, together
from solvergen.targets.rows import PhasePrinter
from solvergen.targets.steps import StepPrinter, rows_code
from solvergen.targets.target import Library

BISECTIONS = 100

LIMITS = (
    "In steps longer than those before, weights are blended with those of fewer nodes: sum |ell|\n"
    f"{INDENT}is at most ``limiter`` times what it is on even steps; np.inf does not bound it."
)


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
    phases = [
        PhasePrinter(formulas, one, kind_codes(formulas.table, one.table))
        for one in formulas.phases
    ]
    steps = [*StepPrinter(formulas).functions(), rows_code(formulas.table.width)]
    steps += [churn.function(formulas)] if program.raises else []
    return HostCode(
        tables=tables_code(schedule.tables),
        constants="\n".join(
            together(
                (constant_name(symbol), float_literal(value))
                for symbol, value in schedule.parameters
            )
        ),
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
        step_functions="\n\n\n".join(steps),
        phase_functions="\n\n\n".join(one.function() for one in phases),
        phase_numbers=_numbered(formulas, program, phases),
        columns=_columns(formulas),
        further="".join(f", {name}={value}" for name, value in noise_arguments.arguments(formulas)),
        further_arguments="".join(f", {name}" for name, _ in noise_arguments.arguments(formulas)),
        noise_column=formulas.table.first_factor if formulas.is_noisy else None,
        width=formulas.table.width,
        all_rows=_all_rows(formulas, program, phases),
    )


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
    parts = [LIMITS] if formulas.limiter is not None else []
    parts += [noise_arguments.says(formulas)] if formulas.is_noisy else []
    if not parts:
        return text
    first = text.removesuffix('"""').rstrip()
    return "\n\n".join([first, *(INDENT + one for one in parts)]) + f'\n{INDENT}"""'


def _all_rows(formulas: Formulas, program: StepProgram, phases: list[PhasePrinter]) -> str:
    """Statements that make ``rows`` of the times t, and of eta before if a run says it."""
    lines = [*noise_arguments.etas(formulas), _joined(formulas, program, phases)]
    return f"\n{INDENT}".join(lines)


def _joined(formulas: Formulas, program: StepProgram, phases: list[PhasePrinter]) -> str:
    """Statements that make ``rows`` of the times t."""
    if program.raises:
        lines = churn.statements(formulas, program, [one.name for one in phases])
        return f"\n{INDENT}".join(lines)
    if program.closing or formulas.table.variants:
        first = "" if formulas.data_conversion is None else empty_rows(formulas.table)
        return _by_number(first, formulas.limiter is not None, formulas.noise is not None)
    steps = phases[: len(program.phases)]
    if program.at_infinity is None:
        calls = [_sliced(one, n, ("t", "eta"), len(steps)) for n, one in enumerate(steps)]
        if len(calls) == 1:
            return f"rows = {calls[0]}"
        return _listed("rows = np.concatenate([", calls, "])")
    first_order = phases[len(program.phases)]
    calls = [_sliced(one, n, ("u", "e_u"), len(steps)) for n, one in enumerate(steps)]
    etas, chosen = first_order.eta, "[0]" if first_order.phase.error else ""
    call = f"{first_order.name}(t[n + 1], t[n]{', eta[n]' if etas else ''}){chosen}"
    lines = [
        f"finite = {finite_code(formulas)}",
        "u = t[finite]",
        *(["e_u = eta[finite[1:] & finite[:-1]]"] if etas else []),
        "n = np.flatnonzero(~(finite[1:] & finite[:-1]))  # steps from or to an infinite gamma",
        f"ends = {call} if n.size else {empty_rows(formulas.table)}",
        _listed("rows = np.concatenate([", ["ends[n == 0]", *calls, "ends[n > 0]"], "])"),
    ]
    return f"\n{INDENT}".join(lines)


def _listed(opening: str, calls: list[str], closing: str) -> str:
    """A list on one line, or on as many as it takes."""
    whole = f"{opening}{', '.join(calls)}{closing}"
    if len(whole) <= LINE:
        return whole
    lines = ["    "]
    for call in calls:
        if len(lines[-1] + call) >= LINE:
            lines.append("    ")
        lines[-1] += f"{call}, "
    lines = [opening, *(one.rstrip() for one in lines), f"{closing}  # fmt: skip"]
    return f"\n{INDENT}".join(lines)


def _sliced(phase: PhasePrinter, number: int, named: tuple[str, str], count: int) -> str:
    """The call of a phase for the steps that run it: step ``number``, or all from there on.

    ``named`` are the times of the grid, and eta of every step.
    """
    grid, etas = named
    is_last = number == count - 1
    arguments = []
    for back in range(len(phase.arguments)):
        low = number + 1 - back
        if is_last:
            start, stop = (low if low else ""), ("" if back == 0 else -back)
            arguments.append(f"{grid}[{start}:{stop}]")
        else:
            arguments.append(f"{grid}[{low if low else ''}:{low + 1}]")
    rows = "[0]" if phase.phase.error else ""
    slices = f"[{number or ''}:{'' if is_last else number + 1}]"
    eta = etas if slices == "[:]" else f"{etas}{slices}"
    bounds = (eta if one == "eta" else one for one in phase.bounds)
    return f"{phase.name}({', '.join((*arguments, *bounds))}){rows}"


def empty_rows(table: Table) -> str:
    """A table without rows: of a run with one step, to sigma = 0 from where the schedule ends."""
    return f"np.empty((0, {table.width}))"


def _by_number(first: str, is_limited: bool, has_eta: bool) -> str:
    """The same by the number of the phase of every step (``_phases``)."""
    names, bounds = ("function, starts", "")
    if is_limited:
        names, bounds = ("function, starts, bounds", ", *[limiter][:bounds]")
    given = bounds + (", eta[n]" if has_eta else "")
    lines = (
        f"rows = [{first}]",
        "for number, steps in groupby(enumerate(_phases(t)), key=lambda one: one[1]):",
        "    n = np.array([step for step, _ in steps])",
        f"    {names} = _PHASES[number]",
        f"    rows.append(function(*(t[n + 1 - back] for back in range(starts + 2)){given}))",
        "rows = np.concatenate(rows)",
    )
    return f"\n{INDENT}".join(lines)


def _numbered(formulas: Formulas, program: StepProgram, phases: list[PhasePrinter]) -> str:
    """The phases by number, and the function that says which one each step runs."""
    if not (program.closing or formulas.table.variants or churn.is_numbered(program)):
        return ""
    numbered = phases[: len(formulas.table.phases)]
    items: list[tuple[str, ...]] = [(one.name, str(len(one.arguments) - 2)) for one in numbered]
    read = "how many earlier starts of steps each reads"
    if formulas.limiter is not None:
        items = [
            (*item, str(len(one.bounds) - len(one.eta)))
            for item, one in zip(items, numbered, strict=True)
        ]
        read += ", and whether the limiter"
    listed = ", ".join(f"({', '.join(item)})" for item in items)
    count = len(program.phases)
    closing = ", ".join(
        f"{left}: ({count + left}, {program.needed(left)})" for left in range(len(program.closing))
    )
    lines = [f"_PHASES = ({listed},)  # and {read}"]
    if program.closing:
        lines.append(f"_CLOSING = {{{closing}}}  # by the steps that follow: phase, earlier values")
    if formulas.table.variants:
        lines.append(f"_VARIANTS = {formulas.table.variants}  # of a phase, by the one before it")
    finite = f"finite = {finite_code(formulas)}"
    lines += [
        "",
        "",
        "def _phases(t):",
        f'{INDENT}"""The number in ``_PHASES`` of what each step runs."""',
    ]
    body = _numbers(program, finite)
    if formulas.table.variants:
        pairs = "zip(phases, [None, *phases], strict=False)"
        body.append(f"return [_VARIANTS.get(pair, pair[0]) for pair in {pairs}]")
    else:
        body.append("return phases")
    return "\n".join([*lines, *(INDENT + one for one in body)])


def _numbers(program: StepProgram, finite: str) -> list[str]:
    """Statements that list the phases of all steps."""
    if not (program.at_infinity or program.closing):
        return [f"phases = [min(n, {program.history}) for n in range(t.size - 1)]"]
    body = ["phases, readable = [], 0", "for left in range(t.size - 2, -1, -1):"]
    if program.at_infinity:
        body.insert(0, finite)
        body += [
            "    n = t.size - 2 - left",
            "    if not (finite[n] and finite[n + 1]):",
            f"        phases.append({len(program.all_phases) - 1})",
            "        readable += int(finite[n])",
            "        continue",
        ]
    body.append(f"    phase = min(readable, {program.history})")
    if program.closing:
        body += [
            "    closing, needed = _CLOSING.get(left, (phase, 0))",
            "    phase = closing if readable >= needed else phase",
        ]
    body += ["    phases.append(phase)", "    readable += 1"]
    return body


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


def gamma_names(formulas: Formulas) -> tuple[str, str]:
    """What computes gamma at a time, and the time at which gamma has a value."""
    if formulas.is_time:
        return "np.asarray", "np.asarray"
    if formulas.is_half_log_snr:
        return "half_log_snr", "time_at_half_log_snr"
    return "expansion_variable", "time_at_expansion_variable"


def finite_code(formulas: Formulas) -> str:
    """Whether gamma is finite at the times t."""
    name, _ = gamma_names(formulas)
    return "np.isfinite(t)" if name == "np.asarray" else f"np.isfinite({name}(t))"


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
