"""A grid for every sample of a batch: what each sample is alone, on its own grid."""

import re
from pathlib import Path

import numpy as np
import pytest
from readers import TARGETS, as_target, from_target

import solvergen as sg

X = np.random.default_rng(5).standard_normal((4, 2, 3))
VP = ("vp_linear", "noise", "data", "half_log_snr")
FLOW = ("rectified_flow", "flow", "flow", "time")
STRAIGHT = ("rectified_flow", "flow", "data", "half_log_snr")
SCHEMES = [
    (VP, "multistep:3"), (VP, "multistep:3:ramp"), (FLOW, "multistep:2:ramp:ramp"),
    (VP, "unipc:2"), (STRAIGHT, "unipc:3:exact:ramp"), (VP, "pece:2"), (STRAIGHT, "singlestep:2"),
    (VP, "singlestep:3"), (FLOW, "rk4"), (STRAIGHT, "heun"), (FLOW, "adams_moulton:3:2"),
    (VP, "general_linear:3"), (FLOW, "krogstad"), (FLOW, "euler"),
]  # fmt: skip
GRIDS = [
    np.linspace(0.9, 0.1, 6),
    np.linspace(1.0, 0.0, 6) ** 2 * 0.8,  # to sigma = 0
    np.linspace(1.0, 0.2, 6),  # from alpha = 0, where the schedule has that
    np.array([0.7, 0.65, 0.3, 0.2, 0.15, 0.01]),
]
RAGGED = [GRIDS[0][:4], GRIDS[1], np.linspace(0.95, 0.0, 9), np.array([0.5, 0.0])]


def model_of(target):
    """A smooth network that is no linear function, with a time for every sample."""

    def network(x, t):
        t = t if hasattr(t, "ndim") else np.asarray(t, x.dtype)
        t = t.reshape(*t.shape, *(x.ndim - t.ndim) * (1,))
        return library.tanh(x * (1 + t) + library.cos(3 * t))

    library = np
    if target == "torch":
        import torch as library
    if target == "jax":
        import jax.numpy as library
    return network


def solver_of(choices, scheme, **further):
    return sg.Solver(*choices, scheme, per_sample=True, **further)


def alone(solver, target, grids, x=X):
    """Every sample by the module for one grid, one after another."""
    module, model = sg.compile(solver.whose_modules(), target), model_of(target)
    found = [
        from_target(target, module.sample(model, as_target(target, one[None]), grid))
        for one, grid in zip(x, grids, strict=True)
    ]
    return np.concatenate(found)


def beside(solver, target, grids, x=X):
    module = sg.compile(solver, target)
    return from_target(target, module.sample(model_of(target), as_target(target, x), grids))


@pytest.mark.parametrize("grids", [np.stack(GRIDS), RAGGED], ids=["even", "ragged"])
@pytest.mark.parametrize(("choices", "scheme"), SCHEMES, ids=lambda one: str(one)[-20:])
def test_every_scheme_is_one_at_a_time(choices, scheme, grids):
    """In numpy to the last bit: with ends at sigma = 0 in some samples, and starts at alpha = 0."""
    solver = solver_of(choices, scheme)
    found = beside(solver, "numpy", grids)
    np.testing.assert_array_equal(found, alone(solver, "numpy", grids))


@pytest.mark.slow_but(4)
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("choices", "scheme"),
    [(VP, "multistep:3"), (STRAIGHT, "singlestep:2"), (VP, "pece:2"), (FLOW, "euler")],
    ids=lambda one: str(one)[-20:],
)
def test_every_target_is_one_at_a_time(target, choices, scheme):
    solver = solver_of(choices, scheme)
    found = beside(solver, target, RAGGED)
    expected = alone(solver, target, RAGGED)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14 * np.abs(expected).max())


