"""Every target takes the steps that the interpreter takes."""

import re

import numpy as np
import pytest
import torch
from readers import GRID, TARGETS, as_target, from_target, sample

import solvergen as sg
from solvergen import targets
from solvergen.compiler import load_text
from solvergen.measurement.accuracy import coefficient_error

SPECS = [
    ("rectified_flow", "noise", "data", "half_log_snr", "multistep:3"),
    ("rectified_flow", "flow", "flow", "time", "multistep:4"),
    ("vp_linear", "velocity", "noise", "theta", "singlestep:3"),
    ("vp_linear", "noise", "noise", "time", "multistep:2"),
    ("ve", "data", "score", "sigma/alpha", "singlestep:2"),
    ("rectified_flow", "data", "straight", "sigma/(alpha+sigma)", "singlestep:4"),
    ("vp_linear", "noise", "rate(alpha**2)", "clock", "multistep:3:ramp"),
    ("vp_alphabar", "noise", "velocity", "alpha**2", "1/2:{0}; 1:{0,s1} | 1/3:{0,-1}; 1:{0,s1,-1}"),
    ("rectified_flow", "noise", "-t, 1", "half_log_snr", "multistep:2"),
]


@pytest.mark.slow_but(3)
@pytest.mark.parametrize("choice", SPECS, ids=lambda choice: "-".join(choice))
def test_targets_agree_with_the_interpreter(choice: tuple[str, ...]) -> None:
    spec = sg.Solver(*choice)
    expected = sample("interpreter", spec)
    for target in TARGETS:
        found = sample(target, spec)
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13, err_msg=target)
    coefficients = sg.compile(spec, "numpy").coefficients(GRID)
    assert coefficient_error(spec, coefficients, GRID, [0, 1, 2, 4]) < 1e-12


OF_EVERY_TARGET = [
    (SPECS[0], ()),
    (SPECS[2], ()),
    (("vp_linear", "noise", "data", "half_log_snr", "multistep:3"), ()),
    (("ve", "data", "noise", "half_log_snr", "multistep:3:ramp"), ("k-diffusion",)),
]


@pytest.mark.parametrize(
    ("choice", "more"), OF_EVERY_TARGET, ids=["-".join(c) for c, _ in OF_EVERY_TARGET]
)
def test_coefficients_are_the_same_numbers(choice: tuple[str, ...], more: tuple) -> None:
    """Not one bit differs, so that what is measured of one target holds for all."""
    spec = sg.Solver(*choice)
    names = [*TARGETS, *(one for one in more if one in targets.names())]
    tables = [sg.compile(spec, target).coefficients(GRID) for target in names]
    for target, table in zip(names, tables, strict=True):
        np.testing.assert_array_equal(table, tables[0], err_msg=target)


def test_a_scheduler_computes_the_same_from_noise_levels() -> None:
    """Without a time; its first column is lambda."""
    spec = sg.Solver("vp_linear", "noise", "data", "half_log_snr", "multistep:3:ramp")
    runner = sg.compile(spec, "numpy")
    expected = runner.coefficients(GRID)
    found = sg.compile(spec, "diffusers").coefficients(runner.half_log_snr(GRID))
    expected[:, 0] = runner.half_log_snr(expected[:, 0])
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("choice", SPECS[:3], ids=lambda choice: "-".join(choice))
def test_specification_round_trip(choice: tuple[str, ...]) -> None:
    spec = sg.Solver(*choice)
    module = load_text(sg.emit(spec, "numpy"), "round_trip")
    again = sg.from_specification(module.SPEC)
    assert again == spec
    assert again.content_hash == spec.content_hash


@pytest.fixture(scope="module")
def modules() -> dict:
    spec = sg.Solver("rectified_flow", "flow", "flow", "time", "multistep:3")
    return {target: sg.compile(spec, target) for target in TARGETS}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_and_shape_are_kept(modules: dict, target: str, dtype: type) -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(dtype)
    grid = modules[target].timesteps(5)
    found = from_target(target, modules[target].sample(lambda y, t: -y, as_target(target, x), grid))
    assert found.dtype == dtype
    assert found.shape == x.shape


@pytest.mark.parametrize("target", TARGETS)
def test_input_is_not_written_to(modules: dict, target: str) -> None:
    x = np.ones((2, 3))
    given = as_target(target, x)
    modules[target].sample(lambda y, t: y * 0 + 1, given, modules[target].timesteps(4))
    assert np.array_equal(from_target(target, given), np.ones((2, 3)))
    assert np.array_equal(x, np.ones((2, 3)))


def test_stepper_protocol(modules: dict) -> None:
    """t, x, step, done: evaluation times are the grid and the start-up's inner time."""
    module = modules["numba"]
    grid = module.timesteps(3)
    stepper = module.Stepper(np.ones(4), grid)
    times = []
    while not stepper.done:
        times.append(stepper.t)
        stepper.step(np.ones(4))
    assert times == pytest.approx([1.0, 1 - 1 / 6, 2 / 3, 1 / 3])
    assert stepper.t == grid[-1]
    assert stepper.x == pytest.approx(np.zeros(4))
    with pytest.raises(ValueError, match="until the run is done"):
        stepper.step(np.ones(4))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    "timesteps",
    [
        [0.5],
        [[1.0, 0.0]],
        [1.0, 0.5, 0.5, 0.0],
        [0.2, 0.9, 0.8],
        [1.5, 0.0],
        [1.0, -0.1],
        [1.0, float("nan")],
        [],
    ],
    ids=str,
)
def test_bad_timesteps(modules: dict, target: str, timesteps: list) -> None:
    """The message has them, and what was expected."""
    message = f"{np.array(timesteps)}; expected 2 or more monotonic times in [0.0, 1.0]"
    with pytest.raises(ValueError, match=re.escape(message)):
        modules[target].coefficients(timesteps)


