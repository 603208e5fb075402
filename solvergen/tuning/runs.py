"""Some runs at once."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from solvergen.runs.propagator import Model, Propagator
from solvergen.tuning.arrays import as_native


def sample_together(runs: Sequence[Propagator], model: Model, x: Any) -> Any:
    """Some runs with the same times, as one batch: [runs, samples, ..].

    The model sees runs times samples at once: what a small network costs is mostly the call.
    """
    shape = (len(runs), *x.shape)
    factors = as_native(np.stack([run.landings for run in runs]), x)
    factors = factors.reshape((*factors.shape, *(1,) * len(x.shape)))
    predictions: list[Any] = []
    for i, time in enumerate([*runs[0].times.tolist(), None]):
        y = factors[:, i, 0] * x
        for j, prediction in enumerate(predictions):
            y = y + factors[:, i, j + 1] * prediction
        if time is not None:
            flat = y.reshape((-1, *x.shape[1:]))
            predictions.append(model(flat, time).reshape(shape))
    return y
