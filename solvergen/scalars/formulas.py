"""Every scalar that a module computes, in the form that keeps its digits: decided here.

    alpha, sigma, lambda at t;  t at lambda and at gamma        the schedule
    A and B                 N = A x + B prediction              of each evaluation
    Phi, M0 and ell_j       x_t = Phi x_s + M0 sum_j ell_j N_j  of each landing

``Formulas`` is what stands between a solver and its text. Formulas in t are those of the schedule
that are most accurate in float64 to the ends of the domain; formulas in alpha and sigma are kept
where they hold, because these two have all their digits. None says that there is no closed form: t
is then found by bisection, and Phi by quadrature. Printers spell these values and decide nothing.
"""

from dataclasses import dataclass
from functools import lru_cache

from sympy import Expr, Integer, Rational, Symbol, log

from solvergen.algebra import functions
from solvergen.algebra.accurate_form import Parameters
from solvergen.algebra.functions import Definition
from solvergen.algebra.tables import Slope, Table
from solvergen.derivation.parameterization import DATA, at_schedule
from solvergen.program.columns import Columns
from solvergen.program.fusion import Pass, phi_symbol
from solvergen.program.program import PhaseProgram
from solvergen.scalars import landings
from solvergen.scalars.conversion import Conversion
from solvergen.scalars.forms import in_time, inverse, with_parameters
from solvergen.scalars.integrals import Integrals, reaches_infinity
from solvergen.scalars.intervals import Intervals
from solvergen.scalars.landings import LandingWeights, Needs
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.schedules.serialization import tables_of
from solvergen.specification.solver import Solver
from solvergen.symbols import (
    alpha,
    alpha_s,
    gamma,
    half_log_snr_symbol,
    s,
    sigma,
    sigma_s,
    t,
)

LONG = 24
"""Operations beyond which a formula in lambda or t is better put together from shorter ones: the
search for a better form takes seconds and finds none."""

GAP, MASS = Symbol("gap"), Symbol("mass")
"""gamma(t) - gamma(s), and int q' over a step, where M0 is computed from what is integrated."""

START_OF = {alpha: alpha_s, sigma: sigma_s}


@dataclass(frozen=True)
class ScheduleFormulas:
    """The schedule as functions of time.

    Attributes:
        domain: t_min and t_max.
        parameters: the symbols beside time, with their values.
        tables, functions: what the formulas interpolate, and which registered functions they call.
        kinks: the times at which it is not smooth.
        alpha, sigma: in t.
        half_log_snr: in t, or in alpha and sigma where that is shorter.
        time_at_half_log_snr: in lambda; None without a closed form.
        is_infinite: whether lambda is infinite at an end of the domain.
        reaches_data: whether sigma = 0 at t_min.
    """

    domain: tuple[Expr, Expr]
    parameters: Parameters
    tables: tuple[Table, ...]
    functions: tuple[Definition, ...]
    kinks: tuple[Expr, ...]
    alpha: Expr
    sigma: Expr
    half_log_snr: Expr
    time_at_half_log_snr: Expr | None
    is_infinite: bool
    reaches_data: bool

    @classmethod
    @lru_cache(maxsize=16)
    def of(cls, schedule: NoiseSchedule) -> "ScheduleFormulas":
        """Choose the forms."""
        both, ratio = (schedule.alpha, schedule.sigma), log(schedule.alpha / schedule.sigma)
        is_long = schedule.half_log_snr.count_ops() > LONG
        level = log(alpha / sigma) if is_long else in_time(schedule.half_log_snr, schedule)
        return cls(
            schedule.domain,
            schedule.parameters,
            tables=tuple(tables_of(*both)),
            functions=functions.used(schedule.alpha + schedule.sigma),
            kinks=schedule.kinks,
            alpha=in_time(schedule.alpha, schedule),
            sigma=in_time(schedule.sigma, schedule),
            half_log_snr=level,
            time_at_half_log_snr=inverse(ratio, half_log_snr_symbol, schedule),
            is_infinite=reaches_infinity(schedule),
            reaches_data=schedule.limit_at(schedule.sigma, schedule.t_min) == 0,
        )

    @property
    def spacing(self) -> str:
        """What a time grid is uniform in unless it is said: lambda, if it is finite, else time."""
        return "time" if self.is_infinite else "half_log_snr"


