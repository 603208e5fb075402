"""Where the coefficients and the integrand values of a run are kept, for every target.

A row of the coefficient table belongs to one pass:  [time, landing .., stored ..]. The columns
are read by position in the pass functions, so both are printed from the same place, here.
"""

from dataclasses import dataclass

from solvergen.program import Array, Operand, Pass, Term
from solvergen.scheme import CURRENT, Kind, Node


@dataclass(frozen=True)
class Columns:
    """The columns of one pass's row: which term is multiplied by which column."""

    landing: tuple[tuple[int, Term], ...]
    stored: tuple[tuple[int, Term], ...]
    width: int

    @property
    def all(self) -> tuple[tuple[int, Term], ...]:
        """Every term with its column, in the order of the row."""
        return (*self.landing, *self.stored)

    @classmethod
    def of(cls, one: Pass) -> "Columns":
        """Column 0 is the time; a stored value that is the prediction itself needs none."""
        landing = tuple(enumerate(one.landing, start=1))
        first = 1 + len(one.landing)
        if copies_prediction(one):
            return cls(landing, (), first)
        return cls(landing, tuple(enumerate(one.stored, start=first)), first + len(one.stored))


def copies_prediction(one: Pass) -> bool:
    """Whether the stored integrand value is the prediction itself."""
    return len(one.stored) == 1 and one.stored[0].coefficient == 1


@dataclass(frozen=True)
class Storage:
    """The buffers of a run.

    Attributes:
        ring: buffers for the current and earlier steps' integrand values.
        reuses_oldest: the current value overwrites the oldest one in the pass that last reads
            it, so that the ring has no buffer to spare.
        inner: the inner stages whose value is stored.
        has_input: some phase has inner stages, whose network input is not the sample.
    """

    ring: int
    reuses_oldest: bool
    inner: tuple[int, ...]
    has_input: bool

    @classmethod
    def of(cls, passes: tuple[tuple[Pass, ...], ...], history: int) -> "Storage":
        """The buffers that these passes need."""
        flat = [one for phase in passes for one in phase]
        stores_current = any(one.stored and one.stage == 0 for one in flat)
        oldest = Node(Kind.PAST, history)
        late = any(oldest in one.reads for one in flat if one.stage > 0)
        reuses = history > 0 and not late
        ring = history + (0 if reuses else 1) if stores_current else 0
        inner = sorted({one.stage for one in flat if one.stored and one.stage > 0})
        return cls(ring, reuses, tuple(inner), any(not one.last for one in flat))

    def slot(self, node: Node) -> str:
        """The name of the buffer of an integrand value."""
        if node.kind is Kind.STAGE:
            return f"stage_{node.index}"
        index = 0 if node == CURRENT else node.index
        return f"n_{index % self.ring if self.reuses_oldest else index}"

    @property
    def slots(self) -> tuple[str, ...]:
        """All buffers, the ring first."""
        return (*(f"n_{i}" for i in range(self.ring)), *(f"stage_{i}" for i in self.inner))


def pass_name(phase: str, one: Pass) -> str:
    """The name of the function of a pass."""
    return f"_{phase}_pass_{one.stage}"


def operand_name(operand: Operand, storage: Storage) -> str:
    """The name of the array that a pass reads."""
    return operand.value if isinstance(operand, Array) else storage.slot(operand)


def formula(one: Pass) -> str:
    """The pass as a formula for its docstring, in the symbols of the module docstring."""
    landing = "x" if one.last else "y"
    text = f"{landing} <- Phi x + M0 sum_j ell_j N_j"
    if one.stored:
        text += f", and keep N_{one.stage}" if one.stage else ", and keep N_0"
    return text
