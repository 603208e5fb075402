"""Stability and error constants of a scheme on equal steps, in its classical limit.

With Phi = 1 and gamma = q, a main step of dx/dq = lambda x is a matrix S(z), z = h lambda, on

    (x, the previous sample, N_-1, .., N_-k).

* Zero-stability, the root condition (Dahlquist 1956; Hairer, Norsett and Wanner 1993, section
  III.3): the eigenvalues of S(0) lie in the unit disc, those on its edge are simple.
* Linear stability: all z at which no eigenvalue of S(z) is larger than 1. For a method without
  history S is its stability function R(z). Where the iteration of an implicit method does not
  reach its tolerance within its limit, from samples of size 1, there is no step, and the method
  counts as unstable.

"Converges if the local error goes to 0 and it is stable": both are properties of these matrices,
and the integrating factor, which is exact, only helps.

The leading error constants are those of h^(p+1) in exact - found, for dx/dq = q^p/p! (the
quadrature constant, C_(p+1) of a multistep method) and for dx/dq = x. They are what a step adds to
the error that accumulates: of a method that corrects, to that of the corrected samples, once all
the values that it reads are of samples that were predicted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import factorial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from solvergen.methods.scheme import Kind, Node
from solvergen.program.instructions import Combine, Repeat
from solvergen.program.interpreter import Model, State, run_step, unchanged
from solvergen.program.program import PhaseProgram, StepProgram
from solvergen.program.series import Series

EDGE = 1e-9
"""How far from the unit circle an eigenvalue may lie and be on it, and two from each other and be
one. A simple eigenvalue of these small matrices is off by 10^-15 or so, and growth by 10^-9 a step
would not be seen in any run."""

ITERATIONS, ROUNDING = 1000, 1e-13
"""An iteration that contracts by 0.97 settles to rounding in so many; one that contracts more
slowly is of no use in a step, and counts as one that does not converge."""

FARTHEST = 100.0
"""Where the search along the real axis ends: an explicit method that is made for its order reaches
about as far as it has stages, and an implicit one either less or to infinity."""

FIRST_GUESS, STRETCH, BISECTIONS = 1e-2, 1.1, 40
"""The first distance, by what factor it grows until a method is unstable, and how often the last
interval is halved: steps of a tenth miss no gap that the region of such a method has."""


@dataclass(frozen=True)
class _Classical:
    """The scalars of a step from n to n + 1 with Phi = 1, gamma = q; ``h`` is its length."""

    phase: PhaseProgram
    h: Any
    n: int = 0

    def time(self, stage: int) -> Fraction:
        return self.n + self.phase.position(stage)

    def integrating_factor(self, combine: Combine) -> int:
        return 1

    def zeroth_moment(self, combine: Combine) -> Any:
        return self.h * (self._place(combine.node) - self._place(combine.base))

    def weights(self, combine: Combine) -> list[Fraction]:
        start, end = self._place(combine.base), self._place(combine.node)
        places = [(self._place(node) - start) / (end - start) for node in combine.support]

        def moment(k: int, along: int | None) -> Fraction:
            length = end if along is None else self.time(along)
            return Fraction(1, k + 1) * (length - start) / (end - start)

        return combine.weights(places, moment, lambda: Fraction(1))

    def conversion_at(self, stage: int) -> tuple[int, int]:
        return 0, 1

    def _place(self, node: Node) -> Fraction:
        return Fraction(self.n - node.index) if node.kind is Kind.PAST else self.time(node.index)


@dataclass(frozen=True)
class _Numbers(_Classical):
    """The same in floating point."""

    def zeroth_moment(self, combine: Combine) -> Any:
        return float(super().zeroth_moment(combine))

    def weights(self, combine: Combine) -> list[Any]:
        return [float(one) for one in super().weights(combine)]


def propagation(program: StepProgram, z: ArrayLike) -> NDArray[np.complex128]:
    """S(z) of a main step, [*z.shape, size, size]: one step, from the unit vectors at every z."""
    z = np.asarray(z, dtype=complex)
    size = 2 + program.history
    unit = np.eye(size, dtype=complex).reshape(size, size, *(1 for _ in z.shape)) + 0 * z
    state = State(unit[0], list(unit[2:]), unit[1])
    with np.errstate(invalid="ignore"):  # where there is no step, the others go on
        run_step(program.main, _Numbers(program.main, 1), lambda y, _: z * y, state, _converged)
    after = np.array([state.x, state.previous, *state.past[: program.history]])
    return np.moveaxis(after, (0, 1), (-2, -1))


def _converged(
    repeat: Repeat, count: int, landing: np.ndarray, before: np.ndarray, start: np.ndarray
) -> bool:
    """Whether the iterations have nothing left to change; those not in their tolerance in time
    become infinite.

    Within it, the equation is solved to rounding: S(z) is that of the implicit method.
    """
    stopped = ~np.isfinite(landing)
    change = np.where(stopped, 0, abs(landing - before))
    if count == repeat.limit:
        size = np.maximum(abs(landing), 1.0)
        late = ~stopped & (change > repeat.tolerance * (1 + size))
        np.putmask(landing, late, np.inf)
        return not np.isfinite(landing).any()
    return count == ITERATIONS or bool(np.all(change <= ROUNDING * abs(landing)))


def growth(program: StepProgram, z: ArrayLike) -> NDArray[np.float64]:
    """The largest eigenvalue of S(z) in absolute value; inf where there is no step."""
    matrices = propagation(program, z)
    exists = np.asarray(np.isfinite(matrices).all(axis=(-2, -1)))
    roots = np.linalg.eigvals(np.where(exists[..., None, None], matrices, 0))
    return np.where(exists, np.abs(roots).max(axis=-1), np.inf)


def is_zero_stable(program: StepProgram) -> bool:
    """The root condition."""
    roots = np.linalg.eigvals(propagation(program, 0))
    edge = roots[np.abs(roots) > 1 - EDGE]
    gaps = np.abs(edge[:, None] - edge[None, :])[~np.eye(len(edge), dtype=bool)]
    return bool(np.all(np.abs(edge) <= 1 + EDGE) and np.all(gaps > EDGE))


def real_interval(program: StepProgram) -> float:
    """How far the region reaches along the negative real axis, from 0 on; at most 100."""
    low, high = 0.0, FIRST_GUESS
    while growth(program, -high) <= 1 + EDGE:
        low, high = high, STRETCH * high
        if low > FARTHEST:
            return low
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if growth(program, -middle) <= 1 + EDGE else (low, middle)
    return low


@dataclass(frozen=True)
class ErrorConstants:
    """The coefficients of h^(p+1) in exact - found.

    Attributes:
        quadrature: for dx/dq = q^p/p!.
        linear: for dx/dq = x.
    """

    quadrature: Fraction
    linear: Fraction


def error_constants(program: StepProgram, order: int) -> ErrorConstants:
    """The leading error constants of a main step of a given local order p."""
    length = order + 2

    def monomial(_: Any, place: Fraction) -> Any:
        return _vector([0] * order + [place**order / factorial(order)], length)

    def integral(place: int) -> Any:
        return _vector(
            [0] * (order + 1) + [Fraction(place ** (order + 1), factorial(order + 1))], length
        )

    def identity(x: Any, _: Fraction) -> Any:
        return x

    def exponential(place: int) -> Any:
        return _vector([Fraction(place**k, factorial(k)) for k in range(length)], length)

    return ErrorConstants(
        _added(program, monomial, integral, length), _added(program, identity, exponential, length)
    )


def _vector(coefficients: list[Any], length: int) -> Any:
    return np.array([Series.of(coefficients, length)], dtype=object)


def _added(
    program: StepProgram, model: Model, solution: Callable[[int], Any], length: int
) -> Fraction:
    """What a step adds to the last coefficient of exact - found, of the samples that stay."""
    past = [model(solution(-j), Fraction(-j)) for j in range(1, program.history + 1)]
    state = State(solution(0), past, solution(-1))
    before = found = Fraction(0)
    for n in range(program.history + 2 if program.corrects else 1):
        scalars = _Classical(program.main, Series.of([0, 1], length), n)
        run_step(program.main, scalars, model, state, unchanged)
        place, sample = (n, state.previous) if program.corrects else (n + 1, state.x)
        before, found = found, (solution(place) - sample)[0].coefficients[-1]
    return found - before
