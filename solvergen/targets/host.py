"""The host part of a module, the same for every target: float64 numpy functions of time.

What is printed here is what ``templates/common/host.jinja`` asks for; the two change together.
"""

import textwrap
from collections.abc import Iterable, Set
from dataclasses import dataclass

from sympy import Symbol

from solvergen.algebra.numpy_code import constant_name, float_literal, tuple_code
from solvergen.methods.scheme import Stage
from solvergen.program.columns import Columns
from solvergen.program.program import Combine, PhaseProgram, StepProgram, node_of
from solvergen.scalars.conversion import Conversion
from solvergen.scalars.formulas import Formulas, PhaseFormulas
from solvergen.symbols import alpha, gamma, half_log_snr_symbol, sigma, t
from solvergen.targets.definitions import tables_code
from solvergen.targets.formulas import INDENT, Spelling
from solvergen.targets.indices import Places
from solvergen.targets.passes import pass_name
from solvergen.targets.weights import WeightPrinter

BISECTIONS = 100
DOCSTRING_WIDTH = 96


@dataclass(frozen=True)
class HostCode:
    """The expressions and statements that the host template lays out."""

    tables: str
    constants: str
    t_min: str
    t_max: str
    alpha: str
    sigma: str
    half_log_snr: str
    time_at_half_log_snr: str
    expansion_variable: str
    time_at_expansion_variable: str
    solves: bool
    bisections: int
    expansion_name: str
    history: int
    phase_of_steps: str
    stages: int
    width: int
    phase_scalars: str
    phase_names: str
    phase_passes: str
    pair_first: int
    default_spacing: str


def host_code_of(formulas: Formulas, program: StepProgram) -> HostCode:
    """Spell the host part of a module."""
    schedule, spelling = formulas.schedule, Spelling(formulas.schedule.parameters)
    columns = [Columns.of(one) for phase in formulas.phases for one in phase.passes]
    phases, every = formulas.phases, formulas.all_phases
    return HostCode(
        tables=tables_code(schedule.tables),
        constants="\n".join(
            f"{constant_name(symbol)} = {float_literal(value)}"
            for symbol, value in schedule.parameters
        ),
        t_min=float_literal(schedule.domain[0]),
        t_max=float_literal(schedule.domain[1]),
        alpha=spelling.function_of_time(schedule.alpha),
        sigma=spelling.function_of_time(schedule.sigma),
        half_log_snr=spelling.function_of_time(schedule.half_log_snr),
        time_at_half_log_snr=spelling.inverse(
            schedule.time_at_half_log_snr, half_log_snr_symbol, "half_log_snr"
        ),
        expansion_variable=_expansion_variable(formulas, spelling),
        time_at_expansion_variable=_time_at_gamma(formulas, spelling),
        solves=formulas.bisects,
        bisections=BISECTIONS,
        expansion_name=formulas.expansion,
        history=program.history,
        phase_of_steps=_phase_of_steps(program),
        stages=max(len(phase.passes) for phase in phases),
        width=max(one.width for one in columns),
        phase_scalars="\n\n\n".join(_scalars(one, formulas, spelling) for one in every),
        phase_names=tuple_code([f"_{phase.program.name}" for phase in every]),
        phase_passes=tuple_code(
            [
                tuple_code([pass_name(phase.program.name, one) for one in phase.passes])
                for phase in phases
            ]
        ),
        pair_first=len(phases),
        default_spacing=schedule.spacing,
    )


def conversion_code(conversion: Conversion, spelling: Spelling) -> str:
    """Statements that return (A, B) at t."""
    symbols = {symbol for form in conversion.forms for symbol in form.free_symbols}
    lines = [f"{symbol}_t = {symbol}(t)" for symbol in (alpha, sigma) if symbol in symbols]
    slope = conversion.alpha_dot
    if slope is not None or not lines:
        lines.append("t = np.asarray(t, dtype=np.float64)")
    lines += [] if slope is None else [f"alpha_dot = {spelling.at_times(slope)}"]
    return _statements([*lines, f"return {', '.join(map(spelling.code, conversion.forms))}"])


def _expansion_variable(formulas: Formulas, spelling: Spelling) -> str:
    """Statements that return gamma(t): one formula for any schedule."""
    form = formulas.gamma
    if formulas.expansion == "half_log_snr":
        return "return half_log_snr(t)"
    if formulas.expansion == "time":
        return "return np.asarray(t, dtype=np.float64)"
    if form in (alpha, sigma) or not form.free_symbols & {alpha, sigma, t}:
        return spelling.function_of_time(form)
    read = [one for one in (alpha, sigma) if one in form.free_symbols]
    lines = [f"{spelling.code(one)} = {one}(t)" for one in read]
    return _statements([*lines, f"return {spelling.code(form)}"])


