"""Embedded pairs and adaptive steps: the interpreter, the targets and the exact mixture agree."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from readers import ADAPTIVE, X, as_target, for_target, sample_adaptive

import solvergen as sg
from solvergen.errors import SchemeError
from solvergen.measurement import problems, verification
from solvergen.measurement.pairs import pair_error
from solvergen.methods import notation
from solvergen.program import lowering, order
from solvergen.specification import schemes

MIXTURE = problems.GaussianMixture(
    np.array([0.4, 0.6]), np.array([[-1.0], [0.8]]), np.array([0.09, 0.16])
)
PROBES = np.linspace(-1.2, 1.2, 7)[:, None]
SPECS = [
    ("rectified_flow", "flow", "flow", "time", "bogacki_shampine"),
    ("rectified_flow", "flow", "data", "half_log_snr", "dpm_23"),
    ("vp_linear", "noise", "data", "half_log_snr", "dpm_12"),
    ("ve", "data", "noise", "sigma/alpha", "pece:1"),
    ("vp_linear", "velocity", "flow", "time", "fehlberg8"),
]
POWERS = [
    ("dpm_12", 2),
    ("dpm_23", 3),
    ("pece:1", 2),
    ("heun", 2),
    ("bogacki_shampine", 3),
    ("fehlberg5", 5),
    ("cash_karp", 5),
    ("dormand_prince", 5),
    ("fehlberg8", 8),
]


FIRST = {"fehlberg5": -6, "cash_karp": -6, "dormand_prince": -6, "fehlberg8": -3}
"""The power of ten of the largest tolerance, where it is not that of the estimate."""


def flow_solver(scheme: str) -> sg.Solver:
    return sg.Solver("rectified_flow", "flow", "flow", "time", scheme)


def front(x: np.ndarray, t: float) -> np.ndarray:
    """Nothing happens but near t = 1/2, where steps have to be short."""
    return np.tanh((t - 0.5) / 0.01) - 0.1 * x


def jump(x: np.ndarray, t: float) -> np.ndarray:
    """No step across t = 1/2 is short enough."""
    return 0.0 * x + (1e6 if t > 0.5 else -1e6)


class Counted:
    """A model that counts its calls."""

    def __init__(self, network: Callable[..., np.ndarray]) -> None:
        self.network, self.calls = network, 0

    def __call__(self, x: np.ndarray, t: float) -> np.ndarray:
        self.calls += 1
        return self.network(x, t)


@pytest.mark.slow_but(1)
@pytest.mark.parametrize("choice", SPECS, ids=lambda choice: choice[-1])
def test_readers_choose_the_same_steps(choice: tuple[str, ...]) -> None:
    spec = sg.Solver(*choice)
    network = problems.model(MIXTURE, spec)
    expected, *counts = sample_adaptive("interpreter", spec, (0.8, 0.3), 1e-4, network, PROBES)
    assert counts[0] >= 3
    for target in ADAPTIVE:
        found, *steps = sample_adaptive(target, spec, (0.8, 0.3), 1e-4, network, PROBES)
        assert steps == counts, target
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-13, err_msg=target)
    assert pair_error(spec, sg.compile(spec, "numpy"), 0.6, 0.5) < 1e-12


@pytest.mark.parametrize(("scheme", "power"), POWERS)
def test_power_of_the_estimate(scheme: str, power: int) -> None:
    """The lower of the two orders, plus one; in the pair's own clock for tableaux."""
    scheme_ = schemes.get(scheme)
    classical = scheme not in ("dpm_12", "dpm_23", "pece:1")
    (pair,) = lowering.lower(scheme_).pairs
    assert order.estimate_power(pair, classical, classical) == power
    spec = flow_solver(scheme)
    assert spec.estimate_powers == (power,)
    module = sg.compile(spec, "numpy")
    assert [known for _, known, _ in module._PAIRS] == [power]
    assert spec.order >= power
    text = " ".join(module.__doc__.split())
    assert f"A second landing differs from the last by O(h^{power})" in text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scheme", "first"),
    [(name, FIRST.get(name, -power)) for name, power in POWERS],
)
def test_error_is_proportional_to_the_tolerance(scheme: str, first: int) -> None:
    """Over four decades, on the exact mixture: the pair advances with the higher order p, the
    estimate is O(h^p), so that the error at the end is O(tolerance)."""
    choice = ("data", "half_log_snr") if scheme in ("dpm_12", "dpm_23") else ("flow", "time")
    spec = sg.Solver("rectified_flow", "flow", *choice, scheme)
    module = sg.compile(spec, "numpy")
    network = problems.model(MIXTURE, spec)
    exact = MIXTURE.exact_flow(PROBES, (0.1, 0.9), (0.7, 0.3))
    tolerances = 10.0 ** (first - np.arange(5))
    errors = []
    for tolerance in tolerances:
        found = module.sample_adaptive(network, PROBES, tolerance, tolerance, 0.9, 0.3)
        errors.append(np.sqrt(np.mean((found - exact) ** 2)))
    slope = np.polyfit(np.log10(tolerances), np.log10(errors), 1)[0]
    assert 0.8 <= slope <= 1.3, errors
    assert np.all(np.array(errors) < 10 * tolerances), errors
    assert np.all(np.array(errors) > 1e-3 * tolerances), errors


