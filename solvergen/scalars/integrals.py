"""What a module integrates over lambda, and with which rule.

Over an interval, with theta running from 0 to 1 on it (``solvergen.scalars.rates``):

    moments    dq/dlambda theta^k        the means over q
    mass       dq/dlambda                M0, which is R_t int q' where q has no closed form
    width      dgamma/dlambda            gamma_t - gamma_s, where it has no better form
    length     dt/dlambda                lambda_t - lambda_s likewise

The last three only in proportion: t - s is exact for near times, and so is u(t) - u(s) for a
schedule that is a smooth function of the interpolation u of a table: where no other rate reads t, u
takes its place. All others are that, times their integral over that of dt/dlambda.
"""

from dataclasses import dataclass, replace

from sympy import Expr, Symbol

from solvergen.algebra.collection import collected
from solvergen.algebra.tables import Slope, Table
from solvergen.scalars.cells import cuts
from solvergen.scalars.landings import Needs
from solvergen.scalars.lengths import KAPPA, Lengths, kappa_of
from solvergen.scalars.logit import TIME_SPEED, LogitForms
from solvergen.scalars.noise_rates import endless
from solvergen.scalars.quadrature import PANEL, choose
from solvergen.scalars.rates import Rates
from solvergen.schedules.flatness import has_flat_end
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.specification.solver import Solver
from solvergen.symbols import half_log_snr_symbol, t

FIRST_NODE = Symbol("first", real=True)
"""lambda at the first node of a panel, at which a rate looks a slope up."""
VARYING = (half_log_snr_symbol, t, TIME_SPEED)
"""What is different at every node."""


