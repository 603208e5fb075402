"""Every scalar that a module computes, in the form that keeps its digits: decided here.

    alpha, sigma, lambda at t;    t at lambda and at gamma                      the schedule
    A and B                                              N = A x + B prediction, at each evaluation
    h, gamma_t - gamma_s, Phi, M0                 of each landing, from s to t (``scalars.lengths``)
    mu_k, ell_j                                                       of each landing, by its rule

``Formulas`` is what stands between a solver and its text. Formulas in t are those of the schedule
that are most accurate in float64 to the ends of the domain; formulas in alpha and sigma are kept
where they hold, because these two have all their digits. None says that there is no closed form: t
is then found in a table, and Phi by quadrature. A printer spells these values, and decides
nothing.
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

from sympy import Expr, Integer, Symbol, exp, factor_terms, log

from solvergen.algebra import tables
from solvergen.derivation.parameterization import DATA
from solvergen.derivation.stochasticity import Stochasticity
from solvergen.program.table import Table, TablePhase
from solvergen.scalars import integrated, noise
from solvergen.scalars.conversion import Conversion
from solvergen.scalars.forms import closing, inverse
from solvergen.scalars.integrals import Integrals
from solvergen.scalars.integrated import MASS, VARIANCE, linear_coefficient, zeroth_moments
from solvergen.scalars.landings import Needs
from solvergen.scalars.lengths import GAP, H, Lengths
from solvergen.scalars.phase_formulas import PhaseFormulas
from solvergen.scalars.schedule_formulas import LONG, ScheduleFormulas
from solvergen.specification.solver import Solver
from solvergen.symbols import eta, gamma, half_log_snr_symbol, t


@dataclass(frozen=True, eq=False)
class Formulas:
    """Every scalar of a module.

    Two are equal if they are one, which caches need not look at all of them for.

    Attributes:
        schedule: the functions of time.
        table: the rows and the passes.
        expansion: what the expansion variable is called.
        gamma: in t, alpha and sigma.
        time_at_gamma: those, in gamma; None without a closed form.
        conversion: A and B; 0 and 1 where they are that for every t.
        data_conversion: those of a last step to sigma = 0 of a module that takes it; else None.
        to_data: those of the data, x_0 = A x + B prediction, of a module with hooks; None where
            that is predicted.
        lengths: h and gamma_t - gamma_s.
        integrating_factor: Phi, in t, alpha, sigma and, at the start of a step, s, alpha_s,
            sigma_s, and ``KAPPA``; None where it is the exponential of a quadrature.
        linear_coefficient: a(t), which that integrates; else None.
        zeroth_moment: M0 in the same symbols, ``H``, ``GAP`` and ``MASS``.
        rising_moment: that of a step to larger times.
        needs: what the weights of all landings read.
        exponent: k, where the clock has the density e^(k gamma) in gamma = lambda; else None.
        stretch: what a length is multiplied with in that density: 1, or 1 + eta^2.
        spread: nu, likewise, and ``VARIANCE`` where that is integrated; None without noise.
        noise: what says eta of each step, where that is a matter of the run; None where it is
            fixed, or there is no noise.
        churn: what says by how much noise is raised before each step; None where it is not.
        integrals: what is integrated over lambda.
        phases: the scalars of each phase, in the order of their numbers, then of other pairs.
        pairs: those that estimate their errors; empty for a module without adaptive steps.
        limiter: by how much the weights of old nodes may exceed those of even steps; None where
            no weight is bounded.
    """

    schedule: ScheduleFormulas
    table: Table
    expansion: str
    gamma: Expr
    time_at_gamma: Expr | None
    conversion: Conversion
    data_conversion: Conversion | None
    to_data: Conversion | None
    lengths: Lengths
    integrating_factor: Expr | None
    linear_coefficient: Expr | None
    zeroth_moment: Expr
    rising_moment: Expr
    needs: Needs
    exponent: Expr | None
    stretch: Expr
    spread: Expr | None
    noise: Stochasticity | None
    churn: Stochasticity | None
    integrals: Integrals
    phases: tuple[PhaseFormulas, ...]
    pairs: tuple[PhaseFormulas, ...]
    limiter: Fraction | None

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
    @lru_cache(maxsize=64)
    def _chosen(cls, solver: Solver, adaptive: bool, ends_in_data: bool) -> "Formulas":
        ode, table = solver.ode, solver.table
        in_schedule = replace(ScheduleFormulas.of(solver.schedule), kinks=ode.kinks)
        converted = _converted(solver)
        pairs = _phases(solver, table.pairs, converted) if adaptive else ()
        named = {one.table.name: one for one in (*_phases(solver, table.phases, converted), *pairs)}
        phases = tuple(named.values())
        needs = Needs.of(tuple(one for phase in phases for one in phase.weights))
        lengths = Lengths.of(ode, solver.expansion)
        exponent, stretch = _exponent(solver)
        spread = integrated.spread(ode, lengths)
        goes_up = spread is None and not solver.program.raises
        moment, rising = zeroth_moments(ode, lengths, goes_up)
        inner = any(one.intervals.inner for one in phases)
        integrals = _integrals(solver, replace(needs, gaps=needs.gaps or inner), moment, spread)
        found = cls(
            in_schedule,
            table,
            solver.expansion.name,
            solver.expansion.variable,
            _time_at_gamma(solver),
            converted,
            _to_data(solver) if ends_in_data and not in_schedule.reaches_data else None,
            _of_hooks(solver),
            lengths,
            noise.integrating_factor(ode),
            linear_coefficient(ode),
            moment,
            rising,
            needs,
            exponent,
            stretch,
            spread,
            ode.noise if ode.noise is not None and ode.noise.is_constant else None,
            solver.stochasticity if solver.program.raises else None,
            integrals,
            phases,
            pairs,
            solver.limiter,
        )
        return found._at(in_schedule.constants)._with_fixed_eta

    def _at(self, values: dict[Symbol, Expr]) -> "Formulas":
        """The same with numbers for some of the symbols."""
        names = (
            *("integrating_factor", "linear_coefficient", "zeroth_moment", "rising_moment"),
            *("stretch", "spread", "gamma"),
        )
        forms = {name: getattr(self, name) for name in names}
        return replace(self, **{k: form and form.xreplace(values) for k, form in forms.items()})

    @property
    def _with_fixed_eta(self) -> "Formulas":
        """The same with a number for eta where an integral reads it: one for a whole run."""
        found = self.integrals
        rates = [one for one in (found.clock, found.spread, found.damping) if one is not None]
        if self.noise is None or not any(one.has(eta) for one in rates):
            return self
        fixed = found.at(eta, self.noise.value)
        return replace(self._at({eta: self.noise.value}), noise=None, integrals=fixed)

    @property
    def is_noisy(self) -> bool:
        """Whether noise is added on the way."""
        return self.spread is not None or self.churn is not None

    @property
    def has_inner(self) -> bool:
        """Whether an evaluation lies inside a step."""
        return any(one.intervals.inner for one in self.phases)

    @property
    def seeks_inner(self) -> bool:
        """Whether inner times are sought by the length of the way to them: where lambda is flat no
        value of lambda, or of a function of it, tells times apart."""
        return self.schedule.is_flat and self.has_inner and not self.is_time

    @property
    def reads_logits(self) -> bool:
        """Whether the logit of time is computed."""
        return self.integrals.logit is not None or self.seeks_inner

    @property
    def bisects(self) -> bool:
        """Whether a time is found in a table of a function of it."""
        return None in (self.time_at_gamma, self.schedule.time_at_half_log_snr)

    @property
    def is_half_log_snr(self) -> bool:
        """Whether gamma = lambda."""
        return self.expansion == "half_log_snr"

    @property
    def is_time(self) -> bool:
        """Whether gamma is what all functions of a module are functions of."""
        return self.expansion == "time" or (self.is_half_log_snr and self.schedule.is_half_log_snr)

    @property
    def reads_length(self) -> bool:
        """Whether h is computed: it is the difference of gamma, or that or M0 follows from it."""
        if self.is_time and self.is_half_log_snr:
            return False
        reads = self.zeroth_moment.has(H) and self._reads("m_")
        reads |= self.spread is not None and self.spread.has(H)
        reads |= self.noise is not None and self.noise.kind == "ancestral"
        reads |= self.churn is not None
        if self.is_half_log_snr:
            reads |= self.zeroth_moment.has(GAP) and self._reads("m_")
            means = self.exponent is not None and self.needs.moments > 1
            return reads or means or self.needs.gaps or self.has_inner
        return reads or (
            self.reads_gap and self.lengths.gap is not None and self.lengths.gap.has(H)
        )

    @property
    def reads_gap(self) -> bool:
        """Whether the difference of gamma is computed by a function."""
        if self.is_half_log_snr or self.expansion == "time":
            return False
        reads = self.zeroth_moment.has(GAP) and self._reads("m_")
        return reads or self.needs.gaps or self.has_inner

    @property
    def reads_factor(self) -> bool:
        """Whether Phi is, and has a closed form."""
        return self.integrating_factor is not None and self._reads("phi_")

    @property
    def reads_moment(self) -> bool:
        """Whether M0 is computed by a function; else it is a length."""
        return self.zeroth_moment not in (GAP, H) or self.has_distances

    @property
    def has_distances(self) -> bool:
        """Whether an inner stage starts from another one, so that an interval has no name."""
        return any(one.intervals.extra for one in self.phases)

    def _reads(self, prefix: str) -> bool:
        """Whether a row reads a scalar of this name."""
        return any(symbol.name.startswith(prefix) for one in self.phases for symbol in one.read)

    @property
    def reads_slopes(self) -> bool:
        """Whether the slope of a table is looked up."""
        found, converted = self.integrals, self.conversion.written
        rates = (found.clock, found.speed, found.length, found.spread, found.damping)
        converted += self.to_data.written if self.to_data else ()
        forms = (*rates, self.linear_coefficient, self.zeroth_moment, *converted)
        return any(one is not None and one.has(tables.Slope) for one in forms)

    @property
    def reads_rises(self) -> bool:
        """Whether differences of a table are summed by its segments."""
        found, lengths = self.integrals, self.lengths
        length = lengths.half_log_snr if self.reads_length else None
        forms = (length, lengths.gap, self.zeroth_moment, self.spread)
        measured = found.timed and found.table is not None
        return measured or any(one is not None and one.has(tables.Rise) for one in forms)

    @property
    def is_uniform(self) -> bool:
        """Whether gamma is the clock, whose moments are 1/(k+1)."""
        return self.integrals.is_uniform

    def __str__(self) -> str:
        schedule, found = self.schedule, self.integrals
        a, b = self.conversion.forms
        rows = {
            "alpha(t)": schedule.alpha,
            "sigma(t)": schedule.sigma,
            "lambda(t)": schedule.half_log_snr,
            "t(lambda)": schedule.time_at_half_log_snr or "from a table",
            "gamma(t)": self.gamma,
            "t(gamma)": self.time_at_gamma or "from a table",
            **{str(name): form for name, form in self.conversion.slopes},
            "N": f"({a}) x + ({b}) prediction",
            "Phi(t, s)": self.integrating_factor or f"exp int_s^t {self.linear_coefficient}",
            "h": self.lengths.half_log_snr,
            "gap": self.lengths.gap,
            "M0(t, s)": self.zeroth_moment,
            "dq/dlambda": found.clock,
            "dgamma/dlambda": found.speed,
            "dt/dlambda" if found.table is None else "du/dlambda": found.length,
        }
        lines = [f"{name} = {form}" for name, form in rows.items() if form is not None]
        weights = (one for phase in self.phases for one in phase.weights)
        return "\n".join([*lines, *map(str, weights)])


def _converted(solver: Solver) -> Conversion:
    """From the prediction to the integrand."""
    found = Conversion.of(solver.prediction, solver.integrand, solver.schedule)
    return found.proved(*solver.converts)


def _to_data(solver: Solver) -> Conversion:
    """From the prediction to the data."""
    return Conversion.of(solver.prediction, DATA, solver.schedule)


def _of_hooks(solver: Solver) -> Conversion | None:
    """The same for modules with hooks, unless the data are predicted."""
    found = _to_data(solver) if solver.hooks else None
    return None if found is None or found.forms == (0, 1) else found


def _integrals(solver: Solver, needs: Needs, moment: Expr, spread: Expr | None) -> Integrals:
    """What is left to integrate."""
    needs = replace(needs, gaps=needs.gaps or moment.has(GAP))
    lengths, (exponent, _) = Lengths.of(solver.ode, solver.expansion), _exponent(solver)
    is_spread = spread is not None and spread.has(VARIANCE)
    given = (moment.has(MASS), exponent is not None, is_spread)
    found = Integrals.of(solver, needs, lengths, *given)
    noise.require_one_eta(solver.ode, found)
    return found


def _exponent(solver: Solver) -> tuple[Expr | None, Expr]:
    """(k, c) with dq/dgamma ~ e^(k c gamma), gamma = lambda: k = 1 for data and -1 for noise, and
    c = 1, or 1 + eta^2 for data with noise on the way."""
    density = solver.weights.density
    if solver.expansion.name != "half_log_snr" or not isinstance(density, exp):
        return None, Integer(1)
    k = factor_terms(density.args[0] / gamma)
    if k.has(eta) and not k.has(gamma, t):
        return Integer(1), k
    return (k if k.is_number else None), Integer(1)


def _time_at_gamma(solver: Solver) -> Expr | None:
    """t(gamma): by way of t(lambda), where that is long and gamma a function of lambda."""
    schedule, expansion = solver.schedule, solver.expansion
    if expansion.name == "time":
        return gamma
    by_level = ScheduleFormulas.of(schedule).time_at_half_log_snr
    if expansion.name == "half_log_snr":
        return None if by_level is None else by_level.subs(half_log_snr_symbol, gamma)
    variable = expansion.at(schedule)
    if expansion.ray is None or by_level is None:
        return inverse(variable, gamma, schedule)
    composed = by_level.subs(half_log_snr_symbol, log(expansion.ray[0] / expansion.ray[1]))
    uncollected = schedule.stable_inverse(log(schedule.alpha / schedule.sigma), half_log_snr_symbol)
    is_long = uncollected is not None and uncollected.count_ops() > LONG
    found = None if is_long else inverse(variable, gamma, schedule)
    return found or closing(composed, variable, gamma, schedule)


def _phases(
    solver: Solver, phases: tuple[TablePhase, ...], converted: Conversion
) -> tuple[PhaseFormulas, ...]:
    shapes, has_factor = solver.table.shapes, not solver.weights.no_linear_part
    return tuple(PhaseFormulas.of(one, shapes, has_factor, converted.forms) for one in phases)
