"""From the instructions of a phase to passes over memory.

Between two evaluations everything is linear, so all that happens after evaluation i is one pass:
a few arrays in, at most four linear combinations out,

    y or x  <-  Phi x + (M ell_i A) y + (M ell_i B) P + sum_j (M ell_j) N_j      the landing
    N_i     <-  A y + B P                                  only if a later pass or step reads it
    x       <-  the sample at the start of the step        only in programs that correct
    e       <-  M sum_j (ell_nj - ell^_j) N_j              only where an estimate is complete

A landing whose base is an inner stage is expanded until only the start of the step is left, so no
sample but that one is kept. In a program that corrects, x is the previous step's sample when a
step begins and y the one that the network sees; without, both are one array. Where a landing may be
repeated or a step rejected, the sample at the start stays and the last landing goes to y as well.
"""

from dataclasses import dataclass
from enum import Enum

from sympy import Expr, Integer, Rational, Symbol

from solvergen.methods.rule import is_constant
from solvergen.methods.scheme import CURRENT, Kind, Node
from solvergen.program.program import Combine, PhaseProgram, StepProgram, node_of


class Array(Enum):
    """The arrays of a run beside the integrand values."""

    SAMPLE = "x"
    INPUT = "y"
    PREDICTION = "prediction"


Operand = Array | Node
Combination = dict[Operand, Expr]
"""{array or integrand value: its factor}"""


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
        landing: the combination that is written there; empty if the evaluation serves the
            estimate alone.
        stored: the combination that is kept as N_stage; empty if nothing reads it later.
        sample: the combination that the sample becomes; empty if it stays what it is.
        error: the estimate of the error; empty if it is not complete here.
        repeated: whether the landing is repeated until it stays what it is.
    """

    stage: int
    last: bool
    target: Array
    landing: tuple[Term, ...]
    stored: tuple[Term, ...]
    sample: tuple[Term, ...] = ()
    error: tuple[Term, ...] = ()
    repeated: bool = False

    @property
    def reads(self) -> tuple[Operand, ...]:
        """The arrays that the pass reads, each once."""
        terms = (*self.landing, *self.stored, *self.sample, *self.error)
        return tuple(dict.fromkeys(term.operand for term in terms))

    def __str__(self) -> str:
        def text(terms: tuple[Term, ...]) -> str:
            return " + ".join(f"({one.coefficient}) {_label(one.operand)}" for one in terms)

        parts = [f"{self.target.value} = {text(self.landing)}"] if self.landing else []
        if self.stored:
            parts.append(f"N_{self.stage} = {text(self.stored)}")
        if self.sample:
            parts.append(f"x = {text(self.sample)}")
        if self.error:
            parts.append(f"e = {text(self.error)}")
        return ";  ".join(parts)


def _label(operand: Operand) -> str:
    return operand.value if isinstance(operand, Array) else f"N[{operand}]"


def phi_symbol(i: int) -> Symbol:
    """Phi(t_i, t_base)."""
    return Symbol(f"phi_{i}")


def zeroth_moment_symbol(i: int) -> Symbol:
    """M0(t_i, t_base)."""
    return Symbol(f"m_{i}")


def weight_symbol(i: int, j: int) -> Symbol:
    """ell_j of landing i."""
    return Symbol(f"ell_{i}_{j}")


def rival_weight_symbol(j: int) -> Symbol:
    """ell^_j of the second landing of an estimate."""
    return Symbol(f"ell_hat_{j}")


def conversion_symbols(i: int) -> tuple[Symbol, Symbol]:
    """(A_i, B_i) of  N = A y + B prediction  at evaluation i."""
    return Symbol(f"a_{i}"), Symbol(f"b_{i}")


def passes(program: StepProgram, converts: tuple[bool, bool]) -> tuple[tuple[Pass, ...], ...]:
    """The fused passes of every phase.

    Args:
        program: the program.
        converts: whether A is not identically 0, and B not identically 1.
    """
    return _passes(program, program.all_phases, converts)


def pair_passes(program: StepProgram, converts: tuple[bool, bool]) -> tuple[tuple[Pass, ...], ...]:
    """The fused passes of the phases of adaptive steps."""
    return _passes(program, program.pairs, converts)


def _passes(
    program: StepProgram, phases: tuple[PhaseProgram, ...], converts: tuple[bool, bool]
) -> tuple[tuple[Pass, ...], ...]:
    return tuple(
        tuple(_Fusion(program, phase, i, converts).fused() for i in phase.evaluations)
        for phase in phases
    )


def _number(combine: Combine, j: int, symbol: Symbol) -> Expr:
    """ell_j as a number if it is one, so that equal weights of two landings cancel."""
    if len(combine.support) == 1:
        return Integer(1)
    if not combine.rule.rows or not is_constant(combine.rule.rows[j]):
        return symbol
    total = sum(one.coefficient for one in combine.rule.rows[j])
    return Rational(total.numerator, total.denominator)


@dataclass(frozen=True)
class _Fusion:
    """What happens after the evaluation ``_evaluated``."""

    program: StepProgram
    phase: PhaseProgram
    _evaluated: int
    converts: tuple[bool, bool]

    def fused(self) -> Pass:
        last = self._evaluated == self.phase.evaluations[-1]
        keeps_start = self.program.corrects or self.program.repeat or self.phase.rival
        combine = self._combine
        return Pass(
            self._evaluated,
            last,
            Array.SAMPLE if last and not keeps_start else Array.INPUT,
            self._resolved(self._landing(combine)) if combine else (),
            self._integrand if self._keeps else (),
            self._resolved(self._start) if self._moves_sample else (),
            self._resolved(self._error) if last and self.phase.rival else (),
            last and self.phase.repeat is not None,
        )

    @property
    def _combine(self) -> Combine | None:
        """The landing before the next evaluation, or the last one."""
        return next((one for one in self.phase.combines if one.stage > self._evaluated), None)

    @property
    def _error(self) -> Combination:
        """M sum_j (ell_j - ell^_j) N_j."""
        terms: Combination = {}
        last, rival = self.phase.combines[-1], self.phase.rival
        assert rival is not None
        for j, node in enumerate(last.support):
            terms[node] = _number(last, j, weight_symbol(last.stage, j))
        for j, node in enumerate(rival.support):
            terms[node] = terms.get(node, Integer(0)) - _number(rival, j, rival_weight_symbol(j))
        m0 = zeroth_moment_symbol(last.stage)
        return {node: m0 * factor for node, factor in terms.items() if factor != 0}

    @property
    def _moves_sample(self) -> bool:
        return self.program.corrects and self._evaluated == 0

    @property
    def _start(self) -> Combination:
        """The sample at the start of the step, in what is in memory before the pass."""
        if not self._moves_sample:
            return {Array.SAMPLE: Integer(1)}
        if self.phase.correction is None:
            return {Array.INPUT: Integer(1)}
        return self._landing(self.phase.correction)

    def _landing(self, combine: Combine) -> Combination:
        terms = {
            operand: phi_symbol(combine.stage) * factor
            for operand, factor in self._sample_at(combine.base).items()
        }
        for j, node in enumerate(combine.support):
            factor = zeroth_moment_symbol(combine.stage) * weight_symbol(combine.stage, j)
            terms[node] = terms.get(node, Integer(0)) + factor
        return terms

    def _sample_at(self, base: Node) -> Combination:
        if base == CURRENT:
            return self._start
        if base.kind is Kind.STAGE:
            return self._landing(self.phase.combines[base.index - 1])
        return {Array.SAMPLE: Integer(1)}

    def _resolved(self, terms: Combination) -> tuple[Term, ...]:
        """The combination with the value of this evaluation put in, arrays before values."""
        arrays: Combination = {one: f for one, f in terms.items() if isinstance(one, Array)}
        node = node_of(self._evaluated)
        if node in terms:
            for term in self._integrand:
                known = arrays.get(term.operand, Integer(0))
                arrays[term.operand] = known + terms[node] * term.coefficient
        values: Combination = {
            one: f for one, f in terms.items() if isinstance(one, Node) and one != node
        }
        together: Combination = {**arrays, **values}
        return tuple(Term(operand, factor) for operand, factor in together.items())

    @property
    def _integrand(self) -> tuple[Term, ...]:
        """N_i = A_i y + B_i P as terms; y is the sample itself at i = 0 if nothing corrects."""
        a, b = conversion_symbols(self._evaluated)
        in_sample = self._evaluated == 0 and not self.program.corrects
        source = Array.SAMPLE if in_sample else Array.INPUT
        shift = (Term(source, a),) if self.converts[0] else ()
        return (*shift, Term(Array.PREDICTION, b if self.converts[1] else Integer(1)))

    @property
    def _keeps(self) -> bool:
        node = node_of(self._evaluated)
        if self._evaluated == 0 and self.program.history > 0:
            return True
        later = [one for one in self.phase.combines if one.stage > self._evaluated + 1]
        waits = self.phase.rival is not None and self._evaluated < self.phase.evaluations[-1]
        return any(node in self._landing(one) for one in later) or (waits and node in self._error)
