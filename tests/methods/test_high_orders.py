"""Orders up to 8, measured in many digits: float64 runs out of them before the rate settles."""

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from itertools import pairwise
from typing import Any

import mpmath
import numpy as np
import pytest

import solvergen as sg
from solvergen.measurement import problems
from solvergen.methods.scheme import Kind, Node
from solvergen.program import interpreter, lowering
from solvergen.program.instructions import Combine
from solvergen.program.program import PhaseProgram
from solvergen.specification import schemes

MIXTURE = problems.GaussianMixture(
    np.array([0.4, 0.6]), np.array([[-1.0], [0.8]]), np.array([0.5, 0.7])
)
START, END = Fraction(3, 5), Fraction(1, 2)
TERMS = 40
"""Of a series in h <= 0.4: beyond 50 digits."""


@dataclass(frozen=True)
class EvenSteps:
    """Step n of a run of even steps, whose weights are those of step 0: they follow from
    differences of places alone."""

    phase: PhaseProgram
    steps: int
    n: int

    def weights(self, combine: Combine) -> list[Any]:
        return weights_of(replace(self, n=0), combine, mpmath.mp.dps)


@cache
def weights_of(first: Any, combine: Combine, digits: int) -> list[Any]:
    """Those of a landing, in so many digits."""
    return first.first_weights(combine)


@dataclass(frozen=True)
class ClockScalars(EvenSteps):
    """The scalars of dx/dt = N in gamma = q = t: Phi = 1, M0 = t - s, mu_k = 1/(k+1)."""

    def place(self, node: Node) -> Fraction:
        offset = -node.index if node.kind is Kind.PAST else self.phase.position(node.index)
        return START + (END - START) * (self.n + offset) / self.steps

    def time(self, stage: int) -> Any:
        time = START + (END - START) * (self.n + self.phase.position(stage)) / self.steps
        return mpmath.mpf(time.numerator) / time.denominator

    def integrating_factor(self, combine: Combine) -> int:
        return 1

    def zeroth_moment(self, combine: Combine) -> Any:
        return mpmath.mpmathify(self.place(combine.node) - self.place(combine.base))

    def first_weights(self, combine: Combine) -> list[Any]:
        base = self.place(combine.base)
        width = self.place(combine.node) - base
        places = [(self.place(node) - base) / width for node in combine.support]

        def moment(k: int, along: int | None) -> Fraction:
            assert along is None
            return Fraction(1, k + 1)

        ell = combine.rule.weights(places, moment, lambda: Fraction(1))
        return [mpmath.mpmathify(one) for one in ell]

    def conversion_at(self, stage: int) -> tuple[int, int]:
        return 0, 1


@dataclass(frozen=True)
class ExponentialScalars(EvenSteps):
    """The scalars of the data integrand in lambda: q = e^lambda, with alpha = 1 - t, sigma = t.

    Phi = sigma_t/sigma_s, M0 = alpha_t (1 - e^-h), mu_k = k! phi_(k+1)(-h)/phi_1(-h).
    """

    def share(self, node: Node) -> Fraction:
        """Where a node is between the ends."""
        offset = -node.index if node.kind is Kind.PAST else self.phase.position(node.index)
        return Fraction(self.n + offset) / self.steps

    def half_log_snr(self, node: Node) -> Any:
        first, last = map(half_log_snr, (START, END))
        return first + mpmath.mpmathify(self.share(node)) * (last - first)

    def gap(self, node: Node, base: Node) -> Any:
        """lambda from one node to another: the same number in every step."""
        share = self.share(node) - self.share(base)
        return mpmath.mpmathify(share) * (half_log_snr(END) - half_log_snr(START))

    def time(self, stage: int) -> Any:
        return 1 / (1 + mpmath.exp(self.half_log_snr(Node(Kind.STAGE, stage))))

    def integrating_factor(self, combine: Combine) -> Any:
        end, base = (self.half_log_snr(node) for node in (combine.node, combine.base))
        return (1 + mpmath.exp(base)) / (1 + mpmath.exp(end))

    def zeroth_moment(self, combine: Combine) -> Any:
        return self.mass(combine.node, combine.base)

    def mass(self, node: Node, base: Node) -> Any:
        """M0 from one node to another."""
        decay = 1 - mpmath.exp(-self.gap(node, base))
        return decay / (1 + mpmath.exp(-self.half_log_snr(node)))

    def first_weights(self, combine: Combine) -> list[Any]:
        base, h = combine.base, self.gap(combine.node, combine.base)
        places = [mpmath.mpmathify(self.gap(node, base) / h) for node in combine.support]

        def moment(k: int, along: int | None) -> Any:
            if along is None:
                return normalised(k, h)
            inner = Node(Kind.STAGE, along)
            ratio = self.mass(inner, base) / self.mass(combine.node, base)
            return ratio * normalised(k, self.gap(inner, base))

        return combine.rule.weights(places, moment, lambda: h / (1 - mpmath.exp(-h)))

    def conversion_at(self, stage: int) -> tuple[int, int]:
        return 0, 1


