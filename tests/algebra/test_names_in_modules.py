"""Names that users give never meet each other, the module's own, or Python's."""

import ast
import keyword
import re
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Symbol

import solvergen as sg
from solvergen import targets
from solvergen.algebra import namespace
from solvergen.algebra.functions import REGISTRY
from solvergen.algebra.numpy_code import column_names, constant_name
from solvergen.algebra.tables import Interpolate, Table
from solvergen.compiler import load_text
from solvergen.schedules.reading import read_parameters
from solvergen.targets import rendering

t = sg.t
FLAT = sg.NoiseSchedule("sqrt(0.9 - 0.8*t**3)", "sqrt(0.1 + 0.8*t**3)", name="flat")
SPECS = [
    ("vp_linear", "noise", "data", "half_log_snr", "multistep:3:exact:ramp"),
    ("rectified_flow", "flow", "flow", "time", "dormand_prince"),
    ("rectified_flow", "flow", "data", "time", "adams_moulton:3:tol=1e-6"),
    ("ve", "data", "data", "half_log_snr", "unipc:2:bh2"),
    ("stable_diffusion", "noise", "flow", "time", "singlestep:2"),
    ("rectified_flow", "flow", "flow", "time", "reversible"),
    ("rectified_flow", "flow", "flow", "time", "multistep:2", True, "eta: 1/2"),
    ("vp_alphabar", "noise", "data", "half_log_snr", "multistep:2", True, "ancestral: 1"),
    ("ve", "data", "data", "half_log_snr", "multistep:2", True, "eta: 1"),
    ("vp_alphabar", "noise", "data", "half_log_snr", "singlestep:2", True, "eta: 1"),
    ("vp_alphabar", "noise", "data", "half_log_snr", "singlestep:2", True, "churn: h"),
    ("ve", "data", "data", "half_log_snr", "heun", True, "churn: 1/5"),
    ("vp_linear", "noise", "flow", "time", "multistep:2", True, "eta: where(t<1/2, t, 1)*sigma"),
    (FLAT, "noise", "data", "theta", "singlestep:2"),
]


