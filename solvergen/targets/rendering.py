"""From a solver and a target to the text of a module."""

import subprocess
import textwrap
from collections import Counter
from dataclasses import asdict, replace
from fractions import Fraction
from functools import lru_cache
from importlib.metadata import version
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, meta
from ruff import find_ruff_bin

from solvergen import targets
from solvergen.algebra.numpy_code import tuple_code
from solvergen.errors import EmissionError
from solvergen.scalars.baking import Baked, statement
from solvergen.scalars.formulas import Formulas
from solvergen.specification import schemes
from solvergen.specification.endpoints import remedy
from solvergen.specification.solver import Solver
from solvergen.targets import brownian, data_factors, parallel, per_sample, sample_says
from solvergen.targets.baked import settings as baked_settings
from solvergen.targets.calls import gamma_names
from solvergen.targets.definitions import (
    definitions_code,
    kinks_code,
    specification_code,
    specification_tables,
)
from solvergen.targets.docstring import docstring
from solvergen.targets.files import MARK
from solvergen.targets.formulas import Spelling, inlined
from solvergen.targets.host import further_spacings, host_code_of
from solvergen.targets.integrals import integral_code_of
from solvergen.targets.passes import Control
from solvergen.targets.target import Library, Target

LINE_LENGTH = 100


def render(solver: Solver, target: str, accuracy: str, class_name: str | None = None) -> str:
    """The formatted source of a module for any grid.

    ``accuracy`` is what its docstring says of its coefficients, ``class_name`` what its class is
    called, if not after the solver.
    """
    found = targets.get(target)
    filled = context(solver, target, accuracy, class_name)
    return tidy(fill(f"{found.folder}/module.jinja", filled))


def context(
    solver: Solver, target: str, accuracy: str, class_name: str | None = None
) -> dict[str, Any]:
    """What the templates are filled with."""
    found = targets.get(target)
    named = {} if class_name is None else {"class_name": class_name}
    pairs = bool(found.adapts and solver.program.pairs and not solver.per_sample)
    formulas = found.formulas(solver) if found.formulas else Formulas.of(solver, pairs)
    host = host_part(solver, formulas, found.library) | {"remedy": _remedy(solver)}
    merged = _merged(
        host,
        _shared(solver, header(solver, target, class_name=class_name), accuracy, host, found),
        _run(solver, formulas, found),
        _repetition(solver),
        _adaptive(solver, formulas),
        parallel.settings(solver, found.batches, formulas),
        per_sample.settings(solver, found),
        _reversible(solver, found),
        found.settings(solver, formulas),
    )
    return {**merged, **named}


def require_table(solver: Solver) -> None:
    """Refuse a solver whose coefficients are no table of numbers for one grid.

    Raises:
        EmissionError: a step repeats its last evaluation to a tolerance, or samples have grids.
    """
    if solver.program.repeat is not None:
        raise EmissionError(
            f"the scheme {schemes.to_text(solver.scheme)} repeats an evaluation to a tolerance, "
            "which no table of numbers says; expected a number of iterations (adams_moulton:K:M)."
        )
    per_sample.require_any_grid(solver)


def render_baked(solver: Solver, target: str, baked: Baked, remarks: str = "") -> str:
    """The formatted source of a module for one grid; ``remarks`` say how that was found.

    Raises:
        EmissionError: as ``require_table``.
    """
    found = targets.get(target)
    assert found.loop is not None
    require_table(solver)
    filled = {
        "before_passes": "",
        "docstring": docstring(
            solver, header(solver, target, grid=True), statement(baked), False, remarks
        ),
        "standard": _standard(found, *parallel.imports(solver, found.batches)),
        "imports": _imports(found),
        "order": solver.order,
        "specification": specification_code(solver, target),
        "tables": specification_tables(solver),
        "prediction_name": solver.prediction.name,
        "noisy": solver.program.is_noisy,
        "normals": found.normals,
        "dtypes": found.dtypes,
        **sample_says.of_baked(solver),
        **baked_settings(solver.table, _in_network_time(solver, baked)),
        **found.loop(solver.table),
        **parallel.baked_settings(solver, found.batches, baked),
        **data_factors.baked_settings(solver, [row[0] for row in baked.rows]),
    }
    return tidy(fill(f"{found.folder}/baked.jinja", filled))


