"""Errors and rates of peers, and of ours on the same grids.

The error is the root mean square against the exact flow, and the rate is log2 of its ratio when
the number of steps doubles, at the last such pair that is above rounding.

A solver of the reverse SDE dx = [f x + (1 + eta^2)/(2 sigma) g^2 eps] dt + eta g dw with its noise
left out integrates the drift alone. That is an ODE, and with the data integrand

    x_t = (sigma_t/sigma_s) e^(-eta^2 h) x_s + alpha_t (1 - e^(-(1 + eta^2) h)) mean of x0,

which is what ``drift`` makes of it: the ODE of the schedule (alpha, sigma (sigma/alpha)^(eta^2)),
with the network of the schedule that it came from.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

import numpy as np
from sympy import Rational

from solvergen.algebra.evaluation import evaluate_float
from solvergen.compiler import load_text
from solvergen.derivation.parameterization import DATA
from solvergen.errors import SolvergenError
from solvergen.measurement import problems
from solvergen.measurement.problems import Floats
from solvergen.measurement.verification import TWO_GAUSSIANS
from solvergen.reports.audit.peer import FLOAT64, Exercise, Grid, Model, Peer
from solvergen.schedules import named
from solvergen.schedules.schedule import NoiseSchedule
from solvergen.specification import presets
from solvergen.specification.presets import Preset
from solvergen.specification.solver import Solver
from solvergen.symbols import t
from solvergen.targets import rendering

LIBRARIES = ("diffusers", "azula")
STEPS = (24, 48, 96, 192, 384)
"""With 2 and 3 as factors, for singlestep methods."""
TOLERANCE = 1e-13


def installed() -> tuple[tuple[Peer, ...], tuple[str, ...]]:
    """The peers of the libraries that are there, and the names of those that are not.

    Raises:
        SolvergenError: there is none.
    """
    there = [name for name in LIBRARIES if find_spec(name)] if find_spec("torch") else []
    if not there:
        raise SolvergenError(
            f"the audit runs {' and '.join(LIBRARIES)}, and none of them is installed; install "
            'them with: pip install "solvergen[audit]"'
        )
    modules = [import_module(f"solvergen.reports.audit.with_{name}") for name in there]
    peers: tuple[Peer, ...] = sum((module.PEERS for module in modules), ())
    return peers, tuple(name for name in LIBRARIES if name not in there)


@dataclass(frozen=True)
class Finding:
    """What was found for a peer.

    Attributes:
        peer: whose.
        steps: how many.
        theirs, ours: errors.
        order: the proved one of our preset.
    """

    peer: Peer
    steps: tuple[int, ...]
    theirs: tuple[float, ...]
    ours: tuple[float, ...]
    order: int

    @property
    def measured(self) -> float:
        """The peer's rate."""
        return rate(self.theirs, self.peer.floor)

    @property
    def our_measured(self) -> float:
        """The rate of our preset."""
        return rate(self.ours, FLOAT64)


def audit(peers: Sequence[Peer], steps: tuple[int, ...] = STEPS) -> list[Finding]:
    """Measure peers beside our presets."""
    return [row(peer, steps) for peer in peers]


def row(peer: Peer, steps: tuple[int, ...] = STEPS) -> Finding:
    """Measure one."""
    exact = exact_end(peer.problem)
    theirs = tuple(error(run_peer(peer, count), exact) for count in steps)
    ours = tuple(error(run_preset(peer, peer.preset, count), exact) for count in steps)
    return Finding(peer, steps, theirs, ours, solver(peer, peer.preset).order)


def run_peer(peer: Peer, steps: int) -> Floats:
    """The peer's result."""
    model = network(peer.schedule, peer.prediction)
    return peer.run(model, start(peer.problem), grid(peer.problem, peer.spacing, steps))


def run_preset(peer: Peer, preset: Preset, steps: int) -> Floats:
    """The result of a preset on the peer's grid."""
    spec = solver(peer, preset)
    times = grid(peer.problem, peer.spacing, steps).times[:: peer.stride]
    module = compiled(preset, spec.schedule, spec.prediction.name)
    model = network(peer.schedule, spec.prediction.name)
    found: Floats = module.sample(model, start(peer.problem), times)
    return found


