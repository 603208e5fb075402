"""What a network says of the data is changed on the way: the same in every target, exactly."""

import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import numpy as np
import pytest
import sympy
import torch
from typer.testing import CliRunner

import solvergen as sg
from solvergen.algebra.evaluation import compiled
from solvergen.cli import app
from solvergen.derivation.parameterization import DATA, NAMED, Parameterization, conversion
from solvergen.measurement.problems import GaussianMixture
from solvergen.runs.scalars import ScheduleValues
from solvergen.symbols import OF_TIME, alpha, sigma
from solvergen.targets.files import load_text

jax.config.update("jax_enable_x64", True)
t = sg.t
TARGETS = ("numpy", "numba", "torch", "jax")
COMPILED = {"numba": ("noise",), "jax": ("noise", "data")}
"""What those run that take a second to compile it."""
MAKE: dict[str, Any] = {"torch": torch.from_numpy, "jax": jax.numpy.asarray}
XP: dict[str, Any] = {"torch": torch, "jax": jax.numpy}
X = np.random.default_rng(0).standard_normal((2, 3, 4))
BACKWARDS = sg.NoiseSchedule(1 - t, t, name="backwards", reversed=True)
PARABOLA = sg.NoiseSchedule(1 - t**2, t, name="parabola")
CHOICES = {
    "noise": ("vp_linear", "noise", "data", "half_log_snr", "multistep:3"),
    "flow": ("rectified_flow", "flow", "flow", "time", "singlestep:2"),
    "parabola": (PARABOLA, "flow", "noise", "half_log_snr", "multistep:2"),
    "table": ("stable_diffusion", "flow", "data", "half_log_snr", "unipc:2"),
    "velocity": ("vp_linear", "velocity", "data", "half_log_snr", "multistep:2"),
    "score": ("ve", "score", "data", "half_log_snr", "multistep:2"),
    "data": ("rectified_flow", "data", "flow", "time", "adams_moulton:2:tol=1e-9"),
    "custom": ("rectified_flow", Parameterization(sigma, 2 + t), "data", "time", "multistep:2"),
    "reversed": (BACKWARDS, "noise", "data", "half_log_snr", "multistep:2"),
}  # fmt: skip


@cache
def hooked(*choices: Any, **options: Any) -> sg.Solver:
    """Derived once for all tests."""
    return sg.Solver(*choices, **options, hooks=True)


def solver(name: str) -> sg.Solver:
    return hooked(*CHOICES[name])


def grid(module: ModuleType, steps: int = 7) -> np.ndarray:
    """Apart from both ends."""
    span = module.T_MAX - module.T_MIN
    return module.timesteps(steps, start=module.T_MIN + 0.9 * span, end=module.T_MIN + 0.1 * span)


def squashed(xp: Any) -> Any:
    """A change that looks at all it is given."""
    return lambda data, x, time: xp.tanh(data) + 0.1 * time * x


def network(xp: Any) -> Any:
    return lambda x, time: xp.tanh(x) * (0.6 + 0.3 * time) + 0.2 * x


def run(name: str, target: str, **options: Any) -> np.ndarray:
    module, xp = sg.compile(solver(name), target), XP.get(target, np)
    x = MAKE.get(target, np.array)(X)
    found = module.sample(network(xp), x, grid(module), on_data=squashed(xp), **options)
    return np.asarray(found)


def changed_by_hand(name: str) -> np.ndarray:
    """The run of a network that is changed before the module sees it, from the definitions:
    P = p_data x0 + p_noise eps with x = alpha x0 + sigma eps, for the x0 that f returns."""
    spec = solver(name)
    module, values = sg.compile(spec, "numpy"), ScheduleValues(spec.schedule)
    p_forms = (spec.prediction.data, spec.prediction.noise)

    def model(x: np.ndarray, time: float) -> np.ndarray:
        points = values.at(np.array([spec.schedule.network_time(time)]))
        p_data, p_noise = (
            float(np.ravel(compiled(spec.schedule.substitute(one), OF_TIME, "numpy")(*points))[0])
            for one in p_forms
        )
        a, s = (float(one[0]) for one in points[1:3])
        known = [x.ravel(), network(np)(x, time).ravel()]
        said = np.linalg.solve([[a, s], [p_data, p_noise]], known)[0].reshape(x.shape)
        data = squashed(np)(said, x, time)
        return p_data * data + p_noise * (x - a * data) / s

    return module.sample(model, X, grid(module))


