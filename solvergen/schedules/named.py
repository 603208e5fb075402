"""The named noise schedules."""

from collections.abc import Callable
from functools import lru_cache
from inspect import signature
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sympy import Expr, Rational, Symbol, cos, exp, pi, sin, sqrt

from solvergen import naming
from solvergen.algebra import tables
from solvergen.algebra.expressions import rational
from solvergen.algebra.steady import NUMPY
from solvergen.algebra.tables import Interpolate, Table
from solvergen.errors import ScheduleError
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.symbols import t


def _linear_total() -> tuple[Symbol, Symbol, Expr]:
    """beta_min, beta_max and B(t) = int_0^t beta."""
    low, high = Symbol("beta_min", positive=True), Symbol("beta_max", positive=True)
    return low, high, low * t + (high - low) * t**2 / 2


def rectified_flow() -> NoiseSchedule:
    """alpha = 1 - t, sigma = t: straight paths (Liu, Gong & Liu 2022, eq. 1; Lipman et al.
    2022).
    """
    return NoiseSchedule(1 - t, t, name="rectified_flow")


def vp_linear(beta_min: float = 0.1, beta_max: float = 20) -> NoiseSchedule:
    """Variance preserving with linear beta (Song et al. 2021, eq. 33; the continuous limit of
    DDPM).

    alpha = e^{-B/2}, sigma^2 = 1 - e^{-B}, B = beta_min t + (beta_max - beta_min) t^2 / 2.
    """
    low, high, total = _linear_total()
    return NoiseSchedule(
        exp(-total / 2),
        sqrt(1 - exp(-total)),
        name="vp_linear",
        parameters=((low, beta_min), (high, beta_max)),
    )


def vp_alphabar() -> NoiseSchedule:
    """alpha = sqrt(1 - t), sigma = sqrt(t): variance preserving, time is the noise variance."""
    return NoiseSchedule(sqrt(1 - t), sqrt(t), name="vp_alphabar")


def ve(sigma_max: float = 80) -> NoiseSchedule:
    """alpha = 1, sigma = t: variance exploding, time is the noise level (Karras et al. 2022,
    table 1).
    """
    return NoiseSchedule(1, t, domain=(0, sigma_max), name="ve")


def flow_shifted(shift: float = 3) -> NoiseSchedule:
    """Rectified flow with its time shifted for resolution (Esser et al. 2024, eq. 23).

    sigma = shift u / (1 + (shift - 1) u) at u = t, alpha = 1 - sigma.
    """
    k = Symbol("shift", positive=True)
    return NoiseSchedule(
        (1 - t) / (1 + (k - 1) * t),
        k * t / (1 + (k - 1) * t),
        name="flow_shifted",
        parameters=((k, shift),),
    )


def vp_cosine(offset: float = 0.008) -> NoiseSchedule:
    """The cosine schedule (Nichol & Dhariwal 2021, eq. 17), without its clipping of beta.

    alpha = cos(theta_t) / cos(theta_0), theta_t = (pi/2) (t + offset) / (1 + offset); VP.
    """
    o = Symbol("offset", positive=True)
    alpha = cos(pi * (t + o) / (2 * (1 + o))) / cos(pi * o / (2 * (1 + o)))
    return NoiseSchedule(alpha, sqrt(1 - alpha**2), name="vp_cosine", parameters=((o, offset),))


def straight(spread: float = 1) -> NoiseSchedule:
    """Exactly straight paths for Gaussian data of the standard deviation ``spread``.

    alpha = 1 - t, sigma^2 = t^2 + 2 spread t (1 - t), so that alpha^2 spread^2 + sigma^2 = ((1 - t)
    spread + t)^2: one Euler step in t is exact for N(m, spread^2). 0 is rectified_flow, 1 is
    variance preserving.
    """
    s = Symbol("spread", positive=True) if rational(spread) > 0 else Symbol("spread", real=True)
    sigma = sqrt(t**2 + 2 * s * t * (1 - t))
    return NoiseSchedule(1 - t, sigma, name="straight", parameters=((s, spread),))


def trigonometric() -> NoiseSchedule:
    """alpha = cos(pi t/2), sigma = sin(pi t/2) (Albergo & Vanden-Eijnden 2023, eq. 2.16).

    Variance preserving, and the same curve as vp_cosine with no offset.
    """
    return NoiseSchedule(cos(pi * t / 2), sin(pi * t / 2), name="trigonometric")


