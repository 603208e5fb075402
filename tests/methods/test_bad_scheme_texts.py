"""Any text of a scheme: a scheme of bounded size, or a SchemeError."""

import time

import pytest

import solvergen as sg
from solvergen.methods import bounds
from solvergen.methods.scheme import Phase, Scheme
from solvergen.specification import schemes


@pytest.mark.parametrize(
    "text",
    [
        "1/0:{0}",
        "...:{0}",
        "1:{0,-1}~scaled(,,)",
        "1:{0}~scaled(1/0)",
        "1:{0}; 1:{0,s1}; repeat(e+e,3)",
        "1:{0}; 1:{0,s1}; repeat(1e-6)",
        "1:{0: 1/0}",
        "1:{0: mu999}",
        "1:{0: 1+mu1@9, -1: -mu1@9} | 1:{0}",
        "1:{s99999999999}",
        "1:{0}" + "; 1:{0}" * 2000,
        "=> 3",
        "multistep:2 => 9999999999",
        "multistep:2 => x => 2",
        "{",
        "1:{0}|" * 40 + "1:{0}",
        "\0{",
        "",
    ],
)
def test_a_text_that_is_no_scheme_is_one_error(text: str) -> None:
    with pytest.raises(sg.SchemeError):
        schemes.get(text)


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("multistep:1000", "up to 10"),
        ("multistep:11", "the order is 11; expected 1, 2, .. up to 10"),
        ("singlestep:2:1e99999999", "at most 20 digits"),
        ("singlestep:2:1e99", "strictly between 0 and 1"),
        ("adams_moulton:3:5000", "iterations is 5000; expected 1, 2, .. up to 20"),
        ("adams_moulton:3:tol=1e-6:5000", "iterations is 5000; expected 1, 2, .. up to 1000"),
        ("1:{0: 1+mu13, -1: -mu13} | 1:{0}", "power of a moment is 13"),
        ("1:{0,-11}", "the history is 11"),
        ("general_linear:99:3", "up to 10"),
    ],
)
def test_every_size_has_a_bound_that_the_error_states(text: str, bound: str) -> None:
    started = time.process_time()
    with pytest.raises(sg.SchemeError, match=bound):
        sg.Solver("ve", scheme=text)
    assert time.process_time() - started < 1


@pytest.mark.parametrize("given", [None, 3, ["multistep:2"], b"multistep:2"])
def test_what_is_no_text_is_refused(given: object) -> None:
    with pytest.raises(sg.SchemeError, match="expected the text of a scheme"):
        schemes.get(given)  # type: ignore[arg-type]
    with pytest.raises(sg.SchemeError):
        sg.schemes.multistep([given])  # type: ignore[arg-type]
    with pytest.raises(sg.SchemeError):
        sg.schemes.singlestep(2, [given])  # type: ignore[list-item]


def test_a_phase_never_takes_the_name_of_a_function_of_the_module() -> None:
    one = sg.schemes.multistep(2)
    renamed = Scheme(
        "mine",
        Phase("checked", one.main.stages),
        tuple(Phase("planned", phase.stages) for phase in one.startup),
    )
    assert [phase.name for phase in renamed.phases] == ["start_0", "main"]
    assert "def _checked(timesteps)" in sg.emit(sg.Solver("ve", scheme=renamed), "numpy")
    assert bounds.MAX_ORDER == 10


@pytest.mark.parametrize("scheme", ["unipc:10", "unipc:10:bh2:ramp", "pece:10", "multistep:11"])
def test_no_run_has_an_order_above_ten(scheme: str) -> None:
    """A corrector gains one, so that its own number ends at nine."""
    with pytest.raises(sg.SchemeError, match=r"up to (?:9|10)$"):
        schemes.get(scheme)


def test_the_largest_corrector_has_the_largest_order() -> None:
    solver = sg.Solver("ve", "noise", "noise", "sigma/alpha", "unipc:9:exact:ramp")
    assert solver.order_report.main == bounds.MAX_ORDER