def _in_network_time(solver: Solver, baked: Baked) -> Baked:
    """With the times at which the network is asked."""
    at = solver.schedule.network_time
    return replace(baked, rows=tuple((at(time), *factors) for time, *factors in baked.rows))


def _shared(
    solver: Solver, head: str, accuracy: str, host: dict[str, Any], found: Target
) -> dict[str, Any]:
    """What every module says of itself."""
    standard = [
        *parallel.imports(solver, found.batches),
        *per_sample.imports(solver, found),
        *(("from itertools import groupby",) if host["phase_numbers"] else ()),
        *(("from functools import wraps",) if host["quiet"] else ()),
        *(("import math",) if "_erf(" in host["alpha"] + host["sigma"] else ()),
    ]
    return {
        "docstring": docstring(solver, head, accuracy),
        "standard": _standard(found, *standard),
        "imports": _imports(found, solver.stochasticity is not None),
        "order": solver.order,
        "order_to_the_ends": _number(solver.endpoints.order),
        "evaluations_per_step": solver.scheme.main.evaluations,
        "extra_evaluations": solver.scheme.extra_evaluations,
        "specification": specification_code(solver, found.name),
        "dtypes": found.dtypes,
        "prediction_name": solver.prediction.name,
        "reverses": solver.schedule.reversed,
        **sample_says.of_module(solver),
    }


def _standard(target: Target, *others: str) -> str:
    """The imports of Python's own library, in the order of linters."""
    found = {*target.standard, *others}
    return "\n".join(sorted(found, key=lambda one: (one.startswith("from"), one)))


def _imports(target: Target, is_noisy: bool = False) -> str:
    """Those of numpy and the target, in the order of linters."""
    found = ["import numpy as np", *target.requires]
    found += target.requires_for_noise if is_noisy else []
    return "\n".join(sorted(found, key=lambda one: (one.startswith("from"), one)))


def _run(solver: Solver, formulas: Formulas, found: Target) -> dict[str, Any]:
    """What takes the steps, the same for every target."""
    table, control = formulas.table, Control(formulas.table)
    normals = _normals(solver, formulas, found)
    return {
        "definitions": definitions_code(formulas, found.library),
        "kinds": control.definition(),
        "planned_kinds": control.planned("rows"),
        "noisy": formulas.is_noisy,
        "normals": normals,
        "has_paths": "class Brownian" in normals,
        "weak_order": solver.weak_report.order if solver.weak_report else None,
        "noises_per_step": solver.program.main.noises,
        "keeps_start": table.keeps_start,
        "places": table.places,
        "measures": bool(solver.program.repeat or formulas.pairs),
        **data_factors.settings(solver, formulas),
    }


def _normals(solver: Solver, formulas: Formulas, found: Target) -> str:
    """Where the noise of a run comes from."""
    path = brownian.code(solver, formulas, *found.casts) if found.casts else ""
    return f"{found.normals}\n\n\n{path}" if path else found.normals


def host_part(
    solver: Solver, formulas: Formulas, library: Library | None = None, panels: int = 1
) -> dict[str, Any]:
    """What the part of a module asks for that computes its coefficients; each panel of a quadrature
    in so many parts.
    """
    found = formulas.integrals
    finer = replace(formulas, integrals=replace(found, panel=found.panel / panels))
    rate = formulas.linear_coefficient
    own = {
        "factor_kinks": kinks_code(formulas.schedule),
        "linear_coefficient": ""
        if rate is None
        else Spelling(formulas.schedule.parameters).at_times(rate),
    }
    return _merged(
        asdict(host_code_of(formulas, solver.program, library)),
        asdict(integral_code_of(finer)),
        own,
    )


def coefficients_module(solver: Solver, finer: bool = False) -> str:
    """The functions of time and of a grid alone, in numpy: what is measured before a module is
    written that says how accurate they are, and asked for grids.

    They are those of every module of the solver, and no more: no steps, no docstring. A ``finer``
    one integrates on panels of a quarter: what it differs in is the error of the quadrature.
    """
    formulas = Formulas.of(solver)
    filled = {
        **host_part(solver, formulas, panels=4 if finer else 1),
        "definitions": definitions_code(formulas),
        "reversible": solver.program.is_reversible,
        "remedy": "",
    }
    filled["spacings"] = f"{filled['spacings']}, {further_spacings()}"
    return fill("common/draft.jinja", filled)


