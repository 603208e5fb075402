"""The samplers of diffusers that add noise beside ours: exact laws of their chains, by their code.

On Gaussian data every step is an affine map of the sample and the noise, so a run on unit vectors
gives mean and variance of its result, and nothing is sampled (``measurement.gaussian_law``). Data
N(0.7, 0.3), lambda from -3 to 3 in even steps, all with eta = 1. The weak rate is that at which the
error of the variance falls between 100 and 200 evaluations.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from solvergen import compiler
from solvergen.errors import SolvergenError
from solvergen.measurement.gaussian_law import MEAN, SPREAD, law
from solvergen.specification import presets
from solvergen.specification.solver import Solver

LEVELS = (-3.0, 3.0)
WIDTH = 132
"""Of the table in a terminal, so that no number is broken."""
RATE_AT = (100, 200)
SHOWN_AT = (10, 20, 50)


@dataclass(frozen=True)
class Peer:
    """A scheduler of diffusers.

    Attributes:
        title: what it is called in the table.
        module, kind: where its class is.
        options: of the class.
        claims: the order in its name.
        ours: the preset beside it, and the evaluations of one of its steps.
    """

    title: str
    module: str
    kind: str
    options: dict[str, Any] = field(default_factory=dict)
    claims: int = 1
    ours: tuple[str, int] = ("sde_dpm_solver_pp_1", 1)

    def law(self, steps: int) -> tuple[float, float]:
        """Mean and variance after so many evaluations, from the exact ones at the start.

        The levels of the run are put in after the scheduler has made its own.
        """
        import torch

        place: Any = import_module(f"diffusers.schedulers.{self.module}")
        scheduler = getattr(place, self.kind)(**self.options)
        scheduler.set_timesteps(steps)
        scheduler.is_scale_input_called = True  # the model here is asked in x/alpha itself
        sigmas = np.exp(-np.linspace(*LEVELS, steps + 1))
        scheduler.sigmas = torch.from_numpy(sigmas)
        x, drawn = _start(sigmas[0], steps, in_ve=self.in_ve), iter(range(steps))

        def unit(shape: Any, *_: Any, **__: Any) -> Any:
            return _drawn(shape, next(drawn))

        usual, place.randn_tensor = place.randn_tensor, unit
        try:
            for n, time in enumerate(scheduler.timesteps[:steps]):
                given = torch.from_numpy(_noise(x, sigmas[n], self.in_ve))
                x = scheduler.step(given, time, torch.from_numpy(x)).prev_sample.double().numpy()
        finally:
            place.randn_tensor = usual
        return _moments(x, sigmas[-1], self.in_ve)

    @property
    def in_ve(self) -> bool:
        """Whether its sample is x/alpha."""
        return self.kind.startswith("Euler")


@dataclass(frozen=True)
class PathPeer(Peer):
    """DPMSolverSDEScheduler, whose steps ask the network twice and a noise sampler for two normals,
    of an interval and of its first half.

    Attributes:
        nested: whether they are of one path, as of the tree of torchsde that it makes, or
            independent, as of a sampler that takes no notice of the interval.
    """

    nested: bool = True

    def law(self, steps: int) -> tuple[float, float]:
        import torch

        place: Any = import_module(f"diffusers.schedulers.{self.module}")
        scheduler, count = getattr(place, self.kind)(**self.options), steps // 2
        scheduler.set_timesteps(count + 1)
        scheduler.set_begin_index(0)
        sigmas = np.exp(-np.linspace(*LEVELS, count + 1))
        scheduler.sigmas = torch.from_numpy(np.repeat(sigmas, 2)[1:-1])
        x, drawn = _start(sigmas[0], steps, in_ve=True), list[Any]()

        def noise(first: Any, last: Any) -> Any:
            new = _drawn(x.shape, len(drawn))
            drawn.append((first - last, new))
            if len(drawn) % 2 or not self.nested:
                return new
            half, old = drawn[-2]
            return ((half / (first - last)) ** 0.5) * old + (1 - half / (first - last)) ** 0.5 * new

        scheduler.noise_sampler = noise
        for n in range(steps):
            ratio = sigmas[n // 2] if n % 2 == 0 else np.sqrt(sigmas[n // 2] * sigmas[n // 2 + 1])
            given = torch.from_numpy(_noise(x, ratio, in_ve=True))
            x = scheduler.step(
                given, scheduler.timesteps[n], torch.from_numpy(x)
            ).prev_sample.numpy()
        return _moments(x, sigmas[-1], in_ve=True)


def _coefficients(ratio: float) -> tuple[float, float]:
    """alpha and sigma with alpha^2 + sigma^2 = 1."""
    alpha = float(1 / np.sqrt(1 + ratio**2))
    return alpha, alpha * ratio


def _start(ratio: float, steps: int, in_ve: bool) -> NDArray[np.float64]:
    """The coefficients of 1, x'_0 and every draw in x_0."""
    alpha, sigma = _coefficients(ratio)
    x = np.zeros((steps + 2, 1))
    x[0], x[1] = alpha * MEAN, np.sqrt(alpha**2 * SPREAD**2 + sigma**2)
    return x / alpha if in_ve else x


