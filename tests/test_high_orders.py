"""Orders up to 8, measured in many digits: float64 runs out of them before the rate settles."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest

import solvergen as sg
from solvergen import interpreter, problems, program, schemes
from solvergen.program import Combine, PhaseProgram
from solvergen.scheme import Kind, Node

MIXTURE = problems.GaussianMixture(
    np.array([0.4, 0.6]), np.array([[-1.0], [0.8]]), np.array([0.5, 0.7])
)
START, END = Fraction(3, 5), Fraction(1, 2)


@dataclass(frozen=True)
class ClockScalars:
    """The scalars of dx/dt = N in gamma = q = t: Phi = 1, M0 = t - s, mu_k = 1/(k+1)."""

    phase: PhaseProgram
    steps: int
    n: int

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

    def weights(self, combine: Combine) -> list[Any]:
        base = self.place(combine.base)
        width = self.place(combine.node) - base
        places = [(self.place(node) - base) / width for node in combine.support]

        def moment(k: int, along: int | None) -> Fraction:
            assert along is None
            return Fraction(1, k + 1)

        ell = combine.rule.weights(places, moment, lambda: Fraction(1))
        return [mpmath.mpmathify(one) for one in ell]

    def conversion(self, stage: int) -> tuple[int, int]:
        return 0, 1


def rate(text: str, steps: int) -> float:
    """log2 of the error ratio from ``steps`` to twice as many."""
    spec = sg.Solver("rectified_flow", sg.FLOW, sg.FLOW, "time", schemes.get(text))
    model = problems.model_mp(MIXTURE, spec)
    lowered = program.lower(spec.scheme)
    ends = [(1 - mpmath.mpmathify(t), mpmath.mpmathify(t)) for t in (START, END)]
    x = mpmath.mpf("0.3")
    exact = MIXTURE.exact_flow_mp(x, *ends)
    errors = []
    for count in (steps, 2 * steps):

        def scalars(phase: PhaseProgram, n: int, count: int = count) -> ClockScalars:
            return ClockScalars(phase, count, n)

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
        ("pece:7", 48, 8),
        ("adams_moulton:8", 48, 8),
        ("general_linear:5:2", 32, 5),
        ("dormand_prince", 16, 5),
        ("dormand_prince:embedded", 16, 4),
        ("cash_karp", 16, 5),
        ("fehlberg5", 16, 5),
        ("butcher6", 16, 6),
        ("fehlberg8:embedded", 48, 7),
        ("fehlberg8", 16, 8),
    ],
)
def test_measured_in_many_digits(text: str, steps: int, expected: int) -> None:
    with mpmath.workdps(50):
        assert abs(rate(text, steps) - expected) <= 0.15
