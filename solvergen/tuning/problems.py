"""Exact problems to choose on: mixtures, guided ones, two points, digits."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from solvergen.errors import SolvergenError
from solvergen.measurement import problems
from solvergen.measurement.problems import Floats, GaussianMixture, Problem
from solvergen.naming import shown
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.tuning.methods import Method, Setting

TIGHT = 0.3
"""Standard deviation of a component, as a part of that of the data: modes that are apart, and are
decided on in the middle of a run."""


@dataclass(frozen=True, eq=False)
class Guided:
    """Classifier-free guidance: u + scale (c - u) of the predictions of two distributions.

    Ho and Salimans 2022 (arXiv:2207.12598), eq. 6, with scale = 1 + w.
    """

    conditional: Problem
    unconditional: Problem
    scale: float

    @property
    def dimensions(self) -> int:
        """The size of the last axis of x."""
        return self.conditional.dimensions

    def posterior(self, x: Floats, alpha_t: float, sigma_t: float) -> tuple[Floats, Floats]:
        """(x0, score), both guided: they are linear in the prediction."""
        c, u = (
            one.posterior(x, alpha_t, sigma_t) for one in (self.conditional, self.unconditional)
        )
        data, score = (b + self.scale * (a - b) for a, b in zip(c, u, strict=True))
        return data, score


def mixture(
    dimensions: int, components: int, std: float = 1.0, seed: int = 0, tight: float = TIGHT
) -> GaussianMixture:
    """Equal components whose means are normal, std [1] over all of the data."""
    random = np.random.default_rng(seed)
    means = random.standard_normal((components, dimensions)) * std * np.sqrt(1 - tight**2)
    return GaussianMixture(np.ones(components), means, np.full(components, (tight * std) ** 2))


def guided(
    dimensions: int, components: int, scale: float, std: float = 1.0, seed: int = 0
) -> Guided:
    """A quarter of a mixture's components, guided away from the rest."""
    whole = mixture(dimensions, components, std, seed)
    count = max(components // 4, 1)
    part = GaussianMixture(np.ones(count), whole.means[:count], whole.variances[:count])
    return Guided(part, whole, scale)


def two_points(std: float = 1.0, tight: float = 0.05) -> GaussianMixture:
    """Two points, a little smoothed, in one dimension: every sample has to decide."""
    return GaussianMixture(np.ones(2), np.array([[-std], [std]]), np.full(2, (tight * std) ** 2))


@dataclass(frozen=True, eq=False)
class ExactModel:
    """The network that knows a distribution: (x [.., d], t) -> its prediction.

    Args:
        name: of the problem.
        problem: the distribution.
        setting: schedule and prediction.
    """

    name: str
    problem: Problem
    setting: Setting

    def __call__(self, x: Floats, time: float) -> Floats:
        return self._predict(x, time)

    @cached_property
    def _predict(self) -> Callable[[Floats, float], Floats]:
        solver = self.setting.solver(Method("data", "time", "multistep:1"))
        return problems.model(self.problem, solver)

    def __reduce__(self) -> tuple[type, tuple[str, Problem, Setting]]:
        """Without what is computed: a worker computes it again."""
        return ExactModel, (self.name, self.problem, self.setting)


def digits(std: float | None = None) -> GaussianMixture:
    """Handwritten digits, smoothed, in [-1, 1], or scaled to a standard deviation."""
    found = problems.digits()
    if std is None:
        return found
    scale = std / float(found.means.std())
    return GaussianMixture(found.weights, found.means * scale, found.variances * scale**2)


NAMED: dict[str, Callable[[], Problem]] = {
    "digits": digits,
    "mixture": lambda: mixture(64, 10, seed=1),
    "mixture_2d": lambda: mixture(2, 8, seed=2),
    "guided": lambda: guided(16, 16, 4.0),
    "two_points": two_points,
}


@dataclass(frozen=True)
class Usual:
    """How a problem is posed if nobody says: schedule and prediction by name, and t at the end."""

    schedule: str
    prediction: str
    end: float

    def prediction_with(self, schedule: NoiseSchedule | None) -> str:
        """That of networks with a schedule, which may be another one; None is its own."""
        is_own = schedule is None or schedule.name == self.schedule
        return self.prediction if is_own else "noise"


FLOW_MATCHING = Usual("rectified_flow", "flow", 0.0)
DIFFUSION = Usual("vp_linear", "noise", 1e-3)
USUAL = {
    "digits": FLOW_MATCHING,
    "mixture": DIFFUSION,
    "mixture_2d": FLOW_MATCHING,
    "guided": DIFFUSION,
    "two_points": FLOW_MATCHING,
}
"""Of every named problem: as benchmarks/tuning.py poses it."""


def get(name: str) -> Problem:
    """A problem by its name.

    Raises:
        SolvergenError: there is none.
    """
    if name not in NAMED:
        raise SolvergenError(f"unknown problem {shown(name)}; expected {', '.join(NAMED)}")
    return NAMED[name]()