@dataclass(frozen=True)
class PhaseFormulas:
    """The scalars of the steps of one phase.

    Attributes:
        program: what a step computes.
        passes: the passes over memory.
        weights: those of every landing, the second one of an estimate last.
        rows: for every pass its coefficients, in the order of ``Columns``, in the symbols of
            ``solvergen.program.fusion``: numbers are put in.
    """

    program: PhaseProgram
    passes: tuple[Pass, ...]
    weights: tuple[LandingWeights, ...]
    rows: tuple[tuple[Expr, ...], ...]

    @classmethod
    def of(
        cls, program: PhaseProgram, passes: tuple[Pass, ...], has_factor: bool
    ) -> "PhaseFormulas":
        """Put in the weights that are numbers, and Phi = 1 where there is no factor."""
        weights = landings.of_phase(program)
        numbers = {name: form for one in weights for name, form in one.numbers}
        if not has_factor:
            numbers |= {phi_symbol(combine.stage): Integer(1) for combine in program.landings}
        rows = tuple(
            tuple(term.coefficient.subs(numbers) for _, term in Columns.of(one).all)
            for one in passes
        )
        return cls(program, passes, weights, rows)

    @property
    def intervals(self) -> Intervals:
        return Intervals(self.program)

    @property
    def read(self) -> frozenset[Symbol]:
        """The symbols that the rows, and the weights that are sums of moments, are written in."""
        forms = [form for row in self.rows for form in row]
        forms += [form for one in self.weights for _, form in one.rows]
        return frozenset(symbol for form in forms for symbol in form.free_symbols)

    @property
    def reads_gaps(self) -> bool:
        """Whether differences of gamma are read."""
        return any(one.reads_gaps for one in self.weights)


@dataclass(frozen=True)
class Formulas:
    """Every scalar of a module.

    Attributes:
        schedule: the functions of time.
        expansion: what the expansion variable is called.
        gamma: in t, alpha and sigma.
        inverts_gamma: whether times are looked for at which gamma has a value.
        time_at_gamma: those, in gamma; None without a closed form.
        conversion: A and B; 0 and 1 where they are that for every t.
        data_conversion: those of a last step to sigma = 0 of a module that takes it; else None.
        integrating_factor: Phi, in t, alpha, sigma and, at the start of a step, s, alpha_s,
            sigma_s; None where it is the exponential of a quadrature.
        linear_coefficient: a(t), which that integrates; else None.
        zeroth_moment: M0 in the same symbols; ``GAP``, or a multiple of ``MASS``.
        needs: what the weights of all landings read.
        integrals: what is integrated over lambda.
        phases: the scalars of each phase, in the order of their numbers.
        pairs: those of adaptive steps; empty for a module without.
    """

    schedule: ScheduleFormulas
    expansion: str
    gamma: Expr
    inverts_gamma: bool
    time_at_gamma: Expr | None
    conversion: Conversion
    data_conversion: Conversion | None
    integrating_factor: Expr | None
    linear_coefficient: Expr | None
    zeroth_moment: Expr
    needs: Needs
    integrals: Integrals
    phases: tuple[PhaseFormulas, ...]
    pairs: tuple[PhaseFormulas, ...]

    @classmethod
    def of(cls, solver: Solver, adaptive: bool = True, ends_in_data: bool = False) -> "Formulas":
        """Choose the form of every scalar.

        Args:
            solver: the solver.
            adaptive: whether the module takes adaptive steps too, if the scheme has an estimate.
            ends_in_data: whether a run goes on to sigma = 0 where the schedule ends before it.
        """
        return cls._chosen(solver, adaptive and bool(solver.program.pairs), ends_in_data)

    @classmethod
    @lru_cache(maxsize=16)
    def _chosen(cls, solver: Solver, adaptive: bool, ends_in_data: bool) -> "Formulas":
        schedule, ode = solver.schedule, solver.ode
        phases = _phases(solver, solver.program.all_phases, solver.passes)
        pairs = _phases(solver, solver.program.pairs, solver.pair_passes) if adaptive else ()
        needs = Needs.of(tuple(one for phase in (*phases, *pairs) for one in phase.weights))
        integrals = Integrals.of(solver, needs)
        inverts = bool(pairs) or any(one.intervals.inner for one in phases)
        in_schedule = ScheduleFormulas.of(schedule)
        goes_on = ends_in_data and not in_schedule.reaches_data
        rate = None if ode.factor is not None else in_time(ode.linear_coefficient, schedule)
        return cls(
            in_schedule,
            solver.expansion.name,
            solver.expansion.variable,
            inverts,
            _time_at_gamma(solver) if inverts else None,
            Conversion.of(solver.prediction, solver.integrand, schedule).proved(*solver.converts),
            Conversion.of(solver.prediction, DATA, schedule) if goes_on else None,
            ode.general_integrating_factor,
            rate,
            _zeroth_moment(solver, needs, integrals),
            needs,
            integrals,
            phases,
            pairs,
        )

    @property
    def all_phases(self) -> tuple[PhaseFormulas, ...]:
        """Those of a fixed grid, then those of adaptive steps."""
        return (*self.phases, *self.pairs)

    @property
    def has_inner(self) -> bool:
        """Whether an evaluation lies inside a step."""
        return any(one.intervals.inner for one in self.all_phases)

    @property
    def bisects(self) -> bool:
        """Whether a time is found by bisection."""
        has_none = self.inverts_gamma and self.time_at_gamma is None
        return has_none or self.schedule.time_at_half_log_snr is None

    @property
    def uniform_means(self) -> tuple[Expr, ...]:
        """The means of (theta - 1/2)^k where gamma is the clock; empty where they vary."""
        if not self.integrals.is_uniform:
            return ()
        return tuple(Rational(1 - k % 2, (k + 1) * 2**k) for k in range(self.needs.moments))

    @property
    def reads_length(self) -> bool:
        """Whether the exact length of an interval, t - s or u(t) - u(s), is read."""
        found = self.integrals
        return found.is_scaled or (found.is_straight and self.needs.gaps)

    @property
    def reads_slopes(self) -> bool:
        """Whether the slope of a table is looked up."""
        found, conversion = self.integrals, self.conversion
        forms = (
            *(found.clock, found.speed, found.length),
            *(self.linear_coefficient, self.zeroth_moment),
            *(*conversion.forms, conversion.alpha_dot),
        )
        return any(one is not None and one.has(Slope) for one in forms)

    def __str__(self) -> str:
        schedule, found = self.schedule, self.integrals
        a, b = self.conversion.forms
        rows = {
            "alpha(t)": schedule.alpha,
            "sigma(t)": schedule.sigma,
            "lambda(t)": schedule.half_log_snr,
            "t(lambda)": schedule.time_at_half_log_snr or "by bisection",
            "gamma(t)": self.gamma,
            "t(gamma)": (self.time_at_gamma or "by bisection") if self.inverts_gamma else None,
            "alpha'(t)": self.conversion.alpha_dot,
            "N": f"({a}) x + ({b}) prediction",
            "Phi(t, s)": self.integrating_factor or f"exp int_s^t {self.linear_coefficient}",
            "M0(t, s)": self.zeroth_moment,
            "dq/dlambda": found.clock,
            "dgamma/dlambda": found.speed,
            "dt/dlambda" if found.table is None else "du/dlambda": found.length,
        }
        lines = [f"{name} = {form}" for name, form in rows.items() if form is not None]
        weights = (one for phase in self.all_phases for one in phase.weights)
        return "\n".join([*lines, *map(str, weights)])


