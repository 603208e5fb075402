"""The search for the worst coefficient, and what is refused for it."""

from collections import Counter
from dataclasses import dataclass, field
from types import ModuleType

import mpmath
import numpy as np
import pytest

import solvergen as sg
from solvergen.algebra.tables import Interpolate, Table
from solvergen.compiler import load_text
from solvergen.errors import EmissionError, SolvergenError
from solvergen.measurement.certificate import certified, draft, statement
from solvergen.measurement.row_errors import RowError, SearchReference, errors_of_step, marks
from solvergen.measurement.search import Candidate, Effort, cost_of, scalar_errors, search
from solvergen.scalars.reference import ReferenceScalars
from solvergen.scalars.rows import steps_of
from solvergen.symbols import t
from solvergen.targets import rendering

pytestmark = pytest.mark.usefixtures("certified")
SMALL = Effort(points=30, rounds=2, worst=3, random=6, panels=60)
PARABOLA = sg.NoiseSchedule("1 - t**2", "t", name="parabola")


def solver(integrand: str = "data", variable: str = "time", scheme: str = "multistep:2:ramp"):
    return sg.Solver(PARABOLA, "flow", integrand, variable, scheme, limiter=None)


def damaged(spec: sg.Solver, old: str, new: str) -> ModuleType:
    """The module with other text in it."""
    text = rendering.coefficients_module(spec)
    assert old in text
    return load_text(text.replace(old, new), "damaged")


@pytest.mark.slow_but(1)
@pytest.mark.parametrize(
    ("schedule", "integrand", "variable", "scheme"),
    [
        (PARABOLA, "data", "time", "multistep:3:ramp"),
        (PARABOLA, "flow", "theta", "singlestep:3"),
        ("vp_cosine", "noise", "time", "multistep:2"),
        ("sub_vp", "velocity", "half_log_snr", "unipc:2"),
        ("straight", "score", "time", "multistep:2:ramp"),
    ],
)
def test_nothing_is_found_where_nothing_is_wrong(
    schedule: object, integrand: str, variable: str, scheme: str
) -> None:
    spec = sg.Solver(schedule, "noise", integrand, variable, scheme)
    module = load_text(rendering.coefficients_module(spec), "emitted")
    found = certified(spec, module, SMALL)
    assert found.steps > 4
    assert found.worst.error < 5e-14
    assert certified(spec, module, SMALL) == found  # no clock, no chance


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("return (1 - t)*(t + 1)", "return (1 - t)*(t + 1)*(1 + 1e-8*t**30)", "alpha has a rel"),
        ("ell_1 = -mu_1 * h / h_1", "ell_1 = -0.5 * h / h_1", "ell_1_"),
        ("*_conversion(s)", "*_conversion(s + 1e-8)", "b_0"),
        ("leggauss(", "leggauss(2 + 0*", "ell_1_"),
    ],
)
def test_what_is_wrong_is_named(old: str, new: str, named: str) -> None:
    """A factor that is off near an end alone, a wrong mean, a wrong time, a poor rule."""
    with pytest.raises(EmissionError, match=r"parabola: .*step from t = .*1e-10.*") as one:
        certified(solver(), damaged(solver(), old, new), SMALL)
    assert named in str(one.value)


@pytest.mark.parametrize("which", [0, 1], ids="AB")
@pytest.mark.parametrize("end", ["low", "high"])
def test_a_conversion_that_loses_digits_beside_an_end_is_found(which: int, end: str) -> None:
    """Where alpha and sigma have theirs, and hardly a step of a grid starts."""
    spec = sg.Solver(PARABOLA, "straight", "flow", "time", "multistep:2:ramp", limiter=None)
    module = load_text(rendering.coefficients_module(spec), "whole")
    assert certified(spec, module, SMALL).worst.error < 1e-13
    whole = module._conversion

    def wrong(time: np.ndarray) -> list[np.ndarray]:
        found = list(whole(time))
        distance = time if end == "low" else 1.0 - time
        found[which] = found[which] * (1.0 + 1e-6 * np.exp(-((np.log(distance) + 9.0) ** 2)))
        return found

    module._conversion = wrong
    with pytest.raises(EmissionError, match="of the largest weight of its row"):
        certified(spec, module, SMALL)