def sub_vp(beta_min: float = 0.1, beta_max: float = 20) -> NoiseSchedule:
    """Sub-VP (Song et al. 2021, eq. 29): alpha = e^{-B/2}, sigma = 1 - e^{-B}, B as in
    vp_linear.
    """
    low, high, total = _linear_total()
    return NoiseSchedule(
        exp(-total / 2),
        1 - exp(-total),
        name="sub_vp",
        parameters=((low, beta_min), (high, beta_max)),
    )


def zero_terminal_snr(beta_min: float = 0.1, beta_max: float = 20) -> NoiseSchedule:
    """vp_linear rescaled to alpha(1) = 0 (Lin et al. 2023, algorithm 1).

    With a = e^{-B/2} of vp_linear: alpha = (a_t - a_1) / (1 - a_1), sigma^2 = 1 - alpha^2.
    """
    low, high, total = _linear_total()
    last = exp(-total / 2).subs(t, 1)
    alpha = (exp(-total / 2) - last) / (1 - last)
    return NoiseSchedule(
        alpha,
        sqrt(1 - alpha**2),
        name="zero_terminal_snr",
        parameters=((low, beta_min), (high, beta_max)),
    )


def vp_sigmoid(start: float = -3, end: float = 3, temperature: float = 1) -> NoiseSchedule:
    """The sigmoid schedule (Jabri et al. 2023, algorithm 1); variance preserving.

    alpha^2 = (S(b) - S(x)) / (S(b) - S(a)), x = a + (b - a) t, S(x) = 1 / (1 + e^{-x}), a = start
    / temperature, b = end / temperature. Written without differences of S, with l = b - a:
    alpha^2 = (1 + e^a) (e^{l (1-t)} - 1) / N, sigma^2 = (1 + e^b) (1 - e^{-l t}) / N, N = (e^l -
    1) (e^a + e^{-l t}).
    """
    a, b = Symbol("start", real=True), Symbol("end", real=True)
    norm = (exp(b - a) - 1) * (exp(a) + exp(-(b - a) * t))
    scale = rational(temperature)
    if scale == 0:
        raise ScheduleError("vp_sigmoid: got temperature = 0; expected another number")
    return NoiseSchedule(
        sqrt((1 + exp(a)) * (exp((b - a) * (1 - t)) - 1) / norm),
        sqrt((1 + exp(b)) * (1 - exp(-(b - a) * t)) / norm),
        name="vp_sigmoid",
        parameters=((a, rational(start) / scale), (b, rational(end) / scale)),
    )


def ve_geometric(sigma_min: float = 0.01, sigma_max: float = 50) -> NoiseSchedule:
    """alpha = 1, sigma = sigma_min (sigma_max / sigma_min)^t (Song et al. 2021, eq. 31)."""
    low, high = Symbol("sigma_min", positive=True), Symbol("sigma_max", positive=True)
    return NoiseSchedule(
        1,
        low * (high / low) ** t,
        name="ve_geometric",
        parameters=((low, sigma_min), (high, sigma_max)),
    )


def edm(sigma_min: float = 0.002, sigma_max: float = 80) -> NoiseSchedule:
    """alpha = 1, sigma = t over the noise levels that EDM samples (Karras et al. 2022, table 1)."""
    return NoiseSchedule(1, t, domain=(sigma_min, sigma_max), name="edm")


BETAS, ALPHAS_CUMPROD = "--betas", "--alphas-cumprod"
_SOURCES = {BETAS: "log_alpha_of_betas", ALPHAS_CUMPROD: "log_alpha"}
"""What the table of log alpha is called, by what it was made from."""


def tabulated(
    *,
    betas: ArrayLike | None = None,
    alphas_cumprod: ArrayLike | None = None,
    name: str = "tabulated",
) -> NoiseSchedule:
    """The schedule of a discrete-time network, log alpha interpolated linearly between its steps.

    Step n = 1 .. N is the time t = n / N, with alpha = sqrt(alphas_cumprod), alphas_cumprod the
    running product of 1 - betas, as in the code of DPM-Solver (Lu et al. 2022, appendix D.4); the
    domain is [1/N, 1]. Give one of the two tables. Variance preserving.
    """
    if (betas is None) == (alphas_cumprod is None):
        raise ScheduleError("tabulated: got both tables or none; expected betas or alphas_cumprod")
    if betas is None:
        column = tables.column("tabulated", alphas_cumprod)
        with np.errstate(all="ignore"):
            log_alpha = NUMPY.log(column) / 2
    else:
        column = tables.column("tabulated", betas)
        with np.errstate(all="ignore"):
            log_alpha = np.cumsum(NUMPY.log1p(-column)) / 2
    _check_fractions(column)
    source = ALPHAS_CUMPROD if betas is None else BETAS
    return _of_log_alpha(log_alpha, _SOURCES[source], name)


