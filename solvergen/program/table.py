"""A run as a table: one row for every evaluation, one linear combination a row (THEORY section 11).

Between two evaluations everything is linear, so all that happens after evaluation i of a step is

    y    <-  c_z z + c_x x + c_y y + c_P P + sum_j c_j v_j      the next input, or the sample
    N_i  <-  a y + b P                                  the integrand, where a later row reads it

with P = model(y, t_i), x the sample at the start of the step, v_j the values that are kept and z a
fresh normal, if noise is added on the way. Two state forms say all schemes:

* A main step of two or more evaluations keeps x beside y. Then the landing starts from x itself,
  which takes no rounding error over from one stage to the next, and is possible where Phi = 0.
* Else x is not kept: every landing is written over the one before it, and a row that needs x (of a
  start-up with inner stages) has it from the last landing, y = Phi x + rest, so that

      Phi_(i+1) x + rest_(i+1) = Phi(t_(i+1), t_i) (y - rest_i) + rest_(i+1).

  A correction, Phi x_(n-1) + M0 sum_j ell_j N_j in place of the landing y = Phi x_(n-1) + M0 sum_j
  ell'_j N_j of the step before, is y + M0 sum_j (ell_j - ell'_j) N_j: it needs no x_(n-1) either.

With noise the second form is the one: a landing is y = Phi x + rest + w with the path w, and

    Phi_(i+1) x + rest_(i+1) + w_(i+1) = Phi(t_(i+1), t_i) (y - rest_i) + rest_(i+1) + nu_(i+1) z

takes the path along in y; each row has one fresh piece, and a correction is none of it.

Noise that is raised before a step is added to the last landing of the one before,

    y  <-  up (c_x x + ..) + nu_0 z,

so that it takes no pass of its own, and what the network sees next is the raised sample.

What neither form says: an estimate of the error is a sum over all values of a step, and is kept
apart (``TablePhase.error``). ``tabulation`` makes the table of a program.
"""

from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property

from sympy import Expr, Integer, Symbol

from solvergen.methods.scheme import Node
from solvergen.program.instructions import Combine
from solvergen.program.program import PhaseProgram


class Array(Enum):
    """The arrays of a run beside the values that it keeps."""

    NOISE = "z"
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

    @cached_property
    def read(self) -> frozenset[Symbol]:
        """The symbols that its rows are written in."""
        factors = (
            factor
            for row in self.rows
            for part in (row.landing, row.value)
            for factor in part.values()
        )
        return frozenset(symbol for factor in factors for symbol in factor.free_symbols)


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
        return in_order({*self.landing, *self.value})

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
        pairs: the phases of adaptive steps. One with the name of a phase is that, with an estimate.
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
        found = {row.kind for phase in (*self.phases, *self.pairs) for row in phase.rows}
        return tuple(sorted(found))

    @property
    def first_factor(self) -> int:
        """The column of the first factor: behind the time, and the kind if there are several."""
        return 1 + (len(self.kinds) > 1)

    @property
    def width(self) -> int:
        """Columns of the table: the time, the kind of row if there are several, the factors."""
        return max(shape.width for shape in self.shapes) + (len(self.kinds) > 1)


def in_order(operands: set[Array | Place]) -> tuple[Array | Place, ...]:
    """z, x, y, the prediction, then the places."""
    arrays = [one for one in Array if one in operands]
    return (*arrays, *sorted(one for one in operands if isinstance(one, Place)))


def columns_of(row: Row, shape: Shape) -> list[Expr]:
    """The factors of a row in the columns of its pass."""
    zero = Integer(0)
    value = [] if shape.copies else [row.value.get(one, zero) for one in shape.value]
    return [*(row.landing.get(one, zero) for one in shape.landing), *value]


def phi(i: int, base: int | None = None) -> Symbol:
    """Phi(t_i, t_base): from the base of landing i, or from another stage of the step."""
    return Symbol(f"phi_{i}" if base is None else f"phi_{i}_from_{base}")


def spread(i: int) -> Symbol:
    """nu, the standard deviation of the fresh noise of landing i."""
    return Symbol(f"nu_{i}")


UP = Symbol("up")
"""alpha(t_0)/alpha(s) of the step that follows, if the noise is raised before it; else 1."""


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
