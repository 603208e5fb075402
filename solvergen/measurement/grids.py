"""Time grids that are made to find errors of coefficients: every step of them is a test.

In the logit of time, y = log((t - t_min)/(t_max - t)), both ends of a domain are alike. Grids are
uneven all over it; clusters, in which steps of 10^-12 and of 1 of the distance to the nearer end
are neighbours; to 10^-14 of the width, or 512 spacings, of both ends; a few huge steps; and even in
lambda with steps about as long as a panel of the quadrature, where poles are felt most.
"""

from collections.abc import Iterator
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from solvergen.algebra.evaluation import time_of
from solvergen.algebra.steady import NUMPY

Array = NDArray[np.float64]

SEED = 16
CLOSEST = 1e-14
"""How near to an end, as a part of the width, a grid comes, ..."""
SPACINGS = 512
"""... and in spacings of float64, of which an end such as 0.9999 is itself some fraction away."""
SHORTEST = 1e-12
"""The shortest step of a cluster, as a part of the distance to the nearer end."""
STEP_LENGTHS = (0.4, 1.1, 1.9, 2.3, 4.7)
"""In lambda."""
FAR = 30.0


def adversarial(module: ModuleType, points: int, rounds: int) -> Iterator[Array]:
    """Decreasing grids inside the domain of a module, the same every time.

    Args:
        module: an emitted one.
        points: how many times a long grid has.
        rounds: how many grids of each kind.
    """
    low, high = float(module.T_MIN), float(module.T_MAX)
    reach = -NUMPY.log(CLOSEST)
    random = np.random.default_rng(SEED)
    for _ in range(rounds):
        logits = random.uniform(-reach, reach, points)
        yield falling(time_of(logits, low, high), low, high)
        yield _clustered(random, points, low, high)
        few = random.uniform(-reach, reach, int(random.integers(4, 9)))
        yield falling(time_of(few, low, high), low, high)
        width = NUMPY.power(10.0, random.uniform(-3, 0))
        near = random.uniform(-3, 3) + width * np.cumsum(random.uniform(0.5, 1.5, points))
        yield falling(time_of(near, low, high), low, high)
    levels = np.clip(module.half_log_snr(np.array([high, low])), -FAR, FAR)
    for length in STEP_LENGTHS:
        start = levels[0] + random.uniform(0.0, length)
        even = np.arange(start, levels[1], length)
        if even.size > 2:
            yield falling(module.time_at_half_log_snr(even), low, high)
    for steps in (8, 64):
        yield np.linspace(high, low, steps + 3)[1:-1]


def _clustered(random: np.random.Generator, points: int, low: float, high: float) -> Array:
    """Times at 10^-12 .. 1 of the distance to the nearer end from some centres."""
    count = 6
    centres = time_of(random.uniform(-12.0, 12.0, count), low, high)
    distance = np.minimum(centres - low, high - centres)
    exponents = random.uniform(NUMPY.log10(SHORTEST), 0.0, (points // count, count))
    offsets = NUMPY.power(10.0, exponents)
    return falling((centres + random.choice([-1.0, 1.0]) * offsets * distance).ravel(), low, high)


def falling(times: Array, low: float, high: float) -> Array:
    """The times that lie well inside, each once, in falling order."""
    gaps = (max(CLOSEST * (high - low), SPACINGS * np.spacing(end)) for end in (low, high))
    first, last = gaps
    inside = times[(times - low >= first) & (high - times >= last)]
    found = np.unique(inside)[::-1]
    return found[np.append(True, -np.diff(found) > 8 * np.spacing(found[1:]))[: found.size]]
