"""The form of an expression that keeps its digits in float64, found by measuring.

Candidates come from ``rewriting``, rule upon rule, best first. Each is evaluated in float64 at
points of the domain, among them points within 10^-15 of the width from its ends, and compared with
the expression that was given, in many digits. The error at x is relative to

    max(|e(x)|, |(x - end) e'(x)|)

with the nearer end: that is what one rounding of the distance to that end, or of the value, may
cost. So a zero inside the domain is not counted against a form, and a zero at an end is.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import mpmath
import numpy as np
import sympy
from sympy import Expr, Piecewise, Symbol

from solvergen.algebra import precision
from solvergen.algebra.evaluation import (
    Domain,
    Parameters,
    evaluate_float,
    evaluate_mp,
    is_real,
    points_near_ends,
    substitute,
)
from solvergen.algebra.piecewise import by_branch
from solvergen.algebra.readable import effort, operations
from solvergen.algebra.rewriting import rewritings, with_logarithms_near_one
from solvergen.algebra.steady import NUMPY

GOOD = 1.5e-15
"""Seven roundings of 2^-52: what a formula of a dozen operations costs if nothing cancels."""

FAIR = 1e-13
"""Three digits lost, which ``verify`` still accepts. Beyond that something cancels, and a form is
looked for that is built against it; up to that, one that is found soon is good enough."""

SLACK = 8
"""After n forms an error of GOOD (1 + n/SLACK) is good: the search has seen what there is, and the
last digit is not worth another page of forms."""

FIRST_FORMS = 16
"""Forms that are tried before further equal expressions get their turn: one round of rules."""

MAX_CANDIDATES = 60
"""Forms in all: what sub_vp and vp_cosine, the hardest of the named schedules, take."""

PATIENCE = 12
"""Forms in a row without progress after which a fair one is taken: about the rules of one form,
many of which change nothing."""

HOPELESS = 16
"""Forms in a row without progress after which none is sought any more where none is right at all
points, and at the ends: a distance to an end that is lost comes back in no other form, and seldom
a value at an end."""

PATIENCE_NEAR_ONE = PATIENCE // 2
"""The same where log1p has made a form fair, which was all that was wrong with it."""

MAX_PARTS = 3
"""Logarithms inside an expression that are worked on alone; each one is a search of its own."""

MAX_SEEDS = 2
"""The best forms of the start, whose logarithms are worked on: others come to the same."""

MAX_SIZE = 160
"""Operations of a form: longer ones round more often, and take seconds to be rewritten."""

WRONG_END = 1e-6
"""The error of a form that is finite or 0 at an end where it should not be, or the reverse. It may
be the best one there is, so it is worse than every right form and better than nan inside."""

WRONG = 1e-6
"""The error of a value that is none: half of the digits and more are lost, or the branch is. A form
with fewer such points is better than one with more, whatever its worst error is."""

LESS = 0.9
"""What an error is multiplied by, at least, to be progress."""

VANISHES, DIVERGES = mpmath.mpf("1e-3"), mpmath.mpf("1.5")
"""By what factor a value changes from 10^-30 to 10^-60 before an end where it tends to 0 or to
infinity: a power tau^(1/10) falls by 10^-3, a logarithm grows to twice as much."""

_HUGE = mpmath.mpf("1e290")
"""Nearly the largest float64: beyond it a form may overflow in a part."""


@dataclass(frozen=True)
class ExactValues:
    """An expression of ``symbol`` in many digits at float64 points, and the scale of an error
    there.

    A value may be an infinity, at an end of the domain: then float64 must be infinite too; and
    where it is 0, float64 must be 0.
    """

    symbol: Symbol
    points: tuple[float, ...]
    values: tuple[Any, ...]
    scales: tuple[Any, ...]
    ends: tuple[float, float]

    @precision.own
    def errors(self, expression: Expr, parameters: Parameters = ()) -> list[float]:
        """The error of ``expression`` in float64 at each point, relative to the scale."""
        points = np.array(self.points)
        computed = evaluate_float(expression, self.symbol, points, parameters)
        return list(map(_error, computed, self.values, self.scales))

    def error(self, expression: Expr, parameters: Parameters = ()) -> float:
        """The worst error."""
        return max(self.errors(expression, parameters), default=0.0)


def _error(computed: float, value: Any, scale: Any) -> float:
    if mpmath.isinf(value) or value == 0:
        return 0.0 if computed == float(value) else WRONG_END
    if not np.isfinite(computed):
        return float("inf")
    return float(abs(mpmath.mpf(float(computed)) - value) / scale)


@precision.own
def exact_values(
    expression: Expr,
    symbol: Symbol,
    points: Sequence[float],
    ends: tuple[float, float],
) -> ExactValues:
    """The values of ``expression`` at the points where it is real, and its limits at the ends."""
    rows = []
    with mpmath.workdps(precision.SENSITIVITY):
        for point in points:
            if point in ends:
                continue
            value = evaluate_mp(expression, symbol, point, precision.SENSITIVITY)
            if is_real(value) and abs(value) < _HUGE:
                scale = max(abs(value), _sensitivity(expression, symbol, point, ends), 1 / _HUGE)
                rows.append((point, value, scale))
    for end, inwards in zip(ends, (1, -1), strict=True):
        value = _at_end(expression, symbol, end, inwards)
        if value is not None:
            rows.append((end, value, abs(value)))
    return ExactValues(
        symbol,
        tuple(float(point) for point, _, _ in rows),
        tuple(value for _, value, _ in rows),
        tuple(scale for _, _, scale in rows),
        ends,
    )


def _at_end(expression: Expr, symbol: Symbol, end: float, inwards: int) -> Any:
    """The value that ``expression`` tends to at an end: a number, 0, an infinity, or None if
    unclear.
    """
    far, near = (
        evaluate_mp(expression, symbol, _beside(end, inwards, exponent), precision.SIDE_OF_END)
        for exponent in (-30, -60)
    )
    if not (is_real(far) and is_real(near)):
        return None
    if abs(near) <= abs(far) * VANISHES:
        return mpmath.mpf(0)
    if abs(near) > abs(far) * DIVERGES:
        return mpmath.inf if near > 0 else -mpmath.inf
    return near


def _beside(end: float, inwards: int, exponent: int) -> Any:
    with mpmath.workdps(precision.SIDE_OF_END):
        return mpmath.mpf(end) + inwards * mpmath.mpf(10) ** exponent


def _sensitivity(expression: Expr, symbol: Symbol, point: float, ends: tuple[float, float]) -> Any:
    """|(x - end) e'(x)| for the nearer end, by a central difference."""
    distance = min(
        (abs(mpmath.mpf(point) - mpmath.mpf(end)) for end in ends if np.isfinite(end)),
        default=abs(mpmath.mpf(point)),
    )
    step = distance * precision.DIFFERENCE
    if not step:
        return mpmath.mpf(0)
    above, below = (
        evaluate_mp(expression, symbol, mpmath.mpf(point) + signed, precision.SENSITIVITY)
        for signed in (step, -step)
    )
    if not (is_real(above) and is_real(below)):
        return mpmath.mpf(0)
    return abs(above - below) / 2 / precision.DIFFERENCE


