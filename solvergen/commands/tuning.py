"""tune and choose: which solver, which grid."""

import contextlib
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from solvergen import targets, tuning
from solvergen.algebra.tables import read_column
from solvergen.errors import SolvergenError
from solvergen.naming import shown
from solvergen.reports import tuning_picture
from solvergen.schedule_options import with_schedule
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.targets import whole_run
from solvergen.targets.files import write_text
from solvergen.tuning import problems
from solvergen.tuning.execution import Progress
from solvergen.tuning.methods import Setting

Evaluations = Annotated[
    str | None,
    typer.Option(help="Calls of the network: a number, or several, 5,8,12; 8, or a grid's steps."),
]
Start = Annotated[float | None, typer.Option(help="Where a run starts; t_max.")]
End = Annotated[float | None, typer.Option(help="Where it ends; t_min.")]
Jobs = Annotated[int, typer.Option(help="Processes that compute candidates.", min=1)]
Dask = Annotated[
    str | None, typer.Option(help="The address of a cluster's scheduler, in place of --jobs.")
]
Prediction = Annotated[str, typer.Option(help="What the network returns.")]
Timesteps = Annotated[
    Path | None, typer.Option(help="A grid that is imposed: a column of decreasing times.")
]
Sigmas = Annotated[
    Path | None, typer.Option(help="The same as noise levels, sigma/alpha (sigma of flows).")
]
Grid = Annotated[str | None, typer.Option(help="The same by name: comfyui:NAME, diffusers:NAME.")]
Seed = Annotated[int, typer.Option(help="Of the noises.")]
Shape = Annotated[str | None, typer.Option(help="Of one sample: 1,28,28.")]

ANSWERS = 10
"""Seconds that a cluster has to answer in: what waits is refused, and no result depends on it."""


@with_schedule
def tune(
    schedule: NoiseSchedule | None,
    prediction: Annotated[
        str | None, typer.Option(help="What the network returns; noise, or the problem's own.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="package.module:function, which returns the model. It is imported."),
    ] = None,
    problem: Annotated[
        str | None, typer.Option(help=f"An exact problem instead: {', '.join(problems.NAMED)}.")
    ] = None,
    shape: Shape = None,
    evaluations: Evaluations = None,
    start: Start = None,
    end: End = None,
    timesteps: Timesteps = None,
    sigmas: Sigmas = None,
    grid: Grid = None,
    search: Annotated[str, typer.Option(help="likely, or all methods.")] = "likely",
    coefficients: Annotated[
        str, typer.Option(help="order, those of a scheme; last or all rows fitted.")
    ] = "order",
    validate: Annotated[int | None, typer.Option(help="Noises to judge on.")] = None,
    budget: Annotated[
        int | None, typer.Option(help="Evaluations of single samples at most.", min=1)
    ] = None,
    batch: Annotated[int | None, typer.Option(help="Samples of one call at most.", min=1)] = None,
    against: Annotated[
        list[str] | None, typer.Option(help="A preset that the report is to name.")
    ] = None,
    jobs: Jobs = 1,
    dask: Dask = None,
    resume: Annotated[
        Path | None, typer.Option(help="A folder: finished stages are kept there, and taken.")
    ] = None,
    seed: Seed = 0,
    target: Annotated[str, typer.Option(help=f"{', '.join(targets.names())}.")] = "numba",
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="The file; {n} is the number of calls.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Errors and grids as a .png, .svg or .pdf.")
    ] = None,
    hooks: Annotated[bool, typer.Option("--hooks", help="Modules with on_data.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite any file.")] = False,
) -> None:
    """Find the best solver and grid for a network and a number of calls of it."""
    given = imposed(timesteps, sigmas, grid)
    counts = numbers("--evaluations", evaluations or usual(given))
    if (model is None) == (problem is None):
        raise SolvergenError("expected one of --model and --problem.")
    if output is not None and len(counts) > 1 and "{n}" not in output:
        raise SolvergenError(f"got one file, {output}, for {evaluations}; expected {{n}} in it.")
    whole_run.require_no_hooks(hooks, target)
    subject: tuning.ExactModel | str = model or ""
    said = ""
    if problem is not None:
        exact, own = problems.get(problem), problems.USUAL[problem]
        if schedule is None and not given and end is None:
            end = own.end
        prediction = prediction or own.prediction_with(schedule)
        setting = Setting.of(schedule or own.schedule, prediction, start, end)
        schedule, subject = setting.schedule, problems.ExactModel(problem, exact, setting)
        said = f"The exact problem {problem}: {schedule.name}, prediction {prediction}.\n"
    assert schedule is not None  # without a problem it is said
    size = None if shape is None else tuple(numbers("--shape", shape))
    if picture is not None:
        tuning_picture.require_picture(picture)
    with executor(jobs, dask) as pool, progress() as show:
        tuned = [
            tuning.tune(
                subject, schedule, prediction or "noise", count, shape=size, start=start, end=end,
                **given, validate=validate, search=search, coefficients=coefficients, budget=budget,
                executor=pool, batch=batch, against=against or (), seed=seed, progress=show,
                resume=resume,
            )
            for count in counts
        ]  # fmt: skip
    written = [(one, one.source(target, hooks)) for one in tuned] if output else []
    if said:
        typer.echo(said)
    for one in tuned:
        typer.echo(f"{one.report}\n")
    if picture is not None:
        typer.echo(f"{tuning_picture.plot_tuned(tuned, picture)}: errors, and grids in lambda")
    for one, source in written:
        path = Path(str(output).replace("{n}", str(one.report.evaluations)))
        typer.echo(f"{write_text(source, path, force)}: {one.solver.order_report}")


