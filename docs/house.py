"""The house, read from its code: rooms on floors, and an arrow for every import between rooms.

A room is a folder of the package, or a module beside the folders. ``python docs/house.py`` draws
house.svg again; tests/test_house.py asks whether the code keeps to the order of the rooms.
"""

import ast
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent
PACKAGE = FOLDER.parent / "solvergen"
PICTURE = FOLDER / "house.svg"

ROOMS = (
    "errors", "naming", "symbols", "algebra", "methods", "schedules", "program", "derivation",
    "closed_forms", "runs", "specification", "scalars", "targets", "measurement", "compiler",
    "clients", "tuning", "reports", "report", "__init__", "schedule_options",
    "solver_options", "commands", "cli",
    "__main__",
)  # fmt: skip
"""From the bottom up: a room may import those before it."""


@cache
def trees() -> dict[str, ast.Module]:
    """Every module by its dotted name inside the package; a folder's own is ``folder.__init__``."""
    return {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts): ast.parse(path.read_text())
        for path in sorted(PACKAGE.rglob("*.py"))
    }


def room(module: str) -> str:
    """The room that a module is in."""
    return module.partition(".")[0]


def imports(module: str) -> Iterator[tuple[str, str, int]]:
    """(module, name in it or "", line) of every import of the package, wherever it stands."""
    for node in ast.walk(trees()[module]):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] == PACKAGE.name:
                    yield _inside(alias.name), "", node.lineno
        elif isinstance(node, ast.ImportFrom) and str(node.module).startswith(PACKAGE.name):
            for alias in node.names:
                whole = _inside(f"{node.module}.{alias.name}")
                is_module = whole in trees()
                yield (whole, "", node.lineno) if is_module else (
                    _inside(str(node.module)), alias.name, node.lineno
                )  # fmt: skip


def _inside(dotted: str) -> str:
    """solvergen.algebra.limits as algebra.limits, solvergen.algebra as algebra.__init__."""
    name = dotted.removeprefix(PACKAGE.name).lstrip(".")
    return name if name in trees() else f"{name}.__init__".lstrip(".")


@cache
def arrows() -> set[tuple[str, str]]:
    """(importing, imported) module."""
    return {(one, other) for one in trees() for other, _, _ in imports(one) if other != one}


@cache
def room_arrows() -> set[tuple[str, str]]:
    """(importing, imported) room."""
    pairs = {(room(one), room(other)) for one, other in arrows()}
    return {(one, other) for one, other in pairs if one != other}


# The picture. Floors grow from the bottom: a room stands one floor above the highest that it
# imports. An arrow to the next floor is straight, a longer one bends around what lies between.

WIDTH, BOX, GAP = 1160, 330, 26
LINE, HEAD, CHARACTERS = 15, 26, 52
TITLES = {"__init__": "solvergen", "__main__": "python -m solvergen"}


def floors() -> list[list[str]]:
    """The rooms by floor, lowest first."""
    height: dict[str, int] = {}
    for one in ROOMS:
        below = [height[other] for importing, other in room_arrows()
                 if importing == one and other in height]  # fmt: skip
        height[one] = 1 + max(below, default=-1)
    return [[one for one in ROOMS if height[one] == n] for n in range(max(height.values()) + 1)]


def contents(one: str) -> list[str]:
    """The modules of a room, in lines."""
    inner = [module.partition(".")[2] for module in trees() if module.startswith(f"{one}.")]
    names = sorted({name.removesuffix(".__init__") for name in inner} - {"__init__"})
    return textwrap.wrap(", ".join(names), CHARACTERS, break_on_hyphens=False)


def boxes() -> dict[str, tuple[float, float, float]]:
    """Left, top and height of every room."""
    found, top = {}, float(GAP)
    for floor in reversed(floors()):
        left = (WIDTH - len(floor) * BOX - (len(floor) - 1) * GAP) / 2
        heights = [HEAD + LINE * len(contents(one)) for one in floor]
        for place, (one, height) in enumerate(zip(floor, heights, strict=True)):
            found[one] = (left + place * (BOX + GAP), top + max(heights) - height, height)
        top += max(heights) + 1.4 * GAP
    return found


def _arrow(start: tuple[float, float], end: tuple[float, float], span: int, side: int) -> str:
    (x, y), (u, v) = start, end
    if span == 1:
        return f'<path class="arrow near" d="M{x:.0f} {y:.0f} L{u:.0f} {v:.0f}"/>'
    bulge = side * (BOX / 2 + 24 * span)
    return (
        f'<path class="arrow" d="M{x:.0f} {y:.0f} C{x + bulge:.0f} {y + GAP:.0f} '
        f'{u + bulge:.0f} {v - GAP:.0f} {u:.0f} {v:.0f}"/>'
    )


def svg() -> str:
    """The picture."""
    place, floor_of = boxes(), {one: n for n, floor in enumerate(floors()) for one in floor}
    height = max(top + size for _, top, size in place.values()) + GAP
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" '
        'font-family="sans-serif">',
        "<style>.arrow{fill:none;stroke:#9db4c9;marker-end:url(#a)}.near{stroke:#2a5d8f;"
        "stroke-width:1.6}rect{fill:#f7f9fb;stroke:#2a5d8f}</style>",
        '<marker id="a" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path d="M0 0 L8 4 L0 8 z" style="fill:#2a5d8f;stroke:none"/></marker>',
        f'<rect width="{WIDTH}" height="{height:.0f}" style="fill:white;stroke:none"/>',
    ]
    for one, other in sorted(room_arrows()):
        (x, y, size), (u, v, _) = place[one], place[other]
        middle = (x + u + BOX) / 2
        side = -1 if middle < WIDTH / 2 or (middle == WIDTH / 2 and len(one) % 2) else 1
        lines.append(
            _arrow((x + BOX / 2, y + size), (u + BOX / 2, v), floor_of[one] - floor_of[other], side)
        )
    for one in ROOMS:
        left, top, size = place[one]
        lines.append(f'<rect x="{left}" y="{top:.0f}" width="{BOX}" height="{size}" rx="5"/>')
        for n, text in enumerate((TITLES.get(one, one), *contents(one))):
            style = 'font-size="15" font-weight="bold"' if n == 0 else 'font-size="11"'
            lines.append(
                f'<text x="{left + 10}" y="{top + 18 + LINE * n:.0f}" {style}>{text}</text>'
            )
    return "\n".join([*lines, "</svg>", ""])


if __name__ == "__main__":
    PICTURE.write_text(svg())
