"""Normals as a function of seed, draw and place alone, and Brownian paths made of them."""

from typing import Any

import mpmath
import numpy as np
import pytest
import torch

import solvergen as sg
from solvergen.targets import rendering
from solvergen.targets.files import load_text

OWN = {"torch": torch.from_numpy}


def made(target: str, noise: object = 1, **options: Any) -> Any:
    chosen = {"schedule": "vp_linear", "integrand": "data", "scheme": "multistep:2:ramp"} | options
    solver = sg.Solver(**chosen, stochasticity=noise)
    text = rendering.render(solver, target, "")
    return load_text(text, f"normals_{target}_{solver.content_hash}")


@pytest.fixture(scope="module")
def modules() -> dict[str, Any]:
    return {target: made(target) for target in ("numpy", "numba", "torch")}


def philox(counter: list[int], key: list[int]) -> list[int]:
    """Philox4x32-10 as Salmon et al. 2011 print it."""
    for _ in range(10):
        p, q = counter[0] * 0xD2511F53, counter[2] * 0xCD9E8D57
        counter = [
            (q >> 32) ^ counter[1] ^ key[0],
            q % 2**32,
            (p >> 32) ^ counter[3] ^ key[1],
            p % 2**32,
        ]
        key = [(key[0] + 0x9E3779B9) % 2**32, (key[1] + 0xBB67AE85) % 2**32]
    return counter


