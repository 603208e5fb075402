"""What ``solvergen verify`` and users' own tests measure on an emitted module.

Every figure is compared with something that does not come from the module: the order with the
exact flow of a mixture of Gaussians, the functions of time and the coefficients with mpmath.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray

from solvergen import targets
from solvergen.algebra import precision
from solvergen.algebra.evaluation import evaluate_mp, points_near_ends
from solvergen.errors import EmissionError
from solvergen.measurement import derivation
from solvergen.measurement.accuracy import coefficient_error
from solvergen.measurement.arrays import as_input, as_numpy
from solvergen.measurement.checks import Check, Verification, accuracy
from solvergen.measurement.pairs import pair_error
from solvergen.measurement.problems import GaussianMixture, model
from solvergen.scalars.reference import Reference, ReferenceScalars
from solvergen.schedules import named
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.specification.solver import Solver, from_specification
from solvergen.symbols import t
from solvergen.targets.files import load

ORDER_TOLERANCE = 0.15
"""Of a rate that has settled: a method of another order is off by 1."""

FUNCTION_TOLERANCE = 1e-13
"""Of a function of time, up to 10^-15 of the domain from its ends: three digits below float64."""

COEFFICIENT_TOLERANCE = 1e-12
"""Of a coefficient, which is a sum of products of such functions."""

HALF_LOG_SNRS = (-1.5, 2.0)
"""Where a run that is measured starts and ends: the network changes in between, and every named
schedule gets there."""

ERROR_FLOOR = 3e-10
"""An error below which no more steps are tried: a high order divides it by hundreds with the next
number of steps, and then it is the rounding of thousands of them."""

SMALL = 1e-3
"""The part of the largest value below which a function counts as near one of its zeros, and the
margin of a bound that is computed in float64 from a maximum over points."""

AMPLIFICATION_STEPS = 20
"""Enough for main steps of every history, and as long as a sampler's."""

SAMPLES = 5
"""Of these steps: the first, the last and some between, whose weights take quadratures."""

STEPS = tuple(2**k for k in range(4, 13))
"""Each twice the one before, until the rate has settled."""

SETTLED = 0.03
"""A fifth of ``ORDER_TOLERANCE``: how little a rate may change when the steps double again."""

AGREEMENT_STEPS = (1, 5, 20)
"""One step shows a coefficient, five a start-up, twenty what a run makes of both."""

TWO_GAUSSIANS = GaussianMixture(
    np.array([0.4, 0.6]), np.array([[-1.0], [0.8]]), np.array([0.09, 0.16])
)
CONTRACT = (
    "ORDER", "SPEC", "alpha", "sigma", "half_log_snr", "time_at_half_log_snr", "timesteps",
    "coefficients", "Stepper", "sample",
)  # fmt: skip
OF_ONE_GRID = ("ORDER", "SPEC", "TIMESTEPS", "COEFFICIENTS", "sample")


def verify(file: str | Path) -> Verification:
    """Measure an emitted module.

    Raises:
        EmissionError: the file is not a module that solvergen emitted.
    """
    module = load(file)
    baked = hasattr(module, "TIMESTEPS")
    contract = OF_ONE_GRID if baked else CONTRACT
    missing = [name for name in contract if not hasattr(module, name)]
    if missing:
        raise EmissionError(
            f"{file} has no {', '.join(missing)}; expected a module that solvergen emitted."
        )
    solver = from_specification(module.SPEC)
    if baked:
        exact = check_baked_coefficients(module, solver)
        return Verification(str(file), (check_stated_order(module, solver), exact))
    checks = (
        check_stated_order(module, solver),
        check_measured_order(module, solver),
        *check_functions(module, solver),
        check_coefficients(module, solver),
        *((check_amplification(module, solver),) if interpolates(solver) else ()),
    )
    return Verification(str(file), checks)


def check_stated_order(module: ModuleType, solver: Solver) -> Check:
    """The order in the module against the one computed anew from its SPEC."""
    found = module.ORDER
    return Check("order, proved", str(solver.order), f"states {found}", found == solver.order)


def check_measured_order(module: ModuleType, solver: Solver) -> Check:
    """The rate at which the error falls when the number of steps doubles."""
    rate = measured_order(module, solver)
    return Check(
        "order, measured",
        f"{module.ORDER} +- {ORDER_TOLERANCE}",
        f"{rate:.3f}",
        abs(rate - module.ORDER) <= ORDER_TOLERANCE,
    )


