"""How much noise a sampler adds on its way: eta, and what follows from it (THEORY section 9).

In reverse time, for every schedule and eta(t) >= 0, the equation

    dx = [f x + (1 + eta^2)/(2 sigma) g^2 eps] dt + eta g dw

has the marginals of the probability-flow ODE, which is eta = 0; eta = 1 is the reverse of the
forward process. For an integrand N = c_data x0 + c_noise eps with the ODE dx/dt = a x + b N, it is

    dx = [a_eta x + b_eta N] dt + eta g dw,      b_eta = (1 + eta^2) b,
    a_eta = a - eta^2 (W/alpha) c_data/det  =  a - eta^2 (f - a),

because  a alpha - alpha' = -c_data W/det  for every integrand. So with R' = a R

    R_eta = R e^-K,      K = int eta^2 d log(alpha/R),      q_eta' = (1 + eta^2) e^K q',
    x_t = Phi x_s + M0 Nbar + R_eta (B(v_t) - B(v_s)),      v' = -eta^2 g^2/R_eta^2,

the steps of an ODE in another clock, and a third clock v for the noise. alpha/R is alpha/sigma for
data, 1 for noise (K = 0) and alpha for the flow. The variance of the last term,

    nu^2 = int_s^t (R_eta(t)/R_eta(u))^2 2 eta^2 sigma^2 dlambda,

is sigma_t^2 (1 - e^-2kappa) for data, kappa = K_t - K_s; there e^-kappa is the correlation of old
and new noise, the *retention*.

K has a closed form, or is integrated over every step: ``exponent`` says which. What is constant
over a step, eta, may be chosen when a run is planned: it is the symbol ``eta``.

Churn is the other way to add noise: forward noising from s back to r, lambda_r = lambda_s - kappa,

    x_r = (alpha_r/alpha_s) x_s + nu z,      nu = sigma_r sqrt(1 - e^-2kappa),

then a step of the ODE from r to t. Both keep the marginals, so that a step is as good as the ODE's.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from sympy import Add, Expr, Integer, Piecewise, Rational, diff, exp, log

from solvergen.algebra import expressions
from solvergen.algebra.evaluation import compiled
from solvergen.algebra.piecewise import breakpoints
from solvergen.algebra.primitives import antiderivative
from solvergen.derivation.homogeneity import degree
from solvergen.derivation.parameterization import WRONSKIAN, at_schedule, total_derivative
from solvergen.errors import DerivationError
from solvergen.naming import FORMULA_LENGTH, meant, shown
from solvergen.schedules.identities import constant_ratio, sampled
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.symbols import alpha, eta, length, sigma, t

KINDS = ("eta", "diffusion", "retention", "ancestral", "renoise", "churn")
"""What a text may begin with."""

LISTING = (
    "eta: EXPR           in t, alpha, sigma; a number may change run by run; 1: the SDE",
    "diffusion: EXPR     eta g, the diffusion coefficient itself",
    "retention: EXPR     e^-K, the correlation of old and new noise, with the integrand data",
    "ancestral: NUMBER   DDIM's and Euler ancestral's eta, from 0 to 1, with the integrand data",
    "renoise             all noise anew in every step (LCM), with the integrand data",
    "churn: EXPR         half-log-SNR by which noise is raised before steps of the ODE (EDM), in",
    "                    t, alpha, sigma and h, the length of a step; schemes without history",
)
"""For people."""

MAX_ETA = 2
"""Of a constant that is compiled: at 2, a step of 1 in lambda leaves e^-4 of the noise before it. A
run may say more."""
MAX_CHURN = 2
"""Of a constant too: a step that raises the noise by 2 first loses e^-2 of the signal."""
LARGEST = 1e50
"""Of the values of a formula."""
LONG = 40
"""Operations of K' beyond which no antiderivative is looked for: few are found, none is short."""
POINTS = 64
"""At which eta^2 must not be negative."""
ONE = Integer(1)


