"""What is decided between a solver and its text."""

import time
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pytest

import solvergen as sg
from solvergen.algebra.differences import d
from solvergen.algebra.evaluation import compiled
from solvergen.compiler import load_text
from solvergen.measurement.accuracy import coefficient_error
from solvergen.program.table import columns_of
from solvergen.scalars.formulas import GAP, MASS, Formulas
from solvergen.scalars.landings import Needs
from solvergen.scalars.lengths import H
from solvergen.scalars.phase_formulas import is_factor
from solvergen.scalars.rows import steps_of
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.symbols import alpha, alpha_s, half_log_snr_symbol, s, sigma, sigma_s, t
from solvergen.targets import rendering

CHOICES = [
    ("rectified_flow", "flow", "data", "half_log_snr", "multistep:3"),
    ("vp_linear", "noise", "noise", "time", "unipc:3:bh2"),
    ("vp_cosine", "velocity", "velocity", "theta", "singlestep:3"),
    ("ve", "score", "score", "half_log_snr", "multistep:2"),
    ("sub_vp", "noise", "velocity", "sigma/alpha", "dpm_23"),
    ("zero_terminal_snr", "data", "flow", "time", "rk4"),
]
SEARCHES = ("stable", "stable_inverse", "simplest", "inverse", "limit_at")


@pytest.fixture(params=CHOICES, ids="-".join)
def solver(request: pytest.FixtureRequest) -> sg.Solver:
    return sg.Solver(*request.param)


