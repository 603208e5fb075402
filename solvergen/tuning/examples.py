"""Noises, where the exact flow takes them, and how far from there a run ends."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from solvergen.runs.propagator import Model, Propagator
from solvergen.runs.scalars import Floats
from solvergen.tuning.arrays import as_numpy
from solvergen.tuning.runs import sample_together

FLOOR = 1e-12
"""Of an error whose logarithm is taken."""


HELD = 2**26
"""Numbers of predictions that runs hold at once."""


@dataclass(frozen=True, eq=False)
class Examples:
    """Some noises and their answers.

    Attributes:
        noise: x at the start [samples, ..].
        answer: the teacher's x at the end.
        difference: of the teacher from one of twice the steps: the root mean square of it.
    """

    noise: Any
    answer: Any
    difference: float

    def __len__(self) -> int:
        return len(self.noise)

    def part(self, first: int, last: int) -> "Examples":
        """Some of them."""
        return Examples(self.noise[first:last], self.answer[first:last], self.difference)


def residuals(run: Propagator, model: Model, examples: Examples) -> Floats:
    """z_N - y, over the root of its size [samples, size]: the norm of a row is an RMS."""
    gap = as_numpy(run.sample(model, examples.noise) - examples.answer)
    rows = gap.reshape(len(gap), -1)
    return rows / np.sqrt(rows.shape[1])


def errors(run: Propagator, model: Model, examples: Examples) -> Floats:
    """The root mean square error of every sample; infinite where it is not a number."""
    with np.errstate(all="ignore"):
        found = np.sqrt(np.square(residuals(run, model, examples)).sum(axis=1))
    return np.where(np.isfinite(found), found, np.inf)


def errors_together(runs: Sequence[Propagator], model: Model, examples: Examples) -> list[Floats]:
    """``errors`` of runs with the same times, at once."""
    held = math.prod(examples.noise.shape) * runs[0].evaluations
    size = max(1, HELD // held)
    found: list[Floats] = []
    for n in range(0, len(runs), size):
        result = sample_together(runs[n : n + size], model, examples.noise)
        gap = as_numpy(result - examples.answer)
        rows = gap.reshape(len(gap), len(examples), -1)
        with np.errstate(all="ignore"):
            each = np.sqrt(np.square(rows).mean(axis=2))
        found += [*np.where(np.isfinite(each), each, np.inf)]
    return found


@dataclass(frozen=True)
class Score:
    """What the errors of some samples are taken together."""

    geometric_mean: float
    median: float
    rms: float

    @classmethod
    def of(cls, errors: Floats) -> "Score":
        """Of the errors of samples."""
        return cls(
            float(np.exp(np.log(np.maximum(errors, FLOOR)).mean())),
            float(np.median(errors)),
            float(np.sqrt(np.square(errors).mean())),
        )

    def __str__(self) -> str:
        return f"{self.geometric_mean:.2g} (median {self.median:.2g}, RMSE {self.rms:.2g})"
