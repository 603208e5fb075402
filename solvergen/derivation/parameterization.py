"""What a network predicts, and what a solver integrates: linear maps of (data, noise).

A parameterization is a pair of coefficients,

    N = c_data x0 + c_noise eps,        x = alpha x0 + sigma eps,

so that with  det = alpha c_noise - sigma c_data  (THEORY section 2)

    x0  = (c_noise x - sigma N) / det
    eps = (alpha N - c_data x) / det.

The coefficients are written in the symbols ``t``, ``alpha``, ``sigma``, ``alpha_dot`` and
``sigma_dot``, and hold for every schedule.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sympy import Expr, Integer, diff, factor

from solvergen.algebra import expressions
from solvergen.errors import DerivationError
from solvergen.naming import FORMULA_LENGTH, label, meant, shown
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.symbols import OF_TIME, alpha, alpha_dot, alpha_s, s, sigma, sigma_dot, sigma_s, t


@dataclass(frozen=True)
class Parameterization:
    """N = ``data`` * x0 + ``noise`` * eps.

    Args:
        data: c_data, an expression in t, alpha, sigma, alpha_dot, sigma_dot.
        noise: c_noise, likewise.
        name: what error messages and emitted headers call it.
        clock: an antiderivative of b/Phi where the construction knows it; it is checked, not
            trusted.

    Raises:
        DerivationError: both coefficients vanish, or a symbol is not one of the five.
    """

    data: Expr
    noise: Expr
    name: str = "custom"
    clock: Expr | None = None

    def __post_init__(self) -> None:
        for field in ("data", "noise"):
            object.__setattr__(self, field, _formula(getattr(self, field)))
        label("parameterization", self.name, DerivationError, FORMULA_LENGTH)
        unknown = (self.data.free_symbols | self.noise.free_symbols) - set(OF_TIME)
        if unknown:
            raise DerivationError(
                f"parameterization {self.name!r} uses {sorted(map(str, unknown))}; "
                f"expected expressions in {', '.join(map(str, OF_TIME))}. "
                "Write the coefficients in these symbols (solvergen.symbols)."
            )
        if self.data == 0 and self.noise == 0:
            raise DerivationError(
                f"parameterization {self.name!r} is identically zero; expected c_data or c_noise "
                "to be non-zero, because N = c_data x0 + c_noise eps must determine x0."
            )

    def coefficients(self, schedule: NoiseSchedule) -> tuple[Expr, Expr]:
        """(c_data, c_noise) as functions of ``t`` for one schedule."""
        return at_schedule(self.data, schedule), at_schedule(self.noise, schedule)

    @property
    def determinant(self) -> Expr:
        """det = alpha c_noise - sigma c_data; where it vanishes, N does not determine x0."""
        return alpha * self.noise - sigma * self.data

    @property
    def text(self) -> str:
        """What ``get`` reads back."""
        named = any(self is one or self == one for one in NAMED)
        if named or (self.name.startswith("rate(") and self._is_rate):
            return self.name
        return f"{expressions.to_text(self.data)}, {expressions.to_text(self.noise)}"

    @property
    def _is_rate(self) -> bool:
        """Whether it is what its name says, and not only called so."""
        return self.clock is not None and self == rate(self.clock)

    def __str__(self) -> str:
        return f"{self.name}: N = ({self.data}) x0 + ({self.noise}) eps"


@lru_cache(maxsize=1024)
def at_schedule(expression: Expr, schedule: NoiseSchedule) -> Expr:
    """``expression`` in t, alpha, sigma, alpha_dot, sigma_dot as a function of t alone."""
    values = {alpha: schedule.alpha, sigma: schedule.sigma}
    slopes = {alpha_dot: schedule.alpha, sigma_dot: schedule.sigma}
    present = expression.free_symbols
    values |= {one: diff(function, t) for one, function in slopes.items() if one in present}
    return expression.xreplace(values)


def at_times(expression: Expr, schedule: NoiseSchedule) -> Expr:
    """``expression`` in those, s, alpha_s and sigma_s as a function of t and s alone."""
    start = {alpha_s: schedule.alpha.subs(t, s), sigma_s: schedule.sigma.subs(t, s)}
    return at_schedule(expression, schedule).subs(start)


def _formula(given: Any) -> Expr:
    """A user's formula in the five symbols: sympy, a number, or text."""
    if isinstance(given, str):
        return expressions.parse(given, OF_TIME)
    return expressions.exact(given) if isinstance(given, Expr) else expressions.rational(given)


WRONSKIAN = alpha * sigma_dot - sigma * alpha_dot
"""W, with lambda' = -W/(alpha sigma)."""


