"""Memory for the values that are kept.

They lie in a fixed number of places, in the order of the pass's arguments. A
pass writes its value over the last place, which is read before it is written, and ``Row.order``
then says how the places are ordered for the next row: step values first, newest first. A value
that nobody reads later is written there too; the place is one that nobody reads later either.
"""

from dataclasses import dataclass
from functools import cached_property

from solvergen.methods.scheme import CURRENT, Node, past
from solvergen.program.drafts import PhaseDraft, RowDraft
from solvergen.program.instructions import node_of
from solvergen.program.table import Place, Placed, Row, TablePhase


@dataclass(frozen=True)
class Places:
    """Gives the values of a phase their places.

    Attributes:
        draft: the phase.
        readable: how many earlier values it finds; None if nothing is read after it.
        history: how many the main phase reads.
    """

    draft: PhaseDraft
    readable: int | None
    history: int

    @cached_property
    def rows(self) -> tuple[RowDraft, ...]:
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
