"""What phases read of a step is computed once for all steps of a run."""

import ast
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import solvergen as sg

STEPS = 9


def counted(module: Any, calls: Counter[str], name: str) -> Callable[..., Any]:
    """A function of a module, whose calls on the steps of the whole grid are counted."""
    function = getattr(module, name)

    def call(*arguments: Any) -> Any:
        sizes = {np.size(one) for one in arguments}
        calls[name] += max(sizes) >= STEPS  # with the parts of the first one
        return function(*arguments)

    return call


@pytest.mark.parametrize(
    "scheme", ["multistep:3", "multistep:6:ramp", "unipc:2", "general_linear:3"]
)
@pytest.mark.parametrize("name", ["vp_linear", "vp_cosine", "ve"])
def test_scalars_of_steps_are_computed_once(name: str, scheme: str) -> None:
    module = sg.compile(sg.Solver(name, "noise", "data", scheme=scheme), "numpy")
    low, high = module.T_MIN, module.T_MAX
    grid = np.linspace(low + 0.9 * (high - low), low + 0.1 * (high - low), STEPS + 1)
    expected, calls = module.coefficients(grid), Counter[str]()
    own = vars(module)
    functions = [one for one in ("_length", "_conversion", "_factor", "_moment") if one in own]
    functions += ["alpha", "sigma"] if scheme == "multistep:3" and name != "ve" else []
    for one in functions:
        setattr(module, one, counted(module, calls, one))
    np.testing.assert_array_equal(module.coefficients(grid), expected)
    assert calls == dict.fromkeys(functions, 1)


@pytest.mark.parametrize("scheme", ["singlestep:2", "dpm_23"])
def test_a_run_of_one_phase_computes_its_own(scheme: str) -> None:
    text = sg.emit(sg.Solver("trigonometric", "noise", "data", "time", scheme), "numpy")
    assert "_steps(" not in text
    assert "def _main(t, s):" in text


@pytest.mark.parametrize("scheme", ["multistep:2", "multistep:3", "unipc:2"])
@pytest.mark.parametrize("rate", ["k", "3"])
def test_a_conversion_may_be_the_same_at_all_times(scheme: str, rate: str) -> None:
    """Of the flow of 1/(k t + 1) and t/(k t + 1) the noise has a constant part: k x."""
    parameters = {"k": 2} if rate == "k" else {}
    schedule = sg.NoiseSchedule(f"1/({rate}*t + 1)", f"t/({rate}*t + 1)", parameters=parameters)
    module = sg.compile(sg.Solver(schedule, "flow", "noise", "time", scheme), "numpy")
    grid = np.linspace(0.9, 0.1, STEPS + 1)
    table, eps = module.coefficients(grid), np.array([0.5])
    found = module.sample(lambda x, t: _flow(module, x, t, eps), np.array([1.0]), grid)
    # The noise is eps all along, up to the differences that stand for derivatives.
    x_0 = (1.0 - module.sigma(0.9) * eps) / module.alpha(0.9)
    np.testing.assert_allclose(found, module.alpha(0.1) * x_0 + module.sigma(0.1) * eps, rtol=1e-9)
    assert np.isfinite(table).all()


def _flow(module: Any, x: Any, t: float, eps: Any) -> Any:
    """alpha' x_0 + sigma' eps of the x_0 that x has with this noise, by differences."""
    x_0, h = (x - module.sigma(t) * eps) / module.alpha(t), 1e-6
    rates = [(one(t + h) - one(t - h)) / (2 * h) for one in (module.alpha, module.sigma)]
    return rates[0] * x_0 + rates[1] * eps


CONSTANTS = [
    ("ve", "data"),
    ("ve", "noise"),
    ("edm", "noise"),
    ("ve_geometric", "velocity"),
    ("rectified_flow", "flow"),
    ("flow_shifted", "flow"),
    ("trigonometric", "velocity"),
]


@pytest.mark.parametrize("integrand", ["data", "noise", "velocity", "flow", "straight"])
@pytest.mark.parametrize(("name", "prediction"), CONSTANTS)
@pytest.mark.parametrize("scheme", ["multistep:3", "singlestep:2"])
def test_what_is_the_same_number_at_all_times_is_written_as_one(
    name: str, prediction: str, integrand: str, scheme: str
) -> None:
    """alpha = 1 is not called, and A = 1 or B = -1 is not looked up."""
    solver = sg.Solver(name, prediction, integrand, scheme=scheme)
    rows = sg.emit(solver, "numpy").partition("def coefficients")[2].partition("def _advance")[0]
    constant = [one for one in ("alpha", "sigma") if getattr(solver.schedule, one).is_number]
    assert not [one for one in constant if f"{one}(" in rows]
    for function in ast.walk(ast.parse(f"def coefficients{rows}")):
        if getattr(function, "name", "") == "_conversion":
            returned = next(one for one in ast.walk(function) if isinstance(one, ast.Return))
            for item in returned.value.elts:
                assert {one.id for one in ast.walk(item) if isinstance(one, ast.Name)} - {"np"}


@pytest.mark.parametrize("scheme", ["multistep:3", "multistep:5", "unipc:3", "pece:3"])
@pytest.mark.parametrize("expansion", ["half_log_snr", "time"])
@pytest.mark.parametrize("name", ["vp_linear", "stable_diffusion"])
def test_a_short_run_begins_like_a_long_one(name: str, expansion: str, scheme: str) -> None:
    """Where there are fewer steps than a start-up has, or none of a phase."""
    module = sg.compile(sg.Solver(name, "noise", "noise", expansion, scheme), "numpy")
    margin = 0.1 * (module.T_MAX - module.T_MIN)
    grid = np.linspace(module.T_MAX - margin, module.T_MIN + margin, STEPS + 1)
    for times in (grid, grid[::-1]):
        whole = module.coefficients(times)
        for steps in range(1, STEPS):
            rows = module.coefficients(times[: steps + 1])
            np.testing.assert_allclose(rows, whole[: len(rows)], rtol=1e-12, atol=0)


@pytest.mark.parametrize("variable", ["sigma/alpha", "sigma/(alpha+sigma)", "theta", "log(sigma)"])
def test_a_variable_has_no_constant_scale(variable: str) -> None:
    text = sg.emit(sg.Solver("ve", "data", "noise", variable, "singlestep:2"), "numpy")
    own = text.partition("def expansion_variable")[2].partition("def ")[0]
    assert "sigma(t)" in own
    assert "alpha" not in own.partition("return")[2]
