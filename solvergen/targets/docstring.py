"""The docstring of an emitted module: what it is, the derivation, what was proved and measured."""

import textwrap

from sympy import Expr, Symbol

from solvergen.derivation.parameterization import at_schedule
from solvergen.derivation.semilinear import linear, nonlinear
from solvergen.specification import schemes
from solvergen.specification.solver import Solver
from solvergen.targets import literals

WIDTH = 96
SHORT = 40
"""Operations up to which it is tried whether a formula is shorter in t than in alpha and sigma."""
ORDINALS = ("zeroth", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")


def docstring(solver: Solver, header: str, accuracy: str) -> str:
    """The whole docstring, quotes included."""
    parts = (
        _title(solver),
        _schedule(solver),
        _step(solver),
        _order(solver),
        _kinks(solver),
        _paragraph(accuracy),
        _paragraph(f"Sources: {solver.scheme.source}.") if solver.scheme.source else "",
        header,
    )
    body = "\n\n".join(part for part in parts if part)
    return literals.docstring(body)


def ordinal(order: int) -> str:
    """1 -> first."""
    return ORDINALS[order] if order < len(ORDINALS) else f"{order}th"


def _title(solver: Solver) -> str:
    kind = ordinal(solver.order).capitalize()
    return f"{kind}-order solver for the noise schedule {solver.schedule.name}."


def _paragraph(text: str) -> str:
    return "\n".join(textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False))


def _formulas(rows: list[tuple[str, str]]) -> str:
    """Indented equations, aligned at the equals sign."""
    left = max(len(name) for name, _ in rows)
    lines: list[str] = []
    for name, value in rows:
        lead = f"    {name:<{left}} = " if name else " " * (left + 7)
        wrapped = textwrap.wrap(
            value, WIDTH - len(lead), break_long_words=False, break_on_hyphens=False
        )
        lines.append(lead + wrapped[0])
        lines += [" " * len(lead) + more for more in wrapped[1:]]
    return "\n".join(lines)


def _schedule(solver: Solver) -> str:
    schedule = solver.schedule
    rows = [
        ("alpha(t)", str(schedule.alpha)),
        ("sigma(t)", str(schedule.sigma)),
        ("lambda(t)", f"log(alpha/sigma) = {schedule.half_log_snr}"),
    ]
    inverse = schedule.time_at_half_log_snr
    if inverse is not None:
        rows.append(("t(lambda)", str(inverse)))
    values = "".join(f", {symbol} = {float(value)}" for symbol, value in schedule.parameters)
    return (
        _paragraph(
            f"The schedule is x_t = alpha x_0 + sigma eps for t in [{schedule.t_min}, "
            f"{schedule.t_max}]{values}:"
        )
        + "\n\n"
        + _formulas(rows)
    )


def _step(solver: Solver) -> str:
    ode, expansion = solver.ode, solver.weights.expansion
    quadrature = "by Gauss-Legendre quadrature"

    def shown(expression: Expr | None) -> str:
        return quadrature if expression is None else str(expression)

    rows = [
        ("N", _combination(ode.integrand.data, ode.integrand.noise)),
        ("dx/dt", "a x + b N"),
        ("a", str(linear(ode.integrand))),
        ("b", str(nonlinear(ode.integrand))),
        ("Phi(t, s)", f"exp int_s^t a = {shown(ode.general_integrating_factor)}"),
        ("q(t)", f"int b/Phi = {shown(ode.clock)}"),
        ("M0(t, s)", f"int_s^t Phi(t, u) b(u) du = {shown(ode.general_zeroth_moment)}"),
        ("x_t", "Phi(t, s) x_s + M0(t, s) sum_j ell_j N_j"),
        ("ell_j", "mean over q of L_j(theta), the Lagrange basis of the nodes in"),
        ("theta", "(gamma - gamma_s)/(gamma_t - gamma_s)"),
        ("gamma(t)", str(expansion.variable)),
        ("dq/dgamma", _density(solver)),
    ]
    text = _paragraph(
        f"The network predicts {solver.prediction.name}. The solver integrates N = "
        f"{ode.integrand.name}, expanded in gamma = {expansion.name}:"
    )
    return text + "\n\n" + _formulas(rows)


def _combination(data: Expr, noise: Expr) -> str:
    """c_data x0 + c_noise eps as a person writes it."""
    x0, eps = Symbol("x0"), Symbol("eps")
    return str(data * x0 + noise * eps)


def _density(solver: Solver) -> str:
    weights = solver.weights
    if weights.same_clock:
        return "constant: gamma is the clock, so the moments are 1/(k+1)"
    forms = [weights.density]
    if at_schedule(weights.density, solver.schedule).count_ops() <= SHORT:
        forms.append(weights.explicit_density)
    shown = min(forms, key=lambda form: form.count_ops())
    if weights.ode.clock is None:
        return f"Phi(t, u) b/gamma', b/gamma' = {shown}"
    return f"{shown}, up to a constant factor"


def _kinks(solver: Solver) -> str:
    """What a schedule that is smooth in pieces leaves of the order; empty for a smooth one."""
    count = len(solver.schedule.kinks)
    if count == 0:
        return ""
    return _paragraph(
        f"The schedule has {count} kink{'s' if count > 1 else ''} inside the domain. Steps that "
        "end at kinks, or are long beside their spacing, have the order above; shorter steps that "
        "cross them are left with order 2, or 1 if the integrand holds alpha' or sigma'."
    )


def _field(solver: Solver) -> str:
    modulus = solver.order_field.modulus
    return f"exact (modulo the prime {modulus})" if modulus else "exact rational"


def _order(solver: Solver) -> str:
    scheme = solver.scheme
    evaluations = scheme.main.evaluations
    extra = scheme.extra_evaluations
    lines = [
        f"The scheme {schemes.to_text(scheme)} has {solver.order_report}; "
        f"computed on power series with {_field(solver)} coefficients. "
        f"{evaluations} evaluation{'s' if evaluations > 1 else ''} per step"
        + (f", {extra} more in the start-up." if extra else ".")
    ]
    repeat = scheme.main.iteration
    if repeat is not None:
        lines.append(
            "The last evaluation and the landing after it are repeated until the landing changes "
            f"by less than {repeat.tolerance:g}, at most {repeat.limit} times. The order is that "
            "of the implicit equation, solved: it holds where the iteration converges, and the "
            "error of a run stops to fall near the tolerance."
        )
    if solver.program.pairs:
        lines.append(
            f"A second landing differs from the last by O(h^{solver.estimate_powers[0]}), which "
            "estimates the error of an adaptive step."
        )
    return _paragraph(" ".join(lines)) + "\n\n" + _paragraph(str(solver.endpoints))