@pytest.mark.slow_but(4)
@pytest.mark.parametrize("name", CHOICES)
def test_every_target_runs_the_changed_network(name: str) -> None:
    expected = changed_by_hand(name)
    unchanged = sg.compile(solver(name), "numpy")
    plain = unchanged.sample(network(np), X, grid(unchanged))
    assert np.abs(plain - expected).max() > 1e-3
    for target in TARGETS:
        if name not in COMPILED.get(target, CHOICES):
            continue
        np.testing.assert_allclose(run(name, target), expected, rtol=1e-11, atol=1e-11)
        seen: list[int] = []
        by_loop = run(name, target, callback=lambda one, seen=seen: seen.append(one.index))
        np.testing.assert_allclose(by_loop, expected, rtol=1e-11, atol=1e-11)
        assert seen[-1] == max(seen) > 0


@pytest.mark.parametrize("prediction", NAMED, ids=str)
def test_what_is_said_and_what_says_it_are_inverse(prediction: Parameterization) -> None:
    """x_0 = A x + B P, P = (x_0 - A x)/B and B = -sigma/det: in symbols, for every schedule."""
    a, b = conversion(prediction, DATA)
    x_0, eps = sympy.symbols("x_0 eps")
    x = alpha * x_0 + sigma * eps
    p = prediction.data * x_0 + prediction.noise * eps
    assert sympy.simplify(a * x + b * p - x_0) == 0
    if prediction != DATA:
        assert sympy.simplify((x_0 - a * x) / b - p) == 0
        assert sympy.simplify(b + sigma / prediction.determinant) == 0


@pytest.mark.parametrize(
    ("target", "choice"), [*((one, "noise") for one in TARGETS), ("numpy", "data"), ("jax", "data")]
)
def test_a_module_of_one_grid_does_the_same(target: str, choice: str) -> None:
    spec = hooked(*CHOICES[choice][:4], "singlestep:2" if choice == "data" else "multistep:3")
    xp, x = XP.get(target, np), MAKE.get(target, np.array)(X)
    whole = sg.compile(spec, target)
    times = grid(whole, 5)
    baked = sg.compile(spec, target, timesteps=times)
    options = {"on_data": squashed(xp)}
    expected = np.asarray(whole.sample(network(xp), x, times, **options))
    for seen in (None, lambda *_: None):
        found = np.asarray(baked.sample(network(xp), x, callback=seen, **options))
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    stopped = baked.sample(network(xp), x, callback=lambda _, time: bool(time < times[1]))
    assert np.abs(np.asarray(stopped) - np.asarray(baked.sample(network(xp), x))).max() > 1e-3
    with pytest.raises(TypeError, match="on_data returned"):
        baked.sample(network(xp), x, on_data=lambda data, *_: data[0])


def test_a_fitted_module_does_the_same() -> None:
    """Euler's method of a flow, written as one."""
    spec = hooked("rectified_flow", "flow", "flow", "time", "multistep:1")
    landings = [[1.0, 1, 0, 0], [0.5, 1, -0.5, 0], [0.2, 1, -0.5, -0.3]]
    times = np.array([1.0, 0.5, 0.2])
    expected = sg.compile(spec, "numpy").sample(network(np), X, times, on_data=squashed(np))
    for target in TARGETS:
        xp, x = XP.get(target, np), MAKE.get(target, np.array)(X)
        module = load_text(sg.emit_fitted(spec, target, times, landings), f"fitted_{target}")
        found = module.sample(network(xp), x, on_data=squashed(xp))
        np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-12)


