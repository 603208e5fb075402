"""The exact law of a chain with noise on Gaussian data, through a module's own code.

For data N(m, s^2) the posterior mean is affine in x, so every step is an affine map of the sample
and the normals that were drawn before: x_n = mu_n + a_n x'_0 + sum_k b_nk z_k. A run on a batch
whose rows are the coefficients of 1, x'_0, z_1, .., z_K, with unit vectors for normals, computes
them all, and nothing is sampled:

    E x_n = mu_n,      var x_n = a_n^2 var x_0 + sum_k b_nk^2.

The equation's own law is that of the schedule, alpha m and alpha^2 s^2 + sigma^2.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import Integer

from solvergen import targets
from solvergen.derivation.parameterization import at_schedule
from solvergen.measurement.arrays import as_input, as_numpy
from solvergen.measurement.checks import Check, accuracy
from solvergen.measurement.ends import interior
from solvergen.schedules.identities import constant_ratio
from solvergen.schedules.values import at_time
from solvergen.specification.solver import Solver
from solvergen.symbols import alpha as alpha_symbol
from solvergen.symbols import sigma as sigma_symbol

_SYMBOLS = (alpha_symbol, sigma_symbol)
MEAN, SPREAD = 0.7, 0.3**0.5
"""Of the data."""
STEPS = (80, 160, 320, 640, 1280)
TOLERANCE = 0.15
MEAN_TOLERANCE = 1e-11
"""Of some hundred steps, each of which keeps the mean of data that it knows."""


@dataclass(frozen=True)
class Law:
    """Mean and variance of a run's result, and those of the equation."""

    mean: float
    variance: float
    exact_mean: float
    exact_variance: float

    @property
    def variance_error(self) -> float:
        """Relative, with its sign."""
        return self.variance / self.exact_variance - 1

    @property
    def distance(self) -> float:
        """W2 of the two normals."""
        between = self.mean - self.exact_mean, self.variance**0.5 - self.exact_variance**0.5
        return float(np.hypot(*between))


def law(
    module: ModuleType,
    solver: Solver,
    grid: NDArray[np.float64],
    data: tuple[float, float] = (MEAN, SPREAD),
    **given: Any,
) -> Law:
    """The law of a run from the exact marginal at the start of a grid.

    Args:
        module: emitted for the solver.
        solver: the solver.
        grid: its times.
        data: mean and standard deviation.
        given: what ``coefficients`` takes: eta, noise_scale.
    """
    mean, spread = data
    alpha, sigma = module.alpha(grid), module.sigma(grid)
    exact = alpha**2 * spread**2 + sigma**2
    rows = module.coefficients(grid, **given)
    x = np.zeros((len(rows) + 2, 1))
    x[0], x[1] = alpha[0] * mean, np.sqrt(exact[0])

    own = as_input(module, x)
    stepper = module.Stepper(own, module.Plan(grid, own.dtype, **given))
    model = targets.get(module.SPEC["target"]).model(_affine(solver, mean, spread, x.shape[0]))
    while not stepper.done:
        unit = np.zeros(x.shape)
        unit[2 + stepper.index] = 1.0
        stepper.step(model(stepper.x, stepper.t), noise=as_input(module, unit))
    found = as_numpy(module, stepper.x)[:, 0]
    return Law(found[0], float(np.sum(found[1:] ** 2)), alpha[-1] * mean, float(exact[-1]))


def checks(module: ModuleType, solver: Solver) -> tuple[Check, ...]:
    """The weak order in the module against the one computed anew, and the rate at which the error
    of the variance falls when the number of steps doubles; the mean, where every step keeps it."""
    report = solver.weak_report
    if report is None:
        found = law(module, solver, _grid(module, solver, STEPS[0]))
        return _mean(solver, abs(found.mean - found.exact_mean))
    stated = report.order == module.WEAK_ORDER
    proved = Check("weak order, proved", str(report.order), f"states {module.WEAK_ORDER}", stated)
    errors, rate, mean = [], np.nan, 0.0
    for steps in STEPS:
        found = law(module, solver, _grid(module, solver, steps))
        errors.append(abs(found.variance_error))
        mean = max(mean, abs(found.mean - found.exact_mean))
        if len(errors) > 1:
            rate = float(np.log2(errors[-2] / errors[-1]))
        if len(errors) > 2 and abs(rate - report.order) <= TOLERANCE:
            break
    is_right = abs(rate - report.order) <= TOLERANCE
    wanted = f"{report.order} +- {TOLERANCE}"
    return (
        proved,
        Check("weak order, variance of Gaussian data", wanted, f"{rate:.3f}", bool(is_right)),
        *_mean(solver, mean),
    )


def _mean(solver: Solver, error: float) -> tuple[Check, ...]:
    """Every step keeps the mean if N is constant along the mean of the samples, c_data constant."""
    schedule, data = solver.schedule, at_schedule(solver.integrand.data, solver.schedule)
    is_kept = data == 0 or constant_ratio(data, Integer(1), schedule) is not None
    return (accuracy("mean of Gaussian data", error, MEAN_TOLERANCE),) if is_kept else ()


def _grid(module: ModuleType, solver: Solver, steps: int) -> NDArray[np.float64]:
    start, end = interior(module)
    spacing = "time" if solver.expansion.name == "time" else "half_log_snr"
    found: NDArray[np.float64] = module.timesteps(steps, spacing, start=start, end=end)
    return found


def _affine(
    solver: Solver, mean: float, spread: float, rows: int
) -> Callable[[Any, float], NDArray[Any]]:
    """The prediction for Gaussian data on rows of which the first alone has a constant."""
    schedule, prediction = solver.schedule, solver.prediction
    first = np.zeros((rows, 1))
    first[0] = mean

    def predict(x: Any, time: float) -> NDArray[Any]:
        time = schedule.network_time(time)
        alpha, sigma = (float(at_time(one, schedule, time)) for one in _SYMBOLS)
        c_data, c_noise = (
            float(at_time(one, schedule, time)) for one in (prediction.data, prediction.noise)
        )
        x = np.asarray(x, dtype=np.float64)
        deviation = x - alpha * first
        total = alpha**2 * spread**2 + sigma**2
        x0 = first + alpha * spread**2 / total * deviation
        eps = sigma / total * deviation
        found: NDArray[Any] = c_data * x0 + c_noise * eps
        return found

    return predict
