"""Where the coefficients and the integrand values of a run are kept, for every target.

A row of the coefficient table belongs to one pass:

    [time, landing .., sample .., error .., stored ..]

The columns are read by position in the pass functions, so both are printed from one place, here.
The value to keep comes last because it may be written over an array that the others read.
"""

from collections.abc import Callable
from dataclasses import dataclass

from solvergen.fusion import Array, Operand, Pass, Term
from solvergen.scheme import CURRENT, Kind, Node
from solvergen.solver import Solver


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


def pass_name(phase: str, one: Pass) -> str:
    """The name of the function of a pass."""
    return f"_{phase}_pass_{one.stage}"


def pair_functions(
    solver: Solver, function: Callable[..., str]
) -> tuple[str, tuple[tuple[str, ...], ...]]:
    """The passes of adaptive steps that the steps of a fixed grid do not have, and all names.

    Args:
        solver: the solver.
        function: ``function(solver, name, one, adaptive)`` is the source of a pass.
    """
    known = {
        (pass_name(phase.name, one), function(solver, pass_name(phase.name, one), one))
        for phase, fused in zip(solver.program.all_phases, solver.passes, strict=True)
        for one in fused
    }
    added, names = [], []
    for phase, fused in zip(solver.program.pairs, solver.pair_passes, strict=True):
        listed = []
        for one in fused:
            shared = (
                name for name, text in sorted(known) if text == function(solver, name, one, True)
            )
            name = next(shared, pass_name(phase.name, one))
            if name == pass_name(phase.name, one):
                added.append(function(solver, name, one, True))
            listed.append(name)
        names.append(tuple(listed))
    return "\n\n\n".join(added), tuple(names)


def operand_name(operand: Operand, storage: Storage) -> str:
    """The name of the array that a pass reads."""
    return operand.value if isinstance(operand, Array) else storage.slot(operand)


def formula(one: Pass) -> str:
    """The pass as a formula for its docstring, in the symbols of the module docstring."""
    text = f"{one.target.value} <- Phi x + M0 sum_j ell_j N_j" if one.landing else ""
    if one.sample:
        start = "x <- y" if is_copy(one.sample) else "x <- Phi_0 x + M0_0 sum_j ell_0j N_j"
        text = f"{start}; then {text}"
    parts = [text] if text else []
    parts += [f"keep N_{one.stage}"] if one.stored else []
    parts += ["e <- M0 sum_j (ell_j - ell^_j) N_j"] if one.error else []
    return ", and ".join(parts)
