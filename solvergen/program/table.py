"""A run as a table: one row for every evaluation, one linear combination a row (THEORY section 11).

Between two evaluations everything is linear, so all that happens after evaluation i of a step is

    y    <-  c_x x + c_y y + c_P P + sum_j c_j v_j      the landing: the next input, or the sample
    N_i  <-  a y + b P                                  the integrand, where a later row reads it

with P = model(y, t_i), x the sample at the start of the step and v_j the values that are kept. Two
state forms say all schemes:

* A main step of two or more evaluations keeps x beside y. Then the landing starts from x itself,
  which takes no rounding error over from one stage to the next, and is possible where Phi = 0.
* Else x is not kept: every landing is written over the one before it, and a row that needs x (of a
  start-up with inner stages) has it from the last landing, y = Phi x + rest, so that

      Phi_(i+1) x + rest_(i+1) = Phi(t_(i+1), t_i) (y - rest_i) + rest_(i+1).

  A correction, Phi x_(n-1) + M0 sum_j ell_j N_j in place of the landing y = Phi x_(n-1) + M0 sum_j
  ell'_j N_j of the step before, is y + M0 sum_j (ell_j - ell'_j) N_j: it needs no x_(n-1) either.

The values that are kept lie in a fixed number of places, in the order of the pass's arguments. A
pass writes its value over the last place, which is read before it is written, and ``Row.order``
then says how the places are ordered for the next row: step values first, newest first. A value
that nobody reads later is written there too; the place is one that nobody reads later either.

One pass serves all rows where it moves at most ``LIMIT`` times the memory of the passes of a main
step; else there is one for every position of it. What neither form says: an estimate of the error
is a sum over all values of a step, and is kept apart (``Row.error``).
"""

from dataclasses import dataclass, field, replace
from enum import Enum
from fractions import Fraction
from functools import cached_property

from sympy import Expr, Integer, Rational, Symbol

from solvergen.errors import SchemeError
from solvergen.methods.rule import is_constant
from solvergen.methods.scheme import CURRENT, Kind, Node, past
from solvergen.program.program import Combine, PhaseProgram, StepProgram, node_of

LIMIT = 1.35
"""A loop that moves a third more than it has to is worth the function that it saves; at twice as
much (rk4) it is not."""


class Array(Enum):
    """The arrays of a run beside the values that it keeps."""

    START = "x"
    INPUT = "y"
    PREDICTION = "prediction"


@dataclass(frozen=True, order=True)
class Place:
    """Memory of one kept value: the index-th argument after the arrays."""

    index: int


Operand = Array | Node
Terms = dict[Operand, Expr]
Placed = dict[Array | Place, Expr]


@dataclass(frozen=True)
class Row:
    """One evaluation.

    Attributes:
        stage: of its phase; its time is that of node_of(stage).
        landing: the factors of the next y; empty if the evaluation serves an estimate alone.
        value: the factors of N_stage; empty if no later row reads it.
        order: the places of this row, as they are ordered for the next one.
        ends: whether x becomes y after it: the step ends with it, and x is kept.
        repeats: whether it is run again until y stays what it is.
        shape: the number of its pass in ``Table.shapes``.
    """

    stage: int
    landing: Placed
    value: Placed
    order: tuple[int, ...]
    ends: bool
    repeats: bool = False
    shape: int = 0

    @property
    def kind(self) -> "RowKind":
        """What a run does with it."""
        return RowKind(self.shape, self.ends, self.repeats, self.order)


@dataclass(frozen=True, order=True)
class RowKind:
    """What a run does with a row.

    Attributes:
        shape: the number of its pass.
        ends: whether the step ends: x becomes y.
        repeats: whether the row is run again until y stays what it is.
        order: the places of the values, as they are ordered for the next row.
    """

    shape: int
    ends: bool
    repeats: bool
    order: tuple[int, ...]

    @property
    def keeps(self) -> bool:
        """Whether the value that was written last comes first: the newest of a queue."""
        return len(self.order) > 1 and self.order == (
            len(self.order) - 1,
            *range(len(self.order) - 1),
        )

    @property
    def stays(self) -> bool:
        """Whether the places stay in their order."""
        return self.order == tuple(range(len(self.order)))


