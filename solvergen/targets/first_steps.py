"""A start-up step that is a main step whose earliest node is at infinity.

Weights through nodes behind the step are written in the reciprocals of their places
(``PhasePrinter._behind``), p = -h/h_1 and h_1/h_2, so that a node at infinity has the weight 0 and
the others are those of one node less. A step by 0, -1 is one by 0, -1, -2 after h_2 = inf: the
last phase of such a start-up needs no function of its own.
"""

from dataclasses import replace

from sympy import Integer

from solvergen.methods.scheme import CURRENT, Kind
from solvergen.program.program import StepProgram
from solvergen.program.table import weight
from solvergen.scalars.landings import LandingWeights
from solvergen.targets.rows import WRITTEN_OUT, PhasePrinter
from solvergen.targets.step_scalars import StepScalars


def joined(
    given: StepScalars, program: StepProgram, phases: list[PhasePrinter]
) -> list[PhasePrinter]:
    """The phases, with the main one in place of the one before it, if it takes that over."""
    count = len(program.phases)
    if given.numbered or count < 2:
        return phases
    (start, main), others = phases[count - 2 : count], phases[count:]
    earlier = (given.argument(main, back) for back in range(1, len(main.times) - 1))
    if main.reads & {*main.times[2:]} or not all(one.startswith("h") for one in earlier):
        return phases
    whole = [replace(main, begins=True)] if _is_first(start, main) else [start, main]
    return [*phases[: count - 2], *whole, *others]


def _is_first(start: PhasePrinter, main: PhasePrinter) -> bool:
    """Whether the step before is a main step with the earliest node at infinity."""
    if len(main.phase.weights) != 1 or len(start.phase.weights) != 1 or start.codes != main.codes:
        return False
    (few,), (many,) = start.phase.weights, main.phase.weights
    support, count = many.combine.support, len(many.nodes)
    if not 2 <= count <= WRITTEN_OUT or support[: count - 1] != few.combine.support:
        return False
    if support[0] != CURRENT or any(node.kind is not Kind.PAST for node in support[1:]):
        return False
    missing = {weight(many.combine.stage, count - 1): Integer(0), **dict(few.numbers)}
    rows = tuple(tuple(one.xreplace(missing) for one in row) for row in main.phase.rows)
    return rows == start.phase.rows and (count == 2 or _are_fewer(few, many))


def _are_fewer(few: LandingWeights, many: LandingWeights) -> bool:
    """Whether these are the weights of all nodes but the last, in the same way."""
    moments = many.moments and many.moments[:-1]
    bounds = [one.combine.bound and one.combine.bound.factor for one in (few, many)]
    return few.moments == moments and len(few.nodes) == len(many.nodes) - 1 and len({*bounds}) == 1
