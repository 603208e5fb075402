"""The command line: derive, compile, verify, list, demo, audit, stability, compare, plot."""

import sys
import warnings
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

import solvergen
from solvergen import compiler, schedules, targets
from solvergen.clients import comfyui
from solvergen.commands import tuning
from solvergen.derivation import parameterization
from solvergen.derivation import stochasticity as stochastic
from solvergen.derivation.expansion import NAMED as EXPANSIONS
from solvergen.errors import SolvergenError
from solvergen.program import lowering
from solvergen.reports.pictures import require_matplotlib
from solvergen.schedule_options import with_schedule
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.solver_options import (
    Eta,
    Integrand,
    Limiter,
    Noise,
    Prediction,
    Preset,
    noise_of,
    solver_of,
)
from solvergen.specification import presets, schemes
from solvergen.targets.target import USUAL

app = typer.Typer(
    name="solvergen",
    help="Derive, prove and emit ODE solvers for diffusion and flow-matching models.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

plots = typer.Typer(help="Draw pictures.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(plots, name="plot")


class Listing(StrEnum):
    """What ``list`` can show."""

    schedules = "schedules"
    parameterizations = "parameterizations"
    expansions = "expansions"
    presets = "presets"
    schemes = "schemes"
    stochasticities = "stochasticities"
    targets = "targets"


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"solvergen {solvergen.__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", callback=_show_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Derive, prove and emit ODE solvers for diffusion and flow-matching models."""


@app.command()
@with_schedule
def derive(
    schedule: NoiseSchedule,
    prediction: Annotated[
        str | None, typer.Option(help="What the network returns; the integrand if left.")
    ] = None,
    integrand: Annotated[
        str | None, typer.Option(help="What is expanded; the prediction, or data, if left.")
    ] = None,
    expansion: Annotated[str | None, typer.Option(help="half_log_snr by default.")] = None,
    scheme: Annotated[str | None, typer.Option(help="multistep:3 by default.")] = None,
    preset: Preset = None,
    limiter: Limiter = "default",
    eta: Eta = None,
    stochasticity: Noise = None,
    title: Annotated[str | None, typer.Option(help="The heading of the page or section.")] = None,
    moments: Annotated[int, typer.Option(min=0, max=9, help="How many moments.")] = 3,
    latex: Annotated[bool, typer.Option("--latex", help="LaTeX instead of text.")] = False,
    html: Annotated[
        Path | None, typer.Option(help="Write a page there instead, with pictures.")
    ] = None,
) -> None:
    """Show the update formula, f, g^2, lambda, Phi, q, M0, the moments and the proof of the order.

    It takes what compile takes. Text goes to the terminal, --latex is the body of a document, and
    --html writes one file with everything in it.
    """
    from solvergen.reports import page

    if preset is None:
        integrand = integrand or prediction or "data"
        prediction, scheme = prediction or integrand, scheme or "multistep:3"
    choice, noise = (integrand, expansion, scheme), noise_of(eta, stochasticity)
    spec = solver_of(schedule, targets.get("numpy"), prediction, preset, choice, limiter, noise)
    if html is not None:
        page.page(spec, html, title)
        typer.echo(f"{html}: {title or page.title_of(spec)}, {spec.order_report}")
    else:
        typer.echo(page.latex(spec, moments, title) if latex else page.text(spec, moments))


@app.command()
@with_schedule
def compile(
    schedule: NoiseSchedule | None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")],
    prediction: Prediction = None,
    integrand: Integrand = None,
    expansion: Annotated[
        str | None, typer.Option(help="half_log_snr; if nothing is chosen, that of the target.")
    ] = None,
    scheme: Annotated[
        str | None, typer.Option(help="multistep:2; if nothing is chosen, that of the target.")
    ] = None,
    preset: Preset = None,
    limiter: Limiter = "default",
    eta: Eta = None,
    stochasticity: Noise = None,
    parallel: Annotated[
        bool, typer.Option("--parallel", help="With sample_parallel: fewer calls, more rows.")
    ] = False,
    per_sample: Annotated[
        bool, typer.Option("--per-sample", help="A grid for every sample of a batch.")
    ] = False,
    hooks: Annotated[
        bool, typer.Option("--hooks", help="With on_data and progress; callbacks see the data.")
    ] = False,
    target: Annotated[
        str, typer.Option(help=f"{', '.join((*targets.names(), comfyui.TARGET))}.")
    ] = "numba",
    force: Annotated[bool, typer.Option("--force", help="Overwrite any file.")] = False,
    to_the_ends: Annotated[
        bool, typer.Option("--to-the-ends", help="Refuse what cannot run over the whole domain.")
    ] = False,
    steps: Annotated[
        int | None,
        typer.Option(
            help="Emit the coefficients of this many steps, for one grid.",
            min=1,
            max=compiler.MAX_BAKED_STEPS,
        ),
    ] = None,
    spacing: Annotated[
        str | None, typer.Option(help="The variable in which they are even.")
    ] = None,
    shift: Annotated[
        float | None, typer.Option(help="How far they are moved to the noise; 1.")
    ] = None,
    start: Annotated[float | None, typer.Option(help="Where the grid starts; t_max.")] = None,
    end: Annotated[float | None, typer.Option(help="Where the grid ends; t_min.")] = None,
    class_name: Annotated[
        str | None, typer.Option(help="Of a module for diffusers; after the solver if left.")
    ] = None,
) -> None:
    """Emit a standalone module, or a folder of them for ComfyUI."""
    choice, noise = (integrand, expansion, scheme), noise_of(eta, stochasticity)
    grid = (spacing, shift, start, end)
    if schedule is None or target == comfyui.TARGET:
        others = (schedule, prediction, preset, noise, class_name, steps, *grid)
        _write_folder(output, choice, limiter, force, others)
        return
    spec = solver_of(schedule, targets.get(target), prediction, preset, choice, limiter, noise)
    spec = spec.whose_modules(parallel=parallel, per_sample=per_sample, hooks=hooks)
    spec = compiler.adapted(spec, target)
    timesteps = None
    if steps is not None:
        timesteps = compiler.grid(spec, steps, spacing, start, end, shift)
    elif any(one is not None for one in grid):
        raise SolvergenError(
            "got --spacing, --shift, --start or --end without --steps; expected a number."
        )
    path = solvergen.write(spec, target, output, force, to_the_ends, timesteps, class_name)
    report = spec.weak_report or spec.order_report
    typer.echo(f"{path}: {schemes.to_text(spec.scheme)}, {report}")


def _write_folder(
    output: Path,
    choice: tuple[str | None, str | None, str | None],
    limiter: str,
    force: bool,
    others: tuple[Any, ...],
) -> None:
    """The folder of the target comfyui, with the samplers that it ships or with one of a choice."""
    if any(one is not None for one in others):
        raise SolvergenError(
            "target comfyui has the schedules and the prediction of ComfyUI's models, and gets its "
            "grids from it; expected --integrand, --expansion, --scheme and --limiter at most."
        )
    samplers: tuple[comfyui.Sampler, ...] = comfyui.SHIPPED
    if any(choice):
        integrand, expansion, scheme = choice
        usual = (integrand or "data", expansion or USUAL[1], scheme or USUAL[2])
        samplers = (comfyui.chosen(usual),)
    typer.echo(f"{comfyui.write(output, samplers, force, limiter)}: ", nl=False)
    typer.echo(", ".join(one.name for one in samplers))


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="A module that solvergen emitted.")],
    isolated: Annotated[
        bool, typer.Option("--isolated", help="In a process of its own, without network.")
    ] = False,
    seconds: Annotated[float, typer.Option(help="How long --isolated may take.", min=1)] = 300,
) -> None:
    """Run an emitted module and measure it: order, derivation, accuracy of its coefficients.

    This executes FILE, and any code that is in it, as you. Of a file that you did not emit
    yourself read it first, or use --isolated.
    """
    from solvergen.measurement import isolation, verification

    if isolated:
        report, code = isolation.verify(file, seconds)
        typer.echo(report, nl=False, err=code == 2)
        raise typer.Exit(code)
    result = verification.verify(file)
    Console().print(result.table())
    if not result.passed:
        raise typer.Exit(1)


@app.command("list")
def list_(kind: Annotated[Listing, typer.Argument(help="What to list.")]) -> None:
    """List the names that the other commands take."""
    for line in _listing(kind):
        typer.echo(line)


def _listing(kind: Listing) -> tuple[str, ...]:
    if kind is Listing.schedules:
        return tuple(str(schedules.get(name)) for name in schedules.names())
    if kind is Listing.parameterizations:
        named = tuple(str(one) for one in parameterization.NAMED)
        return (*named, "rate(EXPRESSION)", "C_DATA, C_NOISE", *_aliases(parameterization.ALIASES))
    if kind is Listing.expansions:
        return (*(f"{one.name}: {one.variable}" for one in EXPANSIONS), "clock", "EXPRESSION")
    if kind is Listing.presets:
        fixed = (presets.find(name) for name in presets.fixed_names())
        return (*map(str, (*fixed, *presets.FAMILIES)), *_aliases(presets.ALIASES))
    if kind is Listing.stochasticities:
        return stochastic.LISTING
    known = (*targets.names(), comfyui.listing())
    return schemes.names() if kind is Listing.schemes else known


def _aliases(names: dict[str, str]) -> tuple[str, ...]:
    return tuple(f"{name}: {meant}" for name, meant in names.items())


@app.command()
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder of the pictures.")] = (
        Path("demo_output")
    ),
) -> None:
    """Sample handwritten digits with a new schedule's solver, and draw what happened."""
    from solvergen.reports import demo as main_job

    main_job.run(output)


@app.command()
def audit(
    markdown: Annotated[
        Path | None, typer.Option(help="Where to write the table as markdown.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Where to write the picture.")] = None,
    match: Annotated[str, typer.Option(help="Only the solvers with this in their name.")] = "",
    noise: Annotated[
        bool, typer.Option("--stochastic", help="Of the samplers that add noise, by exact laws.")
    ] = False,
) -> None:
    """Measure the order of other libraries' solvers beside ours, on an exact problem."""
    from solvergen.reports.audit import measure, report

    if noise:
        _audit_noise(markdown, match)
        return
    peers, missing = measure.installed()
    chosen = [peer for peer in peers if match.lower() in str(peer).lower()]
    if not chosen:
        names = ", ".join(map(str, peers))
        raise SolvergenError(f"no solver has {match!r} in its name; expected part of: {names}.")
    rows = measure.audit(chosen)
    Console(width=max(report.WIDTH, Console().width)).print(report.table(rows))
    for name in missing:
        typer.echo(f"{name} is not installed, so its solvers are left out")
    if markdown:
        markdown.write_text(report.markdown(rows))
    if plot:
        report.plot(rows, plot)


def _audit_noise(path: Path | None, match: str) -> None:
    """The samplers of diffusers that add noise."""
    from solvergen.reports.audit import stochastic as noisy

    chosen = tuple(one for one in noisy.peers() if match.lower() in one.title.lower())
    if not chosen:
        names = ", ".join(one.title for one in noisy.peers())
        raise SolvergenError(f"no sampler has {match!r} in its name; expected part of: {names}.")
    rows = noisy.audit(chosen)
    Console(width=max(noisy.WIDTH, Console().width)).print(noisy.table(rows))
    if path:
        path.write_text(noisy.markdown(rows))


@app.command()
def stability(
    scheme: Annotated[str, typer.Option(help="As for compile.")] = "multistep:3",
    plot: Annotated[Path | None, typer.Option(help="Where to draw the region.")] = None,
) -> None:
    """Show order, error constants, zero-stability and the stability region of a scheme."""
    from solvergen.reports import stability as analysis

    typer.echo(analysis.text(schemes.get(scheme)))
    if plot:
        written = analysis.plot_region(lowering.lower(schemes.get(scheme)), plot, scheme=scheme)
        typer.echo(f"{written}: the region of linear stability of {scheme}")


@app.command()
def compare(
    named: Annotated[str, typer.Option("--schedules", help="Names, with commas.")] = (
        "vp_linear,rectified_flow,straight"
    ),
    data: Annotated[
        str, typer.Option(help="gaussian:S, two:M, mixture and digits, with commas.")
    ] = "gaussian:0.05,gaussian:1,two:0.3,mixture",
    evaluations: Annotated[str, typer.Option(help="For how many the error is shown.")] = "5,10,20",
    plot: Annotated[Path | None, typer.Option(help="Where to draw the paths.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Where to write the tables.")] = None,
) -> None:
    """Compare schedules: how straight the paths of each are for which data, and what that costs."""
    from solvergen.reports import comparison

    if plot is not None:
        require_matplotlib()
    counts = comparison.counts(evaluations)
    found = comparison.compare(named.split(","), data.split(","), counts)
    if markdown is None:
        typer.echo(found.markdown())
    else:
        markdown.write_text(f"{found.markdown()}\n")
    if plot is not None:
        typer.echo(f"{comparison.draw(found, plot)}: paths from noise to data, and their bends")


@plots.command("schedule")
@with_schedule
def plot_schedule(
    schedule: NoiseSchedule,
    output: Annotated[Path, typer.Option("--output", "-o", help="A .png, .svg or .pdf.")],
) -> None:
    """Draw alpha, sigma, lambda, f and g^2 over time, titled with the formulas."""
    from solvergen.reports import page_pictures

    written = page_pictures.plot_schedule(schedule, output)
    typer.echo(f"{written}: {schedule}")


app.command()(tuning.tune)
app.command()(tuning.choose)


def main() -> None:
    """Run the command line; a SolvergenError is one line on stderr and exit code 2."""
    warnings.showwarning = _show_warning
    try:
        app()
    except (SolvergenError, OSError) as error:
        typer.echo(f"error: {' '.join(str(error).split())}", err=True)
        sys.exit(2)


def _show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    typer.echo(f"warning: {' '.join(str(message).split())}", err=True)
