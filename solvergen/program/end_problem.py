"""An end of a domain, where every quantity is a power series in a root of the step size h.

Let tau = |gamma - gamma_end| and w = tau^(1/D), such that alpha, sigma, c_data and c_noise are
power series in w. With dots for d/dw, and det and W of the semilinear ODE,

    a = (alpha. c_noise - sigma. c_data)/det = kappa/w + ..,      R = w^kappa E(w),
    b = (alpha sigma. - sigma alpha.)/det,                        q. = b/R = w^(beta - kappa) Q(w),

and between places tau_n = c_n h, w_n = r_n eps with eps = h^(1/D), every scalar is a power series
in eps with real coefficients:

    Phi = (r_t/r_s)^kappa E(w_t)/E(w_s),        theta = (r^D - c_s)/(c_t - c_s),
    M0 mu_k = eps^(beta + 1) r_t^kappa E(w_t) sum_i Q_i eps^i J_ik,
    J_ik = int_(r_s)^(r_t) r^(beta - kappa + i) theta^k dr,

with the limits of these at r = 0 for the step that touches the end. If kappa > 0 there, Phi = 0 and
only the last value counts, mu_k = 1: the last landing is an extrapolation of N to the end.

The exact solution is that of dx = x0 d(alpha) + eps d(sigma), which is regular: for a smooth
density of the data

    sigma = 0:  x0 = (x + sigma^2 S)/alpha,  eps = -sigma S,     S(x, alpha, sigma^2) smooth,
    alpha = 0:  x0 = X,  eps = (x - alpha X)/sigma,              X(x, alpha, sigma) smooth.

``solvergen.program.ends`` runs programs on it.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cache, cached_property, lru_cache
from math import comb

import numpy as np

from solvergen.errors import SchemeError
from solvergen.program.grid_step import GridStep
from solvergen.program.instructions import Combine
from solvergen.program.laurent import Laurent
from solvergen.program.series import DECIMAL, Series, combination, interpolated

DIMENSION = 2
"""Of the sample: one more than a scalar, whose derivatives commute."""

ZERO, ONE = Decimal(0), Decimal(1)


@dataclass(frozen=True)
class End:
    """The functions of time at one end of a domain, as series in w = tau^(1/root).

    Attributes:
        role: ``start`` or ``end`` of a run.
        root: D.
        alpha, sigma, data, noise: the schedule and the coefficients of the integrand.
    """

    role: str
    root: int
    alpha: Laurent
    sigma: Laurent
    data: Laurent
    noise: Laurent

    def __post_init__(self) -> None:
        with DECIMAL.context():  # derived here, with all digits, wherever they are read
            _ = self.exponent, self.forcing, self.integrand, self.motion

    @cached_property
    def determinant(self) -> Laurent:
        return self.alpha * self.noise - self.sigma * self.data

    @cached_property
    def rate(self) -> Laurent:
        """a."""
        moved = self.alpha.derivative * self.noise - self.sigma.derivative * self.data
        return moved / self.determinant

    @cached_property
    def exponent(self) -> Decimal:
        """kappa."""
        rounded = self.rate.coefficients(-1, 0)[0] if not self.rate.is_zero else ZERO
        nearest = Decimal(round(rounded))
        return nearest if DECIMAL.is_zero(rounded - nearest) else rounded

    @cached_property
    def forcing(self) -> Laurent:
        """b."""
        wronskian = self.alpha * self.sigma.derivative - self.sigma * self.alpha.derivative
        return wronskian / self.determinant

    @property
    def gain(self) -> int:
        """The power of eps of M0."""
        return self.forcing.lead + 1

    @cached_property
    def integrand(self) -> tuple[Laurent, Laurent]:
        """(A, B) with N = A x + B S at sigma = 0, and N = A x + B X at alpha = 0."""
        alpha, sigma, data, noise = self.alpha, self.sigma, self.data, self.noise
        if self.role == "end":
            return data / alpha, data * sigma * sigma / alpha - noise * sigma
        return noise / sigma, data - alpha * noise / sigma

    @cached_property
    def motion(self) -> tuple[Laurent, Laurent]:
        """(P, Q) with dx/dw = P x + Q S, or P x + Q X."""
        alpha, sigma = self.alpha, self.sigma
        if self.role == "end":
            turned = alpha.derivative * sigma * sigma / alpha - sigma * sigma.derivative
            return alpha.derivative / alpha, turned
        return sigma.derivative / sigma, alpha.derivative - sigma.derivative * alpha / sigma

    @property
    def growth(self) -> int:
        """The power of 1/eps of N."""
        return max(0, *(-one.lead for one in self.integrand if not one.is_zero))

    @property
    def is_regular(self) -> bool:
        """Whether Phi, M0/h, the moments and N are smooth in gamma, as they are inside."""
        smooth = self.root == 1 and self.exponent == 0 and self.rate.lead >= 0
        return smooth and self.forcing.lead == 0 and self.growth == 0


@dataclass(frozen=True, eq=False)
class EndProblem:
    """dx/dw = P x + Q S, and what a program needs of it; S_i = sum_d g_id (u_i . x + v_i . z)^d,
    z the two functions of time that S depends on.
    """

    end: End
    length: int
    growth: tuple[Decimal, ...]
    density: tuple[Decimal, ...]
    terms: tuple[tuple[tuple[Decimal, ...], tuple[Decimal, ...]], ...]
    x: tuple[tuple[Decimal, ...], ...]

    @classmethod
    @cache
    def draw(cls, end: End, length: int) -> "EndProblem":
        """Draw S and the sample at the end, from a fixed seed."""
        generator = random.Random(1)

        def some(count: int) -> tuple[Decimal, ...]:
            return tuple(Decimal(generator.randrange(100, 1000)) / 500 for _ in range(count))

        degree = length // end.root + 2
        terms = tuple((some(degree), some(DIMENSION + 2)) for _ in range(DIMENSION))
        growth = _exponential(end.rate, length)
        over = end.forcing / Laurent.of(growth)
        density = over.coefficients(over.lead, over.lead + length)
        blank = cls(end, length, growth, density, terms, ())
        return blank._solved(some(DIMENSION))

    def _solved(self, start: Sequence[Decimal]) -> "EndProblem":
        """The solution x(w) as power series, one more power per Picard iteration."""
        p, q = (self._taylor(one) for one in self.end.motion)
        x = [Series.of([value], self.length, DECIMAL) for value in start]
        for _ in range(self.length):
            pull = self._pull(np.array(x, dtype=object), ONE)
            slope = [p * one + q * other for one, other in zip(x, pull, strict=True)]
            x = [self._integral(one, at) for one, at in zip(slope, start, strict=True)]
        solved = tuple(one.coefficients for one in x)
        return EndProblem(self.end, self.length, self.growth, self.density, self.terms, solved)

    def _taylor(self, one: Laurent) -> Series:
        return Series(one.coefficients(0, self.length), DECIMAL)

    def _integral(self, integrand: Series, start: Decimal) -> Series:
        raised = [c / power for power, c in enumerate(integrand.coefficients[:-1], start=1)]
        return Series((start, *raised), DECIMAL)

    @cached_property
    def _moving(self) -> tuple[Series, Series]:
        """z: alpha and sigma^2 at sigma = 0, alpha and the change of sigma at alpha = 0."""
        end = self.end
        other = end.sigma * end.sigma if end.role == "end" else end.sigma
        found = [list(self._taylor(one).coefficients) for one in (end.alpha, other)]
        return tuple(Series((ZERO, *one[1:]), DECIMAL) for one in found)  # type: ignore[return-value]

    def _pull(self, x: np.ndarray, r: Decimal) -> list[Series]:
        """S or X at w = r eps, by Horner's scheme."""
        moving = [self.at(one.coefficients, r) for one in self._moving]
        out = []
        for weights, direction in self.terms:
            line = combination(direction, (*x, *moving))
            total = Series.of([weights[-1]], self.length, DECIMAL)
            for weight in weights[-2::-1]:
                total = total * line + weight
            out.append(total)
        return out

    def at(self, coefficients: Sequence[Decimal], r: Decimal) -> Series:
        """A power series in w at w = r eps."""
        power, out = ONE, []
        for c in coefficients:
            out.append(c * power)
            power *= r
        return Series(tuple(out), DECIMAL)

    @cache  # noqa: B019 - a problem is one of a few
    def root(self, place: Fraction) -> Decimal:
        """r = c^(1/D)."""
        c = DECIMAL.of(place)
        return c if self.end.root == 1 or not c else c ** (ONE / self.end.root)

    def solution(self, place: Fraction) -> np.ndarray:
        """x at tau = place h."""
        r = self.root(place)
        return np.array([self.at(one, r) for one in self.x], dtype=object)

    def model(self, x: np.ndarray, place: Fraction) -> np.ndarray:
        """N, times the power of eps that makes it finite."""
        r = self.root(place)
        a, b = (self._scaled(one, r) for one in self.end.integrand)
        pull = self._pull(x, r)
        return np.array([a * one + b * other for one, other in zip(x, pull, strict=True)])

    def _scaled(self, one: Laurent, r: Decimal) -> Series:
        """A Laurent series at w = r eps, times eps^growth."""
        lost = self.end.growth
        if not r and lost:
            raise SchemeError("the integrand has no finite value there")
        found = self.at(one.coefficients(-lost, self.length - lost), r)
        return found * r**-lost if lost else found

    def value(self, place: Fraction) -> np.ndarray:
        """N along the exact solution."""
        return self.model(self.solution(place), place)

    @lru_cache(maxsize=4096)  # noqa: B019 - a problem is one of a few
    def moment(self, end: Fraction, start: Fraction, k: int) -> Series:
        """M0 mu_k without its factor eps^gain."""
        kappa, gain = self.end.exponent, self.end.gain
        r = self.root(end)
        factor = self.at(self.growth, r)
        if not r and kappa > 0:
            if gain != 0:
                raise SchemeError("Phi and M0 vanish there")
            return factor * (self.density[0] / -kappa)
        powers = [Decimal(gain - 1) - kappa + i for i in range(self.length)]
        low, width = DECIMAL.of(-start), DECIMAL.of(end - start)
        powers_of_low = [low ** (k - j) if j < k else ONE for j in range(k + 1)]
        over = width**k if k else ONE
        theta = [comb(k, j) * one / over for j, one in enumerate(powers_of_low)]
        ends = r, self.root(start)
        total = tuple(
            c * self._integral_of(power, ends, theta)
            for c, power in zip(self.density, powers, strict=True)
        )
        scale = r**kappa if kappa else ONE
        return factor * Series(total, DECIMAL) * scale

    def _integral_of(
        self, power: Decimal, ends: tuple[Decimal, Decimal], theta: Sequence[Decimal]
    ) -> Decimal:
        """int r^power sum_j theta_j tau^j dr between two roots, in tau = r^root."""
        raised = [power + self.end.root * j + 1 for j in range(len(theta))]
        end, start = ([_primitive(r, one) for one in raised] for r in ends)
        return sum((c * (a - b) for c, a, b in zip(theta, end, start, strict=True)), ZERO)

    def integrating_factor(self, end: Fraction, start: Fraction) -> Series:
        """Phi."""
        r, s, kappa = self.root(end), self.root(start), self.end.exponent
        ratio = self.at(self.growth, r) / self.at(self.growth, s)
        if not kappa:
            return ratio
        if not (r and s):
            if (kappa > 0) != (not r):
                raise SchemeError("Phi has no finite limit")
            return ratio * ZERO
        return ratio * (r / s) ** kappa

    def end_density(self, end: Fraction, start: Fraction) -> Series:
        """The density of the clock at the end over its mean."""
        r = self.root(end)
        if not r:
            raise SchemeError("the weights with frozen moments (bh1) have no finite limit")
        over = self.at(self.density, r) * r ** (self.end.gain - self.end.root)
        over = over * self.at(self.growth, r) * (DECIMAL.of(end - start) / self.end.root)
        return over / self.moment(end, start, 0)


