"""The semilinear ODE of an integrand, its integrating factor and its clock.

For an integrand N = c_data x0 + c_noise eps the probability-flow ODE is (THEORY section 3)

    dx/dt = a x + b N,     a = (alpha' c_noise - sigma' c_data) / det,     b = W / det,
    W = alpha sigma' - sigma alpha',      det = alpha c_noise - sigma c_data,

with the exact solution

    x_t = Phi(t, s) x_s + M0(t, s) * (mean of N over [q_s, q_t]),
    Phi(t, s) = R_t / R_s,   R' = a R,        q' = b / R,       M0(t, s) = R_t (q_t - q_s).

R is found constructively. Along N = 0 the pair (x0, eps) is proportional to
(c_noise, -c_data), so x = k det for some k(t) with  k'/k = -(alpha c_noise' - sigma c_data')/det.
Hence R = det whenever the ratio c_data : c_noise is constant, and R does not change when N is
scaled. Else R = 1 if a = 0 (flow and every rate), else a product of powers of alpha, sigma and
r = sqrt(alpha^2 + sigma^2), the exponents read off a and then proved. In the constant case the
clock is a quotient:  (sigma/det)' = c_noise W/det^2  and  (alpha/det)' = c_data W/det^2.

With noise on the way (``derivation.stochasticity``) b is 1 + eta^2 times as large, R is R e^-K with
K in closed form or by quadrature, and where it is closed

    q = (alpha/sigma) e^K                  data, any K
    q = (1 + eta^2) q                      noise, eta constant
    q = -y^(-1 - eta^2)/d                  c_data : c_noise = d : n, y = |n - d sigma/alpha|
    q = (b/alpha') alpha^(1 + eta^2)       R = 1 and b/alpha' constant: the flow of alpha = 1 - t
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

from sympy import Expr, Function, Integer, Symbol, atan2, cancel, log, powsimp, sqrt

from solvergen.algebra.bounded import together
from solvergen.algebra.readable import effort
from solvergen.algebra.short_form import compact
from solvergen.algebra.typesetting import Product, Spelled, Total, aligned
from solvergen.derivation.parameterization import (
    WRONSKIAN,
    Parameterization,
    at_schedule,
    at_times,
    total_derivative,
)
from solvergen.derivation.stochasticity import Stochasticity
from solvergen.errors import DerivationError
from solvergen.schedules.identities import constant_ratio
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.symbols import alpha, alpha_dot, alpha_s, eta, s, sigma, sigma_dot, sigma_s, t

SIMPLIFY_SIZE = 30
"""Operations of formulas that are only shown: of longer ones no shorter form is looked for."""

RADIUS = sqrt(alpha**2 + sigma**2)


@dataclass(frozen=True)
class SemilinearODE:
    """dx/dt = a x + b N for one schedule and one integrand.

    Attributes:
        factor: R in the symbols t, alpha, sigma, or None where no closed form was found; then
            Phi is the exponential of a quadrature of ``linear_coefficient``.
        clock: q in the same symbols, or None; then M0 and the moments come from a quadrature of
            q' = b / R.
        noise: how much noise is added on the way; None for none.
        base: R without noise, where K has no closed form: Phi = (base_t/base_s) e^-kappa, and kappa
            comes from a quadrature of ``damping``. 1 where R has none either. None for any other.
    """

    schedule: NoiseSchedule
    integrand: Parameterization
    factor: Expr | None
    clock: Expr | None
    noise: Stochasticity | None = None
    base: Expr | None = None

    @classmethod
    @lru_cache(maxsize=256)
    def derive(
        cls,
        schedule: NoiseSchedule,
        integrand: Parameterization,
        noise: Stochasticity | None = None,
    ) -> "SemilinearODE":
        """Derive the ODE, its integrating factor and its clock.

        Raises:
            DerivationError: det = 0 everywhere, so that the integrand does not determine x0, or
                the noise has a negative variance.
        """
        require_determined(schedule, integrand)
        factor = _factor(schedule, integrand)
        clock = _clock(schedule, integrand, factor)
        if noise is None:
            return cls(schedule, integrand, factor, clock)
        noise.require(schedule)
        tilt = None if factor is None else noise.exponent(alpha / factor, schedule)
        with_eta = schedule.with_symbol(eta, noise.value) if noise.is_constant else schedule
        if factor is None or tilt is None:
            base = Integer(1) if factor is None else factor
            return cls(with_eta, integrand, None, None, noise, base)
        damped = powsimp(factor / tilt)
        found = _noisy_clock(schedule, integrand, (factor, clock), tilt, noise)
        return cls(with_eta, integrand, damped, found, noise)

    @cached_property
    def linear(self) -> Expr:
        """a in the five symbols."""
        found = linear(self.integrand)
        if self.noise is None:
            return found
        return found - self.noise.squared * (alpha_dot / alpha - found)

    @cached_property
    def nonlinear(self) -> Expr:
        """b in the five symbols."""
        found = nonlinear(self.integrand)
        return found if self.noise is None else self.noise.scaled * found

    @cached_property
    def damping(self) -> Expr | None:
        """K' in the five symbols; None without noise."""
        if self.noise is None:
            return None
        plain = linear(self.integrand)
        found = self.noise.squared * (alpha_dot / alpha - plain)
        return found if self.factor is not None or self.has_base else found - plain

    @cached_property
    def damping_coefficient(self) -> Expr | None:
        """K'(t), where K has no closed form."""
        if self.base is None:
            return None
        return self.schedule.simplest(at_schedule(self.damping, self.schedule))

    @property
    def closed_factor(self) -> Expr:
        """R as far as it has a closed form: without e^-K where K has none, 1 where R has none."""
        return next((one for one in (self.factor, self.base) if one is not None), Integer(1))

    @cached_property
    def has_base(self) -> bool:
        """Whether R without noise has a closed form, where K has none."""
        if self.base is None:
            return False
        rest = linear(self.integrand) - _log_derivative(self.base)
        return self.base != 1 or self.schedule.vanishes(at_schedule(rest, self.schedule))

    @cached_property
    def kinks(self) -> tuple[Expr, ...]:
        """The times inside the domain at which the schedule, or eta, is not smooth."""
        own = () if self.noise is None else self.noise.breaks(self.schedule)
        return tuple(sorted({*self.schedule.kinks, *own}))

    @cached_property
    def linear_coefficient(self) -> Expr:
        """a(t)."""
        return self.schedule.simplest(at_schedule(self.linear, self.schedule))

    @cached_property
    def nonlinear_coefficient(self) -> Expr:
        """b(t)."""
        return self.schedule.simplest(at_schedule(self.nonlinear, self.schedule))

    @cached_property
    def clock_of_time(self) -> Expr | None:
        """q(t) for this schedule, or None where it has no closed form."""
        if self.clock is None:
            return None
        found = at_schedule(self.clock, self.schedule)
        return found if found.count_ops() > SIMPLIFY_SIZE else self.schedule.simplest(found)

    @cached_property
    def clock_rate(self) -> Expr | None:
        """q'(t) = b / R, or None where R has no closed form."""
        if self.factor is None:
            return None
        return self.schedule.simplest(
            self.nonlinear_coefficient / at_schedule(self.factor, self.schedule)
        )

    @cached_property
    def general_integrating_factor(self) -> Expr | None:
        """Phi(t, s) in t, alpha, sigma, s, alpha_s, sigma_s: one formula for every schedule."""
        if self.factor is None:
            return None
        found = self.factor / at_start(self.factor)
        return found if self.noise is None else powsimp(found, combine="base")

    @cached_property
    def general_zeroth_moment(self) -> Expr | None:
        """M0(t, s) = R_t (q_t - q_s), each term cancelled so that it stays finite at the ends."""
        if self.factor is None or self.clock is None:
            return None
        return cancel(self.factor * self.clock) - cancel(self.factor) * at_start(self.clock)

    @property
    def shown(self) -> tuple[tuple[Expr, Expr | None], ...]:
        """What a notebook shows: the ODE and what follows from it."""
        slope = Spelled("dx/dt", r"\frac{dx}{dt}")
        right = Total(Product(Symbol("a"), Symbol("x")), Product(Symbol("b"), Symbol("N")))
        return (
            (slope, right),
            (Function("a")(t), self.linear_coefficient),
            (Function("b")(t), self.nonlinear_coefficient),
            (Function("Phi")(t, s), self.integrating_factor()),
            (Function("q")(t), self.clock_of_time),
            (Function("M_0")(t, s), self.zeroth_moment()),
        )

    def _repr_latex_(self) -> str:
        """For notebooks."""
        return aligned(self.shown)

    def integrating_factor(self, end: Expr = t, start: Expr = s) -> Expr | None:
        """Phi(end, start) for this schedule."""
        return self._between(self.general_integrating_factor, end, start)

    def zeroth_moment(self, end: Expr = t, start: Expr = s) -> Expr | None:
        """M0(end, start) for this schedule: the weight of the mean of N over the step."""
        return self._between(self.general_zeroth_moment, end, start)

    def _between(self, general: Expr | None, end: Expr, start: Expr) -> Expr | None:
        found = self.at_times(general, end, start)
        return None if found is None else _tidy(found)

    def at_times(self, general: Expr | None, end: Expr, start: Expr) -> Expr | None:
        """A general formula for this schedule, put in and not simplified."""
        if general is None:
            return None
        return at_times(general, self.schedule).subs({t: end, s: start}, simultaneous=True)

    def __str__(self) -> str:
        found, damping = "no closed form: by quadrature", self.damping_coefficient
        phi, m0, clock = self.integrating_factor(), self.zeroth_moment(), self.clock_of_time
        return "\n".join(
            (
                f"dx/dt = {_terms(self.linear_coefficient, self.nonlinear_coefficient)}",
                f"N = {self.integrand.name}",
                f"Phi(t, s) = {found if phi is None else phi}",
                f"q(t) = {found if clock is None else clock}",
                f"M0(t, s) = {found if m0 is None else m0}",
                *([] if damping is None else [f"K by quadrature, K'(t) = {damping}"]),
            )
        )