def texts(value: Any) -> list[str]:
    """Every text in a value, whatever it is nested in; programs and passes are not looked into."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, tuple):
        return [text for one in value for text in texts(one)]
    if is_dataclass(value) and type(value).__module__.startswith("solvergen.scalars"):
        return [text for one in fields(value) for text in texts(getattr(value, one.name))]
    return []


def test_no_field_is_code(solver: sg.Solver) -> None:
    found = Formulas.of(solver)
    assert set(texts(found)) == {found.expansion}


def test_printers_search_for_nothing(solver: sg.Solver, monkeypatch: pytest.MonkeyPatch) -> None:
    formulas = Formulas.of(solver)
    expected = rendering.coefficients_module(solver)

    def search(self: NoiseSchedule, *_: Any) -> Any:
        raise AssertionError("a printer has asked for a better form, or for a limit")

    for name in SEARCHES:
        monkeypatch.setattr(NoiseSchedule, name, search)
    assert Formulas.of(solver) == formulas
    assert rendering.coefficients_module(solver) == expected


def test_functions_of_time_are_those_of_the_schedule(solver: sg.Solver) -> None:
    """Whatever they are written in, they have the same values."""
    found, schedule = Formulas.of(solver).schedule, solver.schedule
    low, high = (float(end) for end in schedule.domain)
    times = low + (high - low) * np.array([0.05, 0.3, 0.9])
    both = {alpha: schedule.alpha, sigma: schedule.sigma}

    def values(form: Any, symbol: Any, at: np.ndarray) -> np.ndarray:
        form = schedule.substitute(form.xreplace(both))
        return np.broadcast_to(compiled(form, (symbol,), "numpy")(at), at.shape)

    for name in ("alpha", "sigma", "half_log_snr"):
        expected = values(getattr(schedule, name), t, times)
        np.testing.assert_allclose(values(getattr(found, name), t, times), expected, rtol=1e-10)
    if found.time_at_half_log_snr is not None:
        levels = values(found.half_log_snr, t, times)
        back = values(found.time_at_half_log_snr, half_log_snr_symbol, levels)
        np.testing.assert_allclose(back, times, rtol=1e-9)


def test_what_m0_is_written_in(solver: sg.Solver) -> None:
    """Closed in the length of the step, or a multiple of an integral that is then computed."""
    found = Formulas.of(solver)
    symbols = {t, s, d, alpha, sigma, alpha_s, sigma_s, H, GAP, MASS}
    parameters = {symbol for symbol, _ in solver.schedule.parameters}
    assert found.zeroth_moment.free_symbols <= symbols | parameters
    assert found.zeroth_moment.has(MASS) == (solver.ode.clock is None)
    assert found.integrals.moments or found.integrals.mass or not found.zeroth_moment.has(MASS)
    module = load_text(rendering.coefficients_module(solver), "emitted")
    low, high = (float(end) for end in solver.schedule.domain)
    grid = low + (high - low) * np.array([0.8, 0.7, 0.55, 0.5, 0.4])
    assert coefficient_error(solver, module.coefficients(grid), grid, [3]) < 1e-12


@pytest.mark.parametrize(
    ("scheme", "moments", "gaps", "end_density"),
    [
        ("multistep:1", 0, False, False),
        ("multistep:3", 3, True, False),
        ("rk4", 0, False, False),
        ("unipc:2:bh1", 3, True, True),
        ("hochbruck_ostermann", 3, False, False),
        ("singlestep:2", 2, True, False),
    ],
)
def test_needs(scheme: str, moments: int, gaps: bool, end_density: bool) -> None:
    needs = Formulas.of(sg.Solver("vp_linear", "noise", "data", "half_log_snr", scheme)).needs
    assert (needs.moments, needs.gaps, needs.end_density) == (moments, gaps, end_density)


@pytest.mark.parametrize("scheme", ["rk4", "multistep:1"])
def test_what_needs_nothing_integrates_nothing(scheme: str) -> None:
    found = Formulas.of(sg.Solver("vp_linear", "noise", "data", "half_log_snr", scheme))
    assert found.needs == Needs(0, False, False, 0, 0, False)
    assert not found.integrals.is_needed
    assert found.integrals.rows == ()


def without_factor(form: Any) -> Any:
    """With Phi = 0, as in a step of data to sigma = 0."""
    return form.subs({symbol: 0 for symbol in form.free_symbols if is_factor(symbol)})


@pytest.mark.parametrize("times", [[1.0, 0.7, 0.4, 0.2, 0.0], [0.9, 0.5, 0.2], [1.0, 0.5, 0.2]])
@pytest.mark.parametrize("scheme", ["multistep:3:ramp:ramp", "unipc:3", "multistep:2"])
def test_phases_are_numbered_as_modules_number_them(scheme: str, times: list[float]) -> None:
    """With steps that start or end at an infinite half-log-SNR, and in short runs."""
    spec = sg.Solver("rectified_flow", "data", "data", "half_log_snr", scheme)
    module = load_text(rendering.render(spec, "numpy", ""), "emitted")
    table, found = spec.table, module.coefficients(times)
    laid_out = steps_of(spec.program, table, module.half_log_snr(times))
    assert found[[first for _, first in laid_out], 0].tolist() == times[:-1]
    expected = [row for number, _ in laid_out for row in table.phases[number].rows]
    for numbers, row in zip(found, expected, strict=True):
        factors = columns_of(row, table.shapes[row.shape])
        if numbers[0] == times[-2] and module.sigma(times[-1]) == 0:
            factors = [without_factor(one) for one in factors]
        if len(table.kinds) > 1:
            assert table.kinds[int(numbers[1])] == row.kind
        is_there = numbers[table.first_factor :] != 0
        own, other = is_there[: len(factors)], is_there[len(factors) :]
        assert not other.any()
        assert own.tolist() == [factor != 0 for factor in factors]


def test_an_integrand_that_is_a_multiple_of_the_prediction() -> None:
    """B = 2 for every t: the same steps as with the prediction itself."""
    grid, x = np.linspace(0.9, 0.2, 6), np.array([0.3, -1.0, 2.0])
    specs = (
        sg.Solver("vp_linear", "noise", one, "half_log_snr", "multistep:2")
        for one in ("noise", "0, 2")
    )
    modules = [load_text(rendering.render(one, "numpy", ""), "emitted") for one in specs]
    runs = [one.sample(lambda y, time: np.tanh(y) + time, x, grid) for one in modules]
    np.testing.assert_allclose(*runs, rtol=1e-13)


def test_prints_itself_as_mathematics() -> None:
    text = str(Formulas.of(sg.Solver("rectified_flow", "flow", "data", "time", "multistep:2")))
    assert "alpha(t) = 1 - t\nsigma(t) = t\n" in text
    assert "N = (1) x + (-t) prediction" in text
    assert "np." not in text


@pytest.mark.parametrize("scheme", ["rk4", "singlestep:2"])
def test_inner_evaluations_read_a_gap_that_is_integrated(scheme: str) -> None:
    """Weights that are numbers read none, but the times of stages do."""
    schedule = sg.NoiseSchedule("1 - t", "1 - (1 - t**1.3)**1.7")
    formulas = Formulas.of(sg.Solver(schedule, "straight", "straight", "clock", scheme))
    assert formulas.reads_gap
    assert formulas.lengths.gap is None
    assert "width" in formulas.integrals.rows


SIGMOID = "(1/(1 + exp(-6)) - 1/(1 + exp(-6*t)))/(1/(1 + exp(-6)) - 1/2)"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("alpha", "domain"),
    [(f"sqrt({SIGMOID})", (0, 1)), ("sqrt(1 - sqrt(t + 1e-4))", (0, "0.9998"))],
    ids=["sigmoid with constants written out", "an image that is infinite on one side"],
)
def test_formulas_are_found_in_seconds(alpha: str, domain: tuple[Any, Any]) -> None:
    schedule = sg.NoiseSchedule(alpha, "sqrt(1 - alpha**2)", domain=domain)
    spec = sg.Solver(schedule, "data", "data")
    before = time.process_time()
    module = load_text(rendering.coefficients_module(spec), "emitted")
    assert time.process_time() - before < 60
    grid = np.linspace(0.9, 0.1, 9)
    assert coefficient_error(spec, module.coefficients(grid), grid.tolist(), [3, 6]) < 1e-11
