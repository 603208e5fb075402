"""The last step of a start-up is a main step whose earliest node is at infinity."""

from types import ModuleType

import numpy as np
import pytest

import solvergen as sg

CHOICES = [
    ("vp_linear", "noise", "data", "half_log_snr"),
    ("vp_linear", "noise", "noise", "half_log_snr"),
    ("rectified_flow", "flow", "flow", "time"),
    ("vp_cosine", "velocity", "velocity", "theta"),
    ("ve", "data", "data", "time"),
]
RNG = np.random.default_rng(3)
SHARES = [np.linspace(0.9, 0.1, 8), *(np.sort(RNG.uniform(0.02, 0.98, (4, 7)))[:, ::-1])]
"""Grids inside the domain, from 0 to 1."""


def module(choice: tuple[str, ...], scheme: str) -> ModuleType:
    return sg.compile(sg.Solver(*choice, scheme=scheme), "numpy")


@pytest.mark.parametrize("choice", CHOICES, ids="-".join)
@pytest.mark.parametrize("limiter", [1.0, 1.6, np.inf])
@pytest.mark.parametrize("rises", [False, True])
def test_the_second_step_has_two_nodes(
    choice: tuple[str, ...], limiter: float, rises: bool
) -> None:
    """That of multistep:3 and unipc:2 is the second one of multistep:2, whose first is Euler's."""
    two, three, corrected = (
        module(choice, one) for one in ("multistep:2", "multistep:3", "unipc:2")
    )
    euler = module(choice, "multistep:1")
    for shares in SHARES:
        grid = two.T_MIN + (two.T_MAX - two.T_MIN) * shares[:: -1 if rises else 1]
        rows = two.coefficients(grid, limiter)
        assert len(rows) == len(grid) - 1
        _same(rows[0, 1:3], euler.coefficients(grid)[0, 1:3])
        assert rows[0, 3] == 0.0
        for other in (three, corrected):
            row = other.coefficients(grid, limiter)[2]
            _same(row[2:5], rows[1, 1:4])
            assert row[5] == 0.0


def _same(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found, expected, rtol=0.0, atol=4e-15 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        ("multistep:2", ["_main"]),
        ("multistep:3", ["_start_0", "_main"]),
        ("unipc:2", ["_start_0", "_main"]),
        ("multistep:4", ["_start_0", "_start_1", "_start_2", "_main"]),  # weights by ``_weights``
        ("multistep:3:ramp", ["_start_0", "_main"]),
        ("pece:2", ["_start_0", "_main"]),  # two stages inside the first step
        ("multistep:2:ramp:ramp", ["_start_0", "_main", "_last_0"]),  # phases by number
    ],
)
def test_phases_with_functions_of_their_own(scheme: str, expected: list[str]) -> None:
    found = module(CHOICES[0], scheme)
    own = [one for one in vars(found) if one.startswith(("_start", "_main", "_last"))]
    assert own == expected


@pytest.mark.parametrize("size", [2, 3, 4])
@pytest.mark.parametrize("scheme", ["multistep:2", "multistep:3", "unipc:2"])
@pytest.mark.parametrize("name", ["vp_linear", "rectified_flow", "trigonometric"])
def test_runs_of_a_few_steps(name: str, scheme: str, size: int) -> None:
    """One to three steps from infinite gamma, to it, and inside, where they rise too: exact for a
    network that always says the same data."""
    found = module((name, "data", "data", "half_log_snr"), scheme)
    inside = found.T_MAX - 0.1, found.T_MIN + 0.1
    ends = [(found.T_MAX, found.T_MIN), (found.T_MAX, inside[1]), inside, inside[::-1]]
    x = np.array([0.4, -1.3])
    for start, end in ends:
        sample = found.sample(lambda x, t: np.full_like(x, 0.3), x, np.linspace(start, end, size))
        noise = (x - found.alpha(start) * 0.3) / found.sigma(start)
        expected = found.alpha(end) * 0.3 + found.sigma(end) * noise
        np.testing.assert_allclose(sample, expected, rtol=1e-12, atol=1e-13)
