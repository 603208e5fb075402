"""Bounded weights in modules: on every target, in every form of a run, on grids that people use."""

import numpy as np
import pytest
from readers import TARGETS, as_target, for_target, from_target

import solvergen as sg
from solvergen.compiler import load_text
from solvergen.measurement.problems import GaussianMixture, model
from solvergen.scalars.baking import bake
from solvergen.scalars.reference import Reference, ReferenceScalars
from solvergen.scalars.rows import exact_rows, steps_of
from solvergen.targets import rendering

NORMAL = [14.6146, 6.6780, 3.5221, 2.0606, 1.2768, 0.7913, 0.4397, 0.0292, 0.0]
"""Sigmas of ComfyUI's scheduler ``normal``, 8 steps of the table of Stable Diffusion."""
SHIFTED_TWICE = [1.0, 0.900, 0.751, 0.503, 0.0089, 0.0]
"""Those of FlowMatchEuler for SD3, 5 steps."""
BUMPS = GaussianMixture((0.5, 0.5), [[-1.0], [0.8]], (0.05, 0.05))
EULER = {"ve": ("noise", "sigma/alpha"), "rectified_flow": ("flow", "time")}
CHOICES = [
    ("rectified_flow", "flow", "time", "multistep:2:ramp"),
    ("rectified_flow", "data", "time", "multistep:3"),
    ("vp_linear", "data", "half_log_snr", "multistep:4"),
    ("vp_linear", "noise", "sigma/(alpha+sigma)", "unipc:3"),
    ("vp_linear", "straight", "sigma/(alpha+sigma)", "unipc:2:exact:ramp"),
    ("ve", "data", "half_log_snr", "unipc:2:bh2:ramp:ramp"),
    ("vp_alphabar", "velocity", "theta", "general_linear:3:2"),
    ("rectified_flow", "data", "half_log_snr", "pece:4"),
]


def solver(choice: tuple[str, ...], limiter: object = True) -> sg.Solver:
    schedule, integrand, expansion, scheme = choice
    return sg.Solver(schedule, "data", integrand, expansion, scheme, limiter)


def module(spec: sg.Solver):
    return load_text(rendering.coefficients_module(spec), "limited")


def uneven(spec: sg.Solver, seed: int, steps: int = 8) -> np.ndarray:
    """A grid with steps of very different lengths."""
    low, high = map(float, spec.schedule.domain)
    shares = np.random.default_rng(seed).uniform(0.05, 1.0, steps) ** 3
    inside = np.concatenate([[0.0], np.cumsum(shares)]) / shares.sum()
    return high - (0.02 + 0.95 * inside) * (high - low)


@pytest.mark.parametrize("choice", CHOICES, ids="-".join)
def test_rows_are_those_of_the_definitions(choice: tuple[str, ...]) -> None:
    spec = solver(choice)
    grid = uneven(spec, 1)
    found, free = module(spec).coefficients(grid), module(spec).coefficients(grid, limiter=np.inf)
    assert not np.allclose(found, free), "nothing is bounded on this grid"
    np.testing.assert_array_equal(free, module(spec.unlimited).coefficients(grid))
    reference = Reference(spec.weights, spec.prediction)
    for n, (number, first) in enumerate(steps_of(spec.program, spec.table, grid)):
        phase = spec.table.phases[number]
        scalars = ReferenceScalars.over(reference, phase.program, grid.tolist(), n).rounded()
        for k, exact in enumerate(exact_rows(spec.table, phase, scalars)):
            row = found[first + k, spec.table.first_factor :][: len(exact)]
            exact = np.array(exact, dtype=float)
            np.testing.assert_allclose(row, exact, atol=1e-12 * np.abs(exact).max(), rtol=0)


@pytest.mark.parametrize("choice", CHOICES[:6:2], ids="-".join)
def test_baked_rows_are_bounded(choice: tuple[str, ...]) -> None:
    spec = solver(choice)
    grid, emitted = uneven(spec, 2), module(spec)
    baked = bake(spec, emitted, grid.tolist())
    rows = emitted.coefficients(grid)[:, spec.table.first_factor :]
    for found, expected in zip(baked.rows, rows, strict=True):
        np.testing.assert_allclose(found[1:], expected[: len(found) - 1], atol=1e-11)


@pytest.mark.parametrize("target", TARGETS)
def test_a_plan_may_be_bounded_otherwise(target: str) -> None:
    spec = solver(CHOICES[1])
    emitted = load_text(sg.emit(spec, target), f"limited_{target}")
    grid = uneven(spec, 3)
    x = np.random.default_rng(0).standard_normal((2, 3))
    network = for_target(target, lambda x, time: x / (1.0 + x**2) - time)
    given = as_target(target, x)
    runs = {
        bound: from_target(
            target, emitted.sample(network, given, emitted.Plan(grid, given.dtype, limiter=bound))
        )
        for bound in (1.1, 1.3, np.inf)
    }
    np.testing.assert_array_equal(
        runs[1.1], from_target(target, emitted.sample(network, given, grid))
    )
    free = load_text(sg.emit(spec.unlimited, target), f"free_{target}")
    np.testing.assert_array_equal(
        runs[np.inf], from_target(target, free.sample(network, given, grid))
    )
    assert np.abs(runs[1.3] - runs[1.1]).max() > 1e-6 < np.abs(runs[1.3] - runs[np.inf]).max()