def check_functions(module: ModuleType, solver: Solver) -> tuple[Check, ...]:
    """alpha, sigma, lambda and its inverse in float64 against 50 digits, close to both ends too."""
    schedule = solver.schedule
    points = points_near_ends(float(schedule.t_min), float(schedule.t_max))
    checks = []
    for name in ("alpha", "sigma", "half_log_snr"):
        expression = schedule.substitute(getattr(schedule, name))
        exact = [evaluate_mp(expression, t, point) for point in points]
        worst = _worst(getattr(module, name)(np.array(points)), exact)
        checks.append(accuracy(f"{name}(t)", worst, FUNCTION_TOLERANCE))
    inside = np.array(points)
    back = module.time_at_half_log_snr(module.half_log_snr(inside))
    width = points[-1] - points[0]
    worst = float(np.max(np.abs(back - inside)) / width)
    checks.append(accuracy("t(lambda(t)) - t", worst, FUNCTION_TOLERANCE))
    return tuple(checks)


def check_coefficients(module: ModuleType, solver: Solver) -> Check:
    """The coefficients of a coarse and a fine grid, and of an adaptive step, against mpmath."""
    worst = 0.0
    start, end = interior(module)
    for steps in (8, 40):
        grid = module.timesteps(steps, "time", start=start, end=end)
        chosen = sorted({0, solver.program.history, steps - 1})
        worst = max(
            worst, coefficient_error(solver, module.coefficients(grid), grid.tolist(), chosen)
        )
    if hasattr(module, "sample_adaptive"):
        worst = max(worst, pair_error(solver, module, start, 0.9 * start + 0.1 * end))
    return accuracy("coefficients", worst, COEFFICIENT_TOLERANCE)


def interpolates(solver: Solver) -> bool:
    """Whether the weights of a main step are means of a Lagrange basis over the clock."""
    last = solver.program.main.combines[-1]
    return last.rule.is_plain or len(last.support) == 1


def check_baked_coefficients(module: ModuleType, solver: Solver) -> Check:
    """The coefficients of a module for one grid against mpmath, inside the domain."""
    grid = module.TIMESTEPS.tolist()
    inside = [float(solver.schedule.t_min) < time < float(solver.schedule.t_max) for time in grid]
    steps = [n for n in range(len(grid) - 1) if inside[n] and inside[n + 1]]
    worst = coefficient_error(solver, module.COEFFICIENTS, grid, steps)
    return accuracy(f"coefficients of {len(steps)} steps", worst, COEFFICIENT_TOLERANCE)


def check_amplification(module: ModuleType, solver: Solver) -> Check:
    """sum_j |ell_j|, by which a step amplifies errors of the model, against its bound.

    ell_j is a mean of L_j over the step with positive weights, so the sum is at most the Lebesgue
    constant max over [0, 1] of sum_j |L_j(theta)|: 2^k - 1 for k nodes with equal steps in gamma.
    The weights are those that the coefficients are compared with (``check_coefficients``).
    """
    start, end = interior(module)
    grid = module.timesteps(AMPLIFICATION_STEPS, "time", start=start, end=end).tolist()
    reference = Reference(solver.weights, solver.prediction)
    combine = solver.program.main.combines[-1]
    found = bound = 0.0
    with mpmath.workdps(precision.MEASUREMENT):
        for n in np.linspace(solver.program.history, AMPLIFICATION_STEPS - 1, SAMPLES, dtype=int):
            scalars = ReferenceScalars.over(reference, solver.program.main, grid, int(n))
            found = max(found, float(sum(map(abs, scalars.weights(combine)))))
            bound = max(bound, lebesgue_constant(np.array(scalars.places(combine), dtype=float)))
    return Check(
        "amplification sum |ell_j|",
        f"<= {bound:.3g}, the Lebesgue constant",
        f"{found:.3g}",
        found <= bound * (1 + SMALL),
    )


def lebesgue_constant(places: NDArray[np.float64]) -> float:
    """max over [0, 1] of sum_j |L_j(theta)|."""
    theta = np.linspace(0.0, 1.0, 101)
    total = np.zeros_like(theta)
    for place in places:
        others = places[places != place]
        total += np.abs(np.prod([(theta - one) / (place - one) for one in others], axis=0))
    return float(total.max())


def interior(module: ModuleType) -> tuple[float, float]:
    """Start and end of a run in which every quantity is finite: lambda from -1.5 to 2."""
    low, high = module.half_log_snr(np.array([module.T_MAX, module.T_MIN]))
    wanted = np.clip(HALF_LOG_SNRS, low, high)
    start, end = module.time_at_half_log_snr(wanted)
    return float(start), float(end)


