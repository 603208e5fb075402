"""The options of the command line that say a solver, for every command that takes one."""

from typing import Annotated

import typer

from solvergen.errors import SolvergenError
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.specification import presets
from solvergen.specification.solver import Solver
from solvergen.targets.target import USUAL, Target

Prediction = Annotated[
    str | None, typer.Option(help="What the network returns; noise, and data for k-diffusion.")
]


Integrand = Annotated[str | None, typer.Option(help="What is expanded; the prediction if left.")]


Preset = Annotated[
    str | None, typer.Option(help="A published solver, for integrand, expansion and scheme.")
]


Limiter = Annotated[
    str,
    typer.Option(
        help="The most that weights of earlier steps may exceed those of even steps by: a "
        "factor, or none."
    ),
]


Eta = Annotated[
    str | None, typer.Option(help="Noise on the way: 1 for the reverse SDE; a number, or in t.")
]


Noise = Annotated[
    str | None,
    typer.Option(
        "--stochasticity", help="The same as a text (see: list stochasticities), for all kinds."
    ),
]


def solver_of(
    schedule: NoiseSchedule,
    target: Target,
    prediction: str | None,
    preset: str | None,
    choice: tuple[str | None, str | None, str | None],
    limiter: str,
    noise: str | None = None,
) -> Solver:
    """The solver that the options of ``compile`` say.

    A target's own method is meant where there is no choice at all; one of three choices alone goes
    with what the others usually are.
    """
    prediction = prediction or target.prediction
    if preset is None:
        usual = USUAL if any(choice) else target.method
        integrand, expansion, scheme = (a or b for a, b in zip(choice, usual, strict=True))
        assert expansion is not None
        assert scheme is not None
        return Solver(schedule, prediction, integrand, expansion, scheme, limiter, noise)
    if any(choice):
        raise SolvergenError(
            f"got --preset {preset} together with its choices; expected one of the two: drop "
            "--integrand, --expansion and --scheme, or drop --preset."
        )
    return presets.get(preset, schedule, prediction, limiter, noise)


def noise_of(eta: str | None, stochasticity: str | None) -> str | None:
    """What the two options say.

    Raises:
        SolvergenError: both are given.
    """
    if eta is not None and stochasticity is not None:
        raise SolvergenError(
            f"got --eta {eta} together with --stochasticity {stochasticity}; expected one of them."
        )
    return stochasticity if eta is None else f"eta: {eta}"
