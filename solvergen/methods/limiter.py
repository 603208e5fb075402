"""The limiter: bounded weights where a step is much longer than the ones before it.

A landing that reads the start of its step and earlier ones alone extrapolates N. Its weights W_K,
through K nodes, grow with the length of the step beside those before it. On even steps of an even
clock they are those of Adams and Bashforth, with

    A_2 = 2,   A_3 = 11/3,   A_4 = 20/3,   A_k = sum_j |ell_j|,

and a step ten times as long as the one before makes 11 of A_2. Grids that people use do so near
their end. So the weights of every such landing are bounded by c A_k, by blending with those through
fewer nodes:

    W = W_1;  for k = 2 .. K:   W <- W_k                        if sum |W_k| <= c A_k,
                                W <- (1 - s) W + s W_k, end     else, s with sum |W| = c A_k.

All nodes lie at or before the start, theta <= 0, so that Lagrange's basis alternates in sign beyond
it: sum |ell| = 1 - 2 (ell_1 + ell_3 + ..) along every blend, and s is a quotient. For K = 2 that is
ell_1 >= 1/2 - c: no step goes on by more than c/2 of the last difference.

On a grid whose steps grow by a factor 1 + O(h) nothing is bounded for small h if c > 1. With c = 1
and K = 2 the weights change by O(h), and (3/2, -1/2) has order 2 as well; from K = 3 on c = 1 would
leave no more. Hence c = 1 for schemes that extrapolate through two nodes, and 11/10 for others. At
an end where the clock is no smooth function of gamma weights of even steps are bounded as well:
what that leaves of the order is computed there (``solvergen.program.ends``).

A bound that is that of even steps in the landing's own clock, and none for steps that do not grow,
keep the order of every end. On 130 grids of samplers both were worse, by 2.9 on an even grid of a
flow model: near sigma = 0 the data integrand extrapolates by a whole difference on even steps too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

from solvergen.errors import SchemeError
from solvergen.methods.rule import CLASSICAL, Moments
from solvergen.methods.scheme import CURRENT, Kind, Scheme, Stage
from solvergen.naming import shown

LARGEST = 100
"""c from which on nothing is bounded that a grid would do."""


def extrapolates(one: Stage) -> bool:
    """Whether a landing interpolates through the start of its step and earlier ones alone.

    Frozen moments (B(h) = h of UniPC) are none that a clock has, and infinite at some ends.
    """
    reads_past = all(node.kind is not Kind.STAGE for node in one.support)
    return (
        one.base == CURRENT
        and len(one.support) > 1
        and CURRENT in one.support
        and reads_past
        and not one.rule.rows
        and one.rule.moments is not Moments.FROZEN
    )


def nodes_of(scheme: Scheme) -> int:
    """The largest number of nodes of a landing that extrapolates; 0 without any."""
    phases = (*scheme.phases, *scheme.closing)
    found = (one for phase in phases for one in phase.stages if extrapolates(one))
    return max((len(one.support) for one in found), default=0)


def default(scheme: Scheme) -> Fraction | None:
    """c, or None for a scheme without a landing to bound."""
    nodes = nodes_of(scheme)
    return None if not nodes else Fraction(1) if nodes == 2 else Fraction(11, 10)


def is_default(value: Any) -> bool:
    """Whether a user leaves c to the scheme."""
    return value is True or (isinstance(value, str) and value.strip() == "default")


def chosen(value: Any, scheme: Scheme) -> Fraction | None:
    """c for what a user says: True for the default, None or False for no bound, or a number.

    Raises:
        SchemeError: it is none of these, or a number for a scheme that has nothing to bound.
    """
    if is_default(value):
        return default(scheme)
    if value is None or value is False or (isinstance(value, str) and value.strip() == "none"):
        return None
    try:
        found = None if len(str(value)) > 20 else Fraction(str(value))
    except (ValueError, ZeroDivisionError):
        found = None
    if found is None or not 1 <= found <= LARGEST or found.denominator > 10**6:
        raise SchemeError(
            f"limiter: got {shown(value)}; expected a number from 1 to {LARGEST}, by how much the "
            "weights of old nodes may exceed those of even steps, 'default', or 'none'"
        )
    if not nodes_of(scheme):
        raise SchemeError(
            f"limiter: got {shown(value)} for {scheme.name}, none of whose landings extrapolates "
            "from earlier steps alone; expected 'default' or 'none'"
        )
    return found


@dataclass(frozen=True)
class Bound:
    """How the weights of one landing are bounded.

    Attributes:
        factor: c.
        places: r_j of its nodes, newest first, if all steps are even.
    """

    factor: Fraction
    places: tuple[Fraction, ...]

    def even(self, k: int) -> list[Fraction]:
        """The weights of the newest k nodes on even steps of an even clock."""
        one = Fraction(1)
        return CLASSICAL.weights(self.places[:k], lambda *_: one, lambda: one)

    @cached_property
    def limits(self) -> tuple[Fraction, ...]:
        """c A_2 .. c A_K."""
        counts = range(2, len(self.places) + 1)
        return tuple(self.factor * sum(map(abs, self.even(k)), Fraction(0)) for k in counts)

    def weights(self, places: Sequence[Any], of: Callable[[Sequence[Any]], list[Any]]) -> list[Any]:
        """W, in whatever numbers the weights are.

        Args:
            places: r_j of the nodes, newest first.
            of: weights of nodes at some places.
        """
        whole = of(places)
        none = 0 * whole[0]
        found, count = [none + 1], len(places)
        for k, limit in enumerate(self.limits, start=2):
            above, twice = limit.numerator - limit.denominator, 2 * limit.denominator
            weights = whole if k == count else of(places[:k])
            found = [*found, none]
            high = -sum(weights[1::2]) * twice  # sum |ell| <= c A_k is high <= above
            if high > above:
                low = none - sum(found[1::2]) * twice
                part = (-low + above) / (high - low)
                found = [a + part * (b - a) for a, b in zip(found, weights, strict=True)]
                break
            found = weights
        return [*found, *(none for _ in range(count - len(found)))]


def bound_of(one: Stage, factor: Fraction | None) -> Bound | None:
    """That of a landing; None if it has none."""
    if factor is None or not extrapolates(one):
        return None
    steps_back = sorted(node.index for node in one.support)
    return Bound(factor, tuple(-back / one.position for back in steps_back))
