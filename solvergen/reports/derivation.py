"""Every derived quantity of a schedule, an integrand and an expansion variable, as sections."""

from collections.abc import Mapping

from sympy import Expr, Function, Integer, Rational, Symbol, exp, factorial, log, powsimp

from solvergen.algebra.phi import in_exponentials, phi
from solvergen.algebra.typesetting import Product, Spelled, Total, positive, relation
from solvergen.closed_forms.antiderivatives import (
    ClosedForm,
    antiderivative,
    is_not_elementary,
    moment_closed_form,
)
from solvergen.closed_forms.proofs import Proof
from solvergen.closed_forms.taylor import h, normalized_moment, taylor_integral
from solvergen.derivation.semilinear import SemilinearODE
from solvergen.derivation.stochasticity import Stochasticity
from solvergen.derivation.weights import Weights
from solvergen.reports.document import NO_CLOSED_FORM, Equation, Equations, Paragraph, Section
from solvergen.scalars import noise as scalars
from solvergen.scalars.lengths import H, half_log_snr_length
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.symbols import alpha, eta, gamma, half_log_snr_symbol, s, sigma, t

NOT_ELEMENTARY = "not an elementary function (proved); evaluated numerically"
TOO_LONG = "a closed form too long to be read; evaluated numerically"
BY_QUADRATURE = "the root of an integral, evaluated numerically"
K_BY_QUADRATURE = "the integral of K' over a step: K by quadrature"
LONGEST = 60
"""Operations of a moment beyond which it is written as a quotient of the integrals."""


def sections(weights: Weights, moments: int = 3) -> tuple[Section, ...]:
    """Every derived quantity of a schedule, an integrand and an expansion variable."""
    ode = weights.ode
    noisy = () if ode.noise is None else (_noise(ode, ode.noise),)
    found = (_schedule(ode.schedule), _ode(ode), *noisy, _expansion(weights))
    if moments == 0:
        return found
    return (*found, _antiderivatives(weights, moments), _integrals(weights, moments))


def _schedule(schedule: NoiseSchedule) -> Section:
    domain = relation(r"\le", schedule.t_min, t, schedule.t_max)
    values = (
        part
        for symbol, value in schedule.parameters
        for part in (", ", relation("=", symbol, value))
    )
    turned = ("; networks are asked at t_min + t_max - t",) if schedule.reversed else ()
    return Section(
        "schedule",
        (
            Paragraph((f"{schedule.name}, ", domain, *values, *turned)),
            Equations((
                Equation(Function("alpha")(t), schedule.alpha),
                Equation(Function("sigma")(t), schedule.sigma),
                Equation(Function("f")(t), schedule.f, note="drift"),
                Equation(Function("g")(t) ** 2, schedule.g_squared, note="diffusion"),
                Equation(Function("SNR")(t), schedule.snr),
                Equation(Function("lambda")(t), schedule.half_log_snr, note="half-log-SNR"),
                Equation(Function("t")(half_log_snr_symbol), schedule.time_at_half_log_snr),
            )),
        ),
    )  # fmt: skip


def _ode(ode: SemilinearODE) -> Section:
    x_t, x_s, mean = Symbol("x_t"), Symbol("x_s"), Spelled("Nbar", r"\bar{N}")
    factor, weight = Function("Phi")(t, s), Function("M_0")(t, s)
    slope = Spelled("dx/dt", r"\frac{dx}{dt}")
    N = Symbol("N")
    exact = Total(Product(factor, x_s), Product(weight, mean))
    return Section(
        f"semilinear ODE of the integrand {ode.integrand.name}",
        (
            Paragraph((
                "The ODE ", relation("=", slope, Total(Product(Symbol("a"), Symbol("x")),
                Product(Symbol("b"), N))), " with N = ", ode.integrand.name,
                " has the solution ", relation("=", x_t, exact), " with ", mean,
                " the mean of N over the clock q, exactly.",
            )),
            Equations((
                Equation(N, _combination(ode), note="integrand"),
                Equation(Function("a")(t), ode.linear_coefficient),
                Equation(Function("b")(t), ode.nonlinear_coefficient),
                Equation(factor, ode.integrating_factor(), note="integrating factor"),
                Equation(Function("q")(t), ode.clock_of_time, note="the integrand's clock"),
                Equation(weight, ode.zeroth_moment()),
            )),
        ),
    )  # fmt: skip


