"""Where panels of the emitted quadrature have to end: break points in lambda, found by measuring.

Panels of width ``PANEL`` suffice where the rates are analytic at a distance from the real line.
A schedule of a user's need not be: dt/dlambda of SD3's warp has a branch point 0.1 from it. Every
window that a panel can lie in is integrated, in float64 as the module does, with the rule that the
module has and with two halves of 24 points each. Where the figures differ, the interval is cut at
the number with the fewest binary digits there, until they agree. A bound on an interval between two
cuts holds for every panel inside.

What no cut improves is noise of the rates, that is a formula that loses its digits: a little of it,
and what there is beside an end where t has lost them itself, is left for the measurement of the
whole (``solvergen.measurement.certificate``), much is refused.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from sympy import log

from solvergen.algebra import precision
from solvergen.algebra.evaluation import compiled, evaluate_float, time_of
from solvergen.algebra.steady import NUMPY
from solvergen.derivation.weights import Weights
from solvergen.errors import DerivationError
from solvergen.scalars.logit import REACH, in_logit, logit_of
from solvergen.scalars.quadrature import PANEL, POWERS, WIDEST, choose, gauss, gauss_below
from solvergen.scalars.rate_errors import half_log_snr_range
from solvergen.scalars.rates import Rates
from solvergen.schedules.flatness import has_flat_end
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.symbols import half_log_snr_symbol as l
from solvergen.symbols import t

Array = NDArray[np.float64]
Rule = tuple[Array, Array, Array]

STRIDE = 0.25
WINDOW = PANEL + STRIDE
"""A panel lies in one of the windows of this width at multiples of ``STRIDE``."""

WANTED = 2e-14
"""How far the figures of two rules may be apart: rounding alone is a few 1e-15."""

REFUSED = 1e-10
"""Noise of the rates that is an error of the coefficients of this size."""

NARROWEST = 2.0**-8
CONVERGING = 1e-8
"""An error beyond this is one of the rule unless it stays where panels are narrow."""

GAIN = 16
"""What half the width wins at least below that, if it is one of the rule: thousands as a rule."""

NEGLIGIBLE = 1e-20
"""A rate of K by which 1e-10 of sigma are added as noise."""
FINEST = 24
LOGITS = 1001
BISECTIONS = 60
MOST_CUTS = 200


@lru_cache(maxsize=64)
def cuts(weights: Weights) -> tuple[float, ...]:
    """The values of lambda at which panels end, beside the kinks of the schedule; mostly none.

    Raises:
        DerivationError: the rates have lost their digits somewhere.
    """
    rates = FloatRates(weights)
    points, found = choose(weights).points, list[float]()
    for low, high in _pieces(weights):
        Cutter(rates, rule(points), found).cut(low, high)
    return tuple(sorted(found))


def _pieces(weights: Weights) -> list[tuple[float, float]]:
    """The intervals of lambda in which the rates are smooth: the widest ones, if they are many."""
    schedule = weights.schedule
    if has_flat_end(schedule):
        with np.errstate(all="ignore"):
            inside = logit_of(np.array([float(one) for one in weights.ode.kinks]), schedule)
        return list(pairwise([-REACH, *inside.tolist(), REACH]))
    low, high = map(float, half_log_snr_range(schedule))
    if not Rates.derive(weights).is_rough(weights.ode):
        return [(low, high)]
    form = schedule.stable(schedule.half_log_snr)
    kinks = np.array([float(one) for one in weights.ode.kinks])
    levels = np.clip(evaluate_float(form, t, kinks, schedule.parameters), low, high)
    ends = np.unique([low, *levels[np.isfinite(levels)], high])
    widest = np.argsort(np.diff(ends))[::-1][:WIDEST]
    return [(float(ends[k]), float(ends[k + 1])) for k in sorted(widest)]


def rule(points: int, panels: int = 1) -> Rule:
    """Nodes and weights on [0, 1] of equal panels, and the weights of integrals up to the nodes."""
    found = *gauss(points, precision.QUADRATURE), gauss_below(points, precision.QUADRATURE)
    x, w, below = (np.array(one, dtype=np.float64) for one in found)
    width = 1.0 / panels
    before = np.kron(np.tri(panels, k=-1), np.ones((points, 1)) * w)
    nodes = (np.arange(panels)[:, None] + x).ravel() * width
    return nodes, np.tile(w, panels) * width, width * (np.kron(np.eye(panels), below) + before)


@dataclass(frozen=True)
class FloatRates:
    """dq/dlambda, dgamma/dlambda and dt/dlambda in float64, as the module computes them; with K by
    quadrature dK/dlambda and the rate of the noise's variance too."""

    weights: Weights

    @cached_property
    def _functions(self) -> list[Callable[..., Array]]:
        symbols = (l, t, *(name for name, _ in self.schedule.parameters))
        return [compiled(one, symbols, "numpy") for one in Rates.derive(self.weights).measured]

    @property
    def schedule(self) -> NoiseSchedule:
        return self.weights.schedule

    def __call__(self, levels: Array) -> list[Array]:
        """The rates at values of lambda, or of v, the logit of time."""
        if has_flat_end(self.schedule):
            forms = Rates.derive(self.weights).measured
            return [in_logit(one, self.schedule, levels) for one in forms]
        times = time_at(self.schedule, levels)
        numbers = [float(value) for _, value in self.schedule.parameters]
        with np.errstate(all="ignore"):
            return [
                np.broadcast_to(one(levels, times, *numbers), levels.shape)
                for one in self._functions
            ]

    def figures(self, low: Array, width: Array, chosen: Rule) -> Array:
        """For intervals the integrals by their widths, and the means of (2 theta - 1)^k."""
        nodes, weights, below = chosen
        levels = low[:, None] + width[:, None] * nodes
        clock, speed, time, *noise = (one.reshape(levels.shape) for one in self(levels.ravel()))
        with np.errstate(all="ignore"):
            if noise:
                damping, spread = noise
                kept = NUMPY.exp(-np.abs(width[:, None] * (damping @ (weights - below).T)))
                clock, noise = clock * kept, [damping, spread * kept**2]
            totals = np.array([one @ weights for one in (clock, speed, time, *noise)])
            theta = speed @ below.T / totals[1][:, None]
            mass = clock * weights / totals[0][:, None]
            means = [(mass * (2 * theta - 1) ** k).sum(axis=1) for k in range(1, POWERS)]
        return np.array([*totals, *means])