@pytest.mark.parametrize("target", TARGETS)
def test_bad_arrays(modules: dict, target: str) -> None:
    module, grid = modules[target], modules[target].timesteps(3)
    integer = as_target(target, np.zeros(3, np.int64))
    with pytest.raises(TypeError, match="int"):
        module.Stepper(integer, grid)
    stepper = module.Stepper(as_target(target, np.zeros((2, 3))), grid)
    with pytest.raises(ValueError, match="model output"):
        stepper.step(as_target(target, np.zeros((3, 2))))
    with pytest.raises(ValueError, match="model output"):
        stepper.step(integer.reshape(1, 3))


@pytest.mark.parametrize("target", TARGETS)
def test_a_plan_serves_many_runs(modules: dict, target: str) -> None:
    """It is what a Stepper makes of the timesteps, and is for one dtype."""
    module, grid = modules[target], modules[target].timesteps(5)
    x = np.linspace(-1, 1, 4)
    given = as_target(target, x)
    plan = module.Plan(grid, given.dtype)
    expected = module.sample(lambda y, t: y * t + 1, given, grid)
    for _ in range(2):
        found = module.sample(lambda y, t: y * t + 1, given, plan)
        assert np.array_equal(from_target(target, found), from_target(target, expected))
    single = as_target(target, np.zeros(4, np.float32))
    with pytest.raises(TypeError, match="float32"):
        module.Stepper(single, plan)


def test_numba_takes_strided_arrays(modules: dict) -> None:
    """As x, and as output: what they say is what counts, not how they lie."""
    module, x = modules["numba"], np.linspace(-1, 1, 6).reshape(2, 3)
    grid, strided = module.timesteps(3), np.asfortranarray(x)
    expected = module.sample(lambda y, t: np.tanh(y), x, grid)
    found = module.sample(lambda y, t: np.asfortranarray(np.tanh(y)), strided, grid)
    assert not strided.flags.c_contiguous
    np.testing.assert_array_equal(found, expected)


def test_bad_grid_requests(modules: dict) -> None:
    module = modules["numpy"]
    for arguments, message in (
        ((0,), "got 0 steps"),
        ((4, "cosine"), "got 4 steps, 'cosine'"),
        ((4, "half_log_snr"), "'half_log_snr' from 1.0 to 0.0"),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            module.timesteps(*arguments)
    with pytest.raises(TypeError, match="integer"):
        module.timesteps(2.5)


def test_non_finite_coefficients_are_named() -> None:
    """A noise integrand cannot start at alpha = 0."""
    module = sg.compile(sg.Solver("rectified_flow", "noise", "noise", "time"), "numpy")
    with pytest.raises(ValueError, match=r"evaluation 0 at t = 1\.0 has no finite coefficients"):
        module.coefficients([1.0, 0.5, 0.1])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_torch_low_precision_is_combined_in_float32(modules: dict, dtype: torch.dtype) -> None:
    """The state is rounded once a step: as close to float64 as its dtype allows."""
    module = modules["torch"]
    x = torch.linspace(-1, 1, 64, dtype=torch.float64)
    grid = module.timesteps(8)
    exact = module.sample(lambda y, t: torch.sin(y) + t, x, grid)
    found = module.sample(lambda y, t: (torch.sin(y) + t).to(dtype), x.to(dtype), grid)
    assert found.dtype == dtype
    assert (found.double() - exact).abs().max() < 12 * torch.finfo(dtype).eps


def test_torch_is_differentiable(modules: dict) -> None:
    """d(sample)/dx agrees with central differences."""
    module = modules["torch"]
    grid = module.timesteps(5)

    def run(x):
        return module.sample(lambda y, t: torch.sin(y) * t, x, grid).sum()

    x = torch.tensor([0.3, -0.7], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(run(x), x)
    step = 1e-6
    for i in range(2):
        shift = torch.zeros(2, dtype=torch.float64)
        shift[i] = step
        numeric = (run(x.detach() + shift) - run(x.detach() - shift)) / (2 * step)
        assert abs(float(gradient[i] - numeric)) < 1e-8


def test_float32_run_uses_coefficients_rounded_once(modules: dict) -> None:
    """float32 stays within a few roundings of float64 over 200 steps."""
    module = modules["numba"]
    x = np.linspace(-2, 2, 50)
    grid = module.timesteps(200)
    exact = module.sample(lambda y, t: np.sin(y) + t, x, grid)
    found = module.sample(
        lambda y, t: (np.sin(y) + np.float32(t)).astype(np.float32), x.astype(np.float32), grid
    )
    assert np.abs(found - exact).max() < 3e-6


@pytest.mark.parametrize("choice", SPECS[:5], ids=lambda choice: "-".join(choice))
def test_grids_even_in_the_expansion_variable(choice: tuple[str, ...]) -> None:
    """Every module has them, whether or not its steps read the variable's inverse."""
    module = sg.compile(sg.Solver(*choice), "numpy")
    grid = module.timesteps(6, "expansion", 0.9, 0.2)
    named = {"time": lambda t: t, "half_log_snr": module.half_log_snr}
    gamma = named.get(choice[3]) or module.expansion_variable
    np.testing.assert_allclose(np.diff(gamma(grid)), np.ptp(gamma(grid)) / 6 * np.sign(
        gamma(grid[-1]) - gamma(grid[0])), rtol=1e-9)  # fmt: skip
