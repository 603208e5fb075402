"""Explicit Runge-Kutta tableaux with exact rational coefficients, as schemes.

On the clock gamma = q with the integrating factor taken out, y = x/Phi obeys dy/dq = N, so any
Butcher tableau (A, b, c) gives a method of its classical order for every integrand: the
integrating-factor or Lawson Runge-Kutta methods (Lawson 1967, SIAM J. Numer. Anal. 4, 372). In
our form the weights of stage i are a_ij/c_i. A stage with c_i = 0 that is not the first one
starts from another stage, where M0 is not 0.

In another expansion variable the same weights have a lower order, which ``program.order`` finds.
"""

from dataclasses import dataclass, replace
from fractions import Fraction

from solvergen.errors import SchemeError
from solvergen.methods.rule import Rule, constants
from solvergen.methods.scheme import CURRENT, Node, Phase, Scheme, Stage, stage

LAWSON = "Lawson 1967 (SIAM J. Numer. Anal. 4, 372)"


@dataclass(frozen=True)
class Tableau:
    """An explicit tableau.

    Attributes:
        name: as the user types it.
        c: nodes; c_1 = 0.
        a: the rows below the first, lower triangular.
        b: weights.
        embedded: weights of the embedded method; empty if there is none.
        source: paper and place.

    Raises:
        SchemeError: shapes disagree, or a row does not sum to its node, or b to 1.
    """

    name: str
    c: tuple[Fraction, ...]
    a: tuple[tuple[Fraction, ...], ...]
    b: tuple[Fraction, ...]
    embedded: tuple[Fraction, ...]
    source: str

    def __post_init__(self) -> None:
        lengths = [len(row) for row in self.a]
        if lengths != list(range(1, len(self.c))) or len(self.b) != len(self.c):
            raise SchemeError(
                f"tableau {self.name!r}: {len(self.c)} nodes, rows of {lengths} and "
                f"{len(self.b)} weights; expected rows of 1, 2, .. below the first and one weight "
                "for each node."
            )
        sums = [(f"row {i + 2}", row, self.c[i + 1]) for i, row in enumerate(self.a)]
        sums += [("b", self.b, Fraction(1))]
        sums += [("embedded b", self.embedded, Fraction(1))] if self.embedded else []
        for where, row, expected in sums:
            if sum(row) != expected:
                raise SchemeError(
                    f"tableau {self.name!r}: {where} sums to {sum(row)}, expected {expected} "
                    f"(residual {sum(row) - expected})."
                )

    @classmethod
    def read(cls, name: str, text: str, source: str) -> "Tableau":
        """A tableau in the usual layout, ``c | a ..``, then ``b``, then the embedded ``b``."""
        nodes, rows = [], []
        for line in text.strip().splitlines():
            c, _, row = line.partition("|")
            nodes += [Fraction(c.strip())] if c.strip() else []
            rows.append(tuple(map(Fraction, row.split())))
        count = len(nodes)
        embedded = rows[count + 1] if len(rows) > count + 1 else ()
        return cls(name, tuple(nodes), tuple(rows[1:count]), rows[count], embedded, source)

    def scheme(self) -> Scheme:
        """The tableau as stages, without those that b does not need."""
        return replace(self._with(self.b, self.name), pair=self._pair() if self.embedded else None)

    def embedded_scheme(self) -> Scheme:
        """The embedded method.

        Raises:
            SchemeError: the tableau has none.
        """
        if not self.embedded:
            raise SchemeError(f"tableau {self.name!r} has no embedded pair.")
        return self._with(self.embedded, f"{self.name}:embedded")

    def _with(self, b: tuple[Fraction, ...], name: str) -> Scheme:
        needed = self._needed(b)
        numbers = {old: new for new, old in enumerate(needed)}
        stages = [self._stage(i, numbers) for i in needed[1:]]
        stages.append(_stage(Fraction(1), b, numbers))
        return Scheme(name, Phase("main", tuple(stages)), source=f"{self.source}; {LAWSON}")

    def _pair(self) -> Phase:
        """The step with both landings, and the stages that either of them needs.

        If the last stage is the landing itself (first same as last), the embedded method reads the
        integrand there without another stage.
        """
        last = len(self.c) - 1
        needed = set(self._needed(self.b)) | set(self._needed(self.embedded))
        same = self.c[last] == 1 and (*self.a[last - 1], Fraction(0)) == self.b
        numbers = {old: new for new, old in enumerate(sorted(needed - ({last} if same else set())))}
        stages = [self._stage(i, numbers) for i in numbers if i]
        stages.append(_stage(Fraction(1), self.b, numbers))
        numbers |= {last: len(stages)} if same else {}
        return Phase("pair", tuple(stages), estimate=_stage(Fraction(1), self.embedded, numbers))

    def _needed(self, b: tuple[Fraction, ...]) -> list[int]:
        """The stages that b reads, directly or through others; the first always."""
        needed = {0} | {i for i, weight in enumerate(b) if weight}
        for i in range(len(self.c) - 1, 0, -1):
            if i in needed:
                needed |= {j for j, weight in enumerate(self.a[i - 1]) if weight}
        return sorted(needed)

    def _stage(self, i: int, numbers: dict[int, int]) -> Stage:
        row, c = self.a[i - 1], self.c[i]
        if c:
            return _stage(c, row, numbers)
        base = next(j for j in numbers if 0 < j < i and self.c[j])
        start = (*self.a[base - 1], *([Fraction(0)] * (i - base)))
        change = tuple(a - b for a, b in zip(row, start, strict=True))
        scaled = tuple(one / -self.c[base] for one in change)
        return Stage(c, *_weighted(scaled, numbers), base=stage(numbers[base]))


def _stage(position: Fraction, row: tuple[Fraction, ...], numbers: dict[int, int]) -> Stage:
    return Stage(position, *_weighted(tuple(one / position for one in row), numbers))


def _weighted(
    weights: tuple[Fraction, ...], numbers: dict[int, int]
) -> tuple[tuple[Node, ...], Rule]:
    """The nodes with a weight that is not 0, and the rule."""
    used = [(j, weight) for j, weight in enumerate(weights) if weight]
    nodes = tuple(stage(numbers[j]) if j else CURRENT for j, _ in used)
    return nodes, constants([weight for _, weight in used])
