"""The readers of a step program: the interpreter in exact scalars, and every target."""

from collections.abc import Callable, Sequence
from typing import Any

import mpmath
import numpy as np

import solvergen as sg
from solvergen import targets
from solvergen.program import adaptive, interpreter
from solvergen.scalars.reference import Reference, ReferenceScalars

TARGETS = tuple(name for name in targets.names() if targets.get(name).loop)
"""Those that take any solver and any grid; the others are for a library with its own."""
ADAPTIVE = tuple(name for name in TARGETS if targets.get(name).adapts)
"""Those that choose their steps too."""
READERS = ("interpreter", *TARGETS)
GRID = [0.8, 0.72, 0.6, 0.55, 0.42, 0.3]
X = np.array([[0.3, -1.2, 2.0], [0.7, 0.1, -0.4]])


def model(x: np.ndarray, t: float) -> np.ndarray:
    """Some smooth nonlinear network."""
    return np.tanh(x) * (1 + t) - 0.3 * x**2 / (1 + x**2) + t


class Rounded:
    """Scalars from mpmath, rounded once."""

    def __init__(self, exact: ReferenceScalars) -> None:
        self.exact = exact

    def __getattr__(self, name: str) -> Callable[[Any], Any]:
        def rounded(argument: Any) -> Any:
            value = getattr(self.exact, name)(argument)
            if isinstance(value, list | tuple):
                return [float(one) for one in value]
            return float(value)

        return rounded


def rounded_scalars(spec: sg.Solver, grid: Sequence[float]) -> Callable[[Any, int], Rounded]:
    """The scalars of a run over ``grid`` for the interpreter."""
    reference = Reference(spec.weights, spec.prediction)
    return lambda phase, n: Rounded(ReferenceScalars.over(reference, phase, grid, n))


def as_target(target: str, x: np.ndarray) -> Any:
    """An array as a target takes it."""
    return targets.get(target).to_array(x)


def from_target(target: str, x: Any) -> np.ndarray:
    """The way back."""
    return targets.get(target).to_numpy(x)


def for_target(target: str, network: Callable[..., np.ndarray]) -> Callable[..., Any]:
    """A network of numpy arrays as a target calls it."""
    return targets.get(target).model(network)


def sample(
    reader: str,
    spec: sg.Solver,
    grid: Sequence[float] = GRID,
    network: Callable[..., np.ndarray] = model,
    x: np.ndarray = X,
) -> np.ndarray:
    """The result of a run over ``grid``."""
    if reader == "interpreter":
        scalars = rounded_scalars(spec, grid)
        return interpreter.run(spec.program, scalars, network, x, len(grid) - 1)
    module = sg.compile(spec, reader)
    found = module.sample(for_target(reader, network), as_target(reader, x), grid)
    return from_target(reader, found)


def sample_adaptive(
    reader: str,
    spec: sg.Solver,
    ends: tuple[float, float],
    tolerance: float,
    network: Callable[..., np.ndarray] = model,
    x: np.ndarray = X,
) -> tuple[np.ndarray, int, int]:
    """The result of an adaptive run, and how many steps were taken and rejected."""
    if reader == "interpreter":
        found = _interpreted_adaptive(spec, ends, tolerance, network, x)
        taken = sum(trial.taken for trial in found.trials)
        return found.x, taken, len(found.trials) - taken
    module = sg.compile(spec, reader)
    stepper = module.AdaptiveStepper(as_target(reader, x), tolerance, tolerance, *ends)
    predict = for_target(reader, network)
    while not stepper.done:
        stepper.step(predict(stepper.x, stepper.t))
    return from_target(reader, stepper.x), stepper.accepted, stepper.rejected


def _interpreted_adaptive(
    spec: sg.Solver, ends: tuple[float, float], tolerance: float, network: Any, x: np.ndarray
) -> adaptive.Run:
    reference = Reference(spec.weights, spec.prediction)
    pairs = tuple(zip(spec.program.pairs, spec.estimate_powers, strict=True))

    def gamma(t: float) -> float:
        try:
            return float(reference.gamma(mpmath.mpf(t)))
        except ZeroDivisionError:
            return float("inf")

    def scalars(phase: Any, start: float, end: float) -> Rounded:
        return Rounded(ReferenceScalars.over(reference, phase, (start, end), 0))

    def time_at(u: float) -> float:
        return float(reference.time_at(mpmath.mpf(u), *map(mpmath.mpf, ends[::-1])))

    inside = adaptive.Variable(gamma, time_at)
    in_time = adaptive.Variable(float, float)
    finite = all(np.isfinite(gamma(t)) for t in ends)
    return adaptive.run(
        lambda start, end: pairs[0 if np.isfinite([gamma(start), gamma(end)]).all() else 1],
        scalars,
        network,
        x,
        ends,
        inside if finite else in_time,
        (tolerance, tolerance),
    )