@pytest.mark.parametrize("target", ADAPTIVE)
@pytest.mark.parametrize(
    ("scheme", "evaluations", "reuses"),
    [("heun", 2, False), ("dpm_23", 3, False), ("bogacki_shampine", 4, True),
     ("dormand_prince", 7, True)],
)  # fmt: skip
def test_evaluations_that_are_spent(
    target: str, scheme: str, evaluations: int, reuses: bool
) -> None:
    """A rejected step keeps its first evaluation. If the last one is at the end of the step, the
    next step has its first one for nothing."""
    module = sg.compile(flow_solver(scheme), target)
    network = Counted(front)
    states = []
    found = module.sample_adaptive(
        for_target(target, network), as_target(target, X), 1e-5, 1e-5, callback=states.append
    )
    taken, refused = states[-1].accepted, states[-1].rejected
    assert taken > 5
    assert refused > 1
    if reuses:
        assert network.calls == 1 + (evaluations - 1) * (taken + refused)
    else:
        assert network.calls == evaluations * taken + (evaluations - 1) * refused
    assert len(states) == network.calls
    exact = _front_solution(X)
    assert np.asarray(found) == pytest.approx(exact, abs=3e-4)


def _front_solution(x: np.ndarray) -> np.ndarray:
    """x(0) of dx/dt = tanh((t - 1/2)/w) - x/10 from x(1), by quadrature."""
    t = np.linspace(0, 1, 100_001)
    forcing = np.trapezoid(np.exp(0.1 * t) * np.tanh((t - 0.5) / 0.01), t)
    return x * np.exp(0.1) - forcing


@pytest.mark.parametrize("target", ADAPTIVE)
def test_steps_are_short_where_they_have_to_be(target: str) -> None:
    module = sg.compile(flow_solver("dormand_prince"), target)
    times = []
    stepper = module.AdaptiveStepper(as_target(target, X), 1e-6, 1e-6)
    network = for_target(target, front)
    reached = 1.0
    while not stepper.done:
        stepper.step(network(stepper.x, stepper.t))
        if stepper.reached != reached:
            times.append((reached, stepper.reached))
            reached = stepper.reached
    assert (times[0][0], times[-1][1]) == (1.0, 0.0)
    lengths = {bool(a > 0.49 and b < 0.51): [] for a, b in times}
    for a, b in times:
        lengths[a > 0.49 and b < 0.51].append(a - b)
    assert 10 * max(lengths[True]) < max(lengths[False])


@pytest.mark.parametrize("target", ADAPTIVE)
@pytest.mark.parametrize(
    ("choice", "bound"),
    [
        (("flow", "time", "dormand_prince"), 3.0),
        (("data", "half_log_snr", "dpm_23"), 60.0),
    ],
)
def test_from_pure_noise_to_data(target: str, choice: tuple[str, ...], bound: float) -> None:
    """From exactly alpha = 0 to exactly sigma = 0; where lambda is infinite there, steps are
    measured in time, and the outermost ones are of first order and controlled as well."""
    spec = sg.Solver("rectified_flow", "flow", *choice)
    network = problems.model(MIXTURE, spec)
    exact = MIXTURE.exact_flow(PROBES, (0.0, 1.0), (1.0, 0.0))
    for tolerance in (1e-3, 1e-4, 1e-5):
        found, taken, _ = sample_adaptive(target, spec, (1.0, 0.0), tolerance, network, PROBES)
        error = np.sqrt(np.mean((found - exact) ** 2))
        assert error < bound * tolerance
        assert taken < 150