@dataclass(frozen=True)
class Integrals:
    """What is integrated for one solver.

    Attributes:
        is_uniform: whether gamma is the clock, whose moments are constants.
        is_transported: whether Phi, which has no closed form, is a factor of dq/dlambda.
        damped: whether e^-K is, to the end of an interval, because K has no closed form.
        kappa: whether the difference of K is integrated.
        endless: whether K is infinite at t_max, and at t_min.
        table: of which u is the interpolation, where it takes the place of t.
        moments: whether the means of powers of theta are integrated.
        mass: whether dq/dlambda for its own sake: for M0, or beside the density at an end.
        gap: whether the difference of gamma.
        timed: whether the length of an interval.
        variance: whether that of the noise over R^2.
        clock, speed, length, spread, damping: the rates dq/dlambda, dgamma/dlambda, dt/dlambda, or
            du/dlambda, 2 eta^2 sigma^2/R^2 and dK/dlambda, in lambda and t; None where it is not
            needed. The last is -dK/dv over the logit of time, which falls: positive, as all are.
        is_even: whether theta is linear in lambda.
        kinks: the times between which the rates are smooth and integrated; empty if they have none.
        cuts: values of lambda at which panels end too, because a singularity is near.
        end_density: whether the density of q at the end of an interval is read, and varies.
        points: of the Gauss-Legendre rule on a panel.
        panel: its largest width in lambda.
        tail: how far lambda runs to an infinite end; None if it is finite at both.
        logit: lambda and dlambda/dt beside the ends, where all of this is integrated over the
            logit of time, v, in place of lambda, and all rates are rates in v; else None.
        levels: whether the difference of lambda is integrated, over v.
        level: dlambda/dv.
    """

    is_uniform: bool
    is_transported: bool
    damped: bool = False
    kappa: bool = False
    endless: tuple[bool, bool] = (False, False)
    table: Table | None = None
    moments: bool = False
    mass: bool = False
    gap: bool = False
    timed: bool = False
    variance: bool = False
    clock: Expr | None = None
    speed: Expr | None = None
    length: Expr | None = None
    spread: Expr | None = None
    damping: Expr | None = None
    is_even: bool = False
    kinks: tuple[Expr, ...] = ()
    cuts: tuple[float, ...] = ()
    end_density: bool = False
    points: int = 0
    panel: float = PANEL
    tail: float | None = None
    logit: LogitForms | None = None
    levels: bool = False
    level: Expr | None = None

    @classmethod
    def of(
        cls,
        solver: Solver,
        needs: Needs,
        lengths: Lengths,
        mass: bool,
        is_exponential: bool,
        variance: bool = False,
    ) -> "Integrals":
        """What is left to integrate for weights that have these needs.

        Args:
            solver: the solver.
            needs: of all its weights.
            lengths: what has a closed form.
            mass: whether M0 has none.
            is_exponential: whether the moments have one.
            variance: whether that of the noise has none.
        """
        is_uniform, damped = solver.weights.same_clock, solver.ode.base is not None
        kappa = damped or kappa_of(solver.ode, lengths.half_log_snr) == KAPPA
        end_density = needs.end_density and not is_uniform and not is_exponential
        gap = needs.gaps and lengths.gap is None and solver.expansion.name != "half_log_snr"
        found = cls(
            is_uniform,
            is_transported=solver.ode.factor is None and not damped,
            damped=damped,
            kappa=kappa,
            moments=needs.moments > 0 and not is_uniform and not is_exponential,
            mass=mass or end_density,
            gap=gap,
            timed=any((mass, end_density, gap, variance, kappa, lengths.half_log_snr is None)),
            variance=variance,
            end_density=end_density,
            levels=lengths.half_log_snr is None and has_flat_end(solver.schedule),
        )
        return found._measured(solver) if found.is_needed else found

    def _measured(self, solver: Solver) -> "Integrals":
        """The same with the rates, and the rule that integrates them."""
        schedule, weights = solver.weights.schedule, solver.weights
        rates = Rates.derive(weights)
        is_in_logit = rates.level is not None
        has_speed = self.gap or self.moments or self.end_density
        return replace(
            self,
            table=rates.table,
            clock=_clock(rates.clock, schedule) if self.mass or self.moments else None,
            speed=_form(rates.expansion, schedule) if has_speed else None,
            length=_form(rates.time, schedule) if self.timed else None,
            spread=_form(rates.spread, schedule) if self.variance and rates.spread else None,
            is_even=rates.is_even,
            damping=_damping(rates, schedule) if self.kappa else None,
            endless=endless(solver.ode) if self.kappa else self.endless,
            kinks=solver.ode.kinks if rates.is_rough(solver.ode) else (),
            cuts=cuts(weights),
            points=choose(weights).points,
            tail=rates.tail(schedule) if is_in_logit or reaches_infinity(schedule) else None,
            logit=LogitForms.of(schedule) if is_in_logit else None,
            level=rates.level if self.levels else None,
        )

    def at(self, symbol: Symbol, value: Expr) -> "Integrals":
        """The same with a number for a symbol of the rates."""
        names = ("clock", "speed", "spread", "damping")
        rates = {name: getattr(self, name) for name in names}
        put_in = {
            name: form.xreplace({symbol: value}) for name, form in rates.items() if form is not None
        }
        return replace(self, **put_in)

    @property
    def is_needed(self) -> bool:
        """Whether anything is integrated; else all scalars have closed forms."""
        return self.moments or self.mass or self.gap or self.timed or self.variance

    @property
    def is_cut(self) -> bool:
        """Whether panels end at given places."""
        return bool(self.kinks or self.cuts)

    @property
    def joins(self) -> bool:
        """Whether the parts of an interval differ in more than what is added up."""
        return self.moments or self.is_transported or (self.damped and (self.mass or self.variance))

    @property
    def varying(self) -> tuple[str, ...]:
        """The rates that are computed at every node: dq/dlambda, and of the others what varies."""
        rates = {
            "clock": self.clock,
            "speed": self.speed,
            "length": self.length,
            "spread": self.spread,
            "level": self.level,
            "damping": self.damping,
        }
        return tuple(
            name
            for name, form in rates.items()
            if form is not None and (name in ("clock", "damping") or form.has(*VARYING))
        )

    @property
    def rows(self) -> tuple[str, ...]:
        """What is integrated, in the order of the results; the means of a constant are not."""
        is_cut, varying = self.is_cut, self.varying
        wanted = {
            "level": self.levels,
            "length": self.timed and (is_cut or "length" in varying),
            "width": (self.gap or self.moments) and (is_cut or "speed" in varying),
            "variance": self.variance,
            "kappa": self.kappa,
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


def _damping(rates: Rates, schedule: NoiseSchedule) -> Expr | None:
    """dK/dlambda, or -dK/dv."""
    if rates.damping is None:
        return None
    return _form(rates.damping if rates.level is None else -rates.damping, schedule)


def _clock(rate: Expr, schedule: NoiseSchedule) -> Expr:
    """dq/dlambda, which is computed at the nodes even where it is constant."""
    return rate.evalf() if rate.is_number else _form(rate, schedule)


def reaches_infinity(schedule: NoiseSchedule) -> bool:
    """Whether lambda is infinite at an end of the domain."""
    ends = (schedule.limit_at(schedule.half_log_snr, end) for end in schedule.domain)
    return not all(end.is_finite for end in ends)
