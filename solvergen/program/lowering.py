"""Lowers a scheme to its program: the instructions of every phase, in their order."""

from dataclasses import replace
from fractions import Fraction

from solvergen.methods.limiter import bound_of
from solvergen.methods.scheme import CURRENT, Phase, Scheme, Stage, stage
from solvergen.program.instructions import (
    Accept,
    Combine,
    Draw,
    Estimate,
    Evaluate,
    Instruction,
    Raise,
    Repeat,
)
from solvergen.program.program import PhaseProgram, StepProgram

FIRST_ORDER = Phase("first_order", (Stage(Fraction(1), (CURRENT,)),))
FIRST_ORDER_PAIR = Phase(
    "first_order_pair", FIRST_ORDER.stages, estimate=Stage(Fraction(1), (stage(1),))
)
"""Euler and backward Euler: single nodes, whose weights are 1 wherever they lie."""


def lower(
    scheme: Scheme,
    reaches_infinity: bool = False,
    factor: Fraction | None = None,
    is_noisy: bool = False,
    raises: bool = False,
) -> StepProgram:
    """The program of a scheme.

    Args:
        scheme: the scheme.
        reaches_infinity: whether gamma is infinite at an end: a first-order phase is added.
        factor: c of ``solvergen.methods.limiter``; None for no bounds.
        is_noisy: whether noise is added to every landing; such steps estimate no errors.
        raises: whether it is raised before every step; likewise.
    """

    def lowered(phase: Phase, factor: Fraction | None = factor) -> PhaseProgram:
        found = lower_phase(phase, factor, is_noisy)
        return replace(found, instructions=(Raise(), *found.instructions)) if raises else found

    phases = tuple(map(lowered, scheme.phases))
    main = scheme.main
    needed = reaches_infinity and (main.stages, main.correction) != (FIRST_ORDER.stages, None)
    pair = None if is_noisy or raises else scheme.pair
    pairs = [pair] if pair else []
    pairs += [FIRST_ORDER_PAIR] if pair and reaches_infinity else []
    return StepProgram(
        phases,
        main.history,
        lowered(FIRST_ORDER, None) if needed else None,
        tuple(map(lowered, scheme.closing)),
        tuple(map(lower_phase, pairs)),
    )


def lower_phase(
    phase: Phase, factor: Fraction | None = None, is_noisy: bool = False
) -> PhaseProgram:
    """Evaluate, correct, draw, combine, evaluate, draw, combine, .., repeat or estimate, accept."""
    instructions: list[Instruction] = []
    last = len(phase.stages)
    drawn, reached = 0, Fraction(0)
    for number, one in enumerate(phase.stages, start=1):
        instructions.append(Evaluate(number - 1))
        if number == 1 and phase.correction is not None:
            instructions.append(_lower_stage(0, phase.correction))
        if is_noisy and one.position != reached:
            instructions.append(Draw(number, drawn))
            drawn, reached = number, one.position
        instructions.append(_lower_stage(number, one, factor))
    if phase.iteration is not None:
        instructions.append(Repeat(last - 1, phase.iteration.tolerance, phase.iteration.limit))
    if phase.estimate is not None:
        if stage(last) in phase.estimate.support:
            instructions.append(Evaluate(last))
        instructions.append(Estimate(_lower_stage(last, phase.estimate)))
    return PhaseProgram(phase.name, (*instructions, Accept()))


def _lower_stage(number: int, one: Stage, factor: Fraction | None = None) -> Combine:
    found = bound_of(one, factor)
    return Combine(number, one.position, one.support, one.rule, one.base, found, one.mirrored)