def _time_at_gamma(formulas: Formulas, spelling: Spelling) -> str:
    """Statements that return t(gamma); empty if nothing asks for it."""
    if not formulas.inverts_gamma:
        return ""
    if formulas.expansion == "half_log_snr":
        return "return time_at_half_log_snr(gamma)"
    return spelling.inverse(formulas.time_at_gamma, gamma, "expansion_variable")


def _statements(lines: list[str]) -> str:
    return f"\n{INDENT}".join(lines)


def _phase_of_steps(program: StepProgram) -> str:
    """Statements that return the numbers of the phases, ``phase_numbers`` on arrays: by how many
    earlier steps can be read, how many follow, and whether gamma is finite at both ends.
    """
    infinite, first = program.at_infinity is not None, len(program.phases)
    readable = "np.minimum(np.arange(gamma.size - 1), HISTORY)"
    if not (infinite or program.closing):
        return f"return {readable}"
    lines, found = [], "readable"
    if infinite:
        lines.append("finite = np.isfinite(gamma)")
        readable = "np.minimum(finite.cumsum()[:-1] - finite[:-1], HISTORY)"
    lines.append(f"readable = {readable}")
    if program.closing:
        lines.append("left = np.arange(gamma.size - 1)[::-1]  # how many steps follow")
        lines.append(f"last_steps = [{', '.join(_is_closing(program))}]")
        numbers = list(range(first, first + len(program.closing)))
        found = f"np.select(last_steps, {numbers}, readable)"
    if infinite:
        found = f"np.where(finite[:-1] & finite[1:], {found}, {len(program.all_phases) - 1})"
    return _statements([*lines, f"return {found}"])


def _is_closing(program: StepProgram) -> list[str]:
    """Which steps run each closing phase."""
    return [
        f"(left == {left}) & (readable >= {phase.history})" if phase.history else f"left == {left}"
        for left, phase in enumerate(program.closing)
    ]


def _scalars(phase: PhaseFormulas, formulas: Formulas, spelling: Spelling) -> str:
    """The function that computes the scalars of the steps of one phase."""
    program, code = phase.program, spelling.code
    places = Places(program)
    body = ["gap = run.gap"] if phase.reads_gaps else []
    body += [_taken("ab", i, places.time(node_of(i)), phase.read) for i in program.evaluations]
    body += [
        _taken(("phi", "m"), one.stage, places.interval(one), phase.read)
        for one in program.landings
    ]
    for one in phase.weights:
        body += WeightPrinter(one, places, code, formulas.integrals.is_uniform).lines()
    rows = ",\n".join(
        f"{2 * INDENT}{tuple_code([f'run.t[{places.time(node_of(one.stage))}]', *map(code, row)])}"
        for one, row in zip(phase.passes, phase.rows, strict=True)
    )
    text = _statements([*(line for line in body if line), "return ("])
    arguments = ", ".join(("run", "n", *places.names))
    return (
        f"def _{program.name}({arguments}):\n"
        f"{_phase_docstring(program)}\n"
        f"{INDENT}{text}\n{rows},\n{INDENT})"
    )


def _taken(names: Iterable[str], i: int, index: str, read: Set[Symbol]) -> str:
    """a_0, b_0 = run.a[n], run.b[n], as far as they are read."""
    used = [name for name in names if Symbol(f"{name}_{i}") in read]
    left = ", ".join(f"{name}_{i}" for name in used)
    return f"{left} = {', '.join(f'run.{name}[{index}]' for name in used)}" if used else ""


def _phase_docstring(phase: PhaseProgram) -> str:
    """Says which supports the phase has, in as many lines as that takes."""
    lead = f'{INDENT}"""The rows of the passes of steps ``n``: '
    shown = [_landing(one) for one in phase.landings]
    shown += [f"estimate {_landing(phase.rival)}"] if phase.rival else []
    text = "; ".join(shown)
    if len(lead) + len(text) <= DOCSTRING_WIDTH:
        return f'{lead}{text}."""'
    lines = ";\n".join(_indented(one) for one in shown)
    return f'{lead.rstrip()}\n\n{lines}\n{INDENT}"""'


def _indented(text: str) -> str:
    return textwrap.fill(
        text,
        DOCSTRING_WIDTH,
        initial_indent=2 * INDENT,
        subsequent_indent=4 * INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _landing(combine: Combine) -> str:
    return str(Stage(combine.position, combine.support, combine.rule, combine.base))