def test_an_error_between_the_bounds_is_a_warning() -> None:
    module = damaged(solver(), "return (1 - t)*(t + 1)", "return (1 - t)*(t + 1)*(1 + 1e-12)")
    assert "WARNING" in statement(solver(), module)
    assert "alpha has a relative error of 1e-12" in statement(solver(), module)
    whole = load_text(rendering.coefficients_module(solver()), "whole")
    assert "WARNING" not in statement(solver(), whole)


def test_digits_that_are_lost_at_an_end_are_said() -> None:
    module = damaged(solver(), "return (1 - t)*(t + 1)", "return 1 - t**2")
    assert "Nearer to an end than 1e10 spacings" in statement(solver(), module)


def test_an_evaluation_at_a_wrong_time_is_found() -> None:
    spec = solver("straight", "clock", "rk4")
    module = damaged(spec, " / 2.0)", " / 2.001)")
    with pytest.raises(EmissionError, match="where the network is asked in the step"):
        certified(spec, module, SMALL)


def test_the_wrong_branch_of_an_inverse_is_not_emitted() -> None:
    """t at sigma/(alpha + sigma) was that of another branch, whose error was printed: 1e+01."""
    circle = sg.NoiseSchedule("1 - t", "sqrt(t*(2 - t))")
    text = sg.emit(sg.Solver(circle, "straight", "straight", "clock", "rk4"), "numpy")
    assert "WARNING" not in text


@pytest.mark.parametrize("seed", range(2))
def test_means_over_q_keep_their_digits_where_they_are_small(seed: int) -> None:
    """q grows at the start of the last step alone: mu_1 is 1e-8, ell_1 = -mu_1 h/h_1 is large."""
    spec = sg.Solver("rectified_flow", "noise", "noise", "time", "multistep:3:ramp")
    module = load_text(rendering.coefficients_module(spec), "emitted")
    random = np.random.default_rng(seed)
    grid = [*(1 - np.sort(10 ** random.uniform(-11, -7, 4))).tolist(), random.uniform(0.1, 0.9)]
    errors = errors_of_step(spec, module.coefficients(np.array(grid)), grid, 3)
    assert max(one.error for one in errors) < 3e-14


def errors_beside(spec: sg.Solver, distances: list[float]) -> list[float]:
    """The errors of the steps of a grid down from these distances to the noisy end."""
    end = float(spec.schedule.t_max)
    grid = [end - one for one in distances]
    rows = draft(spec).coefficients(np.array(grid))
    found = [errors_of_step(spec, rows, grid, n) for n in range(len(grid) - 1)]
    assert all(found[1:])
    return [one.error for errors in found for one in errors]


@pytest.mark.slow_but(2)
@pytest.mark.parametrize("variable", ["half_log_snr", "time"])
@pytest.mark.parametrize(
    "schedule",
    ["vp_alphabar", ("1 - t", "sqrt(t*(2 - t))"), ("cos(pi*t/2)", "sin(pi*t/2)"),
     ("sqrt((1 - t)/(1 + t))", "sqrt(1 - alpha**2)")],
)  # fmt: skip
def test_steps_of_the_score_keep_their_digits_where_alpha_falls_to_0(
    schedule: object, variable: str
) -> None:
    """M0 = alpha_t/alpha_s - 1 is 1e-4 there, and 1 in steps that are as long as the distance."""
    if isinstance(schedule, tuple):
        schedule = sg.NoiseSchedule(*schedule, name="falling")
    spec = sg.Solver(schedule, "score", "score", variable, "multistep:2:ramp", limiter=None)
    assert max(errors_beside(spec, [1e-9, 1.001e-9, 3e-8, 2e-6, 2.0002e-6, 0.4])) < 4e-14