@lru_cache(maxsize=512)
def stable_form(
    expression: Expr,
    symbol: Symbol,
    domain: Domain,
    parameters: Parameters = (),
    equals: tuple[Expr, ...] = (),
) -> Expr:
    """The form of ``expression`` with the smallest error in float64 over ``domain``.

    The shortest, where several are as good. ``equals`` are further forms to start from. An
    expression with cases is worked on branch by branch.
    """
    if expression.has(Piecewise):
        return by_branch(
            lambda branch, part: stable_form(branch, symbol, part, parameters),
            expression,
            symbol,
            domain,
            parameters,
        )
    low, high = (float(sympy.N(end)) for end in domain)
    exact = substitute(expression, parameters)
    measure = exact_values(exact, symbol, points_near_ends(low, high), (low, high))
    return most_accurate_rewriting([expression], measure, parameters, equals)


def most_accurate_rewriting(
    expressions: Sequence[Expr],
    measure: ExactValues,
    parameters: Parameters = (),
    equals: Sequence[Expr] = (),
) -> Expr:
    """The best of some equal expressions and of their rewritings; ``equals`` only if none is
    good.
    """
    search = _Search(measure, parameters)
    shorter = min(map(operations, equals), default=MAX_SIZE) < operations(expressions[0])
    first = 1 if shorter else FIRST_FORMS if equals else MAX_CANDIDATES
    search.run(expressions, first)
    if equals and search.smallest() > GOOD:
        search.run(equals, MAX_CANDIDATES)
    return search.best(expressions[0])


