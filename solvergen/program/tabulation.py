"""The table of a program: the rows of every phase, and the passes that serve them.

One pass serves all rows where it moves at most ``LIMIT`` times the memory of the passes of a main
step; else there is one for every position of it.
"""

from dataclasses import replace

from solvergen.program.drafts import PhaseDraft
from solvergen.program.instructions import Combine
from solvergen.program.places import Places
from solvergen.program.program import StepProgram
from solvergen.program.table import (
    Array,
    Row,
    Shape,
    Table,
    TablePhase,
    in_order,
)

LIMIT = 1.35
"""A loop that moves a third more than it has to is worth the function that it saves; at twice as
much (rk4) it is not."""


def tabulate(program: StepProgram, converts: tuple[bool, bool]) -> Table:
    """The table of a program.

    Args:
        program: what a step computes.
        converts: whether A is not identically 0, and B not identically 1.
    """
    has_stages = len(program.main.evaluations) > 1
    keeps_start = has_stages and not (program.corrects or program.main.draws)
    keys, variants = _variants(program)
    drafts = [
        PhaseDraft(program.all_phases[number], before, keeps_start, converts)
        for number, before in keys
    ]
    count, taken = len(program.all_phases), _taken(program)
    own = [pair.step for pair, number in zip(program.pairs, taken, strict=True) if number is None]
    allocated = [
        *(
            Places(draft, _readable(program, number), _kept(program, number))
            for draft, (number, _) in zip(drafts, keys, strict=True)
        ),
        *(Places(PhaseDraft(one, None, keeps_start, converts), None, 0) for one in own),
    ]
    places = max(one.needed for one in allocated)
    phases = [one.phase(places) for one in allocated]
    phases[count : len(keys)] = [
        replace(one, name=f"{one.name}_{n}")
        for n, one in enumerate(phases[count : len(keys)], start=1)
    ]
    shapes, numbered = _shaped(phases, phases[len(program.phases) - 1])
    added = iter(numbered[len(keys) :])
    steps = [next(added) if number is None else numbered[number] for number in taken]
    pairs = tuple(
        replace(step, program=pair, error=PhaseDraft(pair, None, keeps_start, converts).error)
        for step, pair in zip(steps, program.pairs, strict=True)
    )
    return Table(numbered[: len(keys)], variants, keeps_start, places, shapes, pairs)


def _taken(program: StepProgram) -> list[int | None]:
    """The phase that takes the step of each pair, if there is one that can estimate its error too.

    With closing phases a module calls all of them by their numbers, for rows alone.
    """
    found: list[int | None] = []
    for pair in program.pairs:
        same = (
            number
            for number, phase in enumerate(() if program.closing else program.all_phases)
            if phase.combines == pair.combines and number not in found
        )
        found.append(next(same, None))
    return found


def _readable(program: StepProgram, number: int) -> int | None:
    """How many earlier values a phase finds; None for a step of which nothing is read later."""
    if number < len(program.phases):
        return program.history if program.is_reversible else number
    return program.history if number < len(program.phases) + len(program.closing) else None


def _kept(program: StepProgram, number: int) -> int:
    """How many values the step after a phase may read: none after the end of a reversible run."""
    ends = program.is_reversible and number == len(program.phases)
    return 0 if ends else program.history


def _variants(
    program: StepProgram,
) -> tuple[list[tuple[int, Combine | None]], dict[tuple[int, int], int]]:
    """(phase, the landing that its correction replaces), and which pairs of phases are variants.

    A correcting phase follows another one of the same method. Which one it is makes no difference
    unless that one's last landing has another support or other weights.
    """
    lasts = [phase.combines[-1] for phase in program.all_phases]
    keys: list[tuple[int, Combine | None]] = []
    for number, phase in enumerate(program.all_phases):
        replaces = phase.correction is not None and not program.is_reversible
        usual = lasts[_usual(program, number)] if replaces else None
        keys.append((number, usual))
    variants: dict[tuple[int, int], int] = {}
    for number, earlier in _neighbours(program):
        usual = keys[number][1]
        if usual is None or _same_landing(lasts[earlier], usual):
            continue
        key = (number, lasts[earlier])
        found = next(
            (k for k, one in enumerate(keys) if one[0] == number and _same_landing(one[1], key[1])),
            None,
        )
        if found is None:
            found = len(keys)
            keys.append(key)
        variants[number, earlier] = found
    return keys, variants


def _same_landing(first: Combine | None, second: Combine | None) -> bool:
    return (first is None) == (second is None) and (
        first is None
        or second is None
        or (first.support, first.rule, first.base) == (second.support, second.rule, second.base)
    )


def _usual(program: StepProgram, number: int) -> int:
    """The phase that most often runs before this one."""
    main = len(program.phases) - 1
    return number - 1 if number < main else main


def _neighbours(program: StepProgram) -> list[tuple[int, int]]:
    """Which phases follow one another in a run of any length, (later, earlier)."""
    found: dict[tuple[int, int], None] = {}
    longest = program.history + len(program.closing) + 3
    for steps in range(1, longest + 1):
        numbers = [program.number(n, steps - 1 - n) for n in range(steps)]
        found |= dict.fromkeys(zip(numbers[1:], numbers[:-1], strict=True))
    return list(found)


def _shaped(
    phases: list[TablePhase], main: TablePhase
) -> tuple[tuple[Shape, ...], tuple[TablePhase, ...]]:
    """The passes, and the phases with the number of each row's pass.

    A start-up that needs more places than the main steps (orders from 5 on) has a pass of its own.
    """
    rows = [row for phase in phases for row in phase.rows]
    own = [_shape([row]) for row in main.rows]
    moved, whole = sum(one.moved for one in own), _shape(rows)
    if len(own) * whole.moved <= LIMIT * moved:
        shapes: tuple[Shape, ...] = (whole,)
    elif len(own) * _shape(list(main.rows)).moved <= LIMIT * moved:
        shapes = (_shape(list(main.rows)),)
    else:
        shapes = tuple(dict.fromkeys(own))
    left = [row for row in rows if _fitting(row, shapes) is None]
    shapes = (*shapes, _shape(left)) if left else shapes
    numbered = (
        replace(
            phase,
            rows=tuple(replace(row, shape=_fitting(row, shapes) or 0) for row in phase.rows),
        )
        for phase in phases
    )
    return shapes, tuple(numbered)


def _fitting(row: Row, shapes: tuple[Shape, ...]) -> int | None:
    """The first pass that has all columns of a row, the one of its own first."""
    wanted = _shape([row])
    if wanted in shapes:
        return shapes.index(wanted)
    for n, shape in enumerate(shapes):
        fits = set(wanted.landing) <= set(shape.landing) and set(wanted.value) <= set(shape.value)
        if fits and (wanted.copies == shape.copies or not wanted.value):
            return n
    return None


def _shape(rows: list[Row]) -> Shape:
    """What some rows read together."""
    landing = in_order({one for row in rows for one in row.landing})
    value = in_order({one for row in rows for one in row.value})
    copies = value == (Array.PREDICTION,) and all(
        row.value[Array.PREDICTION] == 1 for row in rows if row.value
    )
    return Shape(landing, value, copies)
