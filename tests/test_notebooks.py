"""What a notebook shows of an object: formulas that are typeset, and words; not its fields."""

import html.parser
import re
from typing import Any

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


CELLS = {
    "vp": "import solvergen as sg; vp = sg.schedules.vp_linear(); vp",
    "solver": "solver = sg.Solver(vp, 'noise', 'data', scheme='multistep:3'); solver",
    "ode": "solver.ode",
    "weights": "solver.weights",
    "scheme": "solver.scheme",
    "order": "solver.order_report",
    "ends": "solver.endpoints",
    "end": "solver.endpoints.end",
    "choice": "choice = sg.choose('rectified_flow', 'flow', 3, shape=(4,)); choice",
    "tuned": (
        "few = dict(shape=(2,), validate=8, search=[sg.Method('flow', 'time', 'multistep:2')])\n"
        "flow = lambda x, t: (t - (1 - t) / 4) / ((1 - t) ** 2 / 4 + t**2) * x\n"
        "tuned = sg.tune(flow, 'rectified_flow', sg.FLOW, evaluations=4, **few); tuned"
    ),
    "report": "tuned.report",
}
"""A notebook, by what its cells show."""


@pytest.fixture(scope="module")
def outputs() -> dict[str, Any]:
    """What Jupyter gets of every cell."""
    import nbclient
    import nbformat

    made = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, CELLS.values())))
    done = nbclient.NotebookClient(made, timeout=120, kernel_name="python3").execute()
    return {name: cell.outputs for name, cell in zip(CELLS, done.cells, strict=True)}


class Balanced(html.parser.HTMLParser):
    """Tags that are open, and the words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, _: object) -> None:
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.mark.slow
@pytest.mark.parametrize("name", CELLS)
def test_an_executed_notebook_renders_it(name: str, outputs: dict[str, Any]) -> None:
    """As HTML whose tags are closed, or LaTeX; with no word of a warning, and no dump."""
    (output,) = outputs[name]
    assert output.output_type == "execute_result"
    rich = {kind for kind in output.data if kind != "text/plain"}
    assert rich == ({"text/latex"} if name in ("vp", "ode", "weights") else {"text/html"})
    (shown,) = (output.data[kind] for kind in rich)
    assert "=Symbol" not in shown
    if rich == {"text/html"}:
        page = Balanced(shown)
        assert not page.open
        assert len("".join(page.words)) > 20
    if name in ("choice", "tuned", "report"):
        assert shown.count("<tr>") >= 3
        assert ("&lt;lambda&gt;" in shown) == (name != "choice"), "the model's name"
