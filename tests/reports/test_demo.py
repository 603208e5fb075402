"""The demo, made small: it draws, and what it draws is true."""

import sys
from pathlib import Path

import numpy as np
import pytest
from rich.progress import Progress

from solvergen.errors import SolvergenError
from solvergen.measurement import problems
from solvergen.reports import demo

pytest.importorskip("sklearn")
image = pytest.importorskip("matplotlib.image")

SMALL = demo.Settings(
    orders=(1, 2, 3), evaluations=(40, 80, 160), reference_evaluations=240, images=8
)


@pytest.fixture(scope="module")
def problem() -> problems.GaussianMixture:
    return problems.digits(demo.VARIANCE)


@pytest.fixture(scope="module")
def samplers(
    problem: problems.GaussianMixture, tmp_path_factory: pytest.TempPathFactory
) -> dict[int, demo.Sampler]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        orders = (*SMALL.orders, demo.REFERENCE_ORDER)
        return {order: demo.Sampler.build(order, problem) for order in orders}


@pytest.fixture(scope="module")
def results(problem: problems.GaussianMixture, samplers: dict[int, demo.Sampler]) -> demo.Results:
    with Progress(disable=True) as progress:
        return demo.measure(SMALL, problem, samplers, progress)


def test_slopes_are_the_orders(results: demo.Results) -> None:
    for order in SMALL.orders:
        slope, _ = results.fit(order, SMALL.fit_from)
        assert -slope == pytest.approx(order, abs=0.15)


def test_the_reference_is_a_sample_of_the_digits(
    results: demo.Results, problem: problems.GaussianMixture
) -> None:
    """At t = 0 a sample is a digit plus noise of variance v: |x - X_j|^2 is about v d."""
    distances = np.square(results.exact[:, None] - problem.means).mean(axis=-1).min(axis=1)
    assert np.all(distances < 2 * demo.VARIANCE)


def test_the_trajectory_goes_from_the_mean_of_all_digits_to_one(
    results: demo.Results, problem: problems.GaussianMixture
) -> None:
    times, noisy, clean = zip(*results.trajectory, strict=True)
    np.testing.assert_allclose(times, np.arange(10, -1, -1) / 10, atol=1e-12)
    mean = np.broadcast_to(problem.means.mean(axis=0), clean[0].shape)
    np.testing.assert_allclose(clean[0], mean, atol=1e-12)
    np.testing.assert_allclose(clean[-1], noisy[-1], atol=1e-12)
    assert demo.typical_error(noisy[-1], results.exact[: len(noisy[-1])]) < 1e-3


def test_budgets_include_the_start_up(samplers: dict[int, demo.Sampler]) -> None:
    noise = np.zeros((1, 64))
    for order, sampler in samplers.items():
        before = sampler.calls
        sampler.sample(noise, 30)
        assert sampler.calls - before == 30
        assert sampler.order == order


def test_run_writes_three_pictures_and_a_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], samplers: dict[int, demo.Sampler]
) -> None:
    paths = demo.run(tmp_path / "new" / "folder", SMALL)
    assert [path.name for path in paths] == ["samples.png", "convergence.png", "trajectory.png"]
    printed = capsys.readouterr().out
    for path in paths:
        pixels = image.imread(path)
        assert min(pixels.shape[:2]) > 400
        assert pixels[..., :3].std() > 0.05
        assert f"wrote {path}" in printed
    assert "evaluations" in printed


def test_a_reference_that_has_not_converged_is_refused(
    problem: problems.GaussianMixture, samplers: dict[int, demo.Sampler]
) -> None:
    coarse = demo.Settings(orders=(3,), evaluations=(80,), reference_evaluations=60, images=2)
    with (
        Progress(disable=True) as progress,
        pytest.raises(SolvergenError, match="raise reference_evaluations"),
    ):
        demo.measure(coarse, problem, samplers, progress)


@pytest.mark.parametrize("package", ["sklearn.datasets", "matplotlib"])
def test_a_missing_package_is_named_before_any_work(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SolvergenError, match=r'pip install "solvergen\[demo\]"'):
        demo.run(tmp_path / "output")
    assert not (tmp_path / "output").exists()
