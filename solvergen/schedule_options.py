"""The options of the command line that say a schedule, for every command that takes one."""

import inspect
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from solvergen import schedules
from solvergen.algebra.tables import read_column
from solvergen.errors import ScheduleError
from solvergen.schedules.declarations import declare
from solvergen.schedules.schedule import NoiseSchedule

WITH_SCHEDULES = ("comfyui",)
"""Targets that have schedules of their own; an exact problem (--problem) has one too."""


def with_schedule(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose first argument is a schedule, as one that has the options that say it."""
    (first, *own), said = (
        list(inspect.signature(one).parameters.values()) for one in (command, schedule_of)
    )
    names = [one.name for one in said]

    @wraps(command)
    def called(**given: Any) -> None:
        said = {name: given.pop(name) for name in names}
        has_own = given.get("target") in WITH_SCHEDULES or given.get("problem") is not None
        is_free = has_own and not any(said.values())
        command(**{first.name: None if is_free else schedule_of(**said)}, **given)

    order = sorted((*said, *own), key=lambda one: one.default is not inspect.Parameter.empty)
    keyword = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in order]
    called.__signature__ = inspect.Signature(keyword)  # type: ignore[attr-defined]
    called.__annotations__ = {one.name: one.annotation for one in keyword}
    return called


def schedule_of(
    schedule: Annotated[
        str | None, typer.Option(help="A named schedule (see: list schedules).")
    ] = None,
    alpha: Annotated[
        str | None, typer.Option(help="alpha(t), the signal coefficient: '1 - t**2'.")
    ] = None,
    sigma: Annotated[
        str | None, typer.Option(help="sigma(t), the noise coefficient: 't'; alone for VP.")
    ] = None,
    beta: Annotated[
        str | None, typer.Option(help="beta(t) of a variance-preserving schedule.")
    ] = None,
    drift: Annotated[str | None, typer.Option(help="f(t) of dx = f x dt + g dw.")] = None,
    diffusion_squared: Annotated[str | None, typer.Option(help="g(t)^2, with --drift.")] = None,
    half_log_snr: Annotated[
        str | None, typer.Option(help="lambda(t) = log(alpha/sigma), with --process.")
    ] = None,
    process: Annotated[
        str | None, typer.Option(help="vp, flow (alpha + sigma = 1) or ve; vp by default.")
    ] = None,
    reversed: Annotated[
        bool, typer.Option("--reversed", help="The formulas' time is t_max at the data.")
    ] = False,
    domain: Annotated[
        tuple[str, str] | None, typer.Option(help="t_min and t_max; 0 1 by default.")
    ] = None,
    parameter: Annotated[
        list[str] | None, typer.Option(help="A parameter's value: beta_min=0.1.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="What the schedule is called in the module.")
    ] = None,
    betas: Annotated[
        Path | None, typer.Option(help="The table of a discrete-time network: text, or .npy.")
    ] = None,
    alphas_cumprod: Annotated[
        Path | None, typer.Option(help="The same as the running product of 1 - beta.")
    ] = None,
) -> NoiseSchedule:
    """The schedule that the options say.

    Raises:
        ScheduleError: they say none, or more than one.
    """
    formulas = {
        "alpha": alpha,
        "sigma": sigma,
        "beta": beta,
        "drift": drift,
        "diffusion-squared": diffusion_squared,
        "half-log-snr": half_log_snr,
        "process": process or (None if half_log_snr is None else "vp"),
    }
    said = {option: text for option, text in formulas.items() if text is not None}
    tables = [one for one in (betas, alphas_cumprod) if one is not None]
    if schedule is not None:
        if any((said, domain, tables, reversed)):
            raise ScheduleError(
                f"got --schedule {schedule} together with formulas or a table; expected one of the "
                "two: drop --schedule, or drop --domain, --reversed, --betas, --alphas-cumprod and "
                f"{', '.join(f'--{one}' for one in formulas)}."
            )
        found = schedules.get(schedule, **pairs(parameter))
        return found if name is None else replace(found, name=name)
    if tables:
        if any((said, domain, parameter, reversed)) or len(tables) > 1:
            raise ScheduleError(
                f"got the table {tables[0]} together with another schedule; expected one of "
                "--betas, --alphas-cumprod, --schedule, or formulas."
            )
        column = read_column(tables[0])
        given = {"betas": column} if betas is not None else {"alphas_cumprod": column}
        return schedules.tabulated(**given, name="tabulated" if name is None else name)
    if not said:
        raise ScheduleError(
            "got no schedule; expected --schedule NAME, or both --alpha and --sigma, or --beta, "
            "--drift and --diffusion-squared, --half-log-snr, or --sigma alone. "
            "'solvergen list schedules' shows the names."
        )
    name = "custom" if name is None else name
    values = tuple(pairs(parameter).items())
    domain = domain or ("0", "1")
    if said.keys() == {"alpha", "sigma"} and not reversed:
        return NoiseSchedule(said["alpha"], said["sigma"], domain, name, values)
    return declare(said, domain, name, values, reversed)


def pairs(parameters: list[str] | None) -> dict[str, str]:
    """NAME=VALUE of every --parameter.

    Raises:
        ScheduleError: one is none, or is given twice.
    """
    found: dict[str, str] = {}
    for one in parameters or []:
        key, separator, value = (part.strip() for part in one.partition("="))
        if not separator:
            raise ScheduleError(f"--parameter {one}: expected NAME=VALUE, as in beta_min=0.1.")
        if key in found:
            raise ScheduleError(f"--parameter {key} is given twice; expected one value.")
        found[key] = value
    return found
