"""StepProgram, the intermediate representation: what one step computes, and in which order.

Three instructions say everything that today's schemes do:

    Evaluate(i)             P   = model(y, t_i);   N_i = A_i y + B_i P
    Combine(i, support)     y   = Phi_i x + M_i sum_j ell_ij N_j
    Accept                  x   = y;  the earlier steps' N move back by one

with x the sample at the start of the step and y what the network sees next (y = x at i = 0).
The scalars Phi_i = Phi(t_i, s), M_i = M0(t_i, s), ell_ij, A_i and B_i are functions of the time
grid alone. A program is one list of instructions for each phase.

It cannot express: steps that depend on the values of N (adaptive steps, iteration to a
tolerance), combinations of the sample at earlier steps, stochastic increments.

``passes`` fuses a phase for execution. Between two evaluations everything is linear, so all that
happens after evaluation i is one pass: a few arrays in, at most two linear combinations out,

    y or x  <-  Phi x + (M ell_i A) y + (M ell_i B) P + sum_j (M ell_j) N_j,     N_i  <-  A y + B P,

where N_i is written only if a later pass or step reads it.
"""

from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

from sympy import Expr, Integer, Symbol

from solvergen.errors import SchemeError
from solvergen.scheme import CURRENT, Kind, Node, Phase, Scheme, Stage, past, stage


@dataclass(frozen=True)
class Evaluate:
    """Call the model at node ``stage`` and turn its prediction into the integrand."""

    stage: int

    def __str__(self) -> str:
        i = self.stage
        return f"P = model(y, t_{i});  N_{i} = A_{i} y + B_{i} P"


@dataclass(frozen=True)
class Combine:
    """Land at ``stage`` (at theta = ``position``) from the integrand values of ``support``."""

    stage: int
    position: Fraction
    support: tuple[Node, ...]

    def __str__(self) -> str:
        i = self.stage
        total = " + ".join(f"ell_{i},{j} N[{node}]" for j, node in enumerate(self.support))
        return f"y = Phi_{i} x + M_{i} ({total})        theta = {self.position}"


@dataclass(frozen=True)
class Accept:
    """The last landing is the next sample."""

    def __str__(self) -> str:
        return "x = y;  shift the history"


Instruction = Evaluate | Combine | Accept


@dataclass(frozen=True)
class PhaseProgram:
    """The instructions of one phase."""

    name: str
    instructions: tuple[Instruction, ...]

    @property
    def combines(self) -> tuple[Combine, ...]:
        return tuple(one for one in self.instructions if isinstance(one, Combine))

    def __str__(self) -> str:
        return "\n".join((f"{self.name}:", *(f"  {one}" for one in self.instructions)))


@dataclass(frozen=True)
class StepProgram:
    """All phases of a solver.

    Attributes:
        phases: ``phases[n]`` is run while n earlier steps can be read.
        history: how many earlier steps the main phase, the last one, reads.
        at_infinity: what a step runs whose start or end lies at gamma = +-inf, where no weights
            of higher order exist; None if gamma is finite over the whole domain.
    """

    phases: tuple[PhaseProgram, ...]
    history: int
    at_infinity: PhaseProgram | None = None

    def __post_init__(self) -> None:
        for available, phase in enumerate(self.phases):
            check(phase, min(available, self.history))
        if self.at_infinity is not None:
            check(self.at_infinity, 0)

    @property
    def all_phases(self) -> tuple[PhaseProgram, ...]:
        """The phases by number, ``at_infinity`` last."""
        return self.phases if self.at_infinity is None else (*self.phases, self.at_infinity)

    @property
    def main(self) -> PhaseProgram:
        return self.phases[-1]

    def __str__(self) -> str:
        return "\n".join(map(str, self.all_phases))


FIRST_ORDER = Phase("first_order", (Stage(Fraction(1), (CURRENT,)),))


def lower(scheme: Scheme, reaches_infinity: bool = False) -> StepProgram:
    """The program of a scheme, with a first-order phase if gamma is infinite at an end."""
    phases = tuple(map(lower_phase, scheme.phases))
    needed = reaches_infinity and scheme.main.stages != FIRST_ORDER.stages
    return StepProgram(phases, scheme.main.history, lower_phase(FIRST_ORDER) if needed else None)


def lower_phase(phase: Phase) -> PhaseProgram:
    """Evaluate, combine, .., accept."""
    instructions: list[Instruction] = []
    for number, one in enumerate(phase.stages, start=1):
        instructions += [
            Evaluate(number - 1),
            Combine(number, one.position, one.support),
        ]
    return PhaseProgram(phase.name, (*instructions, Accept()))


