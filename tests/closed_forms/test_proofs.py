"""How an identity is decided, and that what is none is not proved."""

import sympy
from sympy import log

import solvergen as sg
from solvergen.closed_forms.proofs import Proof, prove_zero
from solvergen.symbols import s, t


def test_how_an_identity_was_proved() -> None:
    """What holds for any value of its calls is told exactly; many digits decide the rest."""
    schedule = sg.schedules.get("vp_linear")
    assert prove_zero(log(t * s) - log(t) - log(s), schedule) is Proof.symbolic
    assert prove_zero(sympy.sin(t + s) ** 2 + sympy.cos(t + s) ** 2 - 1, schedule) is Proof.symbolic
    angles = sympy.atan(t / s) + sympy.atan(s / t) - sympy.pi / 2
    assert prove_zero(angles, schedule) is Proof.numeric
    assert prove_zero(sympy.sin(t) - t, schedule) is None
