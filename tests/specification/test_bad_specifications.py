"""A SPEC of any JSON, a choice of any kind: a solver, or one error that names the field."""

import json
import warnings
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import solvergen as sg

RIGHT = sg.Solver("vp_linear", "noise", "data", "half_log_snr", "multistep:2").specification
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
CHOICES = ("prediction", "integrand", "expansion", "scheme")


@settings(max_examples=100)
@given(JSON)
def test_any_json_in_the_place_of_a_spec(spec: Any) -> None:
    with pytest.raises(sg.SolvergenError):
        sg.from_specification(spec)


@pytest.mark.parametrize("value", [None, [], {}, "", " ", 0, False, ["noise"], 1.5])
@pytest.mark.parametrize("field", [*CHOICES, "schedule"])
def test_a_wrong_type_is_named_and_never_means_the_default(field: str, value: Any) -> None:
    with pytest.raises(sg.SolvergenError, match=field):
        sg.from_specification({**RIGHT, field: value})


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("name", 'a"', "schedule name"),
        ("alpha", 1, "expected a formula as text"),
        ("alpha", ["t"], "expected a formula as text"),
        ("domain", ["0", ["__import__('os')"]], "domain: got"),
        ("domain", "01", "two times"),
        ("domain", {"0": 1, "1": 2}, "two times"),
        ("domain", ["0", "t"], "finite real number"),
        ("domain", ["asin(2)", "3"], "finite real number"),
        ("parameters", ["k"], "expected a mapping of names"),
        ("parameters", {"beta_min": ["__import__('os')"], "beta_max": 1}, "beta_min: got"),
        ("tables", {"k": 1}, "expected two columns"),
        ("tables", {"k": [[0, 1], ["0", "x"]]}, "expected a column of real numbers"),
        ("tables", {"k": [[0, 1], [0, 10**400]]}, "expected a column of real numbers"),
        ("tables", {"k": [[0, 1], [[0], 1]]}, "column"),
        ("functions", {"f": 1}, "the function 'f' is 1; expected a mapping"),
        ("functions", {"f": {"derivative": 1, "numpy": "x"}}, "expected text"),
        ("functions", {"f": {"derivative": "1", "numpy": "x"}}, "is not registered"),
        ("colour", 1, "unknown field 'colour'"),
    ],
)
def test_a_wrong_field_of_the_schedule_is_named(field: str, value: Any, reason: str) -> None:
    spec = {**RIGHT, "schedule": {**RIGHT["schedule"], field: value}}
    with pytest.raises(sg.ScheduleError, match=reason):
        sg.from_specification(spec)


def test_fields_that_are_missing_or_unknown_are_named() -> None:
    for field in (*CHOICES, "schedule"):
        with pytest.raises(sg.SolvergenError, match=f"no field {field}"):
            sg.from_specification({key: one for key, one in RIGHT.items() if key != field})
    with pytest.raises(sg.SolvergenError, match="unknown field 'schema'"):
        sg.from_specification({**RIGHT, "schema": "multistep:3"})
    assert sg.from_specification({**json.loads(json.dumps(RIGHT)), "target": "numpy"}).order == 2


@pytest.mark.parametrize("value", [0, False, [], {}, "", 1.5, b"noise", sg.NOISE.data])
def test_choices_of_a_solver_are_what_they_are_or_refused(value: Any) -> None:
    for field in ("schedule", "prediction", "integrand", "scheme"):
        choices = {"schedule": "ve", field: value}
        with pytest.raises(sg.SolvergenError):
            sg.Solver(**choices)


@pytest.mark.parametrize(
    ("call", "meant"),
    [
        (lambda: sg.schedules.get("vp_liner"), "vp_linear"),
        (lambda: sg.schedules.get("vp_linear", beta_mx=1), "beta_max"),
        (lambda: sg.Solver("ve", "velocty"), "velocity"),
        (lambda: sg.Solver("ve", scheme="multistp:3"), "multistep:3"),
        (lambda: sg.Solver("ve", scheme="krogstadt"), "krogstad"),
        (lambda: sg.presets.get("dpm_solver_p_2m", "ve"), "dpm_solver_pp_2m"),
        (lambda: sg.presets.get("unipcc", "ve"), "unipc"),
        (lambda: sg.emit(sg.Solver("ve"), "nunba"), "numba"),
    ],
)
def test_mistyped_names_are_guessed(call: Any, meant: str) -> None:
    with pytest.raises(sg.SolvergenError, match=f"Did you mean .*'{meant}'"):
        call()


def test_common_names_work() -> None:
    names = {"v_prediction": sg.VELOCITY, "epsilon": sg.NOISE, "sample": sg.DATA, "x0": sg.DATA}
    for name, expected in names.items():
        assert sg.Solver("ve", name).prediction == expected
    for name, expected in (
        ("dpmpp_2m", "dpm_solver_pp_2m_midpoint"),
        ("unipc", "unipc_2_bh2"),
        ("euler", "edm_euler"),
    ):
        assert sg.presets.get(name, "vp_linear") == sg.presets.get(expected, "vp_linear")
    flow = sg.presets.get("euler", "rectified_flow", "flow")
    assert flow == sg.presets.get("flow_euler", "rectified_flow", "flow")
    assert sg.schedules.get("vp_linear", beta_max="15") == sg.schedules.vp_linear(beta_max=15)


def test_velocity_on_a_straight_schedule_warns_and_names_both_formulas() -> None:
    with pytest.warns(sg.SolvergenWarning, match=r"alpha eps - sigma x0.*eps - x0"):
        sg.Solver("rectified_flow", "velocity")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sg.Solver("vp_linear", "velocity")
        sg.Solver("rectified_flow", "flow", "velocity")