def test_adaptive_steps_estimate_errors_of_the_changed_network() -> None:
    """Both pairs of stages that are used again and those that are not; against many fixed steps."""
    for scheme in ("dormand_prince", "dpm_23"):
        spec = hooked("rectified_flow", "flow", "flow", "time", scheme)
        module = sg.compile(spec, "numpy")
        ends = {"start": 0.9, "end": 0.05}
        options = {"on_data": squashed(np)}
        exact = module.sample(network(np), X, module.timesteps(400, **ends), **options)
        found = module.sample_adaptive(network(np), X, 1e-6, 1e-6, **ends, **options)
        assert np.abs(found - exact).max() < 1e-4


def test_a_reversible_run_of_a_changed_network_comes_back() -> None:
    module = sg.compile(hooked("rectified_flow", "flow", "flow", "time", "reversible"), "numpy")
    times, options = grid(module, 9), {"on_data": squashed(np)}
    pair = module.sample(network(np), X, times, return_pair=True, **options)
    back = module.invert(network(np), pair, times, **options)
    np.testing.assert_allclose(back, X, rtol=1e-9, atol=1e-12)


NOISES = [("numpy", "churn: 1/5", "heun"), *((one, "eta: 1", "multistep:2") for one in TARGETS)]


@pytest.mark.parametrize(("target", "stochasticity", "scheme"), NOISES)
def test_noise_on_the_way(target: str, stochasticity: str, scheme: str) -> None:
    """The same draws: a change that changes nothing leaves the run, up to rounding."""
    spec = hooked("vp_linear", "noise", "data", scheme=scheme, stochasticity=stochasticity)
    module, x = sg.compile(spec, target), MAKE.get(target, np.array)(X)
    xp, times = XP.get(target, np), grid(module, 3)
    plain, same = (
        np.asarray(module.sample(network(xp), x, times, noise=5, on_data=f))
        for f in (None, lambda data, *_: data)
    )
    np.testing.assert_allclose(same, plain, rtol=1e-11, atol=1e-11)
    if target == "numpy":
        other = module.sample(network(xp), x, times, noise=5, on_data=squashed(xp))
        assert np.abs(other - plain).max() > 1e-2


def _errors(change: Any, steps: tuple[int, ...]) -> np.ndarray:
    """Of runs in third order, of a mixture's own noise prediction, against many steps."""
    mixture = GaussianMixture(np.ones(2), np.array([[-1.0], [1.2]]), np.array([0.1, 0.2]))
    spec = hooked("vp_linear", "noise", "data", "half_log_snr", "multistep:3:exact")
    module = sg.compile(spec, "numpy")

    def model(x: np.ndarray, time: float) -> np.ndarray:
        a, s = module.alpha(time), module.sigma(time)
        return (x - a * mixture.posterior_mean(x, a, s)) / s

    x = np.linspace(-2, 2, 41)[:, None]
    ends = {"spacing": "half_log_snr", "start": 0.9, "end": 0.02}
    runs = [
        module.sample(model, x, module.timesteps(n, **ends), on_data=change)
        for n in (*steps, 16 * steps[-1])
    ]
    return np.array([np.abs(one - runs[-1]).mean() for one in runs[:-1]])


@pytest.mark.slow
def test_smooth_changes_keep_the_order_and_kinks_lower_it() -> None:
    """A smooth f is another network; in the step where an element begins to be clipped the data
    are extrapolated over a kink, which leaves h^2 of each whatever the method's order is."""

    def slope(change: Any, *steps: int) -> float:
        return float(-np.polyfit(np.log(steps), np.log(_errors(change, steps)), 1)[0])

    smooth = slope(lambda data, x, time: 0.9 * np.tanh(data) + 0.02 * time * x, 40, 80, 160)
    clipped = slope(lambda data, *_: np.clip(data, -0.4, 0.4), 160, 320, 640)
    assert 2.8 < smooth < 3.3
    assert 1.7 < clipped < 2.6


