"""Worst errors of the weights of emitted modules against mpmath at 50 digits.

    python benchmarks/coefficients.py [--quick] [--schedule NAME ..] [-o FILE]

Every named schedule x integrand x expansion that exists; for each, 200 random step sequences
(--quick: 24) of seven kinds, with supports of 2 to 5 nodes. A sequence is one step and the nodes
before or inside it. The weights come from the emitted ``_weights``; the reference integrates
Phi(t, u) b(u) over v = log((u - t_min)/(t_max - u)), a variable that no emitted module uses, with
every function of time evaluated from its definition at exactly the float64 times. The error is
relative to max |ell_j| of the support.
"""

import argparse
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
from sympy import lambdify

import solvergen as sg
from solvergen import emission
from solvergen.compiler import load_text
from solvergen.errors import SolvergenError
from solvergen.evaluation import as_mp
from solvergen.semilinear import nonlinear
from solvergen.symbols import alpha, alpha_dot, sigma, sigma_dot, t

DIGITS = 50
GUARD = 50
NODES = 24
PANEL = 1
REACH = 110
INTEGRANDS = ("noise", "data", "velocity", "flow", "score", "straight")
EXPANSIONS = ("half_log_snr", "time", "sigma/alpha", "sigma/(alpha+sigma)", "theta", "clock")
KINDS = ("uniform", "geometric", "uneven", "tiny", "tiny_late", "to_t_min", "from_t_max")
ORDERS = (2, 3, 4, 5)
SYMBOLS = (t, alpha, sigma, alpha_dot, sigma_dot)


