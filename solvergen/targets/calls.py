"""Calls of the functions of a step: gamma over an interval, Phi, M0, means, A and B.

``targets/steps.py`` spells the functions; what they are called with, by whom, is decided here.
"""

from dataclasses import dataclass

from sympy import Expr

from solvergen.scalars.formulas import Formulas
from solvergen.scalars.integrated import MASS
from solvergen.scalars.lengths import GAP, H
from solvergen.symbols import eta
from solvergen.targets.formulas import Spelling
from solvergen.targets.products import product


@dataclass(frozen=True)
class Calls:
    """Those of one module; times and lengths are given as code."""

    formulas: Formulas

    def gap(self, end: str, start: str) -> str:
        """gamma at one time minus gamma at another one."""
        if self.formulas.is_time:
            return f"{end} - {start}"
        return f"{'_length' if self.formulas.is_half_log_snr else '_gap'}({end}, {start})"

    def factor(self, end: str, start: str) -> str:
        """Phi."""
        form = self.formulas.integrating_factor
        arguments = ", ".join((end, start, *reads_eta(form)))
        return f"{'integrating_factor' if form is None else '_factor'}({arguments})"

    def moment(self, end: str, start: str, of_interval: str) -> str:
        """M0; from the length of the interval, or from int q' over it, if it reads one."""
        given = [of_interval] if self.reads_mass or self.reads_length else []
        arguments = [end, start, *given, *reads_eta(self.formulas.zeroth_moment)]
        return f"_moment({', '.join(arguments)})"

    def spread(self, end: str, start: str, length: str) -> str:
        """nu of the noise over an interval."""
        form, arguments = self.formulas.spread, [end, start]
        if self.reads_length_in_spread:
            arguments.append(length)
        return f"_nu({', '.join((*arguments, *reads_eta(form)))})"

    @property
    def reads_length_in_spread(self) -> bool:
        """Whether nu is computed from the length of its interval."""
        form = self.formulas.spread
        return form is not None and bool(form.has(H)) and self.formulas.is_half_log_snr

    def means(self, end: str, start: str, length: str) -> str:
        """int q' where modules integrate that, and mu_1, mu_2, .."""
        if self.formulas.exponent is not None:
            return f"_means({self.stretched(length)})"
        return f"_means({end}, {start})"

    def stretched(self, length: str) -> str:
        """A length in the density of the clock."""
        factor = self.formulas.stretch
        spelling = Spelling(self.formulas.schedule.parameters)
        return length if factor == 1 else product(f"({spelling.code(factor)})", length)

    @property
    def reads_length(self) -> bool:
        """Whether M0 is computed from the length of its interval."""
        form = self.formulas.zeroth_moment
        return bool(form.has(GAP) or (self.formulas.is_half_log_snr and form.has(H)))

    @property
    def reads_mass(self) -> bool:
        """Whether M0 is computed from int q' over its interval."""
        return bool(self.formulas.zeroth_moment.has(MASS))

    @property
    def means_given(self) -> int:
        """How many means ``_means`` returns."""
        formulas = self.formulas
        return 0 if formulas.is_uniform else max(formulas.needs.moments - 1, 0)


def reads_eta(form: Expr | None) -> tuple[str, ...]:
    """The argument that says eta, for a function of a formula that reads it."""
    return ("eta",) if form is not None and form.has(eta) else ()


def gamma_names(formulas: Formulas) -> tuple[str, str]:
    """What computes gamma at a time, and the time at which gamma has a value."""
    if formulas.is_time:
        return "np.asarray", "np.asarray"
    if formulas.is_half_log_snr:
        return "half_log_snr", "time_at_half_log_snr"
    return "expansion_variable", "time_at_expansion_variable"


def finite_code(formulas: Formulas) -> str:
    """Whether gamma is finite at the times t."""
    name, _ = gamma_names(formulas)
    return "np.isfinite(t)" if name == "np.asarray" else f"np.isfinite({name}(t))"