@with_schedule
def choose(
    schedule: NoiseSchedule,
    prediction: Prediction = "noise",
    evaluations: Evaluations = None,
    data_std: Annotated[
        float | None, typer.Option(help="Standard deviation of the data; 1.")
    ] = None,
    shape: Shape = None,
    latents: Annotated[
        Path | None, typer.Option(help="In place of both: samples of the data, .npy or .pt.")
    ] = None,
    start: Start = None,
    end: End = None,
    timesteps: Timesteps = None,
    sigmas: Sigmas = None,
    grid: Grid = None,
    jobs: Jobs = 1,
    dask: Dask = None,
    seed: Seed = 0,
) -> None:
    """Rank the solvers for a schedule on exact problems, where no network is at hand."""
    size = None if shape is None else tuple(numbers("--shape", shape))
    given = imposed(timesteps, sigmas, grid)
    with executor(jobs, dask) as pool:
        for count in numbers("--evaluations", evaluations or usual(given)):
            choice = tuning.choose(
                schedule, prediction, count, data_std=data_std, shape=size, latents=latents,
                start=start, end=end, **given, executor=pool, seed=seed,
            )  # fmt: skip
            typer.echo(f"{choice}\n")


def imposed(timesteps: Path | None, sigmas: Path | None, grid: str | None) -> dict[str, Any]:
    """A grid that is imposed as the arguments of the functions; a file is read."""
    found = {"timesteps": timesteps, "sigmas": sigmas}
    read = {name: read_column(path) for name, path in found.items() if path is not None}
    return {**read, **({} if grid is None else {"grid": grid})}


def usual(given: dict[str, Any]) -> str:
    """How many evaluations it is if nobody says: as many as a grid has steps."""
    return next((str(max(one.size - 1, 2)) for name, one in given.items() if name != "grid"), "8")


def numbers(option: str, text: str) -> list[int]:
    """The positive numbers of 5,8,12.

    Raises:
        SolvergenError: they are none.
    """
    parts = [one.strip() for one in text.split(",")]
    if not all(one.isdecimal() and len(one) < 8 and int(one) > 0 for one in parts):
        raise SolvergenError(f"{option}: got {shown(text)}; expected numbers such as 8 or 5,8,12.")
    return [int(one) for one in parts]


@contextlib.contextmanager
def executor(jobs: int, dask: str | None = None) -> Iterator[Executor | None]:
    """So many processes, or a cluster; None for this process.

    Raises:
        SolvergenError: dask.distributed is not installed, or no scheduler answers there.
    """
    if dask is not None:
        with _cluster(jobs, dask) as client:
            yield client.get_executor()
        return
    if jobs == 1:
        yield None
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield pool


def _cluster(jobs: int, address: str) -> Any:
    """A client of a cluster, which does the task of a worker that dies again elsewhere."""
    if jobs != 1:
        raise SolvergenError(
            f"got --jobs {jobs} and --dask {shown(address)}; expected one of them."
        )
    try:
        from distributed import Client
    except ImportError:
        raise SolvergenError(
            "--dask needs dask.distributed, which is not installed; expected "
            "`pip install 'solvergen[cluster]'`."
        ) from None
    try:
        return Client(address, timeout=ANSWERS)
    except (OSError, ValueError) as error:
        raise SolvergenError(
            f"no scheduler answers at {shown(address)} ({error}); expected an address such as "
            "tcp://host:8786."
        ) from None


@contextlib.contextmanager
def progress() -> Iterator[Progress]:
    """A line on stderr with the stage, the evaluations spent and the best error."""
    console = Console(stderr=True)
    with console.status("the teacher") as status:

        def show(stage: str, spent: int, best: float) -> None:
            status.update(f"{stage}: {spent} evaluations, best error {best:.2g}")

        yield show
