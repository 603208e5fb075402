"""Expansion variables gamma(t): the second clock, in which the integrand is expanded.

A variable that depends on t through the ratio alpha/sigma alone is the same function of the
half-log-SNR for every schedule. Such a variable parameterizes the rays of the (alpha, sigma)
plane; ``ray`` gives one point (alpha, sigma) on the ray at gamma, so a function that is
homogeneous of degree 0 in (alpha, sigma) can be written in gamma without the schedule.
"""

from dataclasses import dataclass

from sympy import Expr, Integer, atan2, cos, exp, log, sin

from solvergen.algebra import expressions
from solvergen.algebra.inversion import invert
from solvergen.derivation.homogeneity import degree
from solvergen.derivation.parameterization import at_schedule
from solvergen.errors import DerivationError
from solvergen.naming import FORMULA_LENGTH, label, shown
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.symbols import alpha, gamma, half_log_snr_symbol, sigma, t


@dataclass(frozen=True)
class Expansion:
    """An expansion variable.

    Args:
        name: as the user types it.
        variable: gamma as an expression in t, alpha, sigma.
        ray: for a function of alpha/sigma alone, (alpha, sigma) at gamma up to a common factor.
    """

    name: str
    variable: Expr
    ray: tuple[Expr, Expr] | None = None

    def __post_init__(self) -> None:
        label("expansion", self.name, DerivationError, FORMULA_LENGTH)
        if not isinstance(self.variable, Expr):
            raise DerivationError(
                f"expansion {self.name}: got {shown(self.variable)}; expected a sympy expression "
                "in t, alpha and sigma"
            )

    @property
    def text(self) -> str:
        """What ``resolve`` reads back."""
        if self.name == "clock" or any(self.name == named.name for named in NAMED):
            return self.name
        return expressions.to_text(self.variable)

    def at(self, schedule: NoiseSchedule) -> Expr:
        """gamma(t) for one schedule."""
        if self.name == "half_log_snr":
            return schedule.half_log_snr
        return at_schedule(self.variable, schedule)

    def time_at(self, schedule: NoiseSchedule) -> Expr | None:
        """t(gamma) in the symbol ``gamma``, or None where there is no closed form."""
        if self.name == "time":
            return gamma
        if self.ray is not None and schedule.time_at_half_log_snr is not None:
            if self.name == "half_log_snr":
                return schedule.time_at_half_log_snr.subs(half_log_snr_symbol, gamma)
            direct = self._invert(schedule)
            if direct is not None:
                return direct
            ratio = self.ray[0] / self.ray[1]
            return schedule.time_at_half_log_snr.subs(half_log_snr_symbol, log(ratio))
        return self._invert(schedule)

    def _invert(self, schedule: NoiseSchedule) -> Expr | None:
        return invert(self.at(schedule), t, gamma, schedule.domain, schedule.parameters)

    def __str__(self) -> str:
        return f"gamma = {self.name} = {self.variable}"


HALF_LOG_SNR = Expansion("half_log_snr", log(alpha / sigma), (exp(gamma), Integer(1)))
"""lambda: DPM-Solver, DPM-Solver++, UniPC."""

TIME = Expansion("time", t)
"""t: DEIS tAB, flow-matching Adams methods."""

NOISE_TO_SIGNAL = Expansion("sigma/alpha", sigma / alpha, (Integer(1), gamma))
"""rho = sigma/alpha: DEIS rhoAB, EDM, k-diffusion's lms."""

NOISE_FRACTION = Expansion("sigma/(alpha+sigma)", sigma / (alpha + sigma), (1 - gamma, gamma))
"""The time of the rectified flow with the same signal-to-noise ratio; finite at both ends."""

THETA = Expansion("theta", atan2(sigma, alpha), (cos(gamma), sin(gamma)))
"""The angle of (alpha, sigma); finite at both ends."""

NAMED = (HALF_LOG_SNR, TIME, NOISE_TO_SIGNAL, NOISE_FRACTION, THETA)


def is_ratio_variable(variable: Expr) -> bool:
    """Whether gamma(alpha, sigma) is homogeneous of degree 0."""
    return t not in variable.free_symbols and degree(variable) == 0


def resolve(expansion: "Expansion | Expr | str", clock: Expr | None) -> Expansion:
    """The expansion that a user means.

    Args:
        expansion: a name (``half_log_snr``, ``time``, ``clock``, ``sigma/alpha``,
            ``sigma/(alpha+sigma)``, ``theta``), an expression in t, alpha, sigma (sympy or
            text), or an Expansion.
        clock: the integrand's own clock q in t, alpha, sigma; what ``clock`` means.

    Raises:
        DerivationError: the clock is wanted and has no closed form.
        ScheduleError: a text that is not an expression in t, alpha, sigma.
    """
    if isinstance(expansion, Expansion):
        meant = {named.name: named.variable for named in NAMED} | {"clock": clock}
        if meant.get(expansion.name, expansion.variable) != expansion.variable:
            raise DerivationError(
                f"the expansion {expansion.name} is {meant[expansion.name]}, got "
                f"{expansion.variable}; expected another name for another variable"
            )
        return expansion
    if isinstance(expansion, str):
        text = expansion.replace(" ", "")
        for named in NAMED:
            if named.name == text:
                return named
        if text == "clock":
            return _clock_expansion(clock)
        expansion = expressions.parse(expansion, (t, alpha, sigma))
    variable = (
        expressions.exact(expansion)
        if isinstance(expansion, Expr)
        else expressions.rational(expansion)
    )
    unknown = variable.free_symbols - {t, alpha, sigma}
    if unknown:
        raise DerivationError(
            f"expansion {variable} uses {', '.join(sorted(map(str, unknown)))}; expected a formula "
            "in t, alpha and sigma (solvergen.t, solvergen.alpha, solvergen.sigma)"
        )
    for named in NAMED:
        if named.variable == variable:
            return named
    return Expansion(expressions.to_text(variable), variable)


def _clock_expansion(clock: Expr | None) -> Expansion:
    if clock is None:
        raise DerivationError(
            "expansion='clock' needs the integrand's clock q in closed form, and none was found; "
            "use 'half_log_snr', 'time' or your own expression instead."
        )
    for named in NAMED:
        if named.variable == clock:
            return Expansion("clock", clock, named.ray)
    if clock == alpha / sigma:
        return Expansion("clock", clock, (gamma, Integer(1)))
    return Expansion("clock", clock)
