"""Tables of numbers: the same runs as those of emitted modules, without one."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

import solvergen as sg
from solvergen.runs.propagator import unrolled
from solvergen.tuning.grids import GRIDS
from solvergen.tuning.methods import Method, Setting, searched
from solvergen.tuning.runs import sample_together
from solvergen.tuning.search import candidates, tables

GENERATED = Path(__file__).parents[2] / "generated"


def network(x, t):
    """Smooth, and no linear function."""
    return torch.tanh(x + math.cos(3 * t))


@pytest.mark.parametrize(
    "name",
    [
        "ve_singlestep2_numpy",
        "vp_linear_unipc2_torch",
        "rectified_flow_multistep3_torch",
        "vp_linear_multistep3_torch",
    ],
)
def test_a_table_is_what_the_module_computes(name):
    module = sg.compiler.load(GENERATED / f"{name}.py")
    solver = sg.from_specification(module.SPEC)
    low, high = map(float, solver.schedule.domain)
    inner = np.sort(np.random.default_rng(1).uniform(0.05, 0.95, 5))[::-1]
    grid = np.array([high, *(low + (high - low) * inner), low])
    x = np.linspace(-2, 2, 6).reshape(2, 3)
    scheme = sg.schemes.to_text(solver.scheme)
    method = Method(solver.integrand.text, solver.expansion.text, scheme)
    run = Setting.of(solver.schedule, solver.prediction).run(method, tuple(grid.tolist()))
    assert run.evaluations == len(module.coefficients(grid))

    def in_numpy(y, t):
        return network(torch.tensor(y), float(t)).numpy()

    if "torch" in name:
        expected = module.sample(network, torch.tensor(x), grid).numpy()
    else:
        expected = module.sample(in_numpy, x, grid)
    found = run.sample(in_numpy, x)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11 * np.abs(expected).max())


def test_ends_where_lambda_is_infinite():
    """From alpha = 0 to sigma = 0, by steps of first order there."""
    method = Method("flow", "half_log_snr", "unipc:3:exact:ramp:ramp")
    setting = Setting.of("rectified_flow", "flow")
    grid = (1.0, 0.8, 0.45, 0.3, 0.1, 0.0)
    module = sg.compile(setting.solver(method), "numpy")
    x = np.linspace(-2, 2, 5)
    smooth = lambda y, t: np.tanh(y + np.cos(3 * t))  # noqa: E731
    expected = module.sample(smooth, x, np.array(grid))
    np.testing.assert_allclose(setting.run(method, grid).sample(smooth, x), expected, atol=1e-12)


def test_runs_of_the_same_times_are_sampled_at_once():
    setting = Setting.of("rectified_flow", "flow")
    grid = tuple(np.linspace(1, 0, 6).tolist())
    methods = list(searched(5))[:7]
    runs = [setting.run(one, grid) for one in methods]
    x = torch.tensor(np.random.default_rng(0).standard_normal((3, 2, 4)))
    together = sample_together(runs, network, x)
    for run, found in zip(runs, together, strict=True):
        np.testing.assert_allclose(found, run.sample(network, x), rtol=1e-13)


def test_a_table_appears_once():
    """On a rectified flow sigma/(alpha+sigma) is time, and straight is flow."""
    setting = Setting.of("rectified_flow", "flow")
    same = [
        Method(integrand, expansion, "multistep:2:ramp")
        for integrand in ("flow", "straight")
        for expansion in ("time", "sigma/(alpha+sigma)")
    ]
    found = list(tables(setting, candidates(setting, same, 4, GRIDS[:1])))
    assert len(found) == 1


def test_the_integrals_of_a_grid_are_shared():
    setting = Setting.of("vp_linear", "noise")
    method = Method("data", "theta", "unipc:3:exact:ramp")
    grid = tuple(np.linspace(1, 1e-3, 8).tolist())
    moments = setting.moments(method, grid)
    first = unrolled(setting.program(Method("data", "theta", "multistep:3:ramp")), moments)
    after = unrolled(setting.program(method), moments)
    np.testing.assert_array_equal(after.landings, setting.run(method, grid).landings)
    assert first.evaluations == after.evaluations == 7


@pytest.mark.parametrize("grid", GRIDS, ids=lambda one: one.name)
@pytest.mark.parametrize("name", ["vp_linear", "rectified_flow", "edm"])
def test_grids_are_even_in_what_they_say(grid, name):
    setting = Setting.of(name, "data", None, 2e-3)
    times = setting.times(grid, 7)
    if times is None:
        assert name == "rectified_flow"  # lambda is infinite where alpha = 0
        return
    assert times[0] == setting.start
    assert times[-1] == setting.end
    t, alpha, sigma, *_ = setting.values.at(np.array(times))
    if grid.shift == 1:
        np.testing.assert_allclose(np.diff(grid.level(t, alpha, sigma), n=2), 0, atol=1e-9)
    assert (np.diff(times) < 0).all()