@pytest.mark.parametrize("target", ADAPTIVE)
def test_single_precision(target: str) -> None:
    spec = flow_solver("bogacki_shampine")
    network = problems.model(MIXTURE, spec)
    exact = MIXTURE.exact_flow(PROBES, (0.2, 0.8), (0.7, 0.3))
    module = sg.compile(spec, target)
    predict = for_target(target, lambda x, t: network(x, t).astype(np.float32))
    x = as_target(target, PROBES.astype(np.float32))
    found = np.asarray(module.sample_adaptive(predict, x, 1e-4, 1e-4, 0.8, 0.3))
    assert found.dtype == np.float32
    assert np.abs(found - exact).max() < 1e-4


def test_half_precision() -> None:
    module = sg.compile(flow_solver("heun"), "torch")
    x = torch.linspace(-1, 1, 12, dtype=torch.bfloat16)
    found = module.sample_adaptive(lambda y, t: y, x, 1e-2, 1e-2)
    assert found.dtype == torch.bfloat16
    assert (found.double() - x.double() * np.exp(-1)).abs().max() < 2e-2


def test_torch_is_differentiable() -> None:
    """dx/dt = x: d(sample)/dx = exp(-1)."""
    module = sg.compile(flow_solver("dormand_prince"), "torch")
    x = torch.tensor([0.3, -0.7], dtype=torch.float64, requires_grad=True)
    found = module.sample_adaptive(lambda y, t: y, x, 1e-8, 1e-8)
    (gradient,) = torch.autograd.grad(found.sum(), x)
    assert gradient.numpy() == pytest.approx(np.exp(-1) * np.ones(2), rel=1e-7)


@pytest.mark.parametrize("target", ADAPTIVE)
def test_model_may_reuse_its_output_buffer(target: str) -> None:
    """As a captured network does: what is known at the start of a step is a copy."""
    module = sg.compile(flow_solver("bogacki_shampine"), target)
    network = for_target(target, front)
    buffer = as_target(target, np.zeros_like(X))

    def reusing(x, t):
        buffer[...] = network(x, t)
        return buffer

    fresh = module.sample_adaptive(network, as_target(target, X), 1e-4, 1e-4)
    again = module.sample_adaptive(reusing, as_target(target, X), 1e-4, 1e-4)
    assert np.array_equal(np.asarray(fresh), np.asarray(again))


@pytest.mark.parametrize("target", ADAPTIVE)
@pytest.mark.parametrize(
    ("network", "arguments", "error", "message"),
    [
        (front, {"max_steps": 5}, RuntimeError, "expected 0.0 within max_steps"),
        (jump, {"rtol": 0.0, "atol": 1e-13}, RuntimeError, "longer than the spacing of float64"),
        (lambda x, t: x * np.nan, {}, FloatingPointError, "is nan; expected finite model outputs"),
        (front, {"atol": 0.0}, ValueError, r"atol is 0.0; expected rtol >= 0 and atol > 0"),
        (front, {"rtol": -1.0}, ValueError, r"rtol is -1.0 and"),
        (front, {"start": 0.2, "end": 0.2}, ValueError, "2 or more monotonic times"),
        (
            front,
            {"start": 1.5},
            ValueError,
            r"got \[1.5 0. *\]; expected .* in \[0.0, 1.0\]",
        ),
        (lambda x, t: x[:1], {}, ValueError, "the model output is"),
    ],
)
def test_errors(
    target: str, network: Callable, arguments: dict, error: type[Exception], message: str
) -> None:
    module = sg.compile(flow_solver("bogacki_shampine"), target)
    chosen = {"rtol": 1e-6, "atol": 1e-6, **arguments}
    with pytest.raises(error, match=message):
        module.sample_adaptive(for_target(target, network), as_target(target, X), **chosen)


