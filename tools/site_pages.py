"""The pages of the documentation, laid into one folder for the generator of the site.

Pages link to files of the repository as they lie there, so that they can be read beside the code.
On the site each such file is a page too: markdown as it is, code as code, a folder as a list. The
reference comes from docstrings, the command line's from its help, the gallery from build/gallery.
"""

import ast
import posixpath
import re
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

import gallery
from typer.testing import CliRunner

import solvergen as sg
from solvergen.cli import app

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)#\s]+)")
LISTED = ("examples", "benchmarks", "CHANGELOG.md", "CONTRIBUTING.md")
"""What the table of contents names; further files are found by links."""

REFERENCE = {
    "schedules": (
        "Schedules",
        "`sg.NoiseSchedule`, `sg.schedules`, `sg.register_function`. Times, coefficients and "
        "levels have no units: alpha and sigma scale data and noise of unit spread.",
        (
            "solvergen.schedules.schedule.NoiseSchedule",
            "solvergen.schedules.declarations",
            "solvergen.schedules.named",
            "solvergen.algebra.registration.register_function",
        ),
    ),
    "derivation": (
        "What is predicted and expanded",
        "`sg.Parameterization`, `sg.rate`, `sg.Expansion`, `sg.SemilinearODE`.",
        (
            "solvergen.derivation.parameterization.Parameterization",
            "solvergen.derivation.parameterization.rate",
            "solvergen.derivation.expansion.Expansion",
            "solvergen.derivation.semilinear.SemilinearODE",
            "solvergen.derivation.weights.Weights",
            "solvergen.closed_forms.taylor.taylor_integral",
            "solvergen.closed_forms.taylor.normalized_moment",
            "solvergen.derivation.stochasticity.Stochasticity",
        ),
    ),
    "solvers": (
        "Solvers, schemes, presets",
        "`sg.Solver`, `sg.from_specification`, `sg.Scheme`, `sg.schemes`, `sg.presets`.",
        (
            "solvergen.specification.solver.Solver",
            "solvergen.specification.solver.from_specification",
            "solvergen.program.order.OrderReport",
            "solvergen.specification.endpoints.EndPoints",
            "solvergen.methods.scheme.Scheme",
            "solvergen.specification.schemes",
            "solvergen.methods.library",
            "solvergen.methods.exponential",
            "solvergen.specification.presets",
            "solvergen.runs.propagator.Propagator",
        ),
    ),
    "modules": (
        "Modules",
        "`sg.compile`, `sg.write`, `sg.emit`, `sg.emit_fitted`. What a module has: "
        "[modules](../modules.md).",
        ("solvergen.compiler",),
    ),
    "tuning": (
        "Search",
        "`sg.choose`, `sg.tune`, `sg.Method`.",
        (
            "solvergen.tuning.choice.choose",
            "solvergen.tuning.choice.Choice",
            "solvergen.tuning.tuner.tune",
            "solvergen.tuning.tuner.Tuned",
            "solvergen.tuning.report.Report",
            "solvergen.tuning.methods.Method",
            "solvergen.tuning.problems.ExactModel",
        ),
    ),
    "measurement": (
        "Measurement",
        "Assertions for your tests, and problems whose flow is known exactly.",
        (
            "solvergen.measurement.verification",
            "solvergen.measurement.problems",
            "solvergen.measurement.client_grids",
        ),
    ),
    "reports": (
        "Reports",
        "`sg.report`, and what the commands compare, demo and stability do.",
        (
            "solvergen.report.page",
            "solvergen.reports.comparison.compare",
            "solvergen.reports.comparison.Comparison",
            "solvergen.reports.page_pictures.plot_schedule",
            "solvergen.reports.stability",
        ),
    ),
    "errors": (
        "Errors",
        "One line that says what was wrong, what was got, what is expected.",
        ("solvergen.errors",),
    ),
}
"""Pages by name: title, lead, and what they document."""

GALLERY = """# Gallery

For every named schedule three solvers derived from alpha and sigma to the proof of their order, as
`solvergen derive --html` writes them: one file each, offline, with pictures of the schedule and of
the region of stability, the slope that was measured, and a run as a matrix of weights.

"""


def write(folder: Path, derived: Path) -> None:
    """All pages and what they show, into a folder that is made anew.

    Args:
        folder: where the generator finds them.
        derived: the folder of ``gallery``; what is not there is left out.
    """
    shutil.rmtree(folder, ignore_errors=True)
    for uri, content in {**_repository(), **_made(derived)}.items():
        path = folder / uri
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Path):
            shutil.copyfile(content, path)
        else:
            path.write_text(content)


def _repository() -> dict[str, str | Path]:
    """Files of docs/, and those that they link to, by where the site has them."""
    docs = [f"docs/{one.name}" for one in sorted((ROOT / "docs").iterdir()) if _is_shown(one)]
    queue = [*docs, *LISTED]
    for place in queue:
        queue += [one for one in _linked(place) if one not in queue and (ROOT / one).exists()]
    return {_uri(place): _content(place, queue) for place in queue}


