"""A start-up step that is a main step whose earliest node is at infinity.

Weights through nodes behind a step are written in the reciprocals of their places
(``PhasePrinter._behind``), p = -h/h_1 and h_1/h_2, so that a node at infinity has the weight 0 and
the others are those of one node less. A step by 0, -1 is one by 0, -1, -2 after h_2 = inf: the
last phase of such a start-up needs no function of its own.

A main step that corrects the landing of the step before it, y + Phi M0 sum_j (ell_j - ell'_j) N_j
with M0 of that step, is one that does not where that M0 is 0.
"""

from dataclasses import replace

from sympy import Expr, Integer

from solvergen.methods.scheme import past
from solvergen.program.program import StepProgram
from solvergen.program.table import phi, weight, zeroth_moment
from solvergen.scalars.landings import LandingWeights
from solvergen.scalars.phase_formulas import factored
from solvergen.targets.rows import PhasePrinter
from solvergen.targets.step_scalars import StepScalars


def joined(
    given: StepScalars, program: StepProgram, phases: list[PhasePrinter]
) -> list[PhasePrinter]:
    """The phases, with the main one in place of the one before it, if it takes that over.

    Then every step must be finite. In a scheduler it need not be, though the schedule is finite:
    its network's table may begin where alpha = 0.
    """
    number = len(program.phases) - 2  # of the step in question
    may_be_infinite = given.formulas.schedule.is_half_log_snr and program.at_infinity is None
    if given.numbered or number < 0 or may_be_infinite:
        return phases
    start, main = phases[number : number + 2]
    missing = [given.argument(main, back) for back in range(number + 1, len(main.times) - 1)]
    is_length = len(missing) == 1 and missing[0].startswith("h")
    if not is_length or main.reads & {*main.times[2:]} or not _is_first(start, main):
        return phases
    return [*phases[:number], _begun(main), *phases[number + 2 :]]


def _is_first(start: PhasePrinter, main: PhasePrinter) -> bool:
    """Whether the step before is a main step with the earliest node at infinity."""
    few, *others = start.phase.weights
    last = [one for one in main.phase.weights if one.combine.stage == few.combine.stage]
    if others or len(last) != 1 or start.codes != main.codes:
        return False
    if main.phase.table.before is not None and zeroth_moment(0) in main.lengths_of_moments:
        return False
    if not all(map(main.lets_go, main.phase.weights)):
        return False
    (many,), earliest = last, past(len(main.times) - 2)
    if few.combine.support != tuple(one for one in many.combine.support if one != earliest):
        return False
    count = len(few.combine.support)
    none = {weight(many.combine.stage, k): Integer(0) for k in range(count, len(many.nodes))}
    none |= {zeroth_moment(0): Integer(0), **dict(few.numbers)}
    rows = tuple(tuple(one.xreplace(none) for one in row) for row in main.phase.rows)
    return rows == start.phase.rows and _are_alike(few, many)


def _are_alike(few: LandingWeights, many: LandingWeights) -> bool:
    """Whether weights are interpolated and bounded in the same way, some with a node more; the
    weight of one node is 1."""
    if len(few.combine.support) == 1:
        return [form for _, form in few.numbers] == [1] and not many.rows
    if any(len(one.nodes) != len(one.combine.support) for one in (few, many)):
        return False
    moments = many.moments and many.moments[: len(few.nodes)]
    bounds = {one.combine.bound and one.combine.bound.factor for one in (few, many)}
    return few.moments == moments and len(bounds) == 1


def _begun(main: PhasePrinter) -> PhasePrinter:
    """The main phase, which takes over the step before it; Phi M0 of a correction as one."""
    if main.phase.table.before is None:
        return replace(main, begins=True)
    moment, (factor, *_) = zeroth_moment(0), (phi(one.stage) for one in main.landings[1:])
    name, last = main.short(moment), f"h_{len(main.times) - 2}"
    chosen = f"np.where(np.isfinite({last}), {name}, 0.0)"
    product = f"{main.short(factor)} * {chosen}" if factor in main.phase.read else chosen

    def carried(form: Expr) -> Expr:
        return factored(form.expand().subs(factor * moment, moment))

    rows = tuple(tuple(map(carried, row)) for row in main.phase.rows)
    opening = (f"{name} = {product}  # of the correction, which the first has not",)
    return replace(main, begins=True, opening=opening, phase=replace(main.phase, rows=rows))
