"""Implicit methods: the fixed-point iteration to a tolerance, on every reader."""

from contextlib import nullcontext
from fractions import Fraction

import numpy as np
import pytest
import torch
from readers import GRID, READERS, TARGETS, as_target, for_target, model, sample

import solvergen as sg
from solvergen.errors import SchemeError, SolvergenError
from solvergen.measurement import problems
from solvergen.methods import notation
from solvergen.program import lowering, order, stability
from solvergen.specification import schemes

MIXTURE = problems.GaussianMixture(
    np.array([0.4, 0.6]), np.array([[-1.0], [0.8]]), np.array([0.09, 0.16])
)
X = np.array([[0.3, -1.2, 2.0], [0.7, 0.1, -0.4]])


def flow_solver(scheme: str) -> sg.Solver:
    """dx/dt = N in gamma = t: Phi = 1, M0 = t - s and constant weights."""
    return sg.Solver("rectified_flow", "flow", "flow", "time", scheme)


@pytest.mark.slow_but(1)
@pytest.mark.parametrize(
    "choice",
    [
        ("rectified_flow", "noise", "data", "half_log_snr", "adams_moulton:3:tol=1e-10"),
        ("vp_linear", "velocity", "flow", "time", "backward_euler:tol=1e-9:60"),
        ("vp_linear", "velocity", "velocity", "theta", "trapezoidal:tol=1e-3"),
    ],
    ids=lambda choice: choice[-1],
)
def test_readers_agree(choice: tuple[str, ...]) -> None:
    """Loose tolerances too: every reader stops after the same iteration."""
    spec = sg.Solver(*choice)
    expected = sample("interpreter", spec)
    for target in TARGETS:
        found = sample(target, spec)
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13, err_msg=target)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(("tolerance", "least"), [(1e-3, 1e-9), (1e-7, 1e-13)])
def test_the_implicit_equation_is_solved(reader: str, tolerance: float, least: float) -> None:
    """|F(y) - y| / (1 + max(|x|, |y|)) <= tolerance for y = F(y) of the trapezoidal rule, and the
    iteration stops when that is reached."""
    spec = flow_solver(f"trapezoidal:tol={tolerance}")
    start, end = 0.8, 0.6
    y = sample(reader, spec, [start, end])
    implicit = X + (end - start) / 2 * (model(X, start) + model(y, end))
    residual = np.sqrt(np.mean(((implicit - y) / (1 + np.maximum(abs(X), abs(y)))) ** 2))
    assert least < residual <= tolerance


@pytest.mark.parametrize("target", TARGETS)
def test_iterations_are_as_many_as_the_tolerance_needs(target: str) -> None:
    """For dx/dt = -2 x the iteration contracts by h, so that digits cost evaluations."""
    counts = []
    for tolerance in (1e-2, 1e-4, 1e-8):
        module = sg.compile(flow_solver(f"backward_euler:tol={tolerance}:40"), target)
        calls: list[float] = []

        def network(x, t, calls=calls):
            calls.append(float(t))
            return 2 * x

        found = module.sample(network, as_target(target, X), [0.8, 0.7], callback=id)
        assert np.asarray(found) == pytest.approx(X / 1.2, rel=3 * tolerance)
        assert calls[0] == pytest.approx(0.8)
        assert calls[1:] == pytest.approx([0.7] * (len(calls) - 1))
        counts.append(len(calls))
    assert counts[0] < counts[1] < counts[2]
    assert counts[2] == pytest.approx(1 + np.log(1e-8) / np.log(0.2), abs=2)


@pytest.mark.parametrize("k", range(1, 6))
def test_order_of_the_solved_equation(k: int) -> None:
    """With one node more than the explicit method: k, start-up included."""
    found = order.report(lowering.lower(schemes.adams_moulton(k, tolerance=1e-3)))
    assert (found.main, found.order) == (k, k)


@pytest.mark.parametrize(("scheme", "expected"), [("backward_euler", 1), ("adams_moulton:3", 3)])
def test_measured_order(scheme: str, expected: int) -> None:
    spec = sg.Solver("rectified_flow", "flow", "data", "half_log_snr", f"{scheme}:tol=1e-12:60")
    module = sg.compile(spec, "numba")
    network = problems.model(MIXTURE, spec)
    x = np.linspace(-1.2, 1.2, 7)[:, None]
    exact = MIXTURE.exact_flow(x, (0.2, 0.8), (0.6, 0.4))
    errors = []
    for steps in (64, 128):
        found = module.sample(network, x, module.timesteps(steps, "half_log_snr", 0.8, 0.4))
        errors.append(np.sqrt(np.mean((found - exact) ** 2)))
    assert spec.order == expected
    assert abs(np.log2(errors[0] / errors[1]) - expected) <= 0.15


def stiff(x: np.ndarray, t: float) -> np.ndarray:
    return 40.0 * x


