"""The flow itself, by many steps: what a run of few steps is compared with."""

from typing import Any

import numpy as np

from solvergen.errors import SolvergenError
from solvergen.runs.propagator import Model, follow
from solvergen.runs.scalars import Floats
from solvergen.tuning.arrays import as_native, as_numpy
from solvergen.tuning.examples import Examples
from solvergen.tuning.grids import THETA
from solvergen.tuning.methods import TEACHING, Method, Setting

NETWORK = TEACHING, 200
EXACT = Method("velocity", "theta", "unipc:3:exact:ramp"), 320
CHECKED = 4
"""Noises on which it is compared with twice the steps."""
RATIOS = (3.0, 1.0)
"""alpha/sigma, times the spread of the answers, at which outputs are looked at."""
POINTS = 2001
WORST_GUESS = 3.0
"""A mixture's posterior mean has 0.2 to 0.5 here, guided by 7 too; other kinds 10 to 10^6."""
FOLLOWS = 0.5
"""Nearly 0 of a posterior mean; 1 and more of noise that is taken for velocity or flow."""
DATA_ITSELF = Method("data", "time", "multistep:1")
WORST = 0.1
"""Of that difference, as a part of the spread of the answers: no teacher."""


def taught(
    setting: Setting,
    model: Model,
    noise: Any,
    teacher: tuple[Method, int] = NETWORK,
) -> Examples:
    """Noises with their answers.

    Args:
        setting: where it is run.
        model: (x, t) -> the prediction.
        noise: x at the start [samples, ..].
        teacher: the method, and its steps.

    Raises:
        SolvergenError: the answers are no numbers, or change with the steps.
    """
    method, steps = teacher
    answer = _run(setting, model, noise, method, steps)
    if not np.isfinite(as_numpy(answer)).all():
        raise SolvergenError(
            f"the teacher, {steps} steps of {method}, ends at values that are not finite; expected "
            f"a model that returns {setting.prediction.name} at every t from {setting.start:g} to "
            f"{setting.end:g}"
        )
    few = noise[:CHECKED]
    gap = as_numpy(_run(setting, model, few, method, 2 * steps) - answer[:CHECKED])
    difference = float(np.sqrt(np.square(gap).mean()))
    spread = float(as_numpy(answer).std())
    if not difference <= WORST * spread:
        raise SolvergenError(
            f"the teacher has not converged: {steps} and {2 * steps} steps of {method} differ by "
            f"{difference:.2g}, and its answers have a spread of {spread:.2g}; expected less than "
            f"{WORST:g} of it. Does the model return {setting.prediction.name}? Else give the "
            "teacher more steps, or a shorter range."
        )
    return Examples(noise, answer, difference)


def require_kind(setting: Setting, model: Model, examples: Examples) -> None:
    """Refuse a model whose outputs cannot be the prediction that they are said to be.

    The posterior mean of the data is the best of all guesses. Where the teacher's answers are
    noised again a little, it is at least no worse than the best linear guess, by far; and where
    nearly all is noise it does not follow the noise. A model that is taken for another kind fails
    in one of the two mostly; flow for velocity, or data for velocity, may pass.

    Raises:
        SolvergenError: it fails.
    """
    answers = as_numpy(examples.answer)
    variance = float(answers.var())
    random = np.random.default_rng(len(answers))
    worst = 0.0
    for ratio in RATIOS:
        time = _time_of(setting, ratio / np.sqrt(variance))
        alpha, sigma = (float(one[0]) for one in setting.values.at(np.array([time]))[1:3])
        x = alpha * answers + sigma * random.standard_normal(answers.shape)
        gap = _data(setting, model, as_native(x, examples.noise), time) - answers
        worst = max(worst, float(np.square(gap).mean() / variance * (1 + ratio**2)))
    noise = as_numpy(examples.noise)
    data = _data(setting, model, examples.noise, setting.start)
    follows = float((data * noise).mean() / np.sqrt(np.square(noise).mean() * variance))
    if not (worst < WORST_GUESS and abs(follows) < FOLLOWS):
        raise SolvergenError(
            f"the outputs of the model are no {setting.prediction.name}: the data that follow from "
            f"them are {worst:.2g} times as far from the truth as a linear guess where there is "
            f"little noise (expected < {WORST_GUESS:g}), and at t = {setting.start:g} they follow "
            f"the noise by {follows:.2g} (expected < {FOLLOWS:g}). Say what the model predicts: "
            "noise, data, velocity, flow"
        )


def _data(setting: Setting, model: Model, x: Any, time: float) -> Floats:
    """The data that a prediction means."""
    a, b = setting.moments(DATA_ITSELF, (time, setting.end)).place(time).conversion
    return a * as_numpy(x) + b * as_numpy(model(x, time))


def _time_of(setting: Setting, ratio: float) -> float:
    """The time in the range whose alpha/sigma is the nearest to a ratio."""
    levels = np.linspace(0, 1, POINTS) ** 4
    times = setting.end + (setting.start - setting.end) * levels[1:]
    _, alpha, sigma, *_ = setting.values.at(times)
    with np.errstate(all="ignore"):
        return float(times[np.argmin(np.abs(np.log(alpha / sigma / ratio)))])


def _run(setting: Setting, model: Model, noise: Any, method: Method, steps: int) -> Any:
    grid = THETA.times(setting.values, setting.start, setting.end, steps)
    assert grid is not None
    return follow(setting.program(method), setting.moments(method, grid), model, noise)
