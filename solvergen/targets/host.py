"""The host part of a module, the same for every target: float64 numpy functions of time.

What is printed here is what ``templates/common/host.jinja`` asks for; the two change together.
"""

import re
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from sympy import Expr, Integer, Symbol, log

from solvergen.algebra.numpy_code import constant_name, float_literal, tuple_code
from solvergen.derivation.parameterization import Parameterization
from solvergen.methods.scheme import Stage
from solvergen.program.columns import Columns
from solvergen.program.fusion import Pass, phi
from solvergen.program.program import Combine, PhaseProgram, StepProgram, node_of
from solvergen.specification.solver import Solver
from solvergen.symbols import alpha, alpha_dot, gamma, sigma, t
from solvergen.targets.definitions import tables_code
from solvergen.targets.formulas import Formulas, conversion_forms
from solvergen.targets.indices import Places
from solvergen.targets.passes import pass_name
from solvergen.targets.weights import printers

BISECTIONS = 100
INDENT = "    "
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
    bisections: int
    expansion_name: str
    history: int
    first_order_phase: str
    closing: str
    closing_phase: str
    stages: int
    width: int
    phase_scalars: str
    phase_names: str
    phase_passes: str
    pair_first: int
    default_spacing: str


@lru_cache(maxsize=16)
def host_code_of(solver: Solver, adaptive: bool) -> HostCode:
    """Print the host part of a solver, with what adaptive steps need if they are emitted."""
    printer = _Printer(solver, adaptive)
    phases = phases_of(solver)
    pairs = tuple(zip(solver.program.pairs, solver.pair_passes, strict=True)) if adaptive else ()
    columns = [Columns.of(one) for _, fused in phases for one in fused]
    return HostCode(
        tables=tables_code(solver.schedule),
        constants=printer.constants(),
        t_min=float_literal(solver.schedule.t_min),
        t_max=float_literal(solver.schedule.t_max),
        alpha=printer.formulas.function_of_time(solver.schedule.alpha),
        sigma=printer.formulas.function_of_time(solver.schedule.sigma),
        half_log_snr=printer.formulas.half_log_snr(),
        time_at_half_log_snr=printer.formulas.time_at_half_log_snr(),
        expansion_variable=printer.expansion_variable(),
        time_at_expansion_variable=printer.time_at_expansion_variable(),
        bisections=BISECTIONS,
        expansion_name=solver.weights.expansion.name,
        history=solver.program.history,
        first_order_phase=str(len(phases) - 1) if solver.program.at_infinity else "",
        closing=_closing(solver.program),
        closing_phase=_closing_phase(solver.program),
        stages=max(len(fused) for _, fused in phases),
        width=max(one.width for one in columns),
        phase_scalars="\n\n\n".join(printer.phase(*one) for one in (*phases, *pairs)),
        phase_names=tuple_code([f"_{phase.name}" for phase, _ in (*phases, *pairs)]),
        phase_passes=tuple_code(
            [tuple_code([pass_name(phase.name, one) for one in fused]) for phase, fused in phases]
        ),
        pair_first=len(phases),
        default_spacing=default_spacing(solver),
    )


def conversion_code(solver: Solver, integrand: Parameterization) -> str:
    """Statements that return (A, B) at t, with integrand = A x + B prediction."""
    forms = conversion_forms(solver.prediction, integrand, solver.schedule)
    symbols = {symbol for form, _ in forms for symbol in form.free_symbols}
    lines = [f"{symbol}_t = {symbol}(t)" for symbol in (alpha, sigma) if symbol in symbols]
    if alpha_dot in symbols or not lines:
        lines.append("t = np.asarray(t, dtype=np.float64)")
    lines += [Formulas(solver.schedule).alpha_dot] if alpha_dot in symbols else []
    return f"\n{INDENT}".join([*lines, f"return {', '.join(code for _, code in forms)}"])


def phases_of(solver: Solver) -> tuple[tuple[PhaseProgram, tuple[Pass, ...]], ...]:
    """The phases in the order of their numbers, each with its passes."""
    return tuple(zip(solver.program.all_phases, solver.passes, strict=True))


def _closing(program: StepProgram) -> str:
    """Statements that say which steps run a closing phase; empty if none does."""
    conditions = []
    for left, phase in enumerate(program.closing):
        needs = f" & (readable >= {phase.history})" if phase.history else ""
        conditions.append(f"(left == {left}){needs}" if needs else f"left == {left}")
    lines = (
        "left = np.arange(gamma.size - 1)[::-1]  # how many steps follow",
        f"last_steps = [{', '.join(conditions)}]",
    )
    return f"\n{INDENT}".join(lines) if conditions else ""


def _closing_phase(program: StepProgram) -> str:
    """The phase numbers of steps by what they can read and how many are left, likewise."""
    first = len(program.phases)
    numbers = list(range(first, first + len(program.closing)))
    return f"np.select(last_steps, {numbers}, readable)" if numbers else ""


