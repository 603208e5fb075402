"""What a notebook shows of an object: formulas that are typeset, and words; not its fields."""

import re

import math_core
import pytest

import solvergen as sg


def solver() -> sg.Solver:
    return sg.Solver("vp_linear", "noise", "data", "half_log_snr", "multistep:3")


def shown(thing: object) -> tuple[str, str]:
    """(kind, rendering) by the protocol of IPython: HTML before LaTeX before text."""
    for kind in ("html", "latex"):
        method = getattr(thing, f"_repr_{kind}_", None)
        if method is not None:
            return kind, method()
    return "text", repr(thing)


FORMULAS = {
    "schedule": lambda: solver().schedule,
    "ode": lambda: solver().ode,
    "weights": lambda: solver().weights,
    "solver": solver,
    "by quadrature": lambda: sg.Solver("vp_linear", "velocity", expansion="time").ode,
}
WORDS = {
    "scheme": lambda: solver().scheme,
    "order": lambda: solver().order_report,
    "ends": lambda: solver().endpoints,
    "end": lambda: solver().endpoints.end,
}


@pytest.mark.parametrize("name", FORMULAS)
def test_formulas_are_typeset(name: str) -> None:
    """By a strict reader of LaTeX; every one of its lines says what something is."""
    kind, text = shown(FORMULAS[name]())
    assert kind == ("html" if name == "solver" else "latex")
    (display,) = re.findall(r"\$\$(.*?)\$\$", text.replace("&amp;", "&"), re.DOTALL)
    found = str(math_core.LatexToMathML().convert_with_local_state(display, displaystyle=True))
    assert found.count("<mtr>") == display.count("\\\\\n") + 1 >= 6
    assert "Symbol" not in text


@pytest.mark.parametrize("name", WORDS)
def test_words_are_the_text(name: str) -> None:
    """Escaped, line by line."""
    thing = WORDS[name]()
    kind, text = shown(thing)
    assert kind == "html"
    lines = re.findall(r"<p>(.*?)</p>", text, re.DOTALL)
    plain = "\n".join(lines).replace("&gt;", ">").replace("&lt;", "<").replace("&amp;", "&")
    assert plain == str(thing)


def test_a_notebook_shows_no_dump() -> None:
    for make in (*FORMULAS.values(), *WORDS.values()):
        _, text = shown(make())
        assert len(text) < 3000
        assert "(" not in text[:3]
        assert "=Symbol" not in text
