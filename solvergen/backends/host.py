"""The host part of a module, the same for every target: float64 numpy functions of time.

What is printed here is what ``templates/common/host.jinja`` asks for; the two change together.
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from sympy import Expr, Symbol, log

from solvergen.backends.definitions import kinks_code, tables_code
from solvergen.backends.layout import Columns, pass_name
from solvergen.backends.weights import functions, node_time, printers
from solvergen.fusion import Pass, phi, zeroth_moment
from solvergen.parameterization import Parameterization, at_schedule, conversion
from solvergen.printing import constant_name, float_literal, host_code
from solvergen.program import Combine, PhaseProgram, StepProgram
from solvergen.rates import Rates
from solvergen.scheme import Stage
from solvergen.solver import Solver
from solvergen.symbols import (
    alpha,
    alpha_dot,
    alpha_s,
    gamma,
    half_log_snr_symbol,
    s,
    sigma,
    sigma_dot,
    sigma_s,
    t,
)

QUADRATURE_POINTS = 16
PANEL = 2.0
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
    integrating_factor: str
    zeroth_moment: str
    linear_coefficient: str
    rates: str
    rates_need_time: bool
    varying_factor: bool
    uniform: bool
    straight_expansion: bool
    factor: str
    weights: bool
    interpolates: bool
    other_moments: bool
    frozen: bool
    averages: bool
    inner_times: bool
    bisections: int
    conversion: str
    conversion_text: str
    expansion_name: str
    quadrature_points: int
    uniform_points: int
    panel: float
    tail: str
    kinks: str
    history: int
    first_order_phase: str
    closing: str
    closing_phase: str
    stages: int
    width: int
    phase_scalars: str
    phase_names: str
    phase_passes: str
    pair_scalars: str
    pair_names: str
    default_spacing: str


@lru_cache(maxsize=16)
def host_code_of(solver: Solver) -> HostCode:
    """Print the host part of a solver."""
    printer = _Printer(solver)
    phases = phases_of(solver)
    pairs = tuple(zip(solver.program.pairs, solver.pair_passes, strict=True))
    called = {name for phase, _ in (*phases, *pairs) for name in functions(phase)}
    columns = [Columns.of(one) for _, fused in phases for one in fused]
    return HostCode(
        tables=tables_code(solver.schedule),
        constants=printer.constants(),
        t_min=float_literal(solver.schedule.t_min),
        t_max=float_literal(solver.schedule.t_max),
        alpha=printer.of_time(solver.schedule.alpha),
        sigma=printer.of_time(solver.schedule.sigma),
        half_log_snr=printer.of_time(solver.schedule.half_log_snr),
        time_at_half_log_snr=printer.inverse(
            log(solver.schedule.alpha / solver.schedule.sigma),
            half_log_snr_symbol,
            "half_log_snr",
        ),
        expansion_variable=printer.expansion_variable(),
        time_at_expansion_variable=printer.time_at_expansion_variable(),
        integrating_factor=printer.integrating_factor(),
        zeroth_moment=printer.zeroth_moment(),
        linear_coefficient=printer.of_time(solver.ode.linear_coefficient),
        rates=printer.rates(),
        rates_need_time=printer.rates_need_time,
        varying_factor=solver.ode.factor is None,
        uniform=solver.weights.same_clock,
        straight_expansion=solver.weights.expansion.name == "time",
        factor=printer.factor(),
        weights=printer.has_weights,
        interpolates="_weights" in called,
        other_moments="_interpolated" in called,
        frozen="_end_density" in called,
        averages="_moments" in called,
        inner_times=printer.has_inner_times,
        bisections=BISECTIONS,
        conversion=printer.conversion(),
        conversion_text=f"{solver.integrand.name} = A x + B {solver.prediction.name}",
        expansion_name=solver.weights.expansion.name,
        quadrature_points=QUADRATURE_POINTS,
        uniform_points=printer.uniform_points(),
        panel=PANEL,
        tail=printer.tail(),
        kinks=kinks_code(solver.schedule),
        history=solver.program.history,
        first_order_phase=str(len(phases) - 1) if solver.program.at_infinity else "",
        closing=_closing(solver.program),
        closing_phase=_closing_phase(solver.program),
        stages=max(len(fused) for _, fused in phases),
        width=max(one.width for one in columns),
        phase_scalars="\n\n\n".join(printer.phase(phase, fused) for phase, fused in phases),
        phase_names=tuple_code([f"_{phase.name}" for phase, _ in phases]),
        phase_passes=tuple_code(
            [tuple_code([pass_name(phase.name, one) for one in fused]) for phase, fused in phases]
        ),
        pair_scalars="\n\n\n".join(printer.phase(phase, fused) for phase, fused in pairs),
        pair_names=tuple_code([f"_{phase.name}" for phase, _ in pairs]),
        default_spacing=default_spacing(solver),
    )


def conversion_code(solver: Solver, integrand: Parameterization) -> str:
    """Statements that return (A, B) at t, with integrand = A x + B prediction."""
    return _Printer(solver).conversion_to(integrand)


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
        "left = np.arange(t.size - 1)[::-1]  # how many steps follow",
        f"last_steps = [{', '.join(conditions)}]",
    )
    return f"\n{INDENT}".join(lines) if conditions else ""


def _closing_phase(program: StepProgram) -> str:
    """The phase numbers of steps by what they can read and how many are left, likewise."""
    first = len(program.phases)
    numbers = list(range(first, first + len(program.closing)))
    return f"np.select(last_steps, {numbers}, readable)" if numbers else ""


def tuple_code(items: Sequence[str]) -> str:
    """A tuple of these expressions."""
    return f"({', '.join(items)}{',' if len(items) == 1 else ''})"


@dataclass(frozen=True)
class _Printer:
    """Prints the formulas of one solver."""

    solver: Solver

    def constants(self) -> str:
        """The parameters as module constants."""
        return "\n".join(
            f"{constant_name(symbol)} = {float_literal(value)}"
            for symbol, value in self.solver.schedule.parameters
        )

    def code(self, expression: Expr) -> str:
        return host_code(expression, self.solver.schedule.parameters)

    def of_time(self, expression: Expr) -> str:
        """A function of t in the form that is most accurate over the domain."""
        if not expression.has(t):
            return f"np.full_like(t, {self.code(expression)})"
        return self.code(self.solver.schedule.stable(expression))

    def inverse(self, variable: Expr, value: Symbol, function: str) -> str:
        """The inverse of a function of t: its closed form, or the guarded numeric inverse."""
        closed = self.solver.schedule.stable_inverse(variable, value)
        if closed is None:
            return f"_solve({function}, {self.code(value)})"
        return self.code(closed)

    def general(self, expression: Expr) -> str:
        """Statements that return a formula in alpha, sigma at t and s: one for any schedule."""
        names = {alpha: "alpha(t)", sigma: "sigma(t)", alpha_s: "alpha(s)", sigma_s: "sigma(s)"}
        lines = [
            f"{self.code(symbol)} = {call}"
            for symbol, call in names.items()
            if symbol in expression.free_symbols
        ]
        if not expression.free_symbols & {alpha, sigma, t, s}:
            return f"return np.full_like(t, {self.code(expression)})"
        return f"\n{INDENT}".join([*lines, f"return {self.code(expression)}"])

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
        if not (self.has_inner_times or solver.program.pairs):
            return ""
        name = solver.weights.expansion.name
        if name == "half_log_snr":
            return "time_at_half_log_snr(gamma)"
        if name == "time":
            return self.code(gamma)
        variable = solver.weights.expansion.at(solver.schedule)
        return self.inverse(variable, gamma, "expansion_variable")

    def integrating_factor(self) -> str:
        """Empty if Phi has no closed form; the template then has the quadrature of a."""
        general = self.solver.ode.general_integrating_factor
        if general is None:
            return ""
        return self.general(general)

    def zeroth_moment(self) -> str:
        """Empty if q has no closed form; the template then has its quadrature."""
        general = self.solver.ode.general_zeroth_moment
        return "" if general is None else self.general(general)

    @cached_property
    def all_rates(self) -> Rates:
        return Rates.derive(self.solver.weights)

    @property
    def integrates(self) -> bool:
        """Whether anything is integrated over lambda."""
        weights = self.solver.weights
        simple = weights.same_clock and weights.expansion.name == "time"
        return self.solver.ode.clock is None or (self.has_weights and not simple)

    def factor(self) -> str:
        """R(t) with M0 = R_t (q_t - q_s), where q has no closed form."""
        factor = self.solver.ode.factor
        if factor is None or self.solver.ode.clock is not None:
            return "1.0"
        at_time = self.solver.schedule.simplest(at_schedule(factor, self.solver.schedule))
        return f"({self.of_time(at_time)})" if at_time.has(t) else self.code(at_time)

    def rates(self) -> str:
        """dq/dlambda, dgamma/dlambda, dt/dlambda in l and t; empty if none is needed."""
        if not self.integrates:
            return ""
        rates = self.all_rates
        forms = (rates.clock, rates.expansion, rates.time)
        return ", ".join(self.code(one.evalf() if one.is_number else one) for one in forms)

    @property
    def rates_need_time(self) -> bool:
        return self.integrates and self.all_rates.needs_time

    def tail(self) -> str:
        """Empty unless lambda is infinite at an end of the domain."""
        schedule = self.solver.schedule
        ends = (schedule.limit_at(schedule.half_log_snr, end) for end in schedule.domain)
        if all(end.is_finite for end in ends) or not self.integrates:
            return ""
        return repr(self.all_rates.tail(schedule))

    @property
    def has_weights(self) -> bool:
        """Whether any weight depends on the time grid."""
        return any(functions(phase) for phase in self._phases)

    @property
    def _phases(self) -> tuple[PhaseProgram, ...]:
        """Every phase, those of adaptive steps included."""
        return (*self.solver.program.all_phases, *self.solver.program.pairs)

    @property
    def has_inner_times(self) -> bool:
        """Whether an evaluation lies inside a step."""
        return any(0 < one.position < 1 for phase in self._phases for one in phase.combines)

    def conversion(self) -> str:
        """Statements that return (A, B); empty if the integrand is the prediction."""
        if self.solver.conversion == (0, 1):
            return ""
        return self.conversion_to(self.solver.integrand)

    def conversion_to(self, integrand: Parameterization) -> str:
        """Statements that return (A, B) with integrand = A x + B prediction."""
        schedule = self.solver.schedule
        a, b = conversion(self.solver.prediction, integrand)
        if (a.free_symbols | b.free_symbols) & {alpha_dot, sigma_dot, t}:
            first, second = (
                self.of_time(schedule.simplest(at_schedule(one, schedule))) for one in (a, b)
            )
            return f"t = np.asarray(t, dtype=np.float64)\n{INDENT}return {first}, {second}"
        lines = [
            f"{self.code(symbol)} = {symbol}(t)"
            for symbol in (alpha, sigma)
            if symbol in a.free_symbols | b.free_symbols
        ]
        return f"\n{INDENT}".join([*lines, f"return {self.code(a)}, {self.code(b)}"])

    def uniform_points(self) -> int:
        """Enough for the polynomials that the weights average if gamma is the clock itself."""
        landings = [printer.combine for one in self._phases for printer in printers(one, str)]
        return max(max(len(one.support), 1 + one.rule.highest_power) for one in landings) // 2 + 1

    def phase(self, phase: PhaseProgram, fused: tuple[Pass, ...]) -> str:
        """The function that computes the scalars of the steps of one phase."""
        last = len(phase.combines)
        body = [f"t_0, t_{last} = t[n], t[n + 1]"]
        body += [f"t_{one.stage} = {_time_of(one, last)}" for one in phase.combines[:-1]]
        if self.solver.conversion != (0, 1):
            shift, factor = self.solver.conversion
            body += [
                f"{f'a_{i}' if shift != 0 else '_'}, {f'b_{i}' if factor != 1 else '_'} = "
                f"_to_integrand(t_{i})"
                for i in phase.evaluations
            ]
        constant: dict[Symbol, Expr] = {}
        for printer in printers(phase, self.code):
            body += [] if printer.rival else self._combine(printer.combine)
            body += printer.lines()
            constant |= printer.constants()
        rows = ",\n".join(f"{2 * INDENT}{self._row(one, constant)}" for one in fused)
        text = f"\n{INDENT}".join(body)
        return (
            f"def _{phase.name}(t, n):\n"
            f"{_phase_docstring(phase)}\n"
            f"{INDENT}{text}\n{INDENT}return (\n{rows},\n{INDENT})"
        )

    def _combine(self, combine: Combine) -> list[str]:
        i, start = combine.stage, node_time(combine.base)
        return [
            f"{phi(i)} = integrating_factor(t_{i}, {start})",
            f"{zeroth_moment(i)} = zeroth_moment(t_{i}, {start})",
        ]

    def _row(self, one: Pass, constant: dict[Symbol, Expr]) -> str:
        items = [f"t_{one.stage}"]
        for _, term in Columns.of(one).all:
            items.append(self.code(term.coefficient.subs(constant)))
        return f"({', '.join(items)}{',' if len(items) == 1 else ''})"


def _time_of(combine: Combine, last: int) -> str:
    if combine.position in (0, 1):
        return f"t_{last}" if combine.position else "t_0"
    numerator, denominator = combine.position.as_integer_ratio()
    return f"_time_between(t_{last}, t_0, {numerator} / {denominator})"


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