def _exponential(rate: Laurent, length: int) -> tuple[Decimal, ...]:
    """E = exp int (a - kappa/w): n E_n = sum_(j < n) a_j E_(n-1-j)."""
    known = (ZERO,) * length if rate.is_zero else rate.coefficients(0, length)
    found = [ONE]
    for n in range(1, length):
        found.append(sum((known[j] * found[n - 1 - j] for j in range(n)), ZERO) / n)
    return tuple(found)


@cache
def _primitive(r: Decimal, power: Decimal) -> Decimal:
    """r^power/power; its logarithm for the power 0."""
    if DECIMAL.is_zero(power):
        if not r:
            raise SchemeError("M0 has no finite limit")
        return r.ln()
    if not r:
        if power < 0:
            raise SchemeError("M0 has no finite limit")
        return ZERO
    return r**power / power


@dataclass(frozen=True)
class EndScalars(GridStep):
    """The scalars of step n as power series in eps; times are places c with tau = c h."""

    problem: EndProblem

    def integrating_factor(self, combine: Combine) -> Series:
        return self.problem.integrating_factor(*self.ends(combine))

    def zeroth_moment(self, combine: Combine) -> Series:
        """M0, over the power of eps that the model's values are multiplied by."""
        end = self.problem.end
        shift = end.gain - end.growth
        if shift < 0:
            raise SchemeError("M0 N has no finite limit")
        found = self.problem.moment(*self.ends(combine), 0)
        kept = found.coefficients[: max(0, self.problem.length - shift)]
        return Series((*(ZERO,) * shift, *kept)[: self.problem.length], DECIMAL)

    def weights(self, combine: Combine) -> list[Series]:
        end, start = self.ends(combine)
        places = [(self.place(node) - start) / (end - start) for node in combine.support]
        zeroth = self.problem.moment(end, start, 0)

        def moment(k: int, along: int | None) -> Series:
            other = end if along is None else self.time(along)
            return self.problem.moment(other, start, k) / zeroth

        def end_density() -> Series:
            return self.problem.end_density(end, start)

        return combine.weights(places, moment, end_density, interpolated)
