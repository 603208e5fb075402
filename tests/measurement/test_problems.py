"""The exact problems against their definitions: sums in many digits, the ODE, and the ends."""

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

import solvergen as sg
from solvergen.measurement import problems
from solvergen.measurement.problems import Gaussian, GaussianMixture

NAMES = ("noise", "data", "velocity", "flow", "score", "straight")
ODD = GaussianMixture([0.3, 0.5, 0.2], [[-2.0], [0.4], [3.0]], [0.04, 0.25, 0.01])
PLANE = GaussianMixture([1, 2, 3], [[0.0, 1.0], [-1.0, 0.5], [2.0, -1.0]], [0.1, 0.3, 0.02])
CLOUD = GaussianMixture(
    np.full(60, 1 / 60), np.random.default_rng(5).standard_normal((60, 7)), np.full(60, 0.05)
)
NOISE, CLEAN = (0.0, 1.0), (1.0, 0.0)
MIDDLES = ((0.9, 0.2), (0.5, 0.7), (0.05, 0.99))


def solver(prediction: str = "flow", alpha: str = "1-t**2", sigma: str = "t") -> sg.Solver:
    schedule = sg.NoiseSchedule(alpha=alpha, sigma=sigma)
    return sg.Solver(schedule, prediction, "flow", expansion="time", scheme="multistep:1")


def by_definition(mixture: GaussianMixture, x: Any, alpha_t: float, sigma_t: float) -> list[Any]:
    """E[x_0 | x] = sum_j p_j(x) E_j / sum_j p_j(x), densities and all, in 40 digits."""
    with mpmath.workdps(40):
        alpha_t, sigma_t, point = mpmath.mpf(alpha_t), mpmath.mpf(sigma_t), mpmath.matrix(x)
        total, mean = mpmath.mpf(0), 0 * point
        for weight, centre, v in zip(
            mixture.weights, mixture.means, map(float, mixture.variances), strict=True
        ):
            spread, centre = alpha_t**2 * v + sigma_t**2, mpmath.matrix(centre)
            gap = point - alpha_t * centre
            density = float(weight) * mpmath.exp(-(mpmath.norm(gap) ** 2) / (2 * spread))
            density /= spread ** (mpmath.mpf(mixture.dimensions) / 2)
            total += density
            mean += density * (centre + alpha_t * v / spread * gap)
        return list(mean / total)


@pytest.mark.parametrize("mixture", [ODD, PLANE, CLOUD], ids=["line", "plane", "cloud"])
@pytest.mark.parametrize("pair", [*MIDDLES, NOISE, CLEAN], ids=str)
def test_posterior_mean_is_the_ratio_of_sums(
    mixture: GaussianMixture, pair: tuple[float, float]
) -> None:
    x = np.random.default_rng(1).standard_normal((4, mixture.dimensions))
    expected = [[float(v) for v in by_definition(mixture, one, *pair)] for one in x]
    np.testing.assert_allclose(mixture.posterior_mean(x, *pair), expected, rtol=0, atol=2e-13)
    single = mixture.posterior_mean(x.astype(np.float32), *pair)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, expected, rtol=0, atol=2e-4)


@pytest.mark.parametrize("pair", MIDDLES, ids=str)
def test_score_satisfies_tweedie(pair: tuple[float, float]) -> None:
    """alpha x0 = x + sigma^2 score (Tweedie's formula), and any leading axes broadcast."""
    alpha_t, sigma_t = pair
    x = np.random.default_rng(2).standard_normal((3, 2, 7))
    data, score = CLOUD.posterior(x, *pair)
    np.testing.assert_allclose(alpha_t * data, x + sigma_t**2 * score, atol=1e-13)
    np.testing.assert_array_equal(CLOUD.posterior_mean(x[1, 1], *pair).shape, (7,))
    np.testing.assert_allclose(CLOUD.score(x[1, 1], *pair), score[1, 1], atol=1e-13)