@pytest.mark.parametrize("name", ["noise", "flow", "velocity", "score"])
def test_what_a_mask_knows_is_exact(name: str) -> None:
    """Where the data are known, x = alpha x_0 + sigma eps with the eps that it began with."""
    module = sg.compile(solver(name), "numpy")
    times, mask, image = grid(module, 3), X[0] > 0, np.arange(12.0).reshape(3, 4) / 6
    first, last = ((module.alpha(one), module.sigma(one)) for one in times[[0, -1]])
    x = first[0] * image + first[1] * X

    def inpainted(data: np.ndarray, *_: Any) -> np.ndarray:
        return np.where(mask, image, data)

    found = module.sample(network(np), x, times, on_data=inpainted)
    gap = found - (last[0] * image + last[1] * X)
    assert np.abs(gap[:, mask]).max() < 1e-11 * max(1.0, last[1])
    assert np.abs(gap[:, ~mask]).min() > 1e-4


def test_a_changed_run_ends_at_a_fixed_point() -> None:
    """f(d) = d/2 + 0.3 has 0.6, which runs approach as sigma^(1 - 1/2)."""
    spec = hooked("ve", "data", "data", "half_log_snr", "multistep:3")
    module = sg.compile(spec, "numpy")

    def gap(last: float) -> np.ndarray:
        times = module.timesteps(300, "half_log_snr", 1.0, last)
        smoothed = lambda x, time: x / (1 + time**2)  # noqa: E731 - of unit Gaussians
        return module.sample(smoothed, X, times, on_data=lambda data, *_: 0.5 * data + 0.3) - 0.6

    rate = np.log(gap(1e-3) / gap(1e-5)) / np.log(100)
    np.testing.assert_allclose(rate, 0.5, atol=0.01)


@pytest.mark.parametrize("target", TARGETS)
def test_where_a_prediction_says_nothing_of_the_data(target: str) -> None:
    """At sigma = 0, where x is the data: a run that asks there is refused with a change, not else.
    A network that predicts the data says it everywhere."""
    xp, x = XP.get(target, np), MAKE.get(target, np.array)(X)
    spec = hooked("rectified_flow", "flow", "flow", "time", "heun")
    module = sg.compile(spec, target)
    whole, up = module.timesteps(4), module.timesteps(4, start=0.0, end=0.9)
    for times in (whole, up):
        assert np.isfinite(np.asarray(module.sample(network(xp), x, times))).all()
        with pytest.raises(ValueError, match=r"x_0 = 1.0 x \+ -0.0 P cannot|sigma = 0 is asked"):
            module.sample(network(xp), x, times, on_data=squashed(xp))
    seen: list[float] = []
    module.sample(
        network(xp), x, whole, callback=lambda run: seen.append(np.abs(np.asarray(run.data)).max())
    )
    assert len(seen) == 8
    assert np.isfinite(seen).all()  # what is said may be seen there
    with pytest.raises(ValueError, match="sigma = 0"):
        sg.compile(hooked("rectified_flow", "flow", "flow", "time", "heun"), target, whole).sample(
            network(xp), x, on_data=squashed(xp)
        )
    data = sg.compile(hooked("rectified_flow", "data", "data", "time", "heun"), target)
    found = data.sample(network(xp), x, whole, on_data=squashed(xp))
    assert np.isfinite(np.asarray(found)).all()


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_no_change_is_refused(target: str) -> None:
    module = sg.compile(solver("noise"), target)
    xp, x = XP.get(target, np), MAKE.get(target, np.array)(X)
    for wrong in (lambda data, *_: None, lambda data, *_: data[:1], lambda data, *_: 0.0):
        with pytest.raises((ValueError, TypeError), match=r"expected|None|unsupported"):
            module.sample(network(xp), x, grid(module), on_data=wrong)