@dataclass(frozen=True)
class LevelTable:
    """Times at values of lambda where there is no closed form: as the emitted ``_solve``."""

    schedule: NoiseSchedule

    @cached_property
    def _level(self) -> Callable[[Array], Array]:
        form, given = self.schedule.stable(self.schedule.half_log_snr), self.schedule.parameters
        return lambda times: evaluate_float(form, t, times, given)

    @cached_property
    def _knots(self) -> tuple[Array, Array]:
        """Values of lambda in rising order, and logits of time there."""
        logits = np.concatenate([np.arange(-700.0, -40.0), np.linspace(-40.0, 40.0, LOGITS)])
        levels = self._level(self._time(logits))
        kept = np.isfinite(levels)
        levels, first = np.unique(levels[kept], return_index=True)
        return levels, logits[kept][first]

    def _time(self, logit: Array) -> Array:
        return time_of(logit, *map(float, self.schedule.domain))

    def __call__(self, levels: Array) -> Array:
        """By bisection between two neighbours of the table."""
        known, logits = self._knots
        n = np.clip(np.searchsorted(known, levels), 1, known.size - 1)
        early, late = logits[n], logits[n - 1]
        for _ in range(BISECTIONS):
            middle = 0.5 * (early + late)
            above = self._level(self._time(middle)) > levels
            early, late = np.where(above, middle, early), np.where(above, late, middle)
        return self._time(0.5 * (early + late))


def time_at(schedule: NoiseSchedule, levels: Array) -> Array:
    """The times at which lambda has these values."""
    inverse = schedule.stable_inverse(log(schedule.alpha / schedule.sigma), l)
    if inverse is None:
        return _table(schedule)(levels)
    return evaluate_float(inverse, l, levels, schedule.parameters)


def place_of(schedule: NoiseSchedule, levels: Array) -> Array:
    """The times at values of what panels are in: lambda, or the logit of time."""
    if has_flat_end(schedule):
        return time_of(levels, *map(float, schedule.domain))
    return time_at(schedule, levels)


@lru_cache(maxsize=16)
def _table(schedule: NoiseSchedule) -> LevelTable:
    return LevelTable(schedule)


