"""The comfyui target: a folder for custom_nodes with samplers for every model.

A sampling function of ComfyUI is called with models of two spaces, x_0 + sigma eps (which it calls
EPS, V_PREDICTION, EDM) and (1 - sigma) x_0 + sigma eps (CONST: flow models). So every method has
two modules of the target k-diffusion, and one name for both: the function behind it looks at the
model. Levels up to 5,000 are covered: networks whose last level is almost all noise have 4,518.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from solvergen import compiler
from solvergen.errors import EmissionError, explained
from solvergen.schedules import named
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.specification.presets import LAMBDA, MIDPOINT_2M, STRAIGHT
from solvergen.specification.solver import Solver
from solvergen.targets import rendering
from solvergen.targets.files import MARK, is_ours, write_text
from solvergen.targets.solver_names import function_name
from solvergen.targets.target import ON_ANY_GRID, Choice

TARGET = "comfyui"
STEADY_END = "unipc:2:exact:ramp:ramp"
"""Of first order in the last step."""
PART = "a part of a folder for ComfyUI; do not edit"


@dataclass(frozen=True)
class Sampler:
    """A method, under the name that users choose it by.

    Attributes:
        name: in ComfyUI's list of samplers.
        says: when to take it.
        integrand, expansion, scheme: the method.
    """

    name: str
    says: str
    integrand: str
    expansion: str
    scheme: str

    def solver(self, schedule: NoiseSchedule, limiter: Any = True) -> Solver:
        """Of the models of a space, which return the data."""
        return Solver(schedule, "data", self.integrand, self.expansion, self.scheme, limiter)


SHIPPED = (
    Sampler("solvergen_data", "on any grid, from 5 steps on", "data", *ON_ANY_GRID[1:]),
    Sampler("solvergen_data_steady", "few steps, the last one long", "data", STRAIGHT, STEADY_END),
    Sampler("solvergen_straight", "from 8 steps on", "straight", STRAIGHT, "unipc:2:exact:ramp"),
    Sampler("solvergen_data_2m", "dpmpp_2m with bounded weights", "data", LAMBDA, MIDPOINT_2M),
    Sampler("solvergen_singlestep_2", "two calls a step", "data", LAMBDA, "singlestep:2"),
)


def chosen(choice: Choice) -> Sampler:
    """A sampler of one method, named after it."""
    integrand, expansion, scheme = choice
    found = Sampler("", "as compiled", integrand or "data", expansion, scheme)
    name = function_name(found.solver(named.get("ve")))
    return replace(found, name=f"solvergen_{name}")


def write(
    folder: str | Path,
    samplers: Sequence[Sampler] = SHIPPED,
    force: bool = False,
    limiter: Any = True,
) -> Path:
    """Write the folder: two modules a sampler, what registers them, and its pyproject.

    All text is made before the first file is written.

    Args:
        folder: in ComfyUI's custom_nodes; made if it does not exist.
        samplers: the methods.
        force: overwrite files that solvergen did not write.
        limiter: as for a ``Solver``.

    Raises:
        EmissionError: a file exists and is not ours, or the folder is a file.
    """
    folder = Path(folder)
    spaces = {"ve": named.get("ve"), "flow": named.get("rectified_flow")}
    texts, entries = dict[str, str](), []
    for one in samplers:
        solvers = {space: one.solver(schedule, limiter) for space, schedule in spaces.items()}
        short = one.name.removeprefix("solvergen_")
        modules = {space: f"{space}_{short}" for space in spaces}
        texts |= {
            f"{modules[space]}.py": compiler.emit(spec, "k-diffusion")
            for space, spec in solvers.items()
        }
        function = f"sample_{function_name(solvers['ve'])}"
        entries.append({"name": one.name, "says": one.says, "function": function, **modules})
    context = {"mark": f"# {MARK} {version('solvergen')}, {PART}", "samplers": entries}
    texts["__init__.py"] = rendering.tidy(rendering.fill("comfyui/package.jinja", context))
    texts["pyproject.toml"] = rendering.fill("comfyui/pyproject.jinja", context)
    _check(folder, texts, force)
    with explained(f"cannot write {folder}", EmissionError, "expected a folder that may be made"):
        folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        write_text(text, folder / name, force=True)
    return folder


def _check(folder: Path, texts: dict[str, str], force: bool) -> None:
    """Refuse a folder that is none, or files that are somebody else's, before one is written."""
    if folder.exists() and not folder.is_dir():
        raise EmissionError(f"{folder} is a file; expected a folder, or a new path.")
    existing = [folder / name for name in texts if (folder / name).exists()]
    foreign = [one.name for one in existing if not (is_ours(one) or _is_part(one))]
    if foreign and not force:
        raise EmissionError(
            f"{folder} has {', '.join(foreign)} already, not written by solvergen; expected a "
            "folder of its own. Choose another path, or force it (--force)."
        )


def _is_part(path: Path) -> bool:
    """Whether the first line of a file says that it was written here."""
    if not path.is_file():
        return False
    with path.open(encoding="utf-8", errors="replace") as stream:
        return re.fullmatch(rf"# {MARK} \S+, {PART}\n", stream.readline(200)) is not None


def listing() -> str:
    """What ``list targets`` says of it."""
    names = ", ".join(one.name for one in SHIPPED)
    return f"{TARGET} (a folder for custom_nodes: {names})"
