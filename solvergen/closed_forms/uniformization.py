"""One variable z in which the clock and the expansion variable are rational, or nearly.

Every moment is an integral over the curve (alpha, sigma, t) of the schedule,

    J_k = int gamma^k dq.

With w = alpha/sigma = e^lambda the curve is w = cot(theta), alpha = r cos(theta), sigma =
r sin(theta): r = 1 for a variance-preserving schedule, 1/(cos + sin) where alpha + sigma = 1,
1/cos and 1/sin where alpha or sigma is constant, and r drops out of dq and gamma if they depend
on alpha/sigma alone. If dq/dtheta and dgamma/dtheta are rational in c = cos(theta) and s =
sin(theta), then Bioche's rules name the simplest rational substitution: z = c/s = w if both forms
keep their sign when (c, s) becomes (-c, -s), z = c for (c, -s), z = s for (-c, s), and Euler's
z = cot(theta/2) = (1 + c)/s always. Where a schedule is rational in t itself, z = t.

gamma is then rational in z, or a *primitive* with a rational derivative: lambda = log w, theta,
or time itself on a schedule like sigma = a b^t.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from sympy import (
    Dummy,
    Expr,
    Integer,
    Poly,
    Pow,
    Symbol,
    cancel,
    diff,
    exp,
    expand_log,
    log,
    powdenest,
    sqrt,
    together,
)

from solvergen.algebra.roots import hide_constants
from solvergen.derivation.invariants import constants_of, even_odd
from solvergen.derivation.parameterization import at_schedule, total_derivative
from solvergen.derivation.semilinear import RADIUS
from solvergen.derivation.weights import Weights
from solvergen.schedules.identities import constant_ratio
from solvergen.symbols import alpha, alpha_dot, half_log_snr_symbol, sigma, sigma_dot, t

z = Symbol("z", positive=True)
"""The uniformizing variable."""

_c, _s = Symbol("c", positive=True), Symbol("s", positive=True)
_r, _r_dot, _t_dot = Dummy("r", positive=True), Dummy("r_dot"), Dummy("t_dot")
_root = Dummy("S", positive=True)


@dataclass(frozen=True)
class Uniformization:
    """J_k = int density theta^power dz, with theta = gamma.

    Attributes:
        point: z as an expression in t, alpha, sigma.
        density: dq/dz if gamma is a primitive; gamma^k dq/dz if it is rational; rational in z.
        power: k if gamma is a primitive, else 0.
        variable_rate: dgamma/dz of a primitive, rational in z.
    """

    point: Expr
    density: Expr
    power: int
    variable_rate: Expr


@dataclass(frozen=True)
class _Curve:
    """alpha, sigma, r and t over a parameter, and d/dparameter of a function of them."""

    alpha: Expr
    sigma: Expr
    radius: Expr
    time: Expr | None
    derivative: Callable[[Expr], Expr]


@dataclass(frozen=True)
class _Coordinate:
    """c, s and dtheta/dz over z and a square root S, S^2 = ``square``."""

    point: Expr
    cosine: Expr
    sine: Expr
    rate: Expr
    square: Expr


_SIMPLE = (
    _Coordinate(alpha / sigma, z / _root, 1 / _root, -1 / (1 + z**2), 1 + z**2),
    _Coordinate(alpha / RADIUS, z, _root, -1 / _root, 1 - z**2),
    _Coordinate(sigma / RADIUS, _root, z, 1 / _root, 1 - z**2),
)
_TIME = _Coordinate(t, _c, _s, Integer(1), Integer(1))
_EULER = _Coordinate(
    (RADIUS + alpha) / sigma,
    (z**2 - 1) / (z**2 + 1),
    2 * z / (z**2 + 1),
    -2 / (z**2 + 1),
    Integer(1),
)


def uniformize(weights: Weights, k: int) -> Uniformization | None:
    """The simplest z for J_k, or None if none of the substitutions makes it rational."""
    if weights.ode.factor is None:
        return None
    if weights.same_clock:
        return _on_the_clock(weights, k)
    circles = _circles(weights)
    attempts = (
        *((curve, coordinate) for curve in circles for coordinate in _SIMPLE),
        *((curve, _TIME) for curve in _over_time(weights)),
        *((curve, _EULER) for curve in circles),
    )
    for curve, coordinate in attempts:
        found = _over(weights, k, curve, coordinate)
        if found is not None:
            return found
    return None


def _on_the_clock(weights: Weights, k: int) -> Uniformization | None:
    """z = gamma = q up to a factor."""
    schedule, ode = weights.schedule, weights.ode
    variable = weights.expansion.variable
    density = ode.nonlinear / ode.factor / total_derivative(variable)
    explicit = at_schedule(density, schedule)
    scale = constant_ratio(explicit, Integer(1), schedule) or schedule.simplest(explicit)
    return None if scale.has(t) else Uniformization(variable, scale * z**k, 0, Integer(1))


@lru_cache(maxsize=64)
def _circles(weights: Weights) -> tuple[_Curve, ...]:
    return tuple(_all_circles(weights))


def _all_circles(weights: Weights) -> Iterator[_Curve]:
    """The curve for every schedule, then for what this schedule keeps constant."""
    yield _Curve(_r * _c, _r * _s, _r, None, _along_circle)
    on_circle = {alpha: _c, sigma: _s}
    for scale, size in constants_of(weights.schedule):
        radius = Integer(1) if scale == RADIUS else scale.subs(on_circle)
        time = _time_on_circle(weights)
        yield _Curve(size / radius * _c, size / radius * _s, size / radius, time, _along_circle)


def _along_circle(expression: Expr) -> Expr:
    """d/dtheta of a function of c, s and r."""
    return diff(expression, _s) * _c - diff(expression, _c) * _s + diff(expression, _r) * _r_dot


def _time_on_circle(weights: Weights) -> Expr | None:
    inverse = weights.schedule.time_at_half_log_snr
    if inverse is None:
        return None
    at_ratio = inverse.replace(exp, lambda p: _exp(p)).subs(half_log_snr_symbol, log(_c / _s))
    return expand_log(at_ratio, force=True)


def _exp(exponent: Expr) -> Expr:
    """e^(n lambda + m) as w^n e^m."""
    power = exponent.coeff(half_log_snr_symbol, 1)
    rest = exponent - power * half_log_snr_symbol
    if rest.has(half_log_snr_symbol) or not power.is_number:
        return exp(exponent)
    return (_c / _s) ** power * exp(rest)


def _over(
    weights: Weights, k: int, curve: _Curve, coordinate: _Coordinate
) -> Uniformization | None:
    """J_k over one coordinate, if it is rational there."""
    clock, variable = _forms(weights, curve)
    if clock is None or variable is None:
        return None
    if _is_rational(variable):
        density = _reduced(clock * variable**k * coordinate.rate, coordinate)
        if density is None:
            return None
        return _in_gamma(
            Uniformization(coordinate.point, density, 0, Integer(1)),
            _reduced(variable, coordinate),
            weights,
        )
    rates = [_reduced(e * coordinate.rate, coordinate) for e in (clock, curve.derivative(variable))]
    if any(rate is None for rate in rates):
        return None
    return Uniformization(coordinate.point, rates[0], k, rates[1])


@lru_cache(maxsize=256)
def _forms(weights: Weights, curve: _Curve) -> tuple[Expr | None, Expr | None]:
    """dq/dparameter and gamma on a curve."""
    clock = _rate(weights.ode.nonlinear / weights.ode.factor, curve)
    return clock, _on(weights.expansion.variable, curve)


def _is_rational(expression: Expr) -> bool:
    hidden, _ = hide_constants(expression, {_c, _s, _r, z})
    return bool(hidden.is_rational_function(*hidden.free_symbols))


@lru_cache(maxsize=64)
def _over_time(weights: Weights) -> tuple[_Curve, ...]:
    """The curve over t, where alpha and sigma are rational in it."""
    schedule = weights.schedule
    if _is_rational(schedule.alpha) and _is_rational(schedule.sigma):
        at = {t: z}
        alpha_z, sigma_z = schedule.alpha.subs(at), schedule.sigma.subs(at)
        radius = sqrt(alpha_z**2 + sigma_z**2)
        return (_Curve(alpha_z, sigma_z, radius, z, lambda e: diff(e, z)),)
    return ()


def _rate(speed: Expr, curve: _Curve) -> Expr | None:
    """d/dtheta of what has the derivative ``speed`` in t, a function of c and s."""
    slopes = {
        alpha_dot: curve.derivative(curve.alpha) / _t_dot,
        sigma_dot: curve.derivative(curve.sigma) / _t_dot,
    }
    found = _on(cancel(speed).subs(slopes, simultaneous=True) * _t_dot, curve)
    if found is None:
        return None
    found = cancel(together(found))
    if found.has(_t_dot):
        if curve.time is None:
            return None
        found = found.subs(_t_dot, curve.derivative(curve.time))
    return found


def _on(expression: Expr, curve: _Curve) -> Expr | None:
    """An expression in alpha, sigma, t on the curve; r^2 = alpha^2 + sigma^2."""
    expression = expression.replace(
        lambda e: isinstance(e, Pow) and e.base == alpha**2 + sigma**2,
        lambda e: curve.radius ** (2 * e.exp),
    )
    if expression.has(t):
        if curve.time is None:
            return None
        expression = expression.subs(t, curve.time)
    return expression.subs({alpha: curve.alpha, sigma: curve.sigma}, simultaneous=True)


def _reduced(expression: Expr, coordinate: _Coordinate) -> Expr | None:
    """The function of c and s as a rational function of z, or None if it has S or r in it."""
    over = expression.subs({_c: coordinate.cosine, _s: coordinate.sine}, simultaneous=True)
    over = _rational(over)
    if over is None or over.free_symbols & {_r, _r_dot, _t_dot}:
        return None
    if not over.has(_root):
        return over
    even_top, odd_top, even_bottom, odd_bottom = (
        part for e in over.as_numer_denom() for part in even_odd(e, _root, coordinate.square)
    )
    square = coordinate.square
    norm = even_bottom**2 - odd_bottom**2 * square
    if cancel(odd_top * even_bottom - even_top * odd_bottom) != 0:
        return None
    return cancel((even_top * even_bottom - odd_top * odd_bottom * square) / norm)


def _rational(expression: Expr) -> Expr | None:
    """Cancelled, with constants hidden; None if it is not rational in z, S and r."""
    variables = {z, _root, _r, _r_dot, _t_dot}
    hidden, constants = hide_constants(powdenest(expression, force=True), variables)
    if not hidden.is_rational_function(*(variables & hidden.free_symbols)):
        return None
    return cancel(together(hidden)).xreplace(constants)


def _in_gamma(found: Uniformization, variable: Expr | None, weights: Weights) -> Uniformization:
    """gamma itself as z, if z is a rational function of it."""
    if variable is None:
        return found
    top, bottom = (Poly(e, z) for e in variable.as_numer_denom())
    if max(top.degree(), bottom.degree()) != 1:
        return found
    a, b = (top.coeff_monomial(power) for power in (z, 1))
    c, d = (bottom.coeff_monomial(power) for power in (z, 1))
    back = (b - d * z) / (c * z - a)
    density = cancel(found.density.subs(z, back) * diff(back, z))
    return Uniformization(weights.expansion.variable, density, 0, Integer(1))
