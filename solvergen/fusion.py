"""From the instructions of a phase to passes over memory.

Between two evaluations everything is linear, so all that happens after evaluation i is one pass:
a few arrays in, at most three linear combinations out,

    y or x  <-  Phi x + (M ell_i A) y + (M ell_i B) P + sum_j (M ell_j) N_j      the landing
    N_i     <-  A y + B P                                  only if a later pass or step reads it
    x       <-  the sample at the start of the step        only in programs that correct

A landing whose base is an inner stage is expanded until only the start of the step is left, so no
sample but that one is kept. In a program that corrects, x is the previous step's sample when a
step begins and y the one that the network sees; without, both are one array.
"""

from dataclasses import dataclass
from enum import Enum

from sympy import Expr, Integer, Symbol

from solvergen.program import Combine, PhaseProgram, StepProgram, node_of
from solvergen.scheme import CURRENT, Kind, Node


class Array(Enum):
    """The arrays of a run beside the integrand values."""

    SAMPLE = "x"
    INPUT = "y"
    PREDICTION = "prediction"


Operand = Array | Node
Terms = dict[Operand, Expr]


@dataclass(frozen=True)
class Term:
    """``coefficient`` * ``operand``; the coefficient is a polynomial in the step's scalars."""

    operand: Operand
    coefficient: Expr


@dataclass(frozen=True)
class Pass:
    """One fused pass over memory, after evaluation ``stage``.

    Attributes:
        stage: the evaluation.
        last: whether the step ends with it.
        target: the array of the landing, the next network input or sample.
        landing: the combination that is written there.
        stored: the combination that is kept as N_stage; empty if nothing reads it later.
        sample: the combination that the sample becomes; empty if it stays what it is.
    """

    stage: int
    last: bool
    target: Array
    landing: tuple[Term, ...]
    stored: tuple[Term, ...]
    sample: tuple[Term, ...] = ()

    @property
    def reads(self) -> tuple[Operand, ...]:
        """The arrays that the pass reads, each once."""
        terms = (*self.landing, *self.stored, *self.sample)
        return tuple(dict.fromkeys(term.operand for term in terms))

    def __str__(self) -> str:
        def text(terms: tuple[Term, ...]) -> str:
            return " + ".join(f"({one.coefficient}) {_label(one.operand)}" for one in terms)

        parts = [f"{self.target.value} = {text(self.landing)}"]
        if self.stored:
            parts.append(f"N_{self.stage} = {text(self.stored)}")
        if self.sample:
            parts.append(f"x = {text(self.sample)}")
        return ";  ".join(parts)


def _label(operand: Operand) -> str:
    return operand.value if isinstance(operand, Array) else f"N[{operand}]"


def phi(i: int) -> Symbol:
    """Phi(t_i, t_base)."""
    return Symbol(f"phi_{i}")


def zeroth_moment(i: int) -> Symbol:
    """M0(t_i, t_base)."""
    return Symbol(f"m_{i}")


def weight(i: int, j: int) -> Symbol:
    """ell_j of landing i."""
    return Symbol(f"ell_{i}_{j}")


def conversion(i: int) -> tuple[Symbol, Symbol]:
    """(A_i, B_i) of  N = A y + B prediction  at evaluation i."""
    return Symbol(f"a_{i}"), Symbol(f"b_{i}")


def passes(program: StepProgram, converts: tuple[bool, bool]) -> tuple[tuple[Pass, ...], ...]:
    """The fused passes of every phase.

    Args:
        program: the program.
        converts: whether A is not identically 0, and B not identically 1.
    """
    return tuple(
        tuple(_Fusion(program, phase, combine, converts).fused() for combine in phase.combines)
        for phase in program.all_phases
    )


@dataclass(frozen=True)
class _Fusion:
    """What happens after the evaluation before ``combine``."""

    program: StepProgram
    phase: PhaseProgram
    combine: Combine
    converts: tuple[bool, bool]

    def fused(self) -> Pass:
        last = self.combine is self.phase.combines[-1]
        in_place = last and not self.program.corrects
        return Pass(
            self._evaluated,
            last,
            Array.SAMPLE if in_place else Array.INPUT,
            self._resolved(self._landing(self.combine)),
            self._integrand if self._keeps else (),
            self._resolved(self._start) if self._moves_sample else (),
        )

    @property
    def _evaluated(self) -> int:
        return self.combine.stage - 1

    @property
    def _moves_sample(self) -> bool:
        return self.program.corrects and self._evaluated == 0

    @property
    def _start(self) -> Terms:
        """The sample at the start of the step, in what is in memory before the pass."""
        if not self._moves_sample:
            return {Array.SAMPLE: Integer(1)}
        if self.phase.correction is None:
            return {Array.INPUT: Integer(1)}
        return self._landing(self.phase.correction)

    def _landing(self, combine: Combine) -> Terms:
        terms = {
            operand: phi(combine.stage) * factor
            for operand, factor in self._sample_at(combine.base).items()
        }
        for j, node in enumerate(combine.support):
            factor = zeroth_moment(combine.stage) * weight(combine.stage, j)
            terms[node] = terms.get(node, Integer(0)) + factor
        return terms

    def _sample_at(self, base: Node) -> Terms:
        if base == CURRENT:
            return self._start
        if base.kind is Kind.STAGE:
            return self._landing(self.phase.combines[base.index - 1])
        return {Array.SAMPLE: Integer(1)}

    def _resolved(self, terms: Terms) -> tuple[Term, ...]:
        """The combination with the value of this evaluation put in, arrays before values."""
        arrays: Terms = {one: f for one, f in terms.items() if isinstance(one, Array)}
        node = node_of(self._evaluated)
        if node in terms:
            for term in self._integrand:
                known = arrays.get(term.operand, Integer(0))
                arrays[term.operand] = known + terms[node] * term.coefficient
        values: Terms = {
            one: f for one, f in terms.items() if isinstance(one, Node) and one != node
        }
        together: Terms = {**arrays, **values}
        return tuple(Term(operand, factor) for operand, factor in together.items())

    @property
    def _integrand(self) -> tuple[Term, ...]:
        """N_i = A_i y + B_i P as terms; y is the sample itself at i = 0 if nothing corrects."""
        a, b = conversion(self._evaluated)
        in_sample = self._evaluated == 0 and not self.program.corrects
        source = Array.SAMPLE if in_sample else Array.INPUT
        shift = (Term(source, a),) if self.converts[0] else ()
        return (*shift, Term(Array.PREDICTION, b if self.converts[1] else Integer(1)))

    @property
    def _keeps(self) -> bool:
        node = node_of(self._evaluated)
        if self._evaluated == 0 and self.program.history > 0:
            return True
        later = [one for one in self.phase.combines if one.stage > self.combine.stage]
        return any(node in self._landing(one) for one in later)
