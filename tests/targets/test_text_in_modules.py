"""Text becomes a literal, never code: names are restricted, and what is printed is escaped."""

import ast
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import solvergen as sg
from solvergen.methods.scheme import Scheme
from solvergen.targets import literals

t = sg.t
CODE = 'x""";print(1234567);"""'
NAMES = [
    CODE,
    "C:\\new\\x",
    "a\0b",
    "\ud800",
    "a\nb",
    "",
    " a",
    "\u202ea",
    "x" * 101,
    3,
    None,
    b"x",
]


@pytest.mark.parametrize("name", NAMES)
def test_names_that_a_docstring_cannot_hold_are_refused(name: Any) -> None:
    main = sg.schemes.multistep(1).main
    for call in (
        lambda: sg.NoiseSchedule(1 - t, t, name=name),
        lambda: sg.schedules.tabulated(betas=[0.1, 0.2], name=name),
    ):
        with pytest.raises(sg.ScheduleError, match=r"schedule name: got .*expected 1 to 100"):
            call()
    if name != "x" * 101:
        with pytest.raises(sg.DerivationError, match="parameterization: got"):
            sg.Parameterization(1, 2, name=name)
        with pytest.raises(sg.DerivationError, match="expansion: got"):
            sg.Expansion(name, t)
        with pytest.raises(sg.SchemeError, match="scheme: got"):
            Scheme(name, main)
        with pytest.raises(sg.SolvergenError):
            sg.from_specification(
                {
                    **sg.Solver("ve").specification,
                    "schedule": {**sg.Solver("ve").specification["schedule"], "name": name},
                }
            )
    if name:
        with pytest.raises(sg.SchemeError, match="source of a scheme: got"):
            Scheme("mine", main, source=name * 30 if name == "x" * 101 else name)


@pytest.mark.slow
@settings(max_examples=300)
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_docstring_is_the_text_that_it_was_made_of(text: str) -> None:
    source = literals.docstring(text)
    assert ast.literal_eval(source).rstrip("\n") == text.rstrip("\n")
    module = ast.parse(source)
    assert len(module.body) == 1


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)  # fmt: skip


@settings(max_examples=200)
@given(PLAIN)
def test_a_literal_is_the_value_that_it_was_made_of(value: Any) -> None:
    assert ast.literal_eval(literals.literal(value)) == value


class Sly(str):
    """Text whose literal is code."""

    def __repr__(self) -> str:
        return "print(1)"


@pytest.mark.parametrize("value", [Sly("x"), [Sly("x")], {"a": object()}, "\ud800", {1, 2}])
def test_what_is_no_plain_data_is_refused(value: Any) -> None:
    with pytest.raises(sg.EmissionError, match="for a module; expected text"):
        literals.literal(value)


def test_names_that_lie_are_refused_or_not_believed() -> None:
    with pytest.raises(sg.DerivationError, match="expected another name for another variable"):
        sg.Solver("ve", expansion=sg.Expansion("time", sg.sigma / sg.alpha))
    mine = sg.Solver("ve", expansion=sg.Expansion("my clock", t**2))
    assert mine.specification["expansion"] == "t**2"
    lying = sg.Parameterization(1, 0, name="rate(t)")
    assert lying.text == "1, 0"