def total_derivative(expression: Expr) -> Expr:
    """d/dt of an expression in t, alpha(t), sigma(t), by the chain rule."""
    return (
        diff(expression, t)
        + diff(expression, alpha) * alpha_dot
        + diff(expression, sigma) * sigma_dot
    )


def rate(variable: Expr) -> Parameterization:
    """N = dx/dgamma: the un-split ODE in any time variable gamma (THEORY section 2).

    Args:
        variable: gamma, an expression in t, alpha and sigma, e.g. ``log(alpha / sigma)``.
    """
    gamma = _formula(variable)
    speed = total_derivative(gamma)
    if speed == 0:
        raise DerivationError(
            f"rate({gamma}) has d gamma/dt = 0; expected a variable that moves with time, "
            "such as t or log(alpha/sigma)."
        )
    return Parameterization(
        alpha_dot / speed, sigma_dot / speed, f"rate({expressions.to_text(gamma)})", clock=gamma
    )


@lru_cache(maxsize=256)
def conversion(prediction: Parameterization, integrand: Parameterization) -> tuple[Expr, Expr]:
    """(A, B) with  integrand = A x + B prediction, in the five symbols.

    With P = p_data x0 + p_noise eps and N = c_data x0 + c_noise eps, solving the two linear
    equations of the module docstring for x0 and eps gives

        A = (c_data p_noise - c_noise p_data) / det_p
        B = (c_noise alpha - c_data sigma) / det_p = det_c / det_p.
    """
    if (prediction.data, prediction.noise) == (integrand.data, integrand.noise):
        return Integer(0), Integer(1)
    cross = integrand.data * prediction.noise - integrand.noise * prediction.data
    return (
        (cross / prediction.determinant).cancel(),
        (integrand.determinant / prediction.determinant).cancel(),
    )


def on_circle(form: Expr) -> Expr:
    """The formula where alpha^2 + sigma^2 = 1, and so sigma' = -alpha alpha'/sigma."""
    one = form.subs(alpha**2 + sigma**2, 1)
    if not one.has(sigma_dot):
        return one
    turned = factor(one.subs(sigma_dot, -alpha * alpha_dot / sigma))
    return turned.subs(alpha**2 + sigma**2, 1)


NOISE = Parameterization(Integer(0), Integer(1), "noise")
"""eps, the noise: epsilon-prediction (Ho et al. 2020); DPM-Solver's integrand."""

DATA = Parameterization(Integer(1), Integer(0), "data")
"""x0, the clean data: DPM-Solver++'s integrand (Lu et al. 2022b)."""

VELOCITY = Parameterization(-sigma, alpha, "velocity")
"""alpha eps - sigma x0: v-prediction (Salimans and Ho 2022)."""

FLOW = Parameterization(alpha_dot, sigma_dot, "flow", clock=t)
"""dx/dt: flow matching (Lipman et al. 2023); eps - x0 for alpha = 1 - t, sigma = t."""

SCORE = Parameterization(Integer(0), -1 / sigma, "score")
"""grad log p_t (Song et al. 2021)."""

STRAIGHT = Parameterization(Integer(-1), Integer(1), "straight")
"""eps - x0: the flow of the schedule rescaled to alpha + sigma = 1."""

NAMED = (NOISE, DATA, VELOCITY, FLOW, SCORE, STRAIGHT)


ALIASES = {
    "epsilon": "noise",
    "eps": "noise",
    "sample": "data",
    "x0": "data",
    "x_0": "data",
    "v_prediction": "velocity",
    "flow_prediction": "flow",
}
"""What configurations of other libraries call them."""


def get(name: str) -> Parameterization:
    """The parameterization that ``name`` says, as the command line does.

    Args:
        name: ``noise``, ``data``, ``velocity``, ``flow``, ``score``, ``straight``;
            ``rate(EXPRESSION)``; or ``C_DATA, C_NOISE`` as two expressions in t, alpha, sigma,
            alpha_dot, sigma_dot. ``ALIASES`` work too.

    Raises:
        SolvergenError: a DerivationError or ScheduleError that says what does not read.
    """
    text = " ".join(name.split())
    for named in NAMED:
        if named.name == ALIASES.get(text, text):
            return named
    if text.startswith("rate(") and text.endswith(")"):
        return rate(expressions.parse(text[5:-1], (t, alpha, sigma)))
    if text.count(",") == 1:
        data, noise = (expressions.parse(part, OF_TIME) for part in text.split(","))
        return Parameterization(data, noise, text)
    raise DerivationError(
        f"unknown parameterization {shown(name)}; expected one of "
        f"{', '.join(named.name for named in NAMED)}, rate(EXPRESSION), or two expressions "
        "'C_DATA, C_NOISE' in t, alpha, sigma, alpha_dot, sigma_dot."
        f"{meant(text, (*(named.name for named in NAMED), *ALIASES))}"
    )
