"""What ``solvergen verify`` and users' own tests measure on an emitted module.

Every figure is compared with something that does not come from the module: the order with the
exact flow of a mixture of Gaussians, the functions of time and the coefficients with mpmath.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray

from solvergen import targets
from solvergen.algebra.evaluation import evaluate_mp, points_near_ends
from solvergen.errors import EmissionError, SolvergenError
from solvergen.measurement import contract, derivation, ends
from solvergen.measurement import gaussian_law as weak
from solvergen.measurement.accuracy import coefficient_error
from solvergen.measurement.amplification import check_amplification, interpolates
from solvergen.measurement.arrays import as_input, as_numpy
from solvergen.measurement.checks import Check, Verification, accuracy
from solvergen.measurement.ends import HALF_LOG_SNRS, flowed, interior
from solvergen.measurement.pairs import pair_error
from solvergen.measurement.problems import GaussianMixture, model
from solvergen.measurement.schedulers import check_text, measured
from solvergen.naming import shown
from solvergen.schedules import named
from solvergen.schedules.flatness import has_flat_end
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

ERROR_FLOOR = 3e-10
"""An error below which no more steps are tried: a high order divides it by hundreds with the next
number of steps, and then it is the rounding of thousands of them."""

END_FLOOR = 1e-12
"""The same for a run of a thousand steps at most, whose rates settle late."""

SMALL = 1e-3
"""The part of the largest value below which a function counts as near one of its zeros."""

STEPS = tuple(2**k for k in range(4, 13))
"""Each twice the one before, until the rate has settled."""

SETTLED = 0.03
"""A fifth of ``ORDER_TOLERANCE``: how little a rate may change when the steps double again."""

END_STEPS = tuple(2**k for k in range(5, 14))
"""Beside an end the powers of h that follow differ by a half at times, and may cancel for some
steps."""

FIRST_END_STEPS = 6
"""Of these are always taken; more only while the rate is less than it should be."""

HARDER = 0.2
"""How much further from its order the rate of a run to the ends may be, for every order above 2."""

AGREEMENT_STEPS = (1, 5, 20)
"""One step shows a coefficient, five a start-up, twenty what a run makes of both."""

TWO_GAUSSIANS = GaussianMixture(
    np.array([0.4, 0.6]), np.array([[-1.0], [0.8]]), np.array([0.09, 0.16])
)


def verify(file: str | Path) -> Verification:
    """Measure an emitted module, which runs the file: any code in it, with the user's rights.

    Raises:
        EmissionError: the file is not a module that solvergen emitted, or breaks when it is run.
    """
    baked = contract.require(file)
    module = load(file)
    try:
        checks = _checks(module, from_specification(module.SPEC), baked)
    except SolvergenError:
        raise
    except Exception as error:
        raise EmissionError(
            f"{file} cannot be measured, {type(error).__name__}: {shown(str(error))}; expected a "
            "module that solvergen emitted, unchanged."
        ) from error
    return Verification(str(file), checks)


def _checks(module: ModuleType, solver: Solver, baked: bool) -> tuple[Check, ...]:
    if baked:
        exact = check_baked_coefficients(module, solver)
        return (check_stated_order(module, solver), exact)
    written, module = check_text(module, solver), measured(module)
    return (
        *written,
        *_orders(module, solver),
        *check_functions(module, solver),
        *_coefficients(module, solver),
        *_amplification(module, solver),
    )


def _orders(module: ModuleType, solver: Solver) -> tuple[Check, ...]:
    """What is stated of orders, and what is measured of them."""
    stated = check_stated_order(module, solver)
    if solver.stochasticity is not None:
        return (stated, *weak.checks(module, solver))
    measured_order = check_measured_order(module, solver)
    return (stated, measured_order, *check_order_to_the_ends(module, solver))


def _coefficients(module: ModuleType, solver: Solver) -> tuple[Check, ...]:
    """Against mpmath; not where eta is infinite, of which there is no reference."""
    noise = solver.stochasticity
    if noise is not None and noise.kind == "renoise":
        return ()
    return (check_coefficients(module, solver),)


def _amplification(module: ModuleType, solver: Solver) -> tuple[Check, ...]:
    if not interpolates(solver):
        return ()
    return (check_amplification(module, solver, *interior(module)),)


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


def check_order_to_the_ends(module: ModuleType, solver: Solver) -> tuple[Check, ...]:
    """The order in the module against the one computed anew, and the rate of runs that touch the
    ends where alpha or sigma vanishes; nothing without such an end.

    The rate may be higher: where the power that is left has a small factor, the next one is seen.
    An error h^p log(1/h) falls by 2^p log(n)/log(2 n) when the number n of steps doubles, and rates
    of high orders do not settle before rounding. Bounded weights leave a second such error, since
    the k-th step from an end at gamma = inf is longer than the one before by a factor 1 + O(1/k).
    """
    stated, found = module.ORDER_TO_THE_ENDS, solver.endpoints.order
    same = stated == (None if found is None else float(found))
    checks = [Check("order to the ends, proved", str(found), f"states {stated}", same)]
    whole = ends.Whole.of(module, solver)
    if whole.order is None:
        return tuple(checks)
    claimed = float(whole.order if stated is None else stated)
    measured, rate, least = [], -np.inf, claimed
    for error in errors_to_the_ends(module, solver, whole):
        measured.append(error)
        if len(measured) > 1:
            steps = END_STEPS[len(measured) - 2]
            slack = np.log2(1 + 1 / np.log2(steps)) if whole.logarithm else 0.0
            slack *= 2 if solver.program.is_limited else 1
            least = claimed - slack - max(ORDER_TOLERANCE, HARDER * (claimed - 2))
            rate = ends.rate(measured)
        if len(measured) >= FIRST_END_STEPS and rate >= least:
            break
    if len(measured) > 1:
        wanted, where = f">= {least:.4g}", f"order from {whole.start:.3g} to {whole.end:.3g}"
        checks.append(Check(where, wanted, f"{rate:.3f}", bool(rate >= least)))
    return tuple(checks)


def errors_to_the_ends(module: ModuleType, solver: Solver, whole: ends.Whole) -> Iterator[float]:
    """Errors of runs of ``END_STEPS`` steps, as far as they are above rounding and tolerances."""
    predict, repeat = adapted(module, model(TWO_GAUSSIANS, solver)), solver.program.repeat
    floor = max(END_FLOOR, 100 * repeat.tolerance if repeat else 0.0)

    def run(x: NDArray[Any], grid: NDArray[Any]) -> NDArray[Any]:
        return as_numpy(module, module.sample(predict, as_input(module, x), grid))

    for error in ends.errors(run, TWO_GAUSSIANS, module, solver, whole, END_STEPS):
        yield error
        if error < floor:
            return


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
    errors = np.abs(back - inside) / (points[-1] - points[0])
    if has_flat_end(schedule):  # no value of lambda tells times apart there: it is compared itself
        levels = module.half_log_snr(inside)
        of_level = np.abs(module.half_log_snr(back) - levels) / np.maximum(np.abs(levels), 1.0)
        errors = np.minimum(errors, of_level)
    worst = float(np.max(errors))
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


def check_baked_coefficients(module: ModuleType, solver: Solver) -> Check:
    """The coefficients of a module for one grid against mpmath, inside the domain."""
    grid = module.TIMESTEPS.tolist()
    inside = [float(solver.schedule.t_min) < time < float(solver.schedule.t_max) for time in grid]
    steps = [n for n in range(len(grid) - 1) if inside[n] and inside[n + 1]]
    worst = coefficient_error(solver, module.COEFFICIENTS, grid, steps)
    return accuracy(f"coefficients of {len(steps)} steps", worst, COEFFICIENT_TOLERANCE)


def measured_order(module: ModuleType, solver: Solver) -> float:
    """log2 of the error ratio when the number of steps doubles, once it has settled.

    The problem is a mixture of two Gaussians in one dimension, whose exact flow is known.
    """
    start, end = interior(module)
    x, exact = flowed(TWO_GAUSSIANS, module, (start, end))
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
    """For users' tests: the module states this order, a run inside the domain has it, and a run to
    its ends the order that the module states for that, both on an exact problem.

    Raises:
        AssertionError: with the table of what was measured.
    """
    solver, module = from_specification(module.SPEC), measured(module)
    stated = Check("order, asserted", str(order), f"states {module.ORDER}", order == module.ORDER)
    checks = (stated, *_orders(module, solver))
    Verification(f"order {order}", checks).require()


def assert_coefficients(module: ModuleType) -> None:
    """For users' tests: functions of time and coefficients agree with mpmath, in many digits.

    Raises:
        AssertionError: with the table of what was measured.
    """
    solver, module = from_specification(module.SPEC), measured(module)
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
    module = measured(module)
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