def test_far_points_belong_to_the_widest_component() -> None:
    """No overflow, and the limit that the densities have: everything is the one with most v."""
    x = np.array([[-1e8], [1e8]])
    data, score = ODD.posterior(x, 1.0, 0.5)
    np.testing.assert_allclose(score, -(x - 0.4) / (0.25 + 0.25), rtol=1e-12)
    np.testing.assert_allclose(data, 0.4 + 0.5 * (x - 0.4), rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("time", [1.0, 0.7, 1e-3, 1e-300, 0.0])
def test_every_prediction_is_finite_to_both_ends(name: str, time: float) -> None:
    predict = problems.model(CLOUD, solver(name))
    x = np.random.default_rng(3).standard_normal((5, 7))
    assert np.isfinite(predict(x, time)).all()


@pytest.mark.parametrize("name", NAMES)
def test_predictions_are_one_linear_map_of_data_and_noise(name: str) -> None:
    chosen = solver(name)
    x = np.random.default_rng(4).standard_normal((5, 7))
    time = 0.37
    alpha_t, sigma_t = 1 - time**2, time
    data, score = CLOUD.posterior(x, alpha_t, sigma_t)
    c_data, c_noise = (
        float(one.subs(sg.t, sympy.Float(time, 30)))
        for one in chosen.prediction.coefficients(chosen.schedule)
    )
    expected = c_data * data - c_noise * sigma_t * score
    np.testing.assert_allclose(problems.model(CLOUD, chosen)(x, time), expected, atol=1e-12)


def test_the_flow_is_finite_where_sigma_dot_is_infinite() -> None:
    """sigma = sqrt(t): sigma' eps -> -score / 2 at t = 0."""
    predict = problems.model(CLOUD, solver("flow", "sqrt(1-t)", "sqrt(t)"))
    x = np.random.default_rng(6).standard_normal((5, 7))
    data, score = CLOUD.posterior(x, 1.0, 0.0)
    np.testing.assert_allclose(predict(x, 0.0), -data / 2 - score / 2, rtol=1e-13)


@settings(max_examples=15)
@given(x=st.floats(-6, 6), time=st.floats(0.01, 0.99))
def test_exact_flow_solves_the_ode(x: float, time: float) -> None:
    """dx/dt = model(x, t) along the flow, by a central difference in 40 digits."""
    predict = problems.model_mp(ODD, solver())
    with mpmath.workdps(40):
        time, step = mpmath.mpf(time), mpmath.mpf(10) ** -12
        here = (1 - time**2, time)
        ahead, behind = (
            ODD.exact_flow_mp(x, here, (1 - later**2, later))
            for later in (time + step, time - step)
        )
        slope = (ahead - behind) / (2 * step)
        assert abs(slope - predict(mpmath.mpf(x), time).item()) < mpmath.mpf(10) ** -15


@settings(max_examples=15)
@given(x=st.floats(-8, 8))
def test_exact_flow_is_a_monotone_group(x: float) -> None:
    middle = (0.6, 0.5)
    direct = ODD.exact_flow([x], NOISE, CLEAN)
    by_stages = ODD.exact_flow(ODD.exact_flow([x], NOISE, middle), middle, CLEAN)
    np.testing.assert_allclose(by_stages, direct, rtol=0, atol=1e-12)
    back = ODD.exact_flow(direct, CLEAN, NOISE)
    assert abs(back[0] - x) < 1e-9
    assert ODD.exact_flow([x], middle, middle) == pytest.approx([x], abs=1e-15)
    assert ODD.exact_flow([x + 0.01], NOISE, CLEAN) > direct


def test_exact_flow_keeps_far_tails_and_adds_digits() -> None:
    x = np.array([[-60.0], [60.0]])
    flowed = ODD.exact_flow(x, NOISE, CLEAN)
    np.testing.assert_allclose(ODD.exact_flow(flowed, CLEAN, NOISE), x, rtol=1e-13)
    with mpmath.workdps(50):
        few = ODD.exact_flow_mp(0.375, NOISE, CLEAN)
    with mpmath.workdps(90):
        many = ODD.exact_flow_mp(0.375, NOISE, CLEAN)
        assert abs(few - many) < mpmath.mpf(10) ** -49


def test_one_gaussian_agrees_with_a_mixture_of_one() -> None:
    x = np.array([[-2.0], [0.1], [3.0]])
    mixture = GaussianMixture([1], [[0.7]], [0.09])
    gaussian = Gaussian([0.7], [[0.09]])
    np.testing.assert_allclose(
        gaussian.exact_flow(x, (0.2, 0.9), CLEAN), mixture.exact_flow(x, (0.2, 0.9), CLEAN)
    )
    for one, other in zip(
        gaussian.posterior(x, 0.5, 0.4), mixture.posterior(x, 0.5, 0.4), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-14)


def test_the_flow_of_a_gaussian_solves_the_ode_and_carries_the_covariance() -> None:
    rng = np.random.default_rng(7)
    root = rng.standard_normal((4, 4))
    gaussian = Gaussian(rng.standard_normal(4), root @ root.T)
    predict = problems.model(gaussian, solver())
    x = rng.standard_normal((6, 4))

    def at(time: float) -> np.ndarray:
        return gaussian.exact_flow(x, NOISE, ((1 - time) * (1 + time), time))

    step = 1e-5
    slope = (at(0.4 + step) - at(0.4 - step)) / (2 * step)
    np.testing.assert_allclose(slope, predict(at(0.4), 0.4), atol=1e-8)
    images = gaussian.exact_flow(np.vstack([np.eye(4), np.zeros(4)]), NOISE, CLEAN)
    map_of_flow = images[:4] - images[4]
    np.testing.assert_allclose(map_of_flow.T @ map_of_flow, gaussian.covariance, atol=1e-12)


def test_digits_are_a_denoiser_of_real_images() -> None:
    pytest.importorskip("sklearn")
    images = problems.digits(1e-4)
    assert images.means.shape == (1797, 64)
    assert (images.means.min(), images.means.max()) == (-1.0, 1.0)
    rng = np.random.default_rng(8)
    truth = images.means[rng.integers(1797, size=40)]
    x = 0.95 * truth + 0.1 * rng.standard_normal(truth.shape)
    single = images.posterior_mean(x.astype(np.float32), 0.95, 0.1)
    np.testing.assert_allclose(images.posterior_mean(x, 0.95, 0.1), truth, atol=0.05)
    np.testing.assert_allclose(single, truth, atol=0.05)
    blank = images.posterior_mean(x, 0.0, 1.0)
    np.testing.assert_allclose(blank, np.broadcast_to(images.means.mean(0), x.shape), atol=1e-12)


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "shapes": (lambda: GaussianMixture([1, 1], [0.0, 1.0], [1, 1]), r"expected \[k\], \[k, d\]"),
    "weight": (lambda: GaussianMixture([1, 0], [[0.0], [1.0]], [1, 1]), "weights > 0"),
    "variance": (lambda: GaussianMixture([1], [[0.0]], [-1]), "variances >= 0"),
    "point mass": (
        lambda: GaussianMixture([1], [[0.0]], [0]).posterior_mean([1.0], 1.0, 0.0),
        "expected > 0",
    ),
    "dimension": (lambda: PLANE.exact_flow([[1.0, 2.0]], NOISE, CLEAN), "2 dimensions; expected 1"),
    "last axis": (lambda: CLOUD.posterior_mean([1.0, 2.0], 0.5, 0.5), r"expected \[..., 7\]"),
    "dtype": (lambda: ODD.posterior_mean(np.array([1]), 0.5, 0.5), "expected float32 or float64"),
    "covariance": (lambda: Gaussian([0, 0], [[1, 2], [2, 1]]), "positive semi-definite"),
    "matrix": (lambda: Gaussian([0, 0], [1, 2]), r"expected \[d\] and \[d, d\]"),
    "singular": (
        lambda: Gaussian([0.0], [[0.0]]).exact_flow([1.0], NOISE, CLEAN),
        "expected > 0",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_problem_is_refused(what: str) -> None:
    attempt, message = REFUSED[what]
    with pytest.raises(sg.SolvergenError, match=message):
        attempt()