_STEP = Spelled(
    "x_t = Phi x_s + M_0 Nbar + R_t (B(v_t) - B(v_s))",
    r"x_t=\Phi\,x_s+M_0\,\bar N+R_t\,\bigl(B(v_t)-B(v_s)\bigr)",
)
_SPREAD = Spelled("nu^2 = R_t^2 (v_t - v_s)", r"\nu^2=R_t^2\,(v_t-v_s)")
_CHANGED = Spelled("e^-K", r"e^{-K}")
_RETAINED = Spelled("K = int eta^2 dlog(alpha/R)", r"K=\int\eta^2\,d\log(\alpha/R)")
K = Function("K")(t)
_LENGTH = "h = lambda_t - lambda_s"
_KAPPA = Spelled("kappa = K_t - K_s", r"\kappa=K_t-K_s")


def _noise(ode: SemilinearODE, noise: Stochasticity) -> Section:
    """The third clock."""
    squared = Spelled("eta^2", r"\eta^2")
    spread = scalars.spread(ode, half_log_snr_length(ode.schedule.without(eta)))
    shown = None if spread is None else scalars.readable(spread)
    rate = None
    if ode.factor is not None:
        rate = -noise.squared * Function("g")(t) ** 2 / ode.factor**2
    is_data = ode.integrand.noise == 0 and ode.factor is not None
    grown = sigma / ode.factor if is_data and ode.factor is not None else None  # e^K
    kappa = squared * H if noise.is_constant else None
    own = (
        Equation(Function("v")(t), None if grown is None else grown**2),
        Equation(Function("K")(t), None if grown is None else log(powsimp(grown))),
        Equation(Spelled("kappa", r"\kappa"), kappa if is_data else None),
    )
    return Section(
        "noise on the way",
        (
            Paragraph((
                f"With the noise {noise} a step is that of the ODE above, in which eta has changed "
                "a, b, Phi and q, plus nu times a standard normal: ", _STEP, " with ", _SPREAD,
                ". The R of this integrand is ", _CHANGED, " times what it is without noise, with ",
                _RETAINED, ", and ", _KAPPA, "; without eta it is the ODE.",
            )),
            Equations((
                *([] if noise.is_constant else [Equation(squared, noise.squared)]),
                Equation(Function("R")(t), ode.factor if ode.base is None else ode.base * exp(-K)),
                Equation(Function("q")(t), ode.clock),
                Equation(Spelled("v'(t)", "v'(t)"), rate),
                *(one for one in own if one.right is not None),
                *([] if ode.base is None else _damping(ode)),
                Equation(Function("nu")(t, s), shown, missing=BY_QUADRATURE, note=_LENGTH),
            )),
        ),
    )  # fmt: skip


def _damping(ode: SemilinearODE) -> tuple[Equation, ...]:
    """What kappa is integrated from."""
    return (
        Equation(Spelled("K'(t)", "K'(t)"), ode.damping_coefficient),
        Equation(Spelled("kappa", r"\kappa"), None, missing=K_BY_QUADRATURE),
    )


def _combination(ode: SemilinearODE) -> Expr:
    """c_data x0 + c_noise eps."""
    data, noise = Spelled("x0", r"\hat{x}_0"), Spelled("eps", r"\hat{\varepsilon}")
    pairs = ((ode.integrand.data, data), (ode.integrand.noise, noise))
    return Total(*(Product(c, symbol) for c, symbol in pairs if c != 0))


def _expansion(weights: Weights) -> Section:
    symbol = t if weights.explicit_density.has(t) else gamma
    return Section(
        "expansion variable",
        (
            Paragraph(("gamma is ", weights.expansion.name)),
            Equations((
                Equation(Function("gamma")(t), weights.variable),
                Equation(Function("t")(gamma), weights.time_at),
                Equation(
                    Function("w")(symbol),
                    weights.explicit_density,
                    note="dq/dgamma up to a constant factor",
                ),
            )),
        ),
    )  # fmt: skip