def _terms(a: Expr, b: Expr) -> str:
    """a x + b N as a person writes it."""
    return str(a * Symbol("x") + b * Symbol("N"))


def require_determined(schedule: NoiseSchedule, parameterization: Parameterization) -> None:
    """Refuse a parameterization that says nothing about x0.

    Raises:
        DerivationError: det = 0 for every t.
    """
    if schedule.vanishes(at_schedule(parameterization.determinant, schedule)):
        raise DerivationError(
            f"{parameterization.name!r} is proportional to x for schedule "
            f"{schedule.name!r} (alpha c_noise - sigma c_data = 0 for every t), so it says "
            "nothing about x0; expected a combination of x0 and eps other than x itself."
        )


def at_start(expression: Expr) -> Expr:
    """The same formula at the start s of a step."""
    return expression.subs({t: s, alpha: alpha_s, sigma: sigma_s}, simultaneous=True)


@lru_cache(maxsize=256)
def nonlinear(integrand: Parameterization) -> Expr:
    """b = W / det for every schedule; the derivatives cancel for flow and rate(gamma)."""
    return cancel(WRONSKIAN / integrand.determinant)


@lru_cache(maxsize=256)
def linear(integrand: Parameterization) -> Expr:
    """a = (alpha' c_noise - sigma' c_data) / det for every schedule."""
    numerator = alpha_dot * integrand.noise - sigma_dot * integrand.data
    return cancel(numerator / integrand.determinant)