def _of_log_alpha(log_alpha: NDArray[np.float64], table: str, name: str) -> NoiseSchedule:
    """Variance preserving, with log alpha through the points of a table at n / N."""
    steps = len(log_alpha)
    log_alpha_t = Interpolate(Table(table, np.arange(1, steps + 1) / steps, log_alpha), t)
    return NoiseSchedule(
        exp(log_alpha_t),
        sqrt(1 - exp(2 * log_alpha_t)),
        domain=(Rational(1, steps), 1),
        name=name,
    )


def table_option(schedule: NoiseSchedule) -> str | None:
    """The command line option that gives the table of ``tabulated``; None for another schedule."""
    for option, name in _SOURCES.items():
        for table in schedule.alpha.atoms(Table):
            if table.name == name and schedule == _of_log_alpha(
                np.array(table.y), name, schedule.name
            ):
                return option
    return None


def _check_fractions(column: NDArray[np.float64]) -> None:
    if column.ndim != 1 or len(column) < 2:
        raise ScheduleError(f"tabulated: got shape {column.shape}; expected one column, >= 2 rows")
    outside = ~((column > 0) & (column < 1))
    if np.any(outside):
        row = int(np.argmax(outside))
        raise ScheduleError(f"tabulated: got {column[row]} at row {row}; expected values in (0, 1)")


def stable_diffusion() -> NoiseSchedule:
    """The scaled-linear table of Stable Diffusion (Rombach et al. 2022): 1000 steps, sqrt(beta)
    evenly spaced from sqrt(0.00085) to sqrt(0.012)."""
    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    return _of_log_alpha(np.cumsum(np.log1p(-betas)) / 2, "log_alpha", "stable_diffusion")


_NAMED: dict[str, Callable[..., NoiseSchedule]] = {
    function.__name__: function
    for function in (
        rectified_flow,
        flow_shifted,
        vp_linear,
        vp_cosine,
        vp_sigmoid,
        vp_alphabar,
        zero_terminal_snr,
        sub_vp,
        trigonometric,
        straight,
        ve,
        ve_geometric,
        edm,
        stable_diffusion,
    )
}


def names() -> tuple[str, ...]:
    """The names that ``get`` knows."""
    return tuple(_NAMED)


def get(name: str, **parameters: Any) -> NoiseSchedule:
    """The named schedule.

    Args:
        name: one of ``names()``.
        parameters: of the schedule, numbers or their text; its defaults otherwise.

    Raises:
        ScheduleError: there is no such schedule, or it has no such parameter.
    """
    if not isinstance(name, str) or name not in _NAMED:
        close = naming.meant(name, _NAMED) if isinstance(name, str) else ""
        raise ScheduleError(
            f"unknown schedule {naming.shown(name)}; expected one of {', '.join(_NAMED)}.{close}"
        )
    known = signature(_NAMED[name]).parameters
    for one in parameters:
        if one not in known:
            expected = f"one of {', '.join(known)}" if known else "no parameters"
            raise ScheduleError(
                f"schedule {name}: got the parameter {one!r}; expected {expected}."
                f"{naming.meant(one, known)}"
            )
    return _made(name, tuple((key, rational(value)) for key, value in parameters.items()))


def parameters_of(schedule: NoiseSchedule) -> dict[str, str] | None:
    """What ``get`` makes a schedule of, by its name: those parameters that are not the defaults.

    None if it is no named schedule.
    """
    if schedule.name not in _NAMED:
        return None
    usual = {one.name: one.default for one in signature(_NAMED[schedule.name]).parameters.values()}
    ends = {"sigma_min": schedule.t_min, "sigma_max": schedule.t_max}  # where time is sigma
    values = ends | {symbol.name: value for symbol, value in schedule.parameters}
    given = {
        name: str(values[name])
        for name, default in usual.items()
        if name in values and values[name] != rational(default)
    }
    return given if get(schedule.name, **given) == schedule else None


@lru_cache(maxsize=64)
def _made(name: str, parameters: tuple[tuple[str, Rational], ...]) -> NoiseSchedule:
    """Checked once: every emitted module asks whether its schedule is the one of its name."""
    return _NAMED[name](**dict(parameters))
