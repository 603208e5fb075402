"""Schemes as data: text round trip, and wrong ones refused with the reason."""

from fractions import Fraction

import pytest

from solvergen.errors import SchemeError
from solvergen.methods.scheme import CURRENT, Phase, Scheme, Stage, past, stage
from solvergen.program.instructions import Accept, Combine, Evaluate
from solvergen.program.lowering import lower
from solvergen.program.program import PhaseProgram, StepProgram
from solvergen.specification import schemes

END = Fraction(1)


@pytest.mark.parametrize(
    "text",
    [
        "multistep:1",
        "multistep:4",
        "multistep:3:ramp",
        "singlestep:2",
        "singlestep:3:1/4,2/3",
        "1:{0}; 1:{0,s1}",
        "1:{0} | 1:{0,-1}",
        "1/2:{0}; 1:{0,s1} | 1:{0,-1} | 1/2:{0,-1}; 1:{0,s1,-1,-2}",
    ],
)
def test_text_round_trip(text: str) -> None:
    scheme = schemes.get(text)
    assert schemes.get(schemes.to_text(scheme)).phases == scheme.phases


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("multistep:0", "order 1, 2, 3"),
        ("multistep", "unknown scheme"),
        ("rk:4", "unknown scheme"),
        ("multistep:2:warm", "startup="),
        ("singlestep:3:1/2", "2 distinct positions"),
        ("singlestep:3:1/2,1/2", "repeated nodes"),
        ("singlestep:2:3/2", "strictly between 0 and 1"),
        ("1:{}", "expected 'position"),
        ("1:{x}", "expected 'position"),
        ("1/2:{0}", "last stage at theta = 1"),
        ("3/2:{0}; 1:{0,s1}", "0 < theta <= 1"),
        ("1:{0,0}", "repeated nodes"),
        ("1:{s1}", "not computed yet"),
        ("1/2:{0,s2}; 1/3:{0}; 1:{0,s1,s2}", "not computed yet"),
        ("1:{0,-1}", "start-up phases"),
        ("1:{0,-1} | 1:{0,-1}", "expected 0 at most"),
        ("1/2:{0}; 1:{0}", "never reads the value"),
        ("1:{0} | 1:{0,-1} | 0<-1:{0,-1}; 1:{0,-1,-2}", "reads 3 .* expected 2 at most"),
        ("1:{0} | 1:{0,-1} || 0<-1:{0,-1}; 1:{0}", "'last_0' .* reads 2 .* expected 1 at most"),
    ],
)
def test_refused(text: str, message: str) -> None:
    with pytest.raises(SchemeError, match=message):
        lower(schemes.get(text))


def test_checker_refuses_bad_programs() -> None:
    unaccepted = PhaseProgram("main", (Evaluate(0), Combine(1, END, (CURRENT,))))
    with pytest.raises(SchemeError, match="accepting"):
        StepProgram((unaccepted,), 0)
    early = PhaseProgram("main", (Combine(1, END, (stage(1),)), Accept()))
    with pytest.raises(SchemeError, match="has not been computed"):
        StepProgram((early,), 0)


def test_history_and_cost() -> None:
    scheme = schemes.multistep(4)
    assert scheme.main.history == 3
    assert [phase.history for phase in scheme.startup] == [0, 1, 2]
    assert scheme.main.evaluations == 1
    assert scheme.extra_evaluations == 3


def test_equal_schemes_are_equal() -> None:
    assert schemes.multistep(3) == schemes.multistep(3)
    custom = Scheme(
        "x", Phase("main", (Stage(END, (CURRENT, past(1))),)), schemes.multistep(2).startup
    )
    assert custom.phases == schemes.multistep(2).phases


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1/2:{0}; 1:{0,s1} => 3", r"sum_j ell_j r_j\^2 = 1/3 of order 3 has the residual -1/12"),
        ("1/3:{0}; 3/4:{0,s1}; 1:{0,s2} => 3", "the residual 1/24; expected 0: the 2 nodes"),
        ("1:{0} | 1:{0,-1} => 3", r"r_j\^2 = 1/3 of order 3 has the residual -5/6"),
        ("rk4 => 5", r"r_j\^4 = 1/5 of order 5 has the residual 1/120"),
        ("1/3:{0}; 2/3:{0}; 1:{0,s2} => 3", "never reads"),
        ("1/3:{0}; 1/2:{0,s1}; 2/3:{0,s2}; 1:{0,s3} => 4", r"r_j\^3 = 1/4 of order 4"),
        (
            "2/3:{0}; 1:{0: 1/4, s1: 3/4} => 3",
            r"coefficient of h\^3 is 1/6 with a residual of -1/6",
        ),
        ("multistep:3:ramp => 3", r"has order 2: .* O\(h\^2\) left by the start-up\. Expected"),
        ("multistep:4:exact:ramp => 3", r"O\(h\^2\) left by the last steps"),
        ("multistep:3 => three", "claims the order 'three'"),
    ],
)
def test_a_claimed_order_that_is_not_reached(text: str, message: str) -> None:
    """With the order condition that fails and its residual."""
    with pytest.raises(SchemeError, match=message):
        schemes.get(text)


@pytest.mark.parametrize("text", ["multistep:4", "dormand_prince", "1/2:{0}; 1:{0,s1}"])
def test_a_claimed_order_that_is_reached(text: str) -> None:
    order = {"multistep:4": 4, "dormand_prince": 5}.get(text, 2)
    assert schemes.get(f"{text} => {order}") == schemes.get(text)