def _constant_direction(
    schedule: NoiseSchedule, integrand: Parameterization
) -> tuple[Expr, Expr, Expr] | None:
    """(d, n, c) with  c_data = c d, c_noise = c n  and d, n constant, or None."""
    data, noise = integrand.data, integrand.noise
    if noise == 0:
        return Integer(1), Integer(0), data
    if data == 0:
        return Integer(0), Integer(1), noise
    ratio = constant_ratio(at_schedule(data, schedule), at_schedule(noise, schedule), schedule)
    return None if ratio is None else (ratio, Integer(1), noise)


def _factor(schedule: NoiseSchedule, integrand: Parameterization) -> Expr | None:
    """R with R' = a R, in t, alpha, sigma."""
    a = at_schedule(linear(integrand), schedule)
    if schedule.vanishes(a):
        return Integer(1)
    direction = _constant_direction(schedule, integrand)
    if direction is not None:
        data, noise, _ = direction
        return sigma if noise == 0 else alpha * noise - sigma * data
    for candidate in (RADIUS, alpha, sigma, alpha + sigma):
        growth = at_schedule(_log_derivative(candidate), schedule)
        exponent = constant_ratio(a, growth, schedule)
        if exponent is not None:
            return candidate**exponent
    return None


def _noisy_clock(
    schedule: NoiseSchedule,
    integrand: Parameterization,
    plain: tuple[Expr | None, Expr | None],
    tilt: Expr | None,
    noise: Stochasticity,
) -> Expr | None:
    """q with q' = (1 + eta^2) e^K b/R, from R and q without noise; None without a closed form."""
    factor, clock = plain
    if tilt is None or factor is None:
        return None
    direction = _constant_direction(schedule, integrand)
    if direction is not None and direction[1] == 0 and clock is not None:
        return powsimp(clock * tilt)
    if not noise.is_constant:
        return None
    if direction is not None and not direction[2].free_symbols:
        d, n, scale = direction
        if d == 0:
            return None if clock is None else noise.scaled * clock
        y = n - d * sigma / alpha
        sign = 1 if schedule.limit_at(at_schedule(y, schedule), schedule.t_min) > 0 else -1
        return sign * (sign * y) ** (-noise.scaled) / (d * scale)
    if factor == 1:
        speed = at_schedule(nonlinear(integrand) / alpha_dot, schedule)
        share = constant_ratio(speed, Integer(1), schedule)
        return None if share is None else share * alpha**noise.scaled
    return None


