"""Spells the weights of a landing (``solvergen.scalars.landings``).

Numbers go straight into the rows of coefficients. Everything else calls one of the functions of
``templates/common/run.jinja``.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from sympy import Expr

from solvergen.algebra.numpy_code import items_code
from solvergen.program.program import Combine
from solvergen.scalars.landings import LandingWeights, moment_symbol
from solvergen.targets.indices import Places


@dataclass(frozen=True)
class WeightPrinter:
    """The weights of one landing; ``code`` spells an expression.

    ``uniform`` says that gamma is the clock, so that the means are those of every interval.
    """

    weights: LandingWeights
    places: Places
    code: Callable[[Expr], str]
    uniform: bool

    def lines(self) -> list[str]:
        """The statements that compute the weights that are no numbers."""
        weights, combine = self.weights, self.weights.combine
        lines = [self._moment_line(*one) for one in weights.powers]
        if weights.density is not None:
            lines.append(f"{weights.density} = run.density[{self.places.interval(combine)}]")
        lines += [f"{name} = {self.code(form)}" for name, form in weights.rows]
        return [*lines, *([self._interpolation_line()] if weights.nodes else [])]

    def _interpolation_line(self) -> str:
        """The nodes in falling order, in which the sums of ``_weights`` do not cancel."""
        combine, used = self.weights.combine, self.weights.moments
        names = ", ".join(str(name) for name, _ in self.weights.nodes)
        nodes = ", ".join(self.places.falls(combine))
        if used is None:
            return f"{names} = _weights({self._means(combine, len(self.weights.nodes))}, {nodes})"
        return f"{names} = _weights(({', '.join(map(self.code, used))}), {nodes}, origin=0.0)"

    def _moment_line(self, along: int | None, power: int) -> str:
        combine = self.weights.combine
        stage = combine.stage
        if along is not None:
            combine = replace(self.places.phase.combines[along - 1], base=combine.base)
        names = items_code(str(moment_symbol(stage, k, along)) for k in range(1, power + 1))
        return f"{names} = _powers({self._means(combine, power + 1)})"

    def _means(self, combine: Combine, count: int) -> str:
        if self.uniform:
            return f"_MEANS[:{count}]"
        return f"run.mean[:{count}].take({self.places.interval(combine)}, axis=1)"