def check(phase: PhaseProgram, available: int) -> None:
    """Refuse a phase that reads what is not there.

    Raises:
        SchemeError: a value is read before it is computed or beyond the history, the program
            does not end with a landing at theta = 1 that is accepted, or a model evaluation is
            never used.
    """
    known = {past(j) for j in range(1, available + 1)}
    used: set[Node] = set()
    landed = Fraction(0)
    for one in phase.instructions:
        if isinstance(one, Evaluate):
            known.add(_node(one.stage))
        elif isinstance(one, Combine):
            missing = [str(node) for node in one.support if node not in known]
            if missing:
                raise SchemeError(
                    f"phase {phase.name!r} reads N[{', '.join(missing)}] in {one}, which has not "
                    f"been computed; known there: {', '.join(sorted(map(str, known)))}."
                )
            used.update(one.support)
            landed = one.position
    if landed != 1 or not isinstance(phase.instructions[-1], Accept):
        raise SchemeError(f"phase {phase.name!r} must end by accepting a landing at theta = 1.")
    unused = {node for node in known - used if node.kind is Kind.STAGE}
    if unused:
        raise SchemeError(
            f"phase {phase.name!r} evaluates the model at {', '.join(map(str, unused))} and "
            "never reads the value; drop the stage or put it into a support."
        )


def _node(index: int) -> Node:
    return CURRENT if index == 0 else stage(index)


class Array(Enum):
    """The arrays of a run beside the integrand values."""

    SAMPLE = "x"
    INPUT = "y"
    PREDICTION = "prediction"


Operand = Array | Node


@dataclass(frozen=True)
class Term:
    """``coefficient`` * ``operand``; the coefficient is a polynomial in the step's scalars."""

    operand: Operand
    coefficient: Expr


@dataclass(frozen=True)
class Pass:
    """One fused pass over memory, after evaluation ``stage``.

    Attributes:
        landing: the combination that becomes the next network input; the next sample if
            ``last``.
        stored: the combination that is kept as N_stage; empty if nothing reads it later.
    """

    stage: int
    last: bool
    landing: tuple[Term, ...]
    stored: tuple[Term, ...]

    @property
    def reads(self) -> tuple[Operand, ...]:
        """The arrays that the pass reads, each once."""
        return tuple(dict.fromkeys(term.operand for term in (*self.landing, *self.stored)))

    def __str__(self) -> str:
        def text(terms: tuple[Term, ...]) -> str:
            return " + ".join(f"({one.coefficient}) {_label(one.operand)}" for one in terms)

        landing = f"{'x' if self.last else 'y'} = {text(self.landing)}"
        return landing + (f";  N_{self.stage} = {text(self.stored)}" if self.stored else "")


def _label(operand: Operand) -> str:
    return operand.value if isinstance(operand, Array) else f"N[{operand}]"


def phi(i: int) -> Symbol:
    """Phi(t_i, s)."""
    return Symbol(f"phi_{i}")


def zeroth_moment(i: int) -> Symbol:
    """M0(t_i, s)."""
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
        tuple(_fuse(phase, combine, converts, program.history > 0) for combine in phase.combines)
        for phase in program.all_phases
    )


def _fuse(
    phase: PhaseProgram, combine: Combine, converts: tuple[bool, bool], has_history: bool
) -> Pass:
    evaluated = combine.stage - 1
    node = _node(evaluated)
    integrand = _converted(evaluated, converts)
    m0 = zeroth_moment(combine.stage)
    landing: dict[Operand, Expr] = {Array.SAMPLE: phi(combine.stage)}
    values: dict[Operand, Expr] = {}
    for j, read in enumerate(combine.support):
        ell = weight(combine.stage, j)
        if read == node:
            for term in integrand:
                landing[term.operand] = landing.get(term.operand, 0) + m0 * ell * term.coefficient
        else:
            values[read] = m0 * ell
    later = {n for one in phase.combines if one.stage > combine.stage for n in one.support}
    keeps = node in later or (evaluated == 0 and has_history)
    last = combine is phase.combines[-1]
    terms = tuple(Term(operand, factor) for operand, factor in {**landing, **values}.items())
    return Pass(evaluated, last, terms, integrand if keeps else ())


def _converted(i: int, converts: tuple[bool, bool]) -> tuple[Term, ...]:
    """N_i = A_i y + B_i P as terms; y is the sample itself at i = 0."""
    a, b = conversion(i)
    source = Array.SAMPLE if i == 0 else Array.INPUT
    shift = (Term(source, a),) if converts[0] else ()
    return (*shift, Term(Array.PREDICTION, b if converts[1] else Integer(1)))
