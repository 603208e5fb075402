"""The same scalars with the noise level in the place of time.

Inside the family alpha^2 + sigma^2 = 1, and inside alpha + sigma = 1, a schedule is a choice of
time for the same noise levels, and a step whose integrand and expansion variable do not contain
time is a function of the levels alone. Then the level takes the place of t and s:

    alpha^2 + sigma^2 = 1    lambda,  1/alpha^2 = 1 + e^(-2 lambda),  1/sigma^2 = 1 + e^(2 lambda)
    alpha + sigma = 1        sigma,   alpha = 1 - sigma

lambda is the one variable in which float64 resolves both ends of the first family, and its
differences are the lengths of steps as they are; a way from a table of betas through t would cost
the digits of alpha near alpha = 0. Networks of the second family are asked at sigma itself.
"""

from dataclasses import replace
from math import inf

from sympy import Expr, Integer, Symbol, exp, factor, log, sqrt

from solvergen.algebra.differences import d
from solvergen.algebra.prime_field import is_zero
from solvergen.derivation.expansion import TIME, is_ratio_variable
from solvergen.derivation.parameterization import DATA, Parameterization, conversion, on_circle
from solvergen.scalars.conversion import Conversion
from solvergen.scalars.formulas import Formulas, ScheduleFormulas
from solvergen.scalars.integrated import with_growth
from solvergen.scalars.lengths import H, Lengths, difference_of_ratio
from solvergen.schedules import named
from solvergen.specification.solver import Solver
from solvergen.symbols import alpha, alpha_dot, gamma, half_log_snr_symbol, s, sigma, sigma_dot, t

RATES = {alpha_dot: alpha * sigma**2, sigma_dot: -(alpha**2) * sigma}
"""Those in lambda of the first family; only their ratio is read."""


def depends_on_time(solver: Solver) -> bool:
    """Whether another choice of time for the same noise levels would change a step.

    alpha' and sigma' scale with that choice; a ratio of them does not.
    """
    expressions = [solver.integrand.data, solver.integrand.noise, solver.expansion.variable]
    chosen = solver.stochasticity
    expressions += [] if chosen is None else [chosen.formula if chosen.raises else chosen.squared]
    scale = Symbol("scale", positive=True)
    faster = {one: scale * one for one in (alpha_dot, sigma_dot)}

    def changes(one: Expr) -> bool:
        return not is_zero(one.subs(faster, simultaneous=True) - one)

    return any(t in one.free_symbols or changes(one) for one in expressions)


def in_noise_level(solver: Solver, prediction: Parameterization) -> Formulas | None:
    """Those of a schedule with alpha + sigma = 1 in sigma; None if they depend on another time."""
    schedule, found = solver.schedule, Formulas.of(solver, False, True)
    if schedule.substitute(schedule.sigma) == t:
        return found
    if depends_on_time(solver):
        return None
    family = named.rectified_flow()
    is_time = solver.expansion.at(family) == t
    expansion = TIME if is_time else solver.expansion
    choices = (prediction, solver.integrand, expansion, solver.scheme)
    other = Formulas.of(Solver(family, *choices, stochasticity=solver.stochasticity), False)
    to_data = found.data_conversion and Conversion.of(prediction, DATA, family)
    return _with_rows_of(found, replace(other, data_conversion=to_data))


def in_half_log_snr(solver: Solver, prediction: Parameterization) -> Formulas | None:
    """Those of a schedule with alpha^2 + sigma^2 = 1 in lambda.

    None if they depend on time, or a scalar is known as a function of time alone.
    """
    if depends_on_time(solver):
        return None
    found = Formulas.of(solver, False, True)
    choices = (prediction, solver.integrand, solver.expansion, solver.scheme)
    noise = solver.stochasticity
    family = Formulas.of(Solver(named.vp_alphabar(), *choices, stochasticity=noise), False)
    lengths = _lengths(solver, family)
    time_at_gamma = _level_at_gamma(solver)
    found_in = family.integrals
    rates = (found_in.clock, found_in.speed, found_in.spread, found_in.damping)
    is_known = family.integrating_factor is not None and not found_in.kinks and lengths is not None
    reads_time = any(one is not None and one.has(t) for one in rates)
    if not is_known or reads_time or (time_at_gamma is None and found.has_inner):
        return None
    assert lengths is not None
    moment = lengths.zeroth_moment
    assert moment is not None
    timed = Integer(1) if family.integrals.timed else None
    on_levels = replace(
        family,
        schedule=_in_lambda(found.schedule),
        time_at_gamma=time_at_gamma,
        conversion=_on_circle(prediction, solver.integrand).proved(*solver.converts),
        data_conversion=found.data_conversion and _on_circle(prediction, DATA),
        lengths=lengths,
        zeroth_moment=moment,
        rising_moment=moment if family.is_noisy else with_growth(moment, True),
        integrals=replace(family.integrals, length=timed, kinks=(), table=None),
    )
    return _with_rows_of(found, on_levels)


def _with_rows_of(found: Formulas, family: Formulas) -> Formulas:
    """The rows of a solver, with the scalars of its family."""
    return replace(family, table=found.table, phases=found.phases, needs=found.needs)


def _in_lambda(schedule: ScheduleFormulas) -> ScheduleFormulas:
    """alpha and sigma as functions of lambda, which is called t."""
    return replace(
        schedule,
        kinks=(),
        alpha=1 / sqrt(1 + exp(-2 * t)),
        sigma=1 / sqrt(1 + exp(2 * t)),
        half_log_snr=t,
        time_at_half_log_snr=half_log_snr_symbol,
        span=inf,
        is_flat=False,
    )


def _on_circle(prediction: Parameterization, integrand: Parameterization) -> Conversion:
    a, b = map(on_circle, conversion(prediction, integrand))
    if (a + b).has(alpha_dot, sigma_dot):
        a, b = (on_circle(factor(one.subs(RATES))) for one in (a, b))
    return Conversion(a, b, ())


def _lengths(solver: Solver, family: Formulas) -> Lengths | None:
    """The lengths of a step without t: h is a difference; None if one is read that is not known."""
    variable, times = solver.expansion.variable, {t, s, d}
    gap, moment = family.lengths.gap, family.zeroth_moment
    if family.is_half_log_snr:
        gap = H
    elif gap is not None and gap.free_symbols & times:
        forms = difference_of_ratio(variable) if is_ratio_variable(variable) else []
        if not forms:
            return None
        gap = forms[0]
    if moment.free_symbols & times:
        return None
    if family.is_half_log_snr:
        return Lengths(-d, gap, moment)
    return Lengths(-d, None if gap is None else gap.subs(H, -d), moment.subs(H, -d))


def _level_at_gamma(solver: Solver) -> Expr | None:
    """lambda where gamma has a value; None without a closed form."""
    if solver.expansion.ray is None:
        return None
    if solver.expansion.name == "half_log_snr":
        return gamma
    return log(solver.expansion.ray[0] / solver.expansion.ray[1])