@cache
def half_log_snr(time: Fraction) -> Any:
    """lambda of alpha = 1 - t, sigma = t."""
    return mpmath.log(mpmath.mpmathify((1 - time) / time))


@cache
def normalised(k: int, h: Any) -> Any:
    """k! phi_(k+1)(-h)/phi_1(-h), from the series of phi."""
    return mpmath.factorial(k) * phi(k + 1, -h) / phi(1, -h)


def phi(k: int, z: Any) -> Any:
    """sum_j z^j/(j + k)!"""
    return mpmath.fsum(z**j / mpmath.factorial(j + k) for j in range(TERMS))


CLOCKS = {"flow": ("time", ClockScalars), "data": ("half_log_snr", ExponentialScalars)}


def rate(text: str, steps: int, integrand: str = "flow") -> float:
    """log2 of the error ratio from ``steps`` to twice as many."""
    expansion, kind = CLOCKS[integrand]
    spec = sg.Solver("rectified_flow", integrand, integrand, expansion, schemes.get(text))
    model = problems.model_mp(MIXTURE, spec)
    lowered = lowering.lower(spec.scheme)
    ends = [(1 - mpmath.mpmathify(t), mpmath.mpmathify(t)) for t in (START, END)]
    x = mpmath.mpf("0.3")
    exact = MIXTURE.exact_flow_mp(x, *ends)
    errors = []
    for count in (steps, 2 * steps):

        def scalars(phase: PhaseProgram, n: int, count: int = count) -> Any:
            return kind(phase, count, n)

        found = interpreter.run(lowered, scalars, model, np.array([x], dtype=object), count)
        errors.append(abs(found[0] - exact))
    return float(mpmath.log(errors[0] / errors[1], 2))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "steps", "expected"),
    [
        ("multistep:5", 96, 5),
        ("multistep:6", 96, 6),
        ("multistep:7", 96, 7),
        ("multistep:8", 400, 8),
        ("singlestep:5", 12, 5),
        ("singlestep:6", 12, 6),
        ("unipc:4:exact", 96, 5),
        ("pece:4", 48, 5),
        ("pece:7", 48, 8),
        ("adams_moulton:8", 48, 8),
        ("general_linear:5:2", 32, 5),
        ("dormand_prince", 16, 5),
        ("dormand_prince:embedded", 16, 4),
        ("cash_karp", 16, 5),
        ("fehlberg5", 16, 5),
        ("butcher6", 16, 6),
        ("fehlberg8:embedded", 32, 7),
        ("fehlberg8", 16, 8),
    ],
)
def test_measured_in_many_digits(text: str, steps: int, expected: int) -> None:
    with mpmath.workdps(50):
        assert abs(rate(text, steps) - expected) <= 0.15


