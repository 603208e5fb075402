"""Data whose denoiser is exact, as a comparison of schedules takes them, and their exact paths."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from solvergen.errors import SolvergenError
from solvergen.measurement import problems
from solvergen.measurement.problems import GaussianMixture

Floats = NDArray[np.float64]

NOISE_LEVEL, DATA_LEVEL = -5.0, 5.0
"""lambda of the runs: from nearly pure noise to nearly pure data."""
IMAGES = 8
BISECTIONS = 48
ERF = np.vectorize(math.erf, otypes=[float])


@dataclass(frozen=True)
class Data:
    """Data whose denoiser is exact.

    Attributes:
        name: as the command line says it.
        problem: the distribution.
        levels: lambda where runs start and end.
    """

    name: str
    problem: GaussianMixture
    levels: tuple[float, float] = (NOISE_LEVEL, DATA_LEVEL)

    @property
    def spread(self) -> float:
        """The standard deviation of the data."""
        means, weights = self.problem.means, self.problem.weights[:, None]
        middle = (weights * means).sum(axis=0)
        apart = (weights * (means - middle) ** 2).sum(axis=0)
        inner = (self.problem.weights * self.problem.variances).sum()
        return float(np.sqrt(np.mean(apart) + inner))

    @cached_property
    def start(self) -> Floats:
        """x/alpha where the runs start: noise, and the mean of the data."""
        noise = np.exp(-self.levels[0])
        middle = float((self.problem.weights[:, None] * self.problem.means).mean(axis=1).sum())
        if self.problem.dimensions > 1:
            drawn = np.random.default_rng(0).standard_normal((IMAGES, self.problem.dimensions))
            return np.asarray(noise * drawn)
        quantiles = np.linspace(-2.2, 2.2, 23)[:, None]
        return np.asarray(middle + np.hypot(noise, self.spread) * quantiles)

    @cached_property
    def exact(self) -> Floats | None:
        """x/alpha where they end; None for more than one dimension, where no formula is known."""
        if self.problem.dimensions > 1:
            return None
        start, end = ((1.0, float(np.exp(-level))) for level in self.levels)
        return self.problem.exact_flow(self.start, start, end)


def data(text: str) -> Data:
    """``gaussian:S``, N(0, S^2); ``two:M``, points at -M and M; ``mixture``; or ``digits``.

    Raises:
        SolvergenError: it is none of those.
    """
    name, _, number = text.strip().partition(":")
    try:
        size = float(number) if number else 1.0
    except ValueError:
        size = -1.0
    if name == "gaussian" and 1e-3 <= size <= 100:
        return Data(text.strip(), _mixture([0.0], [size**2]))
    if name == "two" and 1e-2 <= size <= 100:
        return Data(text.strip(), _mixture([-size, size], 2 * [(size / 15) ** 2]))
    if name == "mixture" and not number:
        return Data(name, _mixture([-1.0, 2.0], [0.3, 0.3]))
    if name == "digits" and not number:
        return Data(name, problems.digits())
    raise SolvergenError(
        f"data {text!r}: expected gaussian:S, a standard deviation from 0.001 to 100; two:M, "
        "points at -M and M, from 0.01 to 100; mixture; or digits"
    )


def _mixture(means: Sequence[float], variances: Sequence[float]) -> GaussianMixture:
    return GaussianMixture(np.ones(len(means)), np.array(means)[:, None], np.array(variances))


def quantile_paths(problem: GaussianMixture, alpha: Floats, sigma: Floats, start: Floats) -> Floats:
    """Paths [times, points] in one dimension, by bisection of the quantiles that they keep."""
    spread = np.sqrt(alpha[:, None] ** 2 * problem.variances + sigma[:, None] ** 2)
    middle = alpha[:, None] * problem.means[:, 0]

    def below(x: Floats) -> Floats:
        z = (x[..., None] - middle[: len(x), None]) / spread[: len(x), None]
        return np.asarray((problem.weights * (1 + ERF(z / np.sqrt(2.0))) / 2).sum(axis=-1))

    kept = below(start[None])[0]
    reach = 8 * spread.max() + np.abs(middle).max()
    low, high = (np.full((len(alpha), len(start)), sign * reach) for sign in (-1, 1))
    for _ in range(BISECTIONS):
        x = (low + high) / 2
        is_above = below(x) > kept
        low, high = np.where(is_above, low, x), np.where(is_above, x, high)
    return np.asarray((low + high) / 2)