@pytest.mark.parametrize("target", TARGETS)
def test_a_callback_sees_the_run_and_ends_it(target: str) -> None:
    """Its number, how many there are, time, sample and data; nothing but True ends the run."""
    module = sg.compile(solver("noise"), target)
    xp, x = XP.get(target, np), MAKE.get(target, np.array)(X)
    times, seen = grid(module), []

    def look(run: Any) -> Any:
        seen.append(
            (run.index, len(run), float(run.t), np.asarray(run.x).copy(), np.asarray(run.data))
        )
        return 1

    whole = np.asarray(module.sample(network(xp), x, times, callback=look))
    count = len(module.coefficients(times))
    assert [one[:2] for one in seen] == [(n + 1, count) for n in range(count)]
    assert seen[-1][2] == pytest.approx(times[-1])
    np.testing.assert_array_equal(seen[-1][3], whole)
    a, s = module.alpha(times[0]), module.sigma(times[0])
    np.testing.assert_allclose(seen[0][4], (X - s * network(np)(X, times[0])) / a, rtol=1e-10)
    ended = module.sample(network(xp), x, times, callback=lambda run: run.index == 3)
    np.testing.assert_allclose(np.asarray(ended), seen[2][3], rtol=1e-13)


class Until:
    """A callback that ends a run at an index, and knows the x of then."""

    def __init__(self, index: int) -> None:
        self.index, self.seen = index, 0

    def __call__(self, run: Any) -> bool:
        self.seen, self.x = run.index, np.array(run.x)
        return bool(run.index == self.index)


@pytest.mark.parametrize("target", ["numpy", "jax"])
def test_runs_without_hooks_are_ended_too(target: str) -> None:
    """By a callback of any module: for any grid, for one, for many, and of adaptive steps."""
    xp, x = XP.get(target, np), MAKE.get(target, np.array)(X)
    spec = sg.Solver("rectified_flow", "flow", "flow", "time", "dpm_23")
    module, until = sg.compile(spec, target), Until(4)
    times = grid(module)
    ended = np.asarray(module.sample(network(xp), x, times, until))
    np.testing.assert_array_equal(ended, until.x)
    assert until.seen == 4 < len(module.coefficients(times))

    def by_sample(x: Any, time: Any) -> Any:
        return network(xp)(x, time.reshape(-1, 1, 1))

    many = sg.compile(spec.whose_modules(per_sample=True), target)
    several = many.sample(by_sample, x, np.stack([times, times]), until)
    np.testing.assert_allclose(np.asarray(several), ended, rtol=1e-9)
    one = sg.compile(spec, target, timesteps=times)
    last = one.COEFFICIENTS[4, 0]
    at = one.sample(network(xp), x, lambda _, time: bool(abs(time - last) < 1e-12))
    np.testing.assert_allclose(np.asarray(at), ended, rtol=1e-9)
    with pytest.raises(TypeError, match="on_data"):
        module.sample(network(xp), x, times, on_data=squashed(xp))
    if target == "numpy":
        times = list[float]()
        module.sample_adaptive(
            network(np), X, 1e-6, 1e-6, 0.9, 0.1, lambda run: times.append(run.t) or len(times) == 4
        )
        assert len(times) == 4


