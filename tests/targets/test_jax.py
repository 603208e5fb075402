"""The jax target: the samples of the numpy target, under every transformation of jax."""

import os
import subprocess
import sys
import warnings
from functools import cache
from pathlib import Path
from types import ModuleType

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from measured import METHODS, uneven
from measured import module as numpy_module

import solvergen as sg
from solvergen.compiler import load_text
from solvergen.targets import get, rendering

FAMILIES = [
    "flow_euler", "dpm_solver_pp_2m", "dpm_solver_pp_3m", "vab_3_as_published", "lms",
    "unipc_3_bh2", "flow_midpoint", "flow_heun", "dpm_solver_pp_3s", "singlestep:4", "pece:2",
    "general_linear:4:2", "adams_moulton:3", "heun3", "rk4", "trapezoidal:tol=1e-12",
    "backward_euler:tol=1e-12",
]  # fmt: skip
"""A scheme for every form that a step may have."""
CHOICES = ["dpm_solver_pp_2m", "dpm_solver_pp_3m", "dpm_solver_pp_3s", "rk4"]
SCHEDULES = ["vp_linear", "stable_diffusion", "edm"]
X = np.random.default_rng(0).standard_normal((2, 5))


def network(x, t, library=jnp):
    """Some smooth nonlinear function."""
    return 0.3 * library.tanh(x) - t * x / (1 + x**2)


def on_numpy(x, t):
    """The same."""
    return network(x, t, np)


@cache
def module(name: str) -> ModuleType:
    """A method, emitted for jax."""
    return load_text(rendering.render(METHODS[name].solver, "jax", ""), "jax_module")


@pytest.mark.slow_but(4)
@pytest.mark.parametrize("name", FAMILIES)
def test_samples_are_those_of_numpy(name: str) -> None:
    """By the scan, and by a loop over a Stepper."""
    grid, seen = uneven(24 if "tol" in name else 7), []
    expected = numpy_module(name).sample(on_numpy, X, grid)
    found = module(name).sample(network, jnp.asarray(X), grid)
    looped = module(name).sample(network, jnp.asarray(X), grid, callback=seen.append)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(looped, expected, rtol=0, atol=1e-12)
    assert seen[-1].done
    assert seen[-1].index == len(seen[-1]) <= len(seen)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("scheme", ["multistep:3", "singlestep:3", "rk4"])
def test_whole_domain(schedule: str, scheme: str) -> None:
    """From end to end, sigma = 0 included where the schedule has it."""
    spec = sg.Solver(schedule, "noise", "data", "half_log_snr", scheme)
    numpy, found = (load_text(sg.emit(spec, target), target) for target in ("numpy", "jax"))
    grid = numpy.timesteps(6)
    assert np.array_equal(found.timesteps(6), grid)
    assert np.array_equal(found.coefficients(grid), numpy.coefficients(grid))
    x = X * numpy.sigma(grid[0])
    scale = np.abs(x).max()
    sample = found.sample(lambda x, t: jnp.tanh(x), jnp.asarray(x), grid)
    np.testing.assert_allclose(
        sample, numpy.sample(lambda x, t: np.tanh(x), x, grid), rtol=0, atol=1e-12 * scale
    )


@pytest.mark.parametrize("name", ["flow_euler", "dpm_solver_pp_2m", "dpm_solver_pp_3m", "rk4"])
def test_baked(name: str) -> None:
    grid, times = uneven(7), []
    numpy, found = (
        load_text(sg.emit(METHODS[name].solver, target, timesteps=grid), "baked")
        for target in ("numpy", "jax")
    )
    expected = numpy.sample(on_numpy, X)
    x = jnp.asarray(X)
    np.testing.assert_allclose(found.sample(network, x), expected, rtol=0, atol=1e-12)
    looped = found.sample(network, x, callback=lambda x, t: times.append(float(t)))
    np.testing.assert_allclose(looped, expected, rtol=0, atol=1e-12)
    assert times == found.COEFFICIENTS[:, 0].tolist()


