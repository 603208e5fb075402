"""StepProgram, the intermediate representation: what one step computes, and in which order.

Seven instructions say everything that today's schemes do:

    Evaluate(i)                      P = model(y, t_i);   N_i = A_i y + B_i P
    Combine(i, base, support, rule)  y = x_i = Phi_i x_base + M_i sum_j ell_ij N_j
    Repeat(i, tolerance, limit)      back to Evaluate(i) until y stays what it is
    Estimate(support, rule)          e = M_n (sum_j ell_nj N_j - sum_j ell^_j N_j)
    Draw(i, j)                       w_i = Phi(t_i, t_j) w_j + nu(t_i, t_j) z, z a fresh normal
    Raise                            x = y = up x + nu_0 z,  up = alpha(t_0)/alpha(s),  t_0 > s
    Accept                           the last landing is the next sample; the history moves back

with x_0 the sample at the start of the step and y what the network sees next (y = x_0 at i = 0).
The scalars Phi_i = Phi(t_i, t_base), M_i = M0(t_i, t_base), ell_ij, A_i and B_i are functions of
the time grid alone. Combine(0, base = -1) is a correction: it replaces x_0 by a value that is
computed from the previous step's sample with N_0 known. Estimate leaves the difference of the last
landing x_n from a second one with the weights ell^; both start from x_0, so that Phi_n x_0 cancels.
A program is one list of instructions for each phase.

With noise on the way (``solvergen.derivation.stochasticity``) every landing at stage i has w_i
added to it: the path of one Brownian motion from the start of the step, w_0 = 0, drawn piece by
piece as far as the landings go, so that all of them read the same one. A correction reads the path
of the step that it corrects. Or noise is raised before a step, by forward noising from its start s
to t_0, and the step is one of the ODE from t_0.

Repeat is the one instruction that looks at the values of N. What to do with an estimate, taking the
step or taking a shorter one, is up to whoever runs the program: a phase that is not accepted leaves
the sample as it was.

It cannot express: estimates of steps that read earlier steps, other implicit equations than that
of the last landing, combinations of the sample at several earlier steps, noise in steps that
estimate an error or repeat, landings that go back in time beside noise.

``solvergen.program.fusion`` fuses a phase into passes over memory.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

from solvergen.errors import SchemeError
from solvergen.methods.rule import constants
from solvergen.methods.scheme import CURRENT, Kind, Node, past
from solvergen.program.instructions import (
    Accept,
    Combine,
    Draw,
    Estimate,
    Evaluate,
    Instruction,
    Raise,
    Repeat,
    node_of,
)


@dataclass(frozen=True)
class PhaseProgram:
    """The instructions of one phase."""

    name: str
    instructions: tuple[Instruction, ...]

    @cached_property
    def combines(self) -> tuple[Combine, ...]:
        """The landings of the stages, in their order."""
        return tuple(one for one in self.instructions if isinstance(one, Combine) and one.stage > 0)

    @cached_property
    def correction(self) -> Combine | None:
        """The landing at the start of the step, if there is one."""
        for one in self.instructions:
            if isinstance(one, Combine) and one.stage == 0:
                return one
        return None

    @cached_property
    def landings(self) -> tuple[Combine, ...]:
        """The correction, if any, and the stages."""
        return tuple(one for one in self.instructions if isinstance(one, Combine))

    @property
    def draws(self) -> tuple[Draw, ...]:
        """The noise of its landings, in their order."""
        return tuple(one for one in self.instructions if isinstance(one, Draw))

    @property
    def raises(self) -> bool:
        """Whether the noise is raised before it."""
        return Raise() in self.instructions

    @property
    def noises(self) -> int:
        """How many arrays of normals a step adds."""
        return len(self.draws) + self.raises

    def draw_of(self, stage: int) -> Draw | None:
        """The fresh noise of a landing."""
        return next((one for one in self.draws if one.stage == stage), None)

    @property
    def evaluations(self) -> tuple[int, ...]:
        """Where the model is called."""
        return tuple(one.stage for one in self.instructions if isinstance(one, Evaluate))

    @cached_property
    def rival(self) -> Combine | None:
        """The second landing of the estimate, if there is one."""
        for one in self.instructions:
            if isinstance(one, Estimate):
                return one.rival
        return None

    @cached_property
    def repeat(self) -> Repeat | None:
        """The repetition of the last landing, if there is one."""
        for one in self.instructions:
            if isinstance(one, Repeat):
                return one
        return None

    @cached_property
    def powers(self) -> int:
        """How many powers of theta the weights of its landings are integrals of, theta^0 first."""
        landings = (*self.landings, *([self.rival] if self.rival else []))
        return max(
            one.rule.highest_power + 1 if one.rule.rows else len(one.support) for one in landings
        )

    @property
    def step(self) -> "PhaseProgram":
        """The step alone, without an estimate and an evaluation for that after the last landing."""
        last = Evaluate(len(self.combines))
        kept = (one for one in self.instructions if one != last and not isinstance(one, Estimate))
        return PhaseProgram(self.name, tuple(kept))

    @cached_property
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
        closing: ``closing[m]`` is run when m more steps follow and what it needs can be read.
        pairs: what an adaptive step runs: the main step with an estimate, and one of first order
            for a step that starts or ends at gamma = +-inf; empty without an estimate.
    """

    phases: tuple[PhaseProgram, ...]
    history: int
    at_infinity: PhaseProgram | None = None
    closing: tuple[PhaseProgram, ...] = ()
    pairs: tuple[PhaseProgram, ...] = ()

    def __post_init__(self) -> None:
        for available, phase in enumerate(self.phases):
            check_phase(phase, min(available, self.history))
        for phase in self.closing:
            check_phase(phase, self.history)
        if self.at_infinity is not None:
            check_phase(self.at_infinity, 0)
        for phase in self.pairs:
            check_phase(phase, 0)

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
        if left < len(self.closing) and self.needed(left) <= readable:
            return len(self.phases) + left
        return min(readable, self.history)

    def needed(self, left: int) -> int:
        """How many earlier steps ``closing[left]`` has to find: those that it reads.

        One that corrects replaces the landing of the step before, which must have no inner stages.
        """
        closing = self.closing[left]
        inner = [n for n, one in enumerate(self.phases) if len(one.evaluations) > 1]
        follows = max(inner, default=-2) + 2 if closing.correction is not None else 0
        return max(closing.history, follows)

    @property
    def is_limited(self) -> bool:
        """Whether the weights of a landing are bounded."""
        landings = (one for phase in self.all_phases for one in phase.landings)
        return any(one.bound is not None for one in landings)

    @property
    def unlimited(self) -> "StepProgram":
        """The same without bounds."""
        return self._with(lambda one: replace(one, bound=None))

    @cached_property
    def quiet(self) -> "StepProgram":
        """The same without noise: the mean of a step, given the values that it reads."""
        if not self.is_noisy:
            return self

        def of(phase: PhaseProgram) -> PhaseProgram:
            kept = (one for one in phase.instructions if not isinstance(one, Draw | Raise))
            return PhaseProgram(phase.name, tuple(kept))

        return replace(
            self,
            phases=tuple(map(of, self.phases)),
            closing=tuple(map(of, self.closing)),
            at_infinity=None if self.at_infinity is None else of(self.at_infinity),
        )

    @property
    def at_its_limits(self) -> "StepProgram":
        """What is left on even steps where bounds that these just reach act everywhere."""
        return self._with(_at_its_limits)

    def _with(self, changed: Callable[[Combine], Combine]) -> "StepProgram":
        def of(phase: PhaseProgram) -> PhaseProgram:
            instructions = (
                changed(one) if isinstance(one, Combine) and one.bound else one
                for one in phase.instructions
            )
            return PhaseProgram(phase.name, tuple(instructions))

        phases, closing = tuple(map(of, self.phases)), tuple(map(of, self.closing))
        return replace(self, phases=phases, closing=closing)

    @property
    def is_noisy(self) -> bool:
        """Whether noise is added on the way."""
        return self.main.noises > 0

    @property
    def raises(self) -> bool:
        """Whether noise is raised before steps of the ODE."""
        return self.main.raises

    @property
    def main(self) -> PhaseProgram:
        """What every step runs once the history is long enough, until the closing ones."""
        return self.phases[-1]

    @property
    def corrects(self) -> bool:
        """Whether a phase corrects, so that a run carries the previous sample."""
        return any(phase.correction is not None for phase in self.all_phases)

    @property
    def is_reversible(self) -> bool:
        """Whether its landings are mirrored: a run carries the pair of both samples."""
        return self.main.combines[-1].mirrored

    @property
    def repeat(self) -> Repeat | None:
        """The repetition of the main step, if there is one."""
        return self.main.repeat

    def __str__(self) -> str:
        return "\n".join(map(str, (*self.all_phases, *self.pairs)))


