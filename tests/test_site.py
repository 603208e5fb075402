"""The site of the documentation: whole, asking for nothing, the same in every build, narrow too."""

import functools
import html.parser
import http.server
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import chromium
import documentation
import gallery
import pytest

import solvergen as sg

pytestmark = pytest.mark.slow
FEW = (("rectified_flow", "straight_multistep_3"), ("ve", "dpm_solver_pp_2m"))
"""Of the gallery, which takes minutes: one that stays finite, and one in lambda."""


class Seen(html.parser.HTMLParser):
    """What a page leads to, asks for, and can be led to at."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.asked: list[str] = []
        self.places: set[str] = set()
        self.unseen: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.places |= {given.get("id", ""), given.get("name", "")}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag == "link" and given.get("rel") not in ("canonical", "prev", "next"):
            self.asked.append(given["href"])
        elif "src" in given:
            self.asked.append(given["src"])
        if tag == "img" and len(given.get("alt", "")) < 12:
            self.unseen.append(given["src"][:60])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    gallery.make(folder / "gallery", FEW, jobs=1)
    return documentation.build(folder)


@pytest.fixture(scope="module")
def seen(site: Path) -> dict[Path, Seen]:
    return {path: Seen(path.read_text()) for path in site.rglob("*.html")}


def test_every_link_leads_somewhere(site: Path, seen: dict[Path, Seen]) -> None:
    """To a file of the site, at a place that it has."""
    assert len(seen) > 60
    broken = []
    for path, page in seen.items():
        for link in page.links:
            target, _, place = unquote(link).partition("#")
            there = (path.parent / target).resolve() if target else path
            if re.match(r"[a-z]+:", target) or path.name == "404.html":
                continue
            known = seen.get(there)
            if not there.exists() or (place and known is not None and place not in known.places):
                broken.append(f"{path.relative_to(site)}: {link}")
    assert not broken


def test_asks_for_nothing_outside(site: Path, seen: dict[Path, Seen]) -> None:
    """No font, script or picture of another host, and every picture in words."""
    for path, page in seen.items():
        outside = [one for one in page.asked if re.match(r"(https?:)?//", one)]
        assert not outside, path
        assert not page.unseen, path
        files = (one.partition("?")[0] for one in page.asked if not one.startswith("data:"))
        missing = [one for one in files if not (path.parent / unquote(one)).exists()]
        assert not missing or path.name == "404.html", path


def test_pages_are_on_the_site(site: Path) -> None:
    """Each of docs/, of the gallery, what sg has, and every command."""
    docs = Path(__file__).parents[1] / "docs"
    for page in docs.glob("*.md"):
        assert (site / f"{page.stem}.html").exists()
    listed = (site / "gallery" / "index.html").read_text()
    assert listed.count(">page</a>") == len(FEW)
    assert listed.count("not built") == len(gallery.entries()) - len(FEW)
    reference = "".join(path.read_text() for path in (site / "reference").glob("*.html"))
    for name in sg.__all__:
        assert re.search(rf'id="solvergen[\w.]*\.{name}"|<code>{name}</code>', reference), name
    for command in ("compile", "choose", "plot-schedule"):
        assert f'id="solvergen-{command}"' in reference
    assert gallery.write(FEW[0], site.parent / "gallery").endswith("as it was")


def test_is_the_same_in_every_build(site: Path) -> None:
    before = {path: path.read_bytes() for path in site.rglob("*") if path.is_file()}
    documentation.generate(site.parent)
    after = {path: path.read_bytes() for path in site.rglob("*") if path.is_file()}
    assert before == after


PROBE = """<!doctype html><body><script>
async function main() {
  const found = {};
  for (const name of %s) {
    const frame = document.createElement("iframe");
    frame.style = "width: 380px; height: 600px; border: 0";
    frame.src = name;
    await new Promise(done => { frame.onload = done; document.body.append(frame); });
    const inside = frame.contentDocument, root = inside.documentElement;
    found[name] = {
      wide: root.scrollWidth - root.clientWidth,
      images: [...inside.images].filter(one => !one.complete || !one.naturalWidth).length,
      outside: frame.contentWindow.performance.getEntriesByType("resource")
        .filter(one => !/^data:/.test(one.name) && !one.name.startsWith(location.origin)).length,
      empty: [...inside.querySelectorAll("math")].filter(one => one.clientWidth === 0
        && one.getBoundingClientRect().width < 2).length,
      errors: inside.querySelectorAll("merror").length,
    };
    frame.remove();
  }
  document.body.textContent = JSON.stringify(found);
}
main();
</script></body>"""


@pytest.fixture(scope="module")
def served(site: Path) -> Iterator[str]:
    """The site on a port of this machine."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@chromium.needed
def test_pages_fit_a_telephone(site: Path, served: str) -> None:
    """All of docs/, what the gallery has, and one of every kind of page beside them."""
    docs = Path(__file__).parents[1] / "docs"
    names = [f"{page.stem}.html" for page in sorted(docs.glob("*.md"))]
    names += [f"gallery/{gallery.path(one).name}" for one in FEW]
    names += ["gallery/index.html", "lecture.html", "benchmarks/RESULTS.html"]
    names += ["reference/solvers.html", "reference/command_line.html", "source/examples/index.html"]
    (site / "probe.html").write_text(PROBE % json.dumps(names))
    shown = chromium.run("--virtual-time-budget=60000", "--dump-dom", f"{served}/probe.html")
    found = json.loads(re.search(r"\{.*\}", shown)[0])  # type: ignore[index]
    assert [*found] == names
    bad = {name: facts for name, facts in found.items() if any(facts.values())}
    assert not bad