@dataclass(frozen=True)
class Stochasticity:
    """What a user says of the noise.

    Attributes:
        kind: one of ``KINDS``.
        formula: behind it, in t, alpha, sigma, of churn in h too; 1 for ``renoise``.
    """

    @property
    def raises(self) -> bool:
        """Whether noise is raised before steps of the ODE, and not added in them."""
        return self.kind == "churn"

    kind: str
    formula: Expr

    @property
    def is_constant(self) -> bool:
        """Whether eta, or kappa, is constant over every step, and chosen when a run is planned."""
        return self.varies or not self.formula.has(t, alpha, sigma, length)

    @property
    def varies(self) -> bool:
        """Whether it follows from the length of every step."""
        return self.kind in ("ancestral", "renoise")

    @property
    def text(self) -> str:
        """What ``get`` reads back."""
        if self.kind == "renoise":
            return self.kind
        return f"{self.kind}: {expressions.to_text(self.formula)}"

    @property
    def value(self) -> Expr:
        """The number that stands for the symbol eta where forms are chosen and measured."""
        return self.formula if self.kind == "eta" and self.formula > 0 else Integer(1)

    @cached_property
    def squared(self) -> Expr:
        """eta^2, in the five symbols; of what is constant over a step the symbol's."""
        if self.is_constant:
            return eta**2
        if self.kind == "eta":
            return self.formula**2
        rate = WRONSKIAN / (alpha * sigma)  # -lambda'
        if self.kind == "diffusion":
            return self.formula**2 / (2 * sigma**2 * rate)
        if t not in self.formula.free_symbols and degree(self.formula) == 0:
            return -alpha * _log_slope(self.formula, alpha)  # -dlog E/dlambda
        log_slope = total_derivative(log(self.formula))  # e^-K falls on the way to the data
        return log_slope / rate

    @property
    def scaled(self) -> Expr:
        """1 + eta^2, the factor of b."""
        return 1 + self.squared

    def require(self, schedule: NoiseSchedule) -> None:
        """Refuse noise of negative variance.

        Raises:
            DerivationError: eta^2 < 0 somewhere, as where a retention grows; kappa < 0.
        """
        if self.is_constant:
            return
        self._require_moderate(schedule)
        if self.raises:
            self._require_positive(schedule)
            return
        found = sampled(at_schedule(self.squared, schedule), schedule, count=POINTS)
        if not all(one.imag == 0 and one >= 0 for one in found):
            raise DerivationError(
                f"stochasticity {self.text!r}: eta^2 is negative or no number somewhere on "
                f"{schedule.name}; expected eta >= 0: a retention must grow with t, since it falls "
                "on the way from noise to data."
            )

    def _require_moderate(self, schedule: NoiseSchedule) -> None:
        """Refuse a formula whose values float64 does not hold, before it is computed in many
        digits, which may take for ever."""
        low, high = map(float, schedule.domain)
        times = low + (high - low) * np.linspace(0.01, 0.99, POINTS)
        formula = schedule.substitute(at_schedule(self.formula, schedule)).xreplace({length: ONE})
        with np.errstate(all="ignore"):
            values = np.broadcast_to(compiled(formula, (t,), "numpy")(times), times.shape)
        if not (np.isfinite(values) & (np.abs(values) < LARGEST)).all():
            raise DerivationError(
                f"stochasticity {self.text!r} is no number below {LARGEST:g} somewhere on "
                f"{schedule.name}, {low:g} <= t <= {high:g}; expected one."
            )

    def _require_positive(self, schedule: NoiseSchedule) -> None:
        """Refuse to lower the noise without the network."""
        kappa = at_schedule(self.formula.xreplace({length: ONE}), schedule)
        found = sampled(kappa, schedule, count=POINTS)
        if not all(one.imag == 0 and one >= 0 for one in found):
            raise DerivationError(
                f"stochasticity {self.text!r}: it is negative or no number somewhere on "
                f"{schedule.name}; expected kappa >= 0, by which half-log-SNR falls before a step."
            )

    def breaks(self, schedule: NoiseSchedule) -> tuple[Expr, ...]:
        """The times inside the domain at which its formula changes branch."""
        found = at_schedule(self.formula, schedule)
        cuts = breakpoints(found, t, schedule.domain, schedule.parameters)
        return tuple(map(schedule.substitute, cuts))

    def exponent(self, ratio: Expr, schedule: NoiseSchedule) -> Expr | None:
        """e^K for alpha/R = ``ratio``, in t, alpha, sigma; None where K has no closed form."""
        if at_schedule(ratio, schedule) == 1:
            return Integer(1)
        if self.is_constant:
            return ratio ** (eta**2)
        if self.kind == "retention" and ratio == alpha / sigma:
            return 1 / self.formula
        if self.formula.has(Piecewise):  # a few points do not see all branches
            return None
        speed = at_schedule(self.squared * total_derivative(log(ratio)), schedule)
        for candidate in (alpha / sigma, alpha, sigma, 1 / (alpha + sigma)):
            growth = at_schedule(total_derivative(log(candidate)), schedule)
            power = constant_ratio(speed, growth, schedule)
            if power is not None:
                return candidate**power
        speed = schedule.simplest(speed)
        if speed.count_ops() > LONG:
            return None
        found = antiderivative(speed, t, schedule.domain, schedule.parameters)
        return None if found is None else exp(found)

    def __str__(self) -> str:
        return self.text


