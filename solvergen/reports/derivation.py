"""What ``solvergen derive`` shows: every derived quantity of a solver, as text or LaTeX."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sympy import Expr, Function, Symbol, factorial

from solvergen.algebra.phi import in_exponentials, phi
from solvergen.closed_forms.antiderivatives import (
    ClosedForm,
    antiderivative,
    is_not_elementary,
    moment_closed_form,
)
from solvergen.closed_forms.proofs import Proof
from solvergen.closed_forms.taylor import h, normalized_moment, taylor_integral
from solvergen.derivation.semilinear import SemilinearODE
from solvergen.derivation.weights import Weights
from solvergen.reports import typesetting
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.specification.solver import Solver
from solvergen.symbols import alpha, gamma, half_log_snr_symbol, s, sigma, t

NO_CLOSED_FORM = "no closed form found; evaluated numerically"
NOT_ELEMENTARY = "not an elementary function (proved); evaluated numerically"
TOO_LONG = "a closed form too long to be read; evaluated numerically"
LONGEST = 60
"""Operations of a moment beyond which it is written as a quotient of the integrals."""


@dataclass(frozen=True)
class Equation:
    """``left`` = ``right`` = ``also``; where right is None, ``missing`` says why."""

    left: Expr
    right: Expr | None
    also: Expr | None = None
    missing: str = NO_CLOSED_FORM


@dataclass(frozen=True)
class Section:
    """Derived quantities that belong together."""

    title: str
    rows: tuple[Equation, ...]
    remark: str = ""


def sections(weights: Weights, moments: int = 3) -> tuple[Section, ...]:
    """Every derived quantity of a schedule, an integrand and an expansion variable."""
    ode = weights.ode
    found = (_schedule(ode.schedule), _ode(ode), _expansion(weights))
    if moments == 0:
        return found
    return (*found, _antiderivatives(weights, moments), _integrals(weights, moments))


def _schedule(schedule: NoiseSchedule) -> Section:
    values = "".join(f", {symbol} = {value}" for symbol, value in schedule.parameters)
    return Section(
        f"schedule {schedule.name}, {schedule.t_min} <= t <= {schedule.t_max}{values}",
        (
            Equation(Function("alpha")(t), schedule.alpha),
            Equation(Function("sigma")(t), schedule.sigma),
            Equation(Function("f")(t), schedule.f),
            Equation(Function("g")(t) ** 2, schedule.g_squared),
            Equation(Function("SNR")(t), schedule.snr),
            Equation(Function("lambda")(t), schedule.half_log_snr),
            Equation(Function("t")(half_log_snr_symbol), schedule.time_at_half_log_snr),
        ),
    )


def _ode(ode: SemilinearODE) -> Section:
    return Section(
        f"dx/dt = a x + b N with N = {ode.integrand.name}; "
        "x_t = Phi x_s + M_0 (mean of N over the clock q)",
        (
            Equation(Function("a")(t), ode.linear_coefficient),
            Equation(Function("b")(t), ode.nonlinear_coefficient),
            Equation(Function("Phi")(t, s), ode.integrating_factor()),
            Equation(Function("q")(t), ode.clock_of_time),
            Equation(Function("M_0")(t, s), ode.zeroth_moment()),
        ),
    )


def _expansion(weights: Weights) -> Section:
    symbol = t if weights.explicit_density.has(t) else gamma
    return Section(
        f"expansion variable gamma = {weights.expansion.name}; "
        "w = dq/dgamma up to a constant factor",
        (
            Equation(Function("gamma")(t), weights.variable),
            Equation(Function("t")(gamma), weights.time_at),
            Equation(Function("w")(symbol), weights.explicit_density),
        ),
    )


def _antiderivatives(weights: Weights, count: int) -> Section:
    forms = {k: moment_closed_form(weights, k) for k in range(count)}
    return Section(
        "antiderivatives: J_k' = gamma^k dq/dgamma; the mean of gamma^k over a step is "
        "[J_k(gamma_t) - J_k(gamma_s)] / [J_0(gamma_t) - J_0(gamma_s)]",
        tuple(
            Equation(
                Function(f"J_{k}")(gamma),
                None if form is None else form.expression,
                missing=_missing(weights, k),
            )
            for k, form in forms.items()
        ),
        _proofs("J", forms),
    )


def _integrals(weights: Weights, count: int) -> Section:
    forms = {k: taylor_integral(weights, k) for k in range(count)}
    rows = [
        *(_integral(weights, k, form) for k, form in forms.items()),
        *(_moment(weights, k) for k in range(1, count)),
    ]
    if any(row.right is not None and row.right.has(h) for row in rows):
        rows.insert(0, Equation(h, Function("gamma")(t) - Function("gamma")(s)))
    return Section(
        "Taylor coefficients: x_t = Phi x_s + sum_k I_k d^kN/dgamma^k; "
        "mu_k = k! I_k/(M_0 (gamma_t - gamma_s)^k)",
        tuple(rows),
        _proofs("I", forms),
    )


def _missing(weights: Weights, k: int) -> str:
    """Why J_k, and with it I_k and mu_k, is not shown."""
    if is_not_elementary(weights, k):
        return NOT_ELEMENTARY
    found = antiderivative(weights, k)
    return TOO_LONG if found is not None and found.is_long else NO_CLOSED_FORM


def _integral(weights: Weights, k: int, form: ClosedForm | None) -> Equation:
    """I_k; phi functions in exponentials too."""
    left = Function(f"I_{k}")(t, s)
    if form is None:
        return Equation(left, None, missing=_missing(weights, k))
    return _two_times(left, form.expression)


def _moment(weights: Weights, k: int) -> Equation:
    """mu_k; as a quotient of the integrals if it is long."""
    left, found = Function(f"mu_{k}")(t, s), normalized_moment(weights, k)
    if found is None:
        return Equation(left, None, missing=_missing(weights, k))
    if found.count_ops() <= LONGEST:
        return _two_times(left, found)
    integrals = Function(f"I_{k}")(t, s) / Function("I_0")(t, s)
    return Equation(
        left, factorial(k) * integrals / (Function("gamma")(t) - Function("gamma")(s)) ** k
    )


def _two_times(left: Expr, found: Expr) -> Equation:
    found = found.xreplace({alpha: Symbol("alpha_t"), sigma: Symbol("sigma_t")})
    return Equation(left, found, in_exponentials(found) if found.has(phi) else None)


def _proofs(name: str, forms: Mapping[int, ClosedForm | None]) -> str:
    """How the forms of a section were proved."""
    ways = []
    for proof in Proof:
        proved = [f"{name}_{k}" for k, form in forms.items() if form and form.proof is proof]
        if proved:
            ways.append(f"{', '.join(proved)} {proof}")
    return f"proved: {'; '.join(ways)}" if ways else ""


def ends(solver: Solver) -> str:
    """What happens at the ends of the domain when the prediction is the integrand."""
    title = f"ends of the domain, {solver.scheme.name}, prediction {solver.prediction.name}"
    return "\n".join((title, f"  {solver.endpoints.start}", f"  {solver.endpoints.end}"))


def text(found: tuple[Section, ...]) -> str:
    """Plain text, aligned within a section."""
    blocks = []
    for section in found:
        width = max(len(typesetting.text(row.left)) for row in section.rows)
        lines = [line for row in section.rows for line in _lines(row, width)]
        remark = (f"  {section.remark}",) if section.remark else ()
        blocks.append("\n".join((section.title, *lines, *remark)))
    return "\n\n".join(blocks)


def _lines(row: Equation, width: int) -> Iterator[str]:
    """``left = right``, and ``= also`` below it."""
    right = row.missing if row.right is None else typesetting.text(row.right)
    yield f"  {typesetting.text(row.left):<{width}} = {right}"
    if row.also is not None:
        yield f"  {'':<{width}} = {typesetting.text(row.also)}"


def latex_text(found: tuple[Section, ...]) -> str:
    """One display equation a row; titles and remarks are comments."""
    lines: list[str] = []
    for section in found:
        lines.append(f"% {section.title}")
        for row in section.rows:
            if row.right is None:
                lines.append(f"% {row.left}: {row.missing}")
                continue
            sides = [row.left, row.right, *([] if row.also is None else [row.also])]
            lines.append(rf"\[ {' = '.join(map(typesetting.latex, sides))} \]")
        if section.remark:
            lines.append(f"% {section.remark}")
        lines.append("")
    return "\n".join(lines).rstrip()
