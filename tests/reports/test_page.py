"""Pages are whole, ask for nothing, are read by every reader, and are the same in every run."""

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import math_core
import pytest
from sympy import Symbol, cos, exp, sin

import solvergen as sg
from solvergen.algebra import typesetting
from solvergen.errors import SolvergenError
from solvergen.reports import document, html, page
from solvergen.symbols import t

SPECS = {
    "vp": ("vp_linear", "noise", "data", "half_log_snr", "multistep:2"),
    "inner": ("vp_cosine", "velocity", "noise", "half_log_snr", "singlestep:3"),
    "corrected": ("ve", "noise", "data", "half_log_snr", "unipc:2"),
    "tableau": ("rectified_flow", "flow", "flow", "time", "rk4"),
    "clock": ("straight", "flow", "data", "time", "multistep:3"),
}


class Seen(HTMLParser):
    """What a page has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.unbalanced: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "mspace", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.unbalanced.append(tag)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def whole() -> str:
    return page.page(sg.Solver(*SPECS["inner"]), title="DPM-Solver-3 <on> cosine & co")


def test_asks_for_nothing(whole: str) -> None:
    seen = Seen(whole)
    assert not seen.unbalanced
    assert not seen.open
    (policy,) = (one["content"] for one in seen.all("meta") if one.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "script" not in {tag for tag, _ in seen.tags}
    for _, attributes in seen.tags:
        for name in ("src", "href"):
            value = attributes.get(name) or "data:"
            assert value.startswith(("data:", "#")), value
    assert not re.search(r"url\((?!data:)", whole)
    assert "http://" not in whole.replace("http://www.w3.org", "")


def test_says_everything_to_those_who_do_not_see(whole: str) -> None:
    seen = Seen(whole)
    assert len(seen.all("img")) == 4
    assert all(len(one["alt"] or "") > 20 for one in seen.all("img"))
    assert len(seen.all("math")) > 100
    assert "merror" not in whole
    places = {one["id"] for one in seen.all("section")}
    assert {(one["href"] or "")[1:] for one in seen.all("a")} == places
    assert len(places) == 11
    assert "<title>DPM-Solver-3 &lt;on&gt; cosine &amp; co</title>" in whole


def test_is_the_same_in_every_run(whole: str) -> None:
    again = page.page(sg.Solver(*SPECS["inner"]), title="DPM-Solver-3 <on> cosine & co")
    assert again == whole


def test_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a function and as a command; a file that is no page stays what it is."""
    monkeypatch.setattr(page, "page", lambda *_: "<!doctype html>")
    assert sg.report.page(sg.Solver(*SPECS["vp"])) == "<!doctype html>"
    other = tmp_path / "thesis.tex"
    other.write_text("mine")
    monkeypatch.undo()
    with pytest.raises(SolvergenError, match="is no page"):
        page.write("<!doctype html>", other)
    assert other.read_text() == "mine"
    page.write("<!doctype html>1", tmp_path / "x.html")
    page.write("<!doctype html>2", tmp_path / "x.html")
    assert (tmp_path / "x.html").read_text() == "<!doctype html>2"


@pytest.mark.parametrize("name", SPECS)
def test_latex_is_read_by_a_strict_parser(name: str) -> None:
    """Every display and every formula in words; what is left is words, escaped."""
    text = page.latex(sg.Solver(*SPECS[name]), title="50% of x_1 & more")
    assert text.startswith(r"\section*{50\% of x\_1 \& more}")
    converter = math_core.LatexToMathML()
    displays = re.findall(r"\\begin\{align\*\}.*?\\end\{align\*\}", text, re.DOTALL)
    assert len(displays) >= 8
    for one in displays:
        converter.convert_with_local_state(one, displaystyle=True)
    rest = re.sub(r"\\begin\{align\*\}.*?\\end\{align\*\}", "", text, flags=re.DOTALL)
    for one in re.findall(r"(?<!\\)\$(.*?)(?<!\\)\$", rest):
        converter.convert_with_local_state(one, displaystyle=False)
    rest = re.sub(r"(?<!\\)\$.*?(?<!\\)\$", "", rest)
    rest = re.sub(r"\\begin\{verbatim\}.*?\\end\{verbatim\}", "", rest, flags=re.DOTALL)
    assert not re.search(r"(?<!\\)[_^#%]", rest)
    for begin, end in (("begin", "end"),):
        assert text.count(f"\\{begin}{{") == text.count(f"\\{end}{{")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no TeX")
