"""Reversible Heun: order 2, exact round trips of the pair, a parasitic mode that stays small."""

import numpy as np
import pytest
from readers import TARGETS, as_target, from_target

import solvergen as sg
from solvergen.program import order
from solvergen.program.series import RATIONALS
from solvergen.program.stability import is_zero_stable, propagation
from solvergen.targets import rendering
from solvergen.targets.files import load_source

CHOICES = [
    ("rectified_flow", "flow", "flow", "time"),
    ("vp_linear", "noise", "velocity", "theta"),
    ("rectified_flow", "flow", "velocity", "theta"),
    ("vp_cosine", "velocity", "velocity", "time"),
]
X = np.random.default_rng(1).standard_normal((4, 3))


def solver_of(choices, **options):
    return sg.Solver(*choices, "reversible", **options)


def network(x, t):
    return np.tanh(x + float(np.cos(3 * t)))


def grid_of(solver, steps, ratio=1.0):
    """Steps that alternate in their length by a ratio."""
    low, high = map(float, solver.schedule.domain)
    ends = np.cumsum([0.0, *(ratio if n % 2 else 1.0 for n in range(steps))])
    part = ends / ends[-1]
    return low + (high - low) * (0.95 - 0.85 * part)


def module_of(tmp_path, solver, target):
    name = f"reversible_{target}_{solver.content_hash}"
    source = rendering.render(solver, target, "not measured")
    (tmp_path / f"{name}.py").write_text(source)
    return load_source(source, tmp_path / f"{name}.py", name)


@pytest.mark.parametrize("choices", CHOICES, ids=lambda one: "-".join(one))
def test_order_is_proved_and_seen(choices):
    """Also where steps of two lengths alternate, which a leapfrog alone does not stand."""
    solver = solver_of(choices)
    assert solver.order == 2
    fine = sg.Solver(*choices, "multistep:4").propagator(grid_of(solver, 600))
    exact = fine.sample(network, X)
    for ratio in (1.0, 2.5):
        runs = (solver.propagator(grid_of(solver, n, ratio)) for n in (80, 160))
        errors = [np.abs(run.sample(network, X) - exact).max() for run in runs]
        assert abs(np.log2(errors[0] / errors[1]) - 2.0) <= 0.05


@pytest.mark.parametrize("clocks", [(False, False), (True, False), (False, True), (True, True)])
def test_order_in_every_clock(clocks):
    program = solver_of(CHOICES[0]).program
    exact = order.report(program, *clocks, field=RATIONALS)
    assert (exact.order, exact.main) == (2, 2)


@pytest.mark.parametrize(
    ("target", "steps"), [*((one, 9) for one in TARGETS), ("numpy", 2), ("torch", 30)]
)
def test_round_trips_of_the_pair(tmp_path, target, steps):
    """Noise to data to noise, and data to noise to data, from one sample each."""
    solver = solver_of(CHOICES[1])
    module, grid = module_of(tmp_path, solver, target), grid_of(solver, steps, 1.4)

    def model(y, t):
        found = network(from_target(target, y), float(t))
        return as_target(target, found)

    start = as_target(target, X)
    pair = module.sample(model, start, grid, return_pair=True)
    back = module.invert(model, pair, grid)
    np.testing.assert_allclose(from_target(target, back), X, rtol=0, atol=1e-12)
    noise = module.invert(model, start, grid, return_pair=True)
    again = module.sample(model, noise, grid)
    np.testing.assert_allclose(from_target(target, again), X, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(
        from_target(target, module.sample(model, start, grid)), from_target(target, pair[0])
    )
    plan = module.Plan(grid, start.dtype)
    with pytest.raises(ValueError, match="backwards"):
        module.invert(model, start, plan)


@pytest.mark.parametrize("choices", CHOICES, ids=lambda one: "-".join(one))
def test_the_module_runs_the_scheme(tmp_path, choices):
    solver = solver_of(choices)
    module, grid = module_of(tmp_path, solver, "numpy"), grid_of(solver, 7, 1.3)
    matrix = solver.propagator(grid)
    np.testing.assert_allclose(
        module.sample(network, X, grid), matrix.sample(network, X), rtol=1e-10, atol=1e-11
    )
    assert len(module.coefficients(grid)) == 8  # one more than steps
    with pytest.raises(ValueError, match="two steps"):
        module.coefficients(grid[:2])


def test_float32_round_trips(tmp_path):
    solver = solver_of(CHOICES[0])
    module = module_of(tmp_path, solver, "numpy")
    for steps in (10, 50):
        x, grid = X.astype(np.float32), grid_of(solver, steps)
        pair = module.sample(network, x, grid, return_pair=True)
        back = module.invert(network, pair, grid)
        assert back.dtype == np.float32
        assert np.abs(back - x).max() <= 2e-5


def test_a_baked_run_samples():
    solver = solver_of(CHOICES[1])
    grid = grid_of(solver, 5)
    module = sg.compile(solver, "numpy", timesteps=grid)
    found = solver.propagator(grid).sample(network, X)
    np.testing.assert_allclose(module.sample(network, X), found, rtol=1e-11)


def test_the_parasitic_mode():
    """z - x changes its sign in every step, and does not grow without a model: root -1, simple."""
    program = solver_of(CHOICES[0]).program
    assert is_zero_stable(program)
    roots = np.sort(np.linalg.eigvals(propagation(program, 0)).real)
    np.testing.assert_allclose(roots, [-1, 0, 1], atol=1e-12)
    # weak stability: of a decaying mode, z = h d < 0, the parasitic root is 1/(principal root)
    z = -0.05
    roots = np.sort(np.abs(np.linalg.eigvals(propagation(program, z))))
    np.testing.assert_allclose(roots[-1], np.hypot(1, z) - z, rtol=1e-10)


def test_growth_of_a_difference_along_a_run():
    """A difference x - z of 1 at the start is one of size 1 in z at the end, for any grid."""
    solver = solver_of(CHOICES[0])
    grid = grid_of(solver, 30, 2.0)
    module_rows = solver.propagator(grid)
    assert np.abs(module_rows.landings[:, 0] - 1).max() <= 1e-12


@pytest.mark.parametrize("integrand", ["data", "noise", "straight", "score"])
def test_other_integrands_are_refused(integrand):
    with pytest.raises(sg.DerivationError, match="grows by Phi"):
        sg.Solver("vp_linear", "noise", integrand, "time", "reversible_heun")


def test_noise_is_refused():
    with pytest.raises(sg.DerivationError, match="noise"):
        sg.Solver("vp_linear", "noise", "velocity", "theta", "reversible", stochasticity=1)


def test_an_infinite_expansion_is_refused():
    with pytest.raises(sg.DerivationError, match="infinite"):
        sg.Solver("vp_linear", "noise", "velocity", "half_log_snr", "reversible")


def test_a_library_with_one_sample_is_refused():
    with pytest.raises(sg.EmissionError, match="carries two"):
        rendering.render(solver_of(CHOICES[0]), "diffusers", "not measured")
