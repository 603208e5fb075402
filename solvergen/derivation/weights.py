"""The weights of a method: integrating factor, zeroth moment, and the mean over the clock.

With theta_u = (gamma_u - gamma_s)/(gamma_t - gamma_s) the normalised moments and the
Taylor-coefficient integrals are (THEORY section 4)

    mu_k(t, s) = 1/(q_t - q_s) int_s^t theta_u^k q'(u) du,
    I_k(t, s)  = int_s^t Phi(t, u) b(u) (gamma_u - gamma_s)^k/k! du
               = M0(t, s) (gamma_t - gamma_s)^k mu_k/k!,

and the weights of a support with positions r_j are the means of its Lagrange basis over q,

    ell_j = 1/(q_t - q_s) int_s^t L_j(theta_u) q'(u) du = int_0^1 L_j(theta) w dtheta / int_0^1 w,

where w = dq/dgamma is the *density* of the clock in the expansion variable. Only ratios of w
enter, so constant factors are dropped.

If gamma depends on alpha/sigma alone, then  gamma' = gamma_sigma W/alpha  (gamma is homogeneous of
degree 0), so that

    w = b/(R gamma') = alpha/(det gamma_sigma R)

holds without a derivative of the schedule; and if that is homogeneous of degree 0 too (noise,
data, straight) it is one function of gamma for every schedule: e^(-lambda) for noise and
e^lambda for data in gamma = lambda.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

from sympy import Expr, Function, Integer, Symbol, cancel, cos, diff, exp, powsimp, sin

from solvergen.algebra.short_form import compact
from solvergen.algebra.typesetting import aligned
from solvergen.derivation.expansion import Expansion, is_ratio_variable
from solvergen.derivation.homogeneity import U, of_exponential
from solvergen.derivation.parameterization import at_schedule, on_circle, total_derivative
from solvergen.derivation.semilinear import SemilinearODE
from solvergen.errors import DerivationError
from solvergen.schedules.identities import constant_ratio, sampled
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.schedules.values import is_finite_at
from solvergen.symbols import OF_TIME, alpha, eta, gamma, sigma, t

MONOTONE_POINTS = 64
"""At which gamma' must have one sign: an interval of the wrong one that is missed is shorter than
any step, and a module refuses grids on which gamma turns."""

READABLE = 40
"""Operations of a density in time up to which its other forms are looked for."""


@dataclass(frozen=True)
class Weights:
    """Everything that the scalars of a step are computed from.

    Attributes:
        ode: Phi and M0.
        expansion: gamma.
        density: w = dq/dgamma, or b/gamma' if q has no closed form, in the symbol ``gamma``, or in
            t, alpha, sigma and their derivatives; constant if gamma is the clock itself. A constant
            factor may be missing if the clock has a closed form.

    Raises:
        DerivationError: gamma is not monotone over the domain.
    """

    ode: SemilinearODE
    expansion: Expansion
    density: Expr

    @classmethod
    @lru_cache(maxsize=256)
    def derive(cls, ode: SemilinearODE, expansion: Expansion) -> "Weights":
        """Check that gamma is monotone and find the density."""
        _check_monotone(expansion, ode.schedule)
        return cls(ode, expansion, _density(ode, expansion))

    @property
    def schedule(self) -> NoiseSchedule:
        return self.ode.schedule

    @cached_property
    def variable(self) -> Expr:
        """gamma(t)."""
        found = self.expansion.at(self.schedule)
        return found if found == self.schedule.half_log_snr else self.schedule.simplest(found)

    @cached_property
    def time_at(self) -> Expr | None:
        """t(gamma), or None where there is no closed form."""
        return self.expansion.time_at(self.schedule)

    @property
    def density_symbol(self) -> Symbol | None:
        """What the density is a function of: ``gamma``, ``t``, or None if it is constant."""
        if self.density.has(gamma):
            return gamma
        return t if self.density.has(*OF_TIME) else None

    @cached_property
    def explicit_density(self) -> Expr:
        """The density as a function of ``gamma`` or ``t`` alone."""
        if self.density_symbol != t:
            return self.density
        at_time = self.schedule.simplest(at_schedule(self.density, self.schedule))
        return at_time.subs(t, gamma) if self.expansion.name == "time" else at_time

    @cached_property
    def shorter_density(self) -> Expr:
        """The density in alpha and sigma, or as a function of one variable where that is shorter.

        Whether it is, is not asked of formulas that nobody would read.
        """
        if at_schedule(self.density, self.schedule).count_ops() > READABLE:
            return self.density
        return min(self.density, self.explicit_density, key=lambda form: form.count_ops())

    @property
    def same_clock(self) -> bool:
        """Whether gamma is the integrand's clock, so that mu_k = 1/(k+1)."""
        return self.density_symbol is None and self.ode.clock is not None

    @cached_property
    def reaches_infinity(self) -> bool:
        """Whether gamma is infinite at an end of the domain (THEORY section 7)."""
        return not all(map(self.is_finite_at, self.schedule.domain))

    def is_finite_at(self, end: Expr) -> bool:
        """Whether gamma is finite at an end of the domain."""
        return is_finite_at(self.expansion.variable, self.schedule, end)

    @property
    def no_linear_part(self) -> bool:
        """Whether Phi = 1."""
        return self.ode.factor == 1

    @property
    def latex(self) -> str:
        """What a notebook shows."""
        symbol = t if self.explicit_density.has(t) else gamma
        density = Function("w")(symbol)
        return aligned(
            (
                *self.ode.shown,
                (Function("gamma")(t), self.variable),
                (density, self.explicit_density),
            )
        )

    def _repr_latex_(self) -> str:
        """For notebooks."""
        return self.latex

    def __str__(self) -> str:
        return "\n".join(
            (
                str(self.ode),
                f"{self.expansion.name}: gamma(t) = {self.variable}",
                f"dq/dgamma = {self.explicit_density} up to a constant factor",
            )
        )


