"""The Taylor-coefficient integrals and the normalised moments between two times, in closed form.

    I_k(t, s) = int_s^t Phi(t, u) b(u) (gamma_u - gamma_s)^k/k! du
              = R_t/k! int_s^t (gamma - gamma_s)^k dq
    mu_k(t, s) = k! I_k / (M_0 (gamma_t - gamma_s)^k)

With J_k over a uniformizing variable z (``closed_forms.antiderivatives``), for gamma rational in z

    k! I_k / R_t = sum_j binom(k, j) (-gamma_s)^(k-j) [J_j(z_t) - J_j(z_s)],

and for a primitive, where J_k = P_k(z, gamma) and gamma - gamma_s has the same derivative,

    k! I_k / R_t = P_k(z_t, h) - P_k(z_s, 0),      h = gamma_t - gamma_s.

If dq/dgamma is a multiple of e^(rho gamma) that is  I_k = (b/gamma')(t) h^(k+1) phi_(k+1)(-rho h).
What is shown is proved from the definition: I_k(s, s) = 0 and, in t,

    dI_k/dt = a I_k + b (gamma_t - gamma_s)^k/k!.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial

import mpmath
from sympy import (
    Add,
    Expr,
    Integer,
    Symbol,
    asin,
    atan,
    binomial,
    cancel,
    diff,
    factor,
    factorial,
    fraction,
    gcd_list,
    lcm_list,
    log,
    together,
)

from solvergen.algebra.bounded import is_small
from solvergen.algebra.evaluation import compiled, is_real
from solvergen.algebra.phi import exponential_moment, phi
from solvergen.algebra.prime_field import is_zero
from solvergen.algebra.root_sums import root_logarithms
from solvergen.closed_forms.antiderivatives import Antiderivative, ClosedForm, antiderivative
from solvergen.closed_forms.proofs import Proof, prove_zero
from solvergen.closed_forms.uniformization import Uniformization, uniformize, z
from solvergen.closed_forms.writing import (
    Terms,
    normalized,
    shortest,
    sum_of,
    with_positive_sums,
    written_length,
)
from solvergen.derivation.invariants import (
    RELATIONS,
    constants_of,
    on_relations,
    over_radius,
    reduced_power,
)
from solvergen.derivation.parameterization import at_schedule, at_times, total_derivative
from solvergen.derivation.semilinear import RADIUS, at_start
from solvergen.derivation.weights import Weights
from solvergen.schedules.identities import sample_points
from solvergen.symbols import alpha, alpha_s, gamma, s, sigma, sigma_s, t

h = Symbol("h", real=True)
"""gamma_t - gamma_s."""


@lru_cache(maxsize=1024)
def taylor_integral(weights: Weights, k: int) -> ClosedForm | None:
    """I_k(t, s), in t and s where alpha and sigma are rational in time, else in alpha, sigma,
    alpha_s, sigma_s; ``h`` is gamma_t - gamma_s. None without a proved closed form.
    """
    terms = _terms(weights, k)
    if terms is None:
        return None
    found = sum_of(terms)
    proof = prove_taylor_integral(found, weights, k)
    return None if proof is None else ClosedForm(found, proof)


@lru_cache(maxsize=1024)
def normalized_moment(weights: Weights, k: int) -> Expr | None:
    """mu_k(t, s) = k! I_k/(I_0 (gamma_t - gamma_s)^k) in the symbols of ``taylor_integral``, which
    proves it; None if that has no closed form.
    """
    zeroth, kth = taylor_integral(weights, 0), taylor_integral(weights, k)
    if zeroth is None or kth is None:
        return None
    exponent = exponential(weights)
    if exponent is not None:
        return exponential_moment(k, -exponent.rate * h)
    symbols = _Symbols(weights)
    width = symbols.width if _is_rational_in_z(weights) else h
    scale = factorial(k) / (zeroth.expression * width**k)
    terms = {call: scale * c for call, c in (_terms(weights, k) or {}).items()}
    plain = scale * kth.expression
    if not is_small(plain):
        return plain
    return min((plain, _with_common_factor(terms, symbols)), key=written_length)


def _with_common_factor(terms: Terms, symbols: "_Symbols") -> Expr:
    """Everything that is common to the terms in front."""
    terms = {call: cancel(c) for call, c in terms.items()}
    bottom = lcm_list([fraction(c)[1] for c in terms.values()])
    tops = {call: cancel(c * bottom) for call, c in terms.items()}
    common = gcd_list(list(tops.values()))
    outer = symbols.written(factor(cancel(common / bottom)))
    if outer.could_extract_minus_sign():
        outer, common = -outer, -common
    return outer * Add(*(call * symbols.written(cancel(c / common)) for call, c in tops.items()))


def prove_taylor_integral(expression: Expr, weights: Weights, k: int) -> Proof | None:
    """That I_k vanishes at t = s and that dI_k/dt = a I_k + b (gamma_t - gamma_s)^k/k!."""
    schedule, ode, variable = weights.schedule, weights.ode, weights.expansion.variable
    slope = total_derivative(expression) + diff(expression, h) * total_derivative(variable)
    right = ode.linear * expression + ode.nonlinear * h**k / factorial(k)
    gap = slope - right
    in_width = expression.has(h) and is_zero(at_times(gap, schedule))
    whole = Integer(0) if in_width else gap.subs(h, variable - at_start(variable))
    proofs = [prove_zero(e, schedule) for e in (at_start(expression.subs(h, 0)), whole)]
    if None in proofs:
        return None
    return Proof.numeric if Proof.numeric in proofs else Proof.symbolic


@dataclass(frozen=True)
class Exponential:
    """dq/dgamma = c e^(``rate`` gamma), given over a uniformizing variable; rate 0 on the clock."""

    rate: Expr
    over: Uniformization


@lru_cache(maxsize=256)
def exponential(weights: Weights) -> Exponential | None:
    """dq/dgamma as an exponential, or None if it is not one."""
    if weights.ode.factor is None:
        return None
    found = uniformize(weights, 0 if weights.same_clock else 1)
    if found is None or not (weights.same_clock or found.power):
        return None
    density = found.density / found.variable_rate
    rate = cancel(diff(density, z) / (density * found.variable_rate))
    return None if rate.has(z) else Exponential(rate, found)


def _is_rational_in_z(weights: Weights) -> bool:
    found = antiderivative(weights, 1)
    return found is not None and not found.primitive


@dataclass(frozen=True)
class _Symbols:
    """The symbols that a person would write the integrals of one solver in: t and s where alpha
    and sigma are rational in time and have no parameters, else alpha, sigma, alpha_s and sigma_s.
    """

    weights: Weights

    @property
    def is_explicit(self) -> bool:
        """Whether alpha and sigma are rational in time, without parameters."""
        schedule = self.weights.schedule
        rational = (e.is_rational_function(t) for e in (schedule.alpha, schedule.sigma))
        return all(rational) and not schedule.parameters

    def at_end(self, expression: Expr) -> Expr:
        """An expression in t, alpha, sigma."""
        schedule = self.weights.schedule
        if self.is_explicit:
            return at_schedule(expression, schedule)
        return on_relations(expression, schedule)

    def over(self, point: Expr, expression: Expr) -> Expr:
        """A function of z at the end of the step."""
        return self.at_end(over_radius(expression, z, point))

    def call(self, call: Expr) -> Expr:
        """atan(alpha/sigma) as asin(alpha) where alpha^2 + sigma^2 = 1."""
        if (
            call == atan(alpha / sigma)
            and dict(constants_of(self.weights.schedule)).get(RADIUS) == 1
        ):
            return asin(alpha)
        return call

    @property
    def gamma(self) -> Expr:
        return self.at_end(self.weights.expansion.variable)

    @property
    def width(self) -> Expr:
        """gamma_t - gamma_s."""
        return self.gamma - at_start(self.gamma)

    def value(self, expression: Expr) -> float:
        """At a step inside the domain; of a difference F_t - F_s, its slope in t or alpha."""
        if cancel(at_start(expression)) == 0:
            lead = t if expression.has(t) else alpha if expression.has(alpha) else sigma
            expression = diff(expression, lead)
        schedule = self.weights.schedule
        explicit = at_times(expression.subs({gamma: h}).subs(h, self.width), schedule)
        end, start = sorted(sample_points(schedule, 2))
        function = compiled(schedule.substitute(explicit), (t, s), "mpmath")
        found = mpmath.mpmathify(function(end, start))
        return float(found) if is_real(found) else 1.0

    def written(self, expression: Expr) -> Expr:
        """A function of the two times as a person would write it."""
        forms = [shortest(form) for form in (expression, *self._related_forms(expression))]
        return with_positive_sums(min(forms, key=written_length), self.value)

    def _related_forms(self, expression: Expr) -> Iterator[Expr]:
        """With one of alpha and sigma, or its square, put in from what is constant."""
        symbols = (alpha, sigma, alpha_s, sigma_s)
        if not (expression.has(*symbols) and expression.is_rational_function(*symbols)):
            return
        for scale, size in constants_of(self.weights.schedule):
            for one, other, relation in RELATIONS[scale]:
                inner = relation(one, size)
                if scale != RADIUS:
                    yield expression.subs({other: inner, at_start(other): at_start(inner)})
                    continue
                parts = cancel(together(expression)).as_numer_denom()
                top, bottom = (
                    reduced_power(
                        reduced_power(e, other, inner**2), at_start(other), at_start(inner**2)
                    )
                    for e in parts
                )
                yield cancel(top / bottom)


@lru_cache(maxsize=256)
def _terms(weights: Weights, k: int) -> Terms | None:
    """The terms of I_k."""
    symbols = _Symbols(weights)
    if weights.ode.factor is None:
        return None
    exponent = exponential(weights)
    if exponent is not None:
        scale = _end_density(weights, exponent.over, symbols)
        width = symbols.width if exponent.rate == 0 and symbols.gamma.is_Symbol else h
        return {Integer(1): scale * width ** (k + 1) * phi(Integer(k + 1), -exponent.rate * width)}
    found = antiderivative(weights, k)
    if found is None or found.is_long:
        return None
    pairs = _of_primitive(found, symbols) if found.primitive else _of_rational(weights, k, symbols)
    if pairs is None:
        return None
    scale = symbols.at_end(weights.ode.factor) / factorial(k)
    return {call: symbols.written(scale * c) for call, c in pairs.items()}


def _end_density(weights: Weights, found: Uniformization, symbols: _Symbols) -> Expr:
    """(b/gamma')(t) = R_t (dq/dgamma)(t)."""
    density = symbols.over(found.point, found.density / found.variable_rate)
    return symbols.written(symbols.at_end(weights.ode.factor) * density)


def _of_rational(weights: Weights, k: int, symbols: _Symbols) -> Terms | None:
    """k! I_k/R_t for a gamma that is rational in z."""
    gamma_s = at_start(symbols.gamma)
    calls: Terms = {Integer(1): Integer(0)}
    for j in range(k + 1):
        found = antiderivative(weights, j)
        if found is None or found.primitive or found.is_long:
            return None
        share = binomial(k, j) * (-gamma_s) ** (k - j)
        for call, c in found.terms(partial(symbols.over, found.point)).items():
            change = c - at_start(c) if call == 1 else c
            calls[call] = calls.get(call, Integer(0)) + share * change
    rational = calls.pop(Integer(1), Integer(0))
    return _differences(rational, normalized(calls, symbols.value), symbols)


def _of_primitive(found: Antiderivative, symbols: _Symbols) -> Terms:
    """k! I_k/R_t for a primitive."""
    terms = normalized(found.terms(partial(symbols.over, found.point)), symbols.value)
    at_both = {call: c for call, c in terms.items() if call != 1 and not c.has(gamma)}
    rest = sum_of({call: c for call, c in terms.items() if call not in at_both})
    rational = rest.subs(gamma, h) - at_start(rest.subs(gamma, 0))
    return _differences(rational, at_both, symbols)


def _differences(rational: Expr, calls: Terms, symbols: _Symbols) -> Terms:
    """The rational part, and F_t - F_s for each call F; logarithms as that of a quotient."""
    found: Terms = {Integer(1): rational}
    for call, c in calls.items():
        if call == 1:
            found[call] += c - at_start(c)
            continue
        call = symbols.call(call)
        if isinstance(call, log):
            found[log(symbols.written(call.args[0] / at_start(call.args[0])))] = c
        elif isinstance(call, root_logarithms):
            found[call.over(call.args[2], at_start(call.args[2]))] = c
        else:
            found[call - at_start(call)] = c
    return found