@pytest.mark.slow_but(5)
@pytest.mark.parametrize(
    ("text", "steps", "expected"),
    [
        ("multistep:5", 192, 5),
        ("multistep:6", 96, 6),
        ("multistep:7", 384, 7),
        ("multistep:8", 96, 8),
        ("unipc:4:exact", 384, 5),
        ("unipc:5:bh2", 96, 6),
        ("unipc:6:bh2", 96, 7),
        ("unipc:7:bh1", 96, 8),
        ("unipc:5:bh2:ramp", 24, 3),
        ("multistep:6:ramp:ramp", 24, 2),
        ("singlestep:5", 6, 5),
        ("singlestep:7", 6, 7),
        ("singlestep:8", 6, 8),
        ("general_linear:6:3", 24, 6),
        ("general_linear:8:4", 24, 8),
        ("adams_moulton:7:3", 24, 7),
        ("adams_moulton:8:4", 24, 8),
        ("pece:5", 24, 6),
        ("pece:7", 48, 8),
        ("hochbruck_ostermann", 8, 4),
        ("krogstad", 8, 4),
    ],
)
def test_measured_in_an_exponential_clock(text: str, steps: int, expected: int) -> None:
    """As the above with weights that are no classical ones: x0 expanded in lambda."""
    with mpmath.workdps(50):
        assert abs(rate(text, steps, "data") - expected) <= 0.15


@cache
def images() -> np.ndarray:
    """The first five handwritten digits at half resolution, as exact numbers."""
    points = problems.digits().means[:5].reshape(5, 8, 8)[:, ::2, ::2].reshape(5, 16)
    return np.array([[mpmath.mpf(float(one)) for one in row] for row in points], dtype=object)


def digits_flow(x: np.ndarray, time: Any) -> np.ndarray:
    """eps - x0 for alpha = 1 - t, sigma = t on those images, smoothed by variance 1."""
    alpha, sigma = 1 - time, time
    spread = alpha**2 + sigma**2
    logits = [
        (2 * alpha * mpmath.fdot(x, image) - alpha**2 * mpmath.fdot(image, image)) / (2 * spread)
        for image in images()
    ]
    weights = [mpmath.exp(one - max(logits)) for one in logits]
    total = mpmath.fsum(weights)
    mean = [mpmath.fdot(weights, pixels) / total for pixels in images().T]
    x0 = (alpha / spread) * x + (1 - alpha**2 / spread) * np.array(mean, dtype=object)
    return (x - alpha * x0) / sigma - x0


def digits_rate(text: str, steps: int, integrand: str) -> float:
    """log2 of the ratio of the distances between runs of n, 2n and 4n steps."""
    expansion, kind = CLOCKS[integrand]
    spec = sg.Solver("rectified_flow", "flow", integrand, expansion, schemes.get(text))
    lowered = lowering.lower(spec.scheme)
    pixels = np.random.default_rng(0).standard_normal(images().shape[1])
    x = np.array([mpmath.mpf(float(one)) for one in pixels], dtype=object)

    def model(y: np.ndarray, time: Any) -> np.ndarray:
        flow = digits_flow(y, time)
        return flow if integrand == "flow" else y - time * flow

    found = []
    for count in (steps, 2 * steps, 4 * steps):

        def scalars(phase: PhaseProgram, n: int, count: int = count) -> Any:
            return kind(phase, count, n)

        found.append(interpreter.run(lowered, scalars, model, x, count))
    coarse, fine = (
        mpmath.sqrt(mpmath.fsum((a - b) ** 2 for a, b in zip(one, other, strict=True)))
        for one, other in pairwise(found)
    )
    return float(mpmath.log(coarse / fine, 2))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "steps", "integrand", "expected"),
    [
        ("dormand_prince", 8, "flow", 5),
        ("fehlberg8", 4, "flow", 8),
        ("pece:4", 32, "flow", 5),
        ("pece:7", 16, "flow", 8),
        ("general_linear:6:3", 8, "data", 6),
    ],
)
def test_measured_on_digits_in_many_digits(
    text: str, steps: int, integrand: str, expected: int
) -> None:
    """Five images in 16 dimensions, where float64 ends before the rate of high orders settles."""
    with mpmath.workdps(40):
        assert abs(digits_rate(text, steps, integrand) - expected) <= 0.15