@dataclass(frozen=True)
class TablePhase:
    """The rows of one phase of a program.

    Attributes:
        name: of the phase.
        program: what it computes.
        rows: one for every evaluation.
        before: the last landing of the step before, if a correction replaces it.
        error: the factors of N_0, N_1, .. in the estimate of the error, if there is one.
    """

    name: str
    program: PhaseProgram
    rows: tuple[Row, ...]
    before: Combine | None = None
    error: Terms = field(default_factory=dict)


@dataclass(frozen=True)
class Shape:
    """One pass: the arrays and places that its landing and its value read.

    Attributes:
        landing: of the landing, in the order of the columns.
        value: of the value; empty if it keeps none.
        copies: whether the value is the prediction itself.
    """

    landing: tuple[Array | Place, ...]
    value: tuple[Array | Place, ...]
    copies: bool

    @property
    def width(self) -> int:
        """Columns of a row, the time included."""
        return 1 + len(self.landing) + (0 if self.copies else len(self.value))

    @property
    def reads(self) -> tuple[Array | Place, ...]:
        """The arrays and places that it reads, each once, in the order of arguments."""
        return _sorted({*self.landing, *self.value})

    @property
    def moved(self) -> int:
        """Arrays that it reads and writes."""
        return len(self.reads) + 1 + bool(self.value)


@dataclass(frozen=True)
class Table:
    """All rows of a method, and the passes that fit them.

    Attributes:
        phases: in the order of their numbers: start-up, main, closing, at infinity; then the
            variants of phases whose correction follows another landing than usual.
        variants: (phase, phase before) -> the number of the variant.
        keeps_start: whether x is kept beside y.
        places: how many values are kept at once, the one that is written included.
        shapes: the passes.
        pairs: the phases of adaptive steps.
    """

    phases: tuple[TablePhase, ...]
    variants: dict[tuple[int, int], int]
    keeps_start: bool
    places: int
    shapes: tuple[Shape, ...]
    pairs: tuple[TablePhase, ...] = ()

    @cached_property
    def kinds(self) -> tuple["RowKind", ...]:
        """What may be done after a row, by the number that the column behind its time holds."""
        found = {row.kind for phase in self.phases for row in phase.rows}
        return tuple(sorted(found))

    @property
    def pair_shape(self) -> Shape:
        """The columns of adaptive steps: x, y, the prediction and all values before it, then N."""
        count = max((len(phase.rows) for phase in self.pairs), default=1)
        arrays = tuple(Array)
        return Shape((*arrays, *(Place(k) for k in range(count - 1))), arrays, False)

    @property
    def first_factor(self) -> int:
        """The column of the first factor: behind the time, and the kind if there are several."""
        return 1 + (len(self.kinds) > 1)

    @property
    def width(self) -> int:
        """Columns of the table: the time, the kind of row if there are several, the factors."""
        return max(shape.width for shape in self.shapes) + (len(self.kinds) > 1)


def columns_of(row: Row, shape: Shape) -> list[Expr]:
    """The factors of a row in the columns of its pass."""
    zero = Integer(0)
    value = [] if shape.copies else [row.value.get(one, zero) for one in shape.value]
    return [*(row.landing.get(one, zero) for one in shape.landing), *value]


def phi(i: int, base: int | None = None) -> Symbol:
    """Phi(t_i, t_base): from the base of landing i, or from another stage of the step."""
    return Symbol(f"phi_{i}" if base is None else f"phi_{i}_from_{base}")


def zeroth_moment(i: int) -> Symbol:
    """M0(t_i, t_base)."""
    return Symbol(f"m_{i}")


def weight(i: int, j: int) -> Symbol:
    """ell_j of landing i."""
    return Symbol(f"ell_{i}_{j}")


