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


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        ("1:{0}|1:{0}|1:{0,-1,-2}", ["_start_0", "_start_1", "_main"]),  # two nodes fewer
        ("1:{0}|1:{0,-1}~classical|1:{0,-1,-2}", ["_start_0", "_start_1", "_main"]),
        ("1:{0}|1:{0,-1}|1:{0,-1,-2}~frozen", ["_start_0", "_start_1", "_main"]),
        ("1:{0}|1:{0,-1}~classical|1:{0,-1,-2}~classical", ["_start_0", "_main"]),
        ("1:{0}|1:{0}|1:{0,-2}", ["_start_0", "_main"]),
        ("1:{0}|1:{0:3/2,-1:-1/2}|1:{0,-1,-2}", ["_start_0", "_start_1", "_main"]),
        ("1:{0}|1:{0:1+mu1,-1:-1*mu1}|1:{0,-1,-2}", ["_start_0", "_start_1", "_main"]),
        ("1:{0}|1:{0,-1}|1:{0:23/12,-1:-16/12,-2:5/12}", ["_start_0", "_start_1", "_main"]),
        ("1:{0}|1:{0,-1}|0<-1:{0,-1,-2};1:{0,-1}", ["_start_0", "_main"]),
        ("1:{0}|1:{0}|0<-1:{0,-1,-2};1:{0}", ["_start_0", "_main"]),
    ],
)
@pytest.mark.parametrize("limiter", [None, 1.3])
def test_schemes_by_their_text(scheme: str, expected: list[str], limiter: float | None) -> None:
    """Two steps go as those of the first two phases alone, whatever the main one."""

    def bounded(text: str, bound: float | None) -> sg.Solver:
        last = text.split("|")[-1].split(";")[-1].partition("~")[0]  # bounded if interpolated
        bound = bound if last in ("1:{0,-1}", "1:{0,-1,-2}", "1:{0,-2}") else None
        return sg.Solver(*CHOICES[0], scheme=text, limiter=bound)

    whole = bounded(scheme, limiter)
    found = sg.compile(whole, "numpy")
    assert [one for one in vars(found) if one.startswith(("_start", "_main"))] == expected
    first, second = scheme.split("|")[:2]
    text = f"{first}|{second}" if "-1" in second else second
    alone = sg.compile(bounded(text, whole.limiter and float(whole.limiter)), "numpy")
    x = np.array([0.4, -1.3])
    for shares in SHARES:
        for grid in (shares[:3], shares[2::-1], shares[-3:]):
            both = (one.sample(lambda x, t: np.sin(2.0 * x + t), x, grid) for one in (found, alone))
            np.testing.assert_allclose(*both, rtol=1e-13)


def drawn(seed: int) -> str:
    """A scheme of one to three earlier steps by its text, with any moments and nodes."""
    rng = np.random.default_rng(seed)
    moments = ["", str(rng.choice(["", "~classical", "~frozen", "~scaled(1,1/2,1/3)"]))]
    history, phases = rng.integers(1, 4), []
    for n in range(history + 1):
        nodes = [f"-{k}" for k in range(1, n + 1)]
        if rng.random() < 0.3:
            nodes = [one for one in nodes if rng.random() < 0.7]
        landing = f"1:{{{','.join(['0', *nodes])}}}{rng.choice(moments)}"
        if n == 0 and rng.random() < 0.5:
            landing = "1/2:{0};1:{0,s1}"
        if n == 1 and rng.random() < 0.3:
            landing = str(rng.choice(["1:{0:3/2,-1:-1/2}", "1:{0:1+mu1,-1:-1*mu1}"]))
        if n == history and rng.random() < 0.5:
            past = ",".join(f"-{k}" for k in range(1, n + 1))
            landing = f"0<-1:{{0,{past}}};1:{{{','.join(['0', *nodes[: n - 1]])}}}"
        phases.append(landing)
    return "|".join(phases)


@pytest.mark.parametrize("limiter", [1.0, 1.5, 2.0])
def test_a_bound_that_is_met_exactly(limiter: float) -> None:
    """h/h_1 for which the weight of two nodes is the least that those of three may add up to: the
    share of three nodes that are two is 0/0 there."""
    found = module(("rectified_flow", "flow", "flow", "time"), "multistep:3:ramp")
    for h_1 in np.array([3, 6, 12, 24]) / 256.0:
        h = h_1 / 3.0 * (11.0 * limiter - 3.0)
        row = found.coefficients([1.0, 1.0 - h_1, 1.0 - h_1 - h, 0.01], limiter)[1]
        np.testing.assert_allclose(row[2:5], [-h * (0.5 + limiter), h * (limiter - 0.5), 0.0])


@pytest.mark.usefixtures("certified")
@pytest.mark.slow_but(12)
@pytest.mark.parametrize("seed", range(80))
def test_any_scheme_has_the_coefficients_of_its_text(seed: int) -> None:
    """No module is written whose coefficients a search finds to differ from the scheme's in 50
    digits: here that is an error, unless the scheme itself is refused."""
    choice, scheme = CHOICES[seed % len(CHOICES)], drawn(seed)
    try:
        text = sg.emit(sg.Solver(*choice, scheme=scheme, limiter=None), "numpy")
    except sg.SchemeError:
        return
    assert "no coefficient is off by more than" in " ".join(text.split())


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