def _merged(*parts: dict[str, Any]) -> dict[str, Any]:
    """All parts as one; a key that two of them fill would silently lose one."""
    counts = Counter(key for part in parts for key in part)
    twice = sorted(key for key, count in counts.items() if count > 1)
    if twice:
        raise EmissionError(f"{', '.join(twice)} filled twice; expected every key once.")
    return {key: value for part in parts for key, value in part.items()}


def _reversible(solver: Solver, target: Target) -> dict[str, Any]:
    """What runs of pairs are spelled with.

    Raises:
        EmissionError: the target takes no steps of its own.
    """
    found, spelled = target.batches, solver.program.is_reversible
    if spelled and found is None:
        raise EmissionError(
            f"target {target.name}: the library that it is for has one sample at a time, and the "
            "scheme reversible carries two; expected a target that samples by itself, such as "
            "torch, jax, numba or numpy"
        )
    return {
        "reversible": spelled,
        "planned_like": found.like_z if found else "",
        "pair_difference": found.difference if found else "",
        "seen_by_network": found.seen if found else "",
    }


def _adaptive(solver: Solver, formulas: Formulas) -> dict[str, Any]:
    """What adaptive steps are made of."""
    rows = []
    for phase, power in zip(formulas.pairs, solver.estimate_powers, strict=False):
        program = phase.table.program
        reuses = program.evaluations[-1] == len(program.combines)
        rows.append(tuple_code([f"_{phase.table.name}", str(power), str(reuses)]))
    infinite = len(rows) > 1
    names = {"half_log_snr": "lambda", "time": "t"}
    variable = names.get(formulas.expansion, formulas.expansion)
    return {
        "pairs": tuple_code(rows) if rows else "",
        "pair_infinite": infinite,
        "pair_names": ", ".join(gamma_names(formulas)),
        "gamma": gamma_names(formulas)[0],
        "pair_variable": f"{variable}, or in t if that is infinite at an end"
        if infinite
        else variable,
    }


def _repetition(solver: Solver) -> dict[str, Any]:
    """How the implicit equation of a step is solved, if it has one."""
    repeat = solver.program.repeat
    return {
        "repeats": repeat is not None,
        "tolerance": repr(repeat.tolerance) if repeat else "",
        "max_iterations": repeat.limit if repeat else 0,
    }


def _remedy(solver: Solver) -> str:
    """What a module's error says of ends that no run may touch: adjacent string literals."""
    choices = (solver.weights, solver.prediction, solver.program)
    text = "".join(f"; {one} {remedy(*choices, one)}" for one in solver.endpoints.obstacles)
    lines = textwrap.wrap(text, LINE_LENGTH - 14, drop_whitespace=False)
    return "\n            ".join(repr(line) for line in lines)


def _number(order: Fraction | None) -> str:
    return "None" if order is None else str(int(order) if order == int(order) else float(order))


def header(solver: Solver, target: str, grid: bool = False, class_name: str | None = None) -> str:
    """Who generated the module, from what, and the command that does it again."""
    named = f" --class-name {class_name}" if class_name else ""
    command = f"solvergen compile {solver.arguments} --target {target}{named} -o FILE"
    if solver.arguments is None or grid:
        further = ", timesteps=TIMESTEPS" if grid else ""
        further += f", class_name={class_name!r}" if class_name else ""
        command = f"solvergen.write(solvergen.from_specification(SPEC), {target!r}, FILE{further})"
    lines = textwrap.wrap(command, LINE_LENGTH - 11, break_long_words=False, break_on_hyphens=False)
    return generated_by(solver, " \\\n        ".join(lines))


def generated_by(solver: Solver, command: str) -> str:
    """The header's line, by which a module is known as ours, and a command."""
    return (
        f"{MARK} {version('solvergen')} from inputs {solver.content_hash}. "
        f"Do not edit; generate it again:\n\n    {command}"
    )


@lru_cache(maxsize=1)
def _environment() -> Environment:
    found = Environment(
        loader=PackageLoader("solvergen.templates", ""),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    found.filters["inlined"] = inlined
    return found


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
