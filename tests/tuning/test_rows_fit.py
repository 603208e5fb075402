"""Rows by least squares, and the modules that they need."""

import numpy as np
import pytest
import torch

import solvergen as sg
from solvergen.errors import EmissionError
from solvergen.measurement import contract
from solvergen.tuning import problems
from solvergen.tuning.examples import Score, errors
from solvergen.tuning.methods import Candidate, Method, Setting
from solvergen.tuning.rows_fit import fit_rows, trajectory
from solvergen.tuning.search import Bench
from solvergen.tuning.teacher import EXACT, taught

SETTING = Setting.of("rectified_flow", "flow")
METHOD = Method("velocity", "theta", "unipc:2:exact:ramp")
GRID = tuple(np.linspace(1, 0, 6).tolist())


@pytest.fixture(scope="module")
def bench():
    model = problems.ExactModel("mixture", problems.mixture(3, 4, seed=5), SETTING)
    noise = np.random.default_rng(2).standard_normal((48, 3))
    examples = taught(SETTING, model, noise, EXACT)
    return Bench(SETTING, model, examples.part(0, 24), examples.part(24, 48))


@pytest.fixture(scope="module")
def fitted(bench):
    run = SETTING.run(METHOD, GRID)
    return fit_rows(bench, Candidate(METHOD, GRID, "time"), run, "all", EXACT)


def test_the_teacher_is_known_at_the_times_of_the_student(bench):
    """It agrees with a teacher that ends there."""
    states = trajectory(bench, SETTING.run(METHOD, GRID), EXACT)
    assert len(states) == 5
    for time, state in zip(GRID[1:-1], states, strict=False):
        short = Setting(SETTING.schedule, SETTING.prediction, 1.0, time)
        there = taught(short, bench.model, bench.tuning.noise, EXACT)
        np.testing.assert_allclose(state, there.answer, atol=1e-6)


def test_rows_lower_the_error_and_say_what_they_changed(bench, fitted):
    before = Score.of(errors(SETTING.run(METHOD, GRID), bench.model, bench.validation))
    assert fitted.score.geometric_mean < 0.8 * before.geometric_mean
    plain = SETTING.run(METHOD, GRID).landings
    assert fitted.change == np.abs(fitted.run.landings - plain).max() > 0
    assert 0 < fitted.defect < 0.2
    np.testing.assert_array_equal(np.triu(fitted.run.landings[:, 1:]), 0)


def test_the_last_row_alone(bench):
    run = SETTING.run(METHOD, GRID)
    last = fit_rows(bench, Candidate(METHOD, GRID, "time"), run, "last", EXACT)
    np.testing.assert_array_equal(last.run.landings[:-1], run.landings[:-1])
    assert (last.run.landings[-1] != run.landings[-1]).all()


@pytest.mark.parametrize("target", ["numpy", "numba", "torch", "jax"])
def test_modules_of_fitted_rows(bench, fitted, target, tmp_path):
    solver = SETTING.solver(METHOD)
    times = np.append(fitted.run.times, 0.0)
    landings = np.column_stack([times, fitted.run.landings])
    source = sg.emit_fitted(solver, target, GRID, landings, "How it was fitted.")
    module = sg.compiler.load_text(source, "fitted")
    assert module.ORDER is None
    assert "no order is claimed" in " ".join(module.__doc__.split())
    assert "How it was fitted." in module.__doc__
    x = np.random.default_rng(0).standard_normal((4, 3))
    expected = fitted.run.sample(bench.model, x)
    if target == "torch":
        found = module.sample(lambda y, t: torch.tensor(bench.model(y.numpy(), t)), torch.tensor(x))
    elif target == "jax":
        found = module.sample(lambda y, t: bench.model(np.asarray(y, dtype=np.float64), t), x)
    else:
        found = module.sample(bench.model, x)
    tolerance = 1e-5 if target == "jax" else 1e-12
    np.testing.assert_allclose(np.asarray(found), expected, atol=tolerance)
    again = sg.emit_fitted(sg.from_specification(module.SPEC), target, module.TIMESTEPS,
                           module.LANDINGS, "How it was fitted.")  # fmt: skip
    assert again == source
    (tmp_path / "x.py").write_text(source)
    with pytest.raises(EmissionError, match="fitted coefficients"):
        contract.require(tmp_path / "x.py")
    with pytest.raises(TypeError, match="the model output is"):
        module.sample(lambda y, t: y[:1], torch.tensor(x) if target == "torch" else x)


def test_tables_that_are_none_are_refused():
    solver = SETTING.solver(METHOD)
    for bad in (np.zeros((3, 3)), np.full((3, 4), np.nan), np.zeros(3)):
        with pytest.raises(EmissionError, match="landings"):
            sg.emit_fitted(solver, "numpy", GRID, bad)