def _is_shown(path: Path) -> bool:
    return path.is_file() and path.suffix not in (".py", ".yml")


def _content(place: str, places: Collection[str]) -> str | Path:
    """Markdown of a file or a folder; a picture or a page as it is."""
    path, uri = ROOT / place, _uri(place)
    if path.is_dir():
        return _listing(place)
    if not uri.endswith(".md"):
        return path
    text = path.read_text()
    if path.suffix != ".md":
        return f"# {place}\n\n```python\n{text}```\n"
    return LINK.sub(lambda found: _on_site(found[1], place, places), text)


def _made(derived: Path) -> dict[str, str | Path]:
    """What has no file: the reference, and pages that were derived."""
    found: dict[str, str | Path] = {
        f"reference/{name}.md": "\n\n".join(
            (f"# {title}", lead, *(f"::: {one}" for one in objects), "")
        )
        for name, (title, lead, objects) in REFERENCE.items()
    }
    found |= {"reference/index.md": _reference(), "reference/command_line.md": _command_line()}
    found["gallery/index.md"] = _gallery(derived)
    pages = (gallery.path(one, derived) for one in gallery.entries())
    return found | {f"gallery/{one.name}": one for one in pages if one.exists()}


def _on_site(link: str, place: str, places: Collection[str]) -> str:
    """A link of a page, to where the site has its file; as it is, if that is nowhere."""
    target = _joined(place, link)
    if target not in places:
        return link
    return posixpath.relpath(_uri(target), posixpath.dirname(_uri(place)) or ".")


def _joined(place: str, link: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(place), link))


def _uri(place: str) -> str:
    """Where the site has a file of the repository."""
    if place.startswith("docs/"):
        return place.removeprefix("docs/")
    if place == "benchmarks":
        return "benchmarks/index.md"
    if (ROOT / place).is_dir():
        return f"source/{place}/index.md"
    return place if place.endswith((".md", ".png", ".svg")) else f"source/{place}.md"


def _linked(place: str) -> Iterator[str]:
    """Files of the repository that a page links to, or that a folder lists."""
    path = ROOT / place
    if place in LISTED and path.is_dir():
        suffix = ".md" if place == "benchmarks" else ".py"
        yield from (f"{place}/{one.name}" for one in sorted(path.glob(f"*{suffix}")))
    elif place.endswith(".md"):
        yield from (_joined(place, found[1]) for found in LINK.finditer(path.read_text()))


def _listing(place: str) -> str:
    """What a folder has, with the first line of each; links where the site has a page of it."""
    lines = []
    for path in sorted((ROOT / place).iterdir()):
        one = f"{place}/{path.name}"
        page = posixpath.relpath(_uri(one), posixpath.dirname(_uri(place)))
        name = f"[{path.name}]({page})" if place in LISTED else f"`{path.name}`"
        if path.suffix == ".py" and path.name != "__init__.py" and place != "benchmarks":
            first, _, _ = (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n\n")
            lines.append(f"| {name} | {' '.join(first.split())} |")
        elif path.suffix == ".md":
            lines.append(f"| {name} | {path.read_text().partition(chr(10))[0].strip('# ')} |")
        elif path.is_dir() and path.name != "__pycache__":
            lines.append(f"| `{one}` | |")
    return "\n".join((f"# {place}", "", "| file | what it is |", "| --- | --- |", *lines, ""))


def _reference() -> str:
    """What a user types, and where it is documented."""
    lines = [f"| [{title}]({name}.md) | {lead} |" for name, (title, lead, _) in REFERENCE.items()]
    lines.append("| [Command line](command_line.md) | What every command takes. |")
    names = ", ".join(f"`{one}`" for one in sg.__all__)
    table = ("| page | what it has |", "| --- | --- |", *lines)
    return "\n".join(("# Reference", "", f"`import solvergen as sg` has {names}.", "", *table, ""))


def _command_line() -> str:
    """The help of every command."""
    runner = CliRunner()
    names = [one.name or one.callback.__name__ for one in app.registered_commands if one.callback]
    commands = [(), *((one.rstrip("_"),) for one in names), ("plot", "schedule")]
    parts = ["# Command line"]
    for one in commands:
        said = runner.invoke(app, [*one, "--help"], terminal_width=92, color=False).output
        text = re.sub(r"(?m)[ \t]+$", "", said).strip().replace("Usage: root", "Usage: solvergen")
        parts.append(f"## {' '.join(('solvergen', *one))}\n\n```text\n{text}\n```")
    return "\n\n".join(parts) + "\n"


def _gallery(derived: Path) -> str:
    """Schedules with the pages that there are."""
    titles = [title for title, _ in gallery.SOLVERS.values()]
    lines = [f"| schedule | {' | '.join(titles)} |", f"|{' --- |' * (len(titles) + 1)}"]
    for name in sg.schedules.names():
        files = [gallery.path((name, solver), derived) for solver in gallery.SOLVERS]
        cells = [f"[page]({one.name})" if one.exists() else "not built" for one in files]
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join((GALLERY, *lines, ""))
