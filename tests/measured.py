"""Every method that has a name, each once, and the problems that their orders are measured on."""

from dataclasses import dataclass
from functools import cache, cached_property
from types import ModuleType

import numpy as np

import solvergen as sg
from solvergen.compiler import load_text
from solvergen.measurement import problems
from solvergen.methods.runge_kutta import TABLEAUX
from solvergen.specification import presets
from solvergen.targets import rendering

SPAN = (-1.0, 1.0)
"""In lambda: where the digits take shape, and the networks have their rate at few steps."""
RATIOS = np.array([1, 7 / 5, 4 / 5, 6 / 5, 3 / 4])
"""Lengths of steps, repeated: those of ``order.UNEVEN``."""
FAMILIES = [
    *(f"deis_tab_{k}" for k in (1, 2, 3, 4)), "deis_tab_3_as_published",
    "deis_rho_ab_2", "deis_rho_ab_3", "deis_rho_ab_3_as_published",
    "deis_log_rho_ab_3", "deis_log_rho_ab_3_as_published",
    *(f"{stem}_{k}" for stem in ("ab", "am") for k in (1, 2, 3, 4)), "ab_4_as_published",
    *(f"unip_{k}{b}" for k in (1, 2, 3) for b in ("", "_bh1", "_bh2")),
    *(f"unipc_{k}{b}" for k in (1, 2, 3) for b in ("", "_bh1", "_bh2")),
    "unip_3_as_published", "unipc_2_bh1_as_published", "unipc_3_bh2_as_published",
    "vab_3", "vab_3_as_published", "reab_2", "reab_3", "reab_4",
]  # fmt: skip
IN_LAMBDA = [
    "multistep:4", "multistep:3:exact:ramp", "multistep:3:ramp:ramp", "unipc:2:bh2:exact:ramp",
    "singlestep:4", "singlestep:3:1/4,3/4", "general_linear:3:1", "general_linear:4:2",
    "adams_moulton:3", "pece:1", "pece:2", "pece:3", "dpm_12", "dpm_23",
]  # fmt: skip
ON_THE_CLOCK = [
    *TABLEAUX, "heun:embedded", "bogacki_shampine:embedded", "implicit_heun",
    "trapezoidal:tol=1e-12", "backward_euler:tol=1e-12",
]  # fmt: skip

HIGH_ORDERS = [
    "unipc:4:bh2", "singlestep:5", "pece:4", "general_linear:5:2", "multistep:6", "multistep:7",
    "unipc:6:bh2",
]  # fmt: skip


@dataclass(frozen=True)
class Method:
    """An integrand, the variable that it is expanded in, and a scheme."""

    integrand: str
    expansion: str
    scheme: str

    @cached_property
    def solver(self) -> sg.Solver:
        """One object for every target and test: what it derives, it derives once.

        Without bounds on weights, which would act on steps of clearly different lengths.
        """
        choices = (self.integrand, self.expansion, self.scheme)
        return sg.Solver("rectified_flow", sg.FLOW, *choices, limiter=None)


def _methods() -> dict[str, Method]:
    found: dict[Method, str] = {}
    for name in (*presets.fixed_names(), *FAMILIES):
        one = presets.find(name)
        found.setdefault(Method(one.integrand, one.expansion, one.scheme), name)
    for text in (*IN_LAMBDA, *HIGH_ORDERS):
        found.setdefault(Method("data", "half_log_snr", text), text)
    for text in ON_THE_CLOCK:
        found.setdefault(Method("noise", "clock", text), text)
    return {name: method for method, name in found.items()}


METHODS = _methods()


@cache
def module(name: str) -> ModuleType:
    """A method, emitted for numpy."""
    return load_text(rendering.render(METHODS[name].solver, "numpy", ""), "measured_module")


@cache
def uneven(steps: int) -> np.ndarray:
    """Times of steps of clearly different lengths in lambda."""
    lengths = np.resize(RATIOS, steps)
    places = np.concatenate([[0.0], np.cumsum(lengths)]) / lengths.sum()
    return reference().time_at_half_log_snr(SPAN[0] + (SPAN[1] - SPAN[0]) * places)


@cache
def reference() -> ModuleType:
    """A solver of order 8."""
    spec = sg.Solver("rectified_flow", sg.FLOW, sg.FLOW, "time", "fehlberg8")
    return load_text(rendering.render(spec, "numpy", ""), "reference")


@dataclass(frozen=True)
class Measured:
    """A network, samples at the start, and where the exact flow takes them."""

    network: object
    x: np.ndarray
    exact: np.ndarray

    def rate(self, name: str, steps: int) -> float:
        """log2 of the error's ratio from ``steps`` to twice as many."""
        errors = [self.error(name, count) for count in (steps, 2 * steps)]
        return float(np.log2(errors[0] / errors[1]))

    def error(self, name: str, steps: int) -> float:
        """Root mean square."""
        found = module(name).sample(self.network, self.x, uneven(steps))
        return float(np.sqrt(np.mean((found - self.exact) ** 2)))


def _ends() -> list[tuple[float, float]]:
    times = uneven(1)
    alpha, sigma = reference().alpha(times), reference().sigma(times)
    return [(float(alpha[i]), float(sigma[i])) for i in (0, 1)]


@cache
def mixture() -> Measured:
    """Two Gaussians in one dimension, whose flow is known from its quantiles."""
    problem = problems.GaussianMixture(
        np.array([0.4, 0.6]), np.array([[-1.0], [0.8]]), np.array([0.09, 0.16])
    )
    (alpha, sigma), end = _ends()
    spread = np.sqrt(0.9 * alpha**2 + sigma**2)
    x = alpha * 0.1 + spread * np.linspace(-1.5, 1.5, 13)[:, None]
    exact = problem.exact_flow(x, (alpha, sigma), end)
    return Measured(_network(problem), x, exact)


@cache
def digits() -> Measured:
    """Two noisy digits, and where an order-8 run takes them that has converged to rounding."""
    problem = problems.digits(1.0)
    generator = np.random.default_rng(0)
    (alpha, sigma), _ = _ends()
    clean = problem.means[[0, 1000]] + generator.standard_normal((2, problem.dimensions))
    x = alpha * clean + sigma * generator.standard_normal(clean.shape)
    network = _network(problem)
    runs = [reference().sample(network, x, uneven(count)) for count in (80, 120)]
    assert np.abs(runs[0] - runs[1]).max() < 1e-13
    return Measured(network, x, runs[1])


def _network(problem: problems.Problem) -> object:
    return problems.model(problem, sg.Solver("rectified_flow", sg.FLOW, sg.FLOW, "time"))