POLES = {
    "tan": ("1/sqrt(1 + 9*tan(pi*t/2)**2)", "3*tan(pi*t/2)/sqrt(1 + 9*tan(pi*t/2)**2)"),
    "both": ("1/(1 + 3*tan(pi*t/2))", "3*tan(pi*t/2)/(1 + 3*tan(pi*t/2))"),
}


@pytest.mark.filterwarnings("ignore:divide by zero")
@pytest.mark.parametrize("name", POLES)
def test_a_pole_at_an_end_is_the_end(name: str) -> None:
    """pi/2 in any number of digits is beside the pole: the tangent is large, of either sign."""
    schedule = sg.NoiseSchedule(*POLES[name], name=name)
    spec = sg.Solver(schedule, "flow", "data", "half_log_snr", "multistep:2:ramp", limiter=None)
    module = draft(spec)
    assert (module.alpha(1.0), module.sigma(1.0)) == (0.0, 1.0)
    assert max(scalar_errors(spec, module, "alpha", np.array([1.0, 0.5]))) < 1e-15
    assert max(errors_beside(spec, [0.0, 1e-9, 1e-4, 0.3, 1.0])) < 1e-14


BETWEEN_FLOATS = {
    "in t": ("cos(t)", "sin(t)", (0, "pi/2")),
    "in the distance": ("sqrt(0.3 - t)", "t", ("0.1", "0.3")),
    "in roots": ("sqrt(1 - sqrt(t + 0.0001))", "(t + 0.0001)**(1/4)", ("0", "0.9999")),
}


@pytest.mark.parametrize("name", BETWEEN_FLOATS)
def test_an_end_between_two_floats_has_either_meaning(name: str) -> None:
    """cos(t) knows how far a float is from pi/2; 0.3 - t how far it is from the float 0.3."""
    alpha, sigma, domain = BETWEEN_FLOATS[name]
    schedule = sg.NoiseSchedule(alpha, sigma, domain, name="between")
    spec = sg.Solver(schedule, "data", "data", "half_log_snr", "multistep:2:ramp", limiter=None)
    assert max(errors_beside(spec, [1e-9, 3e-9, 1e-6, 1e-3, 0.1])) < 4e-14
    grid = [float(schedule.t_max) - 1e-6, 0.15]
    wrong = draft(spec).coefficients(np.array(grid)) * (1 + 1e-9)
    assert max(one.error for one in errors_of_step(spec, wrong, grid, 0)) > 1e-10


@dataclass(frozen=True, eq=False)
class Counting(SearchReference):
    """The reference, which counts the nodes of its integrals."""

    nodes: list[int] = field(default_factory=list)

    def _nodes(self, end, start):
        found = list(super()._nodes(end, start))
        self.nodes.append(len(found))
        return iter(found)


@pytest.mark.parametrize("scheme", ["multistep:6", "unipc:5", "singlestep:3"])
@pytest.mark.parametrize("schedule", [PARABOLA, "vp_cosine"])
def test_the_cost_of_a_step_is_that_of_the_phase_that_it_runs(
    schedule: object, scheme: str
) -> None:
    """Also of a start-up with ten times the landings of the main step."""
    spec = sg.Solver(schedule, "noise", "data", "time", scheme, limiter=None)
    rng = np.random.default_rng(len(scheme))
    grid = [0.9, *np.sort(rng.uniform(0.1, 0.9, 9))[::-1].tolist(), 0.05]
    costs = []
    for n, (number, _) in enumerate(steps_of(spec.program, spec.table, marks(spec, grid))):
        phase, taken = spec.table.phases[number].program, Counting(spec.weights, spec.prediction)
        scalars = ReferenceScalars.over(taken, phase, grid, n)
        with mpmath.workdps(30):
            for one in phase.landings:
                scalars.weights(one)
        costs.append(cost_of(spec, Candidate(tuple(grid), n, 0.0, number)))
        assert len(phase.landings) <= costs[-1]
        assert 0.1 < sum(taken.nodes) / 16 / costs[-1] <= 1.5