def _log_derivative(expression: Expr) -> Expr:
    return total_derivative(expression) / expression


def _clock(
    schedule: NoiseSchedule, integrand: Parameterization, factor: Expr | None
) -> Expr | None:
    """q with q' = b / R, in t, alpha, sigma."""
    if factor is None:
        return None
    direction = _constant_direction(schedule, integrand)
    if direction is not None and factor != 1 and not direction[2].free_symbols:
        _, noise, scale = direction
        return alpha / (sigma * scale) if noise == 0 else sigma / (noise * factor * scale)
    speed = at_schedule(nonlinear(integrand) / factor, schedule)
    candidates: tuple[Expr, ...] = (
        t,
        alpha,
        sigma,
        1 / alpha,
        1 / sigma,
        atan2(sigma, alpha),
        log(alpha / sigma),
        sigma**2,
        t**2,
    )
    if integrand.clock is not None:
        candidates = (integrand.clock, *candidates)
    for candidate in candidates:
        scale = constant_ratio(speed, at_schedule(total_derivative(candidate), schedule), schedule)
        if scale is not None:
            return scale * candidate
    return None


@lru_cache(maxsize=256)
def _tidy(expression: Expr) -> Expr:
    """A form that a person would write."""
    forms = (expression, together(expression))
    shortest = min(forms, key=effort)
    return shortest if effort(shortest)[0] > SIMPLIFY_SIZE else compact(shortest)