def errors(spec: sg.Solver, levels: list[float]) -> dict[str, float]:
    """The root mean square error of a run over noise levels, bounded and not, and of Euler's."""
    x = np.random.default_rng(0).standard_normal((4000, 1))
    euler = sg.Solver(spec.schedule, "data", *EULER[spec.schedule.name], "euler")
    low, high = levels[-1], levels[0]
    alpha = 1.0 if spec.schedule.name == "ve" else 1.0 - high
    start = high * x
    exact = BUMPS.exact_flow(start, (alpha, high), (1.0, max(low, 1e-6)))
    found = {}
    for name, one in (("bounded", spec), ("free", spec.unlimited), ("euler", euler)):
        emitted = load_text(sg.emit(one, "numpy"), name)
        samples = emitted.sample(model(BUMPS, one), start, np.array(levels))
        found[name] = float(np.sqrt(np.mean((samples - exact) ** 2)))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["multistep:2:ramp", "multistep:3:ramp", "multistep:4:ramp"])
def test_sudden_steps_of_a_sampler_do_not_blow_up(scheme: str) -> None:
    """Up to thirty times worse than Euler's method without bounds, no worse with them."""
    found = errors(solver(("ve", "data", "half_log_snr", scheme)), NORMAL)
    assert found["bounded"] < 1.01 * found["euler"], found
    assert found["bounded"] < 0.3 * found["free"], found


@pytest.mark.slow
def test_a_grid_shifted_twice() -> None:
    spec = sg.Solver("rectified_flow", "data", "data", "half_log_snr", "multistep:2:ramp")
    found = errors(spec, SHIFTED_TWICE)
    assert found["bounded"] < found["euler"] < found["free"], found


SMOOTH = {
    "time": lambda u: 1 - 0.98 * u,
    "karras": lambda u: (0.98 ** (1 / 3) * (1 - u) + 0.02 ** (1 / 3) * u) ** 3,
    "quadratic": lambda u: 1 - 0.98 * (0.3 * u + 0.7 * u**2),
}


@pytest.mark.parametrize("spacing", SMOOTH)
@pytest.mark.parametrize(
    ("scheme", "order"), [("multistep:2", 2), ("unipc:2", 3), ("multistep:3", 3)]
)
def test_the_order_holds_on_grids_that_grow_slowly(spacing: str, scheme: str, order: int) -> None:
    """Measured on steps that grow by 1 + O(h), with the bounds of the default."""
    spec = sg.Solver("rectified_flow", "data", "straight", "time", scheme)
    emitted = load_text(sg.emit(spec, "numpy"), "smooth")
    found = {}
    for steps in (80, 160, 320):
        grid = SMOOTH[spacing](np.linspace(0.0, 1.0, steps + 1))
        first, last = ((1.0 - one, one) for one in (grid[0], grid[-1]))
        x = np.linspace(-1.5, 1.5, 40)[:, None] + 0.01
        exact = BUMPS.exact_flow(x, first, last)
        found[steps] = np.abs(emitted.sample(model(BUMPS, spec), x, grid) - exact).mean()
    slope = np.log2(found[160] / found[320])
    assert order - 0.35 < slope < order + 0.6, (slope, found)


def test_where_bounds_act_the_order_is_theirs() -> None:
    """On steps that alternate between two lengths they act in every other one, at any length."""
    spec = sg.Solver("rectified_flow", "data", "straight", "time", "multistep:3")
    found = {}
    for name, one in (("bounded", spec), ("free", spec.unlimited)):
        emitted, worst = load_text(sg.emit(one, "numpy"), name), []
        for steps in (80, 160):
            shares = np.where(np.arange(2 * steps) % 2, 3.0, 1.0)
            grid = 0.98 - 0.96 * np.concatenate([[0.0], np.cumsum(shares) / shares.sum()])
            x = np.linspace(-1.5, 1.5, 40)[:, None] + 0.01
            exact = BUMPS.exact_flow(x, (0.02, 0.98), (1.0 - grid[-1], grid[-1]))
            worst.append(np.abs(emitted.sample(model(BUMPS, one), x, grid) - exact).mean())
        found[name] = np.log2(worst[0] / worst[1])
    assert 0.7 < found["bounded"] < 1.6 < 2.5 < found["free"] < 3.6, found
