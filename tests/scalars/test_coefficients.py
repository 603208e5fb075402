"""The weights of emitted modules against mpmath at 50 digits, on sampled step sequences."""

import importlib.util
import itertools
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import mpmath
import numpy as np
import pytest

import solvergen as sg
from solvergen.measurement.amplification import check_amplification, lebesgue_constant
from solvergen.measurement.certificate import draft
from solvergen.measurement.ends import interior
from solvergen.methods.rule import interpolated
from solvergen.scalars.reference import Reference, ReferenceScalars
from solvergen.scalars.rows import exact_rows, steps_of

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "coefficients.py"
CLASSICAL = {
    2: [3 / 2, -1 / 2],
    3: [23 / 12, -16 / 12, 5 / 12],
    4: [55 / 24, -59 / 24, 37 / 24, -9 / 24],
}


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("coefficients_benchmark", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def solver(schedule: Any, integrand: str, expansion: str, scheme: str = "multistep:4:ramp"):
    """One whose landings are Phi x + M0 sum_j ell_j N_j, N_0 being the prediction."""
    return sg.Solver(schedule, integrand, integrand, expansion, scheme, limiter=None)


def landing(spec: sg.Solver, grid: np.ndarray, order: int) -> tuple[float, list[float]]:
    """Phi, and M0 ell_0, M0 ell_1, .. of the last step of a grid."""
    module = draft(spec)
    factor, *weights = module.coefficients(grid)[-1].tolist()[spec.table.first_factor :]
    return factor, weights[:order]


def exact_landing(spec: sg.Solver, grid: np.ndarray) -> tuple[Any, list[Any]]:
    """The same from the definitions, in the digits that are in force."""
    number, _ = steps_of(spec.program, spec.table, grid)[-1]
    phase, last = spec.table.phases[number], len(grid) - 2
    reference = Reference(spec.weights, spec.prediction)
    scalars = ReferenceScalars.over(reference, phase.program, grid.tolist(), last)
    ((factor, *weights),) = exact_rows(spec.table, phase, scalars)
    return factor, weights


def error(found: Sequence[float], exact: Sequence[Any]) -> float:
    """The largest, relative to the largest exact value."""
    gaps = [abs(mpmath.mpf(a) - b) for a, b in zip(found, exact, strict=True)]
    return float(max(gaps) / max(map(abs, exact)))


@pytest.mark.slow_but(2)
@pytest.mark.parametrize(
    ("schedule", "integrand", "expansion"),
    [
        ("rectified_flow", "data", "time"),
        ("rectified_flow", "score", "half_log_snr"),
        ("vp_linear", "noise", "time"),
        ("vp_linear", "data", "half_log_snr"),
        ("vp_alphabar", "velocity", "time"),
        ("sub_vp", "velocity", "theta"),
        ("zero_terminal_snr", "data", "sigma/(alpha+sigma)"),
        ("ve", "straight", "clock"),
        ("ve_geometric", "velocity", "theta"),
    ],
)
def test_weights_on_wild_grids(benchmark, schedule: str, integrand: str, expansion: str) -> None:
    """Uniform, geometric, uneven by 1e4, tiny, and touching either end; 2 to 5 nodes."""
    spec = benchmark.solver(sg.schedules.get(schedule), integrand, expansion)
    with mpmath.workdps(benchmark.DIGITS + benchmark.GUARD):
        samples = benchmark.sample(spec.schedule, count=8)
        errors = benchmark.worst(spec, samples)
    assert {"uniform", "geometric", "uneven", "tiny"} <= set(errors)
    assert max(errors.values()) < 1e-13, errors


@pytest.mark.parametrize("expansion", ["half_log_snr", "time", "theta"])
@pytest.mark.parametrize("integrand", ["noise", "data", "flow"])
def test_short_equal_steps_have_the_weights_of_adams_bashforth(
    integrand: str, expansion: str
) -> None:
    spec = solver("vp_linear", integrand, expansion)
    times = 0.5 + np.arange(5)[::-1] * 2.0**-40
    with mpmath.workdps(40):
        exact, _ = Reference(spec.weights, sg.NOISE).means(*map(mpmath.mpf, times[:2:-1]), 1)
        for order, classical in CLASSICAL.items():
            _, found = landing(spec, times[-order - 1 :], order)
            assert error(found, [exact * ell for ell in classical]) < 1e-10


@pytest.mark.slow_but(7)
@pytest.mark.parametrize("expansion", ["half_log_snr", "time", "theta"])
@pytest.mark.parametrize("integrand", ["noise", "data", "flow"])
@pytest.mark.parametrize("schedule", ["vp_linear", "rectified_flow", "sub_vp"])
def test_steps_of_every_length_keep_their_digits(
    schedule: str, integrand: str, expansion: str
) -> None:
    """Phi relative to itself and M0 ell_j to the largest, though it is as short as the step."""
    lengths = (2.0**-1, 2.0**-10, 2.0**-20, 2.0**-30, 2.0**-40)
    for order, length in itertools.product((3, 4), lengths):  # written out, and by ``_weights``
        spec = solver(schedule, integrand, expansion, f"multistep:{order}:ramp")
        grid = 0.1 + length * np.array([1.75, 1.5, 1.25, 1.0, 0.0])[4 - order :]
        factor, found = landing(spec, grid, order)
        with mpmath.workdps(40):
            exact_factor, exact = exact_landing(spec, grid)
            assert error([factor], [exact_factor]) < 2e-15, (order, length)
            assert error(found, exact) < 1e-14, (order, length)


def test_ten_nodes_of_arbitrary_spacing_reproduce_polynomials() -> None:
    """For gamma = q = t the weights integrate (t - s)^k exactly: the mean is h^k/(k + 1)."""
    spec = solver("rectified_flow", "flow", "time", "multistep:10:ramp")
    times = np.array([0.1, 0.11, 0.1100001, 0.112, 0.15, 0.2, 0.31, 0.312, 0.5, 0.77, 0.9])
    _, found = landing(spec, times[::-1], 10)
    with mpmath.workdps(40):
        step = mpmath.mpf(times[0]) - mpmath.mpf(times[1])
        for k in range(10):
            terms = [
                mpmath.mpf(a) * ((mpmath.mpf(b) - times[1]) / step) ** k
                for a, b in zip(found, times[1:], strict=True)
            ]
            gap = abs(mpmath.fsum(terms) - step / (k + 1))
            assert gap < 1e-13 * max(map(abs, terms))


@pytest.mark.parametrize("schedule", ["rectified_flow", "vp_cosine", "ve_geometric"])
def test_zeroth_moment_without_a_clock_keeps_its_digits(schedule: str) -> None:
    """M0 of the velocity or score by quadrature, against mpmath, for a short and a long step."""
    spec = sg.Solver(schedule, sg.SCORE, sg.SCORE, "half_log_snr", "multistep:2", limiter=None)
    for t, s in ((0.3, 0.8), (0.4, 0.4 + 2.0**-40)):
        with mpmath.workdps(40):
            exact, _ = Reference(spec.weights, sg.NOISE).means(mpmath.mpf(t), mpmath.mpf(s), 1)
            _, found = landing(spec, np.array([s, t]), 1)
            assert error(found, [exact]) < 1e-13


@pytest.mark.parametrize("scheme", ["multistep:1", "multistep:3", "singlestep:3"])
def test_amplification_is_below_the_lebesgue_constant(scheme: str) -> None:
    spec = sg.Solver("vp_linear", sg.NOISE, sg.DATA, "half_log_snr", scheme, limiter=None)
    module = draft(spec)
    check = check_amplification(module, spec, *interior(module))
    assert check.passed, check
    assert float(check.found) >= 1


def test_lebesgue_constant_of_equal_steps() -> None:
    """sum_j |L_j(1)| = 2^k - 1 at the nodes 0, -1, .., -(k-1)."""
    for k in range(1, 6):
        assert lebesgue_constant(-np.arange(k, dtype=float)) == pytest.approx(2**k - 1)


@pytest.mark.parametrize("h", [1e-12, 1e-8, 1e-4, 0.1, 1.0, 10.0, 40.0, 100.0])
@pytest.mark.parametrize("integrand", ["noise", "data"])
def test_steps_of_every_length_have_the_weights_of_phi_functions(integrand: str, h: float) -> None:
    """mu_k = k! phi_(k+1)(z)/phi_1(z) with z = h for noise and -h for data (THEORY section 4)."""
    schedule = sg.NoiseSchedule(1, sg.t, domain=(0, "10**30"), name="wide")
    spec = solver(schedule, integrand, "half_log_snr", "multistep:3:ramp")
    grid = 1e10 * np.exp(-h * np.arange(4))
    _, found = landing(spec, grid, 3)
    with mpmath.workdps(150):
        gamma = [-mpmath.log(mpmath.mpf(float(one))) for one in grid]
        step = gamma[3] - gamma[2]
        z = step if integrand == "noise" else -step
        mu = [_phi_moment(k, z) for k in range(3)]
        places = [(gamma[2 - j] - gamma[2]) / step for j in range(3)]
        exact = interpolated(places, mu)
        start, end = map(mpmath.mpf, grid[2:].tolist())
        m0 = end - start if integrand == "noise" else 1 - end / start
        assert error(found, [m0 * ell for ell in exact]) < 5e-14


def _phi_moment(k: int, z) -> mpmath.mpf:
    """k! phi_(k+1)(z)/phi_1(z) by the recurrence z phi_(k+1) = phi_k - 1/k!."""
    phi = [mpmath.exp(z)]
    for j in range(k + 1):
        phi.append((phi[j] - 1 / mpmath.factorial(j)) / z)
    return mpmath.factorial(k) * phi[k + 1] / phi[1]


@pytest.mark.parametrize("scheme", ["unipc:2:bh1:ramp", "unipc:3:bh1:ramp:ramp"])
@pytest.mark.parametrize(
    "choice",
    [
        ("rectified_flow", "flow", "half_log_snr"),
        ("rectified_flow", "straight", "theta"),
        ("vp_linear", "velocity", "half_log_snr"),
        ("vp_linear", "data", "half_log_snr"),
    ],
    ids="-".join,
)
def test_frozen_moments_of_a_step_and_of_its_correction(
    choice: tuple[str, ...], scheme: str
) -> None:
    """Each has the density and the mean of its own interval."""
    schedule, integrand, expansion = choice
    spec = sg.Solver(schedule, integrand, integrand, expansion, scheme)
    module = draft(spec)
    grid = np.array([0.95, 0.8, 0.45, 0.3, 0.1, 0.02])
    rows, reference = module.coefficients(grid), Reference(spec.weights, spec.prediction)
    for n, (number, first) in enumerate(steps_of(spec.program, spec.table, grid)):
        phase = spec.table.phases[number]
        scalars = ReferenceScalars.over(reference, phase.program, grid.tolist(), n)
        for k, exact in enumerate(exact_rows(spec.table, phase, scalars)):
            found = rows[first + k, spec.table.first_factor :][: len(exact)]
            assert error(found.tolist(), exact) < 1e-13, (n, phase.name)
