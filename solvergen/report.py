"""What ``solvergen derive`` shows: every derived quantity of a solver, as text or LaTeX."""

from dataclasses import dataclass

from sympy import Eq, Expr, Function, Integer, latex

from solvergen.closed_forms import moment_antiderivative
from solvergen.moments import Weights
from solvergen.schedule import NoiseSchedule
from solvergen.semilinear import SemilinearODE
from solvergen.solver import Solver
from solvergen.symbols import gamma, half_log_snr_symbol, s, t

NO_CLOSED_FORM = "no closed form found; evaluated numerically"


@dataclass(frozen=True)
class Row:
    """``left`` = ``right``; right is None where no closed form was found."""

    left: Expr
    right: Expr | None


@dataclass(frozen=True)
class Section:
    """Derived quantities that belong together."""

    title: str
    rows: tuple[Row, ...]


def sections(weights: Weights, moments: int = 3) -> tuple[Section, ...]:
    """Every derived quantity of a schedule, an integrand and an expansion variable."""
    ode = weights.ode
    return (_schedule(ode.schedule), _ode(ode), _expansion(weights), _moments(weights, moments))


def _schedule(schedule: NoiseSchedule) -> Section:
    values = "".join(f", {symbol} = {value}" for symbol, value in schedule.parameters)
    return Section(
        f"schedule {schedule.name}, {schedule.t_min} <= t <= {schedule.t_max}{values}",
        (
            Row(Function("alpha")(t), schedule.alpha),
            Row(Function("sigma")(t), schedule.sigma),
            Row(Function("f")(t), schedule.f),
            Row(Function("g")(t) ** 2, schedule.g_squared),
            Row(Function("SNR")(t), schedule.snr),
            Row(Function("lambda")(t), schedule.half_log_snr),
            Row(Function("t")(half_log_snr_symbol), schedule.time_at_half_log_snr),
        ),
    )


def _ode(ode: SemilinearODE) -> Section:
    return Section(
        f"dx/dt = a x + b N with N = {ode.integrand.name}; "
        "x_t = Phi x_s + M_0 (mean of N over the clock q)",
        (
            Row(Function("a")(t), ode.linear_coefficient),
            Row(Function("b")(t), ode.nonlinear_coefficient),
            Row(Function("Phi")(t, s), ode.integrating_factor()),
            Row(Function("q")(t), ode.clock_of_time),
            Row(Function("M_0")(t, s), ode.zeroth_moment()),
        ),
    )


def _expansion(weights: Weights) -> Section:
    symbol = weights.density_symbol or gamma
    return Section(
        f"expansion variable gamma = {weights.expansion.name}; w = dq/dgamma",
        (
            Row(Function("gamma")(t), weights.variable),
            Row(Function("t")(gamma), weights.time_at),
            Row(Function("w")(symbol), weights.density),
        ),
    )


def _moments(weights: Weights, count: int) -> Section:
    return Section(
        "moments: J_k' = w gamma^k; the mean of gamma^k over a step is "
        "[J_k(gamma_t) - J_k(gamma_s)] / [J_0(gamma_t) - J_0(gamma_s)]",
        tuple(
            Row(Function("J")(Integer(k), gamma), moment_antiderivative(weights, k))
            for k in range(count)
        ),
    )


def ends(solver: Solver) -> str:
    """What happens at the ends of the domain when the prediction is the integrand."""
    title = f"ends of the domain, {solver.scheme.name}, prediction {solver.prediction.name}"
    return "\n".join((title, f"  {solver.endpoints.start}", f"  {solver.endpoints.end}"))


def text(found: tuple[Section, ...]) -> str:
    """Plain text, aligned within a section."""
    blocks = []
    for section in found:
        width = max(len(str(row.left)) for row in section.rows)
        lines = [
            f"  {row.left!s:<{width}} = {NO_CLOSED_FORM if row.right is None else row.right}"
            for row in section.rows
        ]
        blocks.append("\n".join((section.title, *lines)))
    return "\n\n".join(blocks)


def latex_text(found: tuple[Section, ...]) -> str:
    """One display equation a row; titles are comments."""
    lines: list[str] = []
    for section in found:
        lines.append(f"% {section.title}")
        for row in section.rows:
            if row.right is None:
                lines.append(f"% {row.left}: {NO_CLOSED_FORM}")
            else:
                lines.append(rf"\[ {latex(Eq(row.left, row.right, evaluate=False))} \]")
        lines.append("")
    return "\n".join(lines).rstrip()