def test_kinds_of_rows_differ_where_ends_do():
    """From alpha = 0 some start up one row later; at sigma = 0 some end, others go on."""
    plan = sg.compile(solver_of(STRAIGHT, "multistep:3"), "numpy").Plan(GRIDS, np.float64)
    assert [len(one) for one in plan.groups[:-1]] == [2, 2, 2, 1, 1, 2]
    assert plan.rows.shape == (7, plan.table.shape[1], 4)


@pytest.mark.slow_but(1)
@pytest.mark.parametrize("target", TARGETS)
def test_samples_that_join_later(target):
    """Continuous batching: each leaves when its run is over, others take its place."""
    solver = solver_of(VP, "multistep:2:ramp" if target == "jax" else "multistep:3")
    module, model = sg.compile(solver, target), model_of(target)
    waiting = [(n, as_target(target, X[n : n + 1]), RAGGED[n]) for n in range(4)]
    nobody = as_target(target, X[:0])
    stepper, running, done = module.Stepper(nobody, np.empty((0, 2))), [], {}
    for turn in range(40):
        if waiting and turn % 2 and len(running) < 2:
            n, x, grid = waiting.pop(0)
            stepper.join(x, [grid])
            running.append(n)
        if stepper.done:
            continue
        assert [*np.shape(stepper.t)] == [len(running)] == [len(stepper.x)]
        stepper.step(model(stepper.x, stepper.t))
        over = np.asarray(stepper.left) == 0
        for place in np.flatnonzero(over):
            done[running[place]] = np.array(from_target(target, stepper.x)[place])
        if over.any():
            stepper.keep(np.flatnonzero(~over))
            running = [one for one, is_over in zip(running, over, strict=True) if not is_over]
    found, expected = np.stack([done[n] for n in range(4)]), alone(solver, target, RAGGED)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14 * np.abs(expected).max())


@pytest.mark.parametrize("target", ["numba", "torch"])
def test_a_grid_for_every_frame(target):
    """[batch, frames, steps + 1], as diffusion forcing has them; and one grid for all."""
    solver = solver_of(FLOW, "multistep:2")
    grids = np.stack(GRIDS).reshape(2, 2, -1) ** 2
    x = X.reshape(2, 2, 2, 3)
    found = beside(solver, target, grids, x)
    expected = alone(solver, target, grids.reshape(4, -1)).reshape(x.shape)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14)
    found = beside(solver, target, GRIDS[0])
    expected = alone(solver, target, 4 * [GRIDS[0]])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14)


SEEDS = [7, 3, 11, 4]


def alone_and_beside(solver, target, noises):
    """The module, x and the model of a target, and the samples that each has alone with its noise,
    which are those of the batch. ``noises`` makes the noise of seeds, of either module."""
    single, module = sg.compile(solver.whose_modules(), target), sg.compile(solver, target)
    x, model = as_target(target, X), model_of(target)
    ends = [(x[n : n + 1], RAGGED[n], noises(single, [SEEDS[n]])) for n in range(len(X))]
    runs = [single.sample(model, one, grid, noise=noise) for one, grid, noise in ends]
    expected = np.concatenate([from_target(target, one) for one in runs])
    found = from_target(target, module.sample(model, x, RAGGED, noise=noises(module, SEEDS)))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14 * np.abs(expected).max())
    return module, x, model, expected


def of_seeds(_, seeds):
    return seeds


def on_paths(module, seeds):
    return module.Brownian(seeds)


@pytest.mark.slow_but(2)
@pytest.mark.parametrize("target", ["numpy", "numba", "torch"])
@pytest.mark.parametrize("scheme", ["multistep:2", "singlestep:2"])
def test_noise_of_a_sample_is_that_which_it_has_alone(target, scheme):
    solver = solver_of(STRAIGHT, scheme, stochasticity="eta: 1/2")
    module, x, model, expected = alone_and_beside(solver, target, of_seeds)
    stepper = module.Stepper(x[:3], RAGGED[:3], noise=SEEDS[:3])
    stepper.step(model(stepper.x, stepper.t))
    stepper.keep([0, 2])
    stepper.join(x[3:], RAGGED[3:], noise=SEEDS[3:])
    while not stepper.done:
        stepper.step(model(stepper.x, stepper.t))
    found = from_target(target, stepper.x)
    np.testing.assert_allclose(found, expected[[0, 2, 3]], rtol=0, atol=1e-13)
    with pytest.raises(ValueError, match="got 2 seeds; expected one for each of 4 samples"):
        module.Stepper(x, RAGGED, noise=[1, 2])


