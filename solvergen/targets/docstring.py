"""The docstring of an emitted module: what it is, the derivation, what was proved and measured."""

import textwrap

from sympy import Expr, Symbol, powsimp

from solvergen.derivation.semilinear import SemilinearODE, at_start
from solvergen.scalars import noise
from solvergen.scalars.lengths import H, Lengths
from solvergen.specification import schemes
from solvergen.specification.solver import Solver
from solvergen.symbols import alpha, s, sigma, t
from solvergen.targets import literals

WIDTH = 96
LONG = 130
"""Characters of a formula for which the code below is easier to read."""
ORDINALS = ("zeroth", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")


def docstring(
    solver: Solver, header: str, accuracy: str, any_grid: bool = True, remarks: str = ""
) -> str:
    """The whole docstring, quotes included; of a module for one grid without what holds at ends.

    ``remarks`` say how its grid was found.
    """
    parts = (
        _title(solver),
        _schedule(solver),
        _reversed(solver),
        _step(solver),
        _order(solver, any_grid),
        _noise(solver, any_grid),
        _kinks(solver),
        _paragraph(remarks),
        _paragraph(accuracy),
        _paragraph(f"Sources: {solver.scheme.source}.") if solver.scheme.source else "",
        header,
    )
    body = "\n\n".join(part for part in parts if part)
    return literals.docstring(body)


def fitted_docstring(solver: Solver, header: str, evaluations: int, remarks: str) -> str:
    """That of a module whose coefficients were fitted, quotes included."""
    scheme = schemes.to_text(solver.scheme)
    parts = (
        f"Fitted coefficients of {evaluations} evaluations for the noise schedule "
        f"{solver.schedule.name}.",
        _schedule(solver),
        _paragraph(
            f"The network predicts {solver.prediction.name}. Its inputs are combinations of x, the "
            f"noise, and all predictions before, z_i = C_i0 x + sum_j C_i,j+1 P_j. They began as "
            f"those of {scheme} for {solver.ode.integrand.name} in {_gamma(solver)}, and were then "
            "fitted: no order is claimed."
        ),
        _paragraph(remarks),
        header,
    )
    return literals.docstring("\n\n".join(part for part in parts if part))


def ordinal(order: int) -> str:
    """1 -> first."""
    return ORDINALS[order] if order < len(ORDINALS) else f"{order}th"


def _reversed(solver: Solver) -> str:
    """In which time networks are asked; empty if it is t."""
    if not solver.schedule.reversed:
        return ""
    low, high = solver.schedule.domain
    return _paragraph(
        f"Networks are asked in the time {low + high} - t, which is {high} at the data: "
        "``model(x, time)`` and ``Stepper.t`` are in that one, grids and formulas in t."
    )


def _title(solver: Solver) -> str:
    kind, scheme = ordinal(solver.order).capitalize(), schemes.to_text(solver.scheme)
    kind = f"{kind}-order steps"
    if solver.weak_report is not None:
        kind = f"Steps with noise, of weak order {solver.weak_report.order},"
    elif solver.stochasticity is not None:
        kind = "Steps with all noise anew"
    return f"{kind} of {scheme} for the noise schedule {solver.schedule.name}."


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


def _shown(expression: Expr | None) -> str:
    """A formula, unless it is longer than what it says."""
    text = "t - s" if expression == t - s else str(expression)
    return text if expression is not None and len(text) <= LONG else ""


def _schedule(solver: Solver) -> str:
    schedule = solver.schedule
    values = "".join(f", {symbol} = {float(value)}" for symbol, value in schedule.parameters)
    lines = [
        f"x_t = alpha x_0 + sigma eps, alpha = {schedule.alpha}, sigma = {schedule.sigma}, "
        f"t from {schedule.t_max} (noise) to {schedule.t_min} (data){values}",
    ]
    level = _shown(schedule.half_log_snr)
    lines += [f"lambda = log(alpha/sigma) = {level}"] if level else []
    return _indented(lines)


def _indented(lines: list[str]) -> str:
    """Formulas, each as long as it has to be."""
    return "\n".join(
        textwrap.fill(
            line,
            WIDTH,
            initial_indent="    ",
            subsequent_indent="        ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in lines
    )


def _step(solver: Solver) -> str:
    ode = solver.ode
    integrand = _combination(ode.integrand.data, ode.integrand.noise)
    text = _paragraph(
        f"The network predicts {solver.prediction.name}; {ode.integrand.name}, N = {integrand}, is "
        f"integrated in gamma = {_gamma(solver)}. A step from s to t:"
    )
    factor = noise.integrating_factor(ode)
    phi, m0 = _shown(factor), _shown(_zeroth_moment(ode))
    lead = "" if factor == 1 else "Phi "
    is_noisy = solver.ode.noise is not None
    step = f"x_t = {lead}x_s + M0 sum_j ell_j N_j{' + nu z' if is_noisy else ''}"
    named = [("Phi", phi)] if lead else []
    named += [("M0", m0)]
    where = ", ".join(f"{name} = {form or 'by quadrature'}" for name, form in named)
    together = f"{step}, {where}"
    rows = [together] if len(together) <= WIDTH - 4 else [step, where]
    rows += [f"nu = {_spread(solver)}, z a standard normal"] if is_noisy else []
    rows += [_kappa(ode)] if ode.base is not None else []
    rows += [f"ell_j = mean of the Lagrange basis of its nodes over {_clock(solver)}"]
    return f"{text}\n\n{_indented(rows)}"


def _zeroth_moment(ode: SemilinearODE) -> Expr | None:
    """M0; with noise R q - Phi (R q at s), in which the powers of Phi are not repeated."""
    if ode.base is not None and ode.integrand.noise == 0:
        return alpha / ode.integrand.data - Symbol("Phi") * at_start(alpha / ode.integrand.data)
    if ode.noise is None or ode.factor is None or ode.clock is None:
        return ode.general_zeroth_moment
    product = powsimp(ode.factor * ode.clock)
    return product - Symbol("Phi") * at_start(product)


def _kappa(ode: SemilinearODE) -> str:
    """The exponent of Phi, where that is integrated."""
    what = f"dlog(alpha/R), R = {ode.base}" if ode.base != sigma else "dlambda"
    rate = f"int_s^t eta^2 {what}" if ode.has_base else "-int_s^t a dt for dx/dt = a x + b N"
    return f"kappa = K_t - K_s = {rate}: K by quadrature"


def _spread(solver: Solver) -> str:
    """nu, or what it is the root of."""
    lengths = Lengths.of(solver.ode, solver.expansion)
    form = noise.spread(solver.ode, lengths.half_log_snr)
    if form is None:
        return "R sqrt(int_s^t 2 eta^2 (sigma/R)^2 dlambda), Phi = R/R_s, by quadrature"
    shown = str(noise.readable(form))
    return shown + (", h = lambda_t - lambda_s" if form.has(H) else "")


def _noise(solver: Solver, any_grid: bool) -> str:
    """What is said of noise; empty without."""
    chosen = solver.stochasticity
    if chosen is None:
        return ""
    said = {
        "ancestral": f"eta of every step so that its noise is that of DDIM({chosen.formula}): "
        "nu^2 = e^2 sigma^2 (1 - e^(-2 h))",
        "renoise": "eta = inf: every step draws all noise anew",
    }.get(
        chosen.kind,
        f"stochasticity {chosen}" + ("" if chosen.is_constant else f", eta^2 = {chosen.squared}"),
    )
    if chosen.raises:
        return _paragraph(_churn(solver))
    if solver.weak_report is None:
        return _paragraph(
            f"Noise is added on the way, {said}: x_t = alpha x0 + sigma z from the last prediction "
            "alone. The more steps, the further is that from any equation: no order is claimed."
        )
    return _paragraph(
        f"Noise is added on the way, {said}. With it the samples follow dx = [f x + (1 + eta^2)/"
        "(2 sigma) g^2 eps] dt + eta g dw, whose marginals are those of the ODE, eta = 0. A run "
        f"has {solver.weak_report}; computed on power series modulo a prime, with the increments "
        "of the noise as symbols. Its strong order is 1. All landings of a step read one path."
    )


def _churn(solver: Solver) -> str:
    chosen, report = solver.stochasticity, solver.weak_report
    assert chosen is not None
    assert report is not None
    where = ", h = lambda_t - lambda_s" if chosen.formula.has(H) else ""
    return (
        "Before every step but the first the noise is raised, from s to r with lambda_r = lambda_s "
        f"- kappa, kappa = {chosen.formula}{where}, no further than where the run starts: x_r = "
        "alpha_r/alpha_s x_s + nu z, nu = sigma_r sqrt(1 - e^(-2 kappa)). The step above then goes "
        "from r to t. That keeps the marginals of the ODE, so that a run from one of these has "
        f"{report}, if kappa falls as the steps do. Its strong order is 1."
    )


def _gamma(solver: Solver) -> str:
    expansion = solver.expansion
    if expansion.name in ("time", "half_log_snr"):
        return {"time": "t", "half_log_snr": "lambda"}[expansion.name]
    is_said = expansion.name.replace(" ", "") == str(expansion.variable).replace(" ", "")
    return expansion.name if is_said else f"{expansion.name} = {expansion.variable}"


def _clock(solver: Solver) -> str:
    """What is averaged over, in the words of the docstring."""
    weights = solver.weights
    if weights.same_clock:
        return "gamma, the clock of N"
    clock = _shown(weights.ode.clock) if weights.ode.clock is not None else ""
    return f"q = {clock}" if clock else f"q, dq/dgamma = {_density(solver)}"


def _combination(data: Expr, noise: Expr) -> str:
    """c_data x0 + c_noise eps as a person writes it."""
    x0, eps = Symbol("x0"), Symbol("eps")
    return str(data * x0 + noise * eps)


def _density(solver: Solver) -> str:
    weights = solver.weights
    lead = "Phi(t, u) times " if weights.ode.clock is None else ""
    return f"{lead}{weights.shorter_density}"


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


def _order(solver: Solver, any_grid: bool) -> str:
    lead = "A run has" if solver.stochasticity is None else "Without noise a run has"
    lines = [
        f"{lead} {solver.order_report}; computed on power series with {_field(solver)} numbers."
    ]
    repeat = solver.scheme.main.iteration
    if repeat is not None:
        lines.append(
            "The last evaluation and the landing after it are repeated until the landing changes "
            f"by less than {repeat.tolerance:g}, at most {repeat.limit} times. The order is that "
            "of the implicit equation, solved: it holds where the iteration converges, and the "
            "error of a run stops to fall near the tolerance."
        )
    if solver.program.is_reversible:
        lines.append(
            "N_s is N at what the network sees, z_s: z_t = 2 y - Phi z_s, with y the step by node "
            "0 alone; the pair (x, z) determines where it came from."
        )
    if solver.limiter is not None and any_grid:
        lines.append(
            "That holds while steps grow by 1 + O(h); longer ones blend weights with those of "
            "fewer nodes: sum |ell| is at most ``limiter`` times that of even steps."
        )
    if solver.program.pairs and any_grid:
        lines.append(
            f"A second landing differs from the last by O(h^{solver.estimate_powers[0]}), which "
            "estimates the error of an adaptive step."
        )
    return _paragraph(" ".join([*lines, *([str(solver.endpoints)] if any_grid else [])]))
