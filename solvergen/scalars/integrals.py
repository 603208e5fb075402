"""What a module integrates over lambda, and with which rule.

Over every interval of a run, with theta running from 0 to 1 on it (``solvergen.scalars.rates``):

    moments    int dq/dlambda (theta - 1/2)^k dlambda       the means over q, and M0
    mass       int dq/dlambda dlambda                       M0 alone
    width      int dgamma/dlambda dlambda                   the difference of gamma
    length     int dt/dlambda dlambda                       or of u, which takes the place of t

The last two only in proportion: gamma(t) - gamma(s) is t - s, or u(t) - u(s), which is exact for
near times, times width/length; so is M0, times mass/length.
"""

from dataclasses import dataclass, replace

from sympy import Expr, Symbol, log

from solvergen.algebra.collection import collected
from solvergen.algebra.tables import Slope, Table
from solvergen.scalars.landings import Needs
from solvergen.scalars.quadrature import PANEL, choose
from solvergen.scalars.rates import Rates
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.specification.solver import Solver
from solvergen.symbols import half_log_snr_symbol, t

FIRST_NODE = Symbol("first", real=True)
"""lambda at the first node of a panel, at which a rate looks a slope up."""


@dataclass(frozen=True)
class Integrals:
    """What is integrated for one solver.

    Attributes:
        is_uniform: whether gamma is the clock, whose moments are constants.
        is_straight: whether gamma is linear in t, or in u, whose differences are exact.
        is_transported: whether Phi, which has no closed form, is a factor of dq/dlambda.
        table: of which u is the interpolation, where it takes the place of t.
        moments: whether the means of powers of theta are integrated.
        mass: whether dq/dlambda for its own sake: for M0, or beside the density at an end.
        gap: whether the difference of gamma.
        clock, speed, length: the rates dq/dlambda, dgamma/dlambda and dt/dlambda, or du/dlambda, in
            lambda and t; None where it is not needed.
        is_even: whether theta is linear in lambda.
        kinks: the times between which the rates are smooth and integrated; empty if they have none.
        end_density: whether the density of q at the end of an interval is read, and varies.
        subtracts: whether long steps take the difference of gamma from its values: functions of
            alpha and sigma have the digits for it, a logarithm loses them near 0.
        points: of the Gauss-Legendre rule on a panel.
        panel: its largest width in lambda.
        tail: how far lambda runs to an infinite end; None if it is finite at both.
    """

    is_uniform: bool
    is_straight: bool
    is_transported: bool
    table: Table | None
    moments: bool = False
    mass: bool = False
    gap: bool = False
    clock: Expr | None = None
    speed: Expr | None = None
    length: Expr | None = None
    is_even: bool = False
    kinks: tuple[Expr, ...] = ()
    end_density: bool = False
    subtracts: bool = False
    points: int = 0
    panel: float = PANEL
    tail: float | None = None

    @classmethod
    def of(cls, solver: Solver, needs: Needs) -> "Integrals":
        """What M0, and weights that have these needs, are computed from."""
        weights = solver.weights
        is_uniform = weights.same_clock
        is_straight = weights.expansion.variable == t or (
            needs.gaps and Rates.derive(weights).expansion == Rates.derive(weights).time
        )
        end_density = needs.end_density and not is_uniform
        found = cls(
            is_uniform,
            is_straight,
            is_transported=solver.ode.factor is None,
            table=Rates.derive(weights).table if needs.gaps else None,
            moments=needs.moments > 0 and not is_uniform,
            mass=solver.ode.clock is None or end_density,
            gap=needs.gaps and not is_straight,
            end_density=end_density,
        )
        return found._measured(solver) if found.is_needed else found

    def _measured(self, solver: Solver) -> "Integrals":
        """The same with the rates, and the rule that integrates them."""
        schedule, weights = solver.schedule, solver.weights
        rates = Rates.derive(weights)
        is_finite = not reaches_infinity(schedule)
        has_speed = self.gap or self.moments or self.end_density
        return replace(
            self,
            table=rates.table,
            clock=_clock(rates.clock, schedule) if self.mass or self.moments else None,
            speed=_form(rates.expansion, schedule) if has_speed else None,
            length=_form(rates.time, schedule) if self.is_timed else None,
            is_even=rates.is_even,
            kinks=schedule.kinks if rates.is_rough(schedule) else (),
            subtracts=self.gap and not weights.expansion.variable.has(log),
            points=choose(weights).points,
            tail=None if is_finite else rates.tail(schedule),
        )

    @property
    def is_needed(self) -> bool:
        """Whether anything is integrated; else all scalars have closed forms."""
        return self.moments or self.mass or self.gap

    @property
    def is_scaled(self) -> bool:
        """Whether anything but means is integrated, so that the length of an interval counts."""
        return self.gap or self.mass

    @property
    def is_timed(self) -> bool:
        """Whether its length is integrated too."""
        return self.is_scaled and not (self.is_straight and self.moments)

    @property
    def reads_width(self) -> bool:
        """Whether the width of an interval is read, and does not only serve to join its parts."""
        return self.gap or (self.is_scaled and not self.is_timed)

    @property
    def joins(self) -> bool:
        """Whether the parts of an interval differ in more than what is added up."""
        return self.moments or self.is_transported

    @property
    def varying(self) -> tuple[str, ...]:
        """The rates that are computed at every node: dq/dlambda, and of the others what varies."""
        rates = {"clock": self.clock, "speed": self.speed, "length": self.length}
        return tuple(
            name
            for name, form in rates.items()
            if form is not None and (name == "clock" or form.has(half_log_snr_symbol, t))
        )

    @property
    def rows(self) -> tuple[str, ...]:
        """What is integrated, in the order of the results; the means of a constant are not."""
        is_rough, varying = bool(self.kinks), self.varying
        wanted = {
            "length": self.is_timed and (is_rough or "length" in varying),
            "width": (self.reads_width or self.moments) and (is_rough or "speed" in varying),
            "moments": self.moments,
            "mass": self.mass and not self.moments,
        }
        return tuple(name for name, is_wanted in wanted.items() if is_wanted)


def _form(rate: Expr, schedule: NoiseSchedule) -> Expr:
    """A rate as it is computed at the nodes of a panel, all of which are on one segment of a table.

    A slope in lambda is looked up at the first of them.
    """
    found = [one for one in rate.atoms(Slope) if one.has(half_log_snr_symbol)]
    rate = rate.xreplace({one: one.xreplace({half_log_snr_symbol: FIRST_NODE}) for one in found})
    if not rate.has(half_log_snr_symbol, t):
        return rate
    return collected(rate, frozenset(symbol for symbol, _ in schedule.parameters))


def _clock(rate: Expr, schedule: NoiseSchedule) -> Expr:
    """dq/dlambda, which is computed at the nodes even where it is constant."""
    return rate.evalf() if rate.is_number else _form(rate, schedule)


def reaches_infinity(schedule: NoiseSchedule) -> bool:
    """Whether lambda is infinite at an end of the domain."""
    ends = (schedule.limit_at(schedule.half_log_snr, end) for end in schedule.domain)
    return not all(end.is_finite for end in ends)
