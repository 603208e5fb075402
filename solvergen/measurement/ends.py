"""The order of runs over the whole domain, from alpha = 0 to sigma = 0 where a solver may be there.

The last sample is compared with the exact flow of a mixture of Gaussians. Where a run may not touch
an end, or neither alpha nor sigma vanishes there, it starts or ends inside. Steps are even in
gamma, or in time if gamma is infinite at an end of the run.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solvergen.algebra.evaluation import compiled
from solvergen.derivation.expansion import HALF_LOG_SNR
from solvergen.measurement.problems import GaussianMixture
from solvergen.specification.solver import Solver
from solvergen.symbols import alpha, sigma, t

HALF_LOG_SNRS = (-1.5, 2.0)
"""Where a run that is measured starts and ends: the network changes in between, and every named
schedule gets there."""

BISECTIONS = 80
"""Of a time between the ends of a run: more than float64 tells apart."""

SAMPLES = 13
"""Quantiles of the noise at which an error is measured."""


def interior(module: ModuleType) -> tuple[float, float]:
    """Start and end of a run in which every quantity is finite: lambda from -1.5 to 2."""
    low, high = module.half_log_snr(np.array([module.T_MAX, module.T_MIN]))
    wanted = np.clip(HALF_LOG_SNRS, low, high)
    start, end = module.time_at_half_log_snr(wanted)
    return float(start), float(end)


@dataclass(frozen=True)
class Whole:
    """The longest run that a solver may take, and the order that is left.

    Attributes:
        start, end: its times.
        order: what its ends leave; None if alpha and sigma vanish at neither of them, or it may not
            touch them.
        logarithm: the error has a factor log(1/h) beside that power of h.
    """

    start: float
    end: float
    order: Fraction | None
    logarithm: bool

    @classmethod
    def of(cls, module: ModuleType, solver: Solver) -> "Whole":
        """From one end of the domain to the other, or to a time inside of it."""
        both = (solver.endpoints.start, solver.endpoints.end)
        is_touched = [bool(one.place and not one.obstacle) for one in both]
        places = zip(is_touched, interior(module), (module.T_MAX, module.T_MIN), strict=True)
        start, end = (float(at if touched else inside) for touched, inside, at in places)
        parts = zip(is_touched, both, strict=True)
        orders = [(one.order, not one.logarithm) for touched, one in parts if touched and one.order]
        order, is_plain = min(orders, default=(None, True))
        return cls(start, end, order, not is_plain)


def grid(module: ModuleType, solver: Solver, whole: Whole, steps: int) -> NDArray[np.float64]:
    """Times with even steps in gamma, or in time if gamma is infinite at an end of the run."""
    with np.errstate(divide="ignore"):
        ends = gamma_at(module, solver, np.array([whole.start, whole.end]))
    uniform = np.linspace(0.0, 1.0, steps + 1)
    if not np.isfinite(ends).all():
        return whole.start + (whole.end - whole.start) * uniform
    rises = 1.0 if ends[1] > ends[0] else -1.0
    wanted = rises * (ends[0] + (ends[1] - ends[0]) * uniform)
    early, late = np.full_like(uniform, whole.start), np.full_like(uniform, whole.end)
    for _ in range(BISECTIONS):
        middle = 0.5 * (early + late)
        before = rises * gamma_at(module, solver, middle) < wanted
        early, late = np.where(before, middle, early), np.where(before, late, middle)
    found = 0.5 * (early + late)
    found[0], found[-1] = whole.start, whole.end
    return found


def gamma_at(module: ModuleType, solver: Solver, time: NDArray[np.float64]) -> NDArray[np.float64]:
    """The expansion variable, from the module's functions of time."""
    if solver.expansion == HALF_LOG_SNR:
        return np.asarray(module.half_log_snr(time))
    values = (time, module.alpha(time), module.sigma(time))
    function = compiled(
        solver.schedule.substitute(solver.expansion.variable), (t, alpha, sigma), "numpy"
    )
    return np.broadcast_to(function(*values), time.shape)


def errors(
    run: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]],
    problem: GaussianMixture,
    module: ModuleType,
    solver: Solver,
    whole: Whole,
    counts: Iterable[int],
) -> Iterator[float]:
    """Root mean square errors at the end of runs of so many steps; ``run(x, timesteps)``."""
    x, exact = flowed(problem, module, (whole.start, whole.end))
    for count in counts:
        found = run(x, grid(module, solver, whole, count))
        yield float(np.sqrt(np.mean((found - exact) ** 2)))


def flowed(
    problem: GaussianMixture, module: ModuleType, times: tuple[float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Samples [n, 1] at the start of a run, and where the exact flow takes them."""
    ends = tuple((float(module.alpha(time)), float(module.sigma(time))) for time in times)
    return _flowed(problem, ends)


@lru_cache(maxsize=64)
def _flowed(problem: GaussianMixture, ends: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Samples [n, 1] at the start of a run, and where the exact flow takes them."""
    alpha_s, sigma_s = ends[0]
    spread = np.sqrt(0.9 * alpha_s**2 + sigma_s**2)
    x = alpha_s * 0.1 + spread * np.linspace(-1.5, 1.5, SAMPLES)[:, None]
    return x, problem.exact_flow(x, *ends)


def rate(found: Sequence[float]) -> float:
    """The last rate, or the median of the last three if that is higher: where two powers of h
    cancel, one rate is too high and the next too low.
    """
    rates = np.log2(np.divide(found[:-1], found[1:]))
    return float(max(rates[-1], np.median(rates[-3:])))
