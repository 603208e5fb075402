"""The rows of a phase in terms of nodes: what every evaluation adds to the sample, in symbols."""

from dataclasses import dataclass, replace
from fractions import Fraction

from sympy import Expr, Integer, Rational, Symbol

from solvergen.errors import SchemeError
from solvergen.methods.rule import is_constant
from solvergen.methods.scheme import CURRENT, Kind, past
from solvergen.program.instructions import Combine, node_of
from solvergen.program.program import PhaseProgram
from solvergen.program.table import (
    UP,
    Array,
    Placed,
    Terms,
    conversion,
    phi,
    rival_weight,
    spread,
    weight,
    weight_before,
    zeroth_moment,
)


@dataclass(frozen=True)
class RowDraft:
    """A row before its values have places."""

    stage: int
    landing: Terms
    value: Placed
    ends: bool
    repeats: bool


@dataclass(frozen=True)
class PhaseDraft:
    """The rows of a phase in terms of nodes."""

    phase: PhaseProgram
    before: Combine | None
    keeps_start: bool
    converts: tuple[bool, bool]

    @property
    def rows(self) -> tuple[RowDraft, ...]:
        last = self.phase.evaluations[-1]
        return tuple(
            RowDraft(
                i,
                self._row(i),
                self._value(i),
                i == last,
                i == last and self.phase.repeat is not None,
            )
            for i in self.phase.evaluations
        )

    def _value(self, i: int) -> Placed:
        """What is kept: the integrand; of a pair, the sample that the network has seen."""
        if self._is_reversible:
            return {Array.INPUT: Integer(1)}
        return dict(self._integrand(i).items())

    @property
    def _is_reversible(self) -> bool:
        return any(one.mirrored for one in self.phase.combines)

    def _row(self, i: int) -> Terms:
        """What the landing after evaluation i reads, with N_i put in."""
        combine = next((one for one in self.phase.combines if one.stage > i), None)
        if combine is None:
            return {}
        if self._is_reversible:
            return self._resolved(i, self._of_pair(combine))
        terms = self._landing(combine)
        if not self.keeps_start:
            terms = self._without_start(i, combine, terms)
        return self._raised(i, self._resolved(i, terms))

    def _raised(self, i: int, terms: Terms) -> Terms:
        """The same with noise that is raised before the next step, behind the last landing."""
        if not self.phase.raises:
            return terms
        if i != self.phase.evaluations[-1]:
            return {Array.NOISE: Integer(0), **terms}
        return {Array.NOISE: spread(0), **{one: UP * factor for one, factor in terms.items()}}

    def _of_pair(self, combine: Combine) -> Terms:
        """A landing of a reversible step in what the network has seen, z, and what it saw before.

        With x_n = Phi x_(n-1) + M0 (ell_0 N_(n-1) + ell_1 N_n) and z_n + Phi z_(n-1) = 2 (Phi
        x_(n-1) + M0 ell_0 N_(n-1)) the sample itself is not read: z_(n+1) is Phi^2 z_(n-1) and a
        multiple of N_n, and the result the mean of z_N and Phi z_(N-1), with N_N. In place of what
        came before the first step stands x_0 - z_0, which is 0 unless a pair is given.
        """
        factor, last = phi(combine.stage), len(combine.support) - 1
        own = zeroth_moment(combine.stage) * weight(combine.stage, last)
        if not combine.mirrored:
            half = Rational(1, 2)
            return {Array.INPUT: half, CURRENT: half * factor, combine.support[last]: own}
        if self.phase.correction is None:
            return {Array.INPUT: factor, past(1): 2 * factor, CURRENT: 2 * own}
        before = zeroth_moment(0) * weight(0, 0)
        return {past(1): factor * phi(0), CURRENT: 2 * (factor * before + own)}

    def _landing(self, combine: Combine) -> Terms:
        """Landing ``combine`` in the sample at the start of the step and the integrand values."""
        start: Terms = {Array.START: Integer(1)}
        if combine.base.kind is Kind.STAGE:
            start = self._landing(self.phase.combines[combine.base.index - 1])
        terms = {operand: phi(combine.stage) * factor for operand, factor in start.items()}
        for j, node in enumerate(combine.support):
            factor = zeroth_moment(combine.stage) * number(combine, j, weight(combine.stage, j))
            terms[node] = terms.get(node, Integer(0)) + factor
        return terms

    def _without_start(self, i: int, combine: Combine, terms: Terms) -> Terms:
        """The same from y, the last landing, in place of the sample at the start of the step."""
        rest: Terms = {one: factor for one, factor in terms.items() if one is not Array.START}
        if i == 0:
            found: Terms = {Array.INPUT: terms[Array.START]}
            for node, factor in self._correction.items():
                rest[node] = rest.get(node, Integer(0)) + terms[Array.START] * factor
        else:
            reached = self.phase.combines[i - 1]
            ratio = self._ratio(combine, reached)
            found = {Array.INPUT: ratio}
            for node, factor in self._landing(reached).items():
                if node is not Array.START:
                    rest[node] = rest.get(node, Integer(0)) - ratio * factor
        if self.phase.draw_of(combine.stage) is not None:
            found[Array.NOISE] = spread(combine.stage)
        return {**found, **{one: factor for one, factor in rest.items() if factor != 0}}

    def _ratio(self, combine: Combine, reached: Combine) -> Expr:
        """Phi from the landing that is reached to the next one: 1 at the same place."""
        if combine.position == reached.position:
            return Integer(1)
        return phi(combine.stage, reached.stage)

    @property
    def _correction(self) -> Terms:
        """What the correction adds to the landing of the step before."""
        one = self.phase.correction
        if one is None or self.before is None:
            return {}
        m0 = zeroth_moment(0)
        terms: Terms = {}
        for j, node in enumerate(one.support):
            terms[node] = m0 * number(one, j, weight(0, j))
        for j, node in enumerate(shifted(self.before).support):
            factor = m0 * number(self.before, j, weight_before(j))
            terms[node] = terms.get(node, Integer(0)) - factor
        return terms

    def _resolved(self, i: int, terms: Terms) -> Terms:
        """The combination with N_i = A_i y + B_i P put in."""
        node = node_of(i)
        known = {one: factor for one, factor in terms.items() if one != node}
        for operand, factor in self._integrand(i).items() if node in terms else ():
            known[operand] = known.get(operand, Integer(0)) + terms[node] * factor
        return known

    def _integrand(self, i: int) -> dict[Array, Expr]:
        """N_i; its input is x itself at i = 0 if that is kept."""
        a, b = conversion(i)
        source = Array.START if self.keeps_start and i == 0 else Array.INPUT
        shift = {source: a} if self.converts[0] else {}
        return {**shift, Array.PREDICTION: b if self.converts[1] else Integer(1)}

    @property
    def error(self) -> Terms:
        """M sum_j (ell_j - ell^_j) N_j in the values of the step."""
        last, rival = self.phase.combines[-1], self.phase.rival
        if rival is None:
            return {}
        terms: Terms = {}
        for j, node in enumerate(last.support):
            terms[node] = number(last, j, weight(last.stage, j))
        for j, node in enumerate(rival.support):
            terms[node] = terms.get(node, Integer(0)) - number(rival, j, rival_weight(j))
        m0 = zeroth_moment(last.stage)
        return {node: m0 * factor for node, factor in terms.items() if factor != 0}


def shifted(before: Combine) -> Combine:
    """The last landing of the step before, in the words of this one: it lands at theta = 0.

    Raises:
        SchemeError: it reads an inner stage, whose time is not known in this step.
    """
    if any(node.kind is Kind.STAGE for node in (*before.support, before.base)):
        raise SchemeError(
            f"a correction replaces the landing {before}, which reads inner stages of its step; "
            "expected steps before a correction that land from earlier steps alone."
        )
    support = tuple(past(1 if node == CURRENT else node.index + 1) for node in before.support)
    return replace(before, stage=0, position=Fraction(0), support=support, base=past(1))


def number(combine: Combine, j: int, symbol: Symbol) -> Expr:
    """ell_j as a number if it is one, so that equal weights of two landings cancel."""
    if len(combine.support) == 1 and not combine.rule.rows:
        return Integer(1)
    if not combine.rule.rows or not is_constant(combine.rule.rows[j]):
        return symbol
    total = sum((one.coefficient for one in combine.rule.rows[j]), Fraction(0))
    return Rational(total.numerator, total.denominator)