@dataclass(frozen=True)
class Cutter:
    """Cuts intervals until one rule integrates them.

    Attributes:
        rates: what is integrated.
        rule: the one of the module.
        found: the cuts so far.
    """

    rates: FloatRates
    rule: Rule
    found: list[float]
    known: dict[tuple[float, float], bool] = field(default_factory=dict)

    def cut(self, low: float, high: float) -> None:
        """Cut an interval where windows in it need it."""
        windows = _windows(low, high)
        self.measure(windows)
        bad = [one for one in windows if not self.known[one]]
        if not bad or high - low <= NARROWEST or len(self.found) >= MOST_CUTS:
            return
        place = simplest_between(max(bad[0][0], low), min(bad[-1][1], high))
        self.found.append(place)
        self.cut(low, place)
        self.cut(place, high)

    def measure(self, windows: Sequence[tuple[float, float]]) -> None:
        """Whether the rule is as good on each window as the noise of the rates lets any be."""
        new = np.array([one for one in windows if one not in self.known])
        if not new.size:
            return
        schedule = self.rates.weights.schedule
        times = place_of(schedule, new.ravel()).reshape(-1, 2).tolist()
        errors = self._distances(new).tolist()
        for window, ends, error in zip(map(tuple, new.tolist()), times, errors, strict=True):
            is_known = all(is_resolved(time, schedule) for time in ends)
            is_good = not is_known or error <= WANTED
            self.known[window] = is_good or self._is_noise(window, error)

    def _is_noise(self, window: tuple[float, float], error: float) -> bool:
        """Whether a window of half the width would be no better."""
        low, high = window
        if error > CONVERGING and high - low > NARROWEST:
            return False
        middle = (low + high) / 2
        halves = np.array([(low, middle), (middle, high)])
        if float(np.max(self._distances(halves))) <= error / GAIN:
            return False
        if error > REFUSED:
            weights = self.rates.weights
            schedule = weights.schedule
            start, end = sorted(place_of(schedule, np.array([low, high])).tolist(), reverse=True)
            raise DerivationError(
                f"{schedule.name}: the rates of {weights.expansion.name}, of the clock "
                f"and of time are known to {error:.0e} alone where "
                f"{choose(weights).variable} is {low:.4g} to {high:.4g}, t {end:.12g} to "
                f"{start:.12g}; expected {REFUSED:.0e}: write alpha and sigma in forms that keep "
                "their digits there, or shorten the domain"
            )
        return True

    def _distances(self, windows: Array) -> Array:
        """How far the figures are from those of two halves of 24 points."""
        low, width = windows[:, 0], windows[:, 1] - windows[:, 0]
        found, exact = (
            self.rates.figures(low, width, chosen) for chosen in (self.rule, rule(FINEST, 2))
        )
        with np.errstate(all="ignore"):
            error = np.abs(found - exact)
            error[: 1 - POWERS] /= np.maximum(np.abs(exact[: 1 - POWERS]), 1e-300)
        noise = slice(3, 1 - POWERS)
        error[noise] = np.where(np.abs(exact[noise][:1]) > NEGLIGIBLE, error[noise], 0.0)
        return np.max(np.where(np.isfinite(error), error, np.inf), axis=0)


def is_resolved(time: float, schedule: NoiseSchedule) -> bool:
    """Whether floats of t are as close as ``REFUSED`` of the distance to the ends of the domain.

    No formula of t has more digits of a zero at an end than t has of that distance.
    """
    distances = [abs(time - float(end)) for end in schedule.domain]
    return 0.0 in distances or bool(np.spacing(abs(time)) <= REFUSED * min(distances))


def _windows(low: float, high: float) -> Sequence[tuple[float, float]]:
    """Windows that cover every panel in an interval."""
    if high - low <= WINDOW:
        return [(low, high)]
    inner = np.arange(np.ceil(low / STRIDE) * STRIDE, high - WINDOW, STRIDE)
    starts = [low, *inner.tolist(), high - WINDOW]
    return [(one, one + WINDOW) for one in starts]


def simplest_between(low: float, high: float) -> float:
    """The number with the fewest binary digits well inside an interval, the nearest to its middle
    of several.
    """
    quarter = (high - low) / 4
    unit = 2.0 ** np.ceil(np.log2(high - low))
    while True:
        middle = round((low + high) / 2 / unit) * unit
        if low + quarter <= middle <= high - quarter:
            return float(middle)
        unit /= 2