@pytest.mark.parametrize("target", ["numpy", "numba", "torch"])
def test_churn_of_a_sample_is_that_which_it_has_alone(target):
    """Noise is raised by the sample's own grid, no further than where its own run starts."""
    solver = solver_of(STRAIGHT, "singlestep:2", stochasticity="churn: h/4 + t/10")
    alone_and_beside(solver, target, of_seeds)


@pytest.mark.parametrize("target", ["numpy", "numba", "torch"])
def test_a_path_of_a_sample_is_that_which_it_has_alone(target):
    """``Brownian``, whatever the other samples' grids are, and after samples join and leave."""
    solver = solver_of(STRAIGHT, "singlestep:2", stochasticity="eta: 1/2")
    module, x, model, expected = alone_and_beside(solver, target, on_paths)
    stepper = module.Stepper(x[:3], RAGGED[:3], noise=module.Brownian(SEEDS[:3]))
    stepper.step(model(stepper.x, stepper.t))
    stepper.keep([0, 2])
    stepper.join(x[3:], RAGGED[3:], noise=module.Brownian(SEEDS[3:]))
    while not stepper.done:
        stepper.step(model(stepper.x, stepper.t))
    np.testing.assert_allclose(from_target(target, stepper.x), expected[[0, 2, 3]], atol=1e-13)
    with pytest.raises(ValueError, match="got 2 seeds; expected one for each of 4 samples"):
        module.Stepper(x, RAGGED, noise=module.Brownian([1, 2]))


def test_a_network_that_is_asked_past_the_end_changes_nothing():
    """What it says of a sample whose run is over is not read, be it not a number."""
    solver = solver_of(VP, "multistep:2")
    module, model = sg.compile(solver, "numpy"), model_of("numpy")

    def network(x, t):
        found = model(x, t)
        found[t == [one[-1] for one in RAGGED]] = np.nan
        return found

    found = module.sample(network, X, RAGGED)
    np.testing.assert_array_equal(found, module.sample(model, X, RAGGED))


def test_reversed_time():
    """Networks whose time runs the other way see it so, also where a run is over."""
    schedule = sg.schedules.reversed_time("t", "1 - t", name="backwards")
    solver = sg.Solver(schedule, "flow", "flow", "time", "multistep:2", per_sample=True)
    found = beside(solver, "numpy", RAGGED)
    np.testing.assert_array_equal(found, alone(solver, "numpy", RAGGED))
    plan = sg.compile(solver, "numpy").Plan(RAGGED, np.float64)
    np.testing.assert_allclose(plan.times[-1], [1 - one[-1] for one in RAGGED])


def test_torch_gradients_and_narrow_dtypes():
    import torch

    solver = solver_of(VP, "multistep:2")
    module, model = sg.compile(solver, "torch"), model_of("torch")
    x = torch.from_numpy(X).requires_grad_()
    plan = module.Plan(np.stack(GRIDS), torch.float64)
    plan.rows.requires_grad_()
    module.sample(model, x, plan).square().sum().backward()
    assert torch.isfinite(x.grad).all()
    assert torch.isfinite(plan.rows.grad).all()
    assert plan.rows.grad.abs().sum() > 0
    narrow = module.sample(model, x.detach().bfloat16(), RAGGED)
    assert narrow.dtype == torch.bfloat16
    whole = torch.compile(lambda y: module.sample(model, y, plan), backend="eager", fullgraph=True)
    plan.rows = plan.rows.detach()
    torch.testing.assert_close(whole(x.detach()), module.sample(model, x.detach(), plan))