@pytest.mark.parametrize("target", TARGETS)
def test_an_equation_that_is_not_solved_is_an_error(target: str) -> None:
    """Where the iteration does not contract; with the change, the tolerance and the remedy."""
    module = sg.compile(flow_solver("trapezoidal:tol=1e-6:7"), target)
    message = (
        r"evaluation 1: .* not solved after 7 iterations, .* expected 1e-06: take shorter steps"
    )
    with pytest.raises(RuntimeError, match=message):  # a scan raises nothing, a loop does
        module.sample(for_target(target, stiff), as_target(target, X), GRID, callback=id)
    grid = np.linspace(0.8, 0.7, 41)
    found = module.sample(for_target(target, stiff), as_target(target, X), grid)
    ratio = 40 * 0.0025 / 2
    assert np.asarray(found) == pytest.approx(X * ((1 - ratio) / (1 + ratio)) ** 40, abs=1e-4)


def test_torch_says_that_it_waits_for_the_device() -> None:
    """A run of explicit steps does not: it has no need of values, and can be captured."""
    for scheme, waits in (("trapezoidal:tol=1e-6", True), ("trapezoidal:2", False)):
        module = sg.compile(flow_solver(scheme), "torch")
        assert ("waits for the device" in module.Stepper.__doc__) == waits
        plan = module.Plan(GRID)
        plan.rows, plan.times = plan.rows.to("meta"), plan.times.to("meta")
        x = torch.empty(3, device="meta")
        with pytest.raises(RuntimeError, match="meta") if waits else nullcontext():
            module.sample(lambda y, t: y + t, x, plan)


def test_the_interpreter_refuses_it_too() -> None:
    with pytest.raises(SolvergenError, match="not solved after 7 iterations"):
        sample("interpreter", flow_solver("trapezoidal:tol=1e-6:7"), GRID, stiff)


@pytest.mark.parametrize("target", TARGETS)
def test_single_precision(target: str) -> None:
    """float32 reaches a tolerance above its rounding."""
    module = sg.compile(flow_solver("trapezoidal:tol=1e-5"), target)
    exact = np.asarray(module.sample(for_target(target, model), as_target(target, X), GRID))
    network = for_target(target, lambda x, t: model(x, t).astype(np.float32))
    found = np.asarray(module.sample(network, as_target(target, X.astype(np.float32)), GRID))
    assert found.dtype == np.float32
    assert np.abs(found - exact).max() < 1e-4


def test_stability_of_the_solved_equation() -> None:
    """R(z) = (1 + z/2)/(1 - z/2) and 1/(1 - z) while the iteration comes to its tolerance within
    its limit, no step beyond."""
    trapezoidal = lowering.lower(schemes.get("trapezoidal:tol=1e-6:200"))
    backward = lowering.lower(schemes.get("backward_euler:tol=1e-6:200"))
    assert stability.is_zero_stable(trapezoidal)
    for z in (-0.9, 0.3 + 0.4j):
        assert stability.growth(trapezoidal, z) == pytest.approx(abs((1 + z / 2) / (1 - z / 2)))
        assert stability.growth(backward, z) == pytest.approx(abs(1 / (1 - z)))
    assert stability.growth(backward, -1.5) == np.inf
    assert stability.growth(lowering.lower(schemes.get("backward_euler:tol=1e-6")), -0.9) == np.inf
    assert stability.error_constants(trapezoidal, 2).linear == Fraction(-1, 12)


def test_names() -> None:
    """The lecture's implicit methods, by their names there."""
    assert schemes.get("backward_euler:3") == schemes.adams_moulton(1, 3)
    assert schemes.get("trapezoidal") == schemes.adams_moulton(2)
    assert schemes.get("trapezoidal:tol=1e-6:9") == schemes.adams_moulton(2, 9, 1e-6)
    heun = schemes.get("implicit_heun")
    assert (heun.main.evaluations, order.report(lowering.lower(heun)).order) == (2, 2)


@pytest.mark.parametrize("text", ["adams_moulton:4:tol=1e-06:20", "trapezoidal:tol=1e-3"])
def test_text_round_trip(text: str) -> None:
    scheme = schemes.get(text)
    assert schemes.get(schemes.to_text(scheme)) == scheme
    assert schemes.get(notation.write(scheme)).phases == scheme.phases


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("adams_moulton:2:tol=0", "0 < tolerance < 1"),
        ("adams_moulton:2:tol=1e-6:0", "limit of iterations is 0; expected 1"),
        ("adams_moulton:2:tol=few", "unknown scheme"),
        ("trapezoidal:tol=1e-6:3:4", "unknown scheme"),
        ("1/2:{0}; 1:{0,s1}; repeat(1e-6,9)", "does not depend on itself"),
        ("1:{0}; repeat(1e-6,9)", "does not depend on itself"),
        ("1:{0}; 1:{s1,0}; repeat(1e-6,9) | 1:{0,-1}", "another phase than the main one"),
    ],
)
def test_refused(text: str, message: str) -> None:
    with pytest.raises(SchemeError, match=message):
        schemes.get(text)
