"""The matrix of a run: what modules sample, in x_T and the predictions."""

import numpy as np
import pytest

import solvergen as sg
from solvergen.runs.propagator import combination
from solvergen.runs.scalars import ScheduleValues
from solvergen.targets import rendering
from solvergen.targets.files import load_text

UNEVEN = (0.93, 0.8, 0.71, 0.45, 0.41, 0.2, 0.12)
X = np.array([[0.3, -1.2], [0.7, 2.0]])


def network(x, t):
    return np.tanh(x + np.cos(3 * t))


def module_of(solver):
    return load_text(rendering.render(solver, "numpy", "not measured"), "module_of_a_test")


def scale_of(matrix):
    return np.abs(matrix.landings).sum(axis=1).max()


@pytest.mark.parametrize(
    ("schedule", "integrand", "expansion", "scheme"),
    [
        ("vp_cosine", "data", "half_log_snr", "unipc:3"),
        ("ve", "noise", "sigma/alpha", "singlestep:3"),
        ("rectified_flow", "velocity", "theta", "general_linear:3"),
        ("vp_linear", "rate(t**2)", "time", "multistep:2"),
        ("edm", "data", "half_log_snr", "krogstad"),
    ],
)
def test_a_run_is_its_matrix(schedule, integrand, expansion, scheme):
    """Also where the integrating factor has no closed form."""
    solver = sg.Solver(schedule, "noise", integrand, expansion, scheme)
    low, high = map(float, solver.schedule.domain)
    grid = low + (high - low) * np.array(UNEVEN)
    module, matrix = module_of(solver), solver.propagator(grid)
    rows = module.coefficients(grid)
    np.testing.assert_allclose(matrix.times, rows[:, 0], rtol=1e-12)
    found, expected = matrix.sample(network, X), module.sample(network, X, grid)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11 * scale_of(matrix))
    np.testing.assert_array_equal(np.triu(matrix.weights), 0)


def test_bounded_weights_are_those_of_the_run():
    grid = [0.9, 0.88, 0.86, 0.84, 0.3, 0.1]
    solver = sg.Solver("vp_linear", "noise", "data", "half_log_snr", "multistep:3")
    matrix, free = solver.propagator(grid), solver.unlimited.propagator(grid)
    assert np.abs(matrix.landings - free.landings).max() > 0.1
    expected = module_of(solver).sample(network, X, np.array(grid))
    np.testing.assert_allclose(matrix.sample(network, X), expected, rtol=1e-11)


def test_a_baked_run_has_the_same_matrix():
    solver = sg.Solver("vp_cosine", "noise", "data", "half_log_snr", "multistep:2")
    grid = [0.9, 0.6, 0.3, 0.1]
    matrix, module = solver.propagator(grid), sg.compile(solver, "numpy", timesteps=grid)
    seen = []

    def unit(n):
        """The predictions are 0, but that of evaluation n, which is 1."""
        calls = iter(range(matrix.evaluations))
        seen.clear()

        def predict(x, t):
            seen.append(x.copy())
            return np.full_like(x, next(calls) == n)

        return predict

    for n in range(-1, matrix.evaluations):
        start = np.array([float(n < 0)])
        seen.append(module.sample(unit(n), start))
        np.testing.assert_allclose(
            np.concatenate(seen), matrix.landings[:, n + 1], rtol=1e-12, atol=1e-13
        )


def test_a_constant_integrand_is_integrated_exactly():
    """Each row of a run in N sums to the zeroth moment from the start."""
    solver = sg.Solver("vp_cosine", "data", "data", "half_log_snr", "unipc:2")
    grid = np.array([0.9, 0.7, 0.35, 0.1])
    _, alpha, sigma, *_ = ScheduleValues(solver.schedule).at(grid)
    matrix = solver.propagator(grid)
    ends = [i for i, t in enumerate(matrix.times) if t in grid] + [matrix.evaluations]
    phi = sigma / sigma[0]
    np.testing.assert_allclose(matrix.landings[ends, 0], phi, rtol=1e-12)
    total = matrix.weights[ends].sum(axis=1)
    np.testing.assert_allclose(total, alpha - phi * alpha[0], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("grid", [[0.5], [0.1, 0.9], [1.5, 0.5], [0.9, float("nan")]])
def test_what_is_no_grid_is_refused(grid):
    with pytest.raises(sg.SolvergenError, match="expected"):
        sg.Solver("vp_linear").propagator(grid)


def test_where_factors_are_infinite():
    """The integrating factor of noise, alpha_t/alpha_s, has no value where alpha_s = 0."""
    solver = sg.Solver("rectified_flow", "flow", "noise", "time", "multistep:1")
    with pytest.raises(sg.SolvergenError, match="finite"):
        solver.propagator([1.0, 0.5, 0.1])


def test_a_tolerance_has_no_matrix():
    with pytest.raises(sg.SchemeError, match="tolerance"):
        sg.Solver("vp_linear", scheme="adams_moulton:2:tol=1e-6").propagator([0.9, 0.5, 0.1])


def test_what_has_no_factor_is_not_read():
    assert combination([2.0, 0.0, 1.0], 3.0, [None, 4.0]) == 10.0
