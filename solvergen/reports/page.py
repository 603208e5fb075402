"""The derivation of a solver as one page: what ``derive --html`` writes.

Facts, the update formula, the schedule, the ODE and its clocks, the integrals with their proofs,
every phase of a run, the proof of the order, what was measured, a run as a matrix if it is one, the
emitted pass, and the command that makes it again. Text, LaTeX and HTML come from the same
sections; pictures and measurements are those of HTML alone.
"""

import ast
from pathlib import Path
from types import ModuleType

from sympy import Symbol, factorial

from solvergen import compiler
from solvergen.algebra.typesetting import Spelled, relation
from solvergen.errors import SolvergenError
from solvergen.program.order import EVEN, report
from solvergen.program.stability import error_constants, is_zero_stable, real_interval
from solvergen.reports import derivation, document, html, noise, proof, update
from solvergen.reports import page_pictures as pictures
from solvergen.reports.document import Code, Figure, Paragraph, Section, Words
from solvergen.reports.pictures import require_matplotlib
from solvergen.specification import schemes
from solvergen.specification.solver import Solver
from solvergen.targets.docstring import ordinal
from solvergen.targets.files import write_text

UNBOUNDED = 99.0
"""A region of stability that reaches farther is not bounded."""


def sections(solver: Solver, moments: int = 3) -> tuple[Section, ...]:
    """What text, LaTeX and HTML have in common."""
    first, *others = derivation.sections(solver.weights, moments)
    return (
        update.section(solver),
        first,
        *others,
        proof.phases(solver),
        proof.section(solver),
        *([] if solver.stochasticity is None else [noise.section(solver)]),
    )


def title_of(solver: Solver) -> str:
    """What a page is called if nobody says."""
    return f"{schemes.to_text(solver.scheme)} for the schedule {solver.schedule.name}"


def text(solver: Solver, moments: int = 3) -> str:
    """Plain text."""
    return document.text(sections(solver, moments))


def latex(solver: Solver, moments: int = 3, title: str | None = None) -> str:
    r"""The body of a document: a section, which goes into a paper as it is.

    It needs amsmath and amssymb.
    """
    found = (Section(title or title_of(solver), ()), *sections(solver, moments))
    head, rest = document.latex_text(found[:1]), document.latex_text(found[1:])
    return f"{head.replace('subsection*', 'section*')}\n\n{rest}"


def page(solver: Solver, path: str | Path | None = None, title: str | None = None) -> str:
    """The page, written to ``path`` if that is given; the same bytes in every run.

    Args:
        solver: what is derived.
        path: a file to write, whole or not at all; one that is no page is not overwritten.
        title: its heading; the scheme and the schedule if left out.

    Raises:
        SolvergenError: math-core or matplotlib is not installed, the file is not a page, or all
            noise is drawn anew in every step, of which no order is claimed.
    """
    require_matplotlib()
    html.require_math_core()
    module = compiler.compile(solver, "numpy")
    is_noisy = solver.stochasticity is not None
    found = (noise if is_noisy else pictures).measure(solver, module)
    measured = [noise.measured(solver, found)] if is_noisy else [_measured(solver, found)]
    if not is_noisy and solver.program.repeat is None:
        measured.append(_run(solver))
    common = list(sections(solver))
    at = next(n for n, one in enumerate(common) if one.title == "schedule")
    common[at] = _with_picture(solver, module, common[at])
    whole = html.page(
        title or title_of(solver),
        (f"{ordinal(solver.order).capitalize()}-order solver, derived and proved by solvergen.",),
        _facts(solver, found),
        (*common, *measured, _emitted(solver)),
    )
    if path is not None:
        write(whole, Path(path))
    return whole


def write(whole: str, path: Path) -> None:
    if path.exists() and "<!doctype html>" not in path.read_text(errors="replace")[:100].lower():
        raise SolvergenError(f"{path} exists and is no page; expected another name")
    write_text(whole, path, force=True)


def _facts(solver: Solver, found: pictures.Measured) -> tuple[tuple[str, Words], ...]:
    order: tuple[tuple[str, Words], ...] = (
        ("order of a run", (f"{solver.order}, proved; measured {found.words}",)),
    )
    if solver.weak_report is not None:
        weak = f"{solver.weak_report.order}, proved; measured {found.words}"
        order = (
            ("noise on the way", (str(solver.stochasticity),)),
            ("weak order of a run", (weak,)),
            ("order without noise", (str(solver.order),)),
        )
    return (
        ("schedule", (solver.schedule.name,)),
        ("network predicts", (solver.prediction.name,)),
        ("integrand", (solver.integrand.name,)),
        ("expanded in", (solver.expansion.name,)),
        ("scheme", (schemes.to_text(solver.scheme),)),
        *order,
        ("evaluations per step", (str(solver.scheme.main.evaluations),)),
    )


