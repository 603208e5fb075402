"""Samples as an exact problem: mean, spectrum and modes of theirs."""

import numpy as np
import pytest
import torch

import solvergen as sg
from solvergen.errors import SolvergenError
from solvergen.measurement.problems import GaussianMixture
from solvergen.tuning.latents import DiagonalMixture, Latents


def samples(count=400, scale=0.5, seed=0):
    """Two modes along one of six directions, and a spectrum that falls."""
    random = np.random.default_rng(seed)
    turned, _ = np.linalg.qr(random.standard_normal((6, 6)))
    plain = random.standard_normal((count, 6)) * 2.0 ** -np.arange(6)
    plain[:, 0] = np.where(random.random(count) < 0.3, -3, 1) + 0.2 * plain[:, 0]
    return (scale * (plain @ turned + 0.4)).reshape(count, 2, 3)


def test_mean_spectrum_and_modes_are_those_of_the_samples():
    x = samples()
    found = Latents.of(x)
    flat = x.reshape(len(x), -1)
    assert found.shape == (2, 3)
    assert found.mean == pytest.approx(x.mean())
    assert found.std == pytest.approx(x.std())
    np.testing.assert_allclose(found.spectrum, np.linalg.eigvalsh(np.cov(flat.T))[::-1], rtol=1e-8)
    problem = found.problem
    assert len(problem.weights) == 2
    assert sorted(problem.weights) == pytest.approx([0.3, 0.7], abs=0.06)
    first = problem.means[:, 0]
    assert abs(first[0] - first[1]) == pytest.approx(0.5 * 4, rel=0.05)
    center = problem.weights @ problem.means
    assert np.linalg.norm(center) == pytest.approx(np.linalg.norm(flat.mean(axis=0)), rel=1e-6)
    spread = problem.weights @ (problem.variances + (problem.means - center) ** 2)
    np.testing.assert_allclose(spread, found.spectrum, rtol=0.02)


def test_the_posterior_is_that_of_a_mixture():
    """Beside the mixture of equal variances, and by its own derivative: Tweedie's formula."""
    random = np.random.default_rng(1)
    weights, means = np.array([0.2, 0.5, 0.3]), random.standard_normal((3, 4))
    x = random.standard_normal((5, 4))
    one = DiagonalMixture(weights, means, np.full((3, 4), 0.2))
    other = GaussianMixture(weights, means, np.full(3, 0.2))
    for a, s in ((0.6, 0.7), (0.0, 1.0), (1.0, 0.0)):
        pairs = zip(one.posterior(x, a, s), other.posterior(x, a, s), strict=True)
        assert all(np.allclose(found, expected, atol=1e-12) for found, expected in pairs)
    general = DiagonalMixture(weights, means, random.uniform(0.1, 2, (3, 4)))
    data, score = general.posterior(x, 0.6, 0.7)
    np.testing.assert_allclose(0.6 * data, x + 0.7**2 * score, atol=1e-12)


def test_many_dimensions_are_few_of_the_spectrum():
    random = np.random.default_rng(0)
    x = random.standard_normal((40, 4, 16, 16)).astype(np.float32)
    found = Latents.of(torch.tensor(x), 16)
    assert found.problem.dimensions == 16
    assert len(found.spectrum) == 39
    assert found.problem.variances[0, -1] == pytest.approx(found.spectrum[-1])


@pytest.mark.parametrize("kind", ["npy", "pt"])
def test_choose_takes_a_file(run, tmp_path, kind):
    x = samples(64)
    if kind == "npy":
        np.save(tmp_path / "x.npy", x)
    else:
        torch.save(torch.tensor(x), tmp_path / "x.pt")
    flow = ["--schedule", "rectified_flow", "--prediction", "flow", "--evaluations", "4"]
    code, output, _ = run("choose", *flow, "--latents", f"x.{kind}")
    assert code == 0
    assert "measured on samples of shape [2, 3]: mean" in output
    assert f"gaussian:{x.std():g}," in output


def test_the_samples_count_beside_the_other_problems():
    """All candidates are measured on theirs, which comes first."""
    choice = sg.choose("rectified_flow", "flow", 4, latents=samples())
    assert choice.problems[0].startswith("samples of shape [2, 3]")
    assert choice.data_std == pytest.approx(samples().std())


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (np.zeros((20, 3)), "are the same"),
        (np.ones(40), r"shape \[40\]"),
        (np.ones((5, 3)), "16 or more"),
        (np.where(np.arange(60).reshape(20, 3) == 31, np.nan, 1.0), "sample 10 of the latents"),
        (np.full((20, 3), "x"), "no real numbers"),
        ("none.npy", "cannot read the latents 'none.npy'"),
        ("x.txt", "expected a file .npy or .pt"),
        ("spoilt.pt", "cannot read"),
        ("dictionary.pt", "cannot read"),
    ],
)
def test_what_is_no_sample_is_one_error(tmp_path, monkeypatch, given, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spoilt.pt").write_bytes(b"PK")
    torch.save({"a": torch.zeros(3)}, tmp_path / "dictionary.pt")
    with pytest.raises(SolvergenError, match=words):
        Latents.of(given)


def test_samples_and_their_scale_are_not_both_given():
    with pytest.raises(SolvergenError, match="expected one"):
        sg.choose("rectified_flow", "flow", 4, latents=samples(), data_std=0.5)