def solver(peer: Peer, preset: Preset) -> Solver:
    """A preset for what the peer solves."""
    if peer.eta:
        return preset.solver(drift(named.get(peer.schedule), peer.eta), DATA, limiter=None)
    return preset.solver(named.get(peer.schedule), peer.prediction, limiter=None)


def drift(schedule: NoiseSchedule, eta: int) -> NoiseSchedule:
    """The schedule whose ODE the reverse SDE's drift is, for the data integrand.

    It ends before the noisy end, because its sigma is infinite where alpha = 0.
    """
    sigma = schedule.sigma * (schedule.sigma / schedule.alpha) ** (eta**2)
    low, high = schedule.domain
    domain = (low, low + (high - low) * Rational(99, 100))
    name = f"{schedule.name}_drift"
    return NoiseSchedule(schedule.alpha, sigma, domain, name, schedule.parameters)


@cache
def compiled(preset: Preset, schedule: NoiseSchedule, prediction: str) -> ModuleType:
    """A preset as a numpy module: its weights as the paper has them, without bounds."""
    spec = preset.solver(schedule, prediction, limiter=None)
    return load_text(rendering.render(spec, "numpy", ""), preset.name)


@cache
def network(schedule: str, prediction: str) -> Model:
    """The exact network of the mixture."""
    return problems.model(TWO_GAUSSIANS, Solver(schedule, prediction, DATA))


@cache
def grid(problem: Exercise, spacing: str, steps: int) -> Grid:
    """Evenly spaced between the ends of the problem."""
    module = compiled(presets.find("dpm_solver_pp_2m"), named.get(problem.schedule), "data")
    first, last = module.time_at_half_log_snr(np.array(problem.span))
    times = module.timesteps(steps, spacing, start=float(first), end=float(last))
    return Grid(times, module.alpha(times), module.sigma(times))


@cache
def start(problem: Exercise) -> Floats:
    """Thirteen samples across p_s."""
    alpha, sigma = ends(problem)[0]
    spread = np.sqrt(0.9 * alpha**2 + sigma**2)
    return np.asarray(alpha * 0.1 + spread * np.linspace(-1.5, 1.5, 13)[:, None])


@cache
def exact_end(problem: Exercise) -> Floats:
    """Where the exact flow takes ``start``; for eta > 0 where the drift does, in float64."""
    if problem.eta:
        return drift_flow(problem)
    return TWO_GAUSSIANS.exact_flow(start(problem), *ends(problem))


def drift_flow(problem: Exercise) -> Floats:
    """The drift of the reverse SDE, integrated from its definition by another library."""
    from scipy.integrate import solve_ivp

    schedule, eps = named.get(problem.schedule), network(problem.schedule, "noise")
    times = grid(problem, "half_log_snr", 1).times

    def slope(time: float, x: Floats) -> Floats:
        f, g_squared, sigma = (
            float(evaluate_float(one, t, time, schedule.parameters))
            for one in (schedule.f, schedule.g_squared, schedule.sigma)
        )
        pull = (1 + problem.eta**2) / (2 * sigma) * g_squared
        return np.asarray(f * x + pull * eps(x[:, None], time)[:, 0])

    x = start(problem)[:, 0]
    found = solve_ivp(slope, tuple(times), x, "DOP853", rtol=TOLERANCE, atol=TOLERANCE)
    return np.asarray(found.y[:, -1:])


def ends(problem: Exercise) -> tuple[tuple[float, float], tuple[float, float]]:
    """(alpha, sigma) where the problem starts and ends."""
    one = grid(problem, "half_log_snr", 1)
    first, last = ((float(one.alpha[i]), float(one.sigma[i])) for i in (0, -1))
    return first, last


def error(found: Floats, exact: Floats) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean((found - exact) ** 2)))


def rate(errors: Sequence[float], floor: float) -> float:
    """The last rate above the rounding floor."""
    used = [one for one in errors if one > floor]
    return float(np.log2(used[-2] / used[-1])) if len(used) > 1 else float("nan")
