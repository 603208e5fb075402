"""From a solver and a target to the text of a module."""

import subprocess
import textwrap
from collections import Counter
from dataclasses import asdict
from fractions import Fraction
from functools import lru_cache
from importlib.metadata import version
from types import ModuleType
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, meta
from ruff import find_ruff_bin

from solvergen import targets
from solvergen.algebra.numpy_code import tuple_code
from solvergen.errors import EmissionError
from solvergen.program.columns import Storage
from solvergen.scalars.baking import Baked
from solvergen.scalars.formulas import Formulas
from solvergen.specification.endpoints import remedy
from solvergen.specification.solver import Solver
from solvergen.targets import baked as bakery
from solvergen.targets.definitions import definitions_code, specification_code
from solvergen.targets.docstring import docstring
from solvergen.targets.files import MARK
from solvergen.targets.host import host_code_of
from solvergen.targets.integrals import integral_code_of
from solvergen.targets.passes import pair_functions
from solvergen.targets.run import run_code_of

LINE_LENGTH = 100
PAIR_KEYS = (
    "pair_functions", "pair_pass_names", "pair_powers", "pair_reuses", "pair_infinite",
    "pair_slots",
)  # fmt: skip


def render(solver: Solver, target: str, accuracy: str, baked: Baked | None = None) -> str:
    """The formatted source of a module, for any grid or for the ``baked`` one.

    ``accuracy`` is what its docstring says of its coefficients.
    """
    filled = context(solver, target, accuracy, baked)
    return tidy(fill(f"{targets.folder(target)}/module.jinja", filled))


def context(
    solver: Solver, target: str, accuracy: str, baked: Baked | None = None
) -> dict[str, Any]:
    """What the templates are filled with."""
    backend = targets.get(target)
    storage = Storage.of(solver.passes, solver.program.history)
    adaptive = _adaptive(solver, backend if baked is None else None)
    formulas = Formulas.of(solver, adaptive["pairs"], ends_in_data=target == "diffusers")
    own = {
        "definitions": definitions_code(formulas),
        "docstring": docstring(solver, header(solver, target, baked), accuracy),
        "standard": "\n".join(backend.standard),
        "imports": "\n".join(backend.requires),
        "order": solver.order,
        "order_to_the_ends": _number(solver.endpoints.order),
        "evaluations_per_step": solver.scheme.main.evaluations,
        "specification": specification_code(solver, target),
        "passes": backend.passes(solver),
        "dtypes": backend.dtypes,
        "prediction_name": solver.prediction.name,
        "ring": storage.ring,
        "inner": len(storage.inner),
        "has_input": storage.has_input,
        "corrects": solver.program.corrects,
        "measures": bool(solver.program.repeat or adaptive["pairs"]),
        "is_numba": target == "numba",
        "is_torch": target in targets.TORCH_TARGETS,
        **backend.settings(solver, formulas),
    }
    filled = _merged(host_part(solver, formulas), own, _repetition(solver), adaptive)
    return {**filled, **bakery.settings(solver, backend, formulas, baked)}


def host_part(solver: Solver, formulas: Formulas) -> dict[str, Any]:
    """What the part of a module asks for that computes its coefficients."""
    code = host_code_of(formulas, solver.program)
    run, integrals = run_code_of(formulas), integral_code_of(formulas)
    return _merged(asdict(code), asdict(run), asdict(integrals), {"remedy": _remedy(solver)})


def coefficients_module(solver: Solver) -> str:
    """The functions of time and of a grid alone, in numpy: what is measured before a module is
    written that says how accurate they are, and asked for grids.

    They are those of every module of the solver, and no more: no steps, no docstring.
    """
    formulas = Formulas.of(solver)
    filled = {**host_part(solver, formulas), "definitions": definitions_code(formulas)}
    return fill("common/draft.jinja", filled)


def _merged(*parts: dict[str, Any]) -> dict[str, Any]:
    """All parts as one; a key that two of them fill would silently lose one."""
    counts = Counter(key for part in parts for key in part)
    twice = sorted(key for key, count in counts.items() if count > 1)
    if twice:
        raise EmissionError(f"{', '.join(twice)} filled twice; expected every key once.")
    return {key: value for part in parts for key, value in part.items()}