class _Search:
    """Best-first search from form to form."""

    def __init__(self, measure: ExactValues, parameters: Parameters) -> None:
        self.measure = measure
        self.parameters = parameters
        self.errors: dict[Expr, float] = {}
        self.ranks: dict[Expr, tuple[int, float]] = {}
        self.patience = PATIENCE
        self.latest = 0

    def run(self, expressions: Sequence[Expr], candidates: int) -> None:
        """Rewrite, best form first, until a form is good; the longer it takes, the worse may be
        good.
        """
        queue: list[tuple[int, int, int, Expr]] = []
        for expression in expressions:
            self.push(queue, expression)
        if self.smallest() > FAIR:
            self.push_near_one(queue, expressions)
        if self.smallest() <= 2 * GOOD:
            return
        for _, _, _, form in heapq.nsmallest(MAX_SEEDS, queue):
            if self.errors[form] > GOOD:
                self.push(queue, self.with_stable_logarithms(form))
        while queue and len(self.errors) < candidates:
            _, _, _, form = heapq.heappop(queue)
            if self.errors[form] <= GOOD * (1 + len(self.errors) / SLACK) or self.stalls():
                return
            for rewritten in rewritings(form, self.measure.symbol):
                self.push(queue, rewritten)
                if self.is_settled(rewritten, form):
                    return

    def push_near_one(
        self, queue: list[tuple[int, int, int, Expr]], expressions: Sequence[Expr]
    ) -> None:
        """Logarithms for arguments near 1; where that was all, little is left to try."""
        for expression in expressions:
            close = with_logarithms_near_one(expression, self.measure.symbol)
            if self.measure.error(close, self.parameters) <= FAIR:
                self.push(queue, close)
                self.patience = PATIENCE_NEAR_ONE

    def with_stable_logarithms(self, expression: Expr) -> Expr:
        """The expression with the logarithms inside it in forms that are good for themselves."""
        calls = sorted(expression.atoms(sympy.log), key=effort)
        calls = [e for e in calls if e.has(self.measure.symbol)]
        calls = [e for e in calls if e != expression.as_coeff_Mul()[1]]
        return expression.xreplace({call: self.stable_part(call) for call in calls[:MAX_PARTS]})

    def stable_part(self, part: Expr) -> Expr:
        """The stable form of a part of the expression at the same points."""
        measure = self.measure
        exact = substitute(part, self.parameters)
        values = exact_values(exact, measure.symbol, measure.points, measure.ends)
        search = _Search(values, self.parameters)
        search.run([part], FIRST_FORMS)
        return search.best(part)

    def push(self, queue: list[tuple[int, int, int, Expr]], form: Expr) -> None:
        """Measure a form; ones with small errors at most points are taken from the queue first."""
        if form in self.errors or operations(form) > MAX_SIZE:
            return
        errors = self.measure.errors(form, self.parameters)
        self.errors[form] = max(errors, default=0.0)
        right = [error for error in errors if error <= WRONG]
        wrong, error = len(errors) - len(right), max(right, default=0.0)
        before = min(
            ((few, LESS * e) for few, e in self.ranks.values()), default=(len(errors), 1.0)
        )
        if (wrong, error) < before:
            self.latest = len(self.errors)
        self.ranks[form] = (wrong, error)
        mean = float(np.mean(NUMPY.log10(np.clip(errors, 1e-16, 1.0)))) if errors else 0.0
        rank = (round(mean), operations(form), len(self.errors))
        heapq.heappush(queue, (*rank, form))

    def is_settled(self, rewritten: Expr, form: Expr) -> bool:
        """Whether a rewriting has every digit and is no longer than what it was made from."""
        if self.errors.get(rewritten, 1.0) > GOOD:
            return False
        return operations(rewritten) <= operations(form)

    def stalls(self) -> bool:
        """Whether the last forms were no better than one before, that is good enough, or if none
        is, than any."""
        errors = list(self.errors.values())
        if min(errors) >= WRONG_END:
            return len(errors) - self.latest >= HOPELESS
        before = min(errors[: -self.patience], default=float("inf"))
        return before <= FAIR and LESS * before <= min(errors[-self.patience :])

    def smallest(self) -> float:
        """The smallest error of a form seen."""
        return min(self.errors.values(), default=float("inf"))

    def best(self, default: Expr) -> Expr:
        """The shortest form whose error is near the smallest, of those wrong at fewest points."""
        fewest, smallest = min(self.ranks.values(), default=(0, 0.0))
        limit = max(GOOD, 2 * smallest)
        accepted = [
            form
            for form, (wrong, error) in self.ranks.items()
            if wrong == fewest and error <= limit
        ]
        return min(accepted, key=effort, default=default)