def _antiderivatives(weights: Weights, count: int) -> Section:
    forms = {k: moment_closed_form(weights, k) for k in range(count)}
    rows = tuple(
        Equation(
            Function(f"J_{k}")(gamma),
            None if form is None else form.expression,
            missing=_missing(weights, k),
        )
        for k, form in forms.items()
    )
    what = (
        Spelled("J_k' = gamma^k dq/dgamma", r"J_k'=\gamma^k\,\frac{dq}{d\gamma}"), ", and ",
        Spelled(
            "[J_k(gamma_t) - J_k(gamma_s)]/[J_0(gamma_t) - J_0(gamma_s)]",
            r"\frac{J_k(\gamma_t)-J_k(\gamma_s)}{J_0(\gamma_t)-J_0(\gamma_s)}",
        ), " is the mean of ", gamma ** Symbol("k"), " over a step:",
    )  # fmt: skip
    return Section("antiderivatives", (Paragraph(what), Equations(rows), *_proofs("J", forms)))


def _integrals(weights: Weights, count: int) -> Section:
    forms = {k: taylor_integral(weights, k) for k in range(count)}
    rows = [
        *(_integral(weights, k, form) for k, form in forms.items()),
        *(moment(weights, k) for k in range(1, count)),
    ]
    if any(row.right is not None and row.right.has(h) for row in rows):
        rows.insert(0, Equation(h, Function("gamma")(t) - Function("gamma")(s)))
    what = (
        Spelled("x_t = Phi x_s + sum_k I_k d^kN/dgamma^k",
                r"x_t=\Phi\,x_s+\sum_k I_k\,\frac{d^kN}{d\gamma^k}"), ", and ",
        Spelled("mu_k = k! I_k/(M_0 (gamma_t - gamma_s)^k)",
                r"\mu_k=\frac{k!\,I_k}{M_0\,(\gamma_t-\gamma_s)^k}"),
        ". Each is proved from its definition, ",
        relation("=", Function("I_k")(s, s), Integer(0)), " and ",
        Spelled("dI_k/dt = a I_k + b (gamma_t - gamma_s)^k/k!",
                r"\frac{dI_k}{dt}=a\,I_k+b\,\frac{(\gamma_t-\gamma_s)^k}{k!}"), ":",
    )  # fmt: skip
    return Section(
        "Taylor coefficients", (Paragraph(what), Equations(tuple(rows)), *_proofs("I", forms))
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


def moment(weights: Weights, k: int) -> Equation:
    """mu_k; as a quotient of the integrals if it is long."""
    left, found = Function(f"mu_{k}")(t, s), normalized_moment(weights, k)
    if weights.same_clock:
        return Equation(left, Rational(1, k + 1))
    if found is None:
        return Equation(left, None, missing=_missing(weights, k))
    if found.count_ops() <= LONGEST:
        return _two_times(left, found)
    integrals = Function(f"I_{k}")(t, s) / Function("I_0")(t, s)
    return Equation(
        left, factorial(k) * integrals / (Function("gamma")(t) - Function("gamma")(s)) ** k
    )


def _two_times(left: Expr, found: Expr) -> Equation:
    found = at_end(found)
    return Equation(left, found, positive(in_exponentials(found)) if found.has(phi) else None)


def at_end(formula: Expr) -> Expr:
    """With alpha and sigma called what they are at t."""
    return formula.xreplace({alpha: Symbol("alpha_t"), sigma: Symbol("sigma_t")})


def _proofs(name: str, forms: Mapping[int, ClosedForm | None]) -> tuple[Paragraph, ...]:
    """How the forms of a section were proved."""
    ways = []
    for proof in Proof:
        proved = [f"{name}_{k}" for k, form in forms.items() if form and form.proof is proof]
        if proved:
            ways.append(f"{', '.join(proved)} {proof}")
    return (Paragraph((f"proved: {'; '.join(ways)}",)),) if ways else ()