@pytest.mark.slow_but(1)
@pytest.mark.parametrize("name", CHOICES)
def test_transformed(name: str) -> None:
    """jit and vmap, over samples and over plans."""
    x, plan = jnp.asarray(X), module(name).Plan(uneven(5), jnp.float64)

    def run(x, plan):
        return module(name).sample(network, x, plan)

    whole = run(x, plan)
    np.testing.assert_allclose(jax.jit(run)(x, plan), whole, rtol=0, atol=1e-14)
    np.testing.assert_allclose(jax.vmap(run, (0, None))(x, plan), whole, rtol=0, atol=1e-14)
    plans = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), plan)
    np.testing.assert_allclose(jax.vmap(run)(x, plans), whole, rtol=0, atol=1e-14)


@pytest.mark.slow_but(1)
@pytest.mark.parametrize("name", CHOICES)
def test_gradients(name: str) -> None:
    """In x and in the rows, against central differences."""
    given = jnp.asarray([0.3, -0.7]), module(name).Plan(uneven(4), jnp.float64)

    @jax.jit
    def run(x, plan):
        return module(name).sample(network, x, plan).sum()

    slopes = jax.jit(jax.grad(run, (0, 1)))(*given)
    generator = np.random.default_rng(0)
    along = jax.tree.map(lambda leaf: generator.standard_normal(leaf.shape), given)
    if len(METHODS[name].solver.table.kinds) > 1:
        along[1].rows[:, 1] = 0.0
    found = jax.tree.map(lambda slope, to: np.sum(slope * to), slopes, along)
    ends = [
        run(*jax.tree.map(lambda one, to, step=step: one + step * to, given, along))
        for step in (1e-6, -1e-6)
    ]
    assert found[1].rows != 0
    assert float(sum(jax.tree.leaves(found))) == pytest.approx(
        float(ends[0] - ends[1]) / 2e-6, rel=1e-6
    )
    looped = jax.jit(lambda x: _looped(module(name), x, given[1]).sum())
    np.testing.assert_allclose(jax.grad(looped)(given[0]), slopes[0], rtol=1e-12)


def _looped(module: ModuleType, x, plan):
    return module.sample(network, x, plan, callback=lambda stepper: None)


@pytest.mark.slow
def test_gradients_through_repetitions() -> None:
    """In forward mode by the scan, in both by a Stepper."""
    found, grid = module("trapezoidal:tol=1e-12"), uneven(24)
    x = jnp.asarray(X)
    run = jax.jit(lambda x: found.sample(network, x, grid).sum())
    forward = jax.jvp(run, (x,), (jnp.ones_like(x),))[1]
    backward = jax.grad(lambda x: _looped(found, x, grid).sum())(x).sum()
    assert float(forward) == pytest.approx(float(backward), rel=1e-10)


def test_unsolved_equations_leave_nan() -> None:
    """Traced code cannot raise; a Stepper does."""
    found, x, grid = module("backward_euler:tol=1e-12"), jnp.asarray(X), uneven(2)
    assert bool(jnp.isnan(found.sample(network, x, grid)).all())
    with pytest.raises(RuntimeError, match="not solved after 20 iterations"):
        _looped(found, x, grid)


@pytest.mark.slow_but(5)
@pytest.mark.parametrize("name", [*CHOICES, "adams_moulton:3"])
@pytest.mark.parametrize(
    ("dtype", "error"), [("float32", 2e-6), ("float16", 1e-2), ("bfloat16", 6e-2)]
)
def test_dtypes(name: str, dtype: str, error: float) -> None:
    """The sample has the dtype of x, sums that of the rows."""
    found = module(name).sample(network, jnp.asarray(X, dtype), uneven(7))
    assert found.dtype == dtype
    assert module(name).Plan(uneven(7), dtype).rows.dtype == jnp.float32
    expected = numpy_module(name).sample(on_numpy, X, uneven(7))
    np.testing.assert_allclose(found.astype(jnp.float64), expected, rtol=0, atol=error)