def measured_order(module: ModuleType, solver: Solver) -> float:
    """log2 of the error ratio when the number of steps doubles, once it has settled.

    The problem is a mixture of two Gaussians in one dimension, whose exact flow is known.
    """
    start, end = interior(module)
    ends = tuple((float(module.alpha(time)), float(module.sigma(time))) for time in (start, end))
    (alpha, sigma) = ends[0]
    x = alpha * 0.1 + np.sqrt(0.9 * alpha**2 + sigma**2) * np.linspace(-1.5, 1.5, 13)[:, None]
    exact = TWO_GAUSSIANS.exact_flow(x, *ends)
    predict = adapted(module, model(TWO_GAUSSIANS, solver))
    spacing = "time" if solver.weights.expansion.name == "time" else "half_log_snr"
    errors: list[float] = []
    for steps in STEPS:
        grid = module.timesteps(steps, spacing, start=start, end=end)
        found = as_numpy(module, module.sample(predict, as_input(module, x), grid))
        errors.append(float(np.sqrt(np.mean((found - exact) ** 2))))
        if settled(errors):
            break
    return float(np.log2(errors[-2] / errors[-1]))


def settled(errors: Sequence[float]) -> bool:
    """Whether the rate has stopped to change, or the error has reached the rounding floor."""
    if errors[-1] < ERROR_FLOOR and len(errors) > 1:
        return True
    if len(errors) < 4:
        return False
    last, before = np.log2(errors[-2] / errors[-1]), np.log2(errors[-3] / errors[-2])
    return bool(abs(last - before) < SETTLED)


def adapted(
    module: ModuleType, predict: Callable[[Any, float], NDArray[Any]]
) -> Callable[[Any, Any], Any]:
    """A numpy model as the module's target calls it."""
    return targets.get(module.SPEC["target"]).model(predict)


def assert_order(module: ModuleType, order: int) -> None:
    """For users' tests: the module states this order, and a run on an exact problem has it.

    Raises:
        AssertionError: with the table of what was measured.
    """
    solver = from_specification(module.SPEC)
    stated = Check("order, asserted", str(order), f"states {module.ORDER}", order == module.ORDER)
    checks = (stated, check_stated_order(module, solver), check_measured_order(module, solver))
    Verification(f"order {order}", checks).require()


def assert_coefficients(module: ModuleType) -> None:
    """For users' tests: functions of time and coefficients agree with mpmath, in many digits.

    Raises:
        AssertionError: with the table of what was measured.
    """
    solver = from_specification(module.SPEC)
    checks = (*check_functions(module, solver), check_coefficients(module, solver))
    Verification("coefficients", checks).require()


def assert_derivation(schedule: NoiseSchedule | str) -> None:
    """For users' tests: what is derived from alpha and sigma is what numeric derivatives of the
    two formulas say (``derivation_checks``).

    Raises:
        AssertionError: with the table of what was measured.
    """
    schedule = named.get(schedule) if isinstance(schedule, str) else schedule
    Verification(f"derivation of {schedule.name}", derivation.of(schedule)).require()


def assert_agrees(module_a: ModuleType, module_b: ModuleType, tolerance: float = 1e-10) -> None:
    """For users' tests: two modules take the same steps, whatever their targets and predictions.

    Both run an exact problem in float64 through the same noise levels; what is compared is the
    sample over alpha, which is the same for two schedules of one signal-to-noise ratio.

    Raises:
        AssertionError: with the table of what was measured.
    """
    checks = tuple(_agreement(module_a, module_b, steps, tolerance) for steps in AGREEMENT_STEPS)
    Verification(f"{_title(module_a)} agrees with {_title(module_b)}", checks).require()


def _agreement(a: ModuleType, b: ModuleType, steps: int, tolerance: float) -> Check:
    """The difference of two modules' samples, relative to the larger."""
    found, expected = (_sample_through_levels(one, steps) for one in (a, b))
    worst = float(np.max(np.abs(found - expected)) / np.max(np.abs(expected)))
    return accuracy(f"sample in {steps} step{'s' if steps > 1 else ''}", worst, tolerance)


def _sample_through_levels(module: ModuleType, steps: int) -> NDArray[Any]:
    """x / alpha at the end of a run through evenly spaced half-log-SNRs."""
    solver, (start, end) = from_specification(module.SPEC), HALF_LOG_SNRS
    grid = module.time_at_half_log_snr(np.linspace(start, end, steps + 1))
    scale = float(module.alpha(grid[0]))
    x = scale * np.exp(-start) * np.linspace(-1.5, 1.5, 13)[:, None]
    found = module.sample(adapted(module, model(TWO_GAUSSIANS, solver)), as_input(module, x), grid)
    return as_numpy(module, found) / float(module.alpha(grid[-1]))


def _title(module: ModuleType) -> str:
    spec = module.SPEC
    return f"{spec['scheme']} on {spec['schedule']['name']} ({spec['target']})"


def _worst(found: NDArray[np.float64], exact: Sequence[Any]) -> float:
    """The largest relative error; zeros of the exact value inside the domain aside."""
    scale = min(max(abs(value) for value in exact), 1)
    return float(
        max(
            abs(mpmath.mpf(float(value)) - truth) / max(abs(truth), SMALL * scale)
            for value, truth in zip(found, exact, strict=True)
        )
    )
