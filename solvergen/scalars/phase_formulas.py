"""The scalars of the steps of one phase: its rows with the numbers that are known put in."""

from dataclasses import dataclass
from functools import cached_property

from sympy import Add, Expr, Integer, Symbol, expand, factor_terms

from solvergen.program.instructions import node_of
from solvergen.program.table import Shape, TablePhase, columns_of, conversion, phi, zeroth_moment
from solvergen.scalars import landings
from solvergen.scalars.intervals import Intervals
from solvergen.scalars.landings import LandingWeights


@dataclass(frozen=True)
class PhaseFormulas:
    """The scalars of the steps of one phase.

    Attributes:
        table: its rows, with the factors as they follow from Phi, M0, ell_j, A and B.
        weights: those of every landing, the second one of an estimate last.
        rows: for every row the columns of the table after the time, numbers put in.
        error: the factors of the estimate of the error, of each evaluation's input, if N reads
            that, and prediction; empty without an estimate.
    """

    table: TablePhase
    weights: tuple[LandingWeights, ...]
    rows: tuple[tuple[Expr, ...], ...]
    error: tuple[Expr, ...]

    @classmethod
    def of(
        cls,
        table: TablePhase,
        shapes: tuple[Shape, ...],
        has_factor: bool,
        converted: tuple[Expr, Expr],
    ) -> "PhaseFormulas":
        """Put in the weights that are numbers, Phi = 1 where there is no factor, and those of A
        and B that are the same number at all times."""
        intervals = Intervals(table.program)
        weights = landings.of_phase(table)
        numbers = {name: form for one in weights for name, form in one.numbers}
        for i in table.program.evaluations:
            pairs = zip(conversion(i), converted, strict=True)
            numbers |= {name: form for name, form in pairs if form.is_number}
        same = _shared_scalars(intervals)

        def known(factor: Expr) -> Expr:
            found = factor.xreplace(numbers).xreplace(same)
            if not has_factor:
                factors = filter(is_factor, found.free_symbols)
                found = found.xreplace(dict.fromkeys(factors, Integer(1)))
            return factored(found)

        rows = tuple(tuple(map(known, columns_of(row, shapes[row.shape]))) for row in table.rows)
        error = []
        for i in table.program.evaluations if table.error else ():
            factor, (a, b) = table.error.get(node_of(i), Integer(0)), conversion(i)
            error += [known(factor * a)] if converted[0] != 0 else []
            error.append(known(factor * b))
        return cls(table, weights, rows, tuple(error))

    @property
    def intervals(self) -> Intervals:
        return Intervals(self.table.program)

    @cached_property
    def read(self) -> frozenset[Symbol]:
        """The symbols that the rows, and the weights that are sums of moments, are written in."""
        forms = [form for row in (*self.rows, self.error) for form in row]
        forms += [form for one in self.weights for _, form in one.rows]
        return frozenset(symbol for form in forms for symbol in form.free_symbols)


def factored(form: Expr) -> Expr:
    """A sum of products with what all of them share in front; the most share nothing."""
    if not form.is_Add:
        return form
    form = expand(form)
    terms = Add.make_args(form)
    numbers = [term.as_coeff_Mul()[0] for term in terms]
    apart = not set.intersection(*(term.free_symbols for term in terms))
    if apart and any(one in (1, -1) for one in numbers) and any(one > 0 for one in numbers):
        return form
    return factor_terms(form)


def _shared_scalars(intervals: Intervals) -> dict[Symbol, Symbol]:
    """Scalars of landings over one interval and of evaluations at one time: those of the first."""
    program, same = intervals.phase, dict[Symbol, Symbol]()
    for one in program.landings:
        first = intervals.first(one)
        same |= {phi(one.stage): phi(first), zeroth_moment(one.stage): zeroth_moment(first)}
    for i in program.evaluations:
        same |= zip(conversion(i), conversion(intervals.first_at(i)), strict=True)
    return same


def is_factor(symbol: Symbol) -> bool:
    """Whether a symbol of ``program.table`` stands for Phi."""
    return symbol.name.startswith("phi_")