@pytest.mark.parametrize("name", CHOICES)
def test_donated(name: str) -> None:
    """A run may write over its x, and nothing stays behind that could have."""
    plan, x = module(name).Plan(uneven(5), jnp.float64), jnp.array(X)
    expected = module(name).sample(network, x, plan)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run = jax.jit(lambda x: module(name).sample(network, x, plan), donate_argnums=0)
        np.testing.assert_allclose(run(x), expected, rtol=0, atol=1e-14)
    assert x.is_deleted()


def test_one_trace_and_no_callback() -> None:
    """The network is traced once for a run of any length, and nothing asks the host."""
    counts = []
    for steps in (4, 40):
        traced = 0

        def counted(x, t):
            nonlocal traced
            traced += 1
            return network(x, t)

        plan = module("rk4").Plan(uneven(steps), jnp.float64)
        text = str(jax.make_jaxpr(lambda x, p: module("rk4").sample(counted, x, p))(X[0], plan))
        assert "callback" not in text
        counts.append((traced, text.count("tanh")))
    assert counts[0] == counts[1]
    assert counts[0][0] <= 2


SHARDED = """
import jax, jax.numpy as jnp, numpy as np, importlib.util, sys
jax.config.update("jax_enable_x64", True)
assert len(jax.devices()) == 2
for path in sys.argv[1:]:
    spec = importlib.util.spec_from_file_location("emitted", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    x = jnp.linspace(-1.0, 1.0, 8).reshape(4, 2)
    grid = module.timesteps(24, start=0.8, end=0.3)
    run = lambda x: module.sample(lambda x, t: 0.3 * jnp.tanh(x) - t * x, x, grid)
    whole = run(x)
    mesh = jax.sharding.Mesh(np.array(jax.devices()), ("batch",))
    split = jax.sharding.PartitionSpec("batch")
    sharded = jax.jit(jax.shard_map(run, mesh=mesh, in_specs=split, out_specs=split))(x)
    np.testing.assert_allclose(sharded, whole, rtol=0, atol=1e-11)
    mapped = jax.pmap(run)(x.reshape(2, 2, 2)).reshape(4, 2)
    np.testing.assert_allclose(mapped, whole, rtol=0, atol=1e-11)
    there = jax.device_put(x, jax.devices()[1])
    assert run(there).devices() == there.devices()
"""


@pytest.mark.slow
def test_several_devices(tmp_path: Path) -> None:
    """shard_map and pmap, and a run stays on the device of its x."""
    paths = []
    for number, name in enumerate([*CHOICES, "trapezoidal:tol=1e-12"]):
        paths.append(tmp_path / f"emitted_{number}.py")
        paths[-1].write_text(rendering.render(METHODS[name].solver, "jax", ""))
    flags = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    subprocess.run([sys.executable, "-c", SHARDED, *map(str, paths)], check=True, env=flags)


def test_refusals() -> None:
    """By name and value."""
    found = module("dpm_solver_pp_2m")
    with pytest.raises(TypeError, match="x is float64; expected a floating jax array"):
        found.sample(network, X, uneven(4))
    with pytest.raises(TypeError, match="x is float64; planned for float32"):
        found.sample(network, jnp.asarray(X), found.Plan(uneven(4)))
    with pytest.raises(ValueError, match=r"float64 \(5,\); expected float64 \(2, 5\)"):
        found.sample(lambda x, t: x[0], jnp.asarray(X), uneven(4))
    with pytest.raises(ValueError, match=r"is float64 .*; expected float32"):
        found.sample(lambda x, t: x.astype("float64"), jnp.asarray(X, "float32"), uneven(4))
    stepper = found.Stepper(jnp.asarray(X), uneven(1))
    stepper.step(stepper.x)
    assert (stepper.done, float(stepper.t)) == (True, uneven(1)[-1])
    with pytest.raises(ValueError, match="until the run is done"):
        stepper.step(stepper.x)


def test_models_on_numpy() -> None:
    """As verification and other tests call them: from traced code."""
    target = get("jax")
    found = module("rk4").sample(target.model(on_numpy), target.to_array(X), uneven(4))
    expected = numpy_module("rk4").sample(on_numpy, X, uneven(4))
    np.testing.assert_allclose(target.to_numpy(found), expected, rtol=0, atol=1e-12)
