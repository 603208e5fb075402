"""Samples in parallel in time: what ``sample`` gives, in fewer calls of more rows."""

import warnings

import numpy as np
import pytest
from readers import TARGETS, as_target, from_target

import solvergen as sg
from solvergen.measurement import problems
from solvergen.targets import rendering
from solvergen.targets.files import load_source

X = np.random.default_rng(3).standard_normal((3, 2, 2))


def network(x, t):
    """Smooth, no linear function, with a time per row."""
    t = np.asarray(t).reshape(-1, *[1] * (x.ndim - 1))
    return np.tanh(x * (1 + t) + np.cos(3 * t))


def module_of(tmp_path, solver, target):
    source = rendering.render(solver, target, "not measured")
    name = f"parallel_{target}_{solver.content_hash}"
    path = tmp_path / f"{name}.py"
    path.write_text(source)
    return load_source(source, path, name)


def model_of(target):
    """The network on the arrays of a target, by rows."""
    if target == "torch":
        import torch

        return lambda x, t: torch.tanh(x * (1 + s(t, x)) + torch.cos(3 * s(t, x)))
    if target == "jax":
        import jax.numpy as jnp

        return lambda x, t: jnp.tanh(x * (1 + s(t, x)) + jnp.cos(3 * s(t, x)))
    return network


def s(t, x):
    return t.reshape(-1, *[1] * (x.ndim - 1))


def run(module, x, target, *grid, **options):
    sweeps = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = module.sample_parallel(
            model_of(target), as_target(target, x), *grid, callback=sweeps.append, **options
        )
    return from_target(target, found), sweeps


SOLVERS = [
    ("vp_linear", "noise", "data", "half_log_snr", "unipc:2"),
    ("rectified_flow", "flow", "flow", "time", "multistep:3"),
    ("ve", "data", "noise", "sigma/alpha", "rk4"),
]
SCHEMES = [
    "multistep:4", "unipc:3:exact:ramp", "singlestep:3", "dpm_23", "pece:2", "adams_moulton:3:2",
    "general_linear:3", "krogstad", "dormand_prince", "heun", "multistep:2:ramp:ramp",
]  # fmt: skip


def grid_of(solver, steps=6):
    low, high = map(float, solver.schedule.domain)
    return np.linspace(low + 0.9 * (high - low), low + 0.1 * (high - low), steps + 1)


@pytest.mark.parametrize(
    ("target", "choices", "window"),
    [
        *(("numpy", one, window) for one in SOLVERS for window in (1, 3, None)),
        *(("torch", one, 3) for one in SOLVERS),
        ("numba", SOLVERS[2], 3),
        ("jax", SOLVERS[1], 3),
    ],
    ids=lambda one: one[-1] if isinstance(one, tuple) else str(one),
)
def test_tolerance_0_is_the_sample(tmp_path, target, choices, window):
    solver = sg.Solver(*choices, parallel=True)
    module, grid = module_of(tmp_path, solver, target), grid_of(solver)
    seen = from_target(target, module.sample(model_of(target), as_target(target, X), grid))
    found, sweeps = run(module, X, target, grid, window=window, tolerance=0)
    np.testing.assert_allclose(found, seen, rtol=0, atol=1e-12 * np.abs(seen).max())
    count = len(module.coefficients(grid))
    assert sweeps[-1].depth <= count == sweeps[-1].final
    assert (np.diff([one.final for one in sweeps]) > 0).all()