@pytest.mark.parametrize("target", ADAPTIVE)
@pytest.mark.parametrize("max_steps", [1, 5])
def test_max_steps_counts_trials(target: str, max_steps: int) -> None:
    """Those that are rejected too; and a run of that many and no more is not refused."""
    module = sg.compile(flow_solver("bogacki_shampine"), target)
    stepper = module.AdaptiveStepper(as_target(target, X), 1e-6, 1e-6, max_steps=max_steps)
    network = for_target(target, front)
    with pytest.raises(RuntimeError, match="within max_steps"):
        module._run(stepper, network, None)
    assert stepper.accepted + stepper.rejected == max_steps
    states = []
    ends, x = {"start": 0.9, "end": 0.7}, as_target(target, X)
    whole = module.sample_adaptive(network, x, 1e-6, 1e-6, callback=states.append, **ends)
    trials = states[-1].accepted + states[-1].rejected
    again = module.sample_adaptive(network, x, 1e-6, 1e-6, max_steps=trials, **ends)
    assert np.array_equal(np.asarray(whole), np.asarray(again))


@pytest.mark.parametrize(
    ("prediction", "integrand", "ends"),
    [("noise", "noise", (1.0, 0.5)), ("noise", "data", (1.0, 0.5)), ("data", "noise", (0.5, 0.0))],
)
def test_ends_without_limits(prediction: str, integrand: str, ends: tuple[float, float]) -> None:
    """alpha = 0 for an integrand noise, and ends where the prediction does not determine it."""
    spec = sg.Solver("rectified_flow", prediction, integrand, "half_log_snr", "dpm_12")
    module = sg.compile(spec, "numpy")
    with pytest.raises(ValueError, match=r"no finite coefficients; expected Phi, M0 and"):
        module.sample_adaptive(lambda x, t: 0.1 * x, X, 1e-3, 1e-3, *ends)


@pytest.mark.parametrize("target", ADAPTIVE)
def test_a_run_that_is_done_takes_no_step(target: str) -> None:
    module = sg.compile(flow_solver("heun"), target)
    stepper = module.AdaptiveStepper(as_target(target, X), 1e-2, 1e-2, 0.6, 0.4)
    while not stepper.done:
        stepper.step(stepper.x * 1.0)
    assert float(stepper.t) == 0.4
    with pytest.raises(ValueError, match="until the run is done"):
        stepper.step(stepper.x)


@pytest.mark.parametrize("scheme", ["heun", "dpm_12"])
def test_verify_measures_the_pair_too(scheme: str, tmp_path: Path, monkeypatch) -> None:
    path = sg.write(flow_solver(scheme), "numpy", tmp_path / "solver.py")
    found = verification.verify(path)
    assert found.passed, str(found)
    monkeypatch.setattr(verification, "pair_error", lambda *_: 1e-3)
    assert not verification.verify(path).passed


@pytest.mark.parametrize("scheme", ["multistep:2", "pece:2", "singlestep:3", "rk4"])
def test_schemes_without_estimate_have_no_adaptive_steps(scheme: str) -> None:
    assert "adaptive" not in sg.emit(flow_solver(scheme), "numpy").lower()


@pytest.mark.parametrize("scheme", [name for name, _ in POWERS])
def test_text_round_trip(scheme: str) -> None:
    known = schemes.get(scheme)
    again = schemes.get(notation.write(known))
    assert (again.phases, again.pair) == (known.phases, known.pair)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1:{0} | 1:{0,-1} ? 1:{0,-1}; 1:{0}", "multistep methods are not supported"),
        ("1:{0} | 1:{0,-1} ? 1:{0}; 1:{s1}", "multistep methods are not supported"),
        ("1:{0} ? 1:{0}; 1:{0}", "is the last stage itself"),
        ("1:{0} ? 1:{0}; 1/2:{0,s1}", "expected a landing at theta = 1"),
        ("1:{0} ? 1:{0}; 1:{s2}", "not computed yet"),
        ("1:{0} ? 1:{0}; 1:{0: 1/2, s1: 1/3}", "residual -1/6"),
        ("1:{0} ? 1:{0}", "ends at theta = nothing"),
    ],
)
def test_refused(text: str, message: str) -> None:
    with pytest.raises(SchemeError, match=message):
        schemes.get(text)
