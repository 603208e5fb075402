"""What happens at the ends of the domain, decided by limits (THEORY section 7).

At an end with alpha = 0 or sigma = 0 four things can go wrong: Phi or M0 diverges, so that no
step may start or end there; the prediction no longer determines the integrand there, or has no
finite value; gamma is infinite, so that a step there is of first order; gamma is finite, but the
steps beside the end are not what they are inside.

Where gamma is finite, the program is run on power series at the end (``solvergen.program.ends``),
also where neither vanishes, but one of the two is none in gamma: 1 - t^(3/2) at t = 0.
With the data integrand at sigma = 0 Phi goes to 0 and M0 is no O(h): a value at an inner stage, and
one that is predicted, wins no power of h over the values that it is made from. What is left is the
order of the supports that hold nothing but starts of steps: multistep:K keeps K, every other scheme
that is made for a higher order loses it, in all steps beside the end and not in the last one alone,
so that no closing steps can save it. Another integrand can: those whose M0 is O(h) there.

Where gamma is infinite, one step is of first order. With N - N(end) ~ tau^e and M0 ~ tau^m for a
step of length tau at the end, a frozen N leaves tau^(m + e), times log(1/tau) if that is the order
inside the domain. So it is for fractional powers e if gamma is finite and there is no series.

N = c_data x0 + c_noise eps has the powers of c_data and c_noise times those of x0 and eps. For a
smooth density of the data, with tau the distance to the end in gamma if that is finite, else in
time:

    sigma = 0:  x0 is a power series in sigma^2, and eps = -sigma score is sigma times one;
    alpha = 0:  x0 and eps are power series in alpha and sigma - sigma(end).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

import mpmath
from sympy import Expr

from solvergen.algebra import limits, precision
from solvergen.algebra.evaluation import as_mp
from solvergen.algebra.typesetting import paragraphs
from solvergen.derivation import parameterization
from solvergen.derivation.parameterization import Parameterization, conversion
from solvergen.derivation.semilinear import SemilinearODE
from solvergen.derivation.weights import Weights
from solvergen.errors import DerivationError, SchemeError
from solvergen.program import ends
from solvergen.program.ends import End
from solvergen.program.program import StepProgram
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.schedules.values import at_time, between, is_finite_at
from solvergen.specification.puiseux import end_of, has_branch
from solvergen.symbols import alpha, sigma, t

PLACES = {"start": ("alpha = 0",), "end": ("sigma = 0",)}
"""Where alpha and sigma may vanish: at the noise and at the data."""
CLOSE = (60, 120)
"""k of the distances 2^-k from which a leading power is read: of the next one, if it is a twelfth
higher, 2^-5 is left there, less than half of the spacing of the powers that are told apart."""
DIGITS = precision.LEADING_POWER
POWERS = 8
"""Of alpha and sigma that are looked at in N: every order that a scheme is made for is less."""


@dataclass(frozen=True)
class EndPoint:
    """One end of the domain.

    Attributes:
        time: where it is.
        role: ``start`` or ``end`` of a run.
        place: ``alpha = 0``, ``sigma = 0`` or empty.
        obstacle: why no run starts or ends there; empty if one may.
        finite_variable: whether gamma is finite there.
        order: the order of a run that touches this end; None if none may, or none is claimed.
        logarithm: the error has a factor log(1/h) beside that power of h.
        loss: why that is less than the order inside the domain, and what keeps it; empty if it is
            not, or gamma is infinite.
    """

    time: Expr
    role: str
    place: str
    obstacle: str
    finite_variable: bool
    order: Fraction | None
    logarithm: bool = False
    loss: str = ""

    @property
    def where(self) -> str:
        """Its time, and what vanishes there."""
        return f"t = {self.time}" + (f", where {self.place}" if self.place else "")

    def _repr_html_(self) -> str:
        """For notebooks."""
        return paragraphs(str(self))

    def __str__(self) -> str:
        where = self.where
        if self.obstacle:
            return f"No run may {self.role} at {where}: {self.obstacle}."
        if self.order is None:
            claimed = "of its weak order there nothing is claimed"
            return f"A run may {self.role} at {self.where}; {claimed}."
        factor = " up to a factor log(1/h)" if self.logarithm else ""
        if self.finite_variable:
            return (
                f"A run may {self.role} at {where}, with order {self.order}{factor} (steps even in "
                f"gamma){self.loss}."
            )
        return (
            f"A run may {self.role} at {where}: gamma is infinite, and a first-order step leaves "
            f"order {self.order}{factor} (steps even in time)."
        )


@dataclass(frozen=True)
class EndPoints:
    """Both ends of the domain: where a run starts (most noise) and where it ends."""

    start: EndPoint
    end: EndPoint

    @property
    def obstacles(self) -> tuple[EndPoint, ...]:
        return tuple(one for one in (self.start, self.end) if one.obstacle)

    @property
    def order(self) -> Fraction | None:
        """The order of a run over the whole domain; None if there is none."""
        if self.start.order is None or self.end.order is None:
            return None
        return min(self.start.order, self.end.order)

    def _repr_html_(self) -> str:
        """For notebooks."""
        return paragraphs(str(self))

    def __str__(self) -> str:
        start, end = self.start, self.end
        what = [str(one).partition(one.where)[2] for one in (start, end)]
        if what[0] == what[1] and not self.obstacles and end.finite_variable:
            return str(end).replace(" may end", f" may start at {start.where}, and end", 1)
        return f"{start} {end}"


@precision.own
def endpoints(
    weights: Weights, prediction: Parameterization, program: StepProgram, order: int
) -> EndPoints:
    """Both ends of the domain of a solver with this order inside of it."""
    start, end = (_endpoint(weights, prediction, program, order, role) for role in ("start", "end"))
    return EndPoints(start, end)


@precision.own
def require_both(
    weights: Weights, prediction: Parameterization, program: StepProgram, order: int
) -> None:
    """Refuse a solver that cannot run over the whole of its domain.

    Raises:
        DerivationError: which end it cannot touch, why, and which choices can.
    """
    for one in endpoints(weights, prediction, program, order).obstacles:
        raise DerivationError(f"{one} {remedy(weights, prediction, program, one)}")


def remedy(
    weights: Weights, prediction: Parameterization, program: StepProgram, one: EndPoint
) -> str:
    """What to choose instead at an end that cannot be touched."""
    schedule, named = weights.schedule, parameterization.NAMED
    asked = evaluates_at(program, one.role)

    def works(integrand: Parameterization, prediction: Parameterization) -> bool:
        return not _obstacle(SemilinearODE.derive(schedule, integrand), prediction, one.role, asked)

    integrands = [each.name for each in named if works(each, prediction)]
    predictions = [each.name for each in named if works(weights.ode.integrand, each)]
    options = [f"integrand {', '.join(integrands)}"] if integrands else []
    options += [f"prediction {', '.join(predictions)}"] if predictions else []
    if not options:
        both = [each.name for each in named if works(each, each)]
        options = [f"{', '.join(both)} as both prediction and integrand"] if both else []
    inside = f"start before t = {one.time}" if one.role == "start" else f"end after t = {one.time}"
    return f"Use {'; or '.join([*options, inside])}."


def _endpoint(
    weights: Weights, prediction: Parameterization, program: StepProgram, order: int, role: str
) -> EndPoint:
    schedule = weights.schedule
    time = schedule.t_max if role == "start" else schedule.t_min
    zeros = [
        f"{name} = 0"
        for name, value in (("alpha", schedule.alpha), ("sigma", schedule.sigma))
        if schedule.limit_at(value, time) == 0
    ]
    found = EndPoint(time, role, ", ".join(zeros), "", weights.is_finite_at(time), Fraction(order))
    obstacle = _obstacle(weights.ode, prediction, role, evaluates_at(program, role))
    if obstacle:
        return replace(found, obstacle=obstacle, order=None)
    variable, is_plain = weights.expansion.variable, found.place not in PLACES[role]
    if is_plain and not has_branch(schedule, variable, role):
        return found
    finite = found.finite_variable
    end = end_of(schedule, weights.ode.integrand, variable, role, order) if finite else None
    if is_plain and (end is None or end.is_regular):
        return found
    if program.is_noisy:
        return replace(found, order=None)
    if end is None:
        power = _leading(weights, role, order, finite)
        left = min(Fraction(order), power)
        return replace(found, order=left, logarithm=power == order and not finite)
    if end.is_regular:
        return found
    return _left(found, weights, program, order, end)


def _left(
    found: EndPoint, weights: Weights, program: StepProgram, order: int, end: End
) -> EndPoint:
    """An end at which the steps are run on power series."""
    try:
        powers = ends.powers(program, end, order)
    except SchemeError as error:
        return replace(found, obstacle=str(error), order=None)
    seen = [one for one in (powers.touching, powers.near) if one is not None]
    left = min((Fraction(order), *seen))
    loss = _loss(weights, found.role, order, end) if left < order else ""
    if loss and program.is_limited:
        free = _left(found, weights, program.unlimited, order, end).order
        loss += f"; with --limiter none it is {free}" if free is not None and free > left else ""
    return replace(found, order=left, logarithm=powers.near == order == left, loss=loss)


def _loss(weights: Weights, role: str, order: int, end: End) -> str:
    """Why an order is lost, and which integrands keep it."""
    if end.exponent > 0 and end.gain == 0:
        reason = (
            "Phi tends to 0 and M0 is no O(h) there, so that values at inner stages and predicted "
            f"ones win no power of h; inside the domain it is {order}"
        )
    else:
        reason = (
            "Phi, M0 and N are no power series in gamma there; inside the domain the order is "
            f"{order}"
        )
    schedule, variable = weights.schedule, weights.expansion.variable
    keeping = [
        one.name
        for one in parameterization.NAMED
        if not _obstacle_of_ode(SemilinearODE.derive(schedule, one), role)
        and (other := end_of(schedule, one, variable, role, order)) is not None
        and other.is_regular
    ]
    return f": {reason}" + (f", and so it is with the integrand {_or(keeping)}" if keeping else "")


def _or(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def evaluates_at(program: StepProgram, role: str) -> bool:
    """Whether the model is asked at this end: at every start, and where a stage lands at theta = 1
    before the last one does, in a phase that a last step may run."""
    is_last = bool(program.closing) and program.needed(0) == 0
    phases = program.closing[:1] if is_last else program.all_phases
    inner = (one for phase in phases for one in phase.combines[:-1])
    return role == "start" or any(one.position == 1 for one in inner)


@lru_cache(maxsize=256)
def _obstacle(ode: SemilinearODE, prediction: Parameterization, role: str, asked: bool) -> str:
    """The first quantity of a step at this end that has no finite limit; empty if all have."""
    found = _obstacle_of_ode(ode, role)
    if found or not asked:
        return found
    end = ode.schedule.t_min if role == "end" else ode.schedule.t_max
    formulas = conversion(prediction, ode.integrand)
    if not all(is_finite_at(one, ode.schedule, end) for one in formulas):
        return f"the prediction {prediction.name} does not determine {ode.integrand.name} there"
    for kind, one in (("prediction", prediction), ("integrand", ode.integrand)):
        parts = (one.data, one.noise * (sigma if role == "end" else 1))  # eps = -sigma score
        if not all(is_finite_at(part, ode.schedule, end) for part in parts):
            return f"the {kind} {one.name} has no finite value there"
    return ""


@lru_cache(maxsize=64)
def _obstacle_of_ode(ode: SemilinearODE, role: str) -> str:
    """The same of Phi and M0, which no prediction changes."""
    schedule = ode.schedule
    ode = ode if ode.base is None else SemilinearODE.derive(schedule, ode.integrand)  # e^-K <= 1
    middle = (schedule.t_min + schedule.t_max) / 2
    ends = [(one, middle) if role == "end" else (middle, one) for one in _approach(schedule, role)]
    named = (("Phi", ode.general_integrating_factor), ("M0", ode.general_zeroth_moment))
    for name, formula in named:
        if formula is not None and _diverges(
            [between(formula, schedule, *one, precision.LIMIT) for one in ends]
        ):
            return f"{name}(t, s) of the integrand {ode.integrand.name} has no finite limit"
    return ""


def _approach(schedule: NoiseSchedule, role: str) -> tuple[Any, ...]:
    """Times ever closer to the end of the domain at which a run has this role."""
    return limits.approach(schedule.t_min if role == "end" else schedule.t_max, schedule.domain)


def _diverges(values: Sequence[Any]) -> bool:
    """Whether there is no finite limit, from values alone."""
    limit = limits.trend(values)
    return limit is None or not limit.is_finite


@lru_cache(maxsize=256)
def _leading(weights: Weights, role: str, order: int, finite: bool) -> Fraction:
    """The power that is left by the leading powers of M0 and N alone, or the order."""
    powers = _Powers(weights, role, in_gamma=finite)
    exponents = [power for power in powers.of_integrand() if power > 0]
    if finite:
        exponents = [power for power in exponents if power.denominator > 1]
    if not exponents:
        return Fraction(order)
    return powers.of_zeroth_moment() + min(exponents)


@dataclass(frozen=True)
class _Powers:
    """Leading powers of tau, the distance to an end, read off in many digits."""

    weights: Weights
    role: str
    in_gamma: bool

    def of_integrand(self) -> set[Fraction]:
        """The powers of tau that occur in N."""
        schedule = self.weights.schedule
        integrand = self.weights.ode.integrand
        if self.role == "end":
            small = self.of(sigma)
            start, step = {"data": Fraction(0), "noise": small}, [2 * small]
        else:
            start = {"data": Fraction(0), "noise": Fraction(0)}
            drift = sigma - schedule.limit_at(schedule.sigma, schedule.t_max)
            moves = (alpha, drift) if schedule.sigma.has(t) else (alpha,)
            step = [self.of(one) for one in moves]
        found: set[Fraction] = set()
        for name, coefficient in (("data", integrand.data), ("noise", integrand.noise)):
            if coefficient != 0:
                lead = self.of(coefficient) + start[name]
                found |= {lead + j * one for one in step for j in range(POWERS)}
        return found

    def of_zeroth_moment(self) -> Fraction:
        """The power of tau of M0 for the step between the end and tau."""
        m0 = self.weights.ode.general_zeroth_moment
        if m0 is None:
            return Fraction(1)

        def sized(k: int) -> Any:
            near, nearer = self.time(k), self.time(8 * k)
            ends = (nearer, near) if self.role == "end" else (near, nearer)
            return abs(between(m0, self.weights.schedule, *ends, 8 * DIGITS))

        return self._power(sized)

    def of(self, formula: Expr) -> Fraction:
        """The power of tau of a formula in t, alpha, sigma and their derivatives."""
        schedule = self.weights.schedule
        return self._power(lambda k: abs(at_time(formula, schedule, self.time(k), DIGITS)))

    def time(self, k: int) -> Any:
        """A time at 2^-k of the width of the domain from the end."""
        low, high = self.weights.schedule.domain
        with mpmath.workdps(8 * DIGITS):
            gap = (as_mp(high) - as_mp(low)) * mpmath.mpf(2) ** -k
            return as_mp(low) + gap if self.role == "end" else as_mp(high) - gap

    def _power(self, value: Any) -> Fraction:
        with mpmath.workdps(DIGITS):
            near, nearer = (value(k) for k in CLOSE)
            if near == 0 or nearer == 0:
                return Fraction(0)
            slope = mpmath.log(near / nearer) / mpmath.log(
                self._tau(CLOSE[0]) / self._tau(CLOSE[1])
            )
            return Fraction(float(slope)).limit_denominator(12)

    def _tau(self, k: int) -> Any:
        """The distance to the end in gamma, or in time."""
        schedule = self.weights.schedule
        if not self.in_gamma:
            return mpmath.mpf(2) ** -k
        variable = self.weights.expansion.variable
        here, end = (at_time(variable, schedule, self.time(one), 8 * DIGITS) for one in (k, 16 * k))
        return abs(here - end)
