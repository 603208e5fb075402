"""Grids by name: the ones that samplers take, and those that a search begins with."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from solvergen.runs.scalars import Floats, ScheduleValues

BISECTIONS = 64
RHO = 7
"""Of Karras et al. 2022 (arXiv:2206.00364), eq. 5."""
SHIFT = 3
"""Of Esser et al. 2024 (arXiv:2403.03206), section 5.3.2."""


@dataclass(frozen=True)
class Grid:
    """Times that are even in some variable.

    Attributes:
        name: as a report says it.
        level: (t, alpha, sigma) -> the variable, monotone in t.
        shift: of the fraction of a run that is left, u -> s u/(1 + (s - 1) u).
    """

    name: str
    level: Callable[[Floats, Floats, Floats], Floats]
    shift: float = 1

    def times(
        self, values: ScheduleValues, start: float, end: float, steps: int
    ) -> tuple[float, ...] | None:
        """Decreasing times [steps + 1]; None where the variable is infinite at an end."""
        left = np.linspace(1, 0, steps + 1)
        left = self.shift * left / (1 + (self.shift - 1) * left)
        first, last = self._at(values, np.array([start, end]))
        if not np.isfinite([first, last]).all() or first == last:
            return None
        found = self.times_at(values, last + (first - last) * left, start, end)
        found[[0, -1]] = start, end
        return tuple(found.tolist()) if (np.diff(found) < 0).all() else None

    def _at(self, values: ScheduleValues, times: Floats) -> Floats:
        t, alpha, sigma, *_ = values.at(times)
        with np.errstate(all="ignore"):
            return self.level(t, alpha, sigma)

    def times_at(self, values: ScheduleValues, wanted: Floats, start: float, end: float) -> Floats:
        """The times at which the variable is that, by bisection."""
        if self.level is TIME:
            return wanted
        low, high = np.full_like(wanted, end), np.full_like(wanted, start)
        rising = bool(np.diff(self._at(values, np.array([end, start])))[0] > 0)
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            above = (self._at(values, middle) > wanted) == rising
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        return (low + high) / 2


def TIME(t: Floats, alpha: Floats, sigma: Floats) -> Floats:  # noqa: N802 - a variable's name
    """t itself."""
    return t


def _root(t: Floats, alpha: Floats, sigma: Floats) -> Floats:
    return np.sqrt(t)


def _cube_root(t: Floats, alpha: Floats, sigma: Floats) -> Floats:
    return np.cbrt(t)


def _angle(t: Floats, alpha: Floats, sigma: Floats) -> Floats:
    return np.arctan2(sigma, alpha)


def _half_log_snr(t: Floats, alpha: Floats, sigma: Floats) -> Floats:
    return np.log(alpha / sigma)


def _karras(t: Floats, alpha: Floats, sigma: Floats) -> Floats:
    return (sigma / alpha) ** (1 / RHO)


def _noise_fraction(t: Floats, alpha: Floats, sigma: Floats) -> Floats:
    return sigma / (alpha + sigma)


THETA = Grid("theta", _angle)
FRACTION = Grid("sigma/(alpha+sigma)", _noise_fraction)
GRIDS = (
    Grid("time", TIME),
    Grid("quadratic", _root),
    Grid("cubic", _cube_root),
    Grid("half_log_snr", _half_log_snr),
    THETA,
    Grid("karras", _karras),
    Grid("shift 3", TIME, shift=SHIFT),
)
"""With which a search begins."""