def _drawn(shape: Any, n: int) -> Any:
    """The coefficients of draw n: itself."""
    import torch

    found = torch.zeros(shape, dtype=torch.float64)
    found[2 + n] = 1.0
    return found


def _moments(x: NDArray[np.float64], ratio: float, in_ve: bool) -> tuple[float, float]:
    """Mean and variance of the sample with these coefficients, not of x/alpha."""
    alpha, _ = _coefficients(ratio)
    scale = alpha if in_ve else 1.0
    return float(x[0, 0] * scale), float(np.sum((x[1:] * scale) ** 2))


def _noise(x: NDArray[np.float64], ratio: float, in_ve: bool) -> NDArray[np.float64]:
    """The exact prediction of noise."""
    alpha, sigma = _coefficients(ratio)
    deviation = x * alpha if in_ve else x.copy()
    deviation[0] -= alpha * MEAN
    return sigma / (alpha**2 * SPREAD**2 + sigma**2) * deviation


def peers() -> tuple[Peer, ...]:
    """Those that are measured."""
    multistep, singlestep = "scheduling_dpmsolver_multistep", "scheduling_dpmsolver_singlestep"
    plain = {"lower_order_final": False, "final_sigmas_type": "sigma_min"}
    sde = {"algorithm_type": "sde-dpmsolver++", **plain}
    one = {"algorithm_type": "sde-dpmsolver++", "final_sigmas_type": "sigma_min"}
    found = [
        Peer("EulerAncestral = DDIM(1)", "scheduling_euler_ancestral_discrete",
             "EulerAncestralDiscreteScheduler", ours=("euler_ancestral", 1)),
        Peer("sde-dpmsolver++ 1", multistep, "DPMSolverMultistepScheduler",
             {**sde, "solver_order": 1}),
    ]  # fmt: skip
    for kind, ours in (
        ("midpoint", "sde_dpm_solver_pp_2m_midpoint"),
        ("heun", "sde_dpm_solver_pp_2m"),
    ):
        options = {**sde, "solver_order": 2, "solver_type": kind}
        title = f"sde-dpmsolver++ 2 {kind}"
        found.append(Peer(title, multistep, "DPMSolverMultistepScheduler", options, 2, (ours, 1)))
    found.append(
        Peer("sde-dpmsolver++ 3", multistep, "DPMSolverMultistepScheduler",
             {**sde, "solver_order": 3}, 3, ("sde_dpm_solver_pp_3m", 1))
    )  # fmt: skip
    for order in (2, 3):
        found.append(
            Peer(f"singlestep sde-dpmsolver++ {order}", singlestep, "DPMSolverSinglestepScheduler",
                 {**one, "solver_order": order}, order, (f"seeds_{order}", order))
        )  # fmt: skip
    if find_spec("torchsde"):  # which its module imports
        for nested, said in ((True, "one path"), (False, "independent normals")):
            found.append(
                PathPeer(f"DPMSolverSDE, {said}", "scheduling_dpmsolver_sde",
                         "DPMSolverSDEScheduler", {}, 2, ("seeds_2", 2), nested)
            )  # fmt: skip
    for before, after in ((1, 1), (2, 2), (3, 3), (3, 4)):
        options = {
            "predictor_order": before,
            "corrector_order": after,
            "tau_func": lambda _: 1.0,
            "lower_order_final": False,
        }
        title = f"SASolver {before}/{after}"
        found.append(
            Peer(title, "scheduling_sasolver", "SASolverScheduler", options, before,
                 (f"sa_solver_{before}_{before}", 1))
        )  # fmt: skip
    return tuple(found)


