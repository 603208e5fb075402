"""Where the coefficients and the integrand values of a run are kept, for every target.

A row of the coefficient table belongs to one pass:

    [time, landing .., sample .., error .., stored ..]

The columns are read by position in the pass functions, so both are counted in one place, here.
The value to keep comes last because it may be written over an array that the others read.
"""

from dataclasses import dataclass

from solvergen.methods.scheme import CURRENT, Kind, Node
from solvergen.program.fusion import Array, Pass, Term


@dataclass(frozen=True)
class Columns:
    """The columns of one pass's row: which term is multiplied by which column."""

    landing: tuple[tuple[int, Term], ...]
    sample: tuple[tuple[int, Term], ...]
    error: tuple[tuple[int, Term], ...]
    stored: tuple[tuple[int, Term], ...]
    width: int

    @property
    def all(self) -> tuple[tuple[int, Term], ...]:
        """Every term with its column, in the order of the row."""
        return (*self.landing, *self.sample, *self.error, *self.stored)

    @classmethod
    def of(cls, one: Pass) -> "Columns":
        """Column 0 is the time; what is a copy of another array needs none."""
        landing = tuple(enumerate(_multiplied(one.landing), start=1))
        width = 1 + len(landing)
        sample = tuple(enumerate(_multiplied(one.sample), start=width))
        width += len(sample)
        error = tuple(enumerate(one.error, start=width))
        width += len(error)
        stored = tuple(enumerate(_multiplied(one.stored), start=width))
        return cls(landing, sample, error, stored, width + len(stored))


def _multiplied(terms: tuple[Term, ...]) -> tuple[Term, ...]:
    return () if is_copy(terms) else terms


def is_copy(terms: tuple[Term, ...]) -> bool:
    """Whether a combination is one array itself."""
    return len(terms) == 1 and terms[0].coefficient == 1


@dataclass(frozen=True)
class Storage:
    """The buffers of a run.

    Attributes:
        ring: buffers for the current and earlier steps' integrand values.
        reuses_oldest: the current value overwrites the oldest one in the pass that last reads
            it, so that the ring has no buffer to spare.
        inner: the inner stages whose value is stored.
        has_input: the network input is not always the sample: some phase has inner stages or
            corrects.
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
        return cls(ring, reuses, tuple(inner), any(one.target is Array.INPUT for one in flat))

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
