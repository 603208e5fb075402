"""Spells how the rows of a run are made of those of its phases: statements of ``coefficients``."""

from solvergen.program.program import StepProgram
from solvergen.program.table import Table
from solvergen.scalars.formulas import Formulas
from solvergen.targets import churn, noise_arguments, step_scalars
from solvergen.targets.calls import finite_code, gamma_names
from solvergen.targets.formulas import INDENT
from solvergen.targets.products import LINE
from solvergen.targets.rows import PhasePrinter
from solvergen.targets.step_scalars import StepScalars


def all_rows(
    formulas: Formulas,
    program: StepProgram,
    phases: list[PhasePrinter],
    given: StepScalars | None,
) -> str:
    """Statements that make ``rows`` of the times t, and of eta before if a run says it."""
    lines = [*noise_arguments.etas(formulas), _joined(formulas, program, phases, given)]
    return f"\n{INDENT}".join(lines)


def _joined(
    formulas: Formulas,
    program: StepProgram,
    phases: list[PhasePrinter],
    given: StepScalars | None,
) -> str:
    """Statements that make ``rows`` of the times t."""
    if program.raises:
        lines = churn.statements(formulas, program, [one.name for one in phases])
        return f"\n{INDENT}".join(lines)
    if step_scalars.is_numbered(formulas, program):
        first = "" if formulas.data_conversion is None else empty_rows(formulas.table)
        return _by_number(given, first, formulas)
    count = len(phases) - len(formulas.phases) + len(program.phases)  # one less if it is joined
    steps, others = phases[:count], phases[count:]
    if program.at_infinity is None:
        calls = [_sliced(given, one, n, ("t", "eta"), count) for n, one in enumerate(steps)]
        joined = _listed("rows = np.concatenate([", calls, "])")
        joined = f"rows = {calls[0]}" if len(calls) == 1 else joined
        return f"\n{INDENT}".join([*_once(given, "t", "eta", steps[0]), joined])
    first_order = others[0]
    calls = [_sliced(given, one, n, ("u", "e_u"), count) for n, one in enumerate(steps)]
    chosen = "[0]" if first_order.phase.error else ""
    call = f"{first_order.name}({', '.join(_at_infinity(given, first_order))}){chosen}"
    lines = [
        *_finite(formulas, steps[0]),
        *(["e_u = eta[finite[1:] & finite[:-1]]"] if formulas.noise is not None else []),
        *_once(given, "u", "e_u", steps[0]),
        "n = np.flatnonzero(~(finite[1:] & finite[:-1]))  # steps from or to an infinite gamma",
        f"ends = {call} if n.size else {empty_rows(formulas.table)}",
        _listed("rows = np.concatenate([", ["ends[n == 0]", *calls, "ends[n > 0]"], "])"),
    ]
    return f"\n{INDENT}".join(lines)


def _finite(formulas: Formulas, first: PhasePrinter) -> list[str]:
    """Statements that find the times u at which gamma is finite, and gamma there if it is read."""
    if not first.reads_level:
        return [f"finite = {finite_code(formulas)}", "u = t[finite]"]
    return [
        f"finite = np.isfinite(level := {gamma_names(formulas)[0]}(t))",
        "u, level = t[finite], level[finite]",
    ]


def _once(
    given: StepScalars | None, times: str, eta: str, first: PhasePrinter | None = None
) -> list[str]:
    """The statements that compute what all phases read of steps, and the first one of its parts."""
    if given is None:
        return []
    if first is None or not first.parts:
        return [f"{given.name} = {given.call(f'{times}[1:]', f'{times}[:-1]', eta)}"]
    at = {"t": f"{times}[1:2]", "s": f"{times}[:-1][:1]"}
    at |= {name: _of_run(name) for name in first.inner.values()}
    level = "level" if first.reads_level else times
    lines = [f"{at[one]} = {first.inner_time(one, at, level)}" for one in first.inner.values()]
    if level != times == "t":
        lines.insert(0, f"level = {gamma_names(given.formulas)[0]}(t[:2])")
    for name, whole, k in (("last", "1:", 0), ("first", ":-1", 1)):
        joined = [f"{times}[{whole}]", *(at[ends[k]] for ends in first.parts)]
        lines.append(_listed(f"{name} = np.concatenate([", joined, "])"))
    parts = f"np.split({given.call('last', 'first')}, [-{len(first.parts)}], axis=1)"
    return [*lines, f"step, parts = {parts}"]