def _with_picture(solver: Solver, module: ModuleType, section: Section) -> Section:
    dots = pictures.grid(solver, module)
    picture = Figure(
        pictures.schedule_picture(solver.schedule, dots),
        f"alpha, sigma, lambda, g squared and minus f of {solver.schedule.name} over time, with "
        f"the {len(dots)} times of a run",
        (
            f"Dots: a run of {len(dots) - 1} steps, even in {pictures.spacing(solver)}, from "
            f"t = {dots[0]:.3g} to {dots[-1]:.3g}. Sampling goes from right to left.",
        ),
    )
    return Section(section.title, (*section.blocks, picture))


def _measured(solver: Solver, found: pictures.Measured) -> Section:
    """The slope, and the region of linear stability."""
    p = report(solver.program, same_clock=True, ratios=EVEN).main
    constants = error_constants(solver.program, p)
    reach = real_interval(solver.program)
    far = "all of the negative real axis" if reach > UNBOUNDED else f"z = -{reach:.4g}"
    power, slope = Symbol("h") ** (p + 1), Spelled("dx/dq", r"\frac{dx}{dq}")
    stable = "satisfies" if is_zero_stable(solver.program) else "VIOLATES"
    return Section(
        "measured, and stability",
        (
            Figure(
                pictures.measured_picture(found, solver.order),
                f"largest error against steps, slope {found.slope:.2f}",
                (
                    "A mixture of two Gaussians in one dimension, whose flow is known exactly, "
                    "over the noise levels that the schedule has.",
                ),
                half=True,
            ),
            Figure(
                pictures.stability_picture(solver.program),
                f"the region of linear stability, to {far}",
                (f"In the classical limit, q for gamma and Phi = 1, it reaches {far}.",),
                half=True,
            ),
            Paragraph((
                f"The scheme {stable} the root condition. On equal steps in the clock its leading "
                "error is ", update.rational(constants.quadrature) * power, " for ",
                relation("=", slope, Symbol("q") ** p / factorial(p)), ", and ",
                update.rational(constants.linear) * power, " for ",
                relation("=", slope, Symbol("x")), ".",
            )),
        ),
    )  # fmt: skip


def _run(solver: Solver) -> Section:
    """A run on a fixed grid: its start and the values of N, each with its weight."""
    own = Solver(
        solver.schedule, solver.integrand, solver.integrand, solver.expansion, solver.scheme
    )
    found = own.propagator(pictures.grid(own, compiler.compile(own, "numpy")))
    kept, total = float(found.landings[-1, 0]), float(found.weights[-1].sum())
    return Section(
        "a run as a matrix of weights",
        (
            Paragraph((
                "On a fixed grid every sample is one linear combination of the start and of the "
                "values of N so far. This is the run whose times are the dots above.",
            )),
            Figure(
                pictures.run_picture(found),
                "the share of every value of N in every landing, and the weights in the last one",
                (
                    f"The final sample is {kept:.3g} of the start; the weights of N sum to "
                    f"{total:.4g}.",
                ),
            ),
        ),
    )  # fmt: skip


def _emitted(solver: Solver) -> Section:
    """The pass over memory that numba compiles, the command, the hash, the sources."""
    source = compiler.emit(solver, "numba")
    command = f"solvergen compile {solver.arguments} --target numba -o FILE"
    if solver.arguments is None:
        command = 'solvergen.write(solvergen.from_specification(SPEC), "numba", FILE)'
    sources = solver.scheme.source
    return Section(
        "the emitted pass",
        (
            Code("\n\n\n".join(_passes(source))),
            Paragraph(("The whole module:",)),
            Code(command),
            Paragraph((f"Inputs {solver.content_hash}.",)),
            *([Paragraph((f"Sources: {sources}.",))] if sources else []),
        ),
    )


def _passes(source: str) -> list[str]:
    """The functions that numba compiles, as they stand in the module."""
    found = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith(("_advance", "_pass")):
            first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            found.append("\n".join(source.splitlines()[first - 1 : node.end_lineno]))
    return found
