"""The exact law of a chain with noise on Gaussian data, through a module's own code.

For data N(m, s^2) the posterior mean is affine in x, so every step is an affine map of the sample
and the normals that were drawn before: x_n = mu_n + a_n x'_0 + sum_k b_nk z_k. A run on the vector
of the coefficients of 1, x'_0, z_1, .., z_K, with unit vectors for normals and Gaussian data whose
mean lies along the first, computes them all, and nothing is sampled:

    E x_n = mu_n,      var x_n = a_n^2 var x_0 + sum_k b_nk^2.

The equation's own law is that of the schedule, alpha m and alpha^2 s^2 + sigma^2.
"""

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
from solvergen.measurement.problems import GaussianMixture, model
from solvergen.schedules.identities import constant_ratio
from solvergen.specification.solver import Solver
from solvergen.symbols import length

MEAN, SPREAD = 0.7, 0.3**0.5
"""Of the data."""
STEPS = (80, 160, 320, 640, 1280)
CHURN = 4.0
"""By how much half-log-SNR is raised over a run whose steps raise it by a number."""
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
    plan = module.Plan(grid, as_input(module, np.zeros(1)).dtype, **given)
    x = np.zeros((1, len(plan.rows) + 2))
    x[0, :2] = alpha[0] * mean, np.sqrt(exact[0])
    units = np.eye(x.size)[2:, None]
    stepper = module.Stepper(as_input(module, x), plan)
    known = GaussianMixture(np.ones(1), mean * np.eye(1, x.size), np.array([spread**2]))
    network = targets.get(module.SPEC["target"]).model(model(known, solver))
    while not stepper.done:
        noise = as_input(module, units[stepper.index])
        stepper.step(network(stepper.x, stepper.t), noise=noise)
    found = as_numpy(module, stepper.x)[0]
    return Law(found[0], float(np.sum(found[1:] ** 2)), alpha[-1] * mean, float(exact[-1]))


def checks(module: ModuleType, solver: Solver) -> tuple[Check, ...]:
    """The weak order in the module against the one computed anew, and the rate at which the error
    of the variance falls when the number of steps doubles; the mean, where every step keeps it.

    A number by which noise is raised falls as the steps do; of a function of time alone no rate."""
    report, chosen = solver.weak_report, solver.stochasticity
    assert chosen is not None
    if report is None or (chosen.raises and not (chosen.is_constant or chosen.formula.has(length))):
        found = law(module, solver, _grid(module, solver, STEPS[0]))
        return _mean(solver, abs(found.mean - found.exact_mean))
    stated = report.order == module.WEAK_ORDER
    proved = Check("weak order, proved", str(report.order), f"states {module.WEAK_ORDER}", stated)
    errors, rate, mean = [], np.nan, 0.0
    for steps in STEPS:
        scaled = chosen.raises and chosen.is_constant
        given: dict[str, Any] = {"churn": CHURN / steps} if scaled else {}
        found = law(module, solver, _grid(module, solver, steps), **given)
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
