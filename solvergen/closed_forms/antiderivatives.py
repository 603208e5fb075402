"""Antiderivatives of the moments in closed form, constructed.

    J_k' = w gamma^k,      w = dq/dgamma

With sums over a step,  mean of gamma^k = [J_k]/[J_0],  the normalised moments follow. Over the
uniformizing variable z (``closed_forms.uniformization``) the integrand is rational, or rational
times a power of a primitive, and integration decides (``closed_forms.rational``). Where there is
no such z, as for time on vp_linear, there is J_0 alone, the clock. A form that is not proved is not
shown.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from sympy import (
    Add,
    Dummy,
    Expr,
    Integer,
    Symbol,
    cos,
    cot,
    diff,
    powdenest,
    sin,
    sqrt,
    trigsimp,
)

from solvergen.algebra.bounded import is_small
from solvergen.algebra.evaluation import evaluate_mp, is_real
from solvergen.algebra.inversion import unwind
from solvergen.algebra.root_sums import root_logarithms
from solvergen.closed_forms.proofs import Proof, prove_zero
from solvergen.closed_forms.rational import (
    NotElementaryError,
    TooLongError,
    integrate_with_primitive,
)
from solvergen.closed_forms.uniformization import uniformize, z
from solvergen.closed_forms.writing import (
    Terms,
    normalized,
    shortest,
    split,
    sum_of,
    written_length,
)
from solvergen.derivation.invariants import RELATIONS, constants_of, on_relations, over_radius
from solvergen.derivation.parameterization import at_schedule, total_derivative
from solvergen.derivation.semilinear import RADIUS
from solvergen.derivation.weights import Weights
from solvergen.schedules.identities import sampled
from solvergen.symbols import alpha, gamma, sigma, t

MAX_ROOTS = 20
"""Inverses of gamma in alpha or sigma that are tried; the right one is among the first few."""

LONGEST = 60
"""Operations of J_k over z, beyond which nobody reads the integrals that it leads to."""


@dataclass(frozen=True)
class Antiderivative:
    """J_k over a variable z.

    Attributes:
        point: z as an expression in t, alpha, sigma.
        expression: J_k as an expression in ``z`` and, if gamma is a primitive, in ``gamma``, with
            J_k' = gamma^k dq/dgamma for the clock q itself, constant factor and all.
        primitive: whether it is a polynomial in ``gamma``; then the same polynomial in
            gamma - gamma_s is the antiderivative of (gamma - gamma_s)^k.
    """

    point: Expr
    expression: Expr
    primitive: bool

    @property
    def is_long(self) -> bool:
        """Whether it has more than ``LONGEST`` operations."""
        return bool(self.expression.count_ops() > LONGEST)

    def terms(self, write: Callable[[Expr], Expr]) -> Terms:
        """The rational part and the calls, with ``write`` applied to each function of z."""
        found: Terms = {}
        for call, coefficient in split(self.expression, z).items():
            written = _rewritten(call, write)
            found[written] = found.get(written, Integer(0)) + write(coefficient)
        return found


def _rewritten(call: Expr, write: Callable[[Expr], Expr]) -> Expr:
    """A call of functions of z, or 1."""
    if isinstance(call, root_logarithms):
        return call.over(*map(write, call.args[2:]))
    return call.func(*map(write, call.args)) if call.args else call


@dataclass(frozen=True)
class ClosedForm:
    """A proved formula.

    Attributes:
        expression: the formula.
        proof: how it was proved.
    """

    expression: Expr
    proof: Proof


def antiderivative(weights: Weights, k: int) -> Antiderivative | None:
    """J_k over the variable that makes it simplest; None if there is none or none was
    found.
    """
    found = _constructed(weights, k)
    return found if isinstance(found, Antiderivative) else None


def is_not_elementary(weights: Weights, k: int) -> bool:
    """Whether it was proved that J_k has no closed form."""
    return isinstance(_constructed(weights, k), NotElementaryError)


@lru_cache(maxsize=1024)
def _constructed(weights: Weights, k: int) -> Antiderivative | NotElementaryError | None:
    found = uniformize(weights, k)
    if found is None:
        clock = weights.ode.clock
        return Antiderivative(clock, z, False) if k == 0 and clock is not None else None
    arguments = (found.density, found.power, gamma, found.variable_rate, z)
    if not is_small(found.density):
        return None
    try:
        expression = integrate_with_primitive(*arguments)
    except NotElementaryError as error:
        return error
    except TooLongError:
        return None
    return Antiderivative(found.point, expression, found.power > 0)


@lru_cache(maxsize=1024)
def moment_closed_form(weights: Weights, k: int) -> ClosedForm | None:
    """J_k(gamma) as a person would write it, with J_k' = gamma^k dq/dgamma proved; None if there
    is none, or none that is short enough to be read.
    """
    found = antiderivative(weights, k)
    if found is None or found.is_long:
        return None
    forms = (_written(found, write, weights) for write in _over_gamma(found.point, weights))
    for form in sorted(forms, key=written_length):
        proof = prove_antiderivative(form, weights, k)
        if proof is not None:
            return ClosedForm(form, proof)
    return None


def _written(found: Antiderivative, write: Callable[[Expr], Expr], weights: Weights) -> Expr:
    """J_k in gamma, without constants; gamma is a positive symbol meanwhile if it is positive."""
    inside = sampled(weights.variable, weights.schedule)
    place = Dummy("gamma", positive=True) if min(inside) > 0 else gamma

    def value(e: Expr) -> float:
        number = evaluate_mp(weights.schedule.substitute(e), place, inside[0])
        return float(number) if is_real(number) else 1.0

    terms = normalized(found.terms(lambda e: write(e).xreplace({gamma: place})), value)
    rational = terms.pop(Integer(1), Integer(0))
    kept = Add(*(one for one in Add.make_args(rational) if one.has(place)))
    return (kept + sum_of(terms)).xreplace({place: gamma})


def moment_antiderivative(weights: Weights, k: int) -> Expr | None:
    """J_k(gamma), proved; None if there is no closed form."""
    found = moment_closed_form(weights, k)
    return None if found is None else found.expression


def prove_antiderivative(expression: Expr, weights: Weights, k: int) -> Proof | None:
    """That d/dt J_k(gamma(t)) = gamma(t)^k q'(t), or None."""
    variable = weights.expansion.variable
    slope = diff(expression, gamma).subs(gamma, variable) * total_derivative(variable)
    rate = weights.ode.nonlinear / weights.ode.factor
    return prove_zero(slope - rate * variable**k, weights.schedule)