def _time_at_gamma(solver: Solver) -> Expr | None:
    """t(gamma): by way of t(lambda), where that is long and gamma a function of lambda."""
    schedule, expansion = solver.schedule, solver.expansion
    if expansion.name == "time":
        return gamma
    if expansion.name == "half_log_snr":
        found = ScheduleFormulas.of(schedule).time_at_half_log_snr
        return None if found is None else found.subs(half_log_snr_symbol, gamma)
    if expansion.ray is not None:
        level = log(schedule.alpha / schedule.sigma)
        found = schedule.stable_inverse(level, half_log_snr_symbol)
        if found is not None and found.count_ops() > LONG:
            at = log(expansion.ray[0] / expansion.ray[1])
            return with_parameters(found.subs(half_log_snr_symbol, at), schedule)
    return inverse(expansion.at(schedule), gamma, schedule)


def _phases(
    solver: Solver, programs: tuple[PhaseProgram, ...], passes: tuple[tuple[Pass, ...], ...]
) -> tuple[PhaseFormulas, ...]:
    has_factor = not solver.weights.no_linear_part
    pairs = zip(programs, passes, strict=True)
    return tuple(PhaseFormulas.of(*one, has_factor) for one in pairs)


def _zeroth_moment(solver: Solver, needs: Needs, integrals: Integrals) -> Expr:
    """M0: its closed form; the difference of gamma where it is that, which is known in more
    digits; R times the integral of q' where q has no closed form.
    """
    ode, variable = solver.ode, solver.expansion.variable
    found = ode.general_zeroth_moment
    if found is None:
        return _shortest(Integer(1) if ode.factor is None else ode.factor, solver.schedule) * MASS
    is_measured = needs.gaps and (variable == t or not integrals.is_straight)
    if is_measured and found == variable - variable.xreplace({t: s, **START_OF}):
        return GAP
    return found


def _shortest(factor: Expr, schedule: NoiseSchedule) -> Expr:
    """A function of alpha and sigma as that, unless it is a number for this schedule."""
    at_time = schedule.simplest(at_schedule(factor, schedule))
    if at_time.has(t) and factor.free_symbols <= {alpha, sigma}:
        return factor
    return in_time(at_time, schedule)