def _adaptive(solver: Solver, backend: ModuleType | None) -> dict[str, Any]:
    """What adaptive steps are made of."""
    pairs = solver.program.pairs if hasattr(backend, "function") else ()
    if backend is None or not pairs:
        return {"pairs": False, **dict.fromkeys(PAIR_KEYS, "")}
    functions, names = pair_functions(solver, backend.function)
    reuses = [phase.evaluations[-1] == len(phase.combines) for phase in pairs]
    return {
        "pairs": bool(pairs),
        "pair_functions": functions,
        "pair_pass_names": tuple_code([tuple_code(one) for one in names]),
        "pair_powers": repr(solver.estimate_powers),
        "pair_reuses": repr(tuple(reuses)),
        "pair_infinite": len(pairs) > 1,
        "pair_slots": len(Storage.of(solver.pair_passes, 0).slots),
    }


def _repetition(solver: Solver) -> dict[str, Any]:
    """How the implicit equation of a step is solved, if it has one."""
    repeat = solver.program.repeat
    return {
        "repeats": repeat is not None,
        "tolerance": repr(repeat.tolerance) if repeat else "",
        "max_iterations": repeat.limit if repeat else 0,
        "repeated_pass": (len(solver.program.phases) - 1, repeat.stage) if repeat else (),
    }


def _remedy(solver: Solver) -> str:
    """What a module's error says of ends that no run may touch: adjacent string literals."""
    choices = (solver.weights, solver.prediction, solver.program)
    text = "".join(f"; {one} {remedy(*choices, one)}" for one in solver.endpoints.obstacles)
    lines = textwrap.wrap(text, LINE_LENGTH - 16, drop_whitespace=False)
    return "\n            ".join(repr(line) for line in lines)


def _number(order: Fraction | None) -> str:
    return "None" if order is None else str(int(order) if order == int(order) else float(order))


def header(solver: Solver, target: str, baked: Baked | None = None) -> str:
    """Who generated the module, from what, and the command that does it again."""
    command = f"solvergen compile {solver.arguments} --target {target} -o FILE"
    if solver.arguments is None or baked is not None:
        grid = "" if baked is None else ", timesteps=TIMESTEPS"
        command = f"solvergen.write(solvergen.from_specification(SPEC), {target!r}, FILE{grid})"
    lines = textwrap.wrap(command, LINE_LENGTH - 14, break_long_words=False, break_on_hyphens=False)
    shown = " \\\n        ".join(lines)
    return (
        f"{MARK} {version('solvergen')} from inputs {solver.content_hash}. "
        f"Do not edit; generate it again:\n\n    {shown}"
    )


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("solvergen.templates", ""),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )


def fill(template: str, context: dict[str, Any]) -> str:
    """Render a template, which must ask for nothing but the context's keys.

    Raises:
        EmissionError: the template asks for a key that there is not.
    """
    unknown = keys(template) - set(context)
    if unknown:
        raise EmissionError(
            f"template {template} asks for {', '.join(sorted(unknown))}, which nobody fills in; "
            f"expected some of {', '.join(sorted(context))}."
        )
    return _environment().get_template(template).render(context)


@lru_cache(maxsize=64)
def keys(template: str) -> frozenset[str]:
    """The keys that a template and those that it extends or includes ask for."""
    environment = _environment()
    assert environment.loader is not None
    source, _, _ = environment.loader.get_source(environment, template)
    tree = environment.parse(source)
    found = set(meta.find_undeclared_variables(tree))
    for other in meta.find_referenced_templates(tree):
        if other is not None:
            found |= keys(other)
    return frozenset(found)


def tidy(source: str) -> str:
    """The source in the house format.

    Raises:
        EmissionError: the source does not parse, which is a defect of a backend or template.
    """
    done = subprocess.run(
        [find_ruff_bin(), "format", "--isolated", f"--line-length={LINE_LENGTH}", "-"],
        input=source,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise EmissionError(f"the emitted module does not parse: {done.stderr.strip()}")
    return done.stdout