def _over_gamma(point: Expr, weights: Weights) -> Iterator[Callable[[Expr], Expr]]:
    """Ways to write a function of z as one of gamma: through z, and through alpha and sigma."""
    at_gamma = _at_gamma(point, weights)
    if at_gamma is not None:
        yield lambda e: e.subs(z, at_gamma)
    ray = None if point.has(t) else weights.expansion.ray or _ray(weights)
    if ray is None or point == weights.expansion.variable:
        return
    if weights.expansion.ray is None or point.has(RADIUS):
        yield lambda e: on_ray(over_symbols(e, point, weights), ray)


def over_symbols(expression: Expr, point: Expr, weights: Weights) -> Expr:
    """A function of z in t, alpha and sigma, with what the schedule keeps constant put in."""
    found = over_radius(expression, z, point)
    return found if weights.expansion.ray else on_relations(found, weights.schedule)


def on_ray(expression: Expr, ray: tuple[Expr, Expr]) -> Expr:
    """A function of alpha and sigma at a point of the ray."""
    radius = powdenest(sqrt(trigsimp(ray[0] ** 2 + ray[1] ** 2)), force=True)
    return expression.subs(RADIUS, radius).subs(dict(zip((alpha, sigma), ray, strict=True)))


def _at_gamma(point: Expr, weights: Weights) -> Expr | None:
    """z as a function of gamma, or None."""
    schedule = weights.schedule
    if point == weights.expansion.variable:
        return gamma
    if weights.expansion.name == "time":
        return shortest(at_schedule(point, schedule).subs(t, gamma))
    ray = None if point.has(t) else weights.expansion.ray or _ray(weights)
    if ray is not None:
        found = on_ray(point, ray)
        return cot(gamma) if found == cos(gamma) / sin(gamma) else shortest(found)
    inverse = weights.time_at
    return None if inverse is None else shortest(at_schedule(point, schedule).subs(t, inverse))


@lru_cache(maxsize=256)
def _ray(weights: Weights) -> tuple[Expr, Expr] | None:
    """(alpha, sigma) at gamma, from gamma(alpha, sigma) and what the schedule keeps constant."""
    schedule, variable = weights.schedule, weights.expansion.variable
    if variable == t:
        return schedule.alpha.subs(t, gamma), schedule.sigma.subs(t, gamma)
    if variable.has(t):
        return None
    for scale, size in constants_of(schedule):
        for one, other, relation in RELATIONS[scale]:
            of_one = variable.subs(other, relation(one, size))
            for root in _roots(of_one, one):
                at_time = root.subs(gamma, weights.variable)
                if schedule.vanishes(at_schedule(one, schedule) - at_time):
                    pair = {one: root, other: shortest(relation(root, size))}
                    return pair[alpha], pair[sigma]
    return None


def _roots(expression: Expr, symbol: Symbol) -> tuple[Expr, ...]:
    return tuple(islice(unwind(expression, symbol, gamma), MAX_ROOTS))