def sequences(schedule: sg.NoiseSchedule, count: int) -> dict[str, np.ndarray]:
    """For each kind random rows of times: the end of a step, its start, four further nodes."""
    low, high = float(schedule.t_min), float(schedule.t_max)
    width = high - low
    seed = zlib.crc32(schedule.name.encode())
    rng = np.random.default_rng(seed)
    each = -(-count // len(KINDS))
    found = {}
    for kind in KINDS:
        rows: list[np.ndarray] = []
        while len(rows) < each:
            row = _sequence(kind, low, high, width, rng)
            ordered = np.all(np.diff(np.sort(row)) > 0)
            if ordered and row.min() >= low and row.max() <= high:
                rows.append(row)
        found[kind] = np.array(rows)
    return found


def _sequence(kind: str, low: float, high: float, width: float, rng: Any) -> np.ndarray:
    if kind == "uniform":
        return low + width * (rng.uniform(0.001, 0.15) + rng.uniform(0.02, 0.16) * np.arange(6))
    if kind == "geometric":
        return low + width * 10 ** rng.uniform(-8, -2.5) * rng.uniform(1.05, 3) ** np.arange(6)
    if kind == "uneven":
        steps = 10 ** rng.uniform(-4, 0, 5)
        steps *= width * 10 ** rng.uniform(-3, -0.3) / steps.sum()
        return low + width * rng.uniform(0.001, 0.45) + np.append(0.0, np.cumsum(steps))
    if kind == "tiny":
        start = low + width * rng.uniform(0.01, 0.9)
        steps = np.ceil(10 ** rng.uniform(0, 6, 5)) * np.spacing(high)
        return start + np.append(0.0, np.cumsum(steps))
    if kind == "tiny_late":
        steps = np.ceil(10 ** rng.uniform(0, 5, 6)) * np.spacing(high)
        return (high - np.cumsum(steps))[::-1]
    if kind == "to_t_min":
        row = low + width * 10 ** rng.uniform(-9, -1) * rng.uniform(1.2, 2) ** np.arange(-1.0, 5.0)
        return np.append(low, row[1:])
    inside = np.sort(rng.uniform(0.05, 0.95, 4))[::-1]
    end = low + width * rng.uniform(0.05, 0.9)
    return np.array([end, high, *(end + inside * (high - end))])


@dataclass(frozen=True)
class Definitions:
    """alpha, sigma and their derivatives at 50 digits."""

    schedule: sg.NoiseSchedule

    def at(self, time: Any) -> tuple[Any, ...]:
        return (time, *(function(time) for function in self._functions))

    @property
    def _functions(self) -> tuple[Any, ...]:
        return _functions(self.schedule)

    def nodes(self, end: float, start: float) -> Iterator[tuple[tuple[Any, ...], Any]]:
        """The functions at quadrature nodes over the step, with the weights in time."""
        low, width = as_mp(self.schedule.t_min), as_mp(self.schedule.t_max - self.schedule.t_min)
        first, last = (_logit((mpmath.mpf(one) - low) / width) for one in (end, start))
        count = max(1, int(mpmath.ceil((last - first) / PANEL)))
        for k in range(count):
            for x, weight in _rule():
                v = first + (last - first) * (k + x) / count
                small = mpmath.exp(-abs(v))
                fraction = (1 if v > 0 else small) / (1 + small)
                speed = width * small / (1 + small) ** 2
                yield self.at(low + width * fraction), weight * (last - first) / count * speed


@lru_cache(maxsize=1)
def _functions(schedule: sg.NoiseSchedule) -> tuple[Any, ...]:
    exact = (schedule.alpha, schedule.sigma, schedule.alpha.diff(t), schedule.sigma.diff(t))
    return tuple(lambdify(t, schedule.substitute(one), "mpmath") for one in exact)


def _logit(fraction: Any) -> Any:
    if fraction <= 0 or fraction >= 1:
        return mpmath.mpf(-REACH if fraction <= 0 else REACH)
    return mpmath.log(fraction / (1 - fraction))


@lru_cache(maxsize=1)
def _rule() -> list[tuple[Any, Any]]:
    """Gauss-Legendre on [0, 1]."""
    roots = [
        mpmath.findroot(lambda x: mpmath.legendre(NODES, x), float(x0))
        for x0 in np.polynomial.legendre.leggauss(NODES)[0]
    ]
    rule = []
    for x in roots:
        slope = NODES * (mpmath.legendre(NODES - 1, x) - x * mpmath.legendre(NODES, x)) / (1 - x**2)
        rule.append(((1 + x) / 2, 1 / ((1 - x**2) * slope**2)))
    return rule


@dataclass(frozen=True)
class Sampled:
    """A sequence with the definitions at its nodes and at its quadrature nodes."""

    kind: str
    times: np.ndarray
    at_times: list[tuple[Any, ...]]
    quadrature: list[tuple[tuple[Any, ...], Any]]


def sample(schedule: sg.NoiseSchedule, count: int) -> list[Sampled]:
    """Evaluate a schedule wherever the references of its sequences need it."""
    definitions = Definitions(schedule)
    found = []
    for kind, rows in sequences(schedule, count).items():
        for row in rows:
            at_times = [_safely(definitions, one) for one in row]
            quadrature = list(definitions.nodes(row[0], row[1]))
            found.append(Sampled(kind, row, at_times, quadrature))
    return found


def _safely(definitions: Definitions, time: float) -> tuple[Any, ...]:
    """At an end of the domain the values 10^-40 inside: functions there may be infinite."""
    low, high = (float(end) for end in definitions.schedule.domain)
    inside = mpmath.mpf(10) ** -40 * (int(time == low) - int(time == high))
    return definitions.at(mpmath.mpf(time) + inside)


def exact_weights(one: Sampled, speed: Any, variable: Any) -> dict[int, list[Any]]:
    """ell_j for every order; an order whose nodes are not all finite is left out."""
    clock = [weight * speed(*values) for values, weight in one.quadrature]
    total = mpmath.fsum(clock)
    places = [variable(*values) for values in one.at_times]
    inner = [variable(*values) for values, _ in one.quadrature]
    found = {}
    for order in ORDERS:
        nodes = places[1 : order + 1]
        scale = [mpmath.fprod(a - b for b in nodes if b is not a) for a in nodes]
        sums = [mpmath.mpf(0)] * order
        for weight, place in zip(clock, inner, strict=True):
            gaps = [place - node for node in nodes]
            for j in range(order):
                sums[j] += weight * mpmath.fprod(gaps[:j] + gaps[j + 1 :])
        found[order] = [a / (b * total) for a, b in zip(sums, scale, strict=True)]
    return found


def worst(spec: sg.Solver, samples: list[Sampled]) -> dict[str, float]:
    """The worst error of each kind of sequence."""
    module = load_text(emission.render(spec, "numpy", accuracy=""), "measured")
    factor = 1 if spec.ode.factor is None else spec.ode.factor
    speed = lambdify(SYMBOLS, nonlinear(spec.integrand) / factor, "mpmath")
    variable = lambdify(SYMBOLS, spec.expansion.variable, "mpmath")
    errors: dict[str, float] = {}
    for kind in KINDS:
        chosen = [one for one in samples if one.kind == kind]
        times = np.array([one.times for one in chosen]).T
        if not exists(module, spec, times):
            continue
        exact = [exact_weights(one, speed, variable) for one in chosen]
        for order in ORDERS:
            rows = [row.copy() for row in times]
            with np.errstate(all="ignore"):
                found = module._weights(rows[0], rows[1], *rows[1 : order + 1])
            for n, truth in enumerate(exact):
                largest = max(map(abs, truth[order]))
                error = max(
                    float(abs(mpmath.mpf(float(ell[n])) - exact_ell) / largest)
                    for ell, exact_ell in zip(found, truth[order], strict=True)
                )
                errors[kind] = max(errors.get(kind, 0.0), error if math.isfinite(error) else 1.0)
    return errors


def exists(module: Any, spec: sg.Solver, times: np.ndarray) -> bool:
    """Whether gamma is finite at all nodes and Phi at the start, so that there are weights."""
    with np.errstate(all="ignore"):
        gamma = module.expansion_variable(times)
        phi = module.integrating_factor(times[0], times[1])
    return bool(np.isfinite(gamma).all() and np.isfinite(phi).all())


def solver(schedule: sg.NoiseSchedule, integrand: str, expansion: str) -> sg.Solver | None:
    try:
        return sg.Solver(schedule, sg.VELOCITY, integrand, expansion, "multistep:5:ramp")
    except SolvergenError:
        return None


def rows(names: list[str], count: int) -> Iterator[str]:
    """The lines of the table."""
    yield "| schedule | integrand | expansion | " + " | ".join(KINDS) + " |"
    yield "|---" * (3 + len(KINDS)) + "|"
    for name in names:
        schedule = sg.schedules.get(name)
        samples = sample(schedule, count)
        for integrand in INTEGRANDS:
            for expansion in EXPANSIONS:
                spec = solver(schedule, integrand, expansion)
                if spec is not None:
                    errors = worst(spec, samples)
                    shown = (f"{errors[kind]:.0e}" if kind in errors else "" for kind in KINDS)
                    yield f"| {name} | {integrand} | {expansion} | " + " | ".join(shown) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="24 sequences each")
    parser.add_argument("--schedule", nargs="*", help="all that can be emitted by default")
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    mpmath.mp.dps = DIGITS + GUARD
    names = options.schedule or [n for n in sg.schedules.names() if n != "stable_diffusion"]
    lines = []
    for line in rows(names, 24 if options.quick else 200):
        print(line, flush=True)
        lines.append(line)
    if options.output:
        options.output.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