def _check_monotone(expansion: Expansion, schedule: NoiseSchedule) -> None:
    rate = at_schedule(total_derivative(expansion.variable), schedule)
    speeds = sampled(rate, schedule, count=MONOTONE_POINTS)
    if not all(speed.imag == 0 for speed in speeds) or min(speeds) <= 0 <= max(speeds):
        raise DerivationError(
            f"the expansion variable {expansion.name!r} is not strictly monotone over "
            f"[{schedule.t_min}, {schedule.t_max}] for schedule {schedule.name!r}; expected one "
            "that only grows or only falls, such as 'half_log_snr', 'time' or 'theta'."
        )


def _density(ode: SemilinearODE, expansion: Expansion) -> Expr:
    """w = b/(R gamma'), as a function of gamma where that needs no inverse, else in the symbols
    of a parameterization.

    Without a clock in closed form R is left out: Phi(t, u) is then a factor at every node u.
    """
    universal = _universal_density(ode, expansion)
    if universal is not None:
        return universal
    schedule = ode.schedule
    rate = total_derivative(expansion.variable)
    density = cancel(ode.nonlinear / rate)
    if schedule.is_variance_preserving:
        density = on_circle(density)
    if ode.clock is not None:
        density = density / ode.factor
        constant = constant_ratio(at_schedule(density, schedule), Integer(1), schedule)
        if constant is not None:
            return constant
    return density


def _universal_density(ode: SemilinearODE, expansion: Expansion) -> Expr | None:
    """alpha/(det gamma_sigma R) on the ray at gamma, if it is homogeneous of degree 0."""
    if expansion.ray is None or ode.factor is None:
        return None
    slope = diff(expansion.variable, sigma)
    density = alpha / (ode.integrand.determinant * slope * ode.factor)
    if ode.noise is not None and not ode.noise.is_constant:
        density = ode.noise.scaled * density
    if density.free_symbols - {alpha, sigma, eta} or not is_ratio_variable(density):
        return None
    short = _on_ray(density, expansion.ray)
    factors = powsimp(short).as_independent(gamma, as_Add=False)
    return factors[1] if factors[1].free_symbols else Integer(1)


def _on_ray(density: Expr, ray: tuple[Expr, Expr]) -> Expr:
    """A homogeneous function on a ray."""
    point = dict(zip((alpha, sigma), (one.xreplace({exp(gamma): U}) for one in ray), strict=True))
    found = density.subs(point, simultaneous=True)
    if found.has(cos, sin):
        return compact(found)
    return of_exponential(found, exp(gamma))
