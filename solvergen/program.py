"""StepProgram, the intermediate representation: what one step computes, and in which order.

Three instructions say everything that today's schemes do:

    Evaluate(i)                      P = model(y, t_i);   N_i = A_i y + B_i P
    Combine(i, base, support, rule)  y = x_i = Phi_i x_base + M_i sum_j ell_ij N_j
    Accept                           the last landing is the next sample; the history moves back

with x_0 the sample at the start of the step and y what the network sees next (y = x_0 at i = 0).
The scalars Phi_i = Phi(t_i, t_base), M_i = M0(t_i, t_base), ell_ij, A_i and B_i are functions of
the time grid alone. Combine(0, base = -1) is a correction: it replaces x_0 by a value that is
computed from the previous step's sample with N_0 known. A program is one list of instructions for
each phase.

It cannot express: steps that depend on the values of N (adaptive steps, iteration to a
tolerance), combinations of the sample at several earlier steps, stochastic increments.

``solvergen.fusion`` fuses a phase into passes over memory.
"""

from dataclasses import dataclass
from fractions import Fraction

from solvergen.errors import SchemeError
from solvergen.rule import INTERPOLATION, Rule
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
    """Land at ``stage`` (at theta = ``position``) from ``base`` and the values of ``support``."""

    stage: int
    position: Fraction
    support: tuple[Node, ...]
    rule: Rule = INTERPOLATION
    base: Node = CURRENT

    @property
    def node(self) -> Node:
        """Where it lands."""
        return node_of(self.stage)

    def __str__(self) -> str:
        i = self.stage
        total = " + ".join(f"ell_{i},{j} N[{node}]" for j, node in enumerate(self.support))
        start = "x" if self.base == CURRENT else f"x[{self.base}]"
        return f"y = Phi_{i} {start} + M_{i} ({total})        theta = {self.position}{self.rule}"


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
        """The landings of the stages, in their order."""
        return tuple(one for one in self.instructions if isinstance(one, Combine) and one.stage > 0)

    @property
    def correction(self) -> Combine | None:
        """The landing at the start of the step, if there is one."""
        for one in self.instructions:
            if isinstance(one, Combine) and one.stage == 0:
                return one
        return None

    @property
    def landings(self) -> tuple[Combine, ...]:
        """The correction, if any, and the stages."""
        return tuple(one for one in self.instructions if isinstance(one, Combine))

    @property
    def history(self) -> int:
        """How many earlier steps it reads."""
        read = [node for one in self.landings for node in (*one.support, one.base)]
        return max((node.index for node in read if node.kind is Kind.PAST), default=0)

    def position(self, stage: int) -> Fraction:
        """theta of an evaluation; of the end of the step for the last stage."""
        return Fraction(0) if stage == 0 else self.combines[stage - 1].position

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
        closing: ``closing[m]`` is run when m more steps follow and its history can be read.
    """

    phases: tuple[PhaseProgram, ...]
    history: int
    at_infinity: PhaseProgram | None = None
    closing: tuple[PhaseProgram, ...] = ()

    def __post_init__(self) -> None:
        for available, phase in enumerate(self.phases):
            check(phase, min(available, self.history))
        for phase in self.closing:
            check(phase, self.history)
        if self.at_infinity is not None:
            check(self.at_infinity, 0)

    @property
    def all_phases(self) -> tuple[PhaseProgram, ...]:
        """The phases by number: start-up, main, closing, and ``at_infinity`` last."""
        return (*self.phases, *self.closing, *([self.at_infinity] if self.at_infinity else []))

    def number(self, readable: int, left: int) -> int:
        """Which of ``all_phases`` a step runs.

        Args:
            readable: how many earlier steps it can read.
            left: how many steps follow it.
        """
        readable = min(readable, self.history)
        if left < len(self.closing) and self.closing[left].history <= readable:
            return len(self.phases) + left
        return readable

    @property
    def main(self) -> PhaseProgram:
        """What every step runs once the history is long enough, until the closing ones."""
        return self.phases[-1]

    @property
    def corrects(self) -> bool:
        """Whether a phase corrects, so that a run carries the previous sample."""
        return any(phase.correction is not None for phase in self.all_phases)

    def __str__(self) -> str:
        return "\n".join(map(str, self.all_phases))


FIRST_ORDER = Phase("first_order", (Stage(Fraction(1), (CURRENT,)),))


def lower(scheme: Scheme, reaches_infinity: bool = False) -> StepProgram:
    """The program of a scheme, with a first-order phase if gamma is infinite at an end."""
    phases = tuple(map(lower_phase, scheme.phases))
    main = scheme.main
    needed = reaches_infinity and (main.stages, main.correction) != (FIRST_ORDER.stages, None)
    at_infinity = lower_phase(FIRST_ORDER) if needed else None
    return StepProgram(phases, main.history, at_infinity, tuple(map(lower_phase, scheme.closing)))


def lower_phase(phase: Phase) -> PhaseProgram:
    """Evaluate, correct, combine, evaluate, combine, .., accept."""
    instructions: list[Instruction] = []
    for number, one in enumerate(phase.stages, start=1):
        instructions.append(Evaluate(number - 1))
        if number == 1 and phase.correction is not None:
            instructions.append(_lower_stage(0, phase.correction))
        instructions.append(_lower_stage(number, one))
    return PhaseProgram(phase.name, (*instructions, Accept()))


def _lower_stage(number: int, one: Stage) -> Combine:
    return Combine(number, one.position, one.support, one.rule, one.base)


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
            known.add(node_of(one.stage))
        elif isinstance(one, Combine):
            read = [node for node in (*one.support, one.base) if node != CURRENT]
            read += [CURRENT] if CURRENT in one.support else []
            missing = [str(node) for node in read if node not in known]
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


def node_of(index: int) -> Node:
    """The node of an evaluation."""
    return CURRENT if index == 0 else stage(index)
