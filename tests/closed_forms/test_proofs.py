"""How an identity is decided, and that what is none is not proved."""

import sympy
from sympy import log

import solvergen as sg
from solvergen.closed_forms.proofs import Proof, prove_zero
from solvergen.symbols import s, t


def test_how_an_identity_was_proved() -> None:
    """Cancelling decides what is rational in its calls; many digits decide the rest."""
    schedule = sg.schedules.get("vp_linear")
    assert prove_zero(log(t * s) - log(t) - log(s), schedule) is Proof.symbolic
    assert prove_zero(sympy.sin(t + s) ** 2 + sympy.cos(t + s) ** 2 - 1, schedule) is Proof.numeric
    assert prove_zero(sympy.sin(t) - t, schedule) is None