def weight_before(j: int) -> Symbol:
    """ell_j of the last landing of the step before."""
    return Symbol(f"ell_before_{j}")


def rival_weight(j: int) -> Symbol:
    """ell^_j of the second landing of an estimate."""
    return Symbol(f"ell_hat_{j}")


def conversion(i: int) -> tuple[Symbol, Symbol]:
    """(A_i, B_i) of  N = A y + B prediction  at evaluation i."""
    return Symbol(f"a_{i}"), Symbol(f"b_{i}")


def tabulate(program: StepProgram, converts: tuple[bool, bool]) -> Table:
    """The table of a program.

    Args:
        program: what a step computes.
        converts: whether A is not identically 0, and B not identically 1.
    """
    keeps_start = len(program.main.evaluations) > 1 and not program.corrects
    keys, variants = _variants(program)
    drafts = [
        _Phase(program.all_phases[number], before, keeps_start, converts) for number, before in keys
    ]
    count = len(program.all_phases)
    allocated = [
        _Places(draft, _readable(program, number), program.history)
        for draft, (number, _) in zip(drafts, keys, strict=True)
    ]
    places = max(one.needed for one in allocated)
    phases = [one.phase(places) for one in allocated]
    phases[count:] = [
        replace(one, name=f"{one.name}_{n}") for n, one in enumerate(phases[count:], start=1)
    ]
    shapes, numbered = _shaped(phases, phases[len(program.phases) - 1])
    return Table(numbered, variants, keeps_start, places, shapes, _pairs(program, converts))


def _readable(program: StepProgram, number: int) -> int | None:
    """How many earlier values a phase finds; None for a step of which nothing is read later."""
    if number < len(program.phases):
        return number
    return program.history if number < len(program.phases) + len(program.closing) else None


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
        usual = None if phase.correction is None else lasts[_usual(program, number)]
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


@dataclass(frozen=True)
class _Draft:
    """A row before its values have places."""

    stage: int
    landing: Terms
    value: Placed
    ends: bool
    repeats: bool


@dataclass(frozen=True)
class _Phase:
    """The rows of a phase in terms of nodes."""

    phase: PhaseProgram
    before: Combine | None
    keeps_start: bool
    converts: tuple[bool, bool]

    @property
    def rows(self) -> tuple[_Draft, ...]:
        last = self.phase.evaluations[-1]
        return tuple(
            _Draft(
                i,
                self._row(i),
                dict(self._integrand(i).items()),
                i == last,
                i == last and self.phase.repeat is not None,
            )
            for i in self.phase.evaluations
        )

    def _row(self, i: int) -> Terms:
        """What the landing after evaluation i reads, with N_i put in."""
        combine = next((one for one in self.phase.combines if one.stage > i), None)
        if combine is None:
            return {}
        terms = self._landing(combine)
        if not self.keeps_start:
            terms = self._without_start(i, combine, terms)
        return self._resolved(i, terms)

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
    return Combine(0, Fraction(0), support, before.rule, past(1))


def number(combine: Combine, j: int, symbol: Symbol) -> Expr:
    """ell_j as a number if it is one, so that equal weights of two landings cancel."""
    if len(combine.support) == 1 and not combine.rule.rows:
        return Integer(1)
    if not combine.rule.rows or not is_constant(combine.rule.rows[j]):
        return symbol
    total = sum((one.coefficient for one in combine.rule.rows[j]), Fraction(0))
    return Rational(total.numerator, total.denominator)