def test_latex_goes_into_a_paper(tmp_path: Path) -> None:
    """TeX sets it, in the column of an article, where long sums are broken; a table's name too."""
    specs = [SPECS["vp"], SPECS["corrected"], ("stable_diffusion", *SPECS["vp"][1:])]
    body = "\n\n".join(page.latex(sg.Solver(*one)) for one in specs)
    (tmp_path / "x.tex").write_text(
        "\\documentclass{article}\\usepackage{amsmath,amssymb}\\begin{document}\n"
        f"{body}\n\\end{{document}}\n"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "x.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
    wide = re.findall(r"Overfull \\hbox \(([\d.]+)pt", done.stdout)
    assert all(float(one) < 50 for one in wide), wide


@pytest.mark.parametrize("name", SPECS)
def test_text_is_text(name: str) -> None:
    text = page.text(sg.Solver(*SPECS[name]))
    assert not re.search(r"[\\{}$]", text), re.search(r".*[\\{}$].*", text)
    assert "proof of the order" in text
    assert f"Order {sg.Solver(*SPECS[name]).order}." in text


def test_every_formula_of_a_page_is_in_its_text_and_latex() -> None:
    """They come from the same sections."""
    spec = sg.Solver(*SPECS["vp"])
    text, latex = page.text(spec), page.latex(spec).replace(" \\\\\n&\\quad ", " ")
    for section in page.sections(spec):
        for row in section.equations:
            for side in row.sides:
                assert typesetting.text(side) in text
                assert typesetting.latex(side) in latex


def test_names_as_a_person_sets_them() -> None:
    offset, low = Symbol("offset", positive=True), Symbol("beta_min", positive=True)
    for formula, latex in (
        (offset * t, r"\mathrm{offset}\,t"),
        (2 * offset * t + offset, r"2\,\mathrm{offset}\,t + \mathrm{offset}"),
        (low * offset**2 * exp(t), r"\beta_{\mathrm{min}}\,\mathrm{offset}^{2}\,e^{t}"),
        (low, r"\beta_{\mathrm{min}}"),
        (sg.alpha_dot, r"\dot{\alpha}"),
        (exp(-2 * t), r"e^{- 2 t}"),
        (exp(-low * t**2 / 2 - t), r"\exp\left(- \frac{\beta_{\mathrm{min}} t^{2}}{2} - t\right)"),
        (t - Symbol("s", positive=True), "t - s"),
        (sin(t * (1 + t)) ** 2, r"\sin^{2}(t (t + 1))"),
        ((1 + t) ** (2 + t) * (1 - t), r"(1 - t) (t + 1)^{t + 2}"),
        (cos(t / 2) * (1 + t), r"(t + 1) \cos{\left(\frac{t}{2} \right)}"),
    ):
        assert typesetting.latex(formula) == latex
    terms = typesetting.Total(Symbol("N_{s}"), typesetting.Product(-low, Symbol("N_{s_1}")))
    assert typesetting.text(terms) == "N_s - beta_min*N_s_1"
    assert typesetting.latex(terms) == r"N_{s} - \beta_{\mathrm{min}}\,N_{s_1}"
    assert typesetting.text(typesetting.positive(-low * (exp(-t) - 1))) == "beta_min*(1 - exp(-t))"


def test_fractions_of_a_display_have_space_around_signs() -> None:
    """In its line a fraction is small and has none, as TeX sets both."""
    fraction = (1 + exp(t)) / (t - 2)
    assert 'lspace="0"' in html.mathml(fraction)
    shown = html.mathml(fraction, display=True)
    assert 'displaystyle="true"' in shown
    assert 'lspace="0"' not in shown
    assert "block" not in shown


def test_a_note_stands_beside_a_short_formula_and_below_a_long_one() -> None:
    long = sum((Symbol(f"x_{k}") * t**k for k in range(16)), start=exp(-t))
    for formula, kind in ((exp(-t), '"note">'), (long, '"note below" colspan="2">')):
        rows = (document.Equation(Symbol("N"), formula, note="the integrand"),)
        shown = html.page("x", (), (), (document.Section("y", (document.Equations(rows),)),))
        assert shown.count(f"<td class={kind}the integrand</td>") == 1
        assert shown.count("the integrand") == 1


def test_words_have_their_symbols() -> None:
    shown = html.page("A title", ("N at s_1 is O(h^3), the network's gamma_t",), (), ())
    assert shown.count("<math") == 4
    assert "network&#x27;s" in shown
    said = "from s to t, for [s, t_1] and O(h^v): v powers. The sample's N, at q. At t = 1/2, R_t"
    symbols = [one for one, is_symbol in document.spelled(said) if is_symbol]
    assert symbols == ["s", "t", "s", "t_{1}", "O(h^{v})", "v", "N", "q", "t", "R_{t}"]
    assert document.plain(("mean of ", t, "<")) == "mean of t<"


def test_what_is_missing_is_named() -> None:
    """math-core and matplotlib are imported when a page is made, and not before."""
    code = (
        "import sys; sys.modules['math_core'] = sys.modules['matplotlib'] = None\n"
        "import solvergen as sg\n"
        "from solvergen.reports import html\n"
        "for make in (lambda: html.page('x', (), (), ()), lambda: html.mathml(sg.t),\n"
        "             lambda: sg.report.page(sg.Solver('rectified_flow', 'flow'))):\n"
        "    try: make()\n"
        "    except sg.SolvergenError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.count("pip install") == 3, done.stdout + done.stderr
    assert "solvergen[page]" in done.stdout