def _log_slope(formula: Expr, symbol: Expr) -> Expr:
    """d log E/dx. Of e^u + c it is u'/(1 + c e^-u), which is a number where e^u is none."""
    growing = [one for one in Add.make_args(formula) if isinstance(one, exp)]
    if len(growing) != 1 or formula == growing[0]:
        return diff(formula, symbol) / formula
    (u,), rest = growing[0].args, formula - growing[0]
    return (diff(u, symbol) + diff(rest, symbol) * exp(-u)) / (1 + rest * exp(-u))


def get(text: str | float | Stochasticity | None) -> Stochasticity | None:
    """Read what a user says: 'eta: 1', a number for that, 'retention: EXPR', .., or None.

    eta: 0 is None, the ODE.

    Raises:
        DerivationError: it is none of these.
    """
    if text is None or isinstance(text, Stochasticity):
        return text
    if isinstance(text, bool) or not isinstance(text, str | int | float | Rational):
        raise DerivationError(f"stochasticity: got {shown(text)}; expected {_expected()}")
    said = text.strip() if isinstance(text, str) else f"eta: {expressions.rational(text)}"
    if not said or said == "none":
        return None
    kind, _, formula = (one.strip() for one in said.partition(":"))
    if not formula and kind not in KINDS:
        kind, formula = "eta", kind
    if kind not in KINDS or len(said) > FORMULA_LENGTH or bool(formula) == (kind == "renoise"):
        raise DerivationError(
            f"stochasticity: got {shown(text)}; expected {_expected()}.{meant(kind, KINDS)}"
        )
    if kind == "renoise":
        return Stochasticity(kind, ONE)
    known = (t, alpha, sigma, *([length] if kind == "churn" else []))
    found = expressions.parse(formula, known)
    return _checked(kind, found)


def _checked(kind: str, formula: Expr) -> Stochasticity | None:
    """The same within bounds."""
    if formula.has(t, alpha, sigma, length):
        if kind == "ancestral":
            raise DerivationError(
                f"stochasticity 'ancestral: {formula}': expected a number from 0 to 1, the e of "
                "DDIM; a function of time is said as 'eta: EXPR'."
            )
        return Stochasticity(kind, formula)
    most = {"ancestral": 1, "churn": MAX_CHURN}.get(kind, MAX_ETA)
    if not (formula.is_real and 0 <= formula <= most):
        raise DerivationError(
            f"stochasticity '{kind}: {formula}': got {formula}; expected 0 to {most}."
        )
    if kind in ("diffusion", "retention"):
        what = "a function of time, or eta" if formula else "a positive diffusion"
        if kind == "retention" or not formula:
            raise DerivationError(
                f"stochasticity '{kind}: {formula}': a constant adds no noise; expected {what}."
            )
    return None if formula == 0 else Stochasticity(kind, formula)


def _expected() -> str:
    return (
        "'eta: EXPR' in t, alpha, sigma (a number alone means that), 'diffusion: EXPR', "
        "'retention: EXPR', 'ancestral: NUMBER', 'renoise', or 'churn: EXPR' with h too"
    )
