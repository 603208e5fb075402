"""Other ways to say a schedule: by beta, by drift and diffusion, by lambda, by sigma alone, and in
a time that is 1 at the data.

    beta(t)          alpha = exp(-B/2), sigma^2 = 1 - exp(-B), B = int beta over [t_min, t]
    f, g^2           alpha = exp(int f), sigma^2 = alpha^2 int g^2/alpha^2, likewise from t_min,
                     where alpha = 1 and sigma = 0 (Song et al. 2021, arXiv:2011.13456, eq. 29)
    lambda, vp       alpha^2 = 1/(1 + exp(-2 lambda)), sigma^2 = 1/(1 + exp(2 lambda))
    lambda, flow     alpha = 1/(1 + exp(-lambda)), sigma = 1/(1 + exp(lambda))
    lambda, ve       alpha = 1, sigma = exp(-lambda)
    sigma            alpha^2 = 1 - sigma^2

Integrals are constructed (``algebra.primitives``) and proved by their derivative; where none is
found there is a ScheduleError, and alpha and sigma have to be given. What was said is kept in
``NoiseSchedule.declaration``, and with it in the SPEC and the command of emitted modules.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

import sympy
from sympy import Expr, exp, sqrt

from solvergen.algebra import limits, size
from solvergen.algebra.evaluation import Domain, Parameters, substitute
from solvergen.algebra.expressions import to_text
from solvergen.algebra.primitives import antiderivative
from solvergen.algebra.short_form import simplest
from solvergen.algebra.signs import resolved
from solvergen.algebra.zero import vanishes
from solvergen.errors import ScheduleError
from solvergen.naming import shown
from solvergen.schedules.reading import read_domain, read_formula, read_parameters, time_symbol
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.symbols import t

DOMAIN = (0, 1)


class Process(StrEnum):
    """What fixes alpha and sigma beside their ratio."""

    vp = "vp"
    flow = "flow"
    ve = "ve"


def from_beta(
    beta: Any,
    domain: Any = DOMAIN,
    name: str = "custom",
    parameters: Any = (),
    reversed: bool = False,
) -> NoiseSchedule:
    """The variance-preserving schedule dx = -beta/2 x dt + sqrt(beta) dw.

    Args:
        beta: a formula of time, text or sympy, positive inside the domain.
        domain, name, parameters: as for ``NoiseSchedule``.
        reversed: the formula is one of a time that is t_max at the data.

    Raises:
        ScheduleError: no integral of beta was found, or it is infinite at t_min.
    """
    return declare({"beta": beta}, domain, name, parameters, reversed)


def from_drift_diffusion(
    f: Any, g_squared: Any, domain: Any = DOMAIN, name: str = "custom", parameters: Any = ()
) -> NoiseSchedule:
    """The schedule of dx = f x dt + g dw, from alpha = 1 and sigma = 0 at t_min.

    Args:
        f, g_squared: formulas of time, text or sympy.
        domain, name, parameters: as for ``NoiseSchedule``.

    Raises:
        ScheduleError: one of the two integrals was not found, or is infinite at t_min.
    """
    said = {"drift": f, "diffusion-squared": g_squared}
    return declare(said, domain, name, parameters)


def from_half_log_snr(
    half_log_snr: Any,
    process: str = "vp",
    domain: Any = DOMAIN,
    name: str = "custom",
    parameters: Any = (),
    reversed: bool = False,
) -> NoiseSchedule:
    """The schedule with lambda = log(alpha/sigma).

    Args:
        half_log_snr: a formula of time, text or sympy, decreasing.
        process: ``vp``, alpha^2 + sigma^2 = 1; ``flow``, alpha + sigma = 1; or ``ve``, alpha = 1.
        domain, name, parameters: as for ``NoiseSchedule``.
        reversed: the formula is one of a time that is t_max at the data, and increases.

    Raises:
        ScheduleError: there is no such process, or the formula is no half-log-SNR.
    """
    said = {"half-log-snr": half_log_snr, "process": process}
    return declare(said, domain, name, parameters, reversed)


def from_sigma(
    sigma: Any,
    domain: Any = DOMAIN,
    name: str = "custom",
    parameters: Any = (),
    reversed: bool = False,
) -> NoiseSchedule:
    """The variance-preserving schedule with that sigma: alpha = sqrt(1 - sigma^2).

    Args:
        sigma: a formula of time, text or sympy, between 0 and 1.
        domain, name, parameters: as for ``NoiseSchedule``.
        reversed: the formula is one of a time that is t_max at the data.

    Raises:
        ScheduleError: sigma leaves (0, 1) inside the domain, or does not grow.
    """
    return declare({"sigma": sigma}, domain, name, parameters, reversed)


def reversed_time(
    alpha: Any, sigma: Any, domain: Any = DOMAIN, name: str = "custom", parameters: Any = ()
) -> NoiseSchedule:
    """A schedule that is written, and whose networks are asked, in a time that is t_max at the
    data: alpha = t, sigma = 1 - t.

    Its own time still grows with noise: it is t_min + t_max less the given one. So grids decrease
    as ever, and ``Stepper.t``, and what ``sample`` asks a network at, are in the network's time, in
    which the prediction flow is dx/dt.

    Args:
        alpha, sigma: formulas of the network's time, text or sympy.
        domain, name, parameters: as for ``NoiseSchedule``.

    Raises:
        ScheduleError: the formulas are not a noise schedule.
    """
    return declare({"alpha": alpha, "sigma": sigma}, domain, name, parameters, reversed=True)


def declare(
    said: Mapping[str, Any],
    domain: Any = DOMAIN,
    name: str = "custom",
    parameters: Any = (),
    reversed: bool = False,
) -> NoiseSchedule:
    """The schedule that options of the command line and their formulas say.

    Args:
        said: the formulas by option, of one of the ways above.
        domain, name, parameters, reversed: as for the functions of each way.

    Raises:
        ScheduleError: the options are none of the ways, or their formulas are no schedule.
    """
    way = _WAYS.get(frozenset(said))
    if way is None or (reversed and "drift" in said):
        options = " ".join(f"--{one}" for one in (*said, *(["reversed"] if reversed else [])))
        known = "; ".join(" ".join(f"--{one}" for one in sorted(way)) for way in _WAYS)
        raise ScheduleError(f"got {options or 'no schedule'}; expected one of: {known}")
    parameters, domain = read_parameters(parameters), read_domain(domain)
    given = {
        option: formula if option == "process" else _read(option, formula, domain, parameters)
        for option, formula in said.items()
    }
    turned = {
        option: _turned(formula, domain) if reversed and isinstance(formula, Expr) else formula
        for option, formula in given.items()
    }
    alpha, sigma = (_without_reciprocals(e) for e in way(*turned.values(), domain, parameters))
    declaration = tuple(
        (option, to_text(formula) if isinstance(formula, Expr) else str(formula))
        for option, formula in given.items()
    )
    return NoiseSchedule(alpha, sigma, domain, name, parameters, reversed, declaration)


def _read(option: str, formula: Any, domain: Domain, parameters: Parameters) -> Expr:
    """A formula in t, without absolute values and signs."""
    found = read_formula(option, formula, parameters)
    if excess := size.excess_of_formula(found):
        raise ScheduleError(f"{option} is too large a formula: {excess}")
    found = found.xreplace({time_symbol(found, sympy.S.Zero, parameters): t})
    return resolved(found, t, domain, parameters)


def _without_reciprocals(e: Expr) -> Expr:
    """Without cotangents, to which sympy turns tan(pi/2 - t), and which texts have no word for."""
    return sympy.sympify(e).replace(sympy.cot, lambda x: sympy.cos(x) / sympy.sin(x))


def _turned(formula: Expr, domain: Domain) -> Expr:
    """The same in the time that grows with noise."""
    return formula.subs(t, domain[0] + domain[1] - t)


def _of_beta(beta: Expr, domain: Domain, parameters: Parameters) -> tuple[Expr, Expr]:
    total = _integral("beta", beta, domain, parameters)
    return exp(-total / 2), sqrt(1 - exp(-total))


def _of_drift(
    drift: Expr, diffusion: Expr, domain: Domain, parameters: Parameters
) -> tuple[Expr, Expr]:
    alpha = simplest(exp(_integral("drift", drift, domain, parameters)), t, domain, parameters)
    if vanishes(substitute(diffusion + 2 * drift, parameters), t, domain):
        return alpha, sqrt(1 - alpha**2)
    rate = simplest(diffusion / alpha**2, t, domain, parameters)
    grown = _integral("diffusion-squared/alpha^2", rate, domain, parameters)
    variance = simplest(alpha**2 * grown, t, domain, parameters)
    return alpha, simplest(sqrt(variance), t, domain, parameters)


def _of_half_log_snr(
    level: Expr, process: Any, domain: Domain, parameters: Parameters
) -> tuple[Expr, Expr]:
    if process not in Process.__members__.values():
        raise ScheduleError(f"process: got {shown(process)}; expected one of {', '.join(Process)}")
    if process == Process.ve:
        pair = sympy.S.One, exp(-level)
    elif process == Process.flow:
        pair = 1 / (1 + exp(-level)), 1 / (1 + exp(level))
    else:
        pair = 1 / sqrt(1 + exp(-2 * level)), 1 / sqrt(1 + exp(2 * level))
    alpha, sigma = (simplest(one, t, domain, parameters) for one in pair)
    return alpha, sigma


def _of_sigma(sigma: Expr, domain: Domain, parameters: Parameters) -> tuple[Expr, Expr]:
    return simplest(sqrt(1 - sigma**2), t, domain, parameters), sigma


def _of_alpha_sigma(
    alpha: Expr, sigma: Expr, domain: Domain, parameters: Parameters
) -> tuple[Expr, Expr]:
    return alpha, sigma


_WAYS: dict[frozenset[str], Callable[..., tuple[Expr, Expr]]] = {
    frozenset(options): way
    for options, way in (
        (("beta",), _of_beta),
        (("drift", "diffusion-squared"), _of_drift),
        (("half-log-snr", "process"), _of_half_log_snr),
        (("sigma",), _of_sigma),
        (("alpha", "sigma"), _of_alpha_sigma),
    )
}


def _integral(what: str, integrand: Expr, domain: Domain, parameters: Parameters) -> Expr:
    """int over [t_min, t].

    Raises:
        ScheduleError: there is none that was found, or it is infinite.
    """
    found = antiderivative(integrand, t, domain, parameters)
    if found is None:
        raise ScheduleError(
            f"{what} = {shown(str(integrand))}: no antiderivative was found that is real over "
            f"[{domain[0]}, {domain[1]}]; expected sums of powers, exponentials, sines and cosines "
            "of t, rational functions of one of them, or f(u(t)) u'(t) with such an f: give alpha "
            "and sigma, or register the antiderivative as a function"
        )
    start = found.subs(t, domain[0])
    if start.has(sympy.nan, sympy.zoo, sympy.oo, -sympy.oo):
        start = limits.one_sided_limit(substitute(found, parameters), t, domain[0], domain).value
    if (not start.is_finite and start.is_finite is not None) or start.has(sympy.nan):
        raise ScheduleError(
            f"{what} = {shown(str(integrand))} has an infinite integral from t_min = {domain[0]}; "
            "expected a finite one: start the domain later, or give alpha and sigma"
        )
    return found - start