def test_jax_jit_and_the_other_way_of_vmap():
    """A default module does the same under vmap over plans of equal length."""
    import jax

    solver, x = solver_of(VP, "multistep:2:ramp"), as_target("jax", X)
    module, single = sg.compile(solver, "jax"), sg.compile(solver.whose_modules(), "jax")
    model = model_of("jax")
    plan = module.Plan(np.stack(GRIDS), x.dtype)
    found = jax.jit(lambda y, p: module.sample(model, y, p))(x, plan)
    plans = jax.tree.map(
        lambda *one: jax.numpy.stack(one), *[single.Plan(g, x.dtype) for g in GRIDS]
    )
    mapped = jax.vmap(lambda y, p: single.sample(model, y, p))(x, plans)
    np.testing.assert_allclose(np.asarray(mapped), np.asarray(found), rtol=0, atol=1e-13)


@pytest.mark.parametrize("target", TARGETS)
def test_what_does_not_fit_is_said(target):
    module = sg.compile(solver_of(VP, "multistep:2"), target)
    x = as_target(target, X)
    with pytest.raises(ValueError, match=r"x is \[4, 2, 3\]; expected the samples of \[2\] grids"):
        module.Stepper(x, GRIDS[:2])
    with pytest.raises(ValueError, match="expected 2 or more monotonic times"):
        module.Stepper(x, [*GRIDS[:3], [0.5, 0.7, 0.6]])
    stepper = module.Stepper(x, RAGGED)
    with pytest.raises(ValueError, match=r"float32.*beside.*expected the like"):
        stepper.join(as_target(target, X.astype("float32")), RAGGED)
    with pytest.raises(ValueError, match=r"beside.*expected the like"):
        module.Stepper(x, GRIDS[0]).join(x, RAGGED)


@pytest.mark.parametrize(
    ("error", "match", "choices"),
    [
        (sg.SchemeError, "per_sample: .*tolerance", (*FLOW, "adams_moulton:3:tol=1e-6")),
        (sg.SchemeError, "per_sample: .*pairs", (*FLOW, "reversible")),
        (sg.SchemeError, "per_sample and parallel", (*FLOW, "multistep:2", True, None, True)),
    ],
)
def test_solvers_that_it_is_refused_for(error, match, choices):
    with pytest.raises(error, match=match):
        sg.Solver(*choices, per_sample=True)


def test_targets_that_it_is_refused_for():
    with pytest.raises(sg.EmissionError, match="k-diffusion: per_sample"):
        sg.emit(sg.Solver("ve", "data", per_sample=True), "k-diffusion")
    with pytest.raises(sg.EmissionError, match="diffusers: per_sample"):
        sg.emit(sg.Solver("vp_alphabar", per_sample=True), "diffusers")
    with pytest.raises(sg.EmissionError, match="per_sample: a module for one grid"):
        sg.emit(solver_of(VP, "multistep:2"), "torch", timesteps=GRIDS[0])
    with pytest.raises(sg.EmissionError, match="jax: per_sample with noise"):
        sg.emit(solver_of(VP, "multistep:2", stochasticity="eta: 1"), "jax")


def test_the_specification_says_it():
    solver = solver_of(VP, "dpm_23")
    assert sg.from_specification(solver.specification) == solver
    assert solver != solver.whose_modules()
    assert "--per-sample" in (solver.arguments or "")
    module = sg.compile(solver, "numpy")
    assert sg.from_specification(module.SPEC) == solver
    assert not hasattr(module, "sample_adaptive")  # steps of one error for the whole batch


def test_the_page():
    """Its loops run."""
    page = (Path(__file__).parents[2] / "docs" / "per_sample.md").read_text()
    names = {}
    for code in re.findall("```python\n(.*?)```", page, re.DOTALL):
        exec(code, names)
    assert sorted(names["results"]) == ["a", "b", "c", "d", "e"]
    assert len(names["frames"]) == 6
    assert [*names["window"].left] == [1, 2, 3, 4]
