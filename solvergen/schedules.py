"""The named noise schedules."""

from collections.abc import Callable

from sympy import Symbol, exp, sqrt

from solvergen.errors import ScheduleError
from solvergen.schedule import NoiseSchedule
from solvergen.symbols import t


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
    low, high = Symbol("beta_min", positive=True), Symbol("beta_max", positive=True)
    total = low * t + (high - low) * t**2 / 2
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


_NAMED: dict[str, Callable[..., NoiseSchedule]] = {
    function.__name__: function for function in (rectified_flow, vp_linear, vp_alphabar, ve)
}


def names() -> tuple[str, ...]:
    """The names that ``get`` knows."""
    return tuple(_NAMED)


def get(name: str) -> NoiseSchedule:
    """The named schedule with its default parameters."""
    if name not in _NAMED:
        raise ScheduleError(f"unknown schedule {name!r}; expected one of {', '.join(_NAMED)}")
    return _NAMED[name]()