def bound_names(source: str) -> set[str]:
    """Every name that a module binds, anywhere, but for private ones."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.arg(arg=name):
                found.add(name)
            case ast.Name(id=name, ctx=ast.Store()):
                found.add(name)
            case ast.alias():
                found.add((node.asname or node.name).split(".")[0])
    return {name for name in found if not name.startswith("_")}


@pytest.fixture(scope="module", params=targets.names())
def emitted(request: pytest.FixtureRequest) -> list[tuple[sg.Solver, str]]:
    """The modules of a target."""
    found = []
    usual = sg.Solver("vp_linear", "noise", "data", scheme="multistep:2")
    noisy = sg.Solver("rectified_flow", "flow", "flow", "time", "multistep:2", True, "eta: 1/2")
    on_request = [
        usual.whose_modules(parallel=True),
        *(one.whose_modules(hooks=True) for one in (usual, noisy)),
        *(one.whose_modules(per_sample=True) for one in (usual, noisy)),
    ]
    for spec in (*(sg.Solver(*choices) for choices in SPECS), *on_request):
        try:
            found.append((spec, rendering.render(spec, request.param, "")))
        except sg.EmissionError:
            continue  # the target has no place for it
    for prediction, schedule in (("flow", "rectified_flow"), ("noise", "vp_alphabar")):
        spec = sg.Solver(schedule, prediction, "data", "time", "multistep:2:ramp")
        found.append((spec, sg.emit(spec, request.param, timesteps=[0.9, 0.5, 0.2])))
    return found


@pytest.mark.slow_but(2)
def test_the_table_has_every_name_of_every_module(emitted: list[tuple[sg.Solver, str]]) -> None:
    for spec, source in emitted:
        own = {constant_name(symbol) for symbol, _ in spec.schedule.parameters}
        own |= {name for table in spec.schedule.alpha.atoms(Table) for name in column_names(table)}
        missing = {name for name in bound_names(source) - own if not namespace.is_taken(name)}
        capitals = {name for name in missing if name == name.upper()}
        assert not missing, f"add to namespace: {sorted(missing)}, constants {sorted(capitals)}"
        upper = {name for name in bound_names(source) - own if re.fullmatch("[A-Z][A-Z_]+", name)}
        assert upper <= namespace.CONSTANTS


def test_no_parameter_is_emitted_as_a_name_of_the_module(
    emitted: list[tuple[sg.Solver, str]],
) -> None:
    for spec, source in emitted:
        names = bound_names(source)
        own = {constant_name(symbol) for symbol, _ in spec.schedule.parameters}
        own |= {name for table in spec.schedule.alpha.atoms(Table) for name in column_names(table)}
        for name in names:
            try:
                ((symbol, _),) = read_parameters({name: 1})
            except sg.ScheduleError:
                continue
            assert constant_name(symbol) not in names - own


@pytest.mark.parametrize("name", [*sorted(namespace.CONSTANTS), "order", "t_min", "Tolerance"])
def test_a_parameter_with_the_name_of_a_constant_is_renamed_visibly(name: str) -> None:
    schedule = sg.NoiseSchedule(1 - t, Symbol(name) * t, parameters={name: 2})
    ((symbol, _),) = schedule.parameters
    assert constant_name(symbol) == f"{name.upper()}_"


@pytest.mark.parametrize("name", ["order", "stages", "spec", "history", "tolerance", "k", "σ_0"])
def test_renamed_parameters_compute_the_same(name: str) -> None:
    schedule = sg.NoiseSchedule(1 - t, Symbol(name) * t, parameters={name: 5})
    spec = sg.Solver(schedule, "flow", "flow", "time")
    module = load_text(rendering.render(spec, "numpy", ""), "renamed")
    assert module.sigma(0.25) == 1.25
    assert module.ORDER == 2
    assert sg.from_specification(module.SPEC) == spec


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"k": 1, "K": 5}, "the parameter k and the parameter K would both be called K"),
        ({"ς": 1, "σ": 5}, "would both be called Σ"),
        ({"_passes": 1}, "begins with a letter"),
        ({"µ": 1}, "reads as 'μ'"),
        ({"ϕ": 1}, "reads as 'φ'"),
        ({"ŉ": 1}, "stay what they are"),
        ({"lambda": 1}, "symbols of the derivation"),
        ({"alpha": 1}, "symbols of the derivation"),
        ({"s": 1}, "symbols of the derivation"),
        ({"class": 1}, "identifier"),
        ({"a b": 1}, "identifier"),
        ({3: 1}, "identifier"),
        ({"x" * 101: 1}, "at most 100"),
    ],
)
def test_names_that_would_be_misread_are_refused(parameters: dict, reason: str) -> None:
    with pytest.raises(sg.ScheduleError, match=reason):
        sg.NoiseSchedule("1-t", "t", parameters=parameters)


def test_tables_meet_neither_parameters_nor_each_other() -> None:
    def of(*tables: Table, **parameters: int) -> sg.NoiseSchedule:
        sigma = sum((Interpolate(one, t) for one in tables), t)
        return sg.NoiseSchedule(1 - t / 2, sigma, domain=(0, 1), parameters=parameters)

    first, second = Table("k", [0, 1], [0, 1]), Table("k_t", [0, 1], [0, 2])
    for tables, parameters in (((first,), {"k": 1}), ((first,), {"K_T": 1}), ((first, second), {})):
        with pytest.raises(sg.ScheduleError, match="would both be called"):
            of(*tables, **parameters)
    order = Table("order", [0, 1], [0, 1])
    assert column_names(order) == ("ORDER__T", "ORDER_")
    for name in ("1", "a b", "x;", 7, "µ", "_t", "None", "class"):
        with pytest.raises(sg.ScheduleError, match="table name"):
            Table(name, [0, 1], [0, 1])


@pytest.mark.slow_but(2)
@pytest.mark.parametrize("name", ["t", "s", "log", "mpf", "Rise", "Interpolate", "np", "sigma"])
def test_a_table_hides_nothing_of_the_formulas(name: str) -> None:
    """Where they are evaluated in this process, and in the module."""
    table = Table(name, [0, 0.5, 1], [0, 0.3, 1])
    schedule = sg.NoiseSchedule("1-log(1+t)", t * Interpolate(table, t), domain=("0.1", 1))
    spec = sg.Solver(schedule, "flow", "data", "time")
    module = load_text(rendering.render(spec, "numpy", ""), "tabled")
    np.testing.assert_allclose(module.sigma(0.25), 0.25 * 0.15, rtol=1e-15)
    assert sg.from_specification(module.SPEC) == spec


FUNCTIONS = "l u v gamma len tuple sum zip isinstance SPEC class print u_3 sample_x np None _f µ"


@pytest.mark.parametrize("name", FUNCTIONS.split())
def test_a_function_that_would_hide_something_is_refused(name: str) -> None:
    with pytest.raises(sg.ScheduleError, match="function name"):
        sg.register_function(name, derivative="1", numpy="x", in_many_digits=lambda u: u)


@pytest.mark.parametrize(
    "wrong",
    [
        {"numpy": "def other(x): return x"},
        {"numpy": "x +"},
        {"numpy": "1/0 * x"},
        {"derivative": None},
        {"derivative": "y"},
        {"in_many_digits": None},
    ],
)
def test_definitions_that_are_none_are_refused_and_forgotten(wrong: dict) -> None:
    right = {"derivative": "1", "numpy": "x", "in_many_digits": lambda u: u}
    with pytest.raises(sg.ScheduleError, match=r"identity_map|in the expression"):
        sg.register_function("identity_map", **{**right, **wrong})
    assert "identity_map" not in REGISTRY


@settings(max_examples=150)
@given(st.lists(st.text(min_size=1, max_size=5) | st.sampled_from(FUNCTIONS.split()), max_size=4))
def test_accepted_names_become_distinct_identifiers(names: list[str]) -> None:
    try:
        schedule = sg.NoiseSchedule(1 - t, t, parameters=dict.fromkeys(names, 1))
    except sg.ScheduleError:
        return
    constants = [constant_name(symbol) for symbol, _ in schedule.parameters]
    assert len(set(constants)) == len(set(names))
    for one in constants:
        assert one.isidentifier()
        assert not keyword.iskeyword(one)
        assert unicodedata.normalize("NFKC", one) == one
        assert one not in namespace.CONSTANTS | namespace.NAMES