@dataclass(frozen=True)
class Finding:
    """One row: weak rates, and errors of the variance in percent at ``SHOWN_AT`` evaluations."""

    peer: Peer
    rate: float
    errors: tuple[float, ...]
    weak_order: int
    our_rate: float
    our_errors: tuple[float, ...]


def audit(chosen: tuple[Peer, ...]) -> list[Finding]:
    """Measure them.

    Raises:
        SolvergenError: diffusers is not installed.
    """
    try:
        import_module("diffusers")
    except ImportError as error:
        raise SolvergenError(
            "audit --stochastic: diffusers is not installed, whose samplers are measured; expected "
            "pip install diffusers torch"
        ) from error
    return [_finding(one) for one in chosen]


def _finding(peer: Peer) -> Finding:
    alpha, sigma = _coefficients(float(np.exp(-LEVELS[1])))
    exact = alpha**2 * SPREAD**2 + sigma**2

    def theirs(steps: int) -> float:
        return peer.law(steps)[1] / exact - 1

    def ours(steps: int) -> float:
        return _ours(peer.ours[0], steps // peer.ours[1])

    solver, counts = _solver(peer.ours[0]), [_counted(peer, n) for n in (*RATE_AT, *SHOWN_AT)]
    assert solver.weak_report is not None
    return Finding(
        peer, *_measured(theirs, counts), solver.weak_report.order, *_measured(ours, counts)
    )


def _counted(peer: Peer, evaluations: int) -> int:
    """So many evaluations, in whole steps."""
    each = peer.ours[1]
    return -(-evaluations // each) * each


def _measured(error: Callable[[int], float], counts: list[int]) -> tuple[float, tuple[float, ...]]:
    """The rate between the first two counts, and the errors at the others in percent."""
    fewer, more, *shown = counts
    rate = float(np.log(abs(error(fewer) / error(more))) / np.log(more / fewer))
    return rate, tuple(100 * error(n) for n in shown)


@cache
def _solver(name: str) -> Solver:
    return presets.get(name, "vp_linear", "noise", limiter=None)


def _ours(name: str, steps: int) -> float:
    solver = _solver(name)
    module = compiler.compile(solver, "numpy")
    grid = module.time_at_half_log_snr(np.linspace(*LEVELS, steps + 1))
    return law(module, solver, grid).variance_error


def _cells(row: Finding) -> tuple[str, ...]:
    def percents(errors: tuple[float, ...]) -> str:
        return " / ".join(f"{one:+.2f}" for one in errors)

    return (
        row.peer.title,
        str(row.peer.claims),
        f"{row.rate:.2f}",
        percents(row.errors),
        row.peer.ours[0],
        str(row.weak_order),
        f"{row.our_rate:.2f}",
        percents(row.our_errors),
    )


HEADINGS = (
    "diffusers", "claims", "weak rate", "variance error, %", "our preset", "proved", "weak rate",
    "variance error, %",
)  # fmt: skip
CAPTION = (
    f"law of the chain on N(0.7, 0.3), lambda -3 to 3, eta 1; rates from {RATE_AT[0]} to "
    f"{RATE_AT[1]} evaluations, errors at {', '.join(map(str, SHOWN_AT))}"
)


def table(rows: list[Finding]) -> Table:
    """For a terminal; what is below the order of its name, or 2, is red."""
    shown = Table(*HEADINGS, caption=CAPTION)
    for row in rows:
        misses = row.rate < min(row.peer.claims, 2) - 0.2
        shown.add_row(*_cells(row), style="red" if misses else None)
    return shown


def markdown(rows: list[Finding]) -> str:
    """For a page."""
    lines = [HEADINGS, ("---",) * len(HEADINGS), *map(_cells, rows)]
    return "\n".join([*(f"| {' | '.join(line)} |" for line in lines), "", f"{CAPTION}."]) + "\n"