@pytest.mark.parametrize("schedule", ["vp_cosine", "rectified_flow", "ve"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme(tmp_path, schedule, scheme):
    prediction = "flow" if schedule == "rectified_flow" else "noise"
    solver = sg.Solver(schedule, prediction, "data", "half_log_snr", scheme, parallel=True)
    module, grid = module_of(tmp_path, solver, "numpy"), grid_of(solver, 5)
    seen = module.sample(network, X, grid)
    found, _ = run(module, X, "numpy", grid, window=4, tolerance=0)
    np.testing.assert_allclose(found, seen, rtol=0, atol=1e-12 * np.abs(seen).max())


@pytest.mark.parametrize(
    ("target", "scheme"),
    [*((one, "multistep:3") for one in TARGETS), ("numpy", "rk4"), ("numba", "singlestep:3")],
)
def test_modules_of_one_grid(target, scheme):
    solver = sg.Solver("vp_cosine", "noise", "data", "half_log_snr", scheme, parallel=True)
    grid = grid_of(solver, 5)
    module = sg.compile(solver, target, timesteps=grid)
    seen = from_target(target, module.sample(model_of(target), as_target(target, X)))
    found, sweeps = run(module, X, target, window=4, tolerance=0)
    np.testing.assert_allclose(found, seen, rtol=0, atol=1e-12 * np.abs(seen).max())
    assert sweeps[-1].depth <= len(module.COEFFICIENTS)
    assert sg.from_specification(module.SPEC) == solver


def test_fewer_calls_for_a_network_that_is_close_to_a_gaussian(tmp_path):
    """Two bumps on a line, 60 evaluations: the error is of the size of the tolerance."""
    solver = sg.Solver("rectified_flow", "flow", "flow", "time", "multistep:3", parallel=True)
    module = module_of(tmp_path, solver, "numpy")
    means, variance = np.array([-0.6, 0.7]), 0.2

    def flow(x, t):
        alpha, sigma = 1 - t.reshape(-1, 1), t.reshape(-1, 1)
        spread, gap = alpha**2 * variance + sigma**2, x - alpha * means
        weights = np.exp(-(gap**2) / (2 * spread))
        weights /= weights.sum(axis=1, keepdims=True)
        data, noise = means + alpha * variance / spread * gap, sigma / spread * gap
        return (weights * (noise - data)).sum(axis=1, keepdims=True)

    x, grid = np.linspace(-2, 2, 9)[:, None], module.timesteps(60, end=0.01)
    seen = module.sample(lambda y, t: flow(y, np.array([t])), x, grid)
    sweeps = []
    for tolerance in (1e-2, 1e-3, 1e-4):
        found = module.sample_parallel(
            flow, x, grid, window=None, tolerance=tolerance, callback=sweeps.append
        )
        assert np.linalg.norm(found - seen) <= 2 * tolerance * np.linalg.norm(seen)
        assert sweeps[-1].depth <= 20
    _, narrow = module.sample_parallel(flow, x, grid, callback=sweeps.append), sweeps[-1]
    assert narrow.rows < 60 * 5
    assert narrow.final == 60 + module.EXTRA_EVALUATIONS


def test_the_exact_digits_take_ten_calls_for_a_hundred_evaluations(tmp_path):
    """In the median over single samples: those between two digits take more."""
    solver = sg.Solver("rectified_flow", "flow", "flow", "time", "multistep:3", parallel=True)
    module, exact = module_of(tmp_path, solver, "numpy"), problems.model(problems.digits(), solver)
    grid = module.timesteps(100 - module.EXTRA_EVALUATIONS, "time", end=0.01)

    def model(x, t):
        return np.concatenate([exact(y[None], float(s)) for y, s in zip(x, t, strict=True)])

    depths = []
    for seed in range(9):
        x, sweeps = np.random.default_rng(seed).standard_normal((1, 64)), []
        found = module.sample_parallel(model, x, grid, window=None, callback=sweeps.append)
        seen = module.sample(exact, x, grid)
        assert np.linalg.norm(found - seen) <= 2e-3 * np.linalg.norm(seen)
        depths.append(sweeps[-1].depth)
    assert np.median(depths) <= 10


def test_guidance_with_conditions_by_sample(tmp_path):
    """A batch of rows has the conditions of its samples again for every row."""
    solver = sg.Solver("vp_linear", "noise", "data", "half_log_snr", "multistep:2", parallel=True)
    module, grid = module_of(tmp_path, solver, "numpy"), grid_of(solver, 20)
    conditions = np.array([-1.0, 0.5, 2.0])

    def guided(x, t):
        c = np.tile(conditions, len(x) // len(conditions)).reshape(-1, 1, 1)
        return network(x, t) + 2.0 * (network(x - c, t) - network(x, t))

    seen = module.sample(guided, X, grid)
    found = module.sample_parallel(guided, X, grid, tolerance=0)
    np.testing.assert_allclose(found, seen, rtol=1e-12)


@pytest.mark.parametrize("target", ["numpy", "torch"])
def test_a_model_may_use_its_memory_again(tmp_path, target):
    solver = sg.Solver("rectified_flow", "flow", "flow", "time", "multistep:2", parallel=True)
    module, grid, model = module_of(tmp_path, solver, target), grid_of(solver, 24), model_of(target)
    memory = {}

    def reusing(x, t):
        kept = memory.setdefault(len(x), as_target(target, np.empty(x.shape)))
        kept[...] = model(x, t)
        return kept

    seen = from_target(target, module.sample(model, as_target(target, X), grid))
    found = module.sample_parallel(reusing, as_target(target, X), grid, window=5)
    assert np.linalg.norm(from_target(target, found) - seen) <= 1e-3 * np.linalg.norm(seen)


def test_bfloat16_ends_at_its_rounding(tmp_path):
    import torch

    solver = sg.Solver("rectified_flow", "flow", "flow", "time", "multistep:2", parallel=True)
    module, grid = module_of(tmp_path, solver, "torch"), grid_of(solver, 30)
    x = torch.tensor(X, dtype=torch.bfloat16)

    def model(y, t):
        return torch.tanh(y + torch.cos(3 * t).reshape(-1, 1, 1).to(y.dtype))

    sweeps = []
    seen = module.sample(lambda y, t: model(y, t.reshape(1)), x, grid).float()
    found = module.sample_parallel(model, x, grid, callback=sweeps.append)
    assert found.dtype == torch.bfloat16
    assert (found.float() - seen).norm() <= 0.02 * seen.norm()
    assert sweeps[-1].depth < 15


OTHERS = [("diffusers", "vp_alphabar", "noise"), ("k-diffusion", "ve", "data")]


@pytest.mark.parametrize(("target", "schedule", "prediction"), OTHERS)
def test_targets_without_a_loop_refuse(target, schedule, prediction):
    with pytest.raises(sg.EmissionError, match="parallel"):
        rendering.render(sg.Solver(schedule, prediction, parallel=True), target, "not measured")


def test_a_tolerance_is_refused():
    with pytest.raises(sg.SchemeError, match="parallel"):
        sg.Solver("vp_linear", scheme="adams_moulton:2:tol=1e-6", parallel=True)


def test_noise_is_refused():
    with pytest.raises(sg.SchemeError, match="noise"):
        sg.Solver("vp_linear", stochasticity=1, parallel=True)


def test_says_where_it_does_not_pay(tmp_path):
    solver = sg.Solver("rectified_flow", "flow", "flow", "time", "multistep:2", parallel=True)
    module = module_of(tmp_path, solver, "numpy")
    with pytest.warns(UserWarning, match="below 20"):
        module.sample_parallel(network, X, grid_of(solver, 8))
    with pytest.raises(ValueError, match="window"):
        module.sample_parallel(network, X, grid_of(solver, 30), window=0)


def test_only_on_request():
    solver = sg.Solver("vp_linear")
    assert "sample_parallel" not in rendering.render(solver, "torch", "")
    assert "parallel" not in solver.specification
    parallel = solver.whose_modules(parallel=True)
    assert parallel == sg.Solver("vp_linear", parallel=True)
    assert parallel.content_hash != solver.content_hash
    assert sg.from_specification(parallel.specification) == parallel
    assert "--parallel" in (parallel.arguments or "")