def _of_run(name: str) -> str:
    """What a run calls an inner time u of its first step."""
    return name.replace("u", "inner")


def _at_infinity(given: StepScalars | None, phase: PhasePrinter) -> list[str]:
    """The arguments of the steps n, from or to an infinite gamma."""
    known = {"t": "t[n + 1]", "s": "t[n]", "eta": "eta[n]"}
    if given is not None:
        known[given.name] = given.call("t[n + 1]", "t[n]", "eta[n]")
    return [known[one] for one in arguments_of(given, phase)]


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


def _sliced(
    given: StepScalars | None,
    phase: PhasePrinter,
    number: int,
    named: tuple[str, str],
    count: int,
) -> str:
    """The call of a phase for the steps that run it: step ``number``, or all from there on.

    ``named`` are the times of the grid, and eta of every step.
    """
    grid, etas = named
    is_last = number == count - 1
    arguments = []
    for name in arguments_of(given, phase):
        is_time = name in ("t", "s") or name.startswith("s_")
        low = number + is_time - (back := _steps_back(name))
        stop: int | str = low + 1
        if is_last:
            stop = -back if back else ""
        part = f"[{low or ''}:{stop}]"
        if name in ("limiter", "parts"):
            arguments.append(name)
        elif name in phase.inner.values():
            arguments.append(_of_run(name))
        elif name == "eta":
            arguments.append(etas + part.removesuffix("[:]"))
        elif is_time or given is None:
            arguments.append(grid + part)
        elif low < 0:
            arguments.append(f"np.append(np.inf, {given.part(name, f':{stop}')})")
        else:
            arguments.append(given.part(name, part[1:-1]))
    return f"{phase.name}({', '.join(arguments)}){'[0]' if phase.phase.error else ''}"


def arguments_of(given: StepScalars | None, phase: PhasePrinter) -> tuple[str, ...]:
    """The names of all arguments of a phase's function."""
    if given is None:
        return (*phase.times, *phase.bounds)
    bounds = (one for one in phase.bounds if one != "eta" or given.reads_eta)
    return (*given.arguments(phase), *bounds)


def function_of(given: StepScalars | None, phase: PhasePrinter) -> str:
    """The function of a phase."""
    unpacked = () if given is None else [*given.unpacked(phase)]
    return phase.function(arguments_of(given, phase), unpacked)


def _steps_back(argument: str) -> int:
    """How many steps, or times, before its end an argument of a phase lies."""
    name, _, index = argument.partition("_")
    return int(index or 0) + (name == "s")


def empty_rows(table: Table) -> str:
    """A table without rows: of a run with one step, to sigma = 0 from where the schedule ends."""
    return f"np.empty((0, {table.width}))"


def _by_number(given: StepScalars | None, first: str, formulas: Formulas) -> str:
    """The same by the number of the phase of every step (``_phases``)."""
    names, arguments = "function, starts", ["*(t[n + 1 - back] for back in range(starts + 2))"]
    if given is not None:
        if not given.reads_past:
            arguments = ["t[n + 1]", "t[n]"]
        arguments.append(f"*({given.part(given.name, 'n - back')} for back in range(starts + 1))")
    if formulas.limiter is not None:
        names = "function, starts, bounds"
        arguments.append("*[limiter][:bounds]")
    if formulas.noise is not None and (given is None or given.reads_eta):
        arguments.append("eta[n]")
    lines = (
        *_once(given, "t", "eta"),
        f"rows = [{first}]",
        "for number, steps in groupby(enumerate(_phases(t)), key=lambda one: one[1]):",
        "    n = np.array([step for step, _ in steps])",
        f"    {names} = _PHASES[number]",
        f"    rows.append(function({', '.join(arguments)}))",
        "rows = np.concatenate(rows)",
    )
    return f"\n{INDENT}".join(lines)


def numbered(formulas: Formulas, program: StepProgram, phases: list[PhasePrinter]) -> str:
    """The phases by number, and the function that says which one each step runs."""
    if not (program.closing or formulas.table.variants or churn.is_numbered(program)):
        return ""
    numbered = phases[: len(formulas.table.phases)]
    items: list[tuple[str, ...]] = [(one.name, str(len(one.times) - 2)) for one in numbered]
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