def exact(seed: int, draw: int, place: int) -> Any:
    """The normal of a place, with log, cos and sin in many digits."""
    words = philox([place // 4, draw % 2**32, draw >> 32, 0], [seed % 2**32, seed >> 32])
    word, bits = words[place % 4 // 2 * 2 : place % 4 // 2 * 2 + 2]
    radius = mpmath.sqrt(-2 * mpmath.log((word + mpmath.mpf(1) / 2) / 2**32))
    angle = (bits % 2**30 + mpmath.mpf(1) / 2) / 2**30 * mpmath.pi / 2
    second = place % 2
    value = radius * (mpmath.sin if second else mpmath.cos)(angle)
    return value * (1 - 2 * (bits >> (31 if second else 30) & 1))


def test_known_answers_of_philox() -> None:
    """Of the authors' library, Random123."""
    ones = 2 * [2**32 - 1]
    assert philox([0, 0, 0, 0], [0, 0]) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    assert philox(2 * ones, ones) == [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]


@pytest.mark.parametrize("target", ["numpy", "numba", "torch"])
def test_normals_are_those_of_their_words(modules: dict[str, Any], target: str) -> None:
    rng = np.random.default_rng(4)
    for seed, draw in ((0, 0), (2**64 - 1, 5), (int(rng.integers(2**63)), 2**35 + 7)):
        x = OWN.get(target, np.asarray)(np.empty((1, 2051)))
        found = np.asarray(modules[target].Normals([seed])(draw, None, x))[0]
        for place in (0, 1, 2, 3, 4, 1023, 1024, 2050, *rng.integers(2051, size=40).tolist()):
            assert abs(found[place] - exact(seed, draw, place)) < 2e-12


def test_libraries_agree_bit_by_bit(modules: dict[str, Any]) -> None:
    rng = np.random.default_rng(5)
    for kind in (np.float32, np.float64):
        for shape in ((3, 70000), (2, 5, 3), (1, 1), (4,)):
            seed, x = int(rng.integers(2**62)), np.empty(shape, kind)
            found = [
                np.asarray(module.Normals(seed)(9, None, OWN.get(target, np.asarray)(x)))
                for target, module in modules.items()
            ]
            assert found[0].dtype == kind
            for one in found[1:]:
                np.testing.assert_array_equal(found[0], one)
            alone = modules["numba"].Normals([seed + len(x) - 1])(9, None, x[:1])
            np.testing.assert_array_equal(found[0][-1:], alone)


def test_they_are_normal_and_independent(modules: dict[str, Any]) -> None:
    """Moments, and correlations of neighbours, draws and seeds, within five deviations."""
    x = np.empty((2, 400_000))
    first, second = (modules["numba"].Normals(11)(draw, None, x) for draw in (0, 1))
    for power, moment in ((1, 0), (2, 1), (3, 0), (4, 3), (6, 15)):
        spread = np.std(first[0] ** power) / x.shape[1] ** 0.5
        assert abs(np.mean(first[0] ** power) - moment) < 5 * spread
    for one, other in ((first[0], first[1]), (first[0], second[0])):
        assert abs(np.mean(one * other)) < 5 / x.shape[1] ** 0.5
    for lag in (1, 2, 3, 4):
        assert abs(np.mean(first[0, lag:] * first[0, :-lag])) < 5 / x.shape[1] ** 0.5


def test_generators_are_taken_as_they_are(modules: dict[str, Any]) -> None:
    x = np.empty((2, 6))
    found = modules["numpy"].Normals([np.random.default_rng(3), 4])(0, None, x)
    np.testing.assert_array_equal(found[0], np.random.default_rng(3).standard_normal(6))
    np.testing.assert_array_equal(found[1:], modules["numpy"].Normals(4)(0, None, x[1:]))
    drawn = modules["torch"].Normals([torch.Generator().manual_seed(3)])(0, None, torch.empty(1, 6))
    assert torch.equal(drawn[0], torch.randn(6, generator=torch.Generator().manual_seed(3)))


PATHS = (
    ("numpy", 1, {}),
    ("numba", 1, {}),
    ("torch", 1, {}),
    ("numpy", "eta: 1/2", {"schedule": "rectified_flow", "integrand": "flow", "expansion": "time"}),
    ("numpy", "eta: 3/4", {"integrand": "noise"}),
    ("numpy", "retention: sigma/(sigma + alpha/10)", {"schedule": "ve"}),
)


@pytest.mark.slow_but(2)
@pytest.mark.parametrize(("target", "noise", "options"), PATHS)
def test_increments_of_finer_grids_sum_to_those_of_coarser(
    target: str, noise: object, options: dict[str, Any]
) -> None:
    """B(v_t) - B(v_s) = sqrt(v_t - v_s) z over 40 steps and 20, and over random grids."""
    module = made(target, noise, **options)

    given = [value for name, value in vars(module.Brownian(1)).items() if name == "_eta"]
    x = OWN.get(target, np.asarray)(np.zeros((2, 5)))

    def path(levels: np.ndarray) -> np.ndarray:
        brownian, times = module.Brownian(7), module.time_at_half_log_snr(levels)
        rows = []
        for n in range(len(levels) - 1):
            ends = [float(module.half_log_snr(one)) for one in times[n : n + 2]]
            z = np.asarray(brownian(n, times[n : n + 2], x))
            rows.append(z * module._variance(*ends, *given) ** 0.5)
        return np.cumsum(rows, axis=0)

    fine = path(np.linspace(-3, 3, 41))
    coarse = path(np.linspace(-3, 3, 21))
    np.testing.assert_allclose(fine[1::2], coarse, atol=1e-12 * np.abs(fine).max())
    inner = np.sort(np.random.default_rng(0).uniform(-3, 3, 6))
    other = path(np.array([-3.0, *inner, 3.0]))
    np.testing.assert_allclose(other[-1], fine[-1], atol=1e-12 * np.abs(fine).max())


def test_paths_have_the_law_of_noise_and_belong_to_seeds() -> None:
    module, x = made("numba"), np.zeros((1, 60_000))
    brownian = module.Brownian(3)
    times = module.time_at_half_log_snr(np.array([-4.0, -3.0, -2.9, 0.0, 0.5, 2.0]))
    z = np.stack([brownian(n, times[n : n + 2], x)[0] for n in range(5)])
    assert np.abs(np.cov(z) - np.eye(5)).max() < 5 * (2 / x.size) ** 0.5
    small = np.zeros((3, 4), np.float32)
    whole = module.Brownian([3, 9, 4])(0, times[:2], small)
    np.testing.assert_array_equal(whole[1:2], module.Brownian(9)(0, times[:2], small[:1]))
    assert whole.dtype == np.float32


def test_20_and_40_steps_have_one_image() -> None:
    """Runs on one path come together; those with other noise on every grid do not."""
    module, x = made("numba"), np.random.default_rng(0).standard_normal((1, 300))

    def model(x: Any, t: Any) -> Any:  # of data 0.7 +- 0.5, as noise
        a, b = module.alpha(t), module.sigma(t)
        return b * (x - 0.7 * a) / (0.25 * a**2 + b**2)

    def run(steps: int, noise: Any) -> np.ndarray:
        grid = module.time_at_half_log_snr(np.linspace(-4, 4, steps + 1))
        return module.sample(model, x, grid, noise=noise)

    paths = [run(steps, module.Brownian(1)) for steps in (20, 40, 80)]
    apart = [np.std(one - paths[-1]) for one in paths[:-1]]
    assert apart[1] < 0.7 * apart[0] < 0.1
    assert np.std(run(20, 1) - run(40, 2)) > 0.5


def test_no_path_where_each_step_has_another_eta() -> None:
    for noise in ("ancestral: 1", "renoise"):
        assert not hasattr(made("numpy", noise), "Brownian")
    with pytest.raises(TypeError):
        made("numpy").Brownian([np.random.default_rng(0)])


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("target", ["numpy", "numba", "torch"])
def test_a_generator_draws_for_all_samples_in_turn(target: str, modules: dict[str, Any]) -> None:
    """As it would for the samples one after another, in the steps of a run too."""
    convert = OWN.get(target, lambda x: x)
    x = convert(np.zeros((3, 16), np.float32))
    kind = seeded if target == "torch" else np.random.default_rng
    whole = modules[target].Normals(kind(5))
    one_by_one = kind(5)
    for draw in range(2):
        expected = [modules[target].Normals(one_by_one)(draw, (1, 0), x[:1]) for _ in range(3)]
        np.testing.assert_array_equal(whole(draw, (1, 0), x), np.concatenate(expected))


@pytest.mark.parametrize("noise", ["abc", "a seed", 1.5, [1, 2], [1.5, 2, 3], ["a", "b", "c"], {}])
@pytest.mark.parametrize("target", ["numpy", "numba", "torch"])
def test_noise_of_nothing_is_named(target: str, noise: Any, modules: dict[str, Any]) -> None:
    module, x = modules[target], OWN.get(target, lambda x: x)(np.zeros((3, 4), np.float32))
    with pytest.raises(ValueError, match="expected a seed, a generator, or a list of one for each"):
        module.sample(lambda x, t: x, x, module.timesteps(4, end=0.01), noise=noise)