@dataclass(frozen=True)
class _Printer:
    """Prints the formulas of one solver."""

    solver: Solver
    adaptive: bool

    def constants(self) -> str:
        """The parameters as module constants."""
        return "\n".join(
            f"{constant_name(symbol)} = {float_literal(value)}"
            for symbol, value in self.solver.schedule.parameters
        )

    @property
    def formulas(self) -> Formulas:
        return Formulas(self.solver.schedule)

    def general(self, expression: Expr) -> str:
        """Statements that return a formula in t, alpha and sigma: one for any schedule."""
        names = {alpha: "alpha(t)", sigma: "sigma(t)"}
        lines = [
            f"{self.formulas.code(symbol)} = {call}"
            for symbol, call in names.items()
            if symbol in expression.free_symbols
        ]
        if expression in names:
            return f"return {names[expression]}"
        if not expression.free_symbols & {alpha, sigma, t}:
            return f"return np.full_like(t, {self.formulas.code(expression)})"
        return f"\n{INDENT}".join([*lines, f"return {self.formulas.code(expression)}"])

    def expansion_variable(self) -> str:
        expansion = self.solver.weights.expansion
        if expansion.name == "half_log_snr":
            return "return half_log_snr(t)"
        if expansion.name == "time":
            return "return np.asarray(t, dtype=np.float64)"
        return self.general(expansion.variable)

    def time_at_expansion_variable(self) -> str:
        """Empty if neither an inner stage nor an adaptive step asks for a time."""
        solver = self.solver
        if not (self.has_inner_times or self.adaptive):
            return ""
        name = solver.weights.expansion.name
        if name == "half_log_snr":
            return "return time_at_half_log_snr(gamma)"
        if name == "time":
            return f"return {self.formulas.code(gamma)}"
        ray = solver.weights.expansion.ray
        found = None if ray is None else self.formulas.long_time_at(log(ray[0] / ray[1]))
        if found is not None:
            return found
        variable = solver.weights.expansion.at(solver.schedule)
        return self.formulas.inverse_function(variable, gamma, "expansion_variable")

    @property
    def has_inner_times(self) -> bool:
        """Whether an evaluation lies inside a step."""
        program = self.solver.program
        phases = (*program.all_phases, *(program.pairs if self.adaptive else ()))
        return any(0 < one.position < 1 for phase in phases for one in phase.combines)

    def phase(self, phase: PhaseProgram, fused: tuple[Pass, ...]) -> str:
        """The function that computes the scalars of the steps of one phase."""
        places, code = Places(phase), self.formulas.code
        constant: dict[Symbol, Expr] = {}
        weights: list[str] = []
        for printer in printers(phase, code, self.solver.weights.same_clock):
            weights += printer.lines()
            constant |= printer.constants()
        if self.solver.ode.general_integrating_factor == 1:
            constant |= {phi(combine.stage): Integer(1) for combine in phase.landings}
        table = [[one.coefficient.subs(constant) for _, one in Columns.of(p).all] for p in fused]
        read = {str(symbol) for row in table for form in row for symbol in form.free_symbols}
        read |= set(re.findall(r"\bm_\d+\b", " ".join(weights)))
        body = ["gap = run.gap"] if any("gap[" in line for line in weights) else []
        body += [
            *self._evaluated(phase, places, read),
            *self._landed(phase, places, read),
            *weights,
        ]
        rows = ",\n".join(
            f"{2 * INDENT}{_row([f'run.t[{_evaluation(places, one)}]', *map(code, row)])}"
            for one, row in zip(fused, table, strict=True)
        )
        text = f"\n{INDENT}".join([*body, "return ("])
        arguments = ", ".join(("run", "n", *places.names))
        return (
            f"def _{phase.name}({arguments}):\n"
            f"{_phase_docstring(phase)}\n"
            f"{INDENT}{text}\n{rows},\n{INDENT})"
        )

    def _evaluated(self, phase: PhaseProgram, places: Places, read: set[str]) -> list[str]:
        """(A, B) of every evaluation."""
        found = (
            _taken("ab", i, f"run.{{}}[{places.time(node_of(i))}]", read) for i in phase.evaluations
        )
        return [line for line in found if line]

    def _landed(self, phase: PhaseProgram, places: Places, read: set[str]) -> list[str]:
        """Phi and M0 of every landing."""
        found = (
            _taken(("phi", "m"), one.stage, f"run.{{}}[{places.interval(one)}]", read)
            for one in phase.landings
        )
        return [line for line in found if line]


def _taken(names: Iterable[str], i: int, source: str, read: set[str]) -> str:
    """a_0, b_0 = run.a[n], run.b[n], as far as they are read."""
    used = [name for name in names if f"{name}_{i}" in read]
    left = ", ".join(f"{name}_{i}" for name in used)
    return f"{left} = {', '.join(source.format(name) for name in used)}" if used else ""


def _evaluation(places: Places, one: Pass) -> str:
    return places.time(node_of(one.stage))


def _row(items: list[str]) -> str:
    return f"({', '.join(items)}{',' if len(items) == 1 else ''})"


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


def default_spacing(solver: Solver) -> str:
    """half_log_snr if it is finite over the whole domain, else time."""
    schedule = solver.schedule
    ends = (schedule.limit_at(schedule.half_log_snr, end) for end in schedule.domain)
    return "half_log_snr" if all(end.is_finite for end in ends) else "time"