@pytest.mark.parametrize("scheme", ["multistep:6", "unipc:4", "multistep:3:exact:ramp"])
def test_every_phase_is_compared_and_the_budget_kept(scheme: str) -> None:
    spec = sg.Solver(PARABOLA, "noise", "data", "time", scheme, limiter=None)
    module = load_text(rendering.coefficients_module(spec), "emitted")
    measured = Counter[int]()
    spent = []

    def measure(solver, found, grid, n, refined=1):
        one = Candidate.of(solver, grid, n, 0.0)
        if measured[one.phase]:
            spent.append(cost_of(solver, one))
        measured[one.phase] += 1
        return [RowError(0.0, "time", grid[n], grid[n + 1])]

    found = search(spec, module, module, SMALL, measure)
    assert found.steps == sum(measured.values())
    assert set(measured) == {
        number for number, _ in steps_of(spec.program, spec.table, np.zeros(20))
    }
    assert sum(spent) <= SMALL.panels
    assert max(spent) <= SMALL.panels // 4


def tables() -> sg.NoiseSchedule:
    x = np.linspace(0, 1, 11)
    signal, noise = Table("signal", x, 1 - x**2), Table("noise", x, x**1.5)
    return sg.NoiseSchedule(Interpolate(signal, t), Interpolate(noise, t), name="two_tables")


RANGES = {
    "underflow": sg.NoiseSchedule("exp(-740*t)", "1"),
    "wide": sg.NoiseSchedule("1", "t", ("1e-100", "1e100")),
    "tower": sg.NoiseSchedule("exp(-t*exp(t*exp(t*exp(t))))", "t"),
    "tables": tables(),
}


@pytest.mark.slow_but(2)
@pytest.mark.parametrize("integrand", ["noise", "flow"])
@pytest.mark.parametrize("name", RANGES)
def test_large_ranges_have_an_answer_or_a_clear_error(name: str, integrand: str) -> None:
    spec = sg.Solver(RANGES[name], "data", integrand, "time", "multistep:2:ramp")
    raw = ("TypeError", "ValueError", "IndexError", "ZeroDivisionError")
    try:
        found = sg.emit(spec, "numpy")
        wanted = "no coefficient is off by more than 1e-1"
    except SolvergenError as error:
        found, wanted = str(error), "expected"
    assert wanted in " ".join(found.split())
    assert not any(one in found for one in raw) or wanted != "expected"


@pytest.mark.parametrize(
    ("alpha", "sigma", "domain"),
    [
        ("sqrt(1 - t)", "sqrt(t)", (0, 1)),
        ("(1 - t)**(1/3)", "sqrt(t)", (0, 1)),
        ("sqrt(1 - sqrt(t + 0.0001))", "(t + 0.0001)**(1/4)", ("0", "0.9999")),
        ("sqrt(0.7 - t)", "t", ("0.1", "0.7")),
    ],
)
def test_a_factor_that_vanishes_at_an_end_is_compared_with_nothing_but_0(
    alpha: str, sigma: str, domain: tuple[int | str, int | str]
) -> None:
    """alpha' is infinite where alpha = 0, so that B = 0 there, of a prediction of the flow; the end
    may be no float. Close to the end B is small and not 0: a module that has it right was refused.
    """
    schedule = sg.NoiseSchedule(alpha, sigma, domain, name="rooted")
    spec = sg.Solver(schedule, "flow", "data", "half_log_snr", "multistep:2:ramp").unlimited
    module = draft(spec)
    grid = module.timesteps(3).tolist()
    for n in range(3):
        errors = errors_of_step(spec, module.coefficients(np.array(grid)), grid, n)
        assert errors
        assert max(one.error for one in errors) < 1e-14
