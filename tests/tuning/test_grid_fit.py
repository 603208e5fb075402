"""Grids by Levenberg-Marquardt."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from solvergen.tuning import problems
from solvergen.tuning.examples import Score, errors
from solvergen.tuning.grid_fit import Descent, Precision, fit, grid_of, shares
from solvergen.tuning.methods import Candidate, Method, Setting
from solvergen.tuning.search import Bench
from solvergen.tuning.teacher import EXACT, taught

THETA = st.lists(st.floats(-8, 8), min_size=1, max_size=12).map(np.array)


@settings(derandomize=True)
@given(THETA)
def test_every_theta_is_a_grid(theta):
    grid = grid_of(theta, 0.9, 0.1)
    assert (grid[0], grid[-1], len(grid)) == (0.9, 0.1, theta.size + 2)
    assert (np.diff(grid) < 0).all()
    np.testing.assert_allclose(shares(grid), theta, atol=1e-8)


def bench(name: str, prediction: str, count: int = 12, end: float | None = None) -> Bench:
    setting = Setting.of(name, prediction, None, end)
    model = problems.ExactModel("mixture", problems.mixture(3, 4, seed=5), setting)
    noise = np.random.default_rng(2).standard_normal((2 * count, 3)) * setting.noise_level
    examples = taught(setting, model, noise, EXACT)
    return Bench(setting, model, examples.part(0, count), examples.part(count, 2 * count))


def test_the_error_falls_and_the_search_goes_on_where_it_stood():
    here = bench("rectified_flow", "flow")
    method = Method("velocity", "theta", "unipc:2:exact:ramp")
    even = Candidate(method, tuple(np.linspace(1, 0, 6).tolist()), "time")
    first = fit(here, Precision(iterations=3), Descent.start(even))
    more = fit(here, Precision(iterations=5), first.descent)
    run = here.setting.run(method, even.timesteps)
    before = Score.of(errors(run, here.model, here.validation)).geometric_mean
    assert first.score.geometric_mean < 0.7 * before
    assert more.score.geometric_mean <= 1.02 * first.score.geometric_mean
    found = here.setting.run(method, more.candidate.timesteps)
    assert Score.of(errors(found, here.model, here.validation)) == more.score


def test_two_steps_have_the_best_time_between_them():
    """One number: no other one on a fine scale is better on the noises that it is fitted to."""
    here = bench("vp_linear", "noise", 16, 1e-3)
    method = Method("data", "theta", "multistep:2:ramp")
    start = Candidate(method, (1.0, 0.5, 1e-3), "time")
    found = fit(here, Precision(enough=1e-9, iterations=20), Descent.start(start))
    theta = found.descent.theta[0]

    def loss(value: float) -> float:
        grid = grid_of(np.array([value]), 1.0, 1e-3)
        each = errors(here.setting.run(method, grid), here.model, here.tuning)
        return float(np.log(each**2 + here.tuning.difference**2).mean())

    assert loss(theta) <= min(loss(theta + step) for step in (-0.2, -0.02, 0.02, 0.2)) + 1e-9