@dataclass(frozen=True)
class _Places:
    """Gives the values of a phase their places.

    Attributes:
        draft: the phase.
        readable: how many earlier values it finds; None if nothing is read after it.
        history: how many the main phase reads.
    """

    draft: _Phase
    readable: int | None
    history: int

    @cached_property
    def rows(self) -> tuple[_Draft, ...]:
        return self.draft.rows

    def live(self, row: int) -> list[Node]:
        """What is read after this row: step values, newest first, then those of inner stages."""
        read = {one for later in self.rows[row + 1 :] for one in later.landing}
        done = {node_of(each.stage) for each in self.rows[: row + 1]}
        steps: list[Node] = [CURRENT, *(past(j) for j in range(1, (self.readable or 0) + 1))]
        found = [
            node
            for age, node in enumerate(steps)
            if (node in done or age > 0)
            and (node in read or (self.readable is not None and age < self.history))
        ]
        return [*found, *sorted(node for node in done & read if node != CURRENT)]

    def keeps(self, row: int) -> bool:
        """Whether the value of a row is read later."""
        return node_of(self.rows[row].stage) in self.live(row)

    @property
    def needed(self) -> int:
        """Places: those that live after a row beside its own value, and the one that it writes."""
        rows = range(len(self.rows))
        if not any(map(self.keeps, rows)):
            return 0
        return 1 + max(
            len([one for one in self.live(n) if one != node_of(self.rows[n].stage)]) for n in rows
        )

    def phase(self, places: int) -> TablePhase:
        """The phase with places for its values."""
        state: list[Node | None] = [past(j) for j in range(1, (self.readable or 0) + 1)]
        state = (state + [None] * places)[:places]
        rows = []
        for n, row in enumerate(self.rows):
            placed = {operand: Place(k) for k, operand in enumerate(state) if operand is not None}
            landing: Placed = {
                placed[one] if isinstance(one, Node) else one: factor
                for one, factor in row.landing.items()
            }
            written = [*state[:-1], node_of(row.stage) if self.keeps(n) else None][:places]
            order = self._order(n, written)
            state = [written[k] for k in order]
            value = row.value if self.keeps(n) else {}
            ends = row.ends and self.draft.keeps_start
            rows.append(Row(row.stage, landing, value, order, ends, row.repeats))
        return TablePhase(
            self.draft.phase.name,
            self.draft.phase,
            tuple(rows),
            self.draft.before,
            self.draft.error,
        )

    def _order(self, row: int, written: list[Node | None]) -> tuple[int, ...]:
        """The places as the next row finds them: what lives, then what does not.

        The next row writes over the last one, which it may read but nobody after it.
        """
        live = self.live(row)
        order = [written.index(one) for one in live]
        order += [k for k in range(len(written)) if k not in order]
        if row + 1 < len(self.rows) and live and len(live) == len(written):
            later = self.live(row + 1)
            dying = next(k for k in reversed(order) if written[k] not in later)
            order.remove(dying)
            order.append(dying)
        return tuple(order)


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
    landing = _sorted({one for row in rows for one in row.landing})
    value = _sorted({one for row in rows for one in row.value})
    copies = value == (Array.PREDICTION,) and all(
        row.value[Array.PREDICTION] == 1 for row in rows if row.value
    )
    return Shape(landing, value, copies)


def _sorted(operands: set[Array | Place]) -> tuple[Array | Place, ...]:
    """x, y, the prediction, then the places."""
    arrays = [one for one in Array if one in operands]
    return (*arrays, *sorted(one for one in operands if isinstance(one, Place)))


def _pairs(program: StepProgram, converts: tuple[bool, bool]) -> tuple[TablePhase, ...]:
    """The phases of adaptive steps: the start is kept, and every value until the step is judged."""
    return tuple(_with_all_values(_Phase(one, None, True, converts)) for one in program.pairs)


def _with_all_values(draft: _Phase) -> TablePhase:
    """Rows whose values lie in the order of their stages: value i in place i."""
    rows = []
    for row in draft.rows:
        landing: Placed = {
            Place(one.index) if isinstance(one, Node) else one: factor
            for one, factor in row.landing.items()
        }
        stays: Placed = {Array.INPUT: Integer(1)}  # an evaluation for the estimate alone
        rows.append(Row(row.stage, landing or stays, row.value, (), row.ends))
    return TablePhase(draft.phase.name, draft.phase, tuple(rows), None, draft.error)