def _at_its_limits(combine: Combine) -> Combine:
    """The landing with the weights of two nodes on even steps, if these are its bound."""
    bound = combine.bound
    if bound is None or bound.factor > 1:
        return replace(combine, bound=None)
    newest = tuple(combine.support[j] for j in combine.newest_first[:2])
    return replace(combine, support=newest, rule=constants(bound.even(2)), bound=None)


def check_phase(phase: PhaseProgram, available: int) -> None:
    """Refuse a phase that reads what is not there.

    Raises:
        SchemeError: a value is read before it is computed or beyond the history, the program
            does not end with a landing at theta = 1 that is accepted, or a model evaluation is
            never used.
    """
    if Raise() in phase.instructions[1:] or (phase.raises and (available or phase.draws)):
        raise SchemeError(
            f"phase {phase.name!r} raises the noise beside values of earlier steps, or inside of "
            "the step; expected that before the first evaluation of a step that reads no other."
        )
    known = {past(j) for j in range(1, available + 1)}
    used: set[Node] = set()
    landed = Fraction(0)
    _check_draws(phase)
    for one in phase.instructions:
        if isinstance(one, Evaluate):
            known.add(node_of(one.stage))
        elif isinstance(one, Combine | Estimate):
            landing = one.rival if isinstance(one, Estimate) else one
            read = [node for node in (*landing.support, landing.base) if node != CURRENT]
            read += [CURRENT] if CURRENT in landing.support else []
            missing = [str(node) for node in read if node not in known]
            if missing:
                raise SchemeError(
                    f"phase {phase.name!r} reads N[{', '.join(missing)}] in {one}, which has not "
                    f"been computed; known there: {', '.join(sorted(map(str, known)))}."
                )
            used.update(landing.support)
            landed = landing.position
    if landed != 1 or not isinstance(phase.instructions[-1], Accept):
        raise SchemeError(f"phase {phase.name!r} must end by accepting a landing at theta = 1.")
    unused = {node for node in known - used if node.kind is Kind.STAGE}
    if unused:
        raise SchemeError(
            f"phase {phase.name!r} evaluates the model at {', '.join(map(str, unused))} and "
            "never reads the value; drop the stage or put it into a support."
        )


def _check_draws(phase: PhaseProgram) -> None:
    """Refuse noise that skips a piece of the step, or draws one twice.

    Raises:
        SchemeError: a piece does not begin where the one before ends, a landing lies before the
            noise that is drawn, or the last piece does not end with the step.
    """
    drawn, reached = 0, Fraction(0)
    for one in phase.instructions if phase.draws else ():
        if isinstance(one, Draw):
            if one.since != drawn or phase.position(one.stage) <= reached:
                raise SchemeError(
                    f"phase {phase.name!r} draws {one} after the noise up to theta = {reached}: "
                    f"it would skip or repeat a piece of one path. Expected stages that go on in "
                    "time, or no stochasticity."
                )
            drawn, reached = one.stage, phase.position(one.stage)
        elif isinstance(one, Combine) and one.stage and one.position != reached:
            raise SchemeError(
                f"phase {phase.name!r}: {one} lands where the noise that is drawn does not end, "
                f"theta = {reached}. All landings of a step read one path, piece by piece: "
                "expected stages that go on in time, or no stochasticity."
            )