@pytest.mark.parametrize("target", TARGETS)
def test_progress_is_a_bar_of_tqdm(
    target: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = sg.compile(solver("noise"), target)
    xp, x = XP.get(target, np), MAKE.get(target, np.array)(X)
    times = grid(module)
    module.sample(network(xp), x, times, progress=True)
    assert f"{len(module.coefficients(times))}/" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    module.sample(network(xp), x, times)
    with pytest.raises(ImportError, match="pip install tqdm"):
        module.sample(network(xp), x, times, progress=True)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_data_of_narrow_samples_are_wide(dtype: torch.dtype) -> None:
    """A sum of two large terms at the first steps; clipped data are what is integrated."""
    module = sg.compile(solver("noise"), "torch")
    kinds = set()

    def clipped(data: torch.Tensor, x: torch.Tensor, time: Any) -> torch.Tensor:
        kinds.add((data.dtype, x.dtype))
        return data.clamp(-1, 1)

    x = torch.from_numpy(X).to(dtype)
    found = module.sample(network(torch), x, module.timesteps(8), on_data=clipped)
    assert kinds == {(torch.float32, dtype)}
    assert found.dtype == dtype
    assert found.abs().max() <= 1.0 + 2 * torch.finfo(dtype).eps  # the last step lands on data


def test_gradients_and_compilers_take_a_changed_run() -> None:
    module = sg.compile(solver("noise"), "torch")
    plan = module.Plan(grid(module, 3), torch.float64)

    def sampled(x: torch.Tensor) -> torch.Tensor:
        return module.sample(network(torch), x, plan, on_data=squashed(torch))

    x = torch.from_numpy(X[0])
    _, slope = torch.func.jvp(sampled, (x,), (torch.ones_like(x),))
    moved = (sampled(x + 1e-5) - sampled(x - 1e-5)) / 2e-5
    torch.testing.assert_close(slope, moved, rtol=1e-6, atol=1e-8)
    whole = torch.compile(sampled, backend="eager", fullgraph=True)
    torch.testing.assert_close(whole(x), sampled(x))
    jaxed = sg.compile(solver("noise"), "jax")
    own = jaxed.Plan(grid(module, 3), "float64")

    @jax.jit
    def by_jax(x: Any, plan: Any) -> Any:
        return jaxed.sample(network(jax.numpy), x, plan, on_data=squashed(jax.numpy))

    np.testing.assert_allclose(by_jax(jax.numpy.asarray(X[0]), own), sampled(x), rtol=1e-11)


def test_it_is_an_option_that_a_specification_says(tmp_path: Path) -> None:
    plain = sg.Solver("rectified_flow", "flow", "flow", "time", "multistep:2")
    spec = plain.whose_modules(hooks=True)
    assert spec.specification == plain.specification | {"hooks": "yes"}
    assert sg.from_specification(spec.specification) == spec != plain
    path = tmp_path / "hooked.py"
    done = CliRunner().invoke(app, ["compile", *spec.arguments.split(), "-o", str(path)])
    assert done.exit_code == 0, done.output
    assert "--hooks" in " ".join(path.read_text().split())
    assert path.read_text() == sg.emit(spec, "numba")
    with pytest.raises(sg.SchemeError, match="per_sample and hooks"):
        spec.whose_modules(hooks=True, per_sample=True)
    for target in ("diffusers", "k-diffusion"):  # which have one always
        schedule = {"diffusers": "vp_alphabar"}.get(target, "ve")
        assert "on_data" in sg.emit(sg.Solver(schedule, "data", hooks=True), target)


def test_samples_in_parallel_are_of_the_network_as_it_is() -> None:
    spec = sg.Solver(
        "rectified_flow", "flow", "flow", "time", "multistep:2", parallel=True, hooks=True
    )
    module = sg.compile(spec, "numpy")
    times = grid(module, 20)
    baked = sg.compile(spec, "numpy", timesteps=times)
    plain, changed = (module.sample(network(np), X, times, on_data=f) for f in (None, squashed(np)))

    def rows(x: np.ndarray, time: np.ndarray) -> np.ndarray:
        return network(np)(x, time.reshape(-1, 1, 1))

    for found in (
        module.sample_parallel(rows, X, times, tolerance=1e-9),
        baked.sample_parallel(rows, X, tolerance=1e-9),
    ):
        np.testing.assert_allclose(found, plain, rtol=1e-6)
    np.testing.assert_allclose(
        baked.sample(network(np), X, on_data=squashed(np)), changed, rtol=1e-9
    )
